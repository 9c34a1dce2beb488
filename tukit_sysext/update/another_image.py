# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a file turns out to be another image by its content, whatever it is called. Pure."""

from __future__ import annotations

from dataclasses import replace

from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.rules.image_names import calls_itself
from tukit_sysext.rules.names import published_name
from tukit_sysext.sources.candidate import Reading, Standing
from tukit_sysext.update.considered import Considered, Option, merge_name
from tukit_sysext.update.facts import Facts


def same_image(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """The same, unless its content turned out to be another image than the wanted or the linked one."""
    other = _another_image(facts, wanted, considered.option)
    return replace(considered, standing=Standing.ANOTHER_IMAGE, reason=other) if other else considered


def _another_image(facts: Facts, wanted: WantedImage, option: Option) -> str:
    """Why the content of an option is another image, whatever its file is called; empty where it is not, or not known.

    What is linked is not asked: it stays, and what calls itself otherwise than it does never comes in its place.
    """
    name = merge_name(facts, option)
    if name is None:
        return ""
    linked = [file.record for file in facts.links_to(wanted.name).values() if file.record is not None]
    strangers = {
        record.merge_name
        for record in linked
        if not _is(wanted.name, record.merge_name, record.version, record.file_name)
    }
    if linked and len(strangers) == len({record.merge_name for record in linked}):
        other = f"and that of the linked image {min(strangers)}" if name not in strangers else ""
    else:
        by_stem = option.candidate is None or option.candidate.reading is not Reading.OTHER
        same = _is(wanted.name, name, option.version, option.file_name, by_stem=by_stem)
        other = f"not {wanted.name}" if not same else ""
    return f"its content calls itself {name}, {other}" if other else ""


def _is(wanted: str, merge_name: str, version: str, file_name: str, *, by_stem: bool = True) -> bool:
    published = published_name(file_name)
    return calls_itself(merge_name, name=wanted, version=version, file_name=published, by_stem=by_stem)
