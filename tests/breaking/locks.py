# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who can keep an update waiting, what is said where a job is not done, and where: the rows P1, P2 and P4."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_LOCK = "tukit_sysext/system/lock.py"
_SCHEMA = "tukit_sysext/ledger/schema.py"
_CHECK = "tukit_sysext/last_check.py"
_DESCRIPTORS = "tukit_sysext/system/descriptors.py"
_HOOK = "hooks/50-tukit-sysext"
_REPAIR = "tukit_sysext/integrity/repair.py"
_U = "tests/unit"
_MENDING = f"{_U}/integrity/test_repair_meanwhile.py"
_OUTPUT = f"{_U}/test_output.py"
_LOCKS = f"{_U}/system/test_lock.py"
_LAB = "tests/on_lab/test_locks.py"
_LEDGER = f"{_U}/ledger/test_schema.py::TestReadOnly"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "P1",
        "everybody reads who did what",
        "tukit_sysext/ledger/readable.py",
        "content = _without_users(connection)",
        "content = connection.serialize()",
        f"{_LEDGER}::test_nobody_else_reads_who_did_what",
    ),
    broken(
        "P1",
        "a repair has the locks while it waits for the network",
        _REPAIR,
        "    with Tree(subject.path) as tree:\n",
        "    with shared(machine.layout.lock), Tree(subject.path) as tree, changing(tree, machine.layout.locks):\n",
        f"{_MENDING}::test_no_lock_is_held_while_the_network_is_waited_for",
    ),
    broken(
        "P1",
        "a repair does not look at the tree again before it links",
        _REPAIR,
        "if gone or self._state(finding.name) != self._before:",
        "if gone:",
        f"{_MENDING}::test_what_is_held_meanwhile_is_held",
        f"{_MENDING}::test_what_is_blocked_meanwhile_is_not_linked",
    ),
    broken(
        "P1",
        "a repair links what a collection took away meanwhile",
        _REPAIR,
        "if gone or self._state",
        "if self._state",
        f"{_MENDING}::test_what_is_collected_meanwhile_is_fetched_again",
    ),
    broken(
        "P1",
        "a repair tries for ever in a tree that changes",
        _REPAIR,
        "for _ in range(_TRIES):",
        "for _ in range(1000):",
        f"{_MENDING}::test_a_tree_that_changes_all_the_time_is_left_alone",
    ),
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
    Defence(
        row="P1",
        what="everybody can open a file that is locked",
        edits=(
            (_LOCK, "os.O_CLOEXEC, 0o600)", "os.O_CLOEXEC, 0o644)"),
            (_LOCK, "if os.fstat(descriptor).st_mode & 0o077:", "if False:"),
        ),
        tests=(f"{_LOCKS}::test_a_lock_is_a_file_that_nobody_else_can_open",),
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
        "from within our units nobody who holds a lock is named",
        "tukit_sysext/system/holders.py",
        'or ", ".join(_takers(inode)) or',
        "or",
        f"{_LOCKS}::test_one_that_has_more_capabilities_is_named_too",
    ),
    broken(
        "P1",
        "the memory of another user's process is read",
        "tukit_sysext/system/holders.py",
        '("cmdline" if ours else "comm")',
        '"cmdline"',
        f"{_LOCKS}::test_the_memory_of_another_users_process_is_not_read",
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
    broken(
        "P1",
        "a lock whose file cannot be made speaks against the store",
        _LOCK,
        "except OSError as error:\n            raise Busy(",
        "except ValueError as error:\n            raise Busy(",
        f"{_U}/update/test_busy.py::test_a_lock_whose_file_cannot_be_made_neither",
    ),
    broken(
        "P2",
        "a link that does not fit is not named",
        _CHECK,
        "if not compatibility.fits:",
        "if False:",
        f"{_U}/test_last_check.py::test_what_is_wrong_is_named",
        f"{_LAB}::test_a_stopped_holder_lets_the_update_pass_with_nothing_written_and_everything_named",
    ),
    broken(
        "P2",
        "damage is not named",
        _CHECK,
        "status.st_size != size",
        "False",
        f"{_U}/test_last_check.py::test_what_is_wrong_is_named",
    ),
    broken(
        "P2",
        "the last check needs more of ours",
        _CHECK,
        "from tukit_sysext.rules.architectures import",
        "import tukit_sysext.errors\nfrom tukit_sysext.rules.architectures import",
        f"{_U}/test_last_check.py::test_it_needs_nothing_but_the_standard_library_and_the_rules",
    ),
    broken(
        "P2",
        "the hook does not have the links looked at",
        _HOOK,
        'start last_check "$status" "$2" "$3" && exit 0',
        "",
        f"{_LAB}::test_a_stopped_holder_lets_the_update_pass_with_nothing_written_and_everything_named",
    ),
    broken(
        "P2",
        "a refusal does not name the way out",
        "tukit_sysext/update/report.py",
        ', f"  {_SWITCH_OFF}"',
        "",
        f"{_U}/update/test_report.py::test_the_hook_and_status_say_what_to_do",
        "tests/on_lab/test_way_out.py::test_without_the_hook",
    ),
    broken(
        "P4",
        "a descriptor that is closed stays so",
        _DESCRIPTORS,
        "os.open(os.devnull, os.O_RDWR)  # the lowest number that is free",
        "pass",
        f"{_OUTPUT}::test_no_file_gets_the_number_of_a_descriptor_that_was_closed",
    ),
    broken(
        "P4",
        "a hook waits for a reader without end",
        _CHECK,
        "signal.setitimer(signal.ITIMER_REAL, PATIENCE, _AGAIN)",
        "signal.setitimer(signal.ITIMER_REAL, PATIENCE * 300, _AGAIN)",
        f"{_OUTPUT}::test_a_hook_ends_as_it_was_decided_whatever_its_output_leads_to",
    ),
    broken(
        "P4",
        "what cannot be printed ends a command's work",
        _DESCRIPTORS,
        "self.error = error\n                break",
        "raise",
        f"{_OUTPUT}::test_a_command_does_its_work_and_its_status_is_true",
    ),
    broken(
        "P4",
        "a command that could not say anything ends with 0",
        "tukit_sysext/cli.py",
        "if status != ExitStatus.DONE or out.error is None:",
        "if True:",
        f"{_OUTPUT}::test_a_command_does_its_work_and_its_status_is_true",
    ),
    broken(
        "P4",
        "a journal that takes nothing is waited for again and again",
        "tukit_sysext/system/journal.py",
        "self._left -= time.monotonic() - started",
        "pass",
        f"{_OUTPUT}::TestJournal::test_full",
    ),
    broken(
        "P4",
        "the shell itself waits for a reader",
        _HOOK,
        "exec 3>&2 2>/dev/null",
        "exec 3>&2",
        "tests/on_lab/test_output.py::test_a_fault_of_ours_passes",
    ),
    broken(
        "P4",
        "the shell ends where its reader has gone",
        _HOOK,
        "trap '' PIPE\n",
        "",
        f"{_OUTPUT}::test_a_hook_is_not_ended_by_a_reader_that_has_gone",
    ),
)
