# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the running system lost: images that the snapshot which it was made from has whole, and it has not.

Not lost is what is not wanted here any more, and an optional image that was left out. An image that is linked and whole
is merged by the next boot, if it is not now; only where nothing at all is merged, the merge itself has failed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Policy, load_wanted
from tukit_sysext.errors import UnknownState
from tukit_sysext.integrity.assess import assess, subject_of
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.merge_rule import merged_now
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.store.examine import Examiner
from tukit_sysext.system.tree import Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class LostImage:
    """An image with the version that ``snapshot`` has, and why the running system has none."""

    name: str
    shown: str
    snapshot: int
    reason: str

    def __str__(self) -> str:
        return f"{self.name} {self.shown}, which snapshot {self.snapshot} has: {self.reason}"


def lost_images(machine: Machine, scan: Scan) -> tuple[LostImage, ...]:
    """What is lost; nothing where one of both snapshots cannot be looked at: nobody goes back for what is not known."""
    running = scan.running
    origin = running.subvolume.parent_uuid if running is not None else None
    before = next((each for each in scan.snapshots if origin is not None and each.subvolume.uuid == origin), None)
    if running is None or before is None:
        return ()
    try:
        with Tree(machine.layout.root) as tree:
            wanted = load_wanted(tree).images
    except UnknownState:
        return ()
    examiner = Examiner(machine.store(writable=False), full=False)
    there = assess(machine, subject_of(machine, before), examiner, look_inside=False)
    here = assess(machine, subject_of(machine, running), examiner, look_inside=False)
    if here.unknown:
        return ()
    merged = merged_now(machine)
    masked = {finding.name for finding in here.findings if finding.entry.is_mask}
    lost = []
    for finding in _had(there.findings):
        image = wanted.get(finding.name)
        if image is None or image.state is State.REMOVED or finding.name in masked:
            continue  # nobody wants to have it
        links = [each for each in here.findings if each.ours and each.name == finding.name]
        if links or image.policy is Policy.REQUIRED:
            reason = _reason(links, merged)
            if reason:
                lost.append(LostImage(name=finding.name, shown=finding.shown, snapshot=before.number, reason=reason))
    return tuple(lost)


def _had(findings: Collection[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.ours and finding.good and finding.quarantined is None]


def _reason(links: Collection[Finding], merged: frozenset[str] | None) -> str:
    """Why an image is lost that has these links; empty where it is not."""
    good = _had(links)
    if good:
        return "nothing is merged" if merged == frozenset() else ""
    for finding in links:
        where = "in quarantine, " if finding.quarantined is not None else ""
        return f"{where}{finding.condition}" + (f": {finding.reason}" if finding.reason else "")
    return "not linked"
