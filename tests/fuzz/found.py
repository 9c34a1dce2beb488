# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what is found on the machine: links, loop devices; and of what is typed."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from io import StringIO
from random import Random

from tests.fuzz import scratch
from tests.fuzz.mutation import odd_text, word
from tests.fuzz.target import Target
from tests.records import NAME
from tukit_sysext import grammar
from tukit_sysext.collect.roots import find_roots
from tukit_sysext.snapshots.entries import EntryKind, image_of, read_entries
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.system.tree import Tree

_STORE = b"/var/lib/sysext-store/"
_PATH_MAX = 4096


def check_link(data: bytes) -> None:
    """The text of a link in a snapshot's /etc/extensions: what it may need is never collected."""
    target = os.fsdecode(data)
    image = image_of(target)
    assert image is None or (image not in ("", ".", "..") and not set("/\0") & set(image))
    if not data or b"\0" in data or len(data) >= _PATH_MAX:
        return
    site = scratch.site()
    folder = site.tree(scratch.NUMBER) / "etc/extensions"
    folder.mkdir(exist_ok=True)
    try:
        (folder / "gdb.raw").symlink_to(target)
        with Tree(site.tree(scratch.NUMBER)) as tree:
            (entry,) = read_entries(tree)
        assert (entry.kind, entry.target, entry.image) == (EntryKind.LINK, target, image)
        found = find_roots(site.layout, scan(site.layout, site.subvolumes, releases=False))
        assert found.unknown or image is None or image in found.by_image
    finally:
        with suppress(FileNotFoundError):
            (folder / "gdb.raw").unlink()


def make_link(random: Random) -> bytes:
    parts = ("..", ".", "", "var", "lib", "sysext-store", "etc", "extensions", "gdb.raw", NAME, odd_text(random))
    text = "/".join(random.choices(parts, k=random.randrange(1, 9)))
    start = random.choice(("", "/", "//", _STORE.decode(), "../../var/lib/sysext-store/", "/" + "a/" * 2000))
    return (start + text).encode("utf-8", "surrogateescape")


def check_loop(data: bytes) -> None:
    """The file behind a loop device, as the kernel tells it."""
    site = scratch.site()
    folder = site.layout.root / "sys/block/loop0/loop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "backing_file").write_bytes(data)
    try:
        found = find_roots(site.layout, scan(site.layout, site.subvolumes, releases=False))
    finally:
        (folder / "backing_file").unlink()
    assert all("/" not in image for image in found.by_image)
    name = os.fsdecode(data)
    if name.startswith("/") and "\n" not in name and not name.endswith((" (deleted)", "/")):
        assert os.path.basename(name) in found.by_image, "what is in use is needed"


@cache
def _parser() -> ArgumentParser:
    return grammar.parser()


def check_command_line(data: bytes) -> None:
    """A command line: a command that there is, or an end with 0 (help) or 2 (wrong usage)."""
    words = [os.fsdecode(part) for part in data.split(b"\0")]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            found = _parser().parse_args(words)
        except SystemExit as end:
            assert end.code in (0, 2)
            return
    assert found.command in _COMMANDS


_COMMANDS = (
    "check", "status", "snapshots", "adopt", "diff", "history", "why", "verify", "gc", "sources", "plugins", "settle",
)  # fmt: skip


def make_command_line(random: Random) -> bytes:
    words = [random.choice(_COMMANDS)]
    for _ in range(random.randrange(4)):
        words.append(
            random.choice(
                (
                    "--json",
                    "--help",
                    "--root",
                    "/",
                    "7",
                    "add",
                    "reset",
                    "--",
                    "-v",
                    "-1",
                    word(random),
                    odd_text(random),
                )
            )
        )
    return b"\0".join(word.encode("utf-8", "surrogateescape") for word in words)


TARGETS = (
    Target(
        name="text of a link",
        check=check_link,
        samples=(_STORE + NAME.encode(), b"../../var/lib/sysext-store/" + NAME.encode(), b"gdb.raw", b"/opt/x.raw"),
        words=(b"..", b"/", b"//", b"var", b"lib", b"sysext-store", b"etc/extensions", _STORE, b".raw", b".v"),
        make=make_link,
        limit=_PATH_MAX,
        share=0.1,
    ),
    Target(
        name="file of a loop device",
        check=check_loop,
        samples=(_STORE + NAME.encode() + b"\n", b"/x.raw (deleted)\n"),
        words=(b"/", b"\n", b" (deleted)", b"\\040", _STORE),
        make=lambda random: f"/{odd_text(random)}{random.choice(('', ' (deleted)'))}\n".encode("utf-8", "replace"),
        limit=_PATH_MAX,
        share=0.1,
    ),
    Target(
        name="command line",
        check=check_command_line,
        samples=(b"check\0--root\0/\0--json", b"sources\0add\0main\0https://x/", b"--version"),
        words=(b"\0", b"--", b"=", *(command.encode() for command in _COMMANDS)),
        make=make_command_line,
        limit=4096,
        share=0.05,
    ),
)
