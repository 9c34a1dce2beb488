# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin that SELinux confines: rows S1 and S2."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_POLICY = "spec/selinux/tukit_sysext.te"
_LABELS = "spec/selinux/tukit_sysext.fc"
_MODULE = "tests/unit/test_selinux_module.py"
_CHECK = "tukit_sysext/doctor/confinement.py"
_KERNEL = "tukit_sysext/system/selinux.py"
_DOCTOR = "tests/unit/doctor/test_confinement.py"
_ASKED = "tests/unit/system/test_selinux.py"
_DOMAIN = "snapper_tukit_sysext_plugin_t"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "S1",
        "the plugin may not write in its folder",
        _POLICY,
        f"manage_files_pattern({_DOMAIN}, tukit_sysext_var_run_t, tukit_sysext_var_run_t)",
        "",
        f"{_MODULE}::test_it_may_note_an_event",
    ),
    broken(
        "S1",
        "a folder that the plugin makes has the type of /run",
        _POLICY,
        f"tukit_sysext_filetrans_named_content({_DOMAIN})",
        "",
        f"{_MODULE}::test_whoever_makes_the_folder_it_has_its_type",
    ),
    broken(
        "S1",
        "the plugin cannot see whether systemd runs, and starts Python in its domain",
        _POLICY,
        f"init_search_pid_dirs({_DOMAIN})",
        "",
        f"{_MODULE}::test_it_may_run_what_it_consists_of",
    ),
    broken(
        "S1",
        "the plugin may write everywhere below /run",
        _POLICY,
        "files_pid_file(tukit_sysext_var_run_t)",
        f"files_pid_file(tukit_sysext_var_run_t)\nfiles_manage_all_runtime_files({_DOMAIN})",
        f"{_MODULE}::test_it_may_write_nowhere_else",
    ),
    broken("S1", "the plugin has no label", _LABELS, "60-tukit-sysext", "61-tukit-sysext", f"{_MODULE}::test_labels"),
    broken(
        "S2",
        "whoever snapperd is, its plugin is taken for it",
        _CHECK,
        "policy.runs_as(systemd, program)",
        "systemd",
        f"{_DOCTOR}::test_denied",
        f"{_DOCTOR}::test_allowed",
    ),
    broken(
        "S2",
        "what only tells is taken for what denies",
        _CHECK,
        "if not policy.enforces:",
        "if False:",
        f"{_DOCTOR}::test_where_nothing_is_denied_nobody_is_asked",
    ),
    broken(
        "S2",
        "a module that is there is installed again",
        _CHECK,
        "if not denied.module:",
        "if True:",
        f"{_DOCTOR}::test_denied",
    ),
    broken(
        "S2",
        "one of several permissions is enough",
        _KERNEL,
        "allowed & wanted == wanted",
        "bool(allowed & wanted)",
        f"{_ASKED}::test_what_is_allowed",
    ),
    broken(
        "S2",
        "a permissive domain is taken for a confined one",
        _KERNEL,
        "bool(flags & _PERMISSIVE) or ",
        "",
        f"{_ASKED}::test_what_is_allowed",
    ),
)
