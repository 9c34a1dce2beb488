# SPDX-License-Identifier: LGPL-2.1-or-later
"""Converters of configuration values; each raises ValueError that says what was expected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tukit_sysext.quantities import Share
from tukit_sysext.rules.names import check_component

if TYPE_CHECKING:
    from tukit_sysext.requirements.requirement import Requirement

_SIZE = re.compile(r"(\d+)\s*([KMGT]?)(?:i?B)?")


_CENTURY = 36525 * 86400
"""Longer than anything waits, and short enough for the C library's times."""


def time_span(text: str) -> int:
    """Seconds of a time span as in systemd.time(7), up to 100 years, which ``infinity`` is here.

    A part of a second counts as a whole one.
    """
    from tukit_sysext.formats.time_span import SECOND, microseconds

    span = microseconds(text)
    seconds = _CENTURY if span is None else -(-span // SECOND)
    if seconds > _CENTURY:
        raise ValueError("expected at most 100 years, or infinity")
    return seconds


def age(text: str) -> int:
    """A time span that is not zero."""
    seconds = time_span(text)
    if not seconds:
        raise ValueError("expected a time span longer than zero")
    return seconds


_MOST_DIGITS = 9
_LARGEST = 8388607 << 40
"""Files and SQLite's numbers end at 2^63."""
_LONGEST = 30 * 86400


def waiting_time(text: str) -> int:
    """A time span that is not zero, and at most 30 days: whoever waits for a server gives up some day."""
    seconds = time_span(text)
    if not 0 < seconds <= _LONGEST:
        raise ValueError("expected a time span longer than zero and not longer than 30 days, so not infinity")
    return seconds


def size(text: str) -> int:
    """Bytes of a size with a binary unit: ``512M``, ``4G``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a size in bytes, or with K, M, G or T behind it")
    count = int(match[1]) << (" KMGT".index(match[2]) * 10 if match[2] else 0)
    if count > _LARGEST:
        raise ValueError("expected at most 8388607T")
    return count


def component(text: str) -> str:
    """A name that is one path component."""
    return check_component(text)


def url(text: str) -> str:
    """The URL of a directory on an HTTP or HTTPS server, or of a project in a registry, with a slash at its end."""
    from urllib.parse import urlsplit  # 2 ms, of which a boot needs none

    from tukit_sysext.formats.oci_urls import PLAIN_SCHEME, SCHEME, is_repository

    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("expected the URL of a directory, with a port number if with a colon") from error
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("expected a URL with a port, or without a colon behind the host")
    if not text.isascii():
        raise ValueError("expected a URL of ASCII characters alone")
    registry = parts.scheme in (SCHEME, PLAIN_SCHEME)
    if not (registry or parts.scheme in ("http", "https")) or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected the URL of a directory, http:// or https://, or of a registry's project, oci://")
    project = parts.path.strip("/")
    if registry and project and not is_repository(project):
        raise ValueError(
            f"expected {parts.scheme}://HOST/PROJECT, of lower-case letters, digits and . _ - between them"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected a URL without a user name or password in it")
    text = f"{parts.scheme}:{text.partition(':')[2]}"
    return text if text.endswith("/") else f"{text}/"


def rate(text: str) -> int:
    """Bytes a second, up to 1G."""
    count = size(text)
    if count > 1 << 30:
        raise ValueError("expected at most 1G")
    return count


def proxy(text: str) -> str:
    """The URL of a proxy."""
    from urllib.parse import urlsplit

    if not text.isascii() or urlsplit(text).scheme not in ("http", "https", "socks5", "socks5h"):
        raise ValueError("expected the URL of a proxy, as http://proxy.example.org:3128")
    return text


def boolean(text: str) -> bool:
    """A boolean as in systemd's files."""
    match text.lower():
        case "1" | "yes" | "y" | "true" | "t" | "on":
            return True
        case "0" | "no" | "n" | "false" | "f" | "off":
            return False
    raise ValueError("expected yes or no")


def repair_refresh(text: str) -> bool:
    """Whether a repair may merge: *add* where nothing is merged, *no* never."""
    if text not in ("no", "add"):
        raise ValueError("expected no or add")
    return text == "add"


def absolute_path(text: str) -> str:
    """An absolute path without ``..``."""
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError("expected an absolute path without ..")
    return text


def metrics_file(text: str) -> str:
    """The file of a textfile collector, which reads those alone that end in ``.prom``."""
    if not absolute_path(text).endswith(".prom") or text.endswith("/.prom"):
        raise ValueError("expected an absolute path that ends in .prom")
    return text


def number(text: str) -> int:
    """A whole number from 0 to 999999999."""
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise ValueError("expected a whole number of at most 9 digits")
    return int(text)


def pattern(text: str) -> str:
    """A pattern of file names, as in sysupdate.d(5)."""
    from tukit_sysext.rules.patterns import check_pattern  # 2 ms, and most images have none

    return check_pattern(text)


def specifier(text: str) -> str:
    """A PEP 440 version specifier."""
    from tukit_sysext.rules.constraint import check_specifier

    return check_specifier(text)


def requirement(text: str) -> Requirement:
    """What the system has to have, as RPM writes it."""
    from tukit_sysext.requirements.requirement import parse_requirement

    return parse_requirement(text)


def series(text: str) -> str:
    """The first numbers of versions."""
    from tukit_sysext.rules.prerelease import check_series  # 2 ms, as for a specifier, and most images have neither

    return check_series(text)


def version(text: str) -> str:
    """A version string after UAPI.10, without white space."""
    if not re.fullmatch(r"[!-~]{1,255}", text) or {*"/*?"} & {*text}:
        raise ValueError("expected a version (printable ASCII, without a space, a slash or a wildcard)")
    return text


def image_version(text: str) -> tuple[str, str]:
    """An image's name and a version: ``gdb=15.1``."""
    name, equals, stated = text.partition("=")
    if not equals or not stated:
        raise ValueError("expected NAME=VERSION")
    return component(name), version(stated)


def share(text: str) -> Share:
    """A size as in :func:`size`, or a percentage of the file system: ``20G``, ``15%``."""
    percent = re.fullmatch(r"(\d{1,3})\s*%", text.strip())
    if percent is None:
        return Share(size=size(text))
    if int(percent[1]) > 100:
        raise ValueError("expected at most 100%")
    return Share(percent=int(percent[1]))
