# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin needs one import of ours: :mod:`tukit_sysext.plugin_api`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rpm import TOP
from tukit_sysext import plugin_api
from tukit_sysext.plugins import spec
from tukit_sysext.plugins.spec import Specifications

PLUGINS = [
    TOP / "tests/plugins/site/tukit_sysext_site.py",
    *sorted((TOP / "tests/plugins/twin/tukit_sysext_twin").glob("[!f]*.py")),
]
"""Plugins as others would write them; failing.py implements whatever hooks there are."""


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Module and name of what is imported from our package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tukit_sysext."):
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "tukit_sysext")


def others(source: str) -> list[tuple[str, str]]:
    """What is imported from elsewhere in our package, or is not meant for plugins."""
    return [
        found for found in imported(source) if found[0] != plugin_api.__name__ or found[1] not in plugin_api.__all__
    ]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.stem)
def test_a_plugin_needs_no_other_import(plugin: Path) -> None:
    assert others(plugin.read_text()) == []


def test_the_check_finds_another_import() -> None:
    assert others("from tukit_sysext.machine import Machine\n") == [("tukit_sysext.machine", "Machine")]
    assert others("import tukit_sysext.machine\n") == [("tukit_sysext.machine", "")]
    assert others("from tukit_sysext.plugin_api import PROJECT\n") != []


def test_the_example_of_the_documentation() -> None:
    (line,) = re.findall(r"from tukit_sysext\.\S+ import .*", spec.__doc__ or "")
    assert list(imported(line)) == [("tukit_sysext.plugin_api", "hookimpl")]


def annotated() -> Iterator[str]:
    """The names in the annotations of all hooks."""
    for hook in vars(Specifications).values():
        if callable(hook):
            for annotation in hook.__annotations__.values():
                yield from re.findall(r"\w+", str(annotation))


def test_whatever_a_hook_takes_and_returns_can_be_imported() -> None:
    standard = {"Iterable", "Mapping", "None", "Sequence", "int", "str"}
    assert set(annotated()) - standard <= set(plugin_api.__all__)
    assert "Transaction" in set(annotated())


@pytest.mark.parametrize("name", plugin_api.__all__)
def test_each_name_is_that_of_its_own_module(name: str) -> None:
    value = getattr(plugin_api, name)
    if inspect.isclass(value):
        assert getattr(sys.modules[value.__module__], name) is value
    assert name in (plugin_api.__doc__ or "")


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Plugins'"):
        _ = plugin_api.Plugins
