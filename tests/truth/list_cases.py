# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists as publishers write them, and what may differ between the programs that read them, and why.

What a program takes of a list is asked of the program: nothing in here says what ``sha256sum -c`` or systemd-sysupdate
read, only where we follow which of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

CONTENT = b"an image\n"
"""Of every file that the lists name."""
HASH = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"another image\n").hexdigest()
ONE, TWO = "gdb-1.x86-64.raw", "gdb-2.x86-64.raw"
FILES = (ONE, TWO, "a b.raw", "gdb-[3].raw", ".gdb-4.raw", "sub/gdb-5.x86-64.raw", "Tumbleweed.iso")
"""The files that are there."""

STRICT = "sysupdate refuses the whole list for one such line: it reads what sha256sum writes by itself, and no more"
"""What is written by ``publish`` is what both read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListCase:
    """One list. ``not_sha256sum`` and ``not_sysupdate`` say why that program is not followed; empty where it is."""

    name: str
    text: str | bytes
    not_sha256sum: str = ""
    not_sysupdate: str = ""

    @property
    def content(self) -> bytes:
        return self.text if isinstance(self.text, bytes) else self.text.encode()


_ONE, _TWO = f"{HASH}  {ONE}\n", f"{HASH}  {TWO}\n"
_BARE = "it is written by other programs (shasum, openssl, BSD's sha256), and one file alone can be meant"

CASES = (
    ListCase(name="as sha256sum writes it", text=_ONE + _TWO),
    ListCase(name="as sha256sum -b writes it", text=f"{HASH} *{ONE}\n{HASH} *{TWO}\n"),
    ListCase(name="capitals", text=_ONE + f"{HASH.upper()}  {TWO}\n"),
    ListCase(name="a line twice", text=_ONE + _TWO + _ONE),
    ListCase(name="./ in front (find . | xargs sha256sum)", text=f"{HASH}  ./{ONE}\n{HASH} *./{TWO}\n",
             not_sysupdate=STRICT),
    ListCase(name="CRLF", text=(_ONE + _TWO).replace("\n", "\r\n"), not_sysupdate=STRICT),
    ListCase(name="no last newline", text=(_ONE + _TWO)[:-1], not_sysupdate=STRICT),
    ListCase(name="empty lines", text=f"\n{_ONE}\n\n{_TWO}\n", not_sysupdate=STRICT),
    ListCase(name="comments", text=f"# made by hand\n{_ONE}# {_TWO} # {_TWO}", not_sysupdate=STRICT),
    ListCase(name="BSD style (sha256sum --tag)", text=f"SHA256 ({ONE}) = {HASH}\n", not_sysupdate=STRICT),
    ListCase(name="as openssl dgst writes it", text=f"SHA256({ONE})= {HASH}\n", not_sysupdate=STRICT),
    ListCase(name="several kinds in BSD style (Fedora's CHECKSUM)", not_sysupdate=STRICT,
             text=f"# {ONE}: 9 bytes\nMD5 ({ONE}) = {'0' * 32}\nSHA256 ({ONE}) = {HASH}\nSHA1 ({ONE}) = {'0' * 40}\n"),
    ListCase(name="one space (BSD's sha256 -r)", text=f"{HASH} {ONE}\n{HASH} {TWO}\n", not_sysupdate=STRICT),
    ListCase(name="a tab", text=f"{HASH}\t{ONE}\n", not_sysupdate=STRICT),
    ListCase(name="spaces in front", text=f"  {_ONE}\t{_TWO}", not_sysupdate=STRICT),
    ListCase(name="an escaped line with nothing to escape", text=f"\\{_ONE}{_TWO}", not_sysupdate=STRICT),
    ListCase(name="a name with a space", text=f"{HASH}  a b.raw\n{_ONE}"),
    ListCase(name="a name with brackets", text=f"{HASH}  gdb-[3].raw\n{_ONE}"),
    ListCase(name="a name that begins with a dot", text=f"{HASH}  .gdb-4.raw\n{_ONE}"),
    ListCase(name="a file of a folder", text=f"{HASH}  sub/gdb-5.x86-64.raw\n{_ONE}", not_sysupdate=STRICT),
    ListCase(name="files of others (openSUSE's appliances)", text=f"{HASH}  Tumbleweed.iso\n{_ONE}"),
    ListCase(name="words between the lines", text=f"Images of today:\n{_ONE}-- \n{_TWO}", not_sysupdate=STRICT),
    ListCase(name="a bad hash beside a file of others", text=f"{'0' * 32}  README\n{_ONE}", not_sysupdate=STRICT),
    ListCase(name="nothing but words", text="<html>Log in</html>\n"),
    ListCase(name="a byte order mark", text=f"\ufeff{_ONE}{_TWO}", not_sysupdate=STRICT,
             not_sha256sum="it passes over the first line, which names a file like any other"),
    ListCase(name="two styles mixed", text=f"{HASH} {ONE}\n{_TWO}", not_sysupdate=STRICT,
             not_sha256sum="it takes the second space for a part of the name, which no name of ours has"),
    ListCase(name="spaces at the end in BSD style", text=f"SHA256 ({ONE}) = {HASH}  \n", not_sysupdate=STRICT,
             not_sha256sum="it passes over the line, in which nothing else can be meant"),
    ListCase(name="a bad hash beside an image", text=f"{HASH[1:]}  {TWO}\n{_ONE}",
             not_sha256sum="it passes over the line; whoever publishes an image without its hash has to be told"),
    ListCase(name="one name with two hashes", text=f"{_ONE}{OTHER}  {ONE}\n{_TWO}",
             not_sha256sum="it says that one of them fails; we must not guess which",
             not_sysupdate="it takes the first of them; we must not guess"),
    ListCase(name="a NUL", text=_ONE.encode() + HASH.encode() + b"  " + TWO.encode() + b"\0x\n", not_sysupdate=STRICT,
             not_sha256sum="it ends a name there, as programs in C do: no name has one"),
)  # fmt: skip
