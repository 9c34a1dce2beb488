# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who can keep an update waiting, what is said where a job is not done, and where: the rows P1, P2 and P4."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_LOCK = "tukit_sysext/system/lock.py"
_SCHEMA = "tukit_sysext/ledger/schema.py"
_U = "tests/unit"
_LOCKS = f"{_U}/system/test_lock.py"
_LAB = "tests/on_lab/test_locks.py"
_LEDGER = f"{_U}/ledger/test_schema.py::TestReadOnly"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "P1",
        "a folder that everybody can lock is waited for without end",
        _LOCK,
        "_wait(descriptor, fcntl.LOCK_EX, folder, _FORMER_PATIENCE)",
        "fcntl.flock(descriptor, fcntl.LOCK_EX)",
        f"{_LAB}::test_what_an_ordinary_user_locks_keeps_nobody_waiting",
    ),
    broken(
        "P1",
        "former code is not kept away",
        _LOCK,
        "_wait(descriptor, fcntl.LOCK_EX, folder, _FORMER_PATIENCE)",
        "pass",
        f"{_U}/store/test_two_versions.py::test_who_locks_the_folder_is_waited_for_but_not_for_long",
    ),
    broken(
        "P1",
        "everybody can open a file that is locked",
        _LOCK,
        "os.O_CLOEXEC, 0o600)",
        "os.O_CLOEXEC, 0o644)",
        f"{_LOCKS}::test_a_lock_is_a_file_that_nobody_else_can_open",
    ),
    broken(
        "P1",
        "who holds a lock is not named",
        "tukit_sysext/system/holders.py",
        'yield f"process {pid} ({_command(process)})"',
        'yield "somebody"',
        f"{_LOCKS}::test_every_wait_ends_and_names_who_holds_the_lock",
    ),
    broken(
        "P1",
        "waiting takes longer than it may",
        _LOCK,
        "time.monotonic() + patience",
        "time.monotonic() + patience + 20",
        f"{_LOCKS}::test_every_wait_ends_and_names_who_holds_the_lock",
    ),
    Defence(
        row="P1",
        what="everybody can open the ledger, and lock it",
        edits=(
            (_SCHEMA, "os.O_CREAT | os.O_CLOEXEC, 0o600)", "os.O_CREAT | os.O_CLOEXEC, 0o644)"),
            (_SCHEMA, "elif path.stat().st_mode & 0o077:", "elif False:"),
        ),
        tests=(f"{_LEDGER}::test_everyone_reads_a_copy_that_nobody_waits_for", f"{_LAB}"),
    ),
    broken(
        "P1",
        "the copy of the ledger is not made",
        _SCHEMA,
        "publish(self.path, self._connection)",
        "pass",
        f"{_LEDGER}::test_everyone_reads_a_copy_that_nobody_waits_for",
    ),
    broken(
        "P1",
        "a lock that cannot be had speaks against the image",
        "tukit_sysext/update/fetch.py",
        "raise self._busy  # a lock",
        "pass  # a lock",
        f"{_U}/update/test_busy.py::test_a_lock_of_ours_says_nothing_about_an_image",
    ),
)
