# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a command is to argparse, and the options that several have."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tukit_sysext.rules.printable import printable

Example = tuple[str, str]
"""A command line after ``tukit-sysext``, and what it does."""

Argument = Callable[[argparse._ActionsContainer], object]
"""Adds an argument, or an option, to a command or to a group of options."""


_COLUMNS = 80
"""Where there is no terminal."""

_NO_COMMAND = "No command"
_INSTEAD = "for another question:"


class Parser(argparse.ArgumentParser):
    """A command, with its arguments in the order in which help shows them.

    ``add_parser()`` takes ``examples`` and what to use ``instead``, which the man page and the tests read,
    ``arguments``, and in one line what it ``answers``; ``-v`` and ``-q`` are everybody's. ``parts`` are headings with
    the names of the commands below them, ``often`` are commands for who gives none.
    """

    def __init__(
        self,
        *,
        examples: Sequence[Example] = (),
        answers: str = "",
        instead: Sequence[tuple[str, str]] = (),
        arguments: Sequence[Argument] = (),
        parts: Sequence[tuple[str, Sequence[str]]] = (),
        often: Sequence[tuple[str, str]] = (),
        **settings: Any,
    ) -> None:
        shown = [(f"tukit-sysext {line}", what) for line, what in examples]
        blocks = [block("examples:", shown), block(_INSTEAD, instead)]
        if any(blocks):
            settings["epilog"] = "\n\n".join(filter(None, blocks))
        super().__init__(formatter_class=_Formatter, **settings)
        self.examples = tuple(examples)
        self.instead = tuple(instead)
        self._answers = answers
        self._parts = parts
        self._often = often
        # before the command or after it: what was said before counts where nothing is said after it
        self.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            default=argparse.SUPPRESS,
            help="say on standard error what is done, and trace internal faults",
        )
        self.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            default=argparse.SUPPRESS,
            help="print answers (of a dry run too), warnings and errors alone, nothing about what is changed",
        )
        for add in arguments:
            add(self)

    def format_help(self) -> str:
        """Help; that of all commands has them below their headings, as the man page does."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self._answers)
        formatter.add_text(self.description)
        for heading, actions in self._sections():
            formatter.start_section(heading)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _sections(self) -> Iterator[tuple[str | None, list[argparse.Action]]]:
        if not self._parts:
            yield from ((group.title, group._group_actions) for group in self._action_groups)
            return
        (commands,) = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        for heading, names in self._parts:
            yield heading, [choice for choice in commands._choices_actions if choice.dest in names]
        yield "Options", [action for action in self._actions if action is not commands]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See ArgumentParser; what a command does not know is its own error, with its usage, not that of all."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown and not self._parts:
            self.error(f"unrecognized arguments: {' '.join(map(printable, unknown))}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Wrong usage: 2. Where it is the command that is wrong, its options say nothing."""
        if message == "the following arguments are required: COMMAND":
            message = block(f"{_NO_COMMAND} was given. Often used:", self._often)
        if not message.startswith(_NO_COMMAND):
            super().error(message)
        self.exit(2, f"tukit-sysext: {message}\n  next step:\n    {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A command that there is not: the one that was likely meant, not the list of all with those for machines."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            import difflib

            shown = [choice.dest for choice in action._choices_actions]
            near = difflib.get_close_matches(value, shown, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise argparse.ArgumentError(None, f'{_NO_COMMAND} "{printable(value)}".{meant}')
        super()._check_value(action, value)


def block(heading: str, lines: Sequence[Example]) -> str:
    """Commands with what they do beside them; empty where there are none."""
    width = max((len(line) for line, _ in lines), default=0)
    return "\n".join([heading, *(f"  {line:{width}}  {what}".rstrip() for line, what in lines)]) if lines else ""


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]
else:
    Commands = argparse._SubParsersAction  # generic in the stubs alone


def argument(*names: str, **settings: Any) -> Argument:
    """An argument, as ``add_argument()`` of argparse takes it."""
    return lambda parser: parser.add_argument(*names, **settings)


def one_of(*options: Argument) -> Argument:
    """Options that exclude each other."""

    def add(parser: argparse._ActionsContainer) -> None:
        group = parser.add_mutually_exclusive_group()
        for option in options:
            option(group)

    return add


class _Formatter(argparse.HelpFormatter):
    """Wraps texts at blanks alone, so that options and paths can be copied, and leaves command lines as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:  # of block()
            return text
        return "\n".join(f"{indent}{line}" for line in self._split_lines(text, width - len(indent)))

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap  # as argparse does: most runs wrap nothing

        return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    """As shutil.get_terminal_size(), which is 2 ms to import: argparse makes a formatter for each argument."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size().columns or _COLUMNS
    except OSError:
        return _COLUMNS


def number(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError("expected a whole number from 0")
    return int(text)


def changes(parser: argparse._ActionsContainer) -> None:
    """Mark a command that may change what the metrics tell: they are written after it."""
    parser.set_defaults(changes=True)


def dry_run(parser: argparse._ActionsContainer) -> None:
    """Add ``--dry-run``, which every command has by which a person changes something."""
    changes(parser)
    parser.add_argument("-n", "--dry-run", action="store_true", help="only tell what would be done")


json = argument("--json", action="store_true", help="print JSON; tukit-sysext-json(5) describes it")
json_of_action = argument(
    "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON; tukit-sysext-json(5) describes it"
)
"""Of an action of a command that has it too: before the action or after it."""
now = argument("--now", action="store_true", help="merge it into the running /usr, as systemd-sysext.service does")
policy = argument(
    "--policy", choices=("required", "optional"), default=None, help="policy of the image (default: required)"
)
TREES = (
    argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="the tree below this directory; a root that is no snapshot of this machine has its own image store",
    ),
    argument("--snapshot", type=number, metavar="N", help="the tree of this snapshot"),
)
tree = one_of(*TREES)
"""Another tree than the running system and what boots next."""
