# SPDX-License-Identifier: LGPL-2.1-or-later
"""RPM databases of made-up packages, imported by rpm itself: no RPM has to be built for them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tukit_sysext.requirements.requirement import Requirement, parse_requirement

needs_rpm = [pytest.mark.skipif(find_spec("rpm") is None, reason="Python has no module rpm"), pytest.mark.tool("rpmdb")]
"""Marks of tests that make databases."""

_MAGIC = bytes.fromhex("8eade80100000000")


@dataclass(frozen=True, slots=True)
class MadePackage:
    """A package: ``evr`` as [EPOCH:]VERSION-RELEASE, what it provides beside its name, and the paths of its files.

    ``description`` may be as long as all else that is in a real one's header.
    """

    name: str
    evr: str
    provides: Sequence[str] = ()
    files: Sequence[str] = ()
    description: str = ""


LIBSSL = MadePackage("libopenssl3", "3.2.4-1.1", ["libssl.so.3()(64bit)", "libssl.so.3(OPENSSL_3.0.0)(64bit)"])
GLIBC = MadePackage("glibc", "2.40-3.1", ["libc.so.6(GLIBC_2.38)(64bit)", "libc.so.6()(64bit)"])
BASH = MadePackage("bash", "1:5.2-4", ["config(bash) = 1:5.2-4"], ["/usr/bin/bash", "/usr/bin/sh"])
USUAL = (LIBSSL, GLIBC, BASH)
"""What a small system has."""


def headers(packages: Iterable[MadePackage]) -> bytes:
    """Headers as rpmdb --importdb reads them."""
    return b"".join(_MAGIC + _header(import_module("rpm"), each).unload() for each in packages)


def make_database(folder: Path, packages: Iterable[MadePackage] = USUAL) -> Path:
    """Make a database of rpm's own kind, or add packages to one that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["rpmdb", "--dbpath", str(folder), "--importdb"]
    subprocess.run(command, input=headers(packages), check=True, capture_output=True)
    return folder


def _header(rpm: Any, package: MadePackage) -> Any:
    epoch, version, release = re.fullmatch(r"(?:([0-9]+):)?([^-]+)-(.+)", package.evr).groups()  # type: ignore[union-attr]
    header = rpm.hdr()
    for key, value in {"name": package.name, "version": version, "release": release, "installtime": 1}.items():
        header[key] = value
    if epoch is not None:
        header["epoch"] = int(epoch)
    if package.description:
        header["description"] = package.description
    provided = [Requirement(package.name, "=", package.evr), *map(parse_requirement, package.provides)]
    header["providename"] = [each.name for each in provided]
    header["provideflags"] = [rpm.RPMSENSE_EQUAL if each.operator else 0 for each in provided]
    header["provideversion"] = [each.evr for each in provided]
    paths = [path.rpartition("/") for path in package.files]
    if paths:
        folders = sorted({f"{folder}/" for folder, _, _ in paths})
        header["basenames"] = [name for _, _, name in paths]
        header["dirnames"] = folders
        header["dirindexes"] = [folders.index(f"{folder}/") for folder, _, _ in paths]
    return header
