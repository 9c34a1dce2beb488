# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which extension image a manifest of a registry has, however it was pushed. Pure.

Read are: an artifact with a layer of our media type; what ``oras push`` makes of a file ``*.raw``, packed or not; and
an ordinary container image with one layer, in which there has to be exactly one file (that is seen when it is
unpacked).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest
from tukit_sysext.rules.architectures import of_platform
from tukit_sysext.rules.image_names import LAYER, looks_like_image, read_image_name, unpacked_name
from tukit_sysext.rules.printable import excerpt

CONTAINER_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
"""Media types of the config of a container image, which has labels."""
_CONTAINER_LAYERS = (
    *(f"application/vnd.oci.image.layer.v1.tar{packed}" for packed in ("", "+gzip", "+zstd")),
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_OF_ATTESTATIONS = "unknown"
_ANY_VARIANT = frozenset(("", "v1", "v8"))
"""Of x86-64 and arm64: what every machine of the architecture can run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaggedImage:
    """An image as its manifest says it is.

    ``layer`` has the image, which is packed as ``packing`` says (empty: it is not). ``version`` is empty and
    ``architecture`` None where it says none. ``release`` has the keys of its extension-release that it says, and
    ``description`` what describes it, ``chunks`` the index of its chunks (caibx).
    """

    layer: Descriptor
    packing: str = ""
    version: str = ""
    architecture: str | None = None
    release: Mapping[str, str] = field(default_factory=dict)
    description: Descriptor | None = None
    chunks: Descriptor | None = None


class NotSupported(ValueError):
    """Why it has no image that could be used, for a person."""


def for_architecture(index: Index, architecture: str) -> Descriptor:
    """The manifest of an index that is for an architecture, else the one for any. Raises NotSupported."""
    said = {of_platform(each.platform[1]) or each.platform[1] for each in index.manifests if each.platform}
    for wanted in (architecture, None):
        fitting = [each for each in index.manifests if _is_for(each, wanted)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise NotSupported(f"it has {len(fitting)} manifests for {wanted or 'any architecture'}, expected one")
    names = ", ".join(sorted(excerpt(name) for name in said - {"", _OF_ATTESTATIONS}))
    raise NotSupported(f"it has none for {architecture}{f', only for {names}' if names else ''}")


def _is_for(manifest: Descriptor, architecture: str | None) -> bool:
    system, word, variant = manifest.platform or ("", "", "")
    if _OF_ATTESTATIONS in (system, word) or system not in ("", "linux"):
        return False
    if architecture is None:
        return not word
    return of_platform(word) == architecture and (variant in _ANY_VARIANT or architecture == "arm")


def read_image(manifest: Manifest, labels: Mapping[str, str] | None = None) -> TaggedImage:
    """The image of a manifest; ``labels`` are those of a container image's config. Raises NotSupported."""
    layer, packing = _image_layer(manifest)
    said = {**(labels or {}), **layer.annotations, **manifest.annotations}
    hint = read_image_name(layer.title) if layer.title else None
    described = [each for each in manifest.layers if each.media_type == oci.DESCRIPTION_LAYER]
    if manifest.config.media_type == oci.DESCRIPTION_LAYER:
        described.append(manifest.config)
    return TaggedImage(
        layer=layer,
        packing=packing,
        version=said.get(oci.VERSION) or (hint.version if hint is not None else ""),
        architecture=hint.architecture if hint is not None else None,
        release={key.removeprefix(oci.RELEASE): said[key] for key in said if key.startswith(oci.RELEASE)},
        description=described[0] if described else None,
        chunks=next((each for each in manifest.layers if each.media_type == oci.CHUNKS_LAYER), None),
    )


def _image_layer(manifest: Manifest) -> tuple[Descriptor, str]:
    """The layer that has the image, and how that is packed in it."""
    ours = [layer for layer in manifest.layers if layer.media_type == oci.IMAGE_LAYER]
    ours = ours or [layer for layer in manifest.layers if looks_like_image(layer.title)]
    if len(ours) == 1:
        own = ours[0].media_type == oci.IMAGE_LAYER
        return ours[0], "" if own else unpacked_name(ours[0].title)[1]
    if ours:
        raise NotSupported(f"it has {len(ours)} images, expected one")
    if manifest.config.media_type not in CONTAINER_CONFIGS:
        raise NotSupported(f"an artifact of type {excerpt(manifest.kind)} without an extension image")
    if len(manifest.layers) != 1:
        raise NotSupported(f"a container image of {len(manifest.layers)} layers, expected one with one file")
    if manifest.layers[0].media_type not in _CONTAINER_LAYERS:
        raise NotSupported(f"a container image with a layer of type {excerpt(manifest.layers[0].media_type)}")
    return manifest.layers[0], LAYER
