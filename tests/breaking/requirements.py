# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image has and needs: the rows R10 to R13."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_ELF = "tukit_sysext/formats/elf.py"
_ELF_TESTS = "tests/unit/formats/test_elf.py"
_CHILD = "tukit_sysext/system/contents_child.py"
_CHILD_TESTS = "tests/unit/system/test_look_through.py"
_HIDING = "tukit_sysext/requirements/hiding.py"
_HIDING_TESTS = "tests/unit/requirements/test_hiding.py"
_CHECKS = "tukit_sysext/plugins/builtin/requirements.py"
_CHECKS_TESTS = "tests/unit/plugins/test_requirements.py"
_NEEDS_TESTS = "tests/unit/update/test_needs.py"
_PUBLISHED_TESTS = "tests/unit/publish/test_published_needs.py"
_RULES = "tukit_sysext/update/requirement_rules.py"
_RULES_TESTS = "tests/unit/update/test_requirement_rules.py"
_INSPECT_TESTS = "tests/unit/commands/test_inspect.py"
_ONCE_TESTS = "tests/unit/update/test_nothing_is_judged_once.py"
_DESCRIBED = "tukit_sysext/formats/manifest_contents.py"
_DESCRIBED_TESTS = "tests/unit/formats/test_manifest_contents.py"
_OFFERS_TESTS = "tests/unit/update/test_offers.py"

DEFENCES: tuple[Defence, ...] = (
    Defence(
        row="R10",
        what="an offset or a size leads out of an ELF file",
        edits=(
            (_ELF, "        if offset < 0 or offset + size > self._size:\n", "        if False:\n"),
            (_ELF, "        if len(data) != size:\n", "        if False:\n"),
        ),
        tests=(f"{_ELF_TESTS}::test_a_cut_file_is_refused_wherever_it_ends",),
    ),
    broken(
        "R10",
        "a chain of versions turns in a circle",
        _ELF,
        "            if not fields[-1] and left > 1:\n",
        "            if False:\n",
        f"{_ELF_TESTS}::test_a_chain_that_turns_in_a_circle_ends",
    ),
    broken(
        "R10",
        "a name of a library is anything",
        _ELF,
        'return name.decode("ascii") if _NAME.fullmatch(name) else ""',
        'return name.decode("ascii", "replace")',
        f"{_ELF_TESTS}::test_a_name_that_no_library_has_is_left_out",
    ),
    broken(
        "R10",
        "looking through an image takes all memory",
        "tukit_sysext/system/mounted_images.py",
        "memory=_MEMORY, descriptors=descriptors)",
        "descriptors=descriptors)",
        f"{_CHILD_TESTS}::test_an_image_that_takes_all_memory_convicts_nobody",
    ),
    broken(
        "R10",
        "an image has more files than anybody can keep",
        _CHILD,
        "        if self._entries > _MOST_ENTRIES or self._characters > _MOST_CHARACTERS:\n",
        "        if False:\n",
        f"{_CHILD_TESTS}::test_all_that_is_kept_has_a_limit",
    ),
    broken(
        "R10",
        "one file that cannot be understood hides what the others need",
        _CHILD,
        "        except (ElfRefused, OSError) as error:\n",
        "        except OSError as error:\n",
        f"{_CHILD_TESTS}::test_a_file_that_cannot_be_understood_is_named",
    ),
    broken(
        "R11",
        "a directory of an image hides a link of the system",
        _HIDING,
        "            if kind is Kind.LINK:\n",
        "            if False:\n",
        f"{_HIDING_TESTS}::test_what_hides_a_part_of_the_system",
        f"{_CHECKS_TESTS}::test_an_image_that_hides_the_system",
    ),
    broken(
        "R11",
        "a directory of an image shuts others out of the system's",
        _HIDING,
        "elif node.mode & _OTHERS != _OTHERS and",
        "elif False and",
        f"{_HIDING_TESTS}::test_what_hides_a_part_of_the_system",
    ),
    broken(
        "R11",
        "a link or a file of an image hides a directory of the system",
        _HIDING,
        "        elif kind is Kind.DIRECTORY:\n            what",
        "        elif False:\n            what",
        f"{_HIDING_TESTS}::test_what_hides_a_part_of_the_system",
    ),
    broken(
        "R11",
        "verify says that an image which hides the system is well",
        "tukit_sysext/integrity/assess.py",
        "            ground=self._ground if contents is not None or required else None,\n",
        "            ground=None,\n",
        "tests/unit/integrity/test_assess.py::test_an_image_that_hides_the_system_or_requires_what_it_has_not",
    ),
    broken(
        "R12",
        "a boot waits for an RPM database",
        "tukit_sysext/integrity/assess.py",
        "        if contents is not None and not self._packages:\n",
        "        if False and contents is not None:\n",
        "tests/unit/integrity/test_assess.py::test_an_image_that_hides_the_system_or_requires_what_it_has_not",
    ),
    broken(
        "R12",
        "what is not known counts as not there",
        _CHECKS,
        "            if ground.packages.provides(requirement) is None:\n",
        "            if not isinstance(ground.packages.provides(requirement), tuple):\n",
        f"{_CHECKS_TESTS}::test_what_is_not_known_refuses_nothing",
    ),
    broken(
        "R13",
        "a version that lacks what the one in use has replaces it",
        "tukit_sysext/update/held_against.py",
        "    if not missing:\n",
        "    if True:\n",
        f"{_NEEDS_TESTS}::test_a_version_for_the_next_release_does_not_replace_one_that_works",
        f"{_NEEDS_TESTS}::test_refuse_counts_them_as_unfitting",
    ),
    broken(
        "R13",
        "a pre-release that lacks nothing comes in the place of a release",
        "tukit_sysext/update/choice.py",
        "if not (releases_alone and is_prerelease(each.option.version))",
        "if each",
        f"{_NEEDS_TESTS}::test_a_pre_release_that_lacks_nothing_does_not_by_itself",
        f"{_NEEDS_TESTS}::test_nor_one_of_the_store_and_a_release_behind_it_is_taken",
    ),
    broken(
        "R13",
        "what never was there speaks against every version",
        "tukit_sysext/update/offers.py",
        "        return lacking - (before or frozenset())\n",
        "        return lacking\n",
        f"{_OFFERS_TESTS}::test_the_version_in_use_is_the_measure",
    ),
    broken(
        "R13",
        "a version in use that nobody looked through is held to lack nothing",
        "tukit_sysext/update/offers.py",
        "        if isinstance(before, Unknown):\n",
        "        if False:\n",
        f"{_OFFERS_TESTS}::test_where_the_version_in_use_is_not_known_nothing_is_worse",
    ),
    broken(
        "R13",
        "what the version in use has from another image speaks against none",
        "tukit_sysext/update/offers.py",
        "lacking = self._plugins.lacks(contents, ground, name, stored.version) - others",
        "lacking = self._plugins.lacks(contents, ground, name, stored.version)",
        f"{_OFFERS_TESTS}::test_what_the_version_in_use_has_from_another_image_it_does_not_lack",
    ),
    broken(
        "R13",
        "what only another version of another image provides is held to be there",
        "tukit_sysext/update/deciding.py",
        "        if not refused.keys() - facts.colliding.keys() and not absent:\n",
        "        if not refused.keys() - facts.colliding.keys():\n",
        f"{_NEEDS_TESTS}::test_another_image_provides_what_the_version_has_that_it_gets",
        f"{_NEEDS_TESTS}::test_another_version_that_works_with_it_is_looked_for_and_taken",
    ),
    broken(
        "R13",
        "what another image stops to provide is held against no version before all are described",
        "tukit_sysext/update/deciding.py",
        "    contents += [known.contents for known in facts.known.values()]\n",
        "",
        f"{_NEEDS_TESTS}::test_the_next_version_is_looked_for_where_another_image_stops_to_provide",
    ),
    broken(
        "R13",
        "what another image provides that nobody looked through is held to be missing",
        "tukit_sysext/update/deciding.py",
        "        is_known = found is not None and not (found.described and not found.provides)\n",
        "        is_known = found is not None\n",
        f"{_NEEDS_TESTS}::test_what_another_image_provides_is_not_known_until_it_is_here",
    ),
    broken(
        "R13",
        "versions that lack something are all fetched, one after the other",
        "tukit_sysext/update/content_judge.py",
        "considered = held_against_system(facts, image.wanted, consider(facts, Option.of_candidate(facts, candidate)))",
        "considered = consider(facts, Option.of_candidate(facts, candidate))",
        "tests/unit/update/test_further_rules.py::test_versions_that_lack_something_are_not_all_fetched",
    ),
    broken(
        "R13",
        "answers of another database count",
        "tukit_sysext/snapshots/grounds.py",
        'return note if note.get("identity") == self._named(identity) else {}',
        "return note",
        "tests/unit/snapshots/test_grounds.py::test_answers_of_another_database_do_not_count",
    ),
    broken(
        "R50",
        "a requirement that nobody can understand is passed over",
        _DESCRIBED,
        '            raise ValueError(f"requires: {excerpt(text)}: {error}") from error\n',
        "            continue\n",
        f"{_DESCRIBED_TESTS}::test_what_is_not_understood_makes_it_no_description",
    ),
    broken(
        "R50",
        "a description fills the memory",
        _DESCRIBED,
        "    if is_too_much(needs, provides):\n",
        "    if False:\n",
        f"{_DESCRIBED_TESTS}::test_more_than_can_be_kept_is_left_out_and_all_else_counts",
    ),
    broken(
        "R51",
        "who sits on the way keeps a version away by what it needs",
        "tukit_sysext/update/held_against.py",
        "    if _anybody_may_have_described(facts, considered.option):\n",
        "    if False:\n",
        "tests/unit/update/test_described_needs.py::test_nobody_on_the_way_keeps_a_version_away_by_what_it_needs",
    ),
    broken(
        "R51",
        "what anybody states of an image is kept with it",
        "tukit_sysext/update/content_judge.py",
        "described.contents if described is not None and described.vouched else None",
        "described.contents if described is not None else None",
        "tests/unit/update/test_further_rules.py::test_what_nobody_vouches_for_is_not_kept",
    ),
    broken(
        "R51",
        "a description is believed before what is found inside",
        "tukit_sysext/requirements/contents.py",
        "    return replace(looked, stated=described.stated, packages=described.packages)\n",
        "    return described\n",
        "tests/unit/update/test_further_rules.py::test_what_a_description_says_counts_before_anything_is_fetched",
    ),
    broken(
        "R52",
        "an image that nobody can look through keeps all from being published",
        "tukit_sysext/publish/looking.py",
        "    except (NoVerdict, ToolBroken, NoSpace) as error:\n        return content, str(error)\n",
        "    except NoSpace as error:\n        return content, str(error)\n",
        f"{_PUBLISHED_TESTS}::test_an_image_that_nobody_can_look_through_is_published",
    ),
    broken(
        "R52",
        "machines read a description that says less than another",
        "tukit_sysext/publish/publication.py",
        "                if verdict.is_complete(image, each) or names.index(each.file_name) >= names.index(name):\n",
        "                if True:\n",
        f"{_PUBLISHED_TESTS}::test_one_that_was_published_before_needs_were_looked_for",
    ),
    broken(
        "R52",
        "requirements that no machine understands are published",
        "tukit_sysext/publish/verdict.py",
        "    yield from (each.refused for each in image.descriptions if each.refused)\n",
        "",
        f"{_PUBLISHED_TESTS}::test_requirements_that_no_machine_understands",
    ),
    broken(
        "R52",
        "what a publisher states is lost where publish writes the description",
        "tukit_sysext/publish/publication.py",
        "            given=self._given(image),\n",
        "",
        f"{_PUBLISHED_TESTS}::test_what_the_publisher_states_is_kept",
    ),
    broken(
        "R53",
        "what nobody knows is told as missing",
        _RULES,
        "    if isinstance(there, Unknown):\n",
        "    if False:\n",
        f"{_RULES_TESTS}::test_a_requirement_of_which_nobody_knows",
    ),
    broken(
        "R53",
        "what the version in use does without is told as speaking against an image",
        _RULES,
        "fits=need not in worse, system=system, image=need",
        "fits=False, system=system, image=need",
        f"{_RULES_TESTS}::test_needs_that_speak_against_none",
    ),
    broken(
        "R54",
        "an image fits as far as nobody looked",
        "tukit_sysext/update/faring.py",
        "    if contents.files is None:\n",
        "    if False:\n",
        f"{_INSPECT_TESTS}::test_an_ordinary_user_is_told_what_descriptions_say",
    ),
    broken(
        "R54",
        "what an os-release does not tell is told as good",
        "tukit_sysext/update/faring.py",
        "unknown=(_RELEASE_ALONE,)",
        "unknown=()",
        f"{_INSPECT_TESTS}::test_one_for_another_release",
    ),
    broken(
        "R55",
        "what a publisher stated once counts for good",
        "tukit_sysext/update/search.py",
        "    return replace(content, contents=completed(content.contents, stated))\n",
        "    return content\n",
        f"{_ONCE_TESTS}::test_what_its_publisher_states",
    ),
    broken(
        "R55",
        "answers that another version of ours found count",
        "tukit_sysext/snapshots/grounds.py",
        '        return f"{__version__} {identity}"\n',
        "        return identity\n",
        f"{_ONCE_TESTS}::test_our_version",
    ),
)
