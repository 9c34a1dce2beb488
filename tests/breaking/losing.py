# SPDX-License-Identifier: LGPL-2.1-or-later
"""Row B20: images that the running system lost."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_LOST = "tests/unit/integrity/test_lost.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "B20",
        "whatever fails of ours is a reason to go back",
        "spec/health-checker/tukit-sysext.sh",
        "[ $? -ne $lost ] || exit 1",
        "[ $? -eq 0 ] || exit 1",
        f"{_LOST}::test_the_plugin_fails_for_a_loss_alone",
    ),
    broken(
        "B20",
        "what was left out by policy is lost",
        "tukit_sysext/integrity/lost.py",
        "if links or image.policy is Policy.REQUIRED:",
        "if True:",
        f"{_LOST}::test_what_is_no_loss",
    ),
    broken(
        "B20",
        "what the administrator masked is lost",
        "tukit_sysext/integrity/lost.py",
        " or finding.name in masked:",
        ":",
        f"{_LOST}::test_a_link_that_is_masked_is_done_without",
    ),
)
