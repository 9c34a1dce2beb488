# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext.conf`` with its drop-ins, and the sources in ``sources.d/NAME.conf``, of one tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tukit_sysext.config.files import Keys, Problem, load_folder, load_main
from tukit_sysext.config.values import absolute_path, number, size, time_span
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.system.tree import Tree

MAIN = "tukit-sysext.conf"
SOURCES = "sources.d"
DEFAULT_PRIORITY = 99


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """``tukit-sysext.conf``.

    ``refuse_for``: seconds for which a required image may hold back updates, None for no limit ([Update] RefuseFor=).
    ``image_max``: the most bytes that an image may have ([Fetch] ImageMax=).
    """

    refuse_for: int | None = None
    image_max: int = 4 * 1024**3


_DEFAULT = Settings()


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSettings:
    """One source: ``path`` of a directory ([Source] Path=), and its priority ([Source] Priority=).

    As with zypper a smaller number is a stronger source, and 99 is the default: a weaker source is asked only where no
    stronger one has a fitting image.
    """

    name: str
    origin: str
    path: str | None = None
    priority: int = DEFAULT_PRIORITY


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """What the files of a tree say, and what is wrong in them."""

    settings: Settings
    sources: Mapping[str, SourceSettings]
    problems: tuple[Problem, ...]


def _maybe(convert: Callable[[str], int]) -> Callable[[str], int | None]:
    return convert


def load(tree: Tree) -> Configuration:
    """Read the configuration of a tree. Never raises for what stands in the files; a wrong value is the default."""
    files, found = load_main(tree, MAIN)
    keys = Keys(*files)
    settings = Settings(
        refuse_for=keys.take("Update", "RefuseFor", _maybe(time_span), None),
        image_max=keys.take("Fetch", "ImageMax", size, _DEFAULT.image_max),
    )
    problems = [*found, *keys.finish()]
    folder, found = load_folder(tree, SOURCES)
    problems += found
    sources: dict[str, SourceSettings] = {}
    for name, file in folder.files.items():
        source, of_file = _source(name, Keys(file), file.path)
        problems += of_file
        if source is not None:
            sources[name] = source
    return Configuration(settings=settings, sources=sources, problems=tuple(problems))


def _source(name: str, keys: Keys, origin: str) -> tuple[SourceSettings | None, tuple[Problem, ...]]:
    try:
        check_component(name)
    except NameRefused as error:
        return None, (Problem(file=origin, line=0, message=f"the file's name: {error}"),)

    def path(text: str) -> str | None:
        return absolute_path(text)

    source = SourceSettings(
        name=name,
        origin=origin,
        path=keys.take("Source", "Path", path, None),
        priority=keys.take("Source", "Priority", number, DEFAULT_PRIORITY),
    )
    return source, keys.finish()
