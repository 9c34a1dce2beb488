# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a fleet is told: metrics as new as the machine, a refusal that is foreseen, a mirror that is whole."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_METRICS = "tukit_sysext/metrics/metrics.py"
_M = "tests/unit/metrics/test_metrics.py"
_FORESEEN = "tukit_sysext/update/foreseen.py"
_F = "tests/unit/update/test_foreseen.py"
_MIRROR = "spec/examples/fleet/mirror"
_W = "tests/unit/sources/test_mirror.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "-",
        "metrics are older than what a command changed",
        "tukit_sysext/cli.py",
        "if arguments.changes and not",
        "if arguments.command == 'gc' and not",
        f"{_M}::test_after_what[hold gdb]",
    ),
    broken(
        "-",
        "who measured first writes last",
        _METRICS,
        'with alone(machine.layout.locks / "metrics", patience=PATIENCE):\n',
        "if True:\n",
        f"{_M}::test_who_measures_first_does_not_write_last",
    ),
    broken(
        "-",
        "a dry run writes metrics",
        "tukit_sysext/cli.py",
        ' and not getattr(arguments, "dry_run", False):\n',
        ":\n",
        f"{_M}::test_a_dry_run_writes_nothing",
    ),
    broken(
        "-",
        "a source that is away counts as a refusal to come",
        _FORESEEN,
        " if image.left_out is not LeftOut.UNREACHABLE",
        "",
        f"{_F}::test_a_refusal_is_foreseen[what a source has is not known]",
    ),
    broken(
        "-",
        "to foresee a refusal notes how sources are",
        _FORESEEN,
        "replace(machine, read_only=True)",
        "replace(machine)",
        f"{_F}::test_a_refusal_is_foreseen[the linked version is held]",
    ),
    broken(
        "-",
        "what may be kept away by its file counts as kept",
        _FORESEEN,
        "name in blocked or _narrowed(wanted) or ",
        "",
        f"{_F}::test_what_may_keep_an_image_away_is_looked_at",
    ),
    broken(
        "-",
        "what is linked counts as well linked",
        _FORESEEN,
        " or not _is_well_linked(name, facts, store)",
        "",
        f"{_F}::test_what_may_keep_an_image_away_is_looked_at",
    ),
    broken(
        "-",
        "status resolves at each run",
        _FORESEEN,
        "if not (changed or blocked or any(_unsure(machine, tree))):",
        "if False:",
        f"{_F}::test_what_stays_whatever_sources_have_is_not_resolved",
    ),
    broken(
        "-",
        "a block that refuses the next update is taken without a word",
        "tukit_sysext/commands/common/changing.py",
        "if not target.next or target.machine is not machine:\n",
        "if True:\n",
        f"{_F}::test_a_block_that_refuses_updates_is_told_at_once",
    ),
    broken(
        "-",
        "a next step that was taken is shown again",
        "tukit_sysext/update/refusal.py",
        'replace(held, next_step="") if name in changed else held',
        "held",
        f"{_F}::test_a_next_step_that_was_taken_is_not_shown_again",
    ),
    broken(
        "-",
        "an image that is removed refuses updates",
        "tukit_sysext/update/refusal.py",
        "            if name not in optional\n",
        "",
        f"{_F}::test_an_image_that_is_not_required_any_more_refuses_nothing[remove gdb]",
    ),
    broken(
        "-",
        "a mirror takes a list that nobody signed",
        _MIRROR,
        'gpgv --keyring "$keyring" SHA256SUMS.gpg SHA256SUMS\n',
        "",
        f"{_W}::test_a_list_whose_images_are_not_there_is_not_put_in_place[other_signature]",
    ),
    broken(
        "-",
        "a mirror has a list whose images are others",
        _MIRROR,
        "sha256sum --check --quiet .new/SHA256SUMS\n",
        "",
        f"{_W}::test_a_list_whose_images_are_not_there_is_not_put_in_place[another_image]",
    ),
)
