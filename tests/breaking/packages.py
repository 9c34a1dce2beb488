# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a tree offers, by its RPM database, and packages that change in place: the rows R20 to R23."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_DATABASE = "tukit_sysext/system/rpm_database.py"
_PLUGIN = "tukit_sysext/commit_plugin.py"
_ADAPT = "tukit_sysext/commands/adapt.py"
_FRAMES = "tests/unit/test_commit_plugin.py"
_FOLLOWS = "tests/unit/change/test_adapt.py"
_AWAY = "tukit_sysext/preflight/taken_away.py"
_WARNED = "tests/unit/preflight/test_taken_away.py"
_TESTS = "tests/unit/system/test_tree_packages.py"
_UNKNOWN = f"{_TESTS}::test_what_cannot_be_read_is_unknown_and_said"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "R20",
        "a database without a package says that nothing is installed",
        _DATABASE,
        'if answer["empty"]:',
        "if False:",
        f"{_UNKNOWN}[without_packages]",
    ),
    broken(
        "R20",
        "what rpm's library complains of counts as an answer",
        _DATABASE,
        "        if complaint:\n",
        "        if result.status and complaint:\n",
        f"{_UNKNOWN}[broken_headers]",
    ),
    broken(
        "R20",
        "a library that dies says that nothing is there",
        _DATABASE,
        "        if result.died:\n",
        "        if result.died:\n            return {'met': [None], 'installed': {}}\n        if False:\n",
        f"{_TESTS}::test_a_library_that_dies_of_it_or_does_not_end",
    ),
    broken(
        "R20",
        "a database is read while rpm writes to it",
        _DATABASE,
        "fcntl.lockf(descriptors[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "pass",
        f"{_TESTS}::test_while_rpm_writes_it_is_unknown",
    ),
    broken(
        "R20",
        "a copy that was made while the database changed is believed",
        _DATABASE,
        "if _identity(folder, self._files) != self.identity:",
        "if False:",
        f"{_TESTS}::test_one_that_changes_while_it_is_read_is_unknown",
    ),
    broken(
        "R21",
        "rpm reads the tree itself, and writes to it",
        _DATABASE,
        "                answer = self._read(copy)\n",
        "                (copy / 'questions').rename(self.path / 'questions')\n"
        "                answer = self._read(self.path)\n",
        f"{_TESTS}::test_nothing_changes_in_the_tree",
    ),
    broken(
        "R22",
        "a commit that was given up halfway changes nothing",
        _PLUGIN,
        'begun = begun or command == b"COMMITBEGIN"',
        'begun = begun or command == b"COMMITEND"',
        f"{_FRAMES}::test_each_frame_is_answered",
    ),
    broken(
        "R22",
        "the list of packages is taken for a command",
        _PLUGIN,
        "head = (head + rest[:_LONGEST])[:_LONGEST]",
        "head = rest[:_LONGEST]",
        f"{_FRAMES}::test_a_frame_that_comes_in_pieces",
    ),
    broken(
        "R22",
        "what happens in a chroot changes the images of the machine",
        _PLUGIN,
        'os.stat(layout.root / "proc/1/root/.")',
        "os.stat(layout.root)",
        f"{_FRAMES}::test_in_a_chroot_there_is_nothing_to_do",
    ),
    broken(
        "R22",
        "a transactional system is changed in place",
        _ADAPT,
        "if running is not None and running.read_only:",
        "if False:",
        f"{_FOLLOWS}::test_a_system_that_changes_in_transactions_is_left_alone",
    ),
    broken(
        "R22",
        "what is missed is forgotten with the reboot",
        _ADAPT,
        "    if events:\n",
        "    if False:\n",
        f"{_FOLLOWS}::test_what_is_missed_is_told_everywhere_and_refuses_nothing",
    ),
    broken(
        "R23",
        "what the configuration requires for an image is not looked at",
        _AWAY,
        "    yield from wanted.requires\n",
        "",
        f"{_WARNED}::test_what_an_image_needs",
    ),
    broken(
        "R23",
        "a package of the same name that changes counts as one that stays",
        _AWAY,
        "return changes.comes[provider.name] == provider.evr",
        "return True",
        f"{_WARNED}::test_what_is_taken_away",
    ),
    broken(
        "R23",
        "an answer of zypper that is cut counts",
        "tukit_sysext/preflight/zypper.py",
        "        return False\n    return True\n",
        "        return True\n    return True\n",
        f"{_WARNED}::test_what_is_no_answer_says_nothing",
    ),
    broken(
        "R23",
        "a need that zypper was not asked for counts as lost",
        _AWAY,
        "    lost = {need for need, found in providers.items()",
        "    lost = {need for need, found in {**dict.fromkeys(met, ()), **providers}.items()",
        f"{_WARNED}::test_what_is_taken_away",
    ),
)
