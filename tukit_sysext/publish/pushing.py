# SPDX-License-Identifier: LGPL-2.1-or-later
"""A published folder goes to a project of an OCI registry: files, manifests, indexes, and its signed list last.

What is there is not sent again. A registry has old versions as long as it likes: nothing is deleted there. Whatever
ends a push, readers have the old list, of which everything is there; run again it goes on with what is missing.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.formats import oci, oci_names
from tukit_sysext.formats.oci import Descriptor, Index, Manifest
from tukit_sysext.net.sending import FileBody
from tukit_sysext.progress.progress import Progress
from tukit_sysext.publish.looking import FolderImage
from tukit_sysext.publish.project import Project
from tukit_sysext.rules.architectures import ANY, platform_name
from tukit_sysext.sources.repository import description_names, index_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """What was sent to the project at ``url``, or would be: file names with their bytes, and how many were there."""

    url: str
    sent: Mapping[str, int]
    unchanged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A file of an image, as a layer."""

    file_name: str
    layer: Descriptor


@dataclass(frozen=True, kw_only=True, slots=True)
class _Artifact:
    """An image as a registry has it: where, under which tag (empty: none), its files, and its manifest."""

    image: FolderImage
    repository: str
    tag: str
    parts: tuple[_Part, ...]
    manifest: bytes

    @property
    def described(self) -> Descriptor:
        """As an index names it."""
        architecture = _architecture(self.image)
        return Descriptor.of(
            oci.MANIFEST,
            self.manifest,
            platform=("linux", platform_name(architecture), "") if architecture else None,
            artifact_type=oci.IMAGE_ARTIFACT,
        )

    @property
    def reference(self) -> str:
        """What the registry has it by."""
        return self.tag or self.described.digest


class Push:
    """What is to be pushed of a folder: these images, and what else its list has the hashes of.

    ``fresh`` has files that may not be written yet. Raises TukitSysextError where a registry could not have an image
    under its name.
    """

    def __init__(
        self, folder: Path, images: Sequence[FolderImage], hashes: Mapping[str, str], fresh: Mapping[str, bytes]
    ) -> None:
        self._folder = folder
        self._hashes = hashes
        self._fresh = fresh
        tags: set[tuple[str, str]] = set()
        self._artifacts = [self._artifact(image, tags) for image in images]

    def run(self, project: Project, lists: Mapping[str, bytes], progress: Progress) -> Pushed:
        """Push everything, the list and its signatures (by file name) last. Raises SourceUnreachable, OSError."""
        changed = self._changed(project)
        missing = _missing(project, changed)
        progress.send([(part.file_name, part.layer.size) for _, part in missing])
        for repository, part in missing:
            self._send(project, repository, part, progress)
        for repository in {artifact.repository for artifact in changed}:
            _put_bytes(project, repository, oci.EMPTY)
        for artifact in changed:
            project.put_manifest(artifact.repository, artifact.reference, artifact.manifest, oci.MANIFEST)
        for repository, tag, index in self._indexes():
            _put_manifest(project, repository, tag, index, oci.INDEX)
        _put_list(project, lists)
        return self._pushed(project, missing)

    def foresee(self, project: Project) -> Pushed:
        """What :meth:`run` would send. Raises SourceUnreachable."""
        return self._pushed(project, _missing(project, self._changed(project)))

    def _pushed(self, project: Project, sent: Sequence[tuple[str, _Part]]) -> Pushed:
        return Pushed(
            url=project.url,
            sent={part.file_name: part.layer.size for _, part in sent},
            unchanged=sum(len(artifact.parts) for artifact in self._artifacts) - len(sent),
        )

    def _changed(self, project: Project) -> Sequence[_Artifact]:
        """The images that are not there as they are; the registry has all files of the others."""
        return [
            artifact
            for artifact in self._artifacts
            if not project.has_manifest(
                artifact.repository, artifact.reference, artifact.described.sha256, oci.MANIFEST
            )
        ]

    def _send(self, project: Project, repository: str, part: _Part, progress: Progress) -> None:
        name, descriptor = part.file_name, os.open(self._folder / part.file_name, os.O_RDONLY | os.O_CLOEXEC)
        told = 0

        def sent(count: int) -> None:
            nonlocal told
            progress.move(name, add=count - told)  # fewer than before, where it is sent anew
            told = count

        try:
            progress.move(name)
            body = FileBody(descriptor=descriptor, size=part.layer.size, sent=sent)
            project.put_blob(repository, part.layer.sha256, body)
            progress.move(name, done=True)
        finally:
            os.close(descriptor)

    def _artifact(self, image: FolderImage, tags: set[tuple[str, str]]) -> _Artifact:
        repository = oci_names.repository_of(image.file_name)
        release = image.content.release if image.content is not None else {}
        parts = tuple(self._parts(image))
        manifest = Manifest(
            config=Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY),
            layers=tuple(part.layer for part in parts),
            annotations={
                **{f"{oci.RELEASE}{key}": value for key, value in release.items()},
                oci.VERSION: image.hint.version,
            },
            artifact_type=oci.IMAGE_ARTIFACT,
        )
        return _Artifact(
            image=image,
            repository=repository,
            tag=_tag(image, repository, tags),
            parts=parts,
            manifest=oci.compose_manifest(manifest),
        )

    def _parts(self, image: FolderImage) -> Iterator[_Part]:
        kinds = {image.file_name: oci.PLAIN_LAYER if image.hint.packing else oci.IMAGE_LAYER}
        kinds |= dict.fromkeys(description_names(image.file_name), oci.DESCRIPTION_LAYER)
        kinds[index_name(image.file_name)] = oci.CHUNKS_LAYER
        for name, media_type in kinds.items():
            if name in self._hashes:
                fresh = self._fresh.get(name)
                layer = Descriptor(
                    media_type=media_type,
                    sha256=self._hashes[name],
                    size=len(fresh) if fresh is not None else (self._folder / name).stat().st_size,
                    annotations={oci.TITLE: name},
                )
                yield _Part(file_name=name, layer=layer)

    def _indexes(self) -> Iterator[tuple[str, str, bytes]]:
        """Repository, tag and index of each version of each image."""
        versions: dict[tuple[str, str], list[_Artifact]] = defaultdict(list)
        for artifact in self._artifacts:
            versions[artifact.repository, artifact.image.hint.version].append(artifact)
        for (repository, version), artifacts in versions.items():
            index = Index(
                manifests=tuple(artifact.described for artifact in artifacts),
                annotations={oci.VERSION: version},
                artifact_type=oci.IMAGE_ARTIFACT,
            )
            yield repository, oci_names.version_tag(version), oci.compose_index(index)


def _architecture(image: FolderImage) -> str | None:
    """systemd's word for it; None for all."""
    return image.architecture if image.architecture != ANY else None


def _tag(image: FolderImage, repository: str, taken: set[tuple[str, str]]) -> str:
    """The tag of an image; empty for one of all architectures, as that of its version is the index's, and for a second
    file of the same version. Raises TukitSysextError.
    """
    try:
        tag = oci_names.version_tag(image.hint.version, _architecture(image))
    except ValueError as error:
        raise TukitSysextError(f"{image.file_name}: {error}") from error
    if _architecture(image) is None or (repository, tag) in taken:
        return ""
    taken.add((repository, tag))
    return tag


def _missing(project: Project, changed: Sequence[_Artifact]) -> Sequence[tuple[str, _Part]]:
    """The files of images that the registry does not have, each with its repository."""
    return [
        (artifact.repository, part)
        for artifact in changed
        for part in artifact.parts
        if not project.has_blob(artifact.repository, part.layer.sha256)
    ]


def _put_list(project: Project, lists: Mapping[str, bytes]) -> None:
    repository = oci_names.LIST_REPOSITORY
    for content in (oci.EMPTY, *lists.values()):
        _put_bytes(project, repository, content)
    manifest = Manifest(
        config=Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY),
        layers=tuple(Descriptor.of(oci.PLAIN_LAYER, content, title=name) for name, content in lists.items()),
        artifact_type=oci.LIST_ARTIFACT,
    )
    _put_manifest(project, repository, oci_names.LIST_TAG, oci.compose_manifest(manifest), oci.MANIFEST)


def _put_bytes(project: Project, repository: str, content: bytes) -> None:
    sha256 = Descriptor.of(oci.PLAIN_LAYER, content).sha256
    if not project.has_blob(repository, sha256):
        project.put_blob(repository, sha256, content)


def _put_manifest(project: Project, repository: str, reference: str, content: bytes, media_type: str) -> None:
    sha256 = Descriptor.of(media_type, content).sha256
    if not project.has_manifest(repository, reference, sha256, media_type):
        project.put_manifest(repository, reference, content, media_type)
