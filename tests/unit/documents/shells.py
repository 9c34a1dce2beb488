# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bash, zsh and fish offer for a line that somebody typed: the shells themselves are asked."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from spec.completions import bash, fish, zsh

_BASH = r"""
source "$SCRIPTS/tukit-sysext"
COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
_tukit_sysext
printf '%s\n' "${COMPREPLY[@]}"
"""

# A terminal of its own, in which Tab is pressed. What the completion adds is written down in place of being shown.
_ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'source $SCRIPTS/setup.zsh'
zpty -w shell "$LINE"$'\t'
while zpty -r shell ignored; do :; done
"""
_ZSH_SETUP = r"""
fpath=($SCRIPTS $fpath)
autoload -U compinit
compinit -u -D
compadd() {
    # with these the caller asks for matches, it does not add any
    [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd "$@"; return }
    typeset -a hits
    builtin compadd -A hits "$@"
    print -rl -- $hits >>$SCRIPTS/hits
    builtin compadd "$@"
}
bindkey '^I' complete-word
comppostfuncs=(exit)
"""


def of_bash(scripts: Path, line: str) -> list[str]:
    """Words of bash."""
    (scripts / "tukit-sysext").write_text(bash.script())
    return _run(["bash", "--norc", "-c", _BASH], scripts, line).split("\n")


def of_zsh(scripts: Path, line: str) -> list[str]:
    """Words of zsh."""
    (scripts / "_tukit-sysext").write_text(zsh.script())
    (scripts / "setup.zsh").write_text(_ZSH_SETUP)
    hits = scripts / "hits"
    hits.write_text("")
    _run(["zsh", "-f", "-c", _ZSH], scripts, line)
    return hits.read_text().split("\n")


def of_fish(scripts: Path, line: str) -> list[str]:
    """Words of fish, less what they are."""
    script = scripts / "tukit-sysext.fish"
    script.write_text(fish.script())
    told = _run(["fish", "--no-config", "-c", f"source {shlex.quote(str(script))}; complete -C $LINE"], scripts, line)
    return [word.split("\t")[0] for word in told.split("\n")]


_SHELLS: Mapping[str, Callable[[Path, str], list[str]]] = {"bash": of_bash, "zsh": of_zsh, "fish": of_fish}
SHELLS = [pytest.param(shell, marks=pytest.mark.tool(shell)) for shell in _SHELLS]


def offered(shell: str, folder: Path, line: str, names: Mapping[str, str]) -> list[str]:
    """What a shell offers at the end of ``line``, where the helper knows these names (lines by kind)."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for kind, text in names.items():
        (programs / kind).write_text(text)
    helper = programs / "tukit-sysext"
    helper.write_text(f'#!/bin/sh\n[ "$1" = complete ] && cat {shlex.quote(str(programs))}/"$2"\n')
    helper.chmod(0o755)
    found = {word.rstrip() for word in _SHELLS[shell](folder, line) if word}
    # zsh offers options where there is nothing else
    return sorted(word for word in found if line.split(" ")[-1] or not word.startswith("-"))


def _run(argv: list[str], scripts: Path, line: str) -> str:
    environment = {
        "PATH": f"{scripts}/programs:{os.environ['PATH']}",
        "HOME": str(scripts),
        "LINE": line,
        "SCRIPTS": str(scripts),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        argv,
        env=environment,
        cwd=scripts,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
