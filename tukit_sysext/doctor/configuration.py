# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the configuration says: faults, sources without keys, signatures switched off, open secrets, plugins."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tukit_sysext.config.files import Problem
from tukit_sysext.config.settings import SourceSettings, load_configuration
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.doctor.check import CheckResult, good, hint, problem, unknown, warning
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted
from tukit_sysext.sources.trusted_keys import TrustedKeys, trusted_keys
from tukit_sysext.system.tree import Tree

_DENIED = "Permission denied"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigurationCheck:
    """The configuration of the running system.

    ``keys`` says by source what is wrong with its keys, and soon will be. ``plugins`` has the reason by name for those
    that cannot be loaded, ``plugins_unsure`` why it is not known which are named. ``no_place`` is the file of metrics
    whose folder is missing (empty: there is none).
    """

    problems: tuple[Problem, ...]
    sources: Mapping[str, SourceSettings]
    keys: Mapping[str, TrustedKeys]
    wanted: int
    plugins: Mapping[str, str]
    plugins_unsure: str
    no_place: str
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> ConfigurationCheck:
        """Read the configuration, and look for the plugins that it names."""
        with Tree(machine.layout.root) as tree:
            configuration, images = load_configuration(tree), load_wanted(tree)
        plugins = Plugins.of(machine)
        metrics = configuration.settings.metrics
        place = machine.layout.root / metrics.lstrip("/") if metrics is not None else None
        return cls(
            problems=(*configuration.problems, *images.problems),
            sources=configuration.sources,
            keys={name: trusted_keys(source, time.time()) for name, source in configuration.sources.items()},
            wanted=len(images.images),
            plugins=plugins.failed,
            plugins_unsure=plugins.unsure,
            no_place=metrics if metrics is not None and place is not None and not place.parent.is_dir() else "",
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        yield from self._files()
        yield from self._sources()
        if not self.wanted:
            yield hint("images", "no image is wanted yet", "tukit-sysext list\ntukit-sysext install NAME")
        if self.no_place:
            folder = os.path.dirname(self.no_place)
            text = f"[Metrics] File={self.no_place}: its folder is missing, nothing is written"
            yield warning("metrics", text, f"mkdir -p {folder}")
        for name, reason in self.plugins.items():
            text = f"plugin {name} is not loaded, and nothing is collected until it is: {reason}"
            yield problem("plugins", text, "correct it, or take it out of [Plugins] Load=:\ntukit-sysext plugins")
        if self.plugins_unsure:
            text = f"which plugins are named is not known, and nothing is collected until it is: {self.plugins_unsure}"
            yield problem("plugins", text, "tukit-sysext config")
        if not self.plugins and not self.plugins_unsure:
            yield good("plugins", "all plugins that are named are loaded")

    def _files(self) -> Iterator[CheckResult]:
        for fault in self.problems:
            if not self.privileged and _DENIED in fault.message:
                yield unknown("configuration", str(fault), privileged=False)
            else:
                severity = problem if fault.fault else warning
                yield severity("configuration", str(fault), _next_step(fault))
        if not self.problems:
            yield good("configuration", "the files of the configuration have no fault")

    def _sources(self) -> Iterator[CheckResult]:
        if not self.sources:
            yield hint("sources", "no source of images is configured", "tukit-sysext sources add NAME URL --key FILE")
            return
        results = [result for _, source in sorted(self.sources.items()) for result in self._source(source)]
        yield from results or [
            good("sources", f"{counted(len(self.sources), 'source')}, all lists have to be signed by known keys")
        ]

    def _source(self, source: SourceSettings) -> Iterator[CheckResult]:
        name, place = source.name, " ".join(source.urls) or source.path or "URL"
        again = f"tukit-sysext sources add {name} {place} --key FILE --force"
        if not source.verify:
            text = f"source {name}: Verify=no, whoever is on the way can put anything into its images"
            yield warning("sources", text, again)
        elif not any(_DENIED in fault.message for fault in self.problems if fault.file == source.origin):
            yield from (problem("sources", f"source {name}: {reason}", again) for reason in self.keys[name].problems)
            yield from (warning("sources", f"source {name}: {reason}", again) for reason in self.keys[name].warnings)
        if source.tells_in_the_clear and source.credentials is not None:
            text = f"source {name}: {source.credentials.path} goes over the network in the clear"
            secure = "oci://" if source.in_registry else "https://"
            yield warning("sources", text, f"give it a URL with {secure} in {source.origin}")


def _next_step(fault: Problem) -> str:
    path, _, rest = fault.message.removeprefix("Credentials=: ").partition(": ")
    if fault.message.startswith("Credentials=: ") and "mode" in rest:
        return f"chown root:root {path} && chmod 0600 {path}"
    return f"edit {fault.file}" + (f", line {fault.line}" if fault.line else "")
