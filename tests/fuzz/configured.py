# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what the configuration says: files, their syntax, their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from random import Random

from tests.fuzz import scratch
from tests.fuzz.mutation import odd_text, word
from tests.fuzz.published import harmless
from tests.fuzz.target import Target, told
from tukit_sysext.config import settings, values, wanted
from tukit_sysext.config.early import named_plugins
from tukit_sysext.config.files import LIMIT
from tukit_sysext.config.main_settings import Settings
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats import ini
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.system_proxy import SYSCONFIG, system_proxy

_MOST = 2**63
"""What every number of a configuration is below: SQLite's and the kernel's end there."""
_BETWEEN = b"\n%%\n"
"""Between the files of one input."""


def check_ini(data: bytes) -> None:
    assignments, faults = ini.parse(data)
    lines = data.count(b"\n") + 1
    for fault in faults:
        told(fault.message)
        assert 1 <= fault.line <= lines
    for one in assignments:
        assert 1 <= one.line <= lines
        assert "\n" not in one.key + one.value + one.section and "=" not in one.key
        assert (one.key, one.value, one.section) == (one.key.strip(), one.value.strip(), one.section.strip())
    printed = "".join(f"[{one.section}]\n{one.key}={one.value}\n" for one in assignments if _plain(one))
    again, wrong = ini.parse(printed.encode())
    assert [(one.section, one.key, one.value) for one in again] == [
        (one.section, one.key, one.value) for one in assignments if _plain(one)
    ]
    assert not wrong


def _plain(one: ini.Assignment) -> bool:
    """Whether a line can be printed as it was read: not what a comment or a continuation would make of it."""
    return bool(one.section) and one.key[:1] not in ("#", ";", "[") and not f"{one.key}={one.value}".endswith("\\")


_KEYS = (
    "RefuseFor", "ImageMax", "Grace", "StoreMax", "Keep", "Load", "URL", "Path", "Verify", "Keyring", "Priority",
    "Policy", "Source", "Hold", "State", "ConnectTimeout", "Deadline", "ImageDeadline", "LeastRate", "Proxy", "NoProxy",
    "CAFile", "Fingerprint", "MaxAge", "Block",
)  # fmt: skip
_SECTIONS = ("Update", "Fetch", "Store", "History", "Plugins", "Network", "Source", "Image")
_VALUES = (
    "14d", "1h 30min", "0", "4G", "512M", "20%", "yes", "no", "required", "optional", "removed", "http://x.org:80/a",
    "https://u:p@x/", "/etc/keys.gpg", "/etc/../x", "99", "15.2", "one two", "http://[", "http://x:99999/", "9" * 25,
    "9" * 5000,
)  # fmt: skip


def make_ini(random: Random) -> bytes:
    lines = []
    for _ in range(random.randrange(6)):
        lines.append(f"[{random.choice((*_SECTIONS, word(random), odd_text(random)))}]\n")
        for _ in range(random.randrange(4)):
            text = random.choice((random.choice(_VALUES), word(random), odd_text(random)))
            lines.append(
                f"{random.choice((*_KEYS, word(random)))}={text}{random.choice((chr(10), chr(10), chr(92) + chr(10)))}"
            )
    return "".join(lines).encode()


_FILES = (
    "etc/tukit-sysext/tukit-sysext.conf",
    "usr/lib/tukit-sysext/tukit-sysext.conf.d/50-x.conf",
    "etc/tukit-sysext/sources.d/main.conf",
    "etc/tukit-sysext/images.d/gdb.conf",
    "run/tukit-sysext/images.d/gdb.conf",
)


def check_configuration(data: bytes) -> None:
    """All files of a tree's configuration."""
    tree = scratch.tree(dict(zip(_FILES, data.split(_BETWEEN), strict=False)))
    found = settings.load_configuration(tree)
    for problem in found.problems:
        told(str(problem))
    assert found.trusted or any(problem.fault for problem in found.problems)
    holders: list[Settings | NetworkSettings | SourceSettings] = [found.settings, found.settings.network]
    for holder in (*holders, *found.sources.values()):
        for field in fields(holder):
            value = getattr(holder, field.name)
            assert not isinstance(value, int) or 0 <= value < _MOST, f"{field.name}: {value}"
    assert found.settings.store_max.of(2**60) < _MOST
    for name in found.settings.plugins:
        harmless(name)
    for source in found.sources.values():
        assert all(
            url.startswith(("http://", "https://")) and url.endswith("/") and "@" not in url.split("/")[2]
            for url in source.urls
        )
        assert source.path is None or (source.path.startswith("/") and ".." not in source.path.split("/"))
    images = wanted.load_wanted(tree)
    for problem in images.problems:
        told(str(problem))
    for image in images.images.values():
        harmless(image.name)
        assert image.hold is None or (image.hold.isprintable() and "/" not in image.hold)
        assert image.trusted or not image.may_refuse, "a fault refuses nothing"
    named = named_plugins(tree)
    told(named.unsure)
    assert named.names == found.settings.plugins


def make_configuration(random: Random) -> bytes:
    return _BETWEEN.join(make_ini(random) for _ in range(random.randrange(1, len(_FILES) + 1)))


_CONVERTERS: tuple[Callable[[str], object], ...] = (
    values.time_span, values.waiting_time, values.size, values.rate, values.share, values.number, values.boolean,
    values.url, values.proxy, values.absolute_path, values.component, values.version,
)  # fmt: skip


def check_value(data: bytes) -> None:
    text = data.decode("utf-8", "replace").replace("\n", " ").strip()
    for convert in _CONVERTERS:
        try:
            value = convert(text)
        except ValueError as error:
            told(str(error))
        else:
            assert not isinstance(value, int) or 0 <= value < _MOST, f"{convert.__name__}: {value}"


def check_proxy(data: bytes) -> None:
    path = scratch.folder() / SYSCONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    found = system_proxy(scratch.folder())
    assert "\n" not in found.http + found.https + found.none_for


_MAIN = b"# x\n[Update]\nRefuseFor=14d\n[Fetch]\nImageMax=4G\n[Network]\nDeadline=5s\nProxy=http://u:p@proxy:1\n"
_SOURCE = b"[Source]\nURL=http://a.example.org/x https://b/\nVerify=no\nPriority=10\n"
_WANTED = b"[Image]\nPolicy=optional\nHold=15.2\nSource=main\n; y\nState=\\\nremoved\n"
_WORDS = (
    b"\n", b"[", b"]", b"=", b"\\\n", b"#", *(f"{key}=".encode() for key in _KEYS),
    *(text.encode() for text in _VALUES[:-1]),
)  # fmt: skip

TARGETS = (
    Target(
        name="configuration syntax",
        check=check_ini,
        samples=(_MAIN, _SOURCE, _WANTED, b"\xef\xbb\xbf" + _MAIN),
        words=_WORDS,
        make=make_ini,
        limit=LIMIT,
    ),
    Target(
        name="configuration files",
        check=check_configuration,
        samples=(_BETWEEN.join((_MAIN, b"[Plugins]\nLoad=a b\n", _SOURCE, _WANTED, b"")),),
        words=(*_WORDS, _BETWEEN),
        make=make_configuration,
        prefix=b"[Update]\nRefuseFor=",
        limit=LIMIT,
        share=0.5,
    ),
    Target(
        name="configuration values",
        check=check_value,
        samples=tuple(text.encode() for text in _VALUES),
        words=(b"1", b"9" * 20, b"d", b"min", b"G", b"%", b"http://", b"@", b":", b"/", b"..", b" "),
        make=lambda random: random.choice(
            (random.choice(_VALUES), odd_text(random), word(random, "0123456789 dhminGMK%"))
        ).encode(),
        limit=LIMIT,
    ),
    Target(
        name="system's proxy",
        check=check_proxy,
        samples=(b'PROXY_ENABLED="yes"\nHTTP_PROXY="http://proxy:1"\nNO_PROXY="localhost, 127.0.0.1"\n',),
        words=(b"PROXY_ENABLED=yes\n", b"HTTP_PROXY=", b'"', b"'", b"\\", b"\n", b"#"),
        make=lambda random: f'PROXY_ENABLED=yes\nHTTP_PROXY="{odd_text(random)}"\nNO_PROXY={word(random)}\n'.encode(),
        share=0.3,
    ),
)
