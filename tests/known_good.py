# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes what the package ships as known good input for gpgv(1) and systemd-dissect(1): see tukit_sysext.system.control.

``python -m tests.known_good FOLDER``. Signature and keyring are by a key that is thrown away at once. Key and signature
never expire, and are as old as a time can be, so that they are good whatever the clock of a machine says; RSA and
SHA-512 are there in every gpgv, in FIPS mode too. The image is a squashfs whose blocks are not compressed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.signing import SigningKey

_MADE = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
_FIXED = ("-mkfs-time", "0", "-all-time", "0", "-all-root", "-no-xattrs", "-noI", "-noD", "-noF", "-noX")


def make(folder: Path) -> None:
    """Make the four files in a folder."""
    content = b"tukit-sysext: known good\n"
    with tempfile.TemporaryDirectory() as scratch:
        key = SigningKey.make(Path(scratch) / "key", name="tukit-sysext known good", algorithm="rsa3072", created=_MADE)
        key.write_keyring(folder / "keyring.gpg")
        (folder / "list").write_bytes(content)
        (folder / "list.sig").write_bytes(key.sign(content, time=_MADE))
        make_known_good_image(Path(scratch) / "tree", folder / "image.raw")


def make_known_good_image(tree: Path, image: Path) -> None:
    """Make the image, over a tree that is made for it."""
    release = tree / "usr/lib/extension-release.d"
    release.mkdir(parents=True)
    (release / "extension-release.known-good").write_text("ID=_any\n")
    packing = ["mksquashfs", str(tree), str(image), *_FIXED, "-noappend", "-no-progress", "-quiet"]
    subprocess.run(packing, check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
