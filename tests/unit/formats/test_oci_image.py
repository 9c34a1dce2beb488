# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a manifest has, however it was pushed, and what is not supported."""

from __future__ import annotations

import pytest

from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest
from tukit_sysext.formats.oci_image import CONTAINER_CONFIGS, NotSupported, for_architecture, read_image

EMPTY = Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY)
CONTAINER = Descriptor.of(CONTAINER_CONFIGS[0], b"{}")
TAR = "application/vnd.oci.image.layer.v1.tar"
FILE = "gdb-15.2.x86-64.raw"


def layer(media_type: str, title: str | None = None, content: bytes = b"image") -> Descriptor:
    return Descriptor.of(media_type, content, title=title)


def manifest(*layers: Descriptor, config: Descriptor = EMPTY, **annotations: str) -> Manifest:
    said = {oci.VERSION if key == "version" else oci.RELEASE + key: text for key, text in annotations.items()}
    return Manifest(config=config, layers=layers, annotations=said)


def test_what_publish_pushes() -> None:
    found = read_image(
        manifest(
            layer(oci.IMAGE_LAYER, FILE),
            layer(oci.DESCRIPTION_LAYER, "gdb-15.2.x86-64.manifest.gz", b"description"),
            layer(oci.CHUNKS_LAYER, f"{FILE}.caibx", b"chunks"),
            version="15.2",
            ID="opensuse-microos",
            SYSEXT_LEVEL="glibc-2.42",
        )
    )
    assert (found.layer.title, found.packing) == (FILE, "")
    assert (found.version, found.architecture) == ("15.2", "x86-64")
    assert found.release == {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}
    assert found.description is not None and found.description.size == len(b"description")
    assert found.chunks is not None and found.chunks.size == len(b"chunks")


def test_a_layer_of_the_type_without_a_title() -> None:
    found = read_image(manifest(layer(oci.IMAGE_LAYER), version="15.2"))
    assert (found.version, found.architecture, found.packing) == ("15.2", None, "")


@pytest.mark.parametrize(("ending", "packing"), [("", ""), (".zst", "zst"), (".xz", "xz"), (".gz", "gz")])
def test_what_oras_pushes(ending: str, packing: str) -> None:
    """Of a file alone: its name is all that is known of it."""
    found = read_image(manifest(layer(TAR, f"{FILE}{ending}")))
    assert (found.version, found.architecture, found.packing) == ("15.2", "x86-64", packing)
    found = read_image(manifest(layer("text/plain", "README"), layer(TAR, f"{FILE}{ending}")))
    assert found.layer.title == f"{FILE}{ending}"


def test_the_annotation_is_stronger_than_the_name() -> None:
    assert read_image(manifest(layer(TAR, FILE), version="15.2~rc1")).version == "15.2~rc1"


@pytest.mark.parametrize("config", CONTAINER_CONFIGS)
@pytest.mark.parametrize("packed", ["", "+gzip", "+zstd"])
def test_a_container_image_of_one_layer(config: str, packed: str) -> None:
    found = read_image(manifest(layer(TAR + packed), config=Descriptor.of(config, b"{}")), {oci.VERSION: "1"})
    assert (found.packing, found.version, found.architecture) == ("layer", "1", None)


def test_descriptions_in_the_config_or_its_labels() -> None:
    config = Descriptor.of(oci.DESCRIPTION_LAYER, b"description")
    assert read_image(manifest(layer(TAR, FILE), config=config)).description == config
    labels = {f"{oci.RELEASE}ID": "_any", "maintainer": "x"}
    assert read_image(manifest(layer(TAR), config=CONTAINER), labels).release == {"ID": "_any"}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (manifest(layer(oci.IMAGE_LAYER), layer(oci.IMAGE_LAYER)), "it has 2 images, expected one"),
        (manifest(layer(TAR, FILE), layer(TAR, "strace-6.raw")), "it has 2 images, expected one"),
        (manifest(layer(TAR, "README.md")), "an artifact of type application/vnd.oci.empty.v1.json without an"),
        (manifest(), "an artifact of type"),
        (manifest(config=CONTAINER), "a container image of 0 layers"),
        (manifest(layer(TAR), layer(TAR), config=CONTAINER), "a container image of 2 layers, expected one"),
        (
            manifest(layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), config=CONTAINER),
            "a container image with a layer of type",
        ),
    ],
)
def test_what_is_not_supported(part: Manifest, words: str) -> None:
    with pytest.raises(NotSupported, match=words):
        read_image(part)


def index(*platforms: tuple[str, str, str] | None) -> Index:
    return Index(
        manifests=tuple(
            Descriptor.of(oci.MANIFEST, str(number).encode(), platform=each) for number, each in enumerate(platforms)
        )
    )


AMD64, ARM64, ANY = ("linux", "amd64", ""), ("linux", "arm64", "v8"), ("linux", "", "")


@pytest.mark.parametrize(
    ("found", "architecture", "number"),
    [
        (index(AMD64, ARM64), "x86-64", 0),
        (index(AMD64, ARM64), "arm64", 1),
        (index(("linux", "x86_64", "")), "x86-64", 0),
        (index(("unknown", "unknown", ""), AMD64), "x86-64", 1),
        (index(("windows", "amd64", ""), AMD64), "x86-64", 1),
        (index(("linux", "amd64", "v3"), ("linux", "amd64", "v1")), "x86-64", 1),
        (index(("linux", "arm", "v7")), "arm", 0),
        (index(ANY), "x86-64", 0),
        (index(None), "x86-64", 0),
        (index(AMD64, None), "arm64", 1),
    ],
)
def test_the_manifest_for_an_architecture(found: Index, architecture: str, number: int) -> None:
    assert for_architecture(found, architecture) == found.manifests[number]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (index(), "it has none for x86-64$"),
        (index(ARM64), "it has none for x86-64, only for arm64"),
        (index(AMD64, AMD64), "it has 2 manifests for x86-64, expected one"),
        (index(None, None), "it has 2 manifests for any architecture"),
        (index(("linux", "amd64", "v3")), "it has none for x86-64, only for x86-64"),
        (index(("linux", "\x1b[2J", "")), r"only for \\x1b\[2J"),
    ],
)
def test_an_index_without_one(found: Index, words: str) -> None:
    with pytest.raises(NotSupported, match=words):
        for_architecture(found, "x86-64")
