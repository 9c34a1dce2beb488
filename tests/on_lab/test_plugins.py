# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real third-party plugin, installed as its own distribution, and its failing twin (tests/plugins)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, Site
from tests.rpm import TOP
from tests.wheel import unpack_wheel

PYTHON = "/usr/lib/python3/dist-packages"
CONF = "/etc/tukit-sysext/tukit-sysext.conf"
LOG = "/var/log/tukit-sysext-site.log"
TUKIT = "/usr/lib/tukit/plugins/50-tukit-sysext"
FAILING = ("unimportable", "leaving", "future", "unstated", "absent")

REFERENCES = """
from tukit_sysext.errors import PluginFailed
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
machine = Machine()
try:
    for root in Plugins.of(machine).references(machine):
        print(root.image, root.where, sep=": ")
except PluginFailed as error:
    print("unknown:", error)
"""


@pytest.fixture(scope="session")
def plugin_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the packages of both distributions install."""
    tree = tmp_path_factory.mktemp("plugins")
    for name in ("site", "twin"):
        unpack_wheel(TOP / "tests" / "plugins" / name, tree / PYTHON.lstrip("/"))
    return tree


@pytest.fixture
def site(flavour: Flavour, start_lab: StartLab, our_tree: Path, plugin_tree: Path) -> Site:
    """A fresh machine with tukit-sysext and the plugins, none of which is named yet."""
    return Site(lab=start_lab(flavour, install={our_tree: "/", plugin_tree: "/"})).prepare()


def load(site: Site, *names: str) -> None:
    """Name plugins in the configuration."""
    site.write(CONF, f"[Plugins]\nLoad={' '.join(names)}\n")


def noted(site: Site) -> list[Any]:
    """What the plugin of the site wrote down; an event may be told twice."""
    log = site.lab.path(LOG)
    return [json.loads(line) for line in dict.fromkeys(log.read_text().splitlines())] if log.exists() else []


def references(site: Site) -> list[str]:
    """What plugins keep, or that it is not known."""
    return site.lab.run(["python3", "-IB", "-c", REFERENCES]).stdout.splitlines()


def test_a_real_plugin(site: Site) -> None:
    load(site, "site")
    site.write("/etc/tukit-sysext-site/blocked-vendors", "# as of today\nEvil Corp\n")
    site.write("/etc/tukit-sysext-site/keep", "debug-0.9.x86-64.raw\n")
    site.publish("debug", "1.0", {**OLD, "VENDOR_NAME": "Good Corp"})
    site.publish("debug", "1.1", {**OLD, "VENDOR_NAME": "Evil Corp"})
    site.publish("debug", "1.2", {**OLD, "VENDOR_NAME": "Evil Corp"}, manifest=None)
    site.want("debug")

    done = site.lab.tukit("execute", "true", check=True)
    number = site.default()
    assert site.links(number) == {"debug.raw": "debug-1.0.x86-64.raw"}
    assert "debug: 1.0 added, from source main" in done.stdout
    assert site.store() == ["debug-1.0.x86-64.raw"], "what is blocked is not even kept"
    assert [(note["what"], note["snapshot"]) for note in noted(site)] == [("judged", number), ("finalized", number)]
    assert noted(site)[0]["changes"] == ["debug: 1.0 added, from source main"]

    told = site.command("check").stdout
    for version in ("1.1", "1.2"):
        assert f"{version} of source main: does not fit, plugin site: the vendor Evil Corp is blocked" in told
    assert references(site) == ["debug-0.9.x86-64.raw: /etc/tukit-sysext-site/keep (plugin site)"]

    (plugin,) = [found for found in site.json("plugins")["plugins"] if not found["built_in"]]
    assert (plugin["name"], plugin["distribution"], plugin["version"]) == ("site", "tukit-sysext-site", "1.4")
    assert plugin["file"] == f"{PYTHON}/tukit_sysext_site.py"
    assert {"tukit_sysext_check", "tukit_sysext_references", "tukit_sysext_rolled_back"} <= set(plugin["hooks"])
    told = site.command("plugins").stdout
    assert f"site tukit-sysext-site 1.4, {PYTHON}/tukit_sysext_site.py booted, check" in " ".join(told.split())


def test_an_objection_refuses_an_update(site: Site) -> None:
    """The required image that is linked is objected to since, and nothing else fits."""
    site.publish("debug", "1.0", {**OLD, "VENDOR_NAME": "Evil Corp"})
    site.publish("debug", "1.1", {**NEW, "VENDOR_NAME": "Evil Corp"})
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    load(site, "site")
    site.write("/etc/tukit-sysext-site/blocked-vendors", "Evil Corp\n")
    done = site.update()
    assert done.returncode == 75
    assert "plugin site: the vendor Evil Corp is blocked" in done.stderr
    assert site.links() == {"debug.raw": "debug-1.0.x86-64.raw"}
    (judged,) = [note for note in noted(site) if note["what"] == "judged"]
    assert "Evil Corp" in judged["refused"]["debug"]


def test_the_failing_twin_stops_nothing_but_the_references(site: Site) -> None:
    load(site, "raising", "exiting", *FAILING, "site")
    site.write("/etc/tukit-sysext-site/blocked-vendors", "Evil Corp\n")
    site.publish("debug", "1.0", {**OLD, "VENDOR_NAME": "Good Corp"})
    site.publish("debug", "1.1", {**OLD, "VENDOR_NAME": "Evil Corp"})
    site.want("debug")
    done = site.lab.tukit("execute", "true")
    number = site.default()
    assert (done.returncode, site.links(number)) == (0, {"debug.raw": "debug-1.0.x86-64.raw"})
    (line,) = done.stderr.splitlines()
    for name in FAILING:
        assert f"plugin {name} is not loaded" in line
    for hook in ("sources", "check", "transaction_finalizing", "transaction_judged"):
        assert f"plugin raising failed in tukit_sysext_{hook}: RuntimeError: injected by the twin" in line
        assert f"plugin exiting failed in tukit_sysext_{hook}: SystemExit: 75" in line
    assert "this stops no transaction" in line
    assert [note["what"] for note in noted(site)] == ["judged", "finalized"], "the others are told all the same"

    (unknown,) = references(site)
    assert unknown.startswith("unknown: ")
    for name in FAILING:
        assert f"plugin {name} is not loaded" in unknown
    assert "plugin raising failed in tukit_sysext_references" in unknown

    shown = site.command("plugins", check=False)
    assert shown.returncode == 1
    failed = {found["name"]: found["reason"] for found in site.json("plugins")["failed"]}
    assert set(failed) == set(FAILING)
    assert failed["unimportable"] == "ModuleNotFoundError: No module named 'a_library_that_nobody_has'"
    assert failed["leaving"] == "SystemExit: 75"
    assert all(f"{name}: {reason}" in shown.stdout for name, reason in failed.items())


def test_each_that_cannot_be_loaded_makes_the_references_unknown(site: Site) -> None:
    load(site, "site")
    assert references(site) == []
    for name in FAILING:
        load(site, "site", name)
        (unknown,) = references(site)
        assert unknown.startswith("unknown: ") and f"plugin {name} is not loaded" in unknown


def test_what_is_installed_but_not_named_is_never_imported(site: Site) -> None:
    mark = site.lab.path("/var/tmp/imported")
    load(site, "site")
    site.lab.tukit("execute", "true", check=True)
    site.command("plugins")
    assert not mark.exists()
    load(site, "marker")
    site.command("plugins")
    assert mark.exists(), "the mark would have told"


def test_a_source_whose_plugin_fails_refuses_nothing(site: Site) -> None:
    """Its image is the only one for a required name."""
    load(site, "source")
    site.write("/etc/tukit-sysext/sources.d/twin.conf", "[Source]\nVerify=no\n")
    site.want("debug")
    done = site.lab.tukit("execute", "true")
    assert done.returncode == 0
    assert "plugin source failed in a source's fetch: RuntimeError: the twin cannot fetch" in done.stderr
    assert site.links(site.default()) == {}
    site.publish("debug", "1.0", OLD)
    done = site.lab.tukit("execute", "true")
    assert (done.returncode, site.links(site.default())) == (0, {"debug.raw": "debug-1.0.x86-64.raw"})


def test_what_a_plugin_leaves_behind_keeps_nobody_waiting(site: Site) -> None:
    """C12: tukit reads our output to its end, and the boot waits for us."""
    load(site, "behind")
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    hook = [TUKIT, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)]
    for command in (hook, ["tukit-sysext", "verify", "--boot"]):
        entered = site.lab.enter_command(command)
        done = subprocess.run(
            entered, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        if command is hook:
            assert done.stdout == "debug: 1.0 added, from source main\nthe twin leaves a process behind\n"
