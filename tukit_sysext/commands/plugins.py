# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext plugins``: which plugins are loaded, from where, implementing what; and the hooks that there are."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from typing import Any

from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugin_api import PROJECT
from tukit_sysext.plugins import spec
from tukit_sysext.plugins.manager import Plugins, Registered
from tukit_sysext.plugins.spec import INTERFACE, Specifications
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the plugins, or the hooks. 1 where a named plugin could not be loaded, or it is unknown which are named."""
    output = Output.of(arguments)
    if arguments.hooks:
        output.json({"interface": INTERFACE, "hooks": [_hook(name) for name in _names()]})
        if not output.wants_json:
            print("\n".join(hook_lines()))
        return ExitStatus.DONE
    plugins = Plugins.of(machine)
    output.json(document(plugins))
    output.show(lines(plugins))
    return ExitStatus.FAILED if plugins.failed or plugins.unsure else ExitStatus.DONE


def document(plugins: Plugins) -> dict[str, Any]:
    """The plugins for ``--json``."""
    return {
        "interface": INTERFACE,
        "plugins": [
            {
                "name": plugin.name,
                "built_in": plugin.built_in,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "file": plugin.file,
                "hooks": list(plugin.hooks),
            }
            for plugin in plugins.registered()
        ],
        "failed": [{"name": name, "reason": reason} for name, reason in plugins.failed.items()],
        "unsure": plugins.unsure or None,
    }


def lines(plugins: Plugins) -> Iterator[str | Table]:
    """The plugins as text."""
    yield f"Interface {INTERFACE} (tukit-sysext plugins --hooks explains it)"
    yield ""
    rows = [
        (plugin.name, _origin(plugin), ", ".join(hook.removeprefix(f"{PROJECT}_") for hook in plugin.hooks) or "-")
        for plugin in plugins.registered()
    ]
    yield Table(("Plugin", "From", "Hooks"), rows, wraps=(1, 2))
    if plugins.failed:
        yield ""
        yield "Named in the configuration, but not loaded:"
        yield from (Toned(f"  {name}: {reason}", Tone.BAD) for name, reason in plugins.failed.items())
    if plugins.unsure:
        yield ""
        yield f"There may be more, the configuration has a fault: {plugins.unsure}"
    if plugins.failed or plugins.unsure:
        yield "Until this is corrected nothing is collected: what such a plugin needs of the store is not known."


def _origin(plugin: Registered) -> str:
    if plugin.built_in:
        return "built in"
    return f"{plugin.distribution} {plugin.version}, {plugin.file}"


def _names() -> list[str]:
    return [name for name in vars(Specifications) if name.startswith(f"{PROJECT}_")]


def _hook(name: str) -> dict[str, Any]:
    """What is documented of one hook."""
    specification = getattr(Specifications, name)
    signature = inspect.signature(specification)
    arguments = [item for item in signature.parameters.values() if item.name != "self"]
    return {
        "name": name,
        "arguments": [{"name": item.name, "type": str(item.annotation)} for item in arguments],
        "returns": str(signature.return_annotation),
        "text": inspect.getdoc(specification) or "",
    }


def hook_lines() -> Iterator[str]:
    """The specifications as text: how a plugin is made, then each hook."""
    yield f"Interface {INTERFACE}"
    yield ""
    yield inspect.getdoc(spec) or ""
    yield ""
    yield inspect.getdoc(Specifications) or ""
    for name in _names():
        hook = _hook(name)
        arguments = ", ".join(f"{item['name']}: {item['type']}" for item in hook["arguments"])
        yield ""
        yield f"{name}({arguments}) -> {hook['returns']}"
        yield from (f"    {line}".rstrip() for line in hook["text"].splitlines())
