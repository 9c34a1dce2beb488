# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image takes the place of, and labels that it has not: the rows R30 to R32."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_RULE = "tukit_sysext/requirements/shadowing.py"
_RULE_TESTS = "tests/unit/requirements/test_shadowing.py"
_PLAN = "tukit_sysext/update/plan.py"
_COLLISIONS = "tukit_sysext/update/collisions.py"
_PLAN_TESTS = "tests/unit/update/test_collisions.py"
_COMPARING = "tukit_sysext/update/comparing.py"
_COMPARING_TESTS = "tests/unit/update/test_comparing.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "R30",
        "an older package of an image is no news",
        _RULE,
        "    return compare_evr(package.evr, there.evr) < 0 and not as_new\n",
        "    return False\n",
        f"{_RULE_TESTS}::test_an_older_package_is_told_with_what_it_hides",
        "tests/unit/plugins/test_manager.py::test_hook_shadows",
    ),
    broken(
        "R30",
        "a package is older because its release is not known",
        _RULE,
        " < 0 and not as_new\n",
        " < 0\n",
        f"{_RULE_TESTS}::test_what_is_no_older_package",
    ),
    broken(
        "R30",
        "a package that hides nothing is a downgrade",
        _RULE,
        "        if name in hidden or not sure:\n",
        "        if True:\n",
        f"{_RULE_TESTS}::test_what_hides_nothing_of_its_package_is_no_downgrade",
    ),
    broken(
        "R30",
        "Shadow=refuse takes an older package all the same",
        "tukit_sysext/update/held_against.py",
        '        reason = "; ".join(offers.shadows(wanted.name, option.version, contents))\n',
        '        reason = ""\n',
        f"{_PLAN_TESTS}::test_refuse_takes_another_version",
        f"{_PLAN_TESTS}::test_where_there_is_none_the_update_is_refused",
    ),
    broken(
        "R30",
        "a description that is not signed keeps a version away",
        "tukit_sysext/update/held_against.py",
        "    return doubted(unfit, early=False) if _anybody_may_have_described(facts, option) else unfit\n",
        "    return unfit\n",
        f"{_PLAN_TESTS}::test_a_description_for_which_nobody_vouches_refuses_nothing",
    ),
    broken(
        "R30",
        "where packages change in place nobody is told",
        "tukit_sysext/commands/adapt.py",
        "*report.warning_lines(outcome), ",
        "",
        "tests/unit/change/test_adapt.py::test_what_an_image_takes_the_place_of_is_told",
    ),
    broken(
        "R31",
        "names are ordered as text",
        _COLLISIONS,
        "if compare(one.stem, other.stem) < 0 else",
        "if one.stem < other.stem else",
        f"{_PLAN_TESTS}::test_names_are_ordered_as_versions_are",
    ),
    broken(
        "R31",
        "files of one size are the same",
        _COLLISIONS,
        "    if found.as_large and offers is not None",
        "    if False",
        f"{_PLAN_TESTS}::test_files_of_one_size_are_compared",
    ),
    broken(
        "R31",
        "a file over a directory is nothing",
        _RULE,
        "        elif isinstance(a, ImageFolder) or isinstance(b, ImageFolder) or a != b:\n",
        "        elif not (isinstance(a, ImageFolder) or isinstance(b, ImageFolder)) and a != b:\n",
        f"{_RULE_TESTS}::test_paths_of_two_images",
    ),
    broken(
        "R31",
        "Shadow=refuse has both images collide all the same",
        "tukit_sysext/update/deciding.py",
        "        if not refused.keys() - facts.colliding.keys() and not absent:\n",
        "        if not absent:\n",
        f"{_PLAN_TESTS}::test_the_one_that_refuses_it_is_refused",
        f"{_PLAN_TESTS}::test_a_version_that_does_not_collide_is_taken",
    ),
    broken(
        "R31",
        "of two images that refuse each other both go, or the one that is linked",
        _COLLISIONS,
        "min(refusing, key=lambda image: image.kept, default=None)",
        "next(iter(refusing), None)",
        f"{_PLAN_TESTS}::test_the_one_that_refuses_it_is_refused",
    ),
    broken(
        "R31",
        "what would be refused beside another image keeps the next version from being looked at",
        "tukit_sysext/update/deciding.py",
        "    facts = beside_each_other(facts)\n",
        "",
        f"{_PLAN_TESTS}::test_the_next_version_is_described_where_one_is_refused",
    ),
    broken(
        "R31",
        "all versions are fetched to find one that is not refused beside another image",
        "tukit_sysext/update/fetch.py",
        "            facts = beside_each_other(self._resolver.facts)\n",
        "            facts = self._resolver.facts\n",
        "tests/unit/update/test_further_rules.py::test_versions_that_collide_are_not_all_fetched",
    ),
    broken(
        "R31",
        "two images are compared in each run",
        _COMPARING,
        '        self._cache.put_note(_KIND, key, {"differ": sorted(differ)})\n',
        "",
        f"{_COMPARING_TESTS}::test_it_is_remembered_in_this_run_and_the_next",
        f"{_COMPARING_TESTS}::test_that_nothing_differs_is_remembered_too",
        f"{_COMPARING_TESTS}::test_it_has_an_end",
    ),
    broken(
        "R31",
        "comparing has no end",
        _COMPARING,
        "        if time.monotonic() > self._until:\n",
        "        if False:\n",
        f"{_COMPARING_TESTS}::test_it_has_an_end",
    ),
    broken(
        "R32",
        "programs without a label are no news",
        "tukit_sysext/requirements/labels.py",
        "    if contents.unlabelled and (policy := system.selinux):\n",
        "    if (policy := None):\n",
        "tests/unit/requirements/test_labels.py::test_what_has_no_label",
        "tests/unit/plugins/test_manager.py::test_hook_warns",
    ),
    broken(
        "R32",
        "what is to be known of an image is told in each update",
        _PLAN,
        "        return self.notes if self.action is not Action.KEEP else ()\n",
        "        return self.notes\n",
        f"{_PLAN_TESTS}::test_what_comes_is_told_with_what_has_to_be_known_of_it",
    ),
    broken(
        "R32",
        "a policy that is not loaded counts",
        "tukit_sysext/system/selinux.py",
        'in ("enforcing", "permissive") and',
        "and",
        "tests/unit/system/test_tree_ground.py::test_the_policy_that_a_tree_loads",
    ),
)
