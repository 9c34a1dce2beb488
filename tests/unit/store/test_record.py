# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records of images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.records import NAME, record
from tests.states import code
from tukit_sysext.formats import caibx
from tukit_sysext.requirements.contents import Contents, ImageFolder, pack
from tukit_sysext.rules.names import NameRefused
from tukit_sysext.store import record as limits
from tukit_sysext.store.record import Identity, PackedFile, Records, RecordUnreadable, decode, encode


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "images")


def document(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(encode(record(identity=Identity(size=9, inode=1, ctime_ns=2))))
    return {**made, **changes}


@pytest.mark.parametrize("identity", [None, Identity(size=9, inode=12, ctime_ns=1_793_000_000_123_456_789)])
@pytest.mark.parametrize("signer", [None, "0123456789ABCDEF"])
@pytest.mark.parametrize("packed", [None, PackedFile(file_name=f"{NAME}.xz", sha256="0a" * 32)])
def test_round_trip(records: Records, identity: Identity | None, signer: str | None, packed: PackedFile | None) -> None:
    written = record(identity=identity, signer=signer, packed=packed)
    records.write(written)
    assert records.read(NAME) == written
    assert records.names() == [NAME]


def test_what_is_found_in_the_image_is_kept(records: Records) -> None:
    packed = pack(ImageFolder(0o755, {"usr": ImageFolder(0o755, {"bin": "sbin"})}))
    written = record(contents=Contents(needs=("libc.so.6",), packed=packed))
    records.write(written)

    assert records.read(NAME) == written


@pytest.mark.parametrize("contents", [None, [], "x", 1])
def test_contents_that_are_none_cost_the_contents_alone(contents: Any) -> None:
    read = decode(json.dumps(document(contents=contents)).encode(), file_name=NAME)

    assert read.contents is None
    assert "contents" not in read.other


def test_there_is_none(records: Records) -> None:
    assert records.read(NAME) is None
    assert records.names() == []


def test_the_identity_is_what_stat_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    status = os.stat(tmp_path / "file")
    assert record().sealed(status).identity == Identity(size=3, inode=status.st_ino, ctime_ns=status.st_ctime_ns)


def test_what_a_newer_version_wrote_is_kept(records: Records, tmp_path: Path) -> None:
    records.write(record())
    path = tmp_path / "images" / f"{NAME}.json"
    newer = {**json.loads(path.read_text()), "lease": {"until": 7}, "mirrors": ["a", "b"]}
    path.write_text(json.dumps(newer))
    found = records.read(NAME)
    assert found is not None
    records.write(found.sealed(os.stat(path)))
    kept = json.loads(path.read_text())
    assert (kept["lease"], kept["mirrors"]) == ({"until": 7}, ["a", "b"])
    assert kept["identity"]["inode"] > 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        b"\0" * 100,
        json.dumps(document(file="other-1.x86-64.raw")).encode(),
        json.dumps(document(name=None)).encode(),
        json.dumps(document(sha256=7)).encode(),
        json.dumps(document(size="much")).encode(),
        json.dumps(document(size=None)).encode(),
        json.dumps(document(size=float("inf"))).encode(),
        json.dumps(document(size=float("nan"))).encode(),
        json.dumps(document(extension_release=[])).encode(),
        json.dumps(document(identity={})).encode(),
        json.dumps(document(identity=7)).encode(),
        json.dumps(document(identity={"size": 1, "inode": 1, "ctime_ns": float("inf")})).encode(),
        json.dumps(document(merge_name="../../etc/passwd")).encode(),
        json.dumps(document(merge_name="")).encode(),
        json.dumps({key: value for key, value in document().items() if key != "version"}).encode(),
        json.dumps({key: value for key, value in document().items() if key != "file"}).encode(),
    ],
)
def test_what_is_no_record_is_unreadable(records: Records, tmp_path: Path, content: bytes) -> None:
    """Its image is of unknown origin then (threat L10)."""
    records.write(record())
    (tmp_path / "images" / f"{NAME}.json").write_bytes(content)
    with pytest.raises(RecordUnreadable, match=NAME):
        records.read(NAME)


def test_a_folder_in_its_place_is_unreadable(records: Records, tmp_path: Path) -> None:
    (tmp_path / "images" / f"{NAME}.json").mkdir(parents=True)
    with pytest.raises(RecordUnreadable, match=NAME):
        records.read(NAME)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
def test_a_name_leads_nowhere_else(records: Records, name: str) -> None:
    with pytest.raises(NameRefused):
        records.read(name)
    with pytest.raises(NameRefused):
        records.write(record(file_name=name))


def test_temporary_files_are_no_records(records: Records, tmp_path: Path) -> None:
    records.write(record())
    (tmp_path / "images" / f".tukit-sysext.{NAME}.json").touch()
    (tmp_path / "images" / "README").touch()
    assert records.names() == [NAME]


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(st.dictionaries(st.sampled_from(sorted(document())), _VALUES | st.dictionaries(st.text(), _VALUES), max_size=4))
def test_decode_raises_nothing_but_its_own_error(changes: dict[str, Any]) -> None:
    try:
        found = decode(json.dumps(document(**changes)).encode(), file_name=NAME)
    except RecordUnreadable:
        return
    assert decode(encode(found), file_name=NAME) == found


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_record(content: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        decode(content, file_name=NAME)


@pytest.mark.parametrize(
    ("key", "value"), [("name", "\ud800"), ("size", 10**30), ("size", -1), ("extension_release", {"ID": "\udfff"})]
)
def test_what_no_database_takes_is_no_record(key: str, value: object) -> None:
    """One damaged record must not end every settling (threat L10)."""
    document = {**json.loads(encode(record())), key: value}
    with pytest.raises(RecordUnreadable):
        decode(json.dumps(document).encode(), file_name=NAME)


@pytest.mark.history
def test_former_code_keeps_what_was_packed(tmp_path: Path) -> None:
    """The code of a447a06 reads the record, whose hash is that of the image, and writes it with the key."""
    folder = code.take("a447a06", tmp_path / "code")
    written = encode(record(packed=PackedFile(file_name=f"{NAME}.xz", sha256="0a" * 32)))
    (tmp_path / f"{NAME}.json").write_bytes(written)
    script = f"""
import sys
from pathlib import Path
from tukit_sysext.state.record import Records
records = Records(Path({str(tmp_path)!r}))
known = records.read({NAME!r})
records.write(known)
print(known.sha256)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == record().sha256
    assert (tmp_path / f"{NAME}.json").read_bytes() == written


def test_every_index_that_is_one_is_read() -> None:
    assert (limits.INDEX_ENDING, limits.INDEX_LIMIT) == (caibx.ENDING, caibx.LIMIT)
