# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a file is: the rows M1 and on."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_IMAGE_NAMES = "tukit_sysext/rules/image_names.py"
_NAMING = "tukit_sysext/sources/naming.py"
_RULES = "tests/unit/rules"
_READ = f"{_RULES}/test_image_names.py"
_PATTERNS = "tukit_sysext/rules/patterns.py"
_MATCH = f"{_RULES}/test_patterns.py"
_PRE = "tukit_sysext/rules/prerelease.py"
_PARTS = f"{_RULES}/test_prerelease.py"
_TAKEN = "tests/unit/update/test_prereleases.py"
_SOURCES = "tests/unit/sources"
_OPTIONS = "tukit_sysext/update/options.py"
_ANOTHER = "tests/unit/update/test_another_image.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "M1",
        "a series is taken for the version",
        _IMAGE_NAMES,
        "if not _is_series(stem, place, places)]",
        "]",
        f"{_READ}::TestSeveralReadings::test_a_series_belongs_to_the_name",
        f"{_READ}::test_what_publishers_have",
    ),
    broken(
        "M1",
        "what is wanted does not tell how a name is read",
        _IMAGE_NAMES,
        "    meant = [reading for reading in possible if reading.name in wanted]\n",
        "    meant: list[ImageName] = []\n",
        f"{_SOURCES}/test_naming.py::test_the_wanted_reading",
    ),
    broken(
        "M1",
        "of several wanted names any is meant",
        _IMAGE_NAMES,
        "return max(meant, key=lambda reading: len(reading.name)) if meant",
        "return min(meant, key=lambda reading: len(reading.name)) if meant",
        f"{_READ}::TestSeveralReadings::test_of_several_wanted_ones_the_longest",
    ),
    broken(
        "M1",
        "a confext is offered as a sysext",
        _IMAGE_NAMES,
        'match["kind"] == "confext" else ""',
        'False else ""',
        f"{_READ}::test_a_confext_is_told_apart",
        f"{_SOURCES}/test_naming.py::test_what_is_no_image_is_said",
    ),
    broken(
        "M1",
        "a confext that is called as a sysext is only unreadable",
        "tukit_sysext/system/inspect_image.py",
        "if _NO_SUCH_FILE in result.messages and _is_confext(where, folder, descriptors):",
        "if False:",
        "tests/unit/system/test_malformed_images.py::test_a_confext_is_told_apart",
    ),
    broken(
        "M2",
        "content that calls itself otherwise is taken",
        "tukit_sysext/update/another_image.py",
        'other = f"not {wanted.name}" if not same else ""',
        'other = ""',
        f"{_ANOTHER}::test_another_image_is_not_taken_and_that_is_said",
        f"{_ANOTHER}::test_one_that_is_in_the_store_is_not_taken_either",
    ),
    broken(
        "M2",
        "an image is replaced by one that calls itself otherwise",
        "tukit_sysext/update/another_image.py",
        "if linked and len(strangers) == len({record.merge_name for record in linked}):",
        "if False:",
        f"{_ANOTHER}::TestWhatWasLinkedUnderAnotherName::test_it_is_not_replaced_by_what_calls_itself_otherwise",
    ),
    broken(
        "M2",
        "the stem of a file proves any reading of its name",
        "tukit_sysext/update/another_image.py",
        "option.candidate.reading is not Reading.OTHER",
        "True",
        f"{_ANOTHER}::test_a_stem_proves_nothing_for_another_reading",
    ),
    broken(
        "M2",
        "what is fetched is kept whatever it calls itself",
        "tukit_sysext/update/content_judge.py",
        "return same_image(facts, facts.wanted[wanted.name], consider(facts, option)).standing is Standing.FITS",
        "return consider(facts, option).standing is Standing.FITS",
        "tests/unit/store/test_sealing.py::test_what_calls_itself_otherwise_is_not_published",
    ),
    broken(
        "M3",
        "anything may stand behind a pattern",
        _PATTERNS,
        "        if at != len(file_name):\n            return None\n",
        "",
        f"{_SOURCES}/test_naming.py::TestPatterns::test_nothing_stands_behind_a_pattern",
    ),
    broken(
        "M3",
        "two wildcards may touch",
        _PATTERNS,
        "if wildcards and not literals[-1]:",
        "if False:",
        f"{_MATCH}::test_no_pattern",
    ),
    broken(
        "M3",
        "a wildcard takes anything",
        _PATTERNS,
        "if end < 0 or not _WILDCARDS[letter](file_name[at:end]):",
        "if end < 0:",
        f"{_MATCH}::test_a_wildcard_is_no_specifier",
    ),
    broken(
        "M3",
        "a file that no pattern of its source matches is read all the same",
        _NAMING,
        "        if patterns is not None:\n",
        "        if False:\n",
        f"{_SOURCES}/test_naming.py::TestPatterns::test_what_no_pattern_of_the_source_matches",
    ),
    broken(
        "M4",
        "what was not understood is not said",
        "tukit_sysext/commands/list.py",
        "        output.show(Toned(line, Tone.NOTICE) for line in in_words(facts.not_understood))\n",
        "",
        "tests/unit/commands/test_list.py::TestNames::test_what_could_not_be_understood_is_said",
    ),
    broken(
        "M5",
        "an epoch is taken for the version",
        _PRE,
        "    return version[match.end() :] if match is not None else version\n",
        "    return version\n",
        f"{_RULES}/test_constraint.py::test_versions_of_packages",
    ),
    broken(
        "M5",
        "what cannot be compared is allowed",
        "tukit_sysext/rules/constraint.py",
        'return f"Version={specifier} cannot be asked about {version}, which cannot be compared"',
        'return ""',
        f"{_RULES}/test_constraint.py::test_what_cannot_be_compared_is_said",
    ),
    broken(
        "M5",
        "a specifier that is never fulfilled is taken",
        "tukit_sysext/rules/constraint.py",
        'if _NOT_COMPARED.search(stripped) and "===" not in stripped:',
        "if False:",
        f"{_RULES}/test_constraint.py::test_a_specifier_that_could_never_be_fulfilled",
    ),
    broken(
        "M5",
        "a series is compared letter by letter",
        _PRE,
        "    return tokens[: len(wanted)] == wanted\n",
        "    return version.startswith(series)\n",
        f"{_PARTS}::test_series",
    ),
    broken(
        "M6",
        "a pre-release is taken before a release",
        _OPTIONS,
        "yield from sorted(as_strong, key=lambda option: is_prerelease(option.version))",
        "yield from as_strong",
        f"{_TAKEN}::test_a_release_is_taken_before_a_newer_pre_release",
    ),
    broken(
        "M6",
        "a pre-release comes in the place of a release",
        "tukit_sysext/update/choice.py",
        "if newer > 0 and is_prerelease(best.option.version) and not takes_prereleases(self._facts, self._wanted):",
        "if False:",
        f"{_TAKEN}::test_a_linked_release_stays",
    ),
    broken(
        "M6",
        "a pre-release is newer than its release",
        _PRE,
        "    return compare(_with_tilde(a), _with_tilde(b))\n",
        "    return compare(a, b)\n",
        f"{_PARTS}::test_below_its_release",
        f"{_TAKEN}::test_from_a_pre_release_to_the_release",
    ),
)
