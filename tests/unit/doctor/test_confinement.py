# SPDX-License-Identifier: LGPL-2.1-or-later
"""doctor where SELinux enforces: a plugin of snapper that may not note what it is told of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tests.trees import make_tree
from tests.unit.doctor.healthy import healthy
from tukit_sysext import cli
from tukit_sysext.doctor import confinement
from tukit_sysext.system.selinux import KernelPolicy

pytestmark = pytest.mark.root

PLUGIN_TYPE = "snapper_tukit_sysext_plugin_exec_t"
DOMAIN = "snapper_tukit_sysext_plugin_t"
FOLDER = "tukit_sysext_var_run_t"
RUN = "var_run_t"


def label(kind: str) -> str:
    return f"system_u:object_r:{kind}:s0"


def process(kind: str) -> str:
    return f"system_u:system_r:{kind}:s0"


@dataclass(kw_only=True)
class Confinement:
    """Labels on the disk, and a policy: who may write where, and what leads where; with our module or without."""

    module: bool = True
    snapperd: str = "snapperd_exec_t"
    plugin: str = PLUGIN_TYPE
    folder: str = FOLDER

    def label_of(self, path: Path) -> str:
        path.lstat()
        return label({"snapperd": self.snapperd, "60-tukit-sysext": self.plugin, "events": self.folder}[path.name])

    def runs_as(self, domain: str, program: str) -> str:
        entries = {("init_t", "snapperd_exec_t"): "snapperd_t", ("init_t", "bin_t"): "unconfined_service_t"}
        if self.module:
            entries["snapperd_t", PLUGIN_TYPE] = DOMAIN
        now = domain.split(":")[2]
        return process(entries.get((now, program.split(":")[2]), now))

    def allows(self, domain: str, target: str, kind: str, *permissions: str) -> bool:
        assert {"dir": "add_name", "file": "rename"}[kind] in permissions
        writers = {(DOMAIN, FOLDER), ("unconfined_service_t", RUN), ("unconfined_service_t", FOLDER)}
        return (domain.split(":")[2], target.split(":")[2]) in writers

    def knows(self, asked: str) -> bool:
        assert asked == label(PLUGIN_TYPE)
        return self.module


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    site = healthy(tmp_path)
    make_tree(
        site.root,
        {
            "sys/fs/selinux/enforce": "1",
            "proc/1/attr/current": f"{process('init_t')}\0",
            "usr/sbin/snapperd": "",
            "run/tukit-sysext/events": None,
        },
    )
    return site


def results(
    site: PlainMachine,
    confined: Confinement,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[str, str, str | None]]:
    """What is not good."""
    monkeypatch.setattr(confinement, "label_of", confined.label_of)
    for name in ("runs_as", "allows", "knows"):
        monkeypatch.setattr(KernelPolicy, name, staticmethod(getattr(confined, name)))
    status = cli.main(["doctor", "--json"], machine=site.machine)
    found = [result for result in json.loads(capsys.readouterr().out)["results"] if result["severity"] != "good"]
    assert (status == 0) == (not [result for result in found if result["severity"] == "problem"])
    return [(result["check"], result["text"], result["next_step"]) for result in found]


@pytest.mark.parametrize(
    ("confined", "says", "command"),
    [
        (
            Confinement(module=False, plugin="lib_t", folder=RUN),
            ("(snapperd_t)", "/events (var_run_t)"),
            "transactional-update pkg install tukit-sysext-selinux",
        ),
        (
            Confinement(plugin="lib_t"),
            ("(snapperd_t)", "/events (tukit_sysext_var_run_t)"),
            "transactional-update run restorecon -F {root}/usr/lib/snapper/plugins/60-tukit-sysext",
        ),
        (
            Confinement(folder=RUN),
            ("(snapper_tukit_sysext_plugin_t)", "/events (var_run_t)"),
            "restorecon -RF {root}/run/tukit-sysext",
        ),
    ],
    ids=["no module", "not relabelled", "a folder from before the module"],
)
def test_denied(
    site: PlainMachine,
    confined: Confinement,
    says: tuple[str, str],
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ((check, text, next_step),) = results(site, confined, capsys, monkeypatch)
    assert check == "selinux" and all(words in text for words in (*says, "before the next boot"))
    assert next_step == command.format(root=site.root)


def test_on_a_root_that_is_written_to(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.root / "usr/sbin/transactional-update").unlink()
    ((_, _, step),) = results(site, Confinement(plugin="lib_t"), capsys, monkeypatch)
    assert step == f"restorecon -F {site.root}/usr/lib/snapper/plugins/60-tukit-sysext"


@pytest.mark.parametrize(
    "confined",
    [Confinement(), Confinement(module=False, snapperd="bin_t", plugin="bin_t", folder=RUN)],
    ids=["with the module", "snapperd is not confined"],
)
def test_allowed(
    site: PlainMachine,
    confined: Confinement,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert results(site, confined, capsys, monkeypatch) == []


@pytest.mark.parametrize("enforce", ["0", None], ids=["permissive", "off"])
def test_where_nothing_is_denied_nobody_is_asked(
    site: PlainMachine, enforce: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.root / "sys/fs/selinux/enforce"
    path.unlink()
    if enforce is not None:
        path.write_text(enforce)
    assert results(site, Confinement(module=False, plugin="lib_t", folder=RUN), capsys, monkeypatch) == []


def test_what_is_missing_is_told_by_others(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.root / "usr/lib/snapper/plugins/60-tukit-sysext").unlink()
    assert [check for check, _, _ in results(site, Confinement(), capsys, monkeypatch)] == ["snapper-hook"]


def test_what_cannot_be_asked_is_unknown(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.root / "proc/1/attr/current").unlink()
    ((check, text, _),) = results(site, Confinement(), capsys, monkeypatch)
    assert check == "selinux" and "cannot be looked at" in text
