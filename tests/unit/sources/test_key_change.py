# SPDX-License-Identifier: LGPL-2.1-or-later
"""A publisher's key changes: the running tree and the one that boots next, whose keyrings an update changes (N10, N7).

Both trees ask the same repository in one command, with one cache and one memory of what was seen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.unit.sources.samples import offer, settings
from tests.unit.sources.signature_cases import NOW
from tests.unit.sources.test_signatures import BACKENDS, Ask
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.errors import ImageBroken

OLD, NEW = "old", "new"


@pytest.fixture
def keys(aged: SigningKey, other_aged: SigningKey) -> dict[str, SigningKey]:
    return {OLD: aged, NEW: other_aged}


def published(tmp_path: Path, *signers: SigningKey, hours_ago: int = 0) -> Path:
    repository = Repository(tmp_path / "images")
    offer(repository, "gdb", "1")
    content = repository.write_list().read_bytes()
    made = NOW - timedelta(hours=hours_ago)
    (repository.folder / "SHA256SUMS.gpg").write_bytes(b"".join(key.sign(content, time=made) for key in signers))
    return repository.folder


@pytest.mark.parametrize("ask", BACKENDS.values(), ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("next_first", [False, True])
@pytest.mark.parametrize(
    ("running", "following"),
    [((OLD,), (NEW,)), ((OLD,), (OLD, NEW)), ((OLD, NEW), (NEW,)), ((OLD, NEW), (OLD, NEW)), ((OLD,), ()), ((), ())],
    ids=str,
)
@pytest.mark.parametrize("signed", [(OLD,), (NEW,), (OLD, NEW)], ids=str)
def test_each_tree_believes_what_its_own_keys_signed(
    tmp_path: Path,
    keys: dict[str, SigningKey],
    ask: Ask,
    signed: tuple[str, ...],
    running: tuple[str, ...],
    following: tuple[str, ...],
    next_first: bool,
) -> None:
    """Whatever the other tree believes, and whichever is asked first; twice, as a cache is in between."""
    folder = published(tmp_path, *(keys[name] for name in signed))
    trees = [following, running] if next_first else [running, following]
    for known in (*trees, *trees):
        rings = tuple(Keyring(path=f"/{name}", content=keys[name].public()) for name in known)
        of = replace(settings(None), keyrings=rings)
        if set(known) & set(signed):
            assert {each.signer for each in ask(folder, of, tmp_path / "cache")} <= {
                keys[name].fingerprint for name in known
            }
        else:
            with pytest.raises(ImageBroken, match="tukit-sysext sources add web URL --key FILE"):
                ask(folder, of, tmp_path / "cache")


@pytest.mark.parametrize("ask", BACKENDS.values(), ids=lambda ask: ask.__name__)
def test_what_the_new_key_signed_does_not_lock_out_a_tree_with_the_old_one(
    tmp_path: Path, keys: dict[str, SigningKey], ask: Ask
) -> None:
    """As after a rollback: a mirror that is behind has what the old key signed last, which that tree has seen."""
    of = {
        name: replace(settings(None), keyrings=(Keyring(path="/k", content=key.public()),))
        for name, key in keys.items()
    }
    cache = tmp_path / "cache"
    assert ask(published(tmp_path, keys[OLD], hours_ago=3), of[OLD], cache)
    assert ask(published(tmp_path, keys[NEW], hours_ago=1), of[NEW], cache)
    behind = published(tmp_path, keys[OLD], hours_ago=3)
    assert ask(behind, of[OLD], cache)
    both = replace(of[NEW], keyrings=(*of[OLD].keyrings, *of[NEW].keyrings))
    with pytest.raises(ImageBroken, match="older than the newest list seen"):
        ask(behind, both, cache)
