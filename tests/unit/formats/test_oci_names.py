# SPDX-License-Identifier: LGPL-2.1-or-later
"""How images and versions are called in a registry: what cannot be a name or a tag is written otherwise, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.formats.oci_names import (
    blob_url,
    is_tag,
    manifest_url,
    names_no_version,
    next_page,
    read_tag,
    repository_name,
    repository_of,
    signature_tag,
    tags_url,
    version_tag,
)
from tukit_sysext.formats.oci_urls import api_url, is_registry, is_repository, registry_url

PROJECT = "oci://registry.example.org/images/"
NAMES = st.from_regex(r"[A-Za-z0-9_+~^@=:][A-Za-z0-9_+~^@=:.-]{0,40}", fullmatch=True)
VERSIONS = st.from_regex(r"[!-.0-~]{1,30}", fullmatch=True)


@pytest.mark.parametrize(
    ("version", "architecture", "tag"),
    [
        ("15.2", None, "15.2"),
        ("15.2", "x86-64", "15.2-amd64"),
        ("15.2", "arm64", "15.2-arm64"),
        ("6.12~rc1", None, "6.12_7erc1"),
        ("1.36.1+k3s1", "x86-64", "1.36.1_2bk3s1-amd64"),
        ("2:1^git", "s390x", "2_3a1_5egit-s390x"),
        ("1_2", None, "1_5f2"),
        ("-1", None, "_2d1"),
    ],
)
def test_a_version_as_a_tag(version: str, architecture: str | None, tag: str) -> None:
    assert version_tag(version, architecture) == tag
    assert read_tag(tag) == (version, architecture)


@given(VERSIONS, st.sampled_from(["x86-64", "x86", "arm64", "ppc64-le", "riscv64", "loongarch64"]))
def test_each_version_comes_back_from_its_tag(version: str, architecture: str) -> None:
    tag = version_tag(version, architecture)
    assert is_tag(tag)
    assert read_tag(tag) == (version, architecture)


@pytest.mark.parametrize("version", ["", "1" * 129, "~" * 43])
def test_a_version_that_cannot_be_a_tag(version: str) -> None:
    with pytest.raises(ValueError, match="expected a tag of 1 to 128 characters"):
        version_tag(version)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("v1.27.8-x86-64", ("v1.27.8", "x86-64")),
        ("v1.27.8-aarch64", ("v1.27.8", "arm64")),
        ("1.36.1_k3s1", ("1.36.1_k3s1", None)),
        ("1_20240101", ("1_20240101", None)),
        ("1_30", ("1_30", None)),
        ("1_2d5", ("1_2d5", None)),
        ("1_e9", ("1_e9", None)),
        ("1.0-alpha", ("1.0-alpha", None)),
        ("latest", ("latest", None)),
        ("amd64", ("amd64", None)),
    ],
)
def test_tags_of_others(tag: str, expected: tuple[str, str | None]) -> None:
    assert read_tag(tag) == expected


@pytest.mark.parametrize("tag", [signature_tag("0" * 64), "sha256-" + "0" * 64, "x.sig", "x.att", "x.sbom"])
def test_tags_of_signatures_name_no_version(tag: str) -> None:
    assert is_tag(tag)
    assert names_no_version(tag)
    assert not names_no_version("1.0")


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("gdb", "gdb"),
        ("gdb-15", "gdb-15"),
        ("python3.11", "python3.11"),
        ("NetworkManager", "networkmanager--563a2789"),
        ("libstdc++", "libstdc--4424bbcb"),
        ("sha256sums", "sha256sums--dcfcb446"),
        ("+", "a318c242"),
    ],
)
def test_the_repository_of_an_image(name: str, repository: str) -> None:
    assert repository_name(name) == repository


@given(NAMES)
def test_each_name_has_a_repository(name: str) -> None:
    assert is_repository(repository_name(name))


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_two_names_have_two_repositories(names: list[str]) -> None:
    assert len({repository_name(name) for name in names}) == 2


def test_the_repository_of_a_file() -> None:
    assert repository_of("gdb-15.2.x86-64.raw") == "gdb"
    assert repository_of("gdb-15.2.x86-64.raw.zst") == "gdb"
    assert repository_of("odd.raw") == "odd"


@pytest.mark.parametrize("name", ["", "A", "a/", "/a", "a//b", "a..b", "-a", "a-", "a" * 256, "a b", "ä", "../a"])
def test_no_repository(name: str) -> None:
    assert not is_repository(name)


def test_urls() -> None:
    assert is_registry(PROJECT)
    assert not is_registry("https://registry.example.org/")
    assert api_url(PROJECT) == "https://registry.example.org/v2/images/"
    assert api_url("oci+http://127.0.0.1:5000/a/b/") == "http://127.0.0.1:5000/v2/a/b/"
    assert api_url("https://images.example.org/") == "https://images.example.org/"
    for url in (PROJECT, "oci+http://127.0.0.1:5000/a/b/blobs/sha256:0", "https://images.example.org/v2"):
        assert registry_url(api_url(url)) == url
    assert blob_url(PROJECT, "gdb", "0" * 64) == f"https://registry.example.org/v2/images/gdb/blobs/sha256:{'0' * 64}"
    assert manifest_url(PROJECT, "gdb", "1") == "https://registry.example.org/v2/images/gdb/manifests/1"
    assert tags_url(PROJECT, "gdb") == "https://registry.example.org/v2/images/gdb/tags/list?n=1000"


_TAGS = "https://registry.example.org/v2/images/gdb/tags/list?n=1000"


@pytest.mark.parametrize(
    ("link", "following"),
    [
        ('</v2/images/gdb/tags/list?n=1000&last=x>; rel="next"', f"{_TAGS}&last=x"),
        ("<?last=x>; rel=next", "https://registry.example.org/v2/images/gdb/tags/list?last=x"),
        ("", None),
        ('</v2/images/gdb/tags/list?last=x>; rel="prev"', None),
        ('</v2/images/other/tags/list?last=x>; rel="next"', None),
        ('<https://elsewhere.example/v2/images/gdb/tags/list?last=x>; rel="next"', None),
        ('<http://registry.example.org/v2/images/gdb/tags/list?last=x>; rel="next"', None),
        (f'<{_TAGS}>; rel="next"', None),
        ('<//[::1>; rel="next"', None),
        ("<x", None),
    ],
)
def test_where_a_list_goes_on(link: str, following: str | None) -> None:
    assert next_page(link, _TAGS) == following
