# SPDX-License-Identifier: LGPL-2.1-or-later
"""Assessing a tree: is every image that it would merge present, whole, fitting, and linked under the right name?

Of the running system also what all trees share, /run/extensions and /var/lib/extensions, which is never ours. Changes
nothing but, where an image is found damaged, its record (see Examiner). What is in quarantine is assessed as if it
stood in its place.
"""

from __future__ import annotations

import errno
import logging
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.config.files import ConfigurationFile
from tukit_sysext.config.intent import load_intents, required_by
from tukit_sysext.errors import ImageBroken, NoVerdict, OutsideTree, StoreError, ToolBroken, UnknownState
from tukit_sysext.integrity import quarantine_folder
from tukit_sysext.integrity.finding import Finding, obsolete
from tukit_sysext.layout import EXTENSIONS, SHARED_EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.rules.link_names import MergeNameRefused
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.systemd import NAME_CUT_SINCE, SystemdVersion
from tukit_sysext.snapshots.entries import Entry, leads_to, shared_entries
from tukit_sysext.snapshots.fitting import Objection, TreeFacts, judge, no_objection, tree_facts
from tukit_sysext.snapshots.grounds import open_ground
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.snapshots.versions import newest
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition, ImageFile, Stored
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.requirements.contents import Contents
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.system.inspect_image import Inspection

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A tree to be assessed: its root, what it is called, and the number of its snapshot (None: not known).

    ``entries`` where they are known from elsewhere (an /etc that is an overlay), None to read them from the tree.
    ``open`` where a transaction has it open.
    """

    path: Path
    called: str
    number: int | None
    entries: tuple[Entry, ...] | None = None
    open: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """The findings of a tree. ``unknown`` says what could not be found out: nothing may be moved then."""

    subject: Subject
    findings: tuple[Finding, ...]
    unknown: str = ""

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings about which something has to be done."""
        return tuple(finding for finding in self.findings if finding.wrong)

    @property
    def unsettled(self) -> tuple[Finding, ...]:
        """The findings of which nobody can tell whether they are good, or whether the merge fails on what is not.

        A program does not work, or dies of them.
        """
        return tuple(
            finding
            for finding in self.findings
            if finding.condition is Condition.UNKNOWN or (finding.unseen and not finding.good)
        )


def subject_of(machine: Machine, snapshot: Snapshot) -> Subject:
    """A snapshot as a subject; the running one as it is mounted."""
    roles = ["the running system"] if snapshot.running else []
    roles += ["boots next"] if snapshot.default else []
    return Subject(
        path=machine.layout.root if snapshot.running else snapshot.path,
        called=f"snapshot {snapshot.number}" + (f" ({', '.join(roles)})" if roles else ""),
        number=snapshot.number,
        entries=None if snapshot.running else snapshot.entries,
        open=snapshot.open,
    )


def subjects(machine: Machine, scan: Scan) -> Sequence[Subject]:
    """The trees that matter now: the running system, and what boots next."""
    running, default = scan.running, scan.default
    first = (
        subject_of(machine, running)
        if running is not None
        else Subject(path=machine.layout.root, called="the running system", number=None)
    )
    return (first,) if default is None or default.running else (first, subject_of(machine, default))


def assess(
    machine: Machine,
    subject: Subject,
    examiner: Examiner,
    *,
    objection: Objection | None = None,
    look_inside: bool | None = None,
    packages: bool = True,
) -> Assessment:
    """Assess a tree. Never raises for what is on the disk.

    ``objection`` says what is known against images beyond systemd's rule (None: nobody is asked). ``look_inside`` tells
    whether images without a record are looked into (None: where we are privileged), ``packages`` whether the tree's
    RPM database may be asked for what images require, which takes its time.
    """
    inside = machine.privileged if look_inside is None else look_inside
    try:
        with Tree(subject.path) as tree:
            facts, wanted = tree_facts(tree), load_intents(tree)[0].files
            unknown = facts.unusable
            if not unknown and facts.release is None:
                unknown = f"{subject.path}: it has no os-release, whether images fit cannot be told"
            entries = facts.entries if subject.entries is None else subject.entries
            assessor = _Assessor(machine, facts, wanted, examiner, objection, inside=inside, packages=packages)
            findings = [assessor.assess(entry) for entry in entries]
            folders: tuple[str, ...] = (EXTENSIONS,)
            if subject.path == machine.layout.root:
                folders += SHARED_EXTENSIONS
                findings += assessor.assess_shared(shared_entries(tree), findings)
            good = {finding.name for finding in findings if finding.ours and finding.good}
            for link in (link for folder in folders for link in quarantine_folder.quarantined(tree, folder)):
                # out of the way, so that it blocks nothing
                finding = replace(assessor.assess(link.entry, link.path), quarantined=link, blocks=False)
                findings.append(replace(finding, obsolete=obsolete(finding, good, wanted)))
            return Assessment(subject=subject, findings=tuple(findings), unknown=unknown)
    except (UnknownState, OutsideTree) as error:
        return Assessment(subject=subject, findings=(), unknown=str(error))


class _Assessor:
    """Assesses the entries of one tree."""

    def __init__(
        self,
        machine: Machine,
        tree: TreeFacts,
        wanted: Mapping[str, ConfigurationFile],
        examiner: Examiner,
        objection: Objection | None,
        *,
        inside: bool,
        packages: bool,
    ) -> None:
        self._machine = machine
        self._layout = machine.layout
        self._tree = tree
        self._wanted = wanted
        self._examiner = examiner
        self._objection = objection
        self._inside = inside
        self._packages = packages
        self._opened: Ground | None = None

    def assess(self, entry: Entry, at: Path | None = None) -> Finding:
        """Assess an entry; ``at`` is where it is now, if not in its place."""
        if entry.image is not None:
            return self._of_store(entry, self._examiner.look(entry.image))
        finding = Finding(entry=entry, name=entry.stem, version="?", condition=Condition.UNRECORDED)
        try:
            return self._elsewhere(entry, finding, at)
        except (NoVerdict, StoreError, ToolBroken, OSError) as error:
            return replace(finding, condition=Condition.UNKNOWN, reason=f"cannot be looked into: {error}")

    def assess_shared(self, entries: Sequence[Entry], stronger: Sequence[Finding]) -> Sequence[Finding]:
        """Assess entries of weaker folders: systemd-sysext looks into none whose name it has from a stronger one."""
        by_name = {finding.entry.stem: finding for finding in stronger if finding.taken}
        findings: list[Finding] = []
        for entry in entries:
            finding = self.assess(entry)
            hidden = by_name.setdefault(entry.stem, finding) if finding.taken else finding
            if hidden is not finding:
                reason = f"{hidden.entry.shown} takes its place"
                finding = replace(finding, condition=Condition.UNRECORDED, reason=reason, blocks=False, unseen=False)
            findings.append(finding)
        return findings

    def _of_store(self, entry: Entry, stored: Stored) -> Finding:
        name = stored.name or entry.stem
        finding = Finding(
            entry=entry,
            name=name,
            version=stored.version,
            condition=_AS_ENTRY.get(stored.condition, stored.condition),
            reason=stored.reason,
            ours=name in self._wanted and entry.folder == EXTENSIONS,
            recorded=stored.record is not None,
        )
        if stored.condition in (Condition.DAMAGED, Condition.IRREGULAR):
            # others' entries are moved only where systemd-sysext would fail on them
            return finding if finding.ours else self._of_others(entry, finding)
        if stored.condition not in (Condition.WHOLE, Condition.UNRECORDED):
            return finding
        record = stored.record
        if record is None or entry.name != f"{record.merge_name}.raw":
            return self._by_content(finding, stored)
        return self._compared(finding, name, ReleaseData(record.release), record.contents)

    def _by_content(self, finding: Finding, stored: Stored) -> Finding:
        """An image without a record, or with another link than its record says: its content decides."""
        record = stored.record
        if not finding.entry.name.endswith(".raw"):
            reason = "a link to an image needs .raw at its end: it is not merged"
            return replace(finding, condition=Condition.WRONGLY_NAMED, reason=reason, passed_over=True)
        if not self._inside:
            if record is None:
                return replace(finding, reason=f"{stored.reason}; not looked into", unseen=True)
            reason = f"its link has to be {record.merge_name}.raw"
            return replace(finding, condition=Condition.WRONGLY_NAMED, reason=reason, blocks=True)
        try:
            inspection = self._inspect_stored(stored.file_name, finding.entry)
        except ImageBroken as error:
            return _refused(finding, error)
        except (NoVerdict, StoreError, ToolBroken, OSError) as error:
            return replace(finding, condition=Condition.UNKNOWN, reason=f"cannot be looked into: {error}")
        release = ReleaseData(record.release) if record is not None else inspection.release
        contents = record.contents if record is not None else None
        return self._compared(finding, stored.name or stored.file_name, release, contents)

    def _compared(self, finding: Finding, name: str, release: ReleaseData, contents: Contents | None = None) -> Finding:
        """Whether an image that is whole fits the system of the tree."""
        if self._tree.release is None:
            return finding
        required = required_by(self._wanted[name]) if name in self._wanted and self._packages else ()
        if contents is not None and not self._packages:
            contents = replace(contents, stated=())
        _, against = judge(
            self._tree,
            release,
            name,
            finding.version,
            self._objection or no_objection,
            contents=contents,
            required=required,
            ground=self._ground if contents is not None or required else None,
        )
        return replace(finding, condition=Condition.DOES_NOT_FIT, reason=against) if against else finding

    @property
    def _ground(self) -> Ground | None:
        """The tree, where anybody asks what images are merged over."""
        if self._opened is None and self._objection is not None and self._machine.privileged:
            try:
                self._opened = open_ground(self._machine, self._tree.path)
            except UnknownState as error:
                log.warning("what images are merged over is not known: %s", error)
        return self._opened

    def _elsewhere(self, entry: Entry, finding: Finding, at: Path | None = None) -> Finding:
        """An entry that leads out of the store, or is no link: never ours."""
        path = leads_to(entry, tree=self._tree.path, root=self._layout.root)
        shown = entry.target or entry.name
        if entry.is_mask:
            return replace(finding, reason="masked, by a link to /dev/null", passed_over=True)
        if at is not None and entry.target is None:
            path = at
        versions = entry.is_versions and self._tree.has_versions and path.is_dir()
        if versions:
            version = newest(path, self._tree.architecture)
            if version is None:
                return replace(finding, reason="a folder of versions, none for this system", passed_over=True)
            path = version
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return replace(finding, condition=Condition.MISSING, reason=f"{shown}: does not exist")
        except OSError as error:
            if error.errno not in _LEADS_ASTRAY:
                raise
            reason = f"{shown}: {error.strerror}, on which systemd-sysext fails"
            return replace(finding, condition=Condition.BROKEN, reason=reason, blocks=True, passed_over=True)
        image = stat.S_ISREG(mode) and (versions or entry.name.endswith(".raw"))
        if not image and not stat.S_ISDIR(mode):
            return replace(finding, reason="nothing that systemd-sysext takes for an image", passed_over=True)
        if image and not self._inside:
            return replace(finding, reason="not looked into", unseen=True)
        try:
            inspection = self._inspect(path, entry) if image else _inspect_directory(path, entry)
        except ImageBroken as error:
            # a directory that is no extension is left out, and does no harm to others
            return (
                _refused(finding, error) if image else replace(finding, condition=Condition.BROKEN, reason=str(error))
            )
        name = ImageFile(file_name=entry.name).name or entry.name
        return self._compared(replace(finding, reason="not in the store"), name, inspection.release)

    def _inspect_stored(self, file_name: str, entry: Entry) -> Inspection:
        """Look into a file of the store, once for all trees that have it under this name."""
        key = file_name, entry.stem, str(self._systemd)
        content = self._examiner.contents.get(key)
        if content is None:
            try:
                with self._examiner.store.opened(file_name) as descriptor:
                    content = self._inspect(descriptor, entry)
            except (ImageBroken, NoVerdict) as error:
                content = error
            self._examiner.contents[key] = content
        if isinstance(content, ImageBroken | NoVerdict):
            raise content
        return content

    def _inspect(self, image: int | Path, entry: Entry) -> Inspection:
        from tukit_sysext.system.inspect_image import inspect_linked  # a boot looks into few images, or none

        return inspect_linked(image, stem=entry.stem, systemd=self._systemd, scratch=self._layout.cache)

    @property
    def _systemd(self) -> SystemdVersion:
        # where the version is not known, the one that accepts the most: nothing is moved that might be merged
        return self._tree.systemd or NAME_CUT_SINCE

    def _of_others(self, entry: Entry, finding: Finding) -> Finding:
        """A damaged file: whether systemd-sysext would fail on it."""
        try:
            return replace(finding, blocks=self._elsewhere(entry, finding).blocks)
        except (NoVerdict, StoreError, ToolBroken, OSError) as error:
            return replace(finding, reason=f"{finding.reason}; cannot be looked into: {error}", unseen=True)


_LEADS_ASTRAY = (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What systemd-sysext fails on when it follows a link; one that leads to nothing (ENOENT) it leaves out."""

_AS_ENTRY = {Condition.IRREGULAR: Condition.BROKEN, Condition.UNREADABLE: Condition.UNKNOWN}
"""The condition of an entry by that of its file, where it is another one."""


def _inspect_directory(folder: Path, entry: Entry) -> Inspection:
    from tukit_sysext.system.inspect_image import inspect_directory

    return inspect_directory(folder, preferred=entry.stem)


def _refused(finding: Finding, error: ImageBroken) -> Finding:
    """An image file on which systemd-sysext fails, and with it the whole merge."""
    condition = Condition.WRONGLY_NAMED if isinstance(error, MergeNameRefused) else Condition.BROKEN
    return replace(finding, condition=condition, reason=str(error), blocks=True)
