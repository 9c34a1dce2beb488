# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hook specifications as reStructuredText, from the docstrings of :mod:`tukit_sysext.plugins.spec`.

They are parsed, not imported: the build of the package needs none of what the package needs.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from tukit_sysext import layout

_WIDTH = 70
_FILE = Path(layout.__file__).parent / "plugins" / "spec.py"


def introduction() -> str:
    """How a plugin is made."""
    return as_rst(ast.get_docstring(_module()) or "")


def arguments() -> str:
    """What the arguments of all hooks are."""
    return as_rst(ast.get_docstring(_specifications()) or "")


def names() -> tuple[str, ...]:
    """The names of all hooks, in the order of the file."""
    return tuple(hook.name for hook in _hooks())


def hooks() -> Iterator[str]:
    """Each hook: a heading, its signature, and what is said of it."""
    for hook in _hooks():
        found = [f"{each.arg}: {ast.unparse(each.annotation)}" for each in hook.args.args if each.annotation]
        returns = ast.unparse(hook.returns) if hook.returns is not None else "None"
        yield f"{hook.name}\n{'-' * len(hook.name)}\n"
        call = f"    {hook.name}({', '.join(found)})"
        if len(call) > _WIDTH:
            call = f"    {hook.name}(\n        {',{n}        '.join(found)})".replace("{n}", "\n")
        yield "::\n"
        yield f"{call}\n        -> {returns}\n"
        yield f"{as_rst(ast.get_docstring(hook) or '')}\n"


def interface() -> str:
    """The version of the interface."""
    for node in _module().body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INTERFACE":
            return str(ast.literal_eval(node.value))
    raise LookupError(f"{_FILE}: no INTERFACE")


def as_rst(text: str) -> str:
    """A docstring as people read it, with the marks of reStructuredText: ``::``, and blank lines around lists."""
    lines: list[str] = []
    listed = False
    for line in inspect.cleandoc(text).splitlines():
        bullet = line.startswith("* ")
        if bullet and not listed:
            lines.append("")
        elif listed and line and not bullet and not line.startswith("  "):
            lines.append("")
            listed = False
        listed = listed or bullet
        if line.startswith("    ") and len(lines) > 1 and not lines[-1] and lines[-2].endswith(":"):
            lines[-2] += ":" if not lines[-2].endswith("::") else ""
        lines.append(line)
    return "\n".join(lines)


def _module() -> ast.Module:
    return ast.parse(_FILE.read_text(encoding="utf-8"))


def _specifications() -> ast.ClassDef:
    for node in _module().body:
        if isinstance(node, ast.ClassDef) and node.name == "Specifications":
            return node
    raise LookupError(f"{_FILE}: no class Specifications")


def _hooks() -> list[ast.FunctionDef]:
    return [node for node in _specifications().body if isinstance(node, ast.FunctionDef)]
