# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of published files: threat N1, and what they hint at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.rules.names import ImageName, NameRefused, check_component, parse_image_name


@pytest.mark.parametrize(
    "name",
    ["a", "gdb-15.2.x86-64.raw", "SHA256SUMS", "BEST-BEFORE-2026-11-01", "x_1+2~rc1^git:3@4=5", "a" * 255, "_", "0"],
)
def test_taken(name: str) -> None:
    assert check_component(name) == name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", "an empty one"),
        (".", "'.'"),
        ("..", "'.'"),
        ("../x", "'.'"),
        ("a/b", "'/'"),
        ("/a", "'/'"),
        ("a..b", "'..'"),
        (".hidden", "'.'"),
        ("-rf", "'-'"),
        ("a b", "' '"),
        ("a\0b", "'\\x00'"),
        ("a\nb", "'\\n'"),
        ("a\n", "'\\n'"),
        ("a\\b", "'\\\\'"),
        ("a\x7f", "'\\x7f'"),
        ("\u00e9", "'\\xe9'"),
        ("a\u202e", "'\\u202e'"),
        ("a\udcff", "'\\udcff'"),
        ("a%2fb", "'%'"),
        ("a*", "'*'"),
        ("a$b", "'$'"),
        ("a,b", "','"),
        ("a" * 256, "256"),
    ],
)
def test_refused(name: str, found: str) -> None:
    with pytest.raises(NameRefused) as caught:
        check_component(name)
    assert found in str(caught.value)
    assert "expected" in str(caught.value)
    assert str(caught.value).isprintable(), "it goes to a terminal and a log"
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TukitSysextError)


@given(st.text())
def test_what_is_taken_is_one_component(name: str) -> None:
    try:
        check_component(name)
    except NameRefused:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\\0 ")
    assert name not in (".", "..")


@pytest.mark.parametrize(
    ("file_name", "name", "version", "architecture", "version_id"),
    [
        ("gdb-15.2.x86-64.raw", "gdb", "15.2", "x86-64", None),
        ("debug-tools-23.7.x86-64.raw", "debug-tools", "23.7", "x86-64", None),
        ("strace-6.1~rc2.ppc64-le.raw", "strace", "6.1~rc2", "ppc64-le", None),
        ("x-1.s390x.sysext.raw", "x", "1", "s390x", None),
        ("x-1.arm64-be.confext.raw", "x", "1", "arm64-be", None),
        ("x-1.x86_64.raw", "x", "1", "x86-64", None),
        ("x-r5.x86-64.raw", "x", "r5", "x86-64", None),
        ("cloud-hypervisor-43.0-41-x86-64.raw", "cloud-hypervisor", "43.0", "x86-64", "41"),
        ("vim-9.1.825-1.fc41-41-x86-64.raw", "vim", "9.1.825-1.fc41", "x86-64", "41"),
        ("1password-8.10.60-41-x86-64.raw", "1password", "8.10.60", "x86-64", "41"),
        ("gdb-15.2-20261101-arm64.raw", "gdb", "15.2", "arm64", "20261101"),
        ("kubernetes-v1.29.2-x86-64.raw", "kubernetes", "v1.29.2", "x86-64", None),
        ("docker-24.0.9+1-arm64.raw", "docker", "24.0.9+1", "arm64", None),
        ("k8s-2026-03-04-x86-64.raw", "k8s", "2026-03-04", "x86-64", None),
        ("foo-2fa-1.0-x86-64.raw", "foo-2fa", "1.0", "x86-64", None),
        ("tool-latest-x86-64.raw", "tool", "latest", "x86-64", None),
        ("foo_1.2.raw", "foo", "1.2", None, None),
        ("foo_1-2_arm64.raw", "foo", "1-2", "arm64", None),
        ("foo-bar_1.2.raw", "foo-bar", "1.2", None, None),
        ("foo-1.raw", "foo", "1", None, None),
    ],
)
def test_hints(file_name: str, name: str, version: str, architecture: str | None, version_id: str | None) -> None:
    assert parse_image_name(file_name) == ImageName(
        name=name, version=version, architecture=architecture, version_id=version_id
    )


@pytest.mark.parametrize(
    "file_name",
    ["", ".raw", "foo.raw", "foo-bar.raw", "foo-1.img", "foo-1.x86-64.raw.xz", "-1.x86-64.raw",
     "foo-.x86-64.raw", "SHA256SUMS", "foo-1.x86-64.manifest.gz"],
)  # fmt: skip
def test_no_hint(file_name: str) -> None:
    assert parse_image_name(file_name) is None


@given(st.text(alphabet="ab1.-_~x86 4raw", max_size=20))
def test_takes_any_name(stem: str) -> None:
    found = parse_image_name(stem + ".raw")
    assert found is None or (found.name and found.version)
