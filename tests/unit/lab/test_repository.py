# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repositories of the lab, as sha256sum and gpgv see them."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from tests.lab.repository import Repository
from tests.lab.signing import SigningKey

RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}


@pytest.mark.parametrize("style", ["text", "binary"])
def test_sha256sum_accepts_the_list(tmp_path: Path, style: Literal["text", "binary"]) -> None:
    repository = Repository(tmp_path / "images")
    repository.publish("one", "1.0", RELEASE)
    repository.publish("two", "2.0", RELEASE, kind="erofs", manifest="sysextmgr")
    listed = repository.write_list(style=style)
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", listed.name], cwd=repository.folder, check=True)
    mark = " " if style == "text" else "*"
    assert [line[64:] for line in listed.read_text().splitlines()] == [
        f" {mark}one-1.0.x86-64.manifest.gz",
        f" {mark}one-1.0.x86-64.raw",
        f" {mark}two-2.0.x86-64.raw",
        f" {mark}two-2.0.x86-64.raw.json",
    ]


def test_a_list_of_some_names_that_goes_stale(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.publish("one", "1.0", RELEASE)
    text = repository.write_list(names=["one-1.0.x86-64.raw"], best_before=date(2027, 1, 2)).read_text()
    assert [line[66:] for line in text.splitlines()] == ["one-1.0.x86-64.raw", "BEST-BEFORE-2027-01-02"]


def test_gpgv_accepts_the_signature_of_either_form(tmp_path: Path) -> None:
    key = SigningKey.shared()
    keyring = key.write_keyring(tmp_path / "keyring.gpg")
    repository = Repository(tmp_path / "images")
    repository.publish("one", "1.0", RELEASE, manifest=None)
    listed = repository.write_list()
    for armoured, name in ((False, "SHA256SUMS.gpg"), (True, "SHA256SUMS.asc"), (False, "SHA256SUMS.gpg")):
        signature = repository.sign(key, armoured=armoured)
        assert repository.names() == ["SHA256SUMS", name, "one-1.0.x86-64.raw"]
        subprocess.run(["gpgv", "--quiet", "--keyring", keyring, signature, listed], check=True, capture_output=True)
    assert repository.write_list().read_text().count("\n") == 1


def test_withdrawing_takes_one_version_or_all_and_nothing_else(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    for name, version in (("a", "1"), ("a", "1.2"), ("a-b", "1"), ("ab", "1")):
        repository.publish(name, version, RELEASE)
    repository.write_list()
    assert repository.withdraw("a", "1") == ["a-1.x86-64.manifest.gz", "a-1.x86-64.raw"]
    assert repository.withdraw("a") == ["a-1.2.x86-64.manifest.gz", "a-1.2.x86-64.raw"]
    assert repository.withdraw("a") == []
    assert [name for name in repository.names() if name.endswith(".raw")] == ["a-b-1.x86-64.raw", "ab-1.x86-64.raw"]
