# SPDX-License-Identifier: LGPL-2.1-or-later
"""/var does not roll back while the tool does: former code works with the state that the code that is here leaves."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.images import make_image
from tests.lab.made_up_registry import MadeUpRegistry
from tests.lab.repository import BINARY_SIGNATURE, LIST, Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site, Web, installed_tree
from tests.packing import layer
from tests.states import code, facts
from tests.states.scenario import ANY, EARLIER, KEY_MADE, LATER, NEXT, damage, published, put_by_hand
from tests.states.state import COMMITS

PACKAGE = "usr/lib/python3/dist-packages/tukit_sysext"
FORMER, HERE = "former", "here"
SHELL = "shell-1.0.x86-64.raw"
LINKS = {
    "byhand.raw": "byhand-3.0.x86-64.raw",
    "debug.raw": "debug-1.1.x86-64.raw",
    "shell.raw": SHELL,
    "tools.raw": "tools-1.0.x86-64.raw",
}
"""What the newest snapshots have."""


@dataclass(kw_only=True)
class Machine:
    """A lab that has both programs in /opt, which all snapshots share; one of them is installed in each snapshot."""

    site: Site
    repository: Repository
    earlier: Mapping[str, bytes]

    @staticmethod
    def _script(program: str, tree: str) -> list[str]:
        return ["sh", "-c", f"rm -rf {tree}/{PACKAGE} && cp -a /opt/{program}/. {tree}/"]

    def put(self, program: str) -> None:
        """Install a program in the running system, in the place of the other one."""
        with self.site.lab.unlocked():
            self.site.lab.run(self._script(program, f"/.snapshots/{self.site.lab.running}/snapshot"))
        assert self.runs(program)

    def update_to(self, program: str) -> None:
        """The same by a transaction, as a package comes. The hook that judges it is that of the running program."""
        done = self.site.lab.tukit("execute", *self._script(program, ""))
        assert done.returncode == 0, done
        self.boot()
        assert self.runs(program)

    def boot(self) -> None:
        """Reboot, and do what systemd does of ours then."""
        self.site.lab.reboot()
        self.site.lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
        self.site.command("verify", "--boot")

    def runs(self, program: str) -> bool:
        """Whether this program is the one that the running system has."""
        return self._modules(f"/{PACKAGE}") == self._modules(f"/opt/{program}/{PACKAGE}")

    def _modules(self, folder: str) -> Mapping[str, bytes]:
        root = self.site.lab.path(folder)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.py")}

    def links(self) -> Mapping[str, str]:
        """All links of all snapshots, those in quarantine too: the files in the store by where the links are."""
        return {
            f"{number}: {path.name}": os.readlink(path).removeprefix(f"{STORE}/")
            for number in self.site.numbers()
            for folder in ("etc/extensions", "etc/tukit-sysext/quarantine")
            for path in (self.site.lab.snapshot(number) / folder).glob("*.raw")
        }

    def contents(self) -> Mapping[str, bytes]:
        """What may not change or go: the images that are linked, what is known of them, and what was seen."""
        images = set(self.links().values())
        paths = [f"{STORE}/{image}" for image in images] + [f"{STATE}/images/{image}.json" for image in images]
        return {path: self.site.lab.path(path).read_bytes() for path in (*paths, f"{STATE}/seen/main")}

    def refusal(self) -> Any:
        """The mark of a refused update."""
        return json.loads(self.site.lab.path("/run/tukit-sysext/refused.json").read_text())

    def history(self) -> list[Any]:
        """What the program that is here tells of the past."""
        events: list[Any] = facts.of("history", self.site.json)
        return events


FIRST, LATEST = "a447a06", "b12b760"


@pytest.fixture(
    scope="module",
    params=[pytest.param(each, marks=() if each in (FIRST, LATEST) else pytest.mark.long) for each in COMMITS],
)
def former_tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the RPM of a former commit installs."""
    folder = tmp_path_factory.mktemp("former")
    return installed_tree(folder / "rpm", top=code.take(request.param, folder / "code"))


@pytest.fixture
def machine(former_tree: Path, our_tree: Path, start_lab: StartLab, tmp_path: Path) -> Iterator[Machine]:
    """A machine that the code of a commit has set up; nothing was updated yet."""
    repository = Repository(tmp_path / "repository")
    key = SigningKey.shared(created=KEY_MADE)
    with Server(repository.folder) as server:
        lab = start_lab(Flavour.MICROOS, install={former_tree: f"/opt/{FORMER}", our_tree: f"/opt/{HERE}"})
        web = Web(repository=repository, server=server, key=key)
        site = Site(lab=lab, web=web)
        for name, release in (("debug", OLD), ("probe", OLD), ("shell", ANY), ("tools", ANY), ("editor", ANY)):
            repository.publish(name, "1.0", {**release, **({} if release is ANY else site.identity)})
        published(site, EARLIER)
        earlier = {name: (repository.folder / name).read_bytes() for name in (LIST, BINARY_SIGNATURE)}
        machine = Machine(site=site, repository=repository, earlier=earlier)
        machine.put(FORMER)
        lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
        site.add_source("main", web)
        site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Network]\nDeadline=5s\n[Store]\nGrace=0s\n")
        site.command("install", "debug", "shell", "tools")
        site.command("install", "--optional", "probe")
        yield machine


def work(machine: Machine) -> None:
    """What the code that is here does; `editor` is left to the collection."""
    site = machine.site
    machine.repository.publish("debug", "1.1", {**NEW, **site.identity})
    for name in ("shell", "tools"):
        machine.repository.publish(name, "1.1", ANY)
    published(site, LATER)
    site.command("hold", "tools=1.0")
    site.command("block", "shell=1.1")
    put_by_hand(site, "byhand")
    site.command("adopt", "byhand")
    assert site.update().returncode == 0
    machine.boot()
    assert site.links() == LINKS
    assert site.lab.path(f"{STATE}/images/{LINKS['debug.raw']}.caibx").exists(), "an index of chunks, and what came"
    assert {"fetched", "reused"} <= json.loads(
        site.lab.path(f"{STATE}/images/{LINKS['debug.raw']}.json").read_text()
    ).keys()
    events = {event["image"]: event for event in site.json("history")["events"]}
    assert events["debug"]["bytes_fetched"] is not None, "the former code's ledger, which it writes again"
    site.command("install", "editor")
    site.command("remove", "editor")
    site.command("gc")
    assert site.update(release=NEXT).returncode == 75


def test_former_code_works_with_what_this_code_left(machine: Machine) -> None:
    """It passes what fits, deletes nothing that is linked, and refuses, waits and doubts as before. Then this one."""
    site = machine.site
    machine.update_to(HERE)
    work(machine)
    good = site.lab.path(f"{STORE}/{SHELL}").read_bytes()
    damage(site, SHELL)
    site.command("verify", "--boot")
    assert "shell.raw" not in site.links()
    site.lab.tukit("open", check=True)
    opened = max(site.numbers())
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    created = int(site.lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout)
    before, history, refused = machine.links(), machine.history(), machine.refusal()
    site.lab.path("/run/systemd/system").rmdir()
    assert site.events() != [], "to be settled by the former code"
    kept = {path: content for path, content in machine.contents().items() if SHELL not in path}

    machine.put(FORMER)
    assert site.command("settle").returncode == 0
    assert site.events() == []
    status = site.command("status").stdout
    assert "REFUSED" in status and "quarantined: shell.raw" in status and "held at 1.0" in status
    assert site.lab.tukit("close", str(opened)).returncode == 0, "all fits"
    assert site.links(opened) == LINKS
    assert site.lab.path(f"{STORE}/{SHELL}").read_bytes() == good, "fetched anew"
    assert "put back" in site.command("verify", "--boot").stdout
    for _ in range(2):
        assert site.command("gc").returncode == 0
    assert "editor-1.0.x86-64.raw" not in site.store()
    assert site.command("verify", "--all").returncode == 0
    assert site.update(release=NEXT).returncode == 75
    assert machine.refusal()["images"]["debug"]["since"] == refused["images"]["debug"]["since"]
    for name, content in machine.earlier.items():
        (machine.repository.folder / name).write_bytes(content)
    shutil.rmtree(site.lab.path("/var/cache/tukit-sysext"))
    assert "older" in site.command("check", check=False).stdout, "an old list that is served again"
    assert {place: image for place, image in machine.links().items() if place in before} == before
    assert {path: machine.contents()[path] for path in kept} == kept

    machine.put(HERE)
    assert site.command("settle").returncode == 0
    assert site.command("gc").returncode == 0
    assert site.command("verify", "--all").returncode == 0
    assert site.lab.tukit("execute", "true").returncode == 0
    assert machine.history()[: len(history)] == history
    assert ["snapshot created", created] in [event[1:3] for event in machine.history()[len(history) :]]
    assert {path: machine.contents()[path] for path in kept} == kept
    assert not [name for name in os.listdir(site.lab.path(STATE)) if "broken" in name]


def test_a_rollback_brings_former_code_back(machine: Machine) -> None:
    """The old snapshot has it in its /usr; /var is as the newer code left it. Then forward again."""
    site = machine.site
    first = site.lab.running
    machine.update_to(HERE)
    work(machine)
    latest = site.lab.running
    before, kept, history = machine.links(), machine.contents(), machine.history()

    site.lab.run(["snapper", "--no-dbus", "--ambit", "transactional", "rollback", str(first)])
    machine.boot()
    assert machine.runs(FORMER)
    assert site.links()["debug.raw"] == "debug-1.0.x86-64.raw"
    for _ in range(2):
        assert site.command("gc").returncode == 0
    assert site.command("verify", "--all").returncode == 0
    assert site.lab.tukit("execute", "true").returncode == 0
    assert {place: image for place, image in machine.links().items() if place in before} == before

    site.lab.run(["snapper", "--no-dbus", "--ambit", "transactional", "rollback", str(latest)])
    machine.boot()
    assert machine.runs(HERE)
    assert site.links() == LINKS
    assert site.command("gc").returncode == 0
    assert site.command("verify", "--all").returncode == 0
    assert {path: machine.contents()[path] for path in kept} == kept
    assert machine.history()[: len(history)] == history


def test_former_code_works_beside_a_rebuilt_image(machine: Machine) -> None:
    """P7: the content under its handle is merged, and former code keeps it, and collects none of it."""
    site = machine.site
    machine.update_to(HERE)
    before = site.links()["debug.raw"]
    machine.repository.publish("debug", "1.0", {**OLD, **site.identity}, files={"share/rebuilt": "again"})
    published(site, LATER)
    done = site.lab.tukit("execute", "true")
    assert "debug: 1.0 -> 1.0 (" in done.stdout, done
    machine.boot()
    link = site.links()["debug.raw"]
    assert link.startswith(f"{before}.") and not link.endswith(".raw")
    site.lab.merge()
    assert site.lab.path("/usr/share/rebuilt").read_text() == "again"
    site.lab.run(["systemd-sysext", "unmerge"])
    links, contents = machine.links(), machine.contents()

    machine.put(FORMER)
    assert "debug" in site.command("status").stdout
    for _ in range(2):
        site.command("gc")
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default())["debug.raw"] == link
    assert {where: file for where, file in machine.links().items() if where in links} == links
    machine.put(HERE)
    assert site.command("verify", "--all").returncode == 0
    now = machine.contents()
    assert {path: now[path] for path in contents if not path.startswith(f"{STATE}/seen")} == {
        path: content for path, content in contents.items() if not path.startswith(f"{STATE}/seen")
    }


LAYERED = "gauge-1.0.raw"


@pytest.mark.parametrize("former_tree", [FIRST, "85d251a"], indirect=True)
def test_former_code_keeps_the_image_of_a_container_layer(machine: Machine, tmp_path: Path) -> None:
    """It knows no registries, nor, where it knows packed images, this packing: it says so, and this code goes on."""
    site = machine.site
    machine.update_to(HERE)
    image = make_image(tmp_path, "gauge", "1.0", release=ANY, manifest=None)
    with MadeUpRegistry() as registry:
        registry.put_container("gauge", "1.0", layer({"gauge.raw": image.read_bytes()}))
        site.write("/etc/tukit-sysext/sources.d/layers.conf", f"[Source]\nURL={registry.url}\nVerify=no\n")
        site.command("install", "gauge")
        path, record = site.lab.path(f"{STORE}/{LAYERED}"), site.lab.path(f"{STATE}/images/{LAYERED}.json")
        known = record.read_bytes()
        assert json.loads(known)["packed"]["file"] == f"{LAYERED}.layer"

        machine.put(FORMER)
        assert site.command("verify").returncode == 0
        assert site.lab.tukit("execute", "true").returncode == 0
        assert site.links(site.default())["gauge.raw"] == LAYERED
        damage(site, LAYERED)
        said = " ".join(site.command("verify", "--repair", check=False).stdout.split())
        assert "gauge 1.0: cannot be repaired: recorded content cannot be had" in said
        assert "layers.conf has a fault, or says nothing that this version can use" in said
        assert "expected SHA-256" not in said, "no server is blamed for what it has"
        assert site.lab.tukit("execute", "true").returncode == 0, "it is left out, and refuses nothing"
        assert "gauge.raw" not in site.links(site.default())
        for _ in range(2):
            assert site.command("gc").returncode == 0
        assert path.exists() and record.read_bytes() == known

        machine.put(HERE)
        assert site.command("verify", "--repair").returncode == 0
        assert path.read_bytes() == image.read_bytes()
        assert site.lab.tukit("execute", "true").returncode == 0
        assert site.links(site.default())["gauge.raw"] == LAYERED
