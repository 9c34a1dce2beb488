# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptions of images: mkosi's, sysextmgr's, and threats N2, N4 and N13."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.manifest import LIMIT, DescriptionRefused, ReleaseHint, compose, parse, unpack

IMAGE = "gdb-15.2.x86-64.raw"
KEYS = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}


def read(document: Any) -> dict[str, str]:
    return dict(hint(document).keys)


def hint(document: Any) -> ReleaseHint:
    return parse(json.dumps(document).encode(), image=IMAGE, where="FILE")


def mkosi(**config: str) -> dict[str, Any]:
    return {"manifest_version": 1, "config": config, "packages": [], "extension": KEYS}


@pytest.mark.parametrize(
    "document",
    [
        mkosi(),
        mkosi(name="gdb", version="15.2", architecture="x86-64", distribution="opensuse"),
        {"image_name": IMAGE, "sysext": KEYS},
        [{"image_name": IMAGE, "sysext": KEYS}],
        [{"image_name": "other.raw", "sysext": {"ID": "x"}}, {"image_name": IMAGE, "sysext": KEYS}],
        [1, None, "x", {"image_name": IMAGE}, {"image_name": IMAGE, "sysext": KEYS, "newer": [1]}],
    ],
)
def test_the_keys_of_an_image_are_found(document: Any) -> None:
    assert read(document) == KEYS


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "says nothing"),
        ([], f"description of {IMAGE}"),
        (None, f"description of {IMAGE}"),
        ("text", f"description of {IMAGE}"),
        ({"image_name": "other-1.x86-64.raw", "sysext": KEYS}, f"description of {IMAGE}"),
        ({"image_name": f"../{IMAGE}", "sysext": KEYS}, f"description of {IMAGE}"),
        ({"image_name": IMAGE}, f"description of {IMAGE}"),
        ({"image_name": IMAGE, "sysext": "ID=x"}, "says nothing"),
        ({"image_name": IMAGE, "sysext": {}}, "says nothing"),
        ({"image_name": IMAGE, "sysext": {"SYSEXT_LEVEL": "glibc-2.42"}}, "says nothing"),
        ({"image_name": IMAGE, "sysext": {"ID": 1}}, "ID: expected a string, found int"),
        ({"extension": None}, "says nothing"),
        ({"extension": {}}, "says nothing"),
        ({"extension": ["ID"]}, "says nothing"),
        ({"extension": {"ID": None}}, "says nothing"),
        ({"config": {"name": "gdb"}, "packages": []}, "says nothing"),
        (mkosi(output_format="confext"), "found one of confext"),
        (mkosi(output_format="disk"), "found one of disk"),
        ({"name": "npm package", "version": "1.0"}, "says nothing"),
    ],
)
def test_what_says_nothing_of_the_image_counts_as_none(document: Any, words: str) -> None:
    with pytest.raises(DescriptionRefused, match=r"^FILE") as caught:
        read(document)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["gdb", "image", "main", ""])
def test_a_manifest_of_an_image_without_a_name_of_its_own(name: str) -> None:
    """What mkosi calls an image without ImageId= says nothing of which it is."""
    assert read(mkosi(name=name, output_format="sysext")) == KEYS


def test_mkosi_describes_what_its_last_scripts_may_change() -> None:
    assert hint(mkosi()).early
    assert not hint({"image_name": IMAGE, "sysext": KEYS}).early


@pytest.mark.parametrize(
    "config", [{"name": "other"}, {"name": "gdb", "version": "9999"}, {"name": "image", "version": "20261101"}]
)
def test_mkosi_says_another_name_or_version_than_the_list(config: dict[str, str]) -> None:
    """Threat N2: of another image, or of the build of all of them: nothing of it is used."""
    with pytest.raises(DescriptionRefused, match="FILE"):
        read(mkosi(**config))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"extension": {"ID": 1' + b"0" * 5000, b"nonsense"]
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(DescriptionRefused, match="FILE: not JSON"):
        parse(content, image=IMAGE, where="FILE")


def test_a_description_that_is_too_large_is_refused() -> None:
    with pytest.raises(DescriptionRefused, match="larger than"):
        parse(json.dumps({"image_name": IMAGE, "sysext": KEYS}).encode() + b" " * LIMIT, image=IMAGE, where="FILE")


def test_gzip_is_undone() -> None:
    assert unpack(gzip.compress(b"content"), where="FILE") == b"content"


def test_what_is_not_packed_is_read_whatever_its_name() -> None:
    assert unpack(b'{"image_name": 1}', where="x.manifest.gz") == b'{"image_name": 1}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1f\x8b", "cut off"),
        (b"\x1f\x8bplain text", "damaged"),
        (gzip.compress(b"content", mtime=0)[:-4], "cut off"),
        (gzip.compress(b"content", mtime=0)[:-8] + b"\0" * 8, "damaged"),
        (gzip.compress(b"\0" * (LIMIT + 1)), "when unpacked"),
        (gzip.compress(b"\0" * (64 * LIMIT)), "when unpacked"),
    ],
)
def test_bad_gzip_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(DescriptionRefused, match=r"^FILE") as caught:
        unpack(content, where="FILE")
    assert words in str(caught.value)


def test_what_unfolds_is_not_unfolded_whole() -> None:
    """A MiB of a publisher's may be a GiB: it takes no more memory than the limit needs."""
    bomb = gzip.compress(bytes(128 * LIMIT), 1)
    tracemalloc.start()
    try:
        with pytest.raises(DescriptionRefused, match="when unpacked"):
            unpack(bomb, where="FILE")
        assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    finally:
        tracemalloc.stop()


def test_just_the_limit_is_taken() -> None:
    assert len(unpack(gzip.compress(b"\0" * LIMIT), where="FILE")) == LIMIT


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["extension", "image_name", "sysext", "config", "ID"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.one_of(st.binary(max_size=100), _JSON.map(lambda document: json.dumps(document).encode())))
def test_parse_raises_nothing_but_its_own_error(content: bytes) -> None:
    try:
        keys = parse(content, image=IMAGE, where="FILE").keys
    except ImageBroken:
        return
    assert all(isinstance(value, str) for value in keys.values())


@given(st.binary(max_size=100), st.integers(0, 40))
def test_unpack_raises_nothing_but_its_own_error(content: bytes, cut: int) -> None:
    for candidate in (content, gzip.compress(content)[cut:], gzip.compress(content)[: -cut or None]):
        try:
            unpack(candidate, where="FILE")
        except ImageBroken:
            continue


@pytest.mark.parametrize("key", ["\ud800", "\x1b[2J", "a\nb", "k" * 1000])
def test_a_key_of_a_stranger_is_told_harmlessly(key: str) -> None:
    """A lone surrogate would make of the message a fault of ours wherever it is written."""
    document = json.dumps({"image_name": "gdb-1.raw", "sysext": {"ID": "x", key: 1}}).encode()
    with pytest.raises(DescriptionRefused) as raised:
        parse(document, image="gdb-1.raw", where="x")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


def test_what_is_composed_is_read() -> None:
    release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.43"}
    for architecture in ("x86-64", None):
        content = compose(release, name="gdb", version="15.2", architecture=architecture)
        assert parse(content, image="gdb-15.2.x86-64.raw", where="MANIFEST").keys == release


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"aa": 4096, "bb": 1000}, 4096),
        ({"bb": 1000}, None),
        *(({"aa": size}, None) for size in (0, -1, 2**63, True, 4096.0, "4096", None, [4096])),
        *((sizes, None) for sizes in ([4096], 4096, "aa", None)),
    ],
)
def test_the_size_of_the_file_with_a_hash(sizes: Any, expected: int | None) -> None:
    """What is no size is not known, and everything else in the description counts."""
    release = {"ID": "opensuse-microos"}
    content = compose(release, name="gdb", version="1", architecture=None, sizes={"aa": 1})
    assert parse(content, image="gdb-1.raw", where="x", sha256="aa").size == 1
    for sha256, size in (("aa", expected), ("", None)):
        document = json.dumps({**json.loads(content), "sizes": sizes}).encode()
        read_back = parse(document, image="gdb-1.raw", where="x", sha256=sha256)
        assert (read_back.keys, read_back.size) == (release, size)
