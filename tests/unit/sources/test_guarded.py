# SPDX-License-Identifier: LGPL-2.1-or-later
"""A third-party plugin's source: whatever it does is the plugin's fault, and says nothing of images."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Any, cast

import pytest

from tests.unit.update.samples import FITS, candidate
from tukit_sysext.errors import (
    ImageBroken,
    PluginFailed,
    SourceUnreachable,
    StoreError,
    TukitSysextError,
)
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.guarded import GuardedSource
from tukit_sysext.sources.protocol import Sink, Source

ONE = candidate("1.0")


class Plain:
    """A source that does what it is told to."""

    name = "local"

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def candidates(self) -> Sequence[Candidate]:
        return cast("Sequence[Candidate]", self._answer())

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        return cast("Mapping[str, Description]", self._answer())

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        return cast("Mapping[str, TukitSysextError]", self._answer())


def raising(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def ask(source: Source, part: str) -> Any:
    match part:
        case "candidates":
            return source.candidates()
        case "describe":
            return source.describe([ONE])
        case _:
            return source.fetch([(ONE, cast("Sink", None))])


def guarded(source: Source, *, limit: float = 60) -> GuardedSource:
    return GuardedSource("mine", source, limit=limit, image_limit=limit)


def hanging() -> None:
    while True:
        signal.pause()


PARTS = ["candidates", "describe", "fetch"]


def test_a_good_source_is_as_it_was() -> None:
    assert ask(guarded(Plain(lambda: iter([ONE]))), "candidates") == [ONE]
    assert ask(guarded(Plain(lambda: {ONE.sha256: FITS})), "describe") == {ONE.sha256: FITS}
    error = ImageBroken("cut off")
    assert ask(guarded(Plain(lambda: {ONE.sha256: error})), "fetch") == {ONE.sha256: error}


@pytest.mark.parametrize("error", [RuntimeError("injected"), SystemExit(75), StoreError("odd")], ids=repr)
@pytest.mark.parametrize("part", PARTS[:2])
def test_whatever_it_raises_is_a_fault_of_the_plugin(part: str, error: BaseException) -> None:
    with pytest.raises(PluginFailed, match=f"plugin mine failed in a source's {part}: {type(error).__name__}"):
        ask(guarded(Plain(raising(error))), part)


@pytest.mark.parametrize("error", [SourceUnreachable("no answer"), ImageBroken("cut off")], ids=repr)
@pytest.mark.parametrize("part", PARTS[:2])
def test_what_a_source_may_raise(part: str, error: TukitSysextError) -> None:
    with pytest.raises(type(error), match=str(error)):
        ask(guarded(Plain(raising(error))), part)


def test_what_a_fetch_raises() -> None:
    """What the sink raised is about the image, anything else about the plugin."""
    full = StoreError("no room")
    assert ask(guarded(Plain(raising(full))), "fetch") == {ONE.sha256: full}
    with pytest.raises(PluginFailed):
        ask(guarded(Plain(raising(OSError(5, "injected")))), "fetch")


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("candidates", None),
        ("candidates", ["gdb-1.raw"]),
        ("candidates", [candidate("1.0", file_name="../gdb.raw")]),
        ("candidates", [candidate("1.0", source="another")]),
        ("candidates", [candidate("1.0", sha256="none")]),
        ("candidates", [candidate("1.0", sha256=7)]),
        ("candidates", [candidate("1.0", name="../gdb")]),
        ("candidates", [replace(ONE, version=cast("str", 2))]),
        ("candidates", [replace(ONE, priority=cast("int", "1"))]),
        ("candidates", [candidate("1.0", locations=None)]),
        ("describe", None),
        ("describe", {ONE.sha256: "fits"}),
        ("describe", {ONE.sha256: Description(release=cast("Any", {"ID": "os"}))}),
        ("describe", {ONE.sha256: Description(contents=cast("Any", {"needs": []}))}),
        ("fetch", None),
        ("fetch", {ONE.sha256: "no answer"}),
    ],
)
def test_what_a_source_cannot_say(part: str, answer: object) -> None:
    with pytest.raises(PluginFailed, match="plugin mine"):
        ask(guarded(Plain(lambda: answer)), part)


@pytest.mark.parametrize("name", ["", "../evil", 7, None])
def test_what_is_no_source(name: object) -> None:
    source = Plain(list)
    source.name = cast("str", name)
    with pytest.raises(PluginFailed, match="plugin mine"):
        guarded(source)


def test_what_lacks_a_part_is_no_source() -> None:
    with pytest.raises(PluginFailed, match="fetch"):
        guarded(cast("Source", type("Half", (), {"name": "x", "candidates": list, "describe": dict})()))


@pytest.mark.parametrize("part", PARTS)
def test_a_source_that_hangs_is_broken_off(part: str) -> None:
    with pytest.raises(PluginFailed, match=r"TimeUp: it lasted longer than 0\.1 seconds"):
        ask(guarded(Plain(hanging), limit=0.1), part)


def test_all_images_share_one_time() -> None:
    waited = Event()

    def slow() -> Mapping[str, TukitSysextError]:
        waited.wait(0.2)
        return {}

    source = guarded(Plain(slow), limit=0.3)
    assert ask(source, "fetch") == {}
    with pytest.raises(PluginFailed, match="TimeUp"):
        ask(source, "fetch")
