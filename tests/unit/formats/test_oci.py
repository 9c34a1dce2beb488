# SPDX-License-Identifier: LGPL-2.1-or-later
"""Indexes, manifests, tags, labels and payloads of registries: what is read, and what is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import (
    Descriptor,
    Index,
    Manifest,
    ManifestRefused,
    compose_index,
    compose_manifest,
    parse,
    parse_labels,
    parse_signed,
    parse_tags,
)

IMAGE = b"image"
HASH = hashlib.sha256(IMAGE).hexdigest()
LAYER = Descriptor.of(oci.IMAGE_LAYER, IMAGE, title="gdb-15.2.x86-64.raw")
MANIFEST = Manifest(
    config=Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY),
    layers=(LAYER,),
    annotations={oci.VERSION: "15.2"},
    artifact_type=oci.IMAGE_ARTIFACT,
)
INDEX = Index(
    manifests=(
        Descriptor.of(
            oci.MANIFEST,
            compose_manifest(MANIFEST),
            platform=("linux", "amd64", ""),
            artifact_type=oci.IMAGE_ARTIFACT,
        ),
    ),
    annotations={oci.VERSION: "15.2"},
    artifact_type=oci.IMAGE_ARTIFACT,
)


def plain(part: Manifest | Index) -> dict[str, Any]:
    content = compose_manifest(part) if isinstance(part, Manifest) else compose_index(part)
    document = json.loads(content)
    assert isinstance(document, dict)
    return document


def read(document: object) -> Index | Manifest:
    return parse(json.dumps(document).encode(), where="gdb:15.2")


def test_what_is_composed_is_read() -> None:
    assert parse(compose_manifest(MANIFEST), where="") == MANIFEST
    assert parse(compose_index(INDEX), where="") == INDEX
    assert MANIFEST.kind == oci.IMAGE_ARTIFACT
    assert MANIFEST.layer("gdb-15.2.x86-64.raw") == LAYER
    assert LAYER.digest == f"sha256:{HASH}"
    assert LAYER.size == 5


def test_a_manifest_as_others_write_it() -> None:
    """Docker's media types, none at all, null for what is not there, and keys that nobody asked for."""
    document = plain(MANIFEST)
    for change in (
        {"mediaType": "application/vnd.docker.distribution.manifest.v2+json"},
        {"annotations": None, "artifactType": "", "subject": {"x": 1}},
    ):
        found = read({**document, **change})
        assert isinstance(found, Manifest)
        assert found.layers == (LAYER,)
    del document["mediaType"], document["artifactType"]
    found = read(document)
    assert isinstance(found, Manifest)
    assert found.kind == oci.EMPTY_CONFIG


def test_a_title_that_two_layers_have_is_none_of_them() -> None:
    twice = Manifest(config=MANIFEST.config, layers=(LAYER, LAYER))
    assert twice.layer(LAYER.title) is None
    assert twice.layer("other") is None


def changed(path: str, value: object) -> dict[str, Any]:
    """The manifest with another value at a path, as ``layers.0.digest``."""
    document: Any = plain(MANIFEST)
    *way, last = path.split(".")
    part = document
    for step in way:
        part = part[int(step)] if step.isdigit() else part[step]
    part[last] = value
    return dict(document)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("schemaVersion", 1, "expected schemaVersion 2, found 1"),
        ("schemaVersion", True, "expected schemaVersion 2, found true"),
        ("mediaType", "text/html", "expected an index or a manifest, found text/html"),
        ("mediaType", oci.INDEX, "expected either an index with manifests or a manifest with layers"),
        ("mediaType", 5, "mediaType: expected a text"),
        ("manifests", [], "expected either an index with manifests or a manifest with layers"),
        ("layers", {}, "layers: expected a list of at most 512 descriptors"),
        ("layers", [{}] * 513, "layers: expected a list of at most 512 descriptors"),
        ("layers", ["x"], r"layers\[0\]: expected an object, found str"),
        ("layers.0.digest", "sha256:" + "A" * 64, r"layers\[0\]: expected a digest"),
        ("layers.0.digest", "sha512:" + "a" * 128, r"layers\[0\]: expected a digest"),
        ("layers.0.digest", None, r"layers\[0\]: expected a digest.* found NoneType"),
        ("layers.0.size", -1, r"layers\[0\]: expected a size in bytes, found -1"),
        ("layers.0.size", True, "expected a size in bytes"),
        ("layers.0.size", 1 << 63, "expected a size in bytes"),
        ("layers.0.size", 1.5, "expected a size in bytes"),
        ("layers.0.mediaType", "x" * 256, "mediaType: expected a text"),
        ("layers.0.annotations", {"x": 1}, "annotations: expected texts alone"),
        ("layers.0.annotations", ["x"], "annotations: expected an object, found list"),
        ("layers.0.platform", "linux", "platform: expected an object, found str"),
        ("layers.0.platform", {"os": 1}, "os: expected a text"),
        ("annotations", {"x": None}, "annotations: expected texts alone"),
        ("config", None, "config: expected an object, found NoneType"),
        ("artifactType", 1, "artifactType: expected a text"),
    ],
)
def test_what_is_refused(path: str, value: object, words: str) -> None:
    with pytest.raises(ManifestRefused, match=words) as caught:
        read(changed(path, value))
    assert str(caught.value).startswith("gdb:15.2: ")


def test_what_is_both_an_index_and_a_manifest_is_none() -> None:
    """Two readers would see two things."""
    document = {**plain(MANIFEST), **plain(INDEX)}
    del document["mediaType"]
    with pytest.raises(ManifestRefused, match="expected either an index with manifests or a manifest with layers"):
        read(document)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b"<html>"])
def test_what_is_no_manifest(content: bytes) -> None:
    for read_it in (parse, parse_signed):
        with pytest.raises(ManifestRefused):
            read_it(content, where="x")


@pytest.mark.parametrize("read_it", [parse, parse_tags, parse_labels, parse_signed])
def test_what_is_too_large(read_it: Any) -> None:
    with pytest.raises(ManifestRefused, match="larger than 1048576 bytes"):
        read_it(b" " * (oci.LIMIT + 1), where="x")


def test_tags() -> None:
    def tags(value: object) -> tuple[str, ...]:
        return parse_tags(json.dumps({"name": "images/gdb", "tags": value}).encode(), where="tags")

    assert tags(["15.2", "1.0", "15.10"]) == ("15.2", "1.0", "15.10")
    assert tags(None) == ()
    assert tags(["ok", "", "-x", ".x", "a/b", "a:b", "x" * 129, 5, None, "\u00e4"]) == ("ok",)
    refused: list[object] = ["x", {}, ["x"] * 20_001]
    for wrong in refused:
        with pytest.raises(ManifestRefused, match="expected a list of at most 20000 tags"):
            tags(wrong)


def test_labels() -> None:
    def labels(document: object) -> dict[str, str]:
        return dict(parse_labels(json.dumps(document).encode(), where="config"))

    assert labels({"config": {"Labels": {oci.VERSION: "1"}}}) == {oci.VERSION: "1"}
    assert labels({"config": {"Labels": None}}) == labels({"config": None}) == labels({}) == {}
    refused: list[object] = [{"config": 5}, {"config": {"Labels": ["x"]}}, {"config": {"Labels": {"x": 1}}}]
    for wrong in refused:
        with pytest.raises(ManifestRefused):
            labels(wrong)


def payload(**changes: object) -> bytes:
    critical: dict[str, object] = {
        "identity": {"docker-reference": "registry.example.org/images/gdb"},
        "image": {"docker-manifest-digest": f"sha256:{HASH}"},
        "type": "cosign container image signature",
        **changes,
    }
    return json.dumps({"critical": critical, "optional": None}).encode()


def test_what_cosign_signs() -> None:
    assert parse_signed(payload(), where="x") == HASH
    for wrong in (
        payload(type="atomic container signature"),
        payload(image=None),
        payload(image={"docker-manifest-digest": HASH}),
        payload(image={}),
    ):
        with pytest.raises(ManifestRefused):
            parse_signed(wrong, where="x")


def test_of_annotations_that_are_kept_somebody_reads_each() -> None:
    """They have a number too: small texts take much memory."""
    document = plain(MANIFEST)
    read_here = {oci.VERSION: "15.2", f"{oci.RELEASE}ID": "opensuse"}
    document["annotations"] = {**read_here, "org.example.note": "text"}
    assert read(document).annotations == read_here
    document["layers"][0]["annotations"] = {str(number): "" for number in range(513)}
    with pytest.raises(ManifestRefused, match=r"annotations: expected texts alone, at most 512"):
        read(document)
