# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hook executables start: arguments to an event, the event to the plugins, whatever happens to an exit status.

This is the one place where an exception becomes a status. Only a refusal by policy reaches tukit; a fault of ours
lets the transaction pass with one loud line, because the update may be the one that fixes us. That is why what does
the work is imported where it starts: a module that is missing or broken becomes a status too.

An update goes this way:

* event: :func:`_finalize` reads ``finalize-pre PATH ID``
* look, search, decide, fetch, link: :func:`tukit_sysext.update.transaction.finalize`, called as our plugin ``fetcher``
* record: our plugin ``recorder``, and the mark of a refusal (:mod:`tukit_sysext.update.refusal`)
* status: :func:`_finalize_tree`, and :func:`main` where something fails
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tukit_sysext.errors import UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.last_check import in_words, say
from tukit_sysext.system.descriptors import KeptOutput, make_whole
from tukit_sysext.system.journal import REFUSAL, Faults, Journal

if TYPE_CHECKING:
    from tukit_sysext.machine import Machine
    from tukit_sysext.update.outcome import Outcome

log = logging.getLogger("tukit_sysext")


def run(arguments: Sequence[str]) -> NoReturn:
    """:func:`main` as a process that keeps nobody waiting, whatever plugins leave behind (threat C12).

    tukit reads our output to its end: a child that holds it would hang tukit, and so would a thread that Python waits
    for. The status is decided first, and nothing that then happens to what is said changes it.
    """
    make_whole()
    # what is made until the end is not worth looking for garbage, which takes 4 ms
    gc.set_threshold(100_000)
    outputs = KeptOutput(1), KeptOutput(2)
    sys.stdout, sys.stderr = (output.stream for output in outputs)
    status = ExitStatus.NOT_DONE
    try:
        status = main(arguments)
        for output in outputs:
            say(output.descriptor, output.text)
    except Exception as error:
        say(outputs[1].descriptor, f"tukit-sysext: {error!r}: ")
    finally:
        os._exit(status)


def main(arguments: Sequence[str], *, machine: Machine | None = None) -> ExitStatus:
    """Run one hook, on this machine unless another is given: ``tukit STAGE ARGUMENTS...`` or ``settle``.

    Returns the exit status; never raises Exception.
    """
    os.umask(0o022)
    os.chdir("/")
    faults = Faults()
    log.addHandler(Journal())
    log.addHandler(faults)
    log.setLevel(logging.INFO)
    status, settling = ExitStatus.DONE, list(arguments[:1]) == ["settle"]
    try:
        if settling:
            _settle(machine)
        else:
            status = _finalize(arguments[1:], machine)
    except Exception as error:
        # the border: nothing of ours may stop an update, whatever it is
        log.error("%s", f"{type(error).__name__}: {error}", exc_info=error)
        status = ExitStatus.DONE if settling else ExitStatus.NOT_DONE
    if faults.messages:
        line = f"tukit-sysext: FAULT: {'; '.join(faults.messages)}"
        # the hook goes on with the line where the job was not done
        steps = "".join(f"{step}\n" for step in faults.next_steps)
        if status is ExitStatus.NOT_DONE:
            print(f"{steps}{line}", end=": ", file=sys.stderr)
            return status
        if status is not ExitStatus.REFUSED:
            line += f"; this stops no transaction{'' if settling else in_words(Path(arguments[2]))}"
        print(f"{line}\n{steps}", end="", file=sys.stderr)
    return status


def _settle(machine: Machine | None) -> None:
    from tukit_sysext.ledger.settling import settle
    from tukit_sysext.machine import Machine
    from tukit_sysext.plugins.manager import Plugins

    machine = machine or Machine()
    settle(machine, Plugins.of(machine))
    _measure(machine)


def _measure(machine: Machine) -> None:
    """Metrics for who watches the machine. What is wrong with them stops nothing."""
    try:
        from tukit_sysext.metrics import metrics

        metrics.update(machine)
    except Exception as error:
        log.error("no metrics: %s: %s", type(error).__name__, error)


def _finalize(arguments: Sequence[str], machine: Machine | None) -> ExitStatus:
    """finalize-pre PATH ID: the main job. Returns the exit status."""
    from tukit_sysext.ledger.spool import snapshot_number
    from tukit_sysext.machine import Machine

    if len(arguments) != 3 or arguments[0] != "finalize-pre" or not arguments[1].startswith("/"):
        raise UsageError(f"expected finalize-pre PATH ID, found {list(arguments)!r}")
    number = snapshot_number(arguments[2])
    machine = _watched(replace(machine or Machine(), patient=True), number)
    try:
        return _finalize_tree(machine, Path(arguments[1]), number)
    finally:
        machine.progress.close()


def _watched(machine: Machine, number: int) -> Machine:
    """The machine, with how far it is in /run for whoever looks on. What is wrong with that stops nothing."""
    try:
        from tukit_sysext.progress.notice import ProgressFile
        from tukit_sysext.progress.progress import Progress

        watcher = ProgressFile(machine.layout.progress, job="finalize-pre", snapshot=number)
        return replace(machine, progress=Progress((watcher,)))
    except Exception as error:
        log.error("progress cannot be told: %s: %s", type(error).__name__, error)
        return machine


def _finalize_tree(machine: Machine, path: Path, number: int) -> ExitStatus:
    from tukit_sysext.ledger.kept_open import kept_open
    from tukit_sysext.plugins.manager import Plugins
    from tukit_sysext.update import refusal
    from tukit_sysext.update.transaction import Transaction

    plugins, now = Plugins.of(machine), int(time.time())
    before = refusal.known(machine)
    transaction = Transaction(machine=machine, path=path, number=number, refused_for=refusal.ages(before, now=now))
    _check_tree(machine.layout.snapshots / str(number) / "snapshot", path)
    outcome = plugins.finalizing(transaction)
    if outcome is not None:
        try:
            _report(outcome)
        except Exception as error:
            # the outcome stands, whatever can be said of it
            log.error("the result cannot be reported: %s: %s", type(error).__name__, error, exc_info=error)
        try:
            with kept_open():
                plugins.judged(transaction, outcome)
                refusal.note(machine, outcome, before, now=now)
        except Exception as error:
            # the mark is a notice: without it the refusal still counts
            log.error("the refusal cannot be marked: %s: %s", type(error).__name__, error, exc_info=error)
    _measure(machine)
    if outcome is None:
        return ExitStatus.NOT_DONE
    return ExitStatus.REFUSED if outcome.refusals else ExitStatus.DONE


def _report(outcome: Outcome) -> None:
    """Print what changed, for tukit's log, and what is refused or missed, for whoever reads it."""
    from tukit_sysext.update import report

    for line in report.change_lines(outcome):
        log.info("%s", line)
        # a refused tree goes, unless tukit was told to keep it
        print(f"{line} (in the refused tree)" if outcome.refusals else line)
    for line in report.beside_merge_lines(outcome) if not outcome.refusals else ():
        log.info("%s", line)
        print(line)
    fallbacks = [*report.fallback_lines(outcome), *report.warning_lines(outcome)]
    refused, missed = list(report.refusal_lines(outcome)), list(report.missed_lines(outcome))
    for line in (*fallbacks, *report.source_lines(outcome, (*fallbacks, *refused, *missed))):
        print(line, file=sys.stderr)  # the journal has it as a warning
    for lines, images in ((refused, outcome.plan.refusing), (missed, outcome.plan.missed)):
        fields = report.fields_of(outcome, images)
        for line in lines:
            print(line, file=sys.stderr)
            log.log(REFUSAL, "%s", line, extra={"fields": fields})
            fields = {}  # for the first line alone, which is what the catalogue explains


def _check_tree(snapshot: Path, path: Path) -> None:
    """The tree must be that of the snapshot: we would write into something else otherwise (threat L5)."""
    try:
        same = os.path.samefile(snapshot, path)
    except OSError as error:
        raise UsageError(f"{path} and {snapshot}: expected one tree: {error.strerror}") from error
    if not same:
        raise UsageError(f"{path} is not the tree of {snapshot}")
