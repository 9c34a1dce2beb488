# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source of a third-party plugin, at arm's length: what it raises and returns is checked.

Its failures are PluginFailed, a fault on our side that refuses no update, unless it says itself (SourceUnreachable,
ImageBroken) what it met.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tukit_sysext.errors import ImageBroken, PluginFailed, SourceUnreachable, TukitSysextError, in_words
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.names import check_component
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.protocol import Sink, Source
from tukit_sysext.system.time_limit import TimeUp, time_limit

_SHA256 = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 0.001
"""Seconds: a timer of 0 would never end."""

Result = TypeVar("Result")


class GuardedSource:
    """A source that says only what a source may say. ``plugin`` names it in messages.

    ``limit``: seconds for a list or for descriptions, ``image_limit`` for all images. Where one of these is
    over, nothing more is asked: one is waited for, not one for each call. Raises PluginFailed where
    ``source`` is none.
    """

    def __init__(self, plugin: str, source: Source, *, limit: float, image_limit: float) -> None:
        self._plugin = plugin
        self._source = source
        self._limit = limit
        self._left_for_images = image_limit
        self._late = ""
        self.name = self._asked("name", lambda: check_component(source.name))
        self._asked("fetch", lambda: (source.candidates, source.describe, source.fetch))

    def candidates(self) -> Sequence[Candidate]:
        """See Source."""
        return self._asked("candidates", lambda: [self._checked(candidate) for candidate in self._source.candidates()])

    def _checked(self, candidate: object) -> Candidate:
        """A candidate whose parts are what they are said to be. Raises ValueError, TypeError."""
        if not isinstance(candidate, Candidate):
            raise TypeError(f"expected a Candidate, found {type(candidate).__name__}")
        check_component(candidate.name)
        check_component(candidate.file_name)
        if candidate.source != self.name:
            raise ValueError(
                f"{candidate.file_name}: expected a candidate of {self.name}, found one of {candidate.source!r}"
            )
        if not _SHA256.fullmatch(candidate.sha256):
            raise ValueError(f"{candidate.file_name}: expected a SHA-256, found {candidate.sha256!r}")
        _check_types(candidate)
        return candidate

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """See Source."""
        return self._asked("describe", lambda: _all_descriptions(dict(self._source.describe(candidates))))

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """See Source."""
        failed: TukitSysextError
        begun, limit = time.monotonic(), max(_AT_ONCE, self._left_for_images)
        try:
            return self._asked("fetch", lambda: _all_errors(dict(self._source.fetch(wanted))), limit)
        except (SourceUnreachable, ImageBroken) as error:
            failed = error
        except PluginFailed as error:
            # what a sink raised, and the plugin did not catch, is no fault of the plugin
            if not isinstance(error.__cause__, TukitSysextError):
                raise
            failed = error.__cause__
        finally:
            self._left_for_images -= time.monotonic() - begun
        return {candidate.sha256: failed for candidate, _ in wanted}

    def _asked(self, part: str, ask: Callable[[], Result], limit: float | None = None) -> Result:
        if self._late:
            raise PluginFailed(f"plugin {self._plugin} is not asked for a source's {part}: {self._late}")
        try:
            with time_limit(self._limit if limit is None else limit):
                return ask()
        except (SourceUnreachable, ImageBroken, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._late = in_words(error) if isinstance(error, TimeUp) else ""
            raise PluginFailed(f"plugin {self._plugin} failed in a source's {part}: {in_words(error)}") from error


def _check_types(candidate: Candidate) -> None:
    texts: tuple[object, ...] = (candidate.version, *candidate.locations)
    maybe: tuple[object, ...] = (candidate.architecture, candidate.signer, candidate.description, candidate.index)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(text, str | None) for text in maybe):
        raise TypeError(f"{candidate.file_name}: expected texts, found {texts!r}, {maybe!r}")
    numbers: tuple[object, ...] = (candidate.priority, candidate.size or 0)
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError(f"{candidate.file_name}: expected numbers, found {numbers!r}")


def _all_descriptions(descriptions: dict[str, Description]) -> Mapping[str, Description]:
    for description in descriptions.values():
        given: object = description
        release: object = given.release if isinstance(given, Description) else given
        if not isinstance(given, Description) or not isinstance(release, ReleaseData | None):
            raise TypeError(f"expected a Description with ReleaseData, found {type(release).__name__}")
        contents: object = given.contents
        if not isinstance(contents, Contents | None):
            raise TypeError(f"expected a Description with Contents, found {type(contents).__name__}")
    return descriptions


def _all_errors(errors: dict[str, TukitSysextError]) -> Mapping[str, TukitSysextError]:
    for error in errors.values():
        given: object = error
        if not isinstance(given, TukitSysextError):
            raise TypeError(f"expected errors, found {type(given).__name__}")
    return errors
