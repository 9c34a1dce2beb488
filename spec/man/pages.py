# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manual pages: the templates beside this file, filled in with what the code knows, made into roff by docutils.

A template is reStructuredText with two more marks, each on a line of its own:

``.. fill:: WHAT [NAME]``
    is replaced by what :data:`FILLINGS` makes
``.. key:: SECTION KEY EXAMPLE``
    a configuration key; its type and default come from the code, what it does is the indented text below
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docutils.core import publish_string

from spec.man import described, hooks, schemas
from spec.man.described import Argument, Command
from tukit_sysext import __version__, grammar
from tukit_sysext.config.key_table import KEYS
from tukit_sysext.exit_status import COMMAND_LINE
from tukit_sysext.metrics.table import METRICS, PREFIX
from tukit_sysext.quantities import span_text
from tukit_sysext.waits import WAITS, worst

FOLDER = Path(__file__).parent

_MARK = re.compile(r"^\.\. (fill|key):: (.+)\n((?:    .+\n)*)", re.M)
_WIDTH = 63
"""What an indented literal block may have, for a page to fit 80 columns."""


def templates() -> dict[str, Path]:
    """Pages by name and section, as ``tukit-sysext.8``."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.rst"))}


def source(page: str) -> str:
    """The reStructuredText of a page, filled in. Raises LookupError for a mark that means nothing."""
    return _MARK.sub(_filled, templates()[page].read_text(encoding="utf-8"))


def roff(page: str) -> bytes:
    """A page as roff. Raises docutils.utils.SystemMessage where its source has a fault."""
    settings: Mapping[str, Any] = {
        "halt_level": 2,
        "report_level": 2,
        "datestamp": None,
        "generator": None,
        "file_insertion_enabled": False,
        "_disable_config": True,
    }
    made: bytes = publish_string(source(page), source_path=page, writer="manpage", settings_overrides=settings)
    return made.replace(b"\n.SH Name\n", b"\n.SH NAME\n")


def write(folder: Path) -> list[Path]:
    """Write all pages into a folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / page for page in templates()]
    for path in written:
        path.write_bytes(roff(path.name))
    return written


def _filled(match: re.Match[str]) -> str:
    mark, text, below = match.groups()
    if mark == "key":
        section, key, *example = text.split(maxsplit=2)
        return f"{_key(section, key)}\n{below}    Example: *{key}={' '.join(example)}*\n"
    what, _, name = text.partition(" ")
    if what not in FILLINGS:
        raise LookupError(f".. fill:: {what}: expected one of {', '.join(FILLINGS)}")
    return f"{FILLINGS[what](name)}\n{below}"


def _key(section: str, name: str) -> str:
    found = next((key for key in KEYS if (key.section, key.name) == (section, name)), None)
    if found is None:
        raise LookupError(f".. key:: {section} {name}: no such key in tukit_sysext/config/key_table.py")
    told = [found.value, f"default: {found.default}" if found.default else "not set by default"]
    told += ["several"] if found.several else []
    return f"**{name}=** ({'; '.join(told)})"


def _commands(part: str) -> str:
    found = next(each for each in grammar.PARTS if each.__name__.rpartition(".")[2] == f"{part}_commands")
    return "\n".join(_command(command) for command in described.of_part(found))


def _command(command: Command) -> str:
    own = [option for option in command.options if not _shared(option)]
    lines = [_synopsis(command), f"    {_description(command)}", ""]
    for argument in (*command.positionals, *own):
        # what one value is called says enough where the description does
        if argument.flags:
            lines += [f"    {_term(argument)}", f"        {_sentence(argument.help)}", ""]
    if command.instead:
        lines += [f"    Another question: {'; '.join(f'**{name}** ({what})' for name, what in command.instead)}.", ""]
    lines += ["    ::", "", *(f"        {line}".rstrip() for line in _examples(command))]
    return "\n".join([*lines, ""])


def _examples(command: Command) -> Iterator[str]:
    """Command lines with what they do beside them, or above them where that is too wide."""
    shown = [(f"tukit-sysext {line}", what) for line, what in command.examples]
    width = max((len(line) for line, what in shown if what), default=0)
    for line, what in shown:
        if len(line) > _WIDTH:
            # an option stays with what is behind it
            whole = re.sub(r"(--\w+) (?=[^-])", "\\1\0", line)
            parts = textwrap.wrap(whole, _WIDTH - 2, break_on_hyphens=False, subsequent_indent="    ")
            line = " \\\n        ".join(parts).replace("\0", " ")
        if what and width + 2 + max(len(what) for _, what in shown) > _WIDTH:
            yield f"# {what}"
            yield line
        else:
            yield f"{line:{width if what else 0}}  {what}".rstrip()


def _description(command: Command) -> str:
    return command.description.replace(grammar.change_commands.BOTH, "").replace("  ", " ").strip()


def _synopsis(command: Command) -> str:
    told = [f"**{' '.join(command.words)}**"]
    done: set[int] = set()
    for option in command.options:
        if {"--help", "--verbose", "--quiet"} & set(option.flags) or option.group in done:
            continue
        same = [each for each in command.options if each is option or (option.group, each.group) == (each.group,) * 2]
        same = same if option.group is not None else [option]
        done |= {option.group} if option.group is not None else set()
        told.append(f"[{' | '.join(_flag(each) for each in same)}]" + ("..." if option.several else ""))
    told += [f"[{_word(each)}]" if each.optional else _word(each) for each in command.positionals]
    if command.actions:
        told.append(f"[{' | '.join(action.words[-1] for action in command.actions)}]")
    return " ".join(told)


def _flag(option: Argument) -> str:
    return f"{option.flags[-1]} *{option.metavar}*" if option.metavar is not None else option.flags[-1]


def _word(argument: Argument) -> str:
    return f"*{argument.metavar}*" + ("..." if argument.several else "")


def _term(argument: Argument) -> str:
    value = f" *{argument.metavar}*" if argument.metavar is not None else ""
    return ", ".join(f"**{flag}**" for flag in argument.flags) + value


def _sentence(text: str) -> str:
    """A help text, which begins small and ends without a full stop, as a sentence."""
    text = text.replace("*", "\\*")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _shared(option: Argument) -> bool:
    return any((option.flags, option.help) == (each.flags, each.help) for each in described.shared_options())


def _options(_: str) -> str:
    found = [*described.shared_options()]
    found += [option for option in described.top().options if "--version" in option.flags]
    return _terms((_term(option), _sentence(option.help)) for option in found)


def _exit_status(_: str) -> str:
    return _terms((str(int(status)), status.meaning) for status in COMMAND_LINE)


def _example(name: str) -> str:
    """A file of the examples, less its comments; what stands behind its name is shown above it as a comment."""
    file, _, where = name.partition(" ")
    lines = (FOLDER.parent / "examples" / file).read_text(encoding="utf-8").splitlines()
    shown = [line for line in lines if line[:1] != "#" or line.startswith(("#!", "# combustion:"))]
    return "::\n\n" + "\n".join(f"    {line}".rstrip() for line in [*([f"# {where}"] if where else []), *shown])


def _metrics(_: str) -> str:
    return _terms(
        (f"*{PREFIX}{name}*" + (f" ({', '.join(kind.labels)})" if kind.labels else ""), kind.text)
        for name, kind in METRICS.items()
    )


def _waits() -> str:
    """The table of waits, and the worst of all of them together."""
    return _terms(
        (
            f"{wait.what[:1].upper()}{wait.what[1:]}",
            f"{span_text(wait.seconds)}{f' ({wait.setting})' if wait.setting else ''}, "
            f"{f'{wait.times} times' if wait.times > 1 else 'once'} for each {wait.per}. Then: {wait.expiry}.",
        )
        for wait in WAITS
    ) + (
        f"\n\nIf everything that can be waited for never came, a transaction with one source and one image would last "
        f"{span_text(worst())} by these defaults, and none of it without an end.\n"
    )


def _terms(found: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{term}\n    {text}" for term, text in found)


FILLINGS: Mapping[str, Callable[[str], str]] = {
    "commands": _commands,
    "example": _example,
    "exit-status": _exit_status,
    "hook-arguments": lambda _: hooks.arguments(),
    "hook-introduction": lambda _: hooks.introduction(),
    "hooks": lambda _: "\n".join(hooks.hooks()),
    "metrics": _metrics,
    "interface": lambda _: f"Version {hooks.interface()} of the interface.",
    "options": _options,
    "schemas": lambda _: "\n".join(schemas.shown()),
    "waits": lambda _: _waits(),
    "version": lambda _: f":Version: {__version__}",
}
