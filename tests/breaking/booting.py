# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows B: a machine that boots, with systemd and a package manager."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_UNITS = "tests/unit/test_units.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "B2",
        "the guard waits for somebody to make the cache",
        "spec/tukit-sysext-boot.service",
        "CacheDirectory=tukit-sysext\n",
        "ReadWritePaths=-/var/cache/tukit-sysext\n",
        f"{_UNITS}::test_a_service_does_not_wait_for_its_folders",
        "tests/on_lab/test_boot.py::test_what_is_bad_is_out_of_the_way_before_the_merge",
    ),
    broken(
        "B4",
        "the guard may come after /etc is an overlay",
        "spec/tukit-sysext-boot.service",
        "Before=systemd-sysext.service systemd-confext.service",
        "Before=systemd-sysext.service",
        f"{_UNITS}::test_the_guard_is_before_whatever_merges",
    ),
    broken(
        "B6",
        "doctor looks at links alone",
        "tukit_sysext/doctor/units.py",
        'elif state is not None and name != GUARD and state.active == "inactive":',
        "elif False:",
        "tests/unit/doctor/test_unit_states.py::test_what_has_to_run_and_does_not",
    ),
    broken(
        "B6",
        "a service that failed is not told of",
        "tukit_sysext/doctor/units.py",
        "if state is not None and state.failed:",
        "if False:",
        "tests/unit/doctor/test_unit_states.py::test_a_service_that_failed",
    ),
    broken(
        "B6",
        "a part cannot be switched on and off",
        "spec/tukit-sysext-gc.timer",
        "[Install]\nWantedBy=tukit-sysext.target\n",
        "",
        "tests/unit/test_units.py::test_one_command_switches_all_on_and_each_part_can_be_switched_off",
    ),
    broken(
        "B9",
        "Python looks for the mark of a refusal",
        "spec/tukit-sysext-refused.service",
        "ExecCondition=/usr/bin/test -e /run/tukit-sysext/refused.json\n",
        "",
        f"{_UNITS}::test_without_a_mark_no_python_is_started",
    ),
    broken(
        "B10",
        "snapshots are only seen where a plugin tells",
        "spec/tukit-sysext-settle.path",
        "PathChanged=/.snapshots\n",
        "",
        f"{_UNITS}::test_snapshots_are_seen_without_any_plugin",
    ),
    broken(
        "B10",
        "a snapshot that comes while others are settled waits for the next one",
        "tukit_sysext/ledger/settling.py",
        "if alone and _last_change(machine.layout.snapshots) == looked_at:",
        "if alone:",
        "tests/unit/ledger/test_settling.py::test_a_snapshot_that_comes_meanwhile",
    ),
    broken(
        "B10",
        "nobody notices that the network came up",
        "spec/tukit-sysext-repair.path",
        "PathChanged=/run/NetworkManager/resolv.conf\n",
        "",
        f"{_UNITS}::test_repair_is_tried_when_the_network_comes_up",
    ),
    broken(
        "B11",
        "adopt knows nothing of a package that is gone",
        "tukit_sysext/change/adopt_source.py",
        "configured = _of_snapshots(layout)",
        "pass",
        "tests/unit/commands/test_adopt.py::test_after_sysextmgr_gave_way_to_us",
    ),
    broken(
        "B12",
        "launcher and hooks run with whatever python3 is",
        "spec/tukit-sysext.spec",
        "print(os.path.realpath(sys.executable))",
        "print(sys.executable)",
        "tests/unit/test_package.py::test_all_of_it_runs_with_the_interpreter_that_has_its_modules",
    ),
    broken(
        "B12",
        "bytecode has the times of its sources in it",
        "spec/tukit-sysext.spec",
        "--invalidation-mode unchecked-hash",
        "--invalidation-mode timestamp",
        "tests/unit/test_package.py::test_it_is_compiled",
    ),
)
