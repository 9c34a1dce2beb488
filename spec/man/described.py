# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands as plain values, read from the grammar: what pages and completions are made from."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from tukit_sysext import grammar
from tukit_sysext.grammar.command import Example, Parser


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    """An option, or a positional argument (it has no flags).

    ``metavar`` is None where it takes no value, ``choices`` are its only values where there are any, ``several`` tells
    that it may be given more than once, ``optional`` that it may be left out. Options of the same ``group`` (not None)
    exclude each other.
    """

    dest: str
    flags: tuple[str, ...]
    metavar: str | None
    choices: tuple[str, ...]
    help: str
    several: bool
    optional: bool
    group: int | None

    @property
    def usage(self) -> str:
        """How it stands in a synopsis, without brackets."""
        if not self.flags:
            return f"{self.metavar}..." if self.several else str(self.metavar)
        value = f" {self.metavar}" if self.metavar is not None else ""
        return f"{self.flags[-1]}{value}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command; ``words`` are those behind ``tukit-sysext``. A hidden one has no ``help``.

    ``instead`` are commands that people mix it up with, each with what it tells or does.
    """

    words: tuple[str, ...]
    help: str
    description: str
    examples: tuple[Example, ...]
    arguments: tuple[Argument, ...]
    actions: tuple[Command, ...] = ()
    instead: tuple[tuple[str, str], ...] = ()

    @property
    def options(self) -> tuple[Argument, ...]:
        """Arguments with flags."""
        return tuple(argument for argument in self.arguments if argument.flags)

    @property
    def positionals(self) -> tuple[Argument, ...]:
        """Arguments without."""
        return tuple(argument for argument in self.arguments if not argument.flags)

    @property
    def json(self) -> bool:
        """Whether it has ``--json``."""
        return any("--json" in argument.flags for argument in self.arguments)


def top() -> Command:
    """The program itself; its ``actions`` are all commands, hidden ones too."""
    return _command(grammar.parser(), (), grammar.DESCRIPTION)


def commands() -> tuple[Command, ...]:
    """All commands that are shown, and their actions behind them."""
    return tuple(_with_actions(top().actions))


def of_part(part: ModuleType) -> tuple[Command, ...]:
    """The commands of one module of the grammar."""
    made = Parser(prog="tukit-sysext")
    part.add(made.add_subparsers(dest="command"))
    return tuple(_with_actions(_command(made, (), "").actions))


def shared_options() -> tuple[Argument, ...]:
    """Options that several commands have in the same words: told once, not with each command."""
    shown = [command for command in commands() if len(command.words) == 1]
    counted = Counter((option.flags, option.help) for command in shown for option in command.options)
    shared = {key for key, count in counted.items() if count > 2}
    found: dict[tuple[tuple[str, ...], str], Argument] = {}
    for command in shown:
        for option in command.options:
            if (option.flags, option.help) in shared:
                found.setdefault((option.flags, option.help), option)
    return tuple(found.values())


def _with_actions(found: tuple[Command, ...]) -> Iterator[Command]:
    for command in found:
        if command.help:
            yield command
            yield from _with_actions(command.actions)


def _command(parser: argparse.ArgumentParser, words: tuple[str, ...], help: str) -> Command:
    groups = {
        id(action): number
        for number, group in enumerate(parser._mutually_exclusive_groups)
        for action in group._group_actions
    }
    arguments: list[Argument] = []
    actions: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            actions += [_command(made, (*words, name), told.get(name, "")) for name, made in action.choices.items()]
        else:
            arguments.append(_argument(action, groups.get(id(action))))
    return Command(
        words=words,
        help=help,
        description=parser.description or "",
        examples=parser.examples if isinstance(parser, Parser) else (),
        arguments=tuple(arguments),
        actions=tuple(actions),
        instead=parser.instead if isinstance(parser, Parser) else (),
    )


def _argument(action: argparse.Action, group: int | None) -> Argument:
    flags = tuple(action.option_strings)
    takes_value = action.nargs != 0
    choices = tuple(map(str, action.choices)) if action.choices is not None else ()
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if metavar is None:
        metavar = "|".join(choices) or action.dest.upper()
    several = action.nargs in ("*", "+") or isinstance(action, argparse._AppendAction)
    return Argument(
        dest=action.dest,
        flags=flags,
        metavar=metavar if takes_value else None,
        choices=choices,
        help=(action.help or "") % vars(action) if "%(" in (action.help or "") else action.help or "",
        several=several,
        optional=bool(flags) or action.nargs in ("*", "?"),
        group=group,
    )
