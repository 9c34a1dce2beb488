# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every row of the table of signatures, by every kind of source that there is (threats N6 to N8, N10 and N11)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.made_up_registry import MadeUpRegistry
from tests.lab.server import Server
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Run, settings, trust
from tests.unit.sources.signature_cases import GOOD, LIST, REFUSED, Case, Published
from tukit_sysext import sources
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, NoVerdict
from tukit_sysext.sources import last_lists
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.directory import DirectorySource
from tukit_sysext.sources.guarded import GuardedSource
from tukit_sysext.sources.protocol import ChunkedSource, FileSource, MirroredSource, NamedSource, Source
from tukit_sysext.sources.registry import RegistrySource
from tukit_sysext.sources.tagged import TaggedSource
from tukit_sysext.sources.web import WebSource

Ask = Callable[[Path, SourceSettings, Path], list[Candidate]]


def directory(folder: Path, of: SourceSettings, cache: Path) -> list[Candidate]:
    return list(DirectorySource(of, folder, trust(of, cache), limits=QUICK).candidates())


def web(folder: Path, of: SourceSettings, cache: Path) -> list[Candidate]:
    with Server(folder) as server, Run([server.url], of, cache) as run:
        return run.candidates()


def registry(folder: Path, of: SourceSettings, cache: Path) -> list[Candidate]:
    with MadeUpRegistry() as started:
        started.publish(folder, lists=[path.name for path in folder.glob("SHA256SUMS*")])
        with Run([started.url], of, cache) as run:
            return run.candidates()


BACKENDS: dict[type, Ask] = {DirectorySource: directory, WebSource: web, RegistrySource: registry}


def test_every_kind_of_source_is_tried() -> None:
    found: set[type] = set()
    for module in pkgutil.iter_modules(sources.__path__):
        for _, kind in inspect.getmembers(
            importlib.import_module(f"{sources.__name__}.{module.name}"), inspect.isclass
        ):
            if all(hasattr(kind, part) for part in ("candidates", "describe", "fetch")):
                found.add(kind)
    # what is remembered is shown, and no job believes it
    remembered = {kind for kind in found if kind.__module__ == last_lists.__name__ and kind.__name__ == "_LastAnswer"}
    # and one that has no list believes cosign, or nobody (test_tagged.py)
    others = {Source, FileSource, MirroredSource, NamedSource, ChunkedSource, GuardedSource, TaggedSource}
    assert found - others - remembered == BACKENDS.keys()


def test_no_row_is_there_twice() -> None:
    names = [case.name for case in (*GOOD, *REFUSED)]
    assert len(set(names)) == len(names) >= 20
    assert all(case.refused is None for case in GOOD)
    assert all(case.refused for case in REFUSED)


def prepare(case: Case, tmp_path: Path) -> tuple[Published, SourceSettings]:
    """Publish; what is published, and the source's settings."""
    made = case.make()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/SHA256SUMS").write_bytes(made.content)
    for ending, signature in made.signatures.items():
        (tmp_path / f"images/SHA256SUMS.{ending}").write_bytes(signature)
    keyrings = (Keyring(path="/keys", content=made.keyring),) if made.keyring is not None else ()
    return made, replace(settings(None), keyrings=keyrings, fingerprints=made.pins, max_age=made.max_age)


@pytest.mark.parametrize("ask", BACKENDS.values(), ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("case", [*GOOD, *REFUSED], ids=lambda case: case.name)
def test_a_signature(case: Case, ask: Ask, tmp_path: Path) -> None:
    """By a cold cache and by a warm one; what was refused is neither offered nor remembered."""
    made, of = prepare(case, tmp_path)
    cache = tmp_path / "cache"
    memory = trust(of, cache)._seen
    memory.remember(of.name, made.seen)
    for _ in range(2):
        if case.refused is None:
            (found,) = ask(tmp_path / "images", of, cache)
            assert (found.file_name, found.sha256) == ("gdb-1.x86-64.raw", LIST[:64].decode())
            assert found.signer is not None and memory.times(of.name)[found.signer] > 0
        else:
            with pytest.raises((ImageBroken, NoVerdict), match=case.refused) as caught:
                ask(tmp_path / "images", of, cache)
            assert str(caught.value).isprintable()
            assert "SHA256SUMS" in str(caught.value) or "/keys" in str(caught.value)
            assert memory.times(of.name) == made.seen


def test_a_missing_key_is_said_with_what_brings_it(tmp_path: Path) -> None:
    """In the reason itself: that is what a transaction tells."""
    for number, name in enumerate(("no keyring", "by somebody else", "keyring empty", "subkey that the keyring lacks")):
        case = next(case for case in REFUSED if case.name == name)
        folder = tmp_path / str(number)
        folder.mkdir()
        _, of = prepare(case, folder)
        with pytest.raises(ImageBroken, match="tukit-sysext sources add web URL --key FILE"):
            directory(folder / "images", of, folder / "cache")
