# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events: every stage of tukit and snapper, hostile arguments (threat L5), and files that were written down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.errors import UsageError
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent, parse, spooled, take

PATH = "/tmp/transactional-update-ab12CD"


@pytest.mark.parametrize(
    ("caller", "argv", "kind"),
    [
        ("tukit", "finalize-post 42", EventKind.TRANSACTION_FINALIZED),
        ("tukit", "finalize-post 42 discarded", EventKind.TRANSACTION_DISCARDED),
        ("tukit", "abort-post 42", EventKind.TRANSACTION_ABORTED),
        ("tukit", "keep-post 42", EventKind.TRANSACTION_KEPT),
        ("snapper", "create-snapshot / btrfs 42", EventKind.SNAPSHOT_CREATED),
        ("snapper", "create-snapshot-post / btrfs 42", EventKind.SNAPSHOT_CREATED),
        ("snapper", "modify-snapshot / btrfs 42", EventKind.SNAPSHOT_MODIFIED),
        ("snapper", "modify-snapshot-post / btrfs 42", EventKind.SNAPSHOT_MODIFIED),
        ("snapper", "set-read-only / btrfs 42", EventKind.READ_ONLY_CHANGED),
        ("snapper", "set-read-only-post / btrfs 42", EventKind.READ_ONLY_CHANGED),
        ("snapper", "delete-snapshot / btrfs 42", EventKind.SNAPSHOT_DELETED),
        ("snapper", "delete-snapshot-post / btrfs 42", EventKind.SNAPSHOT_DELETED),
        ("snapper", "set-default-snapshot / btrfs 42", EventKind.DEFAULT_CHANGED),
        ("snapper", "set-default-snapshot-post / btrfs 42", EventKind.DEFAULT_CHANGED),
        ("snapper", "rollback / btrfs 41 42", EventKind.ROLLED_BACK),
        ("snapper", "rollback-post / btrfs 41 42", EventKind.ROLLED_BACK),
    ],
)
def test_our_stages(caller: str, argv: str, kind: EventKind) -> None:
    assert parse(caller, argv.split()) == SnapshotEvent(kind=kind, number=42)


@pytest.mark.parametrize(
    ("caller", "argv"),
    [
        *(("tukit", stage) for stage in ("", "init-pre", "reboot-pre", "resume-pre 42", "newer-stage 42")),
        *(("tukit", f"{stage} {PATH} 42") for stage in ("init-post", "resume-post", "finalize-pre", "keep-pre")),
        *(("tukit", f"{stage}-{when} {PATH} 42 true") for stage in ("execute", "callExt") for when in ("pre", "post")),
        *(("snapper", f"{kind}-config-{when} / btrfs") for kind in ("create", "delete") for when in ("pre", "post")),
        *(
            ("snapper", f"{stage}-pre / btrfs 42")
            for stage in (
                "create-snapshot",
                "modify-snapshot",
                "delete-snapshot",
                "set-read-only",
                "set-default-snapshot",
            )
        ),
        ("snapper", "create-snapshot-post /home btrfs 42"),
        ("snapper", "create-snapshot-post / ext4 42"),
        ("snapper", "finalize-post 42"),
        ("tukit", "create-snapshot-post / btrfs 42"),
        ("another", "finalize-post 42"),
    ],
)
def test_stages_that_are_not_ours(caller: str, argv: str) -> None:
    assert parse(caller, argv.split()) is None


@pytest.mark.parametrize(
    "number", ["", "0", "-1", "042", "4 2", "42\n", "$(reboot)", "`id`", "../42", "4" * 11, "\u0664\u0662", "1e3", "\0"]
)
def test_what_is_no_number(number: str) -> None:
    for caller, argv in (("tukit", ["finalize-post"]), ("snapper", ["delete-snapshot-post", "/", "btrfs"])):
        with pytest.raises(UsageError, match="number of a snapshot"):
            parse(caller, [*argv, number])


@pytest.mark.parametrize(("caller", "argv"), [("tukit", ["abort-post"]), ("snapper", ["rollback-post", "/", "btrfs"])])
def test_too_few_arguments(caller: str, argv: list[str]) -> None:
    with pytest.raises(UsageError, match=argv[0]):
        parse(caller, argv)


@given(
    st.sampled_from(["tukit", "snapper", ""]),
    st.lists(st.sampled_from(["finalize-post", "rollback-post", "/", "btrfs", "7"]) | st.text(max_size=8), max_size=5),
)
def test_nothing_but_usage_errors_is_raised(caller: str, argv: list[str]) -> None:
    try:
        found = parse(caller, argv)
    except UsageError:
        return
    assert found is None or found.number > 0


class TestSpooled:
    def test_none(self, tmp_path: Path) -> None:
        assert list(spooled(tmp_path / "none")) == []

    def test_what_was_written_down(self, tmp_path: Path) -> None:
        for name, text in {
            "snapper-b": "snapper\nrollback-post\n/\nbtrfs\n1\n2\n",
            "tukit-a": "tukit\nfinalize-post\n7\n",
            ".123": "tukit\nfinalize-post\n8\n",
        }.items():
            (tmp_path / name).write_text(text)
        assert [(path.name, event) for path, event in spooled(tmp_path)] == [
            ("snapper-b", SnapshotEvent(kind=EventKind.ROLLED_BACK, number=2)),
            ("tukit-a", SnapshotEvent(kind=EventKind.TRANSACTION_FINALIZED, number=7)),
        ]

    @pytest.mark.parametrize(
        "content", [b"", b"\n", b"\xff\xfe", b"tukit\n", b"tukit\nfinalize-post\n$(id)\n", b"x" * 99999]
    )
    def test_what_says_nothing_is_listed_so_that_it_goes(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "event").write_bytes(content)
        assert list(spooled(tmp_path)) == [(tmp_path / "event", None)]


class TestTaking:
    def test_what_is_taken_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / "b").write_text("snapper\nrollback-post\n/\nbtrfs\n1\n2\n")
        (tmp_path / "a").write_text("nonsense")
        (tmp_path / ".c").write_text("tukit\nfinalize-post\n8\n")
        assert list(take(tmp_path)) == [None, SnapshotEvent(kind=EventKind.ROLLED_BACK, number=2)]
        assert [path.name for path in tmp_path.iterdir()] == [".c"]
        assert list(take(tmp_path)) == []
        assert list(take(tmp_path / "none")) == []

    def test_nobody_gets_what_another_took(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a").write_text("tukit\nfinalize-post\n8\n")
        unlink = Path.unlink

        def faster(path: Path, missing_ok: bool = False) -> None:
            unlink(path)
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", faster)
        assert list(take(tmp_path)) == []

    def test_what_is_no_file_does_not_stay_for_ever(self, tmp_path: Path) -> None:
        """A path unit would start the settling again and again."""
        (tmp_path / "folder/inside").mkdir(parents=True)
        assert list(take(tmp_path)) == [None]
        assert list(tmp_path.iterdir()) == []

    def test_what_nobody_writes_to_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert list(take(tmp_path)) == [None]

    def test_what_cannot_be_removed_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a").write_text("tukit\nfinalize-post\n8\n")

        def refusing(path: Path, missing_ok: bool = False) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(Path, "unlink", refusing)
        assert list(take(tmp_path)) == [SnapshotEvent(kind=EventKind.TRANSACTION_FINALIZED, number=8)]
