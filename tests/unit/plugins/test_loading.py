# SPDX-License-Identifier: LGPL-2.1-or-later
"""Third-party plugins: found by entry point, loaded only when named, and what cannot be loaded stops nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tests.trees import Link, make_tree
from tukit_sysext.errors import PluginFailed
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.plugins.spec import INTERFACE

CONF = "etc/tukit-sysext/tukit-sysext.conf"
HEAD = 'from tukit_sysext.plugin_api import Root, hookimpl\ntukit_sysext_interface = ">=1,<2"\n'
KEEPS = """
@hookimpl
def tukit_sysext_references(machine):
    return [Root(image="kept.raw", where="")]
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that installs a distribution with one module of the same name."""
    before = set(sys.modules)

    def made(name: str, text: str, *, module: str = "", point: str = "") -> Path:
        folder = tmp_path / "site" / (module or name)
        module = module or f"plugin_of_tests_{name}"
        make_tree(
            folder,
            {
                f"{module}.py": text,
                f"{module}-1.2.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n",
                f"{module}-1.2.dist-info/entry_points.txt": f"[tukit_sysext]\n{name} = {point or module}\n",
            },
        )
        monkeypatch.syspath_prepend(str(folder))
        return folder / f"{module}.py"

    yield made
    for name in set(sys.modules) - before:
        if name.startswith("plugin_of_tests_"):
            del sys.modules[name]


def test_a_named_plugin_is_loaded_and_told_where_from(install: Install, site: PlainMachine) -> None:
    file = install("keep", HEAD + KEEPS)
    plugins = Plugins(["keep"])
    assert [(root.image, root.where) for root in plugins.references(site.machine)] == [("kept.raw", "plugin keep")]
    mine = plugins.registered()[-1]
    assert (mine.name, mine.built_in, mine.hooks) == ("keep", False, ("tukit_sysext_references",))
    assert (mine.distribution, mine.version, mine.file) == ("plugin_of_tests_keep", "1.2", str(file))
    assert all(plugin.built_in for plugin in plugins.registered()[:-1])
    assert dict(plugins.failed) == {}


def test_an_installed_plugin_that_is_not_named_is_never_imported(install: Install, site: PlainMachine) -> None:
    install("keep", f"{HEAD}raise SystemExit('imported')\n")
    install("other", HEAD + KEEPS)
    plugins = Plugins(["other"])
    assert "plugin_of_tests_keep" not in sys.modules
    assert [plugin.name for plugin in plugins.registered() if not plugin.built_in] == ["other"]


@pytest.mark.parametrize("point", [":plugin", ":Plugin"])
@pytest.mark.parametrize("stated_in", ["module", "object"])
def test_an_object_or_a_class_is_a_plugin(install: Install, site: PlainMachine, point: str, stated_in: str) -> None:
    line = 'tukit_sysext_interface = ">=1,<2"'
    head = "from tukit_sysext.plugin_api import Root, hookimpl\n"
    text = f"""{head}{line if stated_in == "module" else ""}
class Plugin:
    {line if stated_in == "object" else ""}
    def __init__(self):
        self.name = "kept.raw"
    @hookimpl
    def tukit_sysext_references(self, machine):
        return [Root(image=self.name, where="")]
plugin = Plugin()
"""
    install("keep", text, point=f"plugin_of_tests_keep{point}")
    assert [root.image for root in Plugins(["keep"]).references(site.machine)] == ["kept.raw"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise SystemExit(75)", "SystemExit: 75"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("def (", "SyntaxError"),
        ("", "does not state tukit_sysext_interface"),
        ("tukit_sysext_interface = '1.0'", "expected a PEP 440 specifier"),
        ("tukit_sysext_interface = ''", "expected a PEP 440 specifier"),
        ("tukit_sysext_interface = 1", "expected a PEP 440 specifier"),
        ("tukit_sysext_interface = '>=2'", f"written for the interface >=2, this is {INTERFACE}"),
        ("tukit_sysext_interface = '<1'", f"written for the interface <1, this is {INTERFACE}"),
        (f"{HEAD}@hookimpl\ndef tukit_sysext_unheard_of(): ...\n", "tukit_sysext_unheard_of"),
        (f"{HEAD}@hookimpl\ndef tukit_sysext_booted(machine, colour): ...\n", "colour"),
        (f"{HEAD}@hookimpl(hookwrapper=True)\ndef tukit_sysext_booted(): yield\n", "found a hook wrapper"),
        (f"{HEAD}class Lazy:\n  def __getattr__(self, name): raise SystemExit(name)\nlazy = Lazy()\n", "SystemExit"),
    ],
)
def test_what_cannot_be_loaded_is_told_and_keeps_no_other_away(
    install: Install, site: PlainMachine, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    install("bad", text, point="plugin_of_tests_bad:lazy" if "lazy" in text else "")
    install("keep", HEAD + KEEPS)
    with caplog.at_level(logging.ERROR):
        plugins = Plugins(["bad", "keep"])
    assert list(plugins.failed) == ["bad"]
    assert reason in plugins.failed["bad"]
    (record,) = caplog.records
    assert record.getMessage() == f"plugin bad is not loaded: {plugins.failed['bad']}"
    assert [plugin.name for plugin in plugins.registered() if not plugin.built_in] == ["keep"]
    with pytest.raises(PluginFailed, match="plugin bad is not loaded") as caught:
        plugins.references(site.machine)
    assert caught.value.next_step


def test_a_plugin_that_hangs_while_it_is_imported(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukit_sysext.plugins.manager.LIMIT", 0.1)
    install("bad", f"{HEAD}import signal\nwhile True: signal.pause()\n")
    assert Plugins(["bad"]).failed["bad"] == "TimeUp: it lasted longer than 0.1 seconds"


def test_a_later_interface_is_no_matter_where_the_hook_is_optional(install: Install) -> None:
    install("new", f"{HEAD}@hookimpl(optionalhook=True)\ndef tukit_sysext_unheard_of(): ...\n")
    assert dict(Plugins(["new"]).failed) == {}


@pytest.mark.parametrize("name", ["absent", "tukit_sysext.fetcher", "tukit_sysext.booted"])
def test_a_name_that_nobody_has(site: PlainMachine, name: str) -> None:
    plugins = Plugins([name])
    assert "no installed distribution has an entry point" in plugins.failed[name]


def test_a_name_that_two_distributions_have(install: Install) -> None:
    install("keep", HEAD + KEEPS)
    install("keep", HEAD + KEEPS, module="plugin_of_tests_twin")
    reason = Plugins(["keep"]).failed["keep"]
    assert "plugin_of_tests_keep, plugin_of_tests_twin" in reason
    assert not {"plugin_of_tests_keep", "plugin_of_tests_twin"} & set(sys.modules)


def test_a_plugin_with_the_name_of_a_built_in_one(install: Install) -> None:
    install("tukit_sysext.fetcher", HEAD + KEEPS, module="plugin_of_tests_thief")
    plugins = Plugins(["tukit_sysext.fetcher"])
    assert list(plugins.failed) == ["tukit_sysext.fetcher"]
    assert [plugin.name for plugin in plugins.registered()].count("tukit_sysext.fetcher") == 1


def test_the_running_systems_configuration_names_them(install: Install, site: PlainMachine) -> None:
    install("keep", HEAD + KEEPS)
    assert [plugin for plugin in Plugins.of(site.machine).registered() if not plugin.built_in] == []
    make_tree(site.root, {CONF: "[Plugins]\nLoad=keep keep\n"})
    (mine,) = [plugin for plugin in Plugins.of(site.machine).registered() if not plugin.built_in]
    assert mine.name == "keep"


@pytest.mark.parametrize(
    "text",
    [
        "[Plugins]\nLoad=keep\nLoad=../evil\n",
        "[Plugins]\nLoad=keep\nthis is no assignment\n",
        "[Plugins]\nLoad=keep -x\n",
    ],
)
def test_a_fault_in_the_configuration_stops_the_references_alone(
    install: Install, site: PlainMachine, text: str
) -> None:
    """What was named may have been lost with it."""
    install("keep", HEAD + KEEPS)
    make_tree(site.root, {CONF: text})
    plugins = Plugins.of(site.machine)
    assert [plugin.name for plugin in plugins.registered() if not plugin.built_in] == ["keep"]
    assert CONF in plugins.unsure
    with pytest.raises(PluginFailed, match="which plugins are named is not known"):
        plugins.references(site.machine)


def test_a_configuration_that_cannot_be_read_stops_the_references_alone(site: PlainMachine) -> None:
    make_tree(site.root, {CONF: Link("/nowhere")})
    plugins = Plugins.of(site.machine)
    assert plugins.sources is not None
    with pytest.raises(PluginFailed):
        plugins.references(site.machine)


def test_a_fault_elsewhere_in_the_configuration_is_no_matter(site: PlainMachine) -> None:
    make_tree(site.root, {CONF: "[Update]\nRefuseFor=soon\nUnheard=of\n"})
    assert Plugins.of(site.machine).references(site.machine) == []


def test_no_plugin_costs_no_import(site: PlainMachine) -> None:
    """The hook runs in every transaction: what only third-party plugins need is not imported without one."""
    code = (
        "import sys; from pathlib import Path; from tukit_sysext.machine import Machine;"
        "from tukit_sysext.layout import Layout; from tukit_sysext.plugins.manager import Plugins;"
        "Plugins.of(Machine(layout=Layout(root=Path(sys.argv[1]))));"
        "print([name for name in ('importlib.metadata', 'packaging') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(site.root)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
