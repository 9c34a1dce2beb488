# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a merge does beside the images: the rows R40 to R44."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_MERGE = "tukit_sysext/system/merge.py"
_MODE = "tukit_sysext/system/merge_mode.py"
_UNIT = "tukit_sysext/system/merge_unit.py"
_BESIDE = "tukit_sysext/commands/common/beside_merge.py"
_AFTER = "tukit_sysext/requirements/after_merge.py"
_OLD = "tukit_sysext/system/old_files.py"
_PACK = "tukit_sysext/change/pack_folder.py"
_PACK_TESTS = "tests/unit/change/test_pack_folder.py"
_MERGE_TESTS = "tests/unit/system/test_merge.py"
_MODE_TESTS = "tests/unit/system/test_merge_mode.py"
_AFTER_TESTS = "tests/unit/requirements/test_after_merge.py"
_BESIDE_TESTS = "tests/unit/commands/test_beside_merge.py"
_OLD_TESTS = "tests/unit/system/test_old_files.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "R40",
        "a merge knows nothing of what was set for the unit",
        _MERGE,
        "    if unit is not None and unit.usable:\n",
        "    if False:\n",
        f"{_MERGE_TESTS}::test_what_somebody_asked_for",
    ),
    broken(
        "R40",
        "a reload stands in for another start",
        _UNIT,
        'return "reload" if self.active and self.reloads_alike else "restart"',
        'return "reload" if self.active else "restart"',
        f"{_MERGE_TESTS}::test_what_somebody_asked_for",
    ),
    broken(
        "R40",
        "what was written by hand is hidden by the unit",
        _MERGE,
        "if after is not None and after.active and not hidden(before, modes_now()):",
        "if after is not None and after.active:",
        f"{_MERGE_TESTS}::test_what_somebody_asked_for",
    ),
    broken(
        "R40",
        "a start that is skipped counts as a merge",
        _MERGE,
        "if after is not None and after.active and not hidden(before, modes_now()):",
        "if not hidden(before, modes_now()):",
        f"{_MERGE_TESTS}::test_what_somebody_asked_for",
    ),
    broken(
        "R40",
        "where there is no unit a merge is read-only again",
        _MERGE,
        'f"--mutable={keep}"] if keep is not Mode.NO else []',
        'f"--mutable={keep}"] if False else []',
        f"{_MERGE_TESTS}::test_what_somebody_asked_for",
    ),
    broken(
        "R40",
        "what shows what was written before is taken for a plain merge",
        _MODE,
        "return Mode.IMPORT if imported else Mode.NO",
        "return Mode.NO",
        f"{_MODE_TESTS}::test_each_mode",
    ),
    broken(
        "R40",
        "a unit that fails leaves the system without images",
        _MERGE,
        '            notes.append(f"{error}; {TOOL} merged without it")\n',
        "            raise\n",
        f"{_MERGE_TESTS}::test_a_unit_that_fails_does_not_leave_the_system_without_images",
    ),
    broken(
        "R41",
        "what is merged by itself knows nothing of what was set for the unit",
        _MERGE,
        "if unit is not None and unit.usable and unit.changed:",
        "if False:",
        f"{_MERGE_TESTS}::test_what_is_merged_by_itself_is_merged_as_at_boot",
    ),
    broken(
        "R41",
        "a unit that refreshes replaces what was merged meanwhile",
        _MERGE,
        "    if modes_now():\n",
        "    if False:\n",
        f"{_MERGE_TESTS}::test_what_is_merged_is_never_replaced_by_itself",
    ),
    broken(
        "R42",
        "what systemd does itself is told",
        _AFTER,
        'if release.get(RELOAD_MANAGER, "").lower() not in _YES:',
        "if True:",
        f"{_AFTER_TESTS}::test_where_systemd_reads_its_units_itself",
    ),
    broken(
        "R42",
        "an update that a boot merges says nothing",
        _BESIDE,
        "            before = {entry.image for entry in tree.plan.tree.entries}\n",
        "            before = _linked(tree)\n",
        f"{_BESIDE_TESTS}::test_an_update_that_a_boot_merges",
    ),
    broken(
        "R42",
        "an update of the system says nothing of what its new images bring",
        "tukit_sysext/entry.py",
        "report.beside_merge_lines(outcome) if not outcome.refusals else ()",
        "()",
        "tests/unit/update/test_further_rules.py::test_what_a_new_image_brings_that_no_boot_puts_to_use",
    ),
    broken(
        "R43",
        "who runs files of before is looked for when they have another name",
        _BESIDE,
        """    new, users, unknown = _changes(machine, tree)
    notes = merge.refresh()
""",
        """    notes = merge.refresh()
    new, users, unknown = _changes(machine, tree)
""",
        f"{_BESIDE_TESTS}::test_an_update_that_is_merged_at_once",
    ),
    broken(
        "R42",
        "what cannot be found out keeps a merge away",
        _BESIDE,
        """    except (TukitSysextError, OSError) as error:
        return [], [], [_unknown(error)]
""",
        """    except ZeroDivisionError as error:
        return [], [], [_unknown(error)]
""",
        f"{_BESIDE_TESTS}::test_what_cannot_be_found_out_keeps_nothing_away",
    ),
    broken(
        "R43",
        "a process is told by its number alone",
        _OLD,
        "if _started(PROC / str(user.pid)) == user.started",
        "if _started(PROC / str(user.pid))",
        f"{_OLD_TESTS}::test_another_process_with_the_same_number",
    ),
    broken(
        "R43",
        "a person's own service is taken for one of the system",
        _OLD,
        'if path.startswith("/system.slice/") and name.endswith(".service"):',
        'if name.endswith(".service"):',
        f"{_OLD_TESTS}::test_the_service_of_a_process",
    ),
    broken(
        "R44",
        "files of a folder are packed with the labels of /etc",
        _PACK,
        ', "-xattrs-exclude", "^security[.]selinux$", "-pf", labels.name]',
        "]",
        f"{_PACK_TESTS}::test_labels_of_the_folder_do_not_count",
    ),
    broken(
        "R44",
        "a folder is packed without labels, and nobody says so",
        "tukit_sysext/change/adopt_entry.py",
        "(_conflict(wanted, record.version), unlabelled)",
        "(_conflict(wanted, record.version),)",
        f"{_PACK_TESTS}::test_adopt_says_that_labels_are_missing",
    ),
)
