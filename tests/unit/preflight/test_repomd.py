# SPDX-License-Identifier: LGPL-2.1-or-later
"""What repomd.xml and media.1/products say of a system."""

from __future__ import annotations

import pytest

from tukit_sysext.preflight.zypp import cpe_names, products

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">'
DATA = '<data type="primary"><location href="repodata/x-primary.xml.zst"/><distro cpeid="cpe:/o:no:no:1"/></data>'


def repomd(tags: str) -> bytes:
    return f"{HEAD}<revision>1</revision><tags>{tags}</tags>{DATA}</repomd>".encode()


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ('<distro cpeid="cpe:/o:opensuse:opensuse:20260801">openSUSE</distro>', ["cpe:/o:opensuse:opensuse:20260801"]),
        ('<repo>obsproduct://x</repo><distro cpeid="a">A</distro><distro cpeid="b"/>', ["a", "b"]),
        ("<distro>openSUSE</distro><content>pool</content>", []),
        ('<distro cpeid="">openSUSE</distro>', []),
        ("", []),
    ],
)
def test_cpe_names(tags: str, found: list[str]) -> None:
    assert cpe_names(repomd(tags)) == found


LAUGHS = '<!DOCTYPE repomd [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>not found</body>",
        b"<html/>",
        repomd("")[:60],
        repomd("").replace(b"<repomd", f"{LAUGHS}<repomd".encode(), 1),
        repomd("").decode().replace("UTF-8", "UTF-16").replace("<repomd", f"{LAUGHS}<repomd", 1).encode("utf-16"),
        b"\xff\xfe\x00",
    ],
)
def test_no_repomd(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no XML|document type|no repomd"):
        cpe_names(content)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"/ openSUSE 20260801-0\n", [("openSUSE", "20260801")]),
        (b"/ SL-Micro 6.1-1\n/ Other 2\n", [("SL-Micro", "6.1"), ("Other", "2")]),
        (b"", []),
        (b"<html>\nnot found\n", []),
        (b"\xff\xfe / x\n", []),
    ],
)
def test_products(content: bytes, found: list[tuple[str, str]]) -> None:
    assert products(content) == found
