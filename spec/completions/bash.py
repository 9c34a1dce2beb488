# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion for bash; needs nothing of the package bash-completion but that it loads the file."""

from __future__ import annotations

from collections.abc import Iterator

from spec.completions.kinds import NOTHING, kind
from spec.man.described import Argument, Command, commands, top

_FRAME = r"""# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for tukit-sysext(8); generated from its grammar

# _tukit_sysext_options COMMAND
_tukit_sysext_options() {
    case $1 in
@OPTIONS@
    esac
}

# _tukit_sysext_value "COMMAND OPTION": what an option wants behind it; fails where it wants nothing
_tukit_sysext_value() {
    case $1 in
@VALUES@
    *) return 1 ;;
    esac
}

# _tukit_sysext_positional COMMAND NUMBER: what the argument of this number (from 1) is
_tukit_sysext_positional() {
    case "$1 $2" in
@POSITIONALS@
    esac
}

# _tukit_sysext_offer KIND: words that begin with $cur
_tukit_sysext_offer() {
    case $1 in
    '') ;;
    DIRECTORY | FILE)
        compopt -o filenames 2>/dev/null
        if [[ $1 == FILE ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        fi
        ;;
    *' '*) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(tukit-sysext complete "$1" 2>/dev/null | cut -f 1)" -- "$cur") ;;
    esac
}

_tukit_sysext() {
    local cur command='' wants='' word number=0 line=${COMP_LINE:0:COMP_POINT}
    local -a words
    # not COMP_WORDS: bash takes NAME=VERSION apart
    read -ra words <<<"$line"
    cur=
    if [[ $line != *[[:space:]] ]]; then
        cur=${words[-1]}
        unset 'words[-1]'
    fi
    for word in "${words[@]:1}"; do
        if [[ $wants ]]; then
            wants=
        elif [[ $word == -* ]]; then
            wants=$(_tukit_sysext_value "$command $word") && wants=${wants:-NOTHING}
        elif [[ ! $command ]]; then
            command=$word
        elif [[ $number == 0 && " @ACTIONS@ " == *" $command/$word "* ]]; then
            command+=/$word
        else
            ((++number))
        fi
    done

    COMPREPLY=()
    if [[ $wants ]]; then
        _tukit_sysext_offer "${wants#NOTHING}"
    elif [[ $cur == --*=* ]] && wants=$(_tukit_sysext_value "$command ${cur%%=*}"); then
        word=${cur%%=*}=
        cur=${cur#*=}
        _tukit_sysext_offer "$wants"
        COMPREPLY=("${COMPREPLY[@]/#/$word}")
        cur=$word$cur
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_tukit_sysext_options "$command")" -- "$cur")
    elif [[ ! $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@' -- "$cur")
    else
        wants=$(_tukit_sysext_positional "$command" $((number + 1)))
        _tukit_sysext_offer "$wants"
    fi
    # what stands in front of the last = is not replaced by bash
    if [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then
        word=${cur%"${cur##*=}"}
        COMPREPLY=("${COMPREPLY[@]#"$word"}")
    fi
}

complete -F _tukit_sysext tukit-sysext
"""


def script() -> str:
    """The whole file."""
    found = {command: "/".join(command.words) for command in commands()}
    text = _FRAME.replace("@OPTIONS@", _cases(_options(found)))
    text = text.replace("@VALUES@", _cases(_values(found)))
    text = text.replace("@POSITIONALS@", _cases(_positionals(found)))
    text = text.replace("@ACTIONS@", " ".join(name for name in found.values() if "/" in name))
    return text.replace("@COMMANDS@", " ".join(name for name in found.values() if "/" not in name))


def _cases(found: Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"    {pattern}) echo '{words}' ;;" for pattern, words in found)


def _flags(command: Command) -> str:
    return " ".join(flag for option in command.options for flag in option.flags)


def _options(found: dict[Command, str]) -> Iterator[tuple[str, str]]:
    yield "''", _flags(top())
    yield from ((name, _flags(command)) for command, name in found.items())


def _values(found: dict[Command, str]) -> Iterator[tuple[str, str]]:
    for command, name in found.items():
        for option in command.options:
            if option.metavar is not None:
                yield " | ".join(f"'{name} {flag}'" for flag in option.flags), _wants(command, option)


def _positionals(found: dict[Command, str]) -> Iterator[tuple[str, str]]:
    for command, name in found.items():
        if command.actions:
            yield f"'{name} 1'", " ".join(action.words[-1] for action in command.actions)
        for number, argument in enumerate(command.positionals, start=1):
            wants = _wants(command, argument)
            if wants != NOTHING:
                yield (f"'{name} '*" if argument.several else f"'{name} {number}'"), wants


def _wants(command: Command, argument: Argument) -> str:
    """A kind, or words with a space between them."""
    if argument.choices:
        return " ".join(argument.choices)
    return kind(command, argument)
