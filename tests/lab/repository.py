# SPDX-License-Identifier: LGPL-2.1-or-later
"""A directory of images as a server has it: images, manifests, SHA256SUMS and its OpenPGP signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from tests.lab.images import ImageKind, ManifestKind, make_image, write_checksums
from tests.lab.signing import Digest, SigningKey

LIST = "SHA256SUMS"
BINARY_SIGNATURE = f"{LIST}.gpg"
ARMOURED_SIGNATURE = f"{LIST}.asc"


class ImageOptions(TypedDict, total=False):
    """What make_image may be told beside the name, the version and the keys of extension-release."""

    architecture: str
    kind: ImageKind
    inside: Literal["squashfs", "erofs"]
    files: Mapping[str, str | bytes] | None
    release_name: str | None
    strict: bool | None
    manifest: ManifestKind | None
    size_mib: int
    file_name: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A directory of images. Nothing is listed or signed before it is asked for."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def publish(self, name: str, version: str, release: Mapping[str, str], **options: Unpack[ImageOptions]) -> Path:
        """Make an image whose extension-release has the keys `release`; gives its path."""
        return make_image(self.folder, name, version, release=release, **options)

    def withdraw(self, name: str, version: str | None = None) -> list[str]:
        """Remove the images of a name (of one version) and their manifests; gives the names of these files.

        Images that were given a file name of their own are not found this way.
        """
        gone = [path for path in sorted(self.folder.iterdir()) if _means(path.name, name, version)]
        for path in gone:
            path.unlink()
        return [path.name for path in gone]

    def write_list(
        self,
        *,
        style: Literal["text", "binary"] = "text",
        best_before: date | None = None,
        names: Iterable[str] | None = None,
    ) -> Path:
        """Write SHA256SUMS over `names` (everything there is), in a style of sha256sum(1); see write_checksums."""
        return write_checksums(self.folder, style=style, best_before=best_before, names=names)

    def sign(
        self,
        key: SigningKey,
        *,
        armoured: bool = False,
        digest: Digest = "SHA512",
        time: datetime | None = None,
        text_mode: bool = False,
    ) -> Path:
        """Sign the list as it is; gives the path of the signature. One in the other form is removed."""
        content = (self.folder / LIST).read_bytes()
        signature = key.sign(content, armoured=armoured, digest=digest, time=time, text_mode=text_mode)
        path, other = self.folder / BINARY_SIGNATURE, self.folder / ARMOURED_SIGNATURE
        if armoured:
            path, other = other, path
        path.write_bytes(signature)
        other.unlink(missing_ok=True)
        return path

    def names(self) -> list[str]:
        """Names of all files, sorted."""
        return sorted(path.name for path in self.folder.iterdir())


def _means(file_name: str, name: str, version: str | None) -> bool:
    """Whether a file is NAME-VERSION.ARCH and one of the endings of images and manifests."""
    for ending in (".raw.json", ".manifest.gz", ".manifest", ".raw"):
        if file_name.endswith(ending):
            stem = file_name.removesuffix(ending).rpartition(".")[0]
            return stem.rpartition("-")[0] == name if version is None else stem == f"{name}-{version}"
    return False
