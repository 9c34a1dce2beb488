# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext verify``: are the images of snapshots present, whole and fitting, and can they be repaired?"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tukit_sysext.commands.common.trees import target_in, tree_document
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.errors import UsageError, next_step_lines
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity import merge_rule, needs, quarantine
from tukit_sysext.integrity.assess import Assessment, Subject, assess, subject_of, subjects
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.lost import lost_images
from tukit_sysext.integrity.merge_rule import Merging
from tukit_sysext.integrity.quarantine import Move
from tukit_sysext.integrity.repair import Repair, RepairOutcome, planned, repair
from tukit_sysext.ledger.ledger import LedgerEvent, write_or_log
from tukit_sysext.ledger.leftovers import without_settled
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted, time_text
from tukit_sysext.snapshots import snapper
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.targets import snapshot_of
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.system.login_uid import login_uid
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verified:
    """One tree as it is in the end, and what was done."""

    assessment: Assessment
    repairs: Sequence[Repair] = ()
    moves: Sequence[Move] = ()


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Verify. 0, or 1 where something is wrong (and was not repaired), or cannot be told; 3 with what is lost."""
    if arguments.lost:
        if arguments.repair or arguments.json:
            raise UsageError("verify: --lost goes without --repair and --json: status --json has it")
        lost = lost_images(machine, snapper.scan_in_use(machine.layout, machine.subvolumes))
        Output.of(arguments).show(f"lost: {image}" for image in lost)
        return ExitStatus.LOST if lost else ExitStatus.DONE
    repairing = arguments.repair and not arguments.dry_run
    if repairing:
        machine.require_root("verify --repair")
        machine = replace(machine, patient=True)  # a boot starts it, perhaps before there is a network
    scan = without_settled(machine.layout, _looked_at(machine, arguments))
    plugins = Plugins.of(machine)
    # one for all trees, so that an image is read once
    examiner = Examiner(machine.store(writable=machine.privileged), full=True, writable=machine.privileged)
    output = Output.of(arguments)
    chosen = _scope(machine, scan, arguments)
    with output.progress(machine, "verify --repair" if repairing else None) as watched:
        results = [_verify(watched, plugins, subject, examiner, repairing=repairing) for subject in chosen]
    if arguments.repair and not repairing:
        results = [replace(result, repairs=planned(result.assessment.wrong)) for result in results]
    # what boots next may be among what could not be read
    found_next = arguments.snapshot is not None or scan.default is not None
    unknown = list(scan.unknown) if arguments.all or not found_next else []
    if repairing:
        _settle_needs(machine, scan, results)
    settled = _merge(machine, results)
    unlinked = _unlinked(examiner, results) if arguments.all else ()
    document = {
        "trees": [_document(machine, scan, result) for result in results],
        "unlinked": [
            {"file": stored.file_name, "condition": stored.condition, "reason": stored.reason} for stored in unlinked
        ],
        "not_merged": settled.waiting,
        "unknown": unknown,
    }
    output.json(document)
    assessments = [result.assessment for result in results]
    wrong = any(each.wrong or each.unsettled or each.unknown for each in assessments)
    output.report(_lines(results), dry_run=not repairing or wrong)
    output.show(_unlinked_lines(unlinked))
    output.report(settled.lines, dry_run=not repairing)
    if not output.wants_json:
        for text in unknown:
            output.warn(f"not known: {text}")
    return ExitStatus.FAILED if wrong or unlinked or unknown else ExitStatus.DONE


def _unlinked(examiner: Examiner, results: Sequence[_Verified]) -> Sequence[Stored]:
    """Images of the store that no tree links, and that are not what was recorded."""
    linked = {finding.file_name for result in results for finding in result.assessment.findings}
    others = (examiner.look(name) for name in examiner.store.names() if name not in linked)
    return [stored for stored in others if stored.condition in (Condition.DAMAGED, Condition.UNREADABLE)]


def _unlinked_lines(unlinked: Sequence[Stored]) -> Iterator[str | Table]:
    if unlinked:
        yield Toned("Images of the store that nothing links:", Tone.BAD)
        yield from (f"  {stored.file_name}: {stored.condition}: {stored.reason}" for stored in unlinked)
        yield "What nothing needs can go, and what is needed again is fetched again:"
        yield "  tukit-sysext gc"


def _looked_at(machine: Machine, arguments: argparse.Namespace) -> Scan:
    if arguments.all:
        return snapper.scan(machine.layout, machine.subvolumes)
    return snapper.scan_in_use(machine.layout, machine.subvolumes, also=lambda number, _: number == arguments.snapshot)


def _scope(machine: Machine, scan: Scan, arguments: argparse.Namespace) -> Sequence[Subject]:
    if arguments.all:
        # one without /etc links nothing; as long as it may get one it is among what is not known
        whole = (snapshot for snapshot in scan.snapshots if snapshot.content is not None or not snapshot.half)
        return [subject_of(machine, snapshot) for snapshot in whole]
    if arguments.snapshot is None:
        return subjects(machine, scan)
    return [subject_of(machine, snapshot_of(machine, scan, arguments.snapshot))]


def _verify(machine: Machine, plugins: Plugins, subject: Subject, examiner: Examiner, *, repairing: bool) -> _Verified:
    def look() -> Assessment:
        return assess(machine, subject, examiner, objection=plugins.objection)

    assessment = look()
    if not repairing:
        return _Verified(assessment=assessment)
    repairs = repair(machine, plugins, subject, assessment.wrong) if assessment.wrong else ()
    if repairs:
        examiner.look_again()
        subject = _again(machine, subject)
        assessment = look()
    moves = quarantine.put_back(machine, assessment)
    if moves:
        subject = _again(machine, subject)
        assessment = look()
    _remember(machine, subject, repairs)
    return _Verified(assessment=assessment, repairs=repairs, moves=moves)


def _again(machine: Machine, subject: Subject) -> Subject:
    """The same tree with the entries that it has now."""
    if subject.entries is None or subject.number is None:
        return subject
    again = snapper.scan_in_use(machine.layout, machine.subvolumes, also=lambda number, _: number == subject.number)
    snapshot = again.get(subject.number)
    return subject_of(machine, snapshot) if snapshot is not None else subject


def _remember(machine: Machine, subject: Subject, repairs: Sequence[Repair]) -> None:
    """Enter into the ledger what was repaired. What could not be is in there as missing or damaged."""
    now, uid = time_text(), login_uid(machine.layout.root)
    events = [
        LedgerEvent(
            time=now,
            kind=done.outcome,
            snapshot=subject.number,
            image=done.finding.name,
            detail=_told(done),
            uid=uid,
            fetched=done.came.fetched if done.came is not None else None,
            reused=done.came.reused if done.came is not None else None,
        )
        for done in repairs
        if done.outcome is not RepairOutcome.FAILED
    ]
    if events:
        write_or_log(machine.layout.ledger, lambda ledger: ledger.add(events), "what was repaired")


def _merge(machine: Machine, results: Sequence[_Verified]) -> Merging:
    """What of the running system is not merged; what came back just now is merged, where that may be."""
    for result in results:
        if result.assessment.subject.path == machine.layout.root:
            back = any(done.outcome is not RepairOutcome.FAILED for done in result.repairs)
            back = back or any(move.outcome is quarantine.MoveOutcome.BACK for move in result.moves)
            with Tree(machine.layout.root) as tree:
                allowed = back and load_configuration(tree).settings.repair_merges
            linked = merge_rule.good_links(result.assessment.findings)
            return merge_rule.merge_by_itself(machine, linked, allowed=allowed)
    return Merging()


def _settle_needs(machine: Machine, scan: Scan, results: Sequence[_Verified]) -> None:
    try:
        needs.enter(machine, [result.assessment for result in results], matter=scan.in_use)
    except OSError as error:
        log.error("%s: cannot be written: %s", machine.layout.repair, error.strerror)


def _lines(results: Sequence[_Verified]) -> Iterator[str | Table]:
    for result in results:
        assessment = result.assessment
        tone = Tone.BAD if assessment.wrong else Tone.STRONG
        yield Toned(f"{assessment.subject.called}: {_verdict(assessment)}", tone)
        if assessment.unknown:
            yield f"  not known: {assessment.unknown}"
        rows = [(finding.name, finding.shown, _place(finding), _toned(finding)) for finding in assessment.findings]
        if rows:
            yield Table(("Image", "Version", "Link", "State"), rows, wraps=(2, 3), indent=2)
        for done in result.repairs:
            yield f"  {_told(done)}"
            yield from (f"    {line}" for line in next_step_lines(done.next_step or ""))
        for move in result.moves:
            yield f"  {move.text}"
            yield from (f"    {line}" for line in next_step_lines(move.next_step))
        yield ""
    wrong = [finding for result in results for finding in result.assessment.wrong]
    if any(finding.repairable for finding in wrong) and not any(result.repairs for result in results):
        yield "Next step:"
        yield "  tukit-sysext verify --repair"
    if any(finding.blocks and not finding.repairable for finding in wrong):
        yield "To take what blocks the merge of the running system out of the way:"
        yield "  tukit-sysext verify --boot"


def _verdict(assessment: Assessment) -> str:
    if assessment.wrong:
        wrong = len(assessment.wrong)
        return f"{wrong} of {counted(len(assessment.findings), 'image')} {'is' if wrong == 1 else 'are'} wrong"
    if not assessment.findings:
        return "no extension image" if not assessment.unknown else "not known"
    return "not all is known" if assessment.unknown or assessment.unsettled else "all is well"


def _place(finding: Finding) -> str:
    return f"{finding.entry.shown} (quarantined)" if finding.quarantined is not None else finding.entry.shown


def _toned(finding: Finding) -> str:
    text = _state(finding)
    return Toned(text, Tone.BAD) if finding.wrong else text


def _state(finding: Finding) -> str:
    if finding.entry.is_mask:
        return finding.reason
    text = "ok" if finding.condition is Condition.WHOLE else str(finding.condition)
    text += f": {finding.reason}" if finding.reason else ""
    text += "; it blocks the whole merge" if finding.blocks else ""
    text += f"; not needed any more: {finding.obsolete}" if finding.obsolete else ""
    return text if finding.ours else f"not ours, {text}"


def _told(done: Repair) -> str:
    return f"{done.finding.name} {done.finding.shown}: {done.text}"


def _document(machine: Machine, scan: Scan, result: _Verified) -> dict[str, Any]:
    assessment = result.assessment
    number = assessment.subject.number
    snapshot = scan.get(number) if number is not None else None
    return {
        "tree": tree_document(target_in(machine, scan, snapshot)),
        "unknown": assessment.unknown or None,
        "images": [
            {
                "link": finding.entry.name,
                "folder": f"/{finding.entry.folder}",
                "target": finding.entry.target,
                "image": finding.name,
                "version": None if finding.version == "?" else finding.version,
                "shown": None if finding.version == "?" else finding.shown,
                "file": finding.file_name,
                "condition": finding.condition,
                "reason": finding.reason or None,
                "ours": finding.ours,
                "wrong": finding.wrong,
                "blocks_merge": finding.blocks,
                "quarantined_since": (finding.quarantined.since or None) if finding.quarantined is not None else None,
                "quarantined": finding.quarantined is not None,
                "obsolete": finding.obsolete or None,
            }
            for finding in assessment.findings
        ],
        "repairs": [
            {
                "image": done.finding.name,
                "version": done.finding.version,
                "shown": done.finding.shown,
                "link": done.finding.entry.name,
                "file": done.finding.file_name,
                "done": done.outcome,
                "told": done.text,
                "next_step": done.next_step,
            }
            for done in result.repairs
        ],
        "moved": [{"link": move.link, "action": move.outcome, "reason": move.reason} for move in result.moves],
    }
