# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext verify --boot``, and libexec/guard: the guard, which keeps what is bad out of the merge.

A boot waits for it: so it is apart from the other ways to verify, and imports nothing that they alone need.

Where it would do and enter nothing at the next boot either it keeps what libexec/guard says of all that it judges by,
and that program does not start it then. This loses no event: the ledger has to be unchanged too, so that it ends with
the boot of the same snapshot, and another one in a row is none.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import UsageError, WithNextStep
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity import needs, quarantine
from tukit_sysext.integrity.assess import Assessment, Subject, assess, subject_of
from tukit_sysext.layout import SHARED_EXTENSIONS
from tukit_sysext.ledger.at_boot import settle_later
from tukit_sysext.machine import Machine
from tukit_sysext.metrics import metrics
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots import snapper
from tukit_sysext.store.examine import Examiner
from tukit_sysext.system.durable import write_file
from tukit_sysext.update import refusal

if TYPE_CHECKING:
    import argparse

    from tukit_sysext.snapshots.snapper import Scan

log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class _Run:
    """``quiet`` as long as nothing is known that the next boot would have to look at again though nothing changes.

    ``assessment`` is what was found last, ``scan`` the snapshots that there are, ``ledger`` what stat(1) says of the
    ledger since the boot is in it.
    """

    machine: Machine
    plugins: Plugins
    quiet: bool
    silent: bool
    assessment: Assessment | None = None
    scan: Scan | None = None
    ledger: str = ""


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Guard the merge. 0, or 1 where it is not known what is good, or what is bad cannot be moved."""
    if arguments.repair:
        raise UsageError("verify: --boot and --repair do not go together: there is no network at boot")
    if arguments.json:
        raise UsageError("verify: --boot and --json do not go together: it tells the journal what it did")
    if arguments.dry_run:
        return _planned(machine)
    return guard(machine, silent=arguments.quiet)


def guard(machine: Machine, stamp: str | None = None, *, silent: bool = False) -> ExitStatus:
    """Before the merge: quarantine what would harm it, tell that the machine booted, show again what is refused.

    ``stamp`` is what libexec/guard says of all that it judges by. With ``silent`` only what fails is printed.
    """
    machine.require_root("verify --boot")
    status = ExitStatus.DONE
    plugins = Plugins.of(machine)
    this = _Run(machine=machine, plugins=plugins, quiet=plugins.only_built_in, silent=silent)
    for step in (_isolate, _booted, _have_repaired, _refused_again):
        try:
            status = max(status, step(this))
        except Exception as error:
            # each is of use without the others, and none may keep the machine from booting
            log.error("%s: %s", type(error).__name__, error, exc_info=error)
            status = ExitStatus.FAILED
    this.quiet &= metrics.file_of(machine) is None  # where the file is in /run, the boot has taken it
    this.quiet &= status is ExitStatus.DONE
    _keep(this, stamp)
    return status


def _keep(this: _Run, stamp: str | None) -> None:
    """Keep what the next boot needs to know to look at nothing, or have it look."""
    path = this.machine.layout.quiet
    try:
        if not this.quiet:
            path.unlink(missing_ok=True)
        elif stamp:
            write_file(path, f"{stamp}\n{this.ledger}\n".encode())
    except OSError as error:
        log.warning("%s: %s: the next boot looks at all of it", path, error.strerror)


def _isolate(this: _Run) -> ExitStatus:
    machine = this.machine
    subject = Subject(path=machine.layout.root, called="the running system", number=None)
    examiner = Examiner(machine.store(), full=False, writable=True)
    status = ExitStatus.DONE
    # what is moved may have hidden another of its name, of /run and of /var
    for _ in range(1 + len(SHARED_EXTENSIONS)):
        assessment = assess(machine, subject, examiner, objection=this.plugins.objection, packages=False)
        this.assessment = assessment
        unsure = quarantine.unsure(machine, assessment)
        if unsure:
            log.error("nothing is moved, as it is not known what is good: %s", unsure)
            return ExitStatus.FAILED
        moves = quarantine.isolate(machine, assessment)
        for move in moves:
            # the journal has both streams: each move goes to one of them
            failed = move.outcome is quarantine.MoveOutcome.FAILED
            if failed or not this.silent:
                print(WithNextStep(move.text, move.next_step), file=sys.stderr if failed else sys.stdout)
            status = ExitStatus.FAILED if failed else status
        if not any(move.outcome is quarantine.MoveOutcome.TAKEN for move in moves):
            break
    # what has no record is looked into at each boot, as it may have become another one
    this.quiet &= all(each.good and each.recorded and each.quarantined is None for each in assessment.findings)
    for finding in assessment.unsettled:
        log.error("%s is left where it is, it is not known to be good: %s", finding.entry.shown, finding.reason)
    return ExitStatus.FAILED if assessment.unsettled else status


def _planned(machine: Machine) -> ExitStatus:
    """What would be moved before the merge. 0, or 1 where that is not known."""
    subject = Subject(path=machine.layout.root, called="the running system", number=None)
    examiner = Examiner(machine.store(writable=False), full=False)
    assessment = assess(machine, subject, examiner, objection=Plugins.of(machine).objection, packages=False)
    unsure = quarantine.unsure(machine, assessment)
    if unsure:
        print(f"tukit-sysext: nothing would be moved, as it is not known what is good: {unsure}", file=sys.stderr)
        return ExitStatus.FAILED
    for finding in assessment.findings:
        if finding.quarantined is not None and (finding.good or finding.obsolete):
            what = f"dropped, {finding.obsolete}" if finding.obsolete else "put back, it is good again"
            print(f"{finding.entry.shown}: would be {what}")
        elif finding.quarantined is None and quarantine.harmful(finding):
            print(f"{finding.entry.shown}: would be put into quarantine: {finding.condition}: {finding.reason}")
    for finding in assessment.unsettled:
        print(f"tukit-sysext: {finding.entry.shown}: would be left where it is: {finding.reason}", file=sys.stderr)
    return ExitStatus.FAILED if assessment.unsettled else ExitStatus.DONE


def _booted(this: _Run) -> ExitStatus:
    machine = this.machine
    this.scan = scan = snapper.scan(machine.layout, machine.subvolumes)
    if scan.running is None:
        log.error("which snapshot was booted is not known: %s", "; ".join(scan.unknown))
        return ExitStatus.FAILED
    entered = this.plugins.settled("tukit_sysext_booted", machine, scan, scan.running.number)
    # before it is asked anything: what others enter from now on has the next boot look
    this.ledger = _as_stat_says(machine.layout.ledger)
    followed = settle_later(machine, scan)
    this.quiet &= entered and followed and not scan.unknown
    return ExitStatus.DONE


def _have_repaired(this: _Run) -> ExitStatus:
    """The merge waits for one look at the images: what it found is entered too, now that the snapshot is known."""
    assessment, scan = this.assessment, this.scan
    if assessment is not None and scan is not None and scan.running is not None:
        needs.take_in(this.machine, replace(assessment, subject=subject_of(this.machine, scan.running)), scan)
    return ExitStatus.DONE


def _as_stat_says(path: Path) -> str:
    """Inode, size and time of change of a file as libexec/guard has them; empty where they are not known."""
    try:
        status = path.stat()
    except OSError:
        return ""
    seconds, nanoseconds = divmod(status.st_ctime_ns, 10**9)
    return f"{status.st_ino} {status.st_size} {seconds}.{nanoseconds:09}"


def _refused_again(this: _Run) -> ExitStatus:
    """/run has no mark of this system after a reboot, the refusal that the mark showed goes on."""
    machine = this.machine
    if refusal.read(machine.layout.refused) is None:
        refusal.show(machine, refusal.known(machine, writable=False) or refusal.NONE)
    this.quiet &= not machine.layout.refused.exists()
    return ExitStatus.DONE
