# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line, ``tukit-sysext``."""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tukit_sysext import __version__
from tukit_sysext.errors import NeedsRoot, TukitSysextError, UsageError, os_error_text
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.grammar import parser
from tukit_sysext.system.descriptors import Stream, is_broken_pipe, make_whole, outputs
from tukit_sysext.system.environment import make_our_own

if TYPE_CHECKING:
    from tukit_sysext.machine import Machine

log = logging.getLogger("tukit_sysext")


def main(argv: Sequence[str] | None = None, *, machine: Machine | None = None) -> ExitStatus:
    """Run one command, on this machine unless another is given; every exception becomes an exit status here."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser(words).parse_args(words)
    # for next steps that have to mean the same: with an option lost they would do something else
    arguments.typed = shlex.join(("tukit-sysext", *words))
    os.umask(0o022)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # names on a disk may be anything: what a terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.ERROR,
        format="tukit-sysext: %(message)s",
        stream=sys.stderr,
    )
    log.info("version %s, command %s", __version__, " ".join(_words(arguments)))
    try:
        status = _run(arguments, machine)
        print(end="", flush=True)
        return status
    except TukitSysextError as error:
        next_step = f"sudo {arguments.typed}" if isinstance(error, NeedsRoot) else error.next_step
        _tell(str(error), next_step or "")
        return ExitStatus.USAGE if isinstance(error, UsageError) else ExitStatus.FAILED
    except OSError as error:
        _tell(os_error_text(error), _remedy(error))
        log.info("trace", exc_info=error)
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        print("tukit-sysext: interrupted", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except Exception as error:
        print(f"tukit-sysext: a fault of tukit-sysext itself: {type(error).__name__}: {error}", file=sys.stderr)
        print("  next step: run it again with -v and report what it prints", file=sys.stderr)
        log.info("trace", exc_info=error)
        return ExitStatus.FAILED


def _tell(text: str, next_step: str) -> None:
    from tukit_sysext.terminal.output import tell_error

    tell_error(sys.stderr, text, next_step)


def _remedy(error: OSError) -> str:
    """What can be done about a full file system; empty for any other error."""
    from tukit_sysext.system.disk_space import remedy

    return remedy(Path("/var"), error) or ""


def run() -> NoReturn:
    """:func:`main` as a process of its own, with an environment of its own.

    The working directory stays the caller's: paths in his arguments mean it, and it has no other use.
    """
    try:
        make_whole()
        make_our_own()
        # a short command ends before there is anything worth collecting, and looking costs time
        gc.set_threshold(100_000)
        os.umask(0o022)
        out, _ = outputs()
        status = main()
    except KeyboardInterrupt:  # before a command has begun
        leave(ExitStatus.INTERRUPTED)
    leave(as_it_was_read(status, out))


def as_it_was_read(status: ExitStatus, out: Stream) -> ExitStatus:
    """The status of a command: done is done only where what it says has come out."""
    sys.stdout.flush()
    if status != ExitStatus.DONE or out.error is None:
        return status
    if is_broken_pipe(out.error):
        return ExitStatus.BROKEN_PIPE  # whoever read it has enough of it
    print(f"tukit-sysext: standard output: {out.error.strerror}", file=sys.stderr)
    return ExitStatus.FAILED


def leave(status: int) -> NoReturn:
    """End the process at once, without waiting for threads that a plugin has left running: a boot would wait too."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    finally:
        os._exit(status)


def _run(arguments: argparse.Namespace, machine: Machine | None) -> ExitStatus:
    from tukit_sysext.commands.common.settled_first import settle_first
    from tukit_sysext.machine import Machine

    # the grammar lets only names of modules through; an action of a command has its own
    command = import_module(f"tukit_sysext.commands.{'_'.join(_words(arguments)).replace('-', '_')}")
    machine = machine or Machine()
    settle_first(machine, arguments)
    try:
        status: ExitStatus = command.run(machine, arguments)
        return status
    finally:
        if arguments.changes and not getattr(arguments, "dry_run", False):
            from tukit_sysext.metrics import metrics

            metrics.update(machine)


def _words(arguments: argparse.Namespace) -> list[str]:
    """The command, and its action where it has one."""
    return list(filter(None, (arguments.command, getattr(arguments, "action", None))))


if __name__ == "__main__":
    run()
