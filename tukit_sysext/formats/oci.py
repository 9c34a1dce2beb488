# SPDX-License-Identifier: LGPL-2.1-or-later
"""Indexes and manifests of OCI registries (image-spec 1.1), and Docker's of version 2, which say the same.

They are read as they are meant, and bounded; what contradicts itself is refused as a whole. They are trusted only by a
digest from a trusted place, which the callers hold.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.oci_names import is_tag
from tukit_sysext.rules.printable import excerpt

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = ", ".join((INDEX, MANIFEST, _DOCKER_INDEX, _DOCKER_MANIFEST))
"""What a registry is asked for, as the Accept header has it."""

IMAGE_ARTIFACT = "application/vnd.systemd.sysext.v1"
"""The artifactType of an extension image."""
IMAGE_LAYER = "application/vnd.systemd.sysext.image.v1+raw"
"""The media type of the image itself."""
LIST_ARTIFACT = "application/vnd.tukit-sysext.list.v1"
"""The artifactType of a project's signed list, whose layers are called as the files of a directory."""
DESCRIPTION_LAYER = "application/vnd.tukit-sysext.description.v1"
"""The media type of what describes an image, with the file name that it has in a directory."""
CHUNKS_LAYER = "application/vnd.tukit-sysext.chunks.v1+caibx"
"""The media type of an image's index of chunks."""
PLAIN_LAYER = "application/octet-stream"
"""The media type of the list and its signatures."""
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
"""What stands where an artifact has no config."""
SIGNATURE_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
"""The media type of what cosign signs."""
SIGNATURE = "dev.cosignproject.cosign/signature"
"""The annotation of such a layer that has its signature in base64."""

TITLE = "org.opencontainers.image.title"
"""The annotation of a layer that has the name of its file."""
VERSION = "org.opencontainers.image.version"
"""The annotation that has the true version of an image."""
RELEASE = "org.opensuse.tukit-sysext.release."
"""What annotations begin with that have the keys of an extension-release: ``...release.SYSEXT_LEVEL``."""

LIMIT = 1024 * 1024
"""The most bytes of an index, a manifest, a config, or a page of tags."""
_MOST = 512
"""The most manifests of an index, and layers of a manifest."""
MOST_TAGS = 20_000
"""The most tags of one page, and about as many of a repository are looked at: each costs time."""
_MOST_TEXTS = 512
"""The most annotations, or labels, of one thing."""
_READ = frozenset((TITLE, VERSION, SIGNATURE))
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LARGEST = (1 << 63) - 1


class ManifestRefused(ImageBroken):
    """It is no index and no manifest, or one that contradicts itself, or has more in it than is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What is named: its bytes by SHA-256 (64 hexadecimal digits) and size.

    ``platform`` of what an index names: operating system, architecture and variant in Go's spelling.
    """

    media_type: str
    sha256: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: tuple[str, str, str] | None = None

    @classmethod
    def of(
        cls,
        media_type: str,
        content: bytes,
        *,
        title: str | None = None,
        platform: tuple[str, str, str] | None = None,
        artifact_type: str = "",
    ) -> Descriptor:
        """That of these bytes."""
        return cls(
            media_type=media_type,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            annotations={TITLE: title} if title is not None else {},
            platform=platform,
            artifact_type=artifact_type,
        )

    @property
    def title(self) -> str:
        """The name of its file; empty where it says none."""
        return self.annotations.get(TITLE, "")

    @property
    def digest(self) -> str:
        """As registries write it."""
        return f"sha256:{self.sha256}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Several manifests, mostly one for each platform."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """One image or artifact. ``kind`` is its artifactType, else the media type of its config, as oras 0.x has it."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    @property
    def kind(self) -> str:
        """What it says to be."""
        return self.artifact_type or self.config.media_type

    def layer(self, title: str) -> Descriptor | None:
        """The one layer with this file name; None where there is none, or several."""
        named = [layer for layer in self.layers if layer.title == title]
        return named[0] if len(named) == 1 else None


def parse(content: bytes, *, where: str) -> Index | Manifest:
    """Read an index or a manifest. Raises ManifestRefused."""
    document = _object(_json(content, where), "", where)
    version = document.get("schemaVersion")
    if version != 2 or isinstance(version, bool):
        raise ManifestRefused(f"{where}: expected schemaVersion 2, found {excerpt(json.dumps(version))}")
    media_type = _text(document, "mediaType", where, "")
    is_index, is_manifest = "manifests" in document, "layers" in document
    named_index, named_manifest = media_type in (INDEX, _DOCKER_INDEX), media_type in (MANIFEST, _DOCKER_MANIFEST)
    if media_type and not named_index and not named_manifest:
        raise ManifestRefused(f"{where}: expected an index or a manifest, found {excerpt(media_type)}")
    if is_index == is_manifest or (named_index and is_manifest) or (named_manifest and is_index):
        raise ManifestRefused(f"{where}: expected either an index with manifests or a manifest with layers")
    annotations = _annotations(document, where)
    artifact_type = _text(document, "artifactType", where, "")
    if is_index:
        manifests = _descriptors(document["manifests"], "manifests", where)
        return Index(manifests=manifests, annotations=annotations, artifact_type=artifact_type)
    return Manifest(
        config=_descriptor(document.get("config"), "config", where),
        layers=_descriptors(document["layers"], "layers", where),
        annotations=annotations,
        artifact_type=artifact_type,
    )


def parse_tags(content: bytes, *, where: str) -> tuple[str, ...]:
    """The tags of one page of a list, as they come; what can be no tag is left out. Raises ManifestRefused."""
    tags = _object(_json(content, where), "", where).get("tags")
    if tags is None:
        return ()  # a repository without tags
    if not isinstance(tags, list) or len(tags) > MOST_TAGS:
        raise ManifestRefused(f"{where}: expected a list of at most {MOST_TAGS} tags")
    return tuple(tag for tag in tags if isinstance(tag, str) and is_tag(tag))


def parse_labels(content: bytes, *, where: str) -> Mapping[str, str]:
    """The labels of a container image's config. Raises ManifestRefused."""
    inner = _object(_json(content, where), "", where).get("config") or {}
    labels = _object(inner, "config", where).get("Labels") or {}
    return _texts(_object(labels, "Labels", where), "Labels", where)


def parse_signed(content: bytes, *, where: str) -> str:
    """The SHA-256 of the manifest that a payload of cosign (simple signing) is about. Raises ManifestRefused."""
    critical = _object(_object(_json(content, where), "", where).get("critical"), "critical", where)
    if critical.get("type") != "cosign container image signature":
        raise ManifestRefused(f"{where}: expected a container image signature of cosign")
    image = _object(critical.get("image"), "critical.image", where)
    return _sha256(image.get("docker-manifest-digest"), "critical.image.docker-manifest-digest", where)


def compose_manifest(manifest: Manifest) -> bytes:
    """A manifest as it is pushed."""
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST}
    if manifest.artifact_type:
        document["artifactType"] = manifest.artifact_type
    document["config"] = _plain(manifest.config)
    document["layers"] = [_plain(layer) for layer in manifest.layers]
    if manifest.annotations:
        document["annotations"] = dict(sorted(manifest.annotations.items()))
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def compose_index(index: Index) -> bytes:
    """An index as it is pushed."""
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX}
    if index.artifact_type:
        document["artifactType"] = index.artifact_type
    document["manifests"] = [_plain(manifest) for manifest in index.manifests]
    if index.annotations:
        document["annotations"] = dict(sorted(index.annotations.items()))
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _plain(descriptor: Descriptor) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform is not None:
        names = ("os", "architecture", "variant")
        plain["platform"] = {name: text for name, text in zip(names, descriptor.platform, strict=True) if text}
    if descriptor.artifact_type:
        plain["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        plain["annotations"] = dict(sorted(descriptor.annotations.items()))
    return plain


def _json(content: bytes, where: str) -> Any:
    if len(content) > LIMIT:
        raise ManifestRefused(f"{where}: larger than {LIMIT} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ManifestRefused(f"{where}: not JSON: {excerpt(str(error))}") from error


def _object(value: Any, path: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ManifestRefused(f"{where}: {path or 'the whole'}: expected an object, found {type(value).__name__}")
    return value


def _text(document: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = document.get(key, default)
    if not isinstance(value, str) or len(value) > 255:
        raise ManifestRefused(f"{where}: {key}: expected a text of at most 255 characters")
    return value


def _texts(value: Mapping[str, Any], path: str, where: str) -> Mapping[str, str]:
    if len(value) > _MOST_TEXTS or not all(isinstance(text, str) for text in value.values()):
        raise ManifestRefused(f"{where}: {path}: expected texts alone, at most {_MOST_TEXTS}")
    # short texts take many times the memory of the bytes that they came in: what nobody reads is not kept
    return {key: text for key, text in value.items() if key in _READ or key.startswith(RELEASE)}


def _annotations(document: Mapping[str, Any], where: str) -> Mapping[str, str]:
    return _texts(_object(document.get("annotations") or {}, "annotations", where), "annotations", where)


def _descriptors(value: Any, path: str, where: str) -> tuple[Descriptor, ...]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise ManifestRefused(f"{where}: {path}: expected a list of at most {_MOST} descriptors")
    return tuple(_descriptor(each, f"{path}[{number}]", where) for number, each in enumerate(value))


def _descriptor(value: Any, path: str, where: str) -> Descriptor:
    document, within = _object(value, path, where), f"{where}: {path}"
    size = document.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise ManifestRefused(f"{within}: expected a size in bytes, found {excerpt(json.dumps(size))}")
    platform = document.get("platform")
    return Descriptor(
        media_type=_text(document, "mediaType", within),
        sha256=_sha256(document.get("digest"), path, where),
        size=size,
        annotations=_annotations(document, within),
        artifact_type=_text(document, "artifactType", within, ""),
        platform=_platform(_object(platform, "platform", within), within) if platform is not None else None,
    )


def _platform(document: Mapping[str, Any], where: str) -> tuple[str, str, str]:
    system, architecture, variant = (_text(document, key, where, "") for key in ("os", "architecture", "variant"))
    return system, architecture, variant


def _sha256(value: Any, path: str, where: str) -> str:
    match = _DIGEST.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        found = excerpt(value) if isinstance(value, str) else type(value).__name__
        raise ManifestRefused(f"{where}: {path}: expected a digest, sha256: and 64 hexadecimal digits, found {found}")
    return match[1]
