# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion for fish."""

from __future__ import annotations

from collections.abc import Iterator

from spec.completions.kinds import DIRECTORY, FILE, NOTHING, kind
from spec.man.described import Argument, Command, commands, top

_FRAME = r"""# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for tukit-sysext(8); generated from its grammar

# The command on the line, as far as there is one: "list", "sources add"
function __tukit_sysext_command
    set -l words (commandline -opc)
    set -l found
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            set -a found $word
        end
    end
    if contains -- "$found[1] $found[2]" @ACTIONS@
        echo "$found[1] $found[2]"
    else if set -q found[1]
        echo $found[1]
    end
end

function __tukit_sysext_is
    test (__tukit_sysext_command | string collect; or echo) = "$argv"
end

function __tukit_sysext_names
    tukit-sysext complete $argv 2>/dev/null
end

complete -c tukit-sysext -f
"""


def script() -> str:
    """The whole file."""
    found = commands()
    actions = " ".join(_quoted(" ".join(command.words)) for command in found if len(command.words) > 1)
    return _FRAME.replace("@ACTIONS@", actions) + "\n".join((*_lines(top()), *(_all(found)))) + "\n"


def _all(found: tuple[Command, ...]) -> Iterator[str]:
    for command in found:
        yield from _lines(command)


def _lines(command: Command) -> Iterator[str]:
    condition = " ".join(("__tukit_sysext_is", *command.words))
    base = f"complete -c tukit-sysext -n {_quoted(condition)}"
    for action in command.actions:
        if action.help:
            yield f"{base} -a {action.words[-1]} -d {_quoted(action.help)}"
    for option in command.options:
        flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
        yield f"{base} {flags}{_value(command, option)} -d {_quoted(option.help)}"
    for argument in command.positionals:
        wants = _wants(command, argument)
        if wants:
            yield f"{base} {wants}"


def _value(command: Command, option: Argument) -> str:
    if option.metavar is None:
        return ""
    wants = _wants(command, option)
    return f" -r {wants}" if wants == "-F" else f" -x {wants}".rstrip()


def _wants(command: Command, argument: Argument) -> str:
    if argument.choices:
        return f"-a {_quoted(' '.join(argument.choices))}"
    found = kind(command, argument)
    if found == DIRECTORY:
        return "-a '(__fish_complete_directories)'"
    if found == FILE:
        return "-F"
    return f"-a {_quoted(f'(__tukit_sysext_names {found})')}" if found != NOTHING else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
