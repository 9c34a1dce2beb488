# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the configuration says: faults, sources without keys, signatures switched off, open secrets, plugins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tukit_sysext.config import settings, wanted
from tukit_sysext.config.files import Problem
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.doctor.result import Result, good, hint, problem, unknown, warning
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.trusted_keys import trusted_keys
from tukit_sysext.system.tree import Tree

_DENIED = "Permission denied"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The configuration of the running system.

    ``distrusted`` says by source what is wrong with its keys. ``plugins`` has the reason by name for those that cannot
    be loaded, ``plugins_unsure`` why it is not known which are named. ``no_place`` is the file of metrics whose folder
    is missing (empty: there is none).
    """

    problems: tuple[Problem, ...]
    sources: Mapping[str, SourceSettings]
    distrusted: Mapping[str, Sequence[str]]
    wanted: int
    plugins: Mapping[str, str]
    plugins_unsure: str
    no_place: str
    privileged: bool


def look(machine: Machine) -> Facts:
    """Read it."""
    with Tree(machine.layout.root) as tree:
        configuration, images = settings.load(tree), wanted.load(tree)
    plugins = Plugins.of(machine)
    metrics = configuration.settings.metrics
    place = machine.layout.root / metrics.lstrip("/") if metrics is not None else None
    return Facts(
        problems=(*configuration.problems, *images.problems),
        sources=configuration.sources,
        distrusted={name: trusted_keys(source).problems for name, source in configuration.sources.items()},
        wanted=len(images.images),
        plugins=plugins.failed,
        plugins_unsure=plugins.unsure,
        no_place=metrics if metrics is not None and place is not None and not place.parent.is_dir() else "",
        privileged=machine.privileged,
    )


def judge(facts: Facts) -> Iterator[Result]:
    """Judge it."""
    yield from _files(facts)
    yield from _sources(facts)
    if not facts.wanted:
        yield hint(
            "images", "no image is wanted yet", "tukit-sysext install NAME (tukit-sysext list tells what there is)"
        )
    if facts.no_place:
        folder = os.path.dirname(facts.no_place)
        told = f"[Metrics] File={facts.no_place}: its folder is missing, nothing is written"
        yield warning("metrics", told, f"mkdir -p {folder}")
    for name, reason in facts.plugins.items():
        told = f"plugin {name} is not loaded, and nothing is collected until it is: {reason}"
        yield problem("plugins", told, "tukit-sysext plugins; mend it, or take it out of [Plugins] Load=")
    if facts.plugins_unsure:
        told = f"which plugins are named is not known, and nothing is collected until it is: {facts.plugins_unsure}"
        yield problem("plugins", told, "tukit-sysext config")
    if not facts.plugins and not facts.plugins_unsure:
        yield good("plugins", "all plugins that are named are loaded")


def _files(facts: Facts) -> Iterator[Result]:
    for item in facts.problems:
        if not facts.privileged and _DENIED in item.message:
            yield unknown("configuration", str(item), privileged=False)
        elif item.fault:
            yield problem("configuration", str(item), _mend(item))
        else:
            yield warning("configuration", str(item), _mend(item))
    if not facts.problems:
        yield good("configuration", "the files of the configuration have no fault")


def _mend(item: Problem) -> str:
    path, _, rest = item.message.removeprefix("Credentials=: ").partition(": ")
    if item.message.startswith("Credentials=: ") and "mode" in rest:
        return f"chown root:root {path} && chmod 0600 {path}"
    return f"edit {item.file}" + (f", line {item.line}" if item.line else "")


def _sources(facts: Facts) -> Iterator[Result]:
    if not facts.sources:
        yield hint("sources", "no source of images is configured", "tukit-sysext sources add NAME URL --key FILE")
        return
    well = True
    for name, source in sorted(facts.sources.items()):
        again = f"tukit-sysext sources add {name} {' '.join(source.urls) or source.path or 'URL'} --key FILE --force"
        if not source.verify:
            well = False
            told = f"source {name}: Verify=no, whoever is on the way can put anything into its images"
            yield warning("sources", told, again)
        elif not any(_DENIED in text for text in _said(facts, source)):
            for text in facts.distrusted[name]:
                well = False
                yield problem("sources", f"source {name}: {text}", again)
        if source.credentials is not None and not any(url.startswith("https:") for url in source.urls):
            well = False
            told = f"source {name}: {source.credentials.path} goes over the network in the clear"
            yield warning("sources", told, f"give it an https:// URL in {source.origin}")
    if well:
        yield good("sources", f"{len(facts.sources)} sources, and their lists have to be signed by known keys")


def _said(facts: Facts, source: SourceSettings) -> Iterator[str]:
    return (item.message for item in facts.problems if item.file == source.origin)
