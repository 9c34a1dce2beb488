# SPDX-License-Identifier: LGPL-2.1-or-later
"""What servers do wrong, drawn at random: a fault of the lab's server for some paths, or other bytes in its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.evil.world import LIST_MANIFEST, NAMES, PROJECT, World, file_of, is_registry
from tests.lab.faults import (
    ChangingETag,
    Compressed,
    Corrupt,
    Cut,
    Delay,
    Endless,
    Fault,
    Garbage,
    NoRanges,
    Redirect,
    Refuse,
    Status,
    Trickle,
    Truncated,
    WrongRange,
)

_PATTERNS = (
    "*",
    "SHA256SUMS*",
    "SHA256SUMS",
    "*/manifests/*",
    "*/blobs/*",
    "*.gpg",
    "*.raw",
    "*.raw",
    "*.raw",
    "*.manifest*",
    "*.caibx",
    "gdb-*",
    "strace-*",
)
_STATUS = (
    100, 101, 103, 199, 201, 203, 204, 206, 300, 301, 304, 305, 307, 400, 401, 403, 404, 404, 405, 407, 408, 410, 412,
    416, 418, 421, 425, 429, 451, 500, 500, 502, 503, 503, 504, 505, 511, 599, 600, 999,
)  # fmt: skip
_SIZES = (0, 1, 2, 511, 1000, 29_999, 30_000, 100_000, 249_999)
_STATED = (None, None, 0, 10, 10**6, 2**32 - 296, 2**40)
_HEADERS = (
    b"Content-Length: -5", b"Content-Length: 99999999999999999999999", b"Content-Length: 5\r\nContent-Length: 7",
    b"Content-Length: 0x10", b"Content-Length:", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: x", b"Content-Encoding: br", b"Content-Encoding: identity, gzip", b"Content-Encoding: \x1b[2J",
    b"Content-Range: bytes 0-5/6", b"Content-Range: bytes 7-5/99999999999999999999999999", b"Content-Range: \xff",
    b"ETag: \"\xe9\x9b\"", b"ETag: W/\"x\"", b"ETag: x\r\nETag: y", b"Last-Modified: yesterday", b"Location: file:///etc/passwd",
    b"Location: \xff\xfe", b"Set-Cookie: a=b; Domain=localhost", b"X: " + b"y" * 200_000, b"no colon here", b": empty",
    b"X\0: y", b"Content-Length: 3\r\n folded", b"Refresh: 0; url=http://127.0.0.1:1/",
    b"Content-Disposition: attachment; filename=../x",
    b"Alt-Svc: h2=\"127.0.0.1:1\"", b"Strict-Transport-Security: max-age=1", b"Retry-After: 99999999999999999999",
)  # fmt: skip
_FIRST = (
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 206 Partial Content", b"HTTP/1.0 200 OK", b"HTTP/1.1 302 Found",
    b"HTTP/2 200", b"HTTP/1.1 99999999999 x", b"HTTP/1.1 200", b"HTTP/1.1", b"HTTP/9.9 200 OK", b"ICY 200 OK", b"hello",
    b"", b"HTTP/1.1 2\xb20 OK",
    b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 100 Continue", b"\0\0\0",
)  # fmt: skip
_BODIES = (
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nx",
    b"-1\r\n",
    b"\x1f\x8b\x08",
    b"\0" * 100_000,
)
_WHERE = (
    "file:///etc/passwd", "file:///dev/zero", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "dict://127.0.0.1/x",
    "scp://127.0.0.1/x", "https://127.0.0.1:1/x", "http://[::1/x", "http:///x", "//", "", "?", "#", "javascript:x",
    "data:,x",
    "http://127.0.0.1:99999/x", "http://127.0.0.1:0/x", "http://user:secret@127.0.0.1:1/x", "http://\xff\xfe.invalid/x",
    "http://\x9b2J.invalid/", "http://0/x", "../../../x", "http://127.0.0.1:1/" + "a" * 9000,
)  # fmt: skip


def fault(random: Random, others: Sequence[str]) -> Fault:
    """One fault. ``others`` are URLs of servers to redirect to, this one among them."""
    ordinary: tuple[Callable[[], Fault], ...] = (
        lambda: Status(code=random.choice(_STATUS), retry_after=random.choice((None, None, 0, 1, 9**20, "tomorrow"))),
        lambda: Refuse(reset=random.random() < 0.5),
        lambda: Garbage(content=_raw(random)),
        lambda: Garbage(content=_raw(random)),
        lambda: Redirect(url=_target(random, others), code=random.choice((301, 302, 303, 307, 308))),
        lambda: Redirect(url=_target(random, others), code=random.choice((301, 302, 303, 307, 308))),
        lambda: Cut(after=random.choice(_SIZES), reset=random.random() < 0.5),
        lambda: Cut(after=random.choice(_SIZES), reset=random.random() < 0.5),
        lambda: Corrupt(offset=random.choice((0, -1, 40, 5000))),
        lambda: Truncated(size=random.choice(_SIZES), stated=random.choice(_STATED)),
        lambda: Endless(framing=random.choice(("chunked", "close", "length", "huge"))),
        lambda: WrongRange(stated=random.choice((0, 1, -1)), sent=random.choice((0, 1, 7))),
        lambda: NoRanges(),
        lambda: Compressed(bomb_mib=random.choice((0, 3))),
        lambda: ChangingETag(),
    )
    slow: tuple[Callable[[], Fault], ...] = (
        lambda: Delay(seconds=random.choice((0.05, 0.3, 30))),
        lambda: Trickle(bytes_per_second=random.choice((100, 20_000, 1_000_000))),
    )
    # each costs a deadline: not too many of them
    return random.choice(slow if random.random() < 0.12 else ordinary)()


def setting(random: Random, others: Sequence[str]) -> tuple[str, Fault, int | None]:
    """A pattern of paths, a fault for them, and how many requests it strikes (None: all)."""
    return random.choice(_PATTERNS), fault(random, others), random.choice((None, None, 1, 1, 2, 3))


def _raw(random: Random) -> bytes:
    """An answer that is HTTP more or less."""
    lines = [random.choice(_FIRST), *random.choices(_HEADERS, k=random.randrange(4))]
    return random.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r")).join((*lines, b"", b"")) + random.choice(_BODIES)


def _target(random: Random, others: Sequence[str]) -> str:
    """Where a redirect leads: here again, to another server, or nowhere good."""
    match random.randrange(4):
        case 0 | 1:
            return f"{random.choice(others)}/{{path}}"
        case 2:
            return f"{random.choice(others)}/{file_of(random.choice(NAMES), random.choice(('1', '2', '66')))}"
    return random.choice(_WHERE)


def swap(random: Random, folder: Path, world: World) -> str:
    """Put other bytes into a file of a folder; which one."""
    victim = random.choice([name for name in world.files if name.endswith((".raw", ".caibx", ".manifest.gz"))])
    place = world.place(folder, victim)
    if is_registry(folder) and random.random() < 0.3:
        return _swap_manifest(random, folder / PROJECT / LIST_MANIFEST)
    content = place.read_bytes()
    other = world.files[random.choice(list(world.files))]
    made = random.choice(
        (
            b"", other, content[:-1], content + b"\0", content[:100], b"<html>404</html>\n", random.randbytes(3000),
            b"\0" * 2_000_000, world.denial(victim),
        )
    )  # fmt: skip
    place.write_bytes(made)
    return victim


def _swap_manifest(random: Random, place: Path) -> str:
    """Put another manifest in the place of that of a list."""
    content = place.read_bytes()
    try:
        document = json.loads(content)
        layers = document["layers"]
        digest = layers[0]["digest"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "manifest, which is another one already"
    made = random.choice(
        (
            b"", content[:-1], b"{}", b"[]", b"<html>401</html>", b"[" * 50_000, b"\0" * 2_000_000,
            content.replace(digest.encode(), f"sha256:{'0' * 64}".encode()),
            content.replace(b"sha256:", b"sha512:"),
            json.dumps({**document, "layers": layers[:1]}).encode(),
            json.dumps({**document, "layers": layers[::-1]}).encode(),
            json.dumps({**document, "layers": [*layers, *layers]}).encode(),
            json.dumps({**document, "manifests": layers}).encode(),
            json.dumps({"schemaVersion": 2, "manifests": layers}).encode(),
        )
    )  # fmt: skip
    place.write_bytes(made)
    return "manifest"
