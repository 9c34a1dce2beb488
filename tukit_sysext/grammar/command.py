# SPDX-License-Identifier: LGPL-2.1-or-later
"""How one command is added, and the options that several have."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

Example = tuple[str, str]
"""A command line after ``tukit-sysext``, and what it does."""


class Parser(argparse.ArgumentParser):
    """A command, with its examples: the man page and the tests read them."""

    examples: tuple[Example, ...] = ()


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]
else:
    Commands = argparse._SubParsersAction  # generic in the stubs alone


def command(commands: Commands, name: str, *, help: str, description: str, examples: Sequence[Example]) -> Parser:
    """Add one command, with ``-v`` and ``-q``."""
    shown = [f"tukit-sysext {line}" for line, _ in examples]
    width = max(map(len, shown), default=0)
    lines = [f"  {line:{width}}  {what}".rstrip() for line, (_, what) in zip(shown, examples, strict=True)]
    made: Parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog="\n".join(["examples:", *lines]) if lines else None,
        formatter_class=_Formatter,
    )
    made.examples = tuple(examples)
    common(made)
    return made


class _Formatter(argparse.HelpFormatter):
    """Wraps descriptions, and leaves the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:\n"):
            return text
        return super()._fill_text(text, width, indent)


def common(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """``-v`` and ``-q``: before the command or after it; without ``defaults`` what was said before counts."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=defaults.get("verbose", argparse.SUPPRESS),
        help="tell what is done, and trace a fault of ours",
    )
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=defaults.get("quiet", argparse.SUPPRESS),
        help="print what was asked for and errors, nothing else",
    )


def json(parser: argparse.ArgumentParser, *, action: bool = False) -> None:
    """``--json``; of an action of a command that has it too: before the action or after it."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if action else False,
        help="print JSON; tukit-sysext-json(5) describes it",
    )


def dry_run(parser: argparse.ArgumentParser) -> None:
    """``--dry-run``."""
    parser.add_argument("-n", "--dry-run", action="store_true", help="only tell what would be done")


def tree(parser: argparse.ArgumentParser) -> None:
    """``--root`` and ``--snapshot``: another tree than the running system and what boots next."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="the tree below this directory; a root that is no snapshot of this machine has its own image store",
    )
    which.add_argument("--snapshot", type=number, metavar="N", help="the tree of this snapshot")


def now(parser: argparse.ArgumentParser) -> None:
    """``--now``."""
    parser.add_argument("--now", action="store_true", help="merge it into the running /usr: systemd-sysext refresh")


def policy(parser: argparse.ArgumentParser) -> None:
    """``--policy`` and its short form."""
    parser.add_argument(
        "--policy", choices=("required", "optional"), default=None, help="policy of the image (default: required)"
    )


def number(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError("expected a whole number from 0")
    return int(text)
