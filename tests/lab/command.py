# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command `tests/lab/lab`: labs that outlive the process that starts them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.machine import ENVIRONMENT, Flavour, Lab

STATE = Path("/run/tukit-sysext-lab")
"""One JSON file for each lab that people started."""


def _birth(pid: int) -> str:
    """When a process was started, in clock ticks since the boot; with the pid it identifies it. "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _write(lab: Lab) -> None:
    STATE.mkdir(exist_ok=True)
    state = {"pid": lab.pid, "birth": _birth(lab.pid), "flavour": lab.flavour.value, "device": lab.device}
    (STATE / f"{lab.name}.json").write_text(json.dumps(state))


def _known() -> Iterator[Lab]:
    """The labs that still run; what is left of others is removed."""
    for file in sorted(STATE.glob("*.json")):
        state = json.loads(file.read_text())
        if not state["birth"] or _birth(state["pid"]) != state["birth"]:
            file.unlink()
            continue
        yield Lab.attach(pid=state["pid"], flavour=Flavour(state["flavour"]), name=file.stem, device=state["device"])


def _named(name: str | None) -> Lab:
    """The lab of that name, or the only one."""
    labs = list(_known())
    chosen = [lab for lab in labs if name in (None, lab.name)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(lab.name for lab in labs) or "none"
    raise LabError(f"there is no lab named {name}" if name else "which lab is meant?", hint=f"running labs: {names}")


def _start(arguments: argparse.Namespace) -> int:
    taken = {lab.name for lab in _known()}
    name = arguments.name or next(candidate for number in range(1, 1000) if (candidate := f"lab{number}") not in taken)
    if name in taken:
        raise LabError(f"a lab named {name} runs already", hint=f"tests/lab/lab stop {name}")
    install = {Path(source): target for source, _, target in (word.partition(":") for word in arguments.install)}
    lab = Lab.start(Flavour(arguments.flavour), name=name, detached=True, install=install)
    _write(lab)
    print(f"{name} ({arguments.flavour}) is up. `tests/lab/lab sh {name}` enters it, `... stop {name}` removes it.")
    lab.release()
    return 0


def _run(arguments: argparse.Namespace) -> int:
    command = _named(arguments.name).enter_command(arguments.command)
    return subprocess.run(command, env=ENVIRONMENT).returncode


def _sh(arguments: argparse.Namespace) -> int:
    lab = _named(arguments.name)
    environment = {**ENVIRONMENT, "TERM": "xterm", "PS1": f"[{lab.name}] \\w # "}
    return subprocess.run(lab.enter_command(["bash", "--norc"]), env=environment).returncode


def _reboot(arguments: argparse.Namespace) -> int:
    lab = _named(arguments.name)
    lab.reboot()
    _write(lab)
    lab.release()
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    lab = _named(arguments.name)
    lab.stop()
    (STATE / f"{lab.name}.json").unlink(missing_ok=True)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    for lab in _known():
        print(f"{lab.name}\t{lab.flavour.value}\tpid {lab.pid}\t{lab.device}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab",
        description="A btrfs test machine in a folder, with snapper, systemd-sysext and a stand-in for tukit.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: object, help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(function=function)
        return command

    start = add("start", _start, "start a fresh lab (the first time its base is built: a minute or two)")
    start.add_argument("name", nargs="?", metavar="NAME")
    start.add_argument("--flavour", choices=[flavour.value for flavour in Flavour], default=Flavour.MICROOS.value)
    start.add_argument(
        "--install",
        metavar="SOURCE:TARGET",
        action="append",
        default=[],
        help="copy a file or tree to a path in the lab before it boots; a tree at / is laid over its root",
    )
    run = add("run", _run, "run a command in a lab")
    run.add_argument("--name", help="which lab, if several run")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...")
    for name, function, text in (
        ("sh", _sh, "open a shell in a lab"),
        ("reboot", _reboot, "reboot a lab into its default snapshot"),
        ("stop", _stop, "end a lab and remove its disk"),
    ):
        add(name, function, text).add_argument("name", nargs="?", metavar="NAME")
    add("list", _list, "list the labs that run")
    return parser


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if os.geteuid() != 0:
            raise LabError("labs need root: they mount file systems", hint="run it with sudo")
        status: int = arguments.function(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return status
