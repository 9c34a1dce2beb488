# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sources that fail while nobody needs them: that it is seen."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_HEALTH = "tukit_sysext/sources/health.py"
_H = "tests/unit/sources/test_health.py"
_T = "tests/unit/commands/test_source_import.py"
_IMPORT = "tukit_sysext/change/transfer_import.py"
_A = "tests/unit/commands/test_source_actions.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "N30",
        "a transaction does not say that a source fails",
        "tukit_sysext/update/report.py",
        "        if not any(reason in text for text in texts):\n",
        "        if any(reason in text for text in texts):\n",
        f"{_H}::test_a_source_that_fails_is_seen_everywhere[no signature]",
    ),
    broken(
        "N30",
        "that a source fails is not noted",
        _HEALTH,
        "            self._note({source.name: failed})\n",
        "",
        f"{_H}::test_a_source_that_fails_is_seen_everywhere[empty folder]",
    ),
    broken(
        "N30",
        "a failure has the time of its last list forgotten",
        _HEALTH,
        "            before = self.read().get(source.name) or SourceHealth(asked=now)\n",
        "            before = SourceHealth(asked=now)\n",
        f"{_H}::test_a_source_that_fails_is_seen_everywhere[expired key]",
    ),
    broken(
        "N30",
        "who only looks notes how a source is",
        _HEALTH,
        "machine.privileged and not machine.read_only)",
        "machine.privileged)",
        f"{_H}::test_who_only_looks_notes_nothing",
    ),
    broken(
        "N30",
        "a notice that cannot be written stops the transaction",
        _HEALTH,
        'log.info("%s: cannot be written: %s", self._path, error.strerror)',
        "raise",
        f"{_H}::test_a_note_that_cannot_be_written_stops_nothing",
    ),
    broken(
        "N30",
        "doctor finds a source good that is refused",
        "tukit_sysext/doctor/lists.py",
        "        elif health.failing is not None:\n",
        "        elif health.failing is not None and not health.refused:\n",
        f"{_H}::test_a_source_that_fails_is_seen_everywhere[not a list]",
    ),
    broken(
        "N31",
        "a source is added unseen",
        "tukit_sysext/commands/sources_add.py",
        "    answer = None if arguments.no_check else _try_out(targets[0], new, arguments)\n",
        "    answer = None\n",
        f"{_A}::test_what_gives_no_good_list_is_not_added",
    ),
    broken(
        "N31",
        "a source is added although its list is refused",
        "tukit_sysext/commands/sources_add.py",
        "            return try_out(machine, tree, load_configuration(tree), source_files.planned(target, new))\n"
        "        except TukitSysextError as error:\n",
        "            return try_out(machine, tree, load_configuration(tree), source_files.planned(target, new))\n"
        "        except TukitSysextError as error:\n            return None  # type: ignore[return-value]\n",
        f"{_A}::test_what_gives_no_good_list_is_not_added",
    ),
    broken(
        "N31",
        "a disabled source is asked",
        "tukit_sysext/config/settings.py",
        "        if source is not None and not source.enabled:\n",
        "        if source is not None and source.name == '':\n",
        f"{_A}::test_disable_and_enable",
    ),
    broken(
        "N31",
        "what a package says of a source is frozen when it is disabled",
        "tukit_sysext/change/source_switch.py",
        'if ours else "")',
        "if ours else text)",
        f"{_A}::test_disable_and_enable[of a package]",
    ),
    broken(
        "N33",
        "a transfer that verifies nothing is taken over unasked",
        _IMPORT,
        "    if not transfer.verify and not options.unverified and options.key is None:\n",
        "    if False:\n",
        f"{_T}::test_without_signatures_nothing_is_taken_over_unasked",
    ),
    broken(
        "N33",
        "one transfer that verifies nothing is enough for a source that does not",
        _IMPORT,
        "any(each.transfer.verify for each in readables)",
        "all(each.transfer.verify for each in readables)",
        f"{_T}::test_one_that_verifies_is_enough_for_its_source",
    ),
    broken(
        "N33",
        "a transfer that verifies goes to a source that does not",
        _IMPORT,
        "    if there is not None and transfer.verify and not there.verify:\n",
        "    if False:\n",
        f"{_T}::test_a_source_that_does_not_verify_is_no_place_for_one_that_does",
    ),
    broken(
        "N33",
        "a pattern of a transfer is lost",
        _IMPORT,
        '"MatchPattern": readable.transfer.patterns}',
        "}",
        f"{_T}::test_a_folder",
    ),
)
