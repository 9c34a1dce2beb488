# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an update may take away, and what is said of it."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_P = "tests/unit/update/test_principle.py"
_C = "tests/unit/update/test_claims.py"
_F = "tests/unit/update/test_fallback.py"
_V = "tests/unit/update/test_vendor.py"
_OPTIONS = "tukit_sysext/update/options.py"
_LEFT_OUT = "tukit_sysext/update/left_out.py"
_IN_USE = "tukit_sysext/update/in_use.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "P0",
        "a disk without room takes an image away",
        _LEFT_OUT,
        "LeftOut.NOT_STORED: (_R, _L)",
        "LeftOut.NOT_STORED: (_L, _L)",
        f"{_P}::test_a_disk_that_takes_no_link_refuses_too",
    ),
    broken(
        "P0",
        "an image that nobody has keeps the update away",
        _LEFT_OUT,
        "        return has_none\n",
        "        return has_one\n",
        f"{_P}::test_an_image_that_nobody_has_is_missed_loudly_until_it_is_there",
    ),
    broken(
        "P0",
        "what boots next does not count",
        _IN_USE,
        "    if not layout.snapshots.is_dir():",
        "    if layout.snapshots.is_dir():",
        f"{_P}::test_what_boots_next_has",
    ),
    broken(
        "P0",
        "an image that does not fit the system that has it counts",
        _IN_USE,
        "    return check(host, ReleaseData(record.release)).fits\n",
        "    return check(host, ReleaseData(record.release)) is not None\n",
        f"{_P}::test_what_is_nothing_that_could_be_lost[does not fit]",
    ),
    broken(
        "P0",
        "what cannot be read counts as nothing",
        _IN_USE,
        "given if system.entries is None else system.entries:",
        "() if system.entries is None else system.entries:",
        f"{_P}::test_unknown_is_not_none",
    ),
    broken(
        "P0",
        "an image that is missed is not said",
        "tukit_sysext/update/report.py",
        "if image.left_out is not LeftOut.FAULT]",
        "if image.left_out is LeftOut.FAULT]",
        f"{_P}::test_an_image_that_nobody_has_is_missed_loudly_until_it_is_there",
    ),
    broken(
        "P0",
        "an image that is missed is not marked",
        "tukit_sysext/update/refusal.py",
        "    if mark.images or mark.missed:",
        "    if mark.images:",
        f"{_P}::test_an_image_that_nobody_has_is_missed_loudly_until_it_is_there",
    ),
    broken(
        "P0",
        "since when it is missed is forgotten",
        "tukit_sysext/ledger/ledger.py",
        '        kept += f" OR kind IN (?4, ?5)',
        '        kept += f" OR kind IN (?4, ?5) AND 0',
        f"{_P}::test_since_when_an_image_is_missed_is_not_forgotten",
    ),
    broken(
        "P6",
        "a size that is claimed takes room",
        "tukit_sysext/store/incoming.py",
        "        self._check_room(0)\n",
        "        self._check_room(size)\n",
        f"{_C}::test_a_claim_is_no_reason_of_ours[4294967000]",
        "tests/unit/store/test_receive.py::test_a_claim_takes_no_room_and_ends_a_fetch_at_most",
    ),
    broken(
        "P6",
        "a disk is filled to its end",
        "tukit_sysext/store/incoming.py",
        "        if free - size <= keep:",
        "        if free - size < 0:",
        "tests/unit/store/test_receive.py::test_a_file_system_is_never_filled_to_its_end",
    ),
    broken(
        "P6",
        "what came, and the disk does not show yet, is not counted",
        "tukit_sysext/store/incoming.py",
        "min(_free(disk), self._free_before - coming)",
        "_free(disk)",
        "tests/unit/store/test_receive.py::test_a_file_system_is_never_filled_to_its_end",
    ),
    broken(
        "P6",
        "a claim beyond the limit convicts the image",
        "tukit_sysext/store/incoming.py",
        '            raise SourceUnreachable(f"{self._where}: {size} bytes are announced, more than the limit',
        '            raise ImageBroken(f"{self._where}: {size} bytes are announced, more than the limit',
        f"{_C}::test_a_claim_beyond_the_limit_is_one_of_the_server",
    ),
    broken(
        "P10",
        "the hook takes an older one without a word",
        "tukit_sysext/entry.py",
        "        print(line, file=sys.stderr)  # the journal",
        "        pass  # the journal",
        f"{_F}::test_the_hook_status_and_history",
    ),
    broken(
        "P10",
        "it is forgotten which newer one could not be had",
        "tukit_sysext/plugins/builtin/recorder.py",
        "{**outcome.plan.left_out, **outcome.plan.not_had}",
        "outcome.plan.left_out",
        f"{_F}::test_the_hook_status_and_history",
        f"{_F}::test_why_not_says_what_happened",
    ),
    broken(
        "P10",
        "why-not says that it is taken",
        "tukit_sysext/commands/why_not.py",
        "explanation.plan.action is Action.FETCH",
        "False",
        f"{_F}::test_why_not_says_what_happened",
    ),
    broken(
        "P8",
        "any source serves an installed image",
        _OPTIONS,
        "    if home and not wanted.sources and source not in home:",
        "    if False:",
        f"{_V}::test_an_installed_image_stays_with_its_source",
        f"{_V}::test_another_source_is_no_successor_either",
    ),
    broken(
        "P8",
        "a fresh image comes from a weaker source while a stronger one is away",
        _OPTIONS,
        '    return "" if home else stronger_not_asked(',
        '    return "" if True else stronger_not_asked(',
        f"{_V}::test_a_fresh_image_waits_for_the_stronger_source",
    ),
    broken(
        "P8",
        "what fits is replaced by another source while its own is away",
        "tukit_sysext/update/plan.py",
        "        if self._waits_for_its_source(have, best.option):",
        "        if False:",
        f"{_V}::test_the_configuration_lets_another_one_serve_it",
    ),
    broken(
        "P8",
        "an image stays with a source that is gone",
        _OPTIONS,
        " & set(facts.sources)))",
        "))",
        f"{_V}::test_a_source_that_is_not_configured_any_more",
    ),
)
