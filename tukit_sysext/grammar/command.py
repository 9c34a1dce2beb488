# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a command is to argparse, and the options that several have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tukit_sysext.rules.printable import printable

Example = tuple[str, str]
"""A command line after ``tukit-sysext``, and what it does."""

Argument = Callable[[argparse._ActionsContainer], object]
"""Adds an argument, or an option, to a command or to a group of options."""


_NO_COMMAND = "No command"


class Parser(argparse.ArgumentParser):
    """A command, with its arguments in the order in which help shows them.

    ``add_parser()`` takes ``examples``, which the man page and the tests read, and ``arguments``; ``-v`` and ``-q`` are
    everybody's.
    """

    def __init__(
        self, *, examples: Sequence[Example] = (), arguments: Sequence[Argument] = (), **settings: Any
    ) -> None:
        shown = [f"tukit-sysext {line}" for line, _ in examples]
        width = max(map(len, shown), default=0)
        lines = [f"  {line:{width}}  {what}".rstrip() for line, (_, what) in zip(shown, examples, strict=True)]
        if lines:
            settings["epilog"] = "\n".join(["examples:", *lines])
        super().__init__(formatter_class=_Formatter, **settings)
        self.examples = tuple(examples)
        # before the command or after it: what was said before counts where nothing is said after it
        self.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            default=argparse.SUPPRESS,
            help="tell what is done, and trace a fault of ours",
        )
        self.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            default=argparse.SUPPRESS,
            help="print what was asked for and errors, nothing else",
        )
        for add in arguments:
            add(self)

    def error(self, message: str) -> NoReturn:
        """Wrong usage: 2. Where it is the command that is wrong, its options say nothing."""
        if message == "the following arguments are required: COMMAND":
            message = f"{_NO_COMMAND} was given."
        if not message.startswith(_NO_COMMAND):
            super().error(message)
        self.exit(2, f"tukit-sysext: {message}\n  next step: {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A command that there is not: the one that was likely meant, not the list of all with those for machines."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            import difflib

            shown = [choice.dest for choice in action._choices_actions]
            near = difflib.get_close_matches(value, shown, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise argparse.ArgumentError(None, f'{_NO_COMMAND} "{printable(value)}".{meant}')
        super()._check_value(action, value)


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
    """Wraps descriptions, and leaves the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:\n"):
            return text
        return super()._fill_text(text, width, indent)


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
tree = one_of(
    argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="the tree below this directory; a root that is no snapshot of this machine has its own image store",
    ),
    argument("--snapshot", type=number, metavar="N", help="the tree of this snapshot"),
)
"""Another tree than the running system and what boots next."""
