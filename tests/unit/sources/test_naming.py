# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a published file is in one tree."""

from __future__ import annotations

import pytest

from tests.records import sha256
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats.checksums import parse
from tukit_sysext.sources import repository
from tukit_sysext.sources.candidate import Candidate, Reading
from tukit_sysext.sources.naming import Naming, NotUnderstood


def listed(*names: str) -> list[Candidate]:
    content = "".join(f"{sha256(name.encode())}  {name}\n" for name in names)
    settings = SourceSettings(name="main", origin="main.conf")
    return repository.candidates(
        parse(content.encode(), where="list"), settings, signer=None, locations=lambda name: [name]
    )


def one(name: str, naming: Naming) -> Candidate | NotUnderstood:
    (file,) = listed(name)
    return naming.read(file)


def test_the_likeliest_reading() -> None:
    read = one("k3s-1.31.5+k3s1-4.2.x86-64.raw", Naming())
    assert isinstance(read, Candidate)
    assert (read.name, read.version, read.reading) == ("k3s-1.31.5+k3s1", "4.2", Reading.LIKELIEST)


def test_the_wanted_reading() -> None:
    read = one("k3s-1.31.5+k3s1-4.2.x86-64.raw", Naming(wanted=frozenset({"k3s"})))
    assert isinstance(read, Candidate)
    assert (read.name, read.version, read.reading) == ("k3s", "1.31.5+k3s1-4.2", Reading.OTHER)
    assert read.architecture == "x86-64"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("grype.sysext.raw", "does not tell"), ("motd-1.confext.raw", "confext"), ("install.iso", "does not tell")],
)
def test_what_is_no_image_is_said(name: str, reason: str) -> None:
    read = one(name, Naming(wanted=frozenset({"grype", "motd", "install"})))
    assert isinstance(read, NotUnderstood)
    assert (read.source, read.file_name) == ("main", name)
    assert reason in read.reason


def test_descriptions_are_no_files_of_their_own() -> None:
    files = listed("gdb-1.x86-64.raw", "gdb-1.x86-64.manifest.gz", "gdb-1.x86-64.raw.json", "gdb-1.x86-64.manifest")
    assert [file.file_name for file in files] == ["gdb-1.x86-64.raw"]


def test_what_a_source_of_a_plugin_says_stays() -> None:
    (file,) = listed("gdb-1.x86-64.raw")
    given = Candidate(
        name="debugger", version="9", architecture=None, file_name=file.file_name, sha256=file.sha256, size=None,
        source="plugin", priority=99, signer=None, description=None, locations=(),
    )  # fmt: skip
    assert Naming(wanted=frozenset({"gdb"})).read(given) is given
