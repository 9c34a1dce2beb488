# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a file is: the rows M1 and on."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_IMAGE_NAMES = "tukit_sysext/rules/image_names.py"
_NAMING = "tukit_sysext/sources/naming.py"
_RULES = "tests/unit/rules"
_READ = f"{_RULES}/test_image_names.py"
_SOURCES = "tests/unit/sources"

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
        _NAMING,
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
        'if self.kind == "confext":',
        "if False:",
        f"{_READ}::test_a_confext_is_told_apart",
        f"{_SOURCES}/test_naming.py::test_what_is_no_image_is_said",
    ),
)
