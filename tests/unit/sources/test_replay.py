# SPDX-License-Identifier: LGPL-2.1-or-later
"""Old signed lists that are served again (threat N7), from a source to what a transaction makes of it."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.faults import Status
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Run, offer, settings, trust
from tukit_sysext import cli
from tukit_sysext.collect.collection import collect
from tukit_sysext.commands import check
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, MemoryUnreadable
from tukit_sysext.integrity.repair import RepairOutcome, repair
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.directory import DirectorySource
from tukit_sysext.sources.seen import Seen
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan
from tukit_sysext.update.search import Resolver

NOW = datetime.now(UTC).replace(microsecond=0)
OLD, NEW = NOW - timedelta(days=30), NOW - timedelta(days=1)
NEW_IMAGE = "gdb-3.x86-64.raw"
RESET = "tukit-sysext sources reset web"
Kind = Callable[[Path, SourceSettings], list[str]]


@pytest.fixture
def key(aged: SigningKey) -> SigningKey:
    """Both keys are old enough to have signed old lists."""
    return aged


@pytest.fixture
def other_key(other_aged: SigningKey) -> SigningKey:
    return other_aged


def stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def new(repository: Repository, key: SigningKey, tmp_path: Path) -> Repository:
    """The repository as it is today; ``repository`` is how it was, with its old signature."""
    repository.sign(key, time=OLD)
    made = Repository(Path(shutil.copytree(repository.folder, tmp_path / "new")))
    offer(made, "gdb", "3")
    made.write_list()
    made.sign(key, time=NEW)
    return made


@pytest.fixture(params=["directory", "web"])
def ask(request: pytest.FixtureRequest, cache: Path) -> Iterator[Kind]:
    """What a source with this folder and these settings offers, by both ways there are."""
    servers: list[Server] = []

    def from_directory(folder: Path, of: SourceSettings) -> list[str]:
        return [one.file_name for one in DirectorySource(of, folder, trust(of, cache), limits=QUICK).candidates()]

    def from_web(folder: Path, of: SourceSettings) -> list[str]:
        servers.append(Server(folder).start())
        with Run([servers[-1].url], of, cache) as run:
            return run.names()

    yield from_directory if request.param == "directory" else from_web
    for server in servers:
        server.stop()


def seen(cache: Path, of: SourceSettings) -> dict[str, int]:
    return dict(trust(of, cache)._seen.times(of.name))


def test_an_older_list_is_refused_until_it_is_reset(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey, cache: Path
) -> None:
    of = settings(key)
    assert NEW_IMAGE in ask(new.folder, of)
    for _ in range(2):
        with pytest.raises(ImageBroken) as caught:
            ask(repository.folder, of)
        for words in (stamp(OLD), stamp(NEW), "SHA256SUMS"):
            assert words in str(caught.value)
        assert (caught.value.next_step or "").splitlines()[-1] == RESET
    assert NEW_IMAGE in ask(new.folder, of)
    trust(of, cache)._seen.reset("web")
    assert NEW_IMAGE not in ask(repository.folder, of)


def test_a_newer_list_is_always_fine(ask: Kind, repository: Repository, new: Repository, key: SigningKey) -> None:
    assert NEW_IMAGE not in ask(repository.folder, settings(key))
    assert NEW_IMAGE in ask(new.folder, settings(key))


def test_another_source_has_its_own_memory(ask: Kind, repository: Repository, new: Repository, key: SigningKey) -> None:
    ask(new.folder, settings(key))
    assert NEW_IMAGE not in ask(repository.folder, settings(key, "other"))


def test_the_same_content_signed_anew_is_no_old_list(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey
) -> None:
    """A publisher withdraws version 3, and signs the list that he had before."""
    ask(new.folder, settings(key))
    repository.sign(key, time=NOW)
    assert NEW_IMAGE not in ask(repository.folder, settings(key))


@pytest.mark.parametrize("fault", ["stale", "malformed", "not signed", "foreign"])
def test_what_is_not_believed_is_not_remembered(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey, other_key: SigningKey, cache: Path, fault: str
) -> None:
    if fault == "stale":
        new.write_list(best_before=NOW.date() - timedelta(days=2))
    elif fault == "malformed":
        (new.folder / "SHA256SUMS").write_text("nonsense\n")
    new.sign(other_key if fault == "foreign" else key, time=NEW)
    if fault == "not signed":
        (new.folder / "SHA256SUMS.gpg").unlink()
    with pytest.raises(ImageBroken):
        ask(new.folder, settings(key))
    assert seen(cache, settings(key)) == {}
    assert NEW_IMAGE not in ask(repository.folder, settings(key))


def test_a_source_without_signatures_has_no_memory(
    ask: Kind, repository: Repository, new: Repository, cache: Path
) -> None:
    of = settings(None, verify=False)
    for folder in (new.folder, repository.folder):
        ask(folder, of)
    assert not (cache.parent / "seen").exists()


def test_who_may_not_remember_is_told_of_old_lists_all_the_same(
    repository: Repository, new: Repository, key: SigningKey, cache: Path
) -> None:
    of = settings(key)
    assert DirectorySource(of, new.folder, trust(of, cache, writable=False), limits=QUICK).candidates()
    assert not (cache.parent / "seen").exists()
    DirectorySource(of, new.folder, trust(of, cache), limits=QUICK).candidates()
    with pytest.raises(ImageBroken, match="older than the newest list seen"):
        DirectorySource(of, repository.folder, trust(of, cache, writable=False), limits=QUICK).candidates()


def with_keys(of: SourceSettings, *keys: SigningKey) -> SourceSettings:
    return replace(of, keyrings=(Keyring(path="/keys", content=b"".join(key.public() for key in keys)),))


def test_other_keys_are_another_publisher(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey, other_key: SigningKey
) -> None:
    """Whoever gives a source another keyring is not locked out by what the old keys signed."""
    ask(new.folder, settings(key))
    repository.sign(other_key, time=OLD)
    assert NEW_IMAGE not in ask(repository.folder, settings(other_key))


def test_the_old_key_of_a_rotation_brings_no_old_list_back(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey, other_key: SigningKey
) -> None:
    """Both keys are trusted; the publisher signs with the new one by now."""
    both = with_keys(settings(None), key, other_key)
    new.sign(other_key, time=NEW)
    ask(new.folder, both)
    with pytest.raises(ImageBroken, match="older than the newest list seen"):
        ask(repository.folder, both)


def test_each_good_signature_is_remembered(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey, other_key: SigningKey, cache: Path
) -> None:
    """When the second key is withdrawn again, what the first signed with it still counts."""
    content = (new.folder / "SHA256SUMS").read_bytes()
    signatures = key.sign(content, time=NEW) + other_key.sign(content, time=NOW)
    (new.folder / "SHA256SUMS.gpg").write_bytes(signatures)
    ask(new.folder, with_keys(settings(None), key, other_key))
    assert seen(cache, settings(key)) == {
        key.fingerprint: NEW.timestamp(),
        other_key.fingerprint: NOW.timestamp(),
    }
    with pytest.raises(ImageBroken, match=f"signed {stamp(NEW)}"):
        ask(repository.folder, settings(key))


def test_a_mirror_that_is_behind_is_passed_over(
    repository: Repository, new: Repository, key: SigningKey, cache: Path
) -> None:
    with Server(repository.folder) as behind, Server(new.folder) as good:
        with Run([good.url], settings(key), cache) as run:
            run.candidates()
        with Run([behind.url, good.url], settings(key), cache) as run:
            assert NEW_IMAGE in run.names()
            assert all(one.locations[0].startswith(good.url) for one in run.candidates())
        good.fail("*", Status(code=403))
        with Run([behind.url, good.url], settings(key), cache) as run, pytest.raises(ImageBroken, match=stamp(NEW)):
            run.candidates()


def test_a_memory_from_the_future_is_said_to_be_one(
    ask: Kind, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """Of a clock that was wrong when it was remembered, or is now."""
    of = settings(key)
    trust(of, cache)._seen.remember("web", {key.fingerprint: int((NOW + timedelta(days=365)).timestamp())})
    with pytest.raises(ImageBroken, match=r"in the future of this machine's clock") as caught:
        ask(repository.folder, of)
    assert (caught.value.next_step or "").splitlines()[-1] == RESET


def test_a_memory_that_is_damaged_believes_nothing(
    ask: Kind, repository: Repository, new: Repository, key: SigningKey, cache: Path
) -> None:
    of = settings(key)
    ask(new.folder, of)
    (cache.parent / "seen/web").write_bytes(b"")
    for folder in (repository.folder, new.folder):
        with pytest.raises(MemoryUnreadable) as caught:
            ask(folder, of)
        assert (caught.value.next_step or "").splitlines()[-1] == RESET


def test_a_memory_that_cannot_be_written_is_told_and_stops_nothing(
    ask: Kind, new: Repository, key: SigningKey, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (cache.parent / "seen").write_text("in the way")
    # a folder that is none cannot be read either: what is not there is nothing, what is in the way is not
    with pytest.raises(MemoryUnreadable):
        ask(new.folder, settings(key))
    (cache.parent / "seen").unlink()
    (cache.parent / "seen/.lock").mkdir(parents=True)
    assert NEW_IMAGE in ask(new.folder, settings(key))
    assert "cannot be remembered" in caplog.text


@pytest.fixture
def signed_today(verify_site: VerifySite, key: SigningKey) -> VerifySite:
    """A machine whose source has a signed list of today."""
    site = verify_site
    make_tree(site.root, {"etc/systemd/import-pubring.gpg": key.public()})
    (site.root / "etc/tukit-sysext/sources.d/local.conf").write_text(f"[Source]\nPath={site.source}\n")
    site.offer("1")
    Repository(site.source).sign(key, time=NEW)
    return site


def plan(machine: Machine, root: Path) -> ImagePlan:
    with Tree(root) as tree:
        resolver = Resolver(machine, tree, Plugins())
        (image,) = decide(resolver.resolve()).images
    return image


def replay(site: VerifySite, key: SigningKey) -> None:
    """The source brought a list of today, and has the one of last month now."""
    site.has_for_former_system("gdb")
    plan(site.machine, site.root)
    assert Seen.of(site.machine).times("local") == {key.fingerprint: NEW.timestamp()}
    Repository(site.source).sign(key, time=OLD)


def test_a_replayed_list_is_broken_for_the_policy(signed_today: VerifySite, key: SigningKey) -> None:
    replay(signed_today, key)
    image = plan(signed_today.machine, signed_today.root)
    assert (image.left_out, image.refuses) == (LeftOut.LIST_REFUSED, True)
    assert image.next_step.splitlines()[-1] == "tukit-sysext sources reset local"


def test_check_names_the_command_whatever_the_policy(
    signed_today: VerifySite, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    replay(signed_today, key)
    for policy in ("required", "optional"):
        signed_today.want("gdb", Policy=policy)
        cli.main(["check"], machine=signed_today.machine)
        lines = capsys.readouterr().out.splitlines()
        assert "tukit-sysext sources reset local" in [line.strip() for line in lines], policy


def test_a_replayed_list_leaves_what_fits_alone(signed_today: VerifySite, key: SigningKey) -> None:
    replay(signed_today, key)
    signed_today.store_image("1")
    signed_today.link("1")
    image = plan(signed_today.machine, signed_today.root)
    assert (image.action, image.refuses) == (Action.KEEP, False)


@pytest.mark.parametrize("at_hand", [True, False])
def test_a_damaged_memory_is_a_fault_of_ours_and_refuses_nothing(
    signed_today: VerifySite, at_hand: bool, caplog: pytest.LogCaptureFixture
) -> None:
    plan(signed_today.machine, signed_today.root)
    (signed_today.layout.seen / "local").write_bytes(b"\0\0")
    if at_hand:
        signed_today.store_image("1")
        signed_today.link("1")
    image = plan(signed_today.machine, signed_today.root)
    assert not image.refuses
    assert image.action is (Action.KEEP if at_hand else Action.LEAVE_OUT)
    assert image.left_out is (None if at_hand else LeftOut.FAULT)
    assert "tukit-sysext sources reset local" in caplog.text
    assert (signed_today.layout.seen / "local").read_bytes() == b"\0\0"


def test_check_remembers_nothing(signed_today: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path for path in signed_today.root.rglob("*") if not path.is_relative_to(signed_today.layout.cache))
    check.run(signed_today.machine, Namespace(root=signed_today.root, json=True, refused=False, systems=[], all=False))
    assert file_of("1") in capsys.readouterr().out
    after = sorted(path for path in signed_today.root.rglob("*") if not path.is_relative_to(signed_today.layout.cache))
    assert {path.relative_to(signed_today.root) for path in set(after) - set(before)} <= {
        Path("var"),
        Path("var/cache"),
    }


def test_repair_by_the_recorded_hash_is_exempt(signed_today: VerifySite, key: SigningKey) -> None:
    replay(signed_today, key)
    path = signed_today.store_image("1")
    signed_today.link("1")
    path.unlink()
    assessment = signed_today.assess()
    (done,) = repair(signed_today.machine, Plugins(), assessment.subject, assessment.wrong)
    assert (done.outcome, path.read_bytes()) == (RepairOutcome.REPAIRED, b"gdb 1")


@pytest.fixture
def in_1970(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the clock of the machine begin anew (gpgv keeps the real one: what counts here is what we make of it)."""

    class Beginning(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Beginning:
            return cls.fromtimestamp(100, UTC)

    def begin() -> None:
        monkeypatch.setattr("time.time", lambda: 100.0)
        monkeypatch.setattr("tukit_sysext.sources.repository.datetime", Beginning)

    return begin


@pytest.mark.parametrize("best_before", [None, NOW + timedelta(days=10), NOW - timedelta(days=10)])
@pytest.mark.parametrize("remembered", [True, False])
def test_with_a_clock_in_1970_nothing_new_is_believed_and_what_fits_stays(
    signed_today: VerifySite,
    key: SigningKey,
    in_1970: Callable[[], None],
    best_before: datetime | None,
    remembered: bool,
) -> None:
    """Threats N11 and L14: refused for what would be fetched alone."""
    Repository(signed_today.source).write_list(best_before=best_before.date() if best_before else None)
    Repository(signed_today.source).sign(key, time=NEW)
    if remembered:
        Seen.of(signed_today.machine).remember("local", {key.fingerprint: int(NEW.timestamp())})
    signed_today.has_for_former_system("gdb")
    signed_today.store_image("0.9")
    link = signed_today.link("0.9")
    in_1970()
    image = plan(signed_today.machine, signed_today.root)
    assert (image.action, image.refuses) == (Action.KEEP, False)
    link.unlink()
    (signed_today.layout.store / file_of("0.9")).unlink()
    image = plan(signed_today.machine, signed_today.root)
    assert (image.left_out, image.refuses) == (LeftOut.LIST_REFUSED, True)
    assert "from the future" in image.reason
    expected = {key.fingerprint: int(NEW.timestamp())} if remembered else {}
    assert Seen.of(signed_today.machine).times("local") == expected


def test_with_a_clock_in_1970_nothing_is_collected(signed_today: VerifySite, in_1970: Callable[[], None]) -> None:
    path = signed_today.store_image("0.9")
    in_1970()
    for _ in range(3):
        assert collect(signed_today.machine, Plugins()).gone == ()
    assert path.exists()


def test_a_list_that_went_stale_leaves_what_fits_alone(signed_today: VerifySite, key: SigningKey) -> None:
    """N6: BEST-BEFORE, and MaxAge=."""
    signed_today.store_image("0.9")
    signed_today.link("0.9")
    Repository(signed_today.source).write_list(best_before=NOW.date() - timedelta(days=2))
    Repository(signed_today.source).sign(key, time=NEW)
    assert plan(signed_today.machine, signed_today.root).action is Action.KEEP
    Repository(signed_today.source).write_list()
    Repository(signed_today.source).sign(key, time=NEW)
    assert plan(signed_today.machine, signed_today.root).action is Action.FETCH
    (signed_today.root / "etc/tukit-sysext/sources.d/local.conf").write_text(
        f"[Source]\nPath={signed_today.source}\nMaxAge=12h\n"
    )
    image = plan(signed_today.machine, signed_today.root)
    assert (image.action, image.refuses) == (Action.KEEP, False)
