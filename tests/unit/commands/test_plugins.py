# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext plugins``: what is loaded, what is not and why, and the specifications of all hooks."""

from __future__ import annotations

import argparse
import inspect
import json

import pytest

from tests.machine import PlainMachine
from tests.trees import make_tree
from tukit_sysext.commands import plugins
from tukit_sysext.plugin_api import PROJECT
from tukit_sysext.plugins.spec import INTERFACE, Specifications

HOOKS = [name for name in vars(Specifications) if name.startswith(f"{PROJECT}_")]


def run(site: PlainMachine, *, hooks: bool = False, as_json: bool = False) -> int:
    return plugins.run(site.machine, argparse.Namespace(hooks=hooks, json=as_json))


def test_every_hook_is_told_with_its_arguments(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(site, hooks=True) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == f"Interface {INTERFACE}"
    assert "tukit_sysext_check(system: Mapping[str, str], image: Mapping[str, str], name: str, version: str, " in told
    assert "stated: Sequence[Requirement], ground: Ground | None) -> " in told
    lines = {line.strip() for line in told.splitlines()}
    for hook in HOOKS:
        assert f"\n{hook}(" in told
        assert set((inspect.getdoc(getattr(Specifications, hook)) or "").splitlines()) <= lines


def test_the_hooks_as_json(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(site, hooks=True, as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["interface"] == INTERFACE
    assert [hook["name"] for hook in document["hooks"]] == HOOKS
    booted = next(hook for hook in document["hooks"] if hook["name"] == "tukit_sysext_booted")
    assert [argument["name"] for argument in booted["arguments"]] == ["machine", "scan", "number"]


def test_the_built_in_ones_alone_are_no_failure(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(site) == 0
    told = capsys.readouterr().out
    assert "tukit_sysext.fetcher" in told and "built in" in told and "transaction_finalizing" in told
    assert "not loaded" not in told


def test_what_is_named_and_cannot_be_loaded(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Plugins]\nLoad=no_such_plugin\n"})
    assert run(site) == 1
    assert "  no_such_plugin: no installed distribution has an entry point" in capsys.readouterr().out
    assert run(site, as_json=True) == 1
    document = json.loads(capsys.readouterr().out)
    (failed,) = document["failed"]
    assert failed["name"] == "no_such_plugin" and "no installed distribution" in failed["reason"]


def test_a_fault_for_which_there_may_be_more(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Plugins]\nLoad=../evil\n"})
    assert run(site) == 1
    assert "/etc/tukit-sysext/tukit-sysext.conf:2: Load=../evil" in capsys.readouterr().out
