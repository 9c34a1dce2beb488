# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which images a tree wants, or wants to be taken out: all of ``images.d`` that a boot needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tukit_sysext.config.files import ConfigurationFile, Folder, Keys, Problem, load_folder
from tukit_sysext.config.values import requirement
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.requirements.requirement import Requirement

IMAGES = "images.d"
SECTION = "Image"


class State(StrEnum):
    """Whether the image is to be there, or to be taken out."""

    WANTED = "wanted"
    REMOVED = "removed"


def load_intents(tree: Tree) -> tuple[Folder, Sequence[Problem]]:
    """The files of images by their names, and what is wrong with names. Never raises for what stands in the files."""
    folder, problems = load_folder(tree, IMAGES)
    named, refused = dict(folder.files), list(problems)
    for name, file in folder.files.items():
        try:
            check_component(name)
        except NameRefused as error:
            del named[name]
            refused.append(Problem(file=file.path, line=0, message=f"the file's name: {error}"))
    return replace(folder, files=named), refused


def required_by(file: ConfigurationFile) -> tuple[Requirement, ...]:
    """What the system has to have for the image of a file: its ``Requires=`` lines that can be read."""
    return Keys(file).take_lines(SECTION, "Requires", requirement)


def take_state(keys: Keys) -> State:
    """What the keys of a file say: that the image is wanted, or a tombstone."""
    return keys.take(SECTION, "State", _state, State.WANTED)


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise ValueError("expected wanted or removed") from None
