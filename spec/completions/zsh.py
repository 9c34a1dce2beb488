# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion for zsh, on its _arguments."""

from __future__ import annotations

from collections.abc import Iterator

from spec.completions.kinds import DIRECTORY, FILE, NOTHING, kind
from spec.man.described import Argument, Command, top

_FRAME = r"""#compdef tukit-sysext
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion for tukit-sysext(8); generated from its grammar

_tukit_sysext_names() {
    local -a found
    found=(${(f)"$(_call_program names tukit-sysext complete $1 2>/dev/null)"})
    found=("${found[@]//:/\\:}")
    found=("${found[@]//$'\t'/:}")
    _describe name found
}

_tukit-sysext() {
    local curcontext="$curcontext" state line
    typeset -A opt_args
@TOP@
}

_tukit-sysext "$@"
"""


_NATIVE = {DIRECTORY: "_directories", FILE: "_files", NOTHING: " "}


def script() -> str:
    """The whole file."""
    return _FRAME.replace("@TOP@", "\n".join(f"    {line}" for line in _parser(top())))


def _parser(command: Command) -> Iterator[str]:
    """The lines for a command, and for its actions below it."""
    shown = [action for action in command.actions if action.help]
    specs = [_option(command, option) for option in command.options]
    if shown:
        specs += ["'1: :->command'", "'*:: :->argument'"]
    for number, argument in enumerate(command.positionals, start=1):
        place = "*" if argument.several else f"{number}" + (":" if argument.optional else "")
        specs.append(_quoted(f"{place}:{_label(argument)}:{_values(command, argument)}"))
    yield f"_arguments{' -C' if shown else ''} \\"
    yield from (f"    {spec} \\" for spec in specs[:-1])
    yield f"    {specs[-1]}"
    if not shown:
        return
    yield "case $state in"
    yield "command)"
    yield "    local -a found"
    yield "    found=("
    yield from (f"        {_quoted(f'{action.words[-1]}:{action.help}')}" for action in shown)
    yield "    )"
    yield "    _describe command found"
    yield "    ;;"
    yield "argument)"
    yield "    case $words[1] in"
    for action in shown:
        yield f"    {action.words[-1]})"
        yield from (f"        {line}" for line in _parser(action))
        yield "        ;;"
    yield "    esac"
    yield "    ;;"
    yield "esac"


def _option(command: Command, option: Argument) -> str:
    rivals = [each for each in command.options if option.group is not None and each.group == option.group]
    excluded = sorted({*option.flags, *(flag for each in rivals for flag in each.flags)})
    text = option.help.replace("[", r"\[").replace("]", r"\]")
    value = f":{_label(option)}:{_values(command, option)}" if option.metavar is not None else ""
    flags = f"{{{','.join(option.flags)}}}" if len(option.flags) > 1 else option.flags[0]
    equals = "=" if option.metavar is not None and len(option.flags) == 1 else ""
    front = "'*'" if option.several else f"'({' '.join(excluded)})'"
    return f"{front}{flags}{equals}{_quoted(f'[{text}]{value}')}"


def _values(command: Command, argument: Argument) -> str:
    if argument.choices:
        return f"({' '.join(argument.choices)})"
    found = kind(command, argument)
    return _NATIVE.get(found, f" _tukit_sysext_names {found}")  # the space: with no options in front


def _label(argument: Argument) -> str:
    return str(argument.metavar).replace(":", r"\:").replace("[", "(").replace("]", ")")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
