# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking into files whose hash is right: whether one is the image that was chosen, fits, and serves.

Decides nothing itself: that is asked of the plan's rules.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import NamedTuple

from tukit_sysext.errors import ImageBroken, NoSpace, NoVerdict, ToolBroken
from tukit_sysext.formats.oci_urls import registry_url
from tukit_sysext.quantities import time_text
from tukit_sysext.requirements.contents import completed
from tukit_sysext.rules.image_names import LAYER, unpacked_name
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.store.record import PackedFile, Record
from tukit_sysext.system.disk_space import is_full, not_writable
from tukit_sysext.system.inspect_image import inspect_image
from tukit_sysext.system.look_through import look_through_or_say
from tukit_sysext.update.another_image import same_image
from tukit_sysext.update.considered import Option
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.held_against import held_against_system
from tukit_sysext.update.judging import consider
from tukit_sysext.update.plan import ImagePlan
from tukit_sysext.update.search import Resolver

log = logging.getLogger(__name__)


class WantedFile(NamedTuple):
    """An image to be fetched: its name, and what was chosen for it."""

    name: str
    option: Option
    candidate: Candidate


_IN_VAIN = (Standing.BROKEN, Standing.UNUSABLE, Standing.DOES_NOT_FIT, Standing.ANOTHER_IMAGE, Standing.LACKS)


def came_in_vain(facts: Facts, image: ImagePlan) -> bool:
    """Whether a content that was fetched cannot be used, or lacks what the version in use has."""
    candidate = image.chosen.candidate if image.chosen is not None else None
    if candidate is None:
        return False
    considered = held_against_system(facts, image.wanted, consider(facts, Option.of_candidate(facts, candidate)))
    return same_image(facts, image.wanted, considered).standing in _IN_VAIN


class ContentJudge:
    """What the content of files says, by what a resolver knows of their tree."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._store = resolver.store

    def look_into(self, descriptor: int, wanted: WantedFile, *, sha256: str) -> tuple[Description, Record | None]:
        """Look into a file whose hash is right: what it says, and its record where it fits."""
        candidate, layout = wanted.candidate, self._resolver.machine.layout
        try:
            inspection = inspect_image(descriptor, preferred=wanted.name, scratch=layout.cache)
        except NoSpace as error:
            if is_full(not_writable(layout.store)):
                raise
            # the disk of the store has room: what cannot be written is ours
            raise ToolBroken(str(error), next_step=error.next_step) from error
        known = Description(release=inspection.release, merge_name=inspection.merge_name)
        packing = unpacked_name(candidate.file_name)[1]
        url = candidate.locations[0] if candidate.locations else ""
        if self.fits(known, wanted):
            contents = look_through_or_say(descriptor, called=candidate.file_name, scratch=layout.cache)
            described = self._resolver.facts.known.get(wanted.option.key)
            stated = described.contents if described is not None and described.vouched else None
            known = replace(known, contents=completed(contents, stated))
        if not self.fits(known, wanted):
            return known, None
        return known, Record(
            file_name=wanted.option.file_name,
            name=candidate.name,
            version=candidate.version,
            sha256=sha256,
            packed=PackedFile(file_name=candidate.file_name, sha256=candidate.sha256) if packing else None,
            size=os.fstat(descriptor).st_size,
            source=candidate.source,
            # former versions do not know layers: they find no place there, in the place of what they cannot unpack
            url=registry_url(url) if packing == LAYER else url,
            signer=candidate.signer,
            time=time_text(),
            merge_name=inspection.merge_name,
            release=dict(inspection.release),
            contents=known.contents,
        )

    def fits(self, known: Description, wanted: WantedFile) -> bool:
        """Whether it is the image that is wanted, and fits, by what was just found out of it."""
        facts, option = self._resolver.facts, wanted.option
        facts = replace(facts, known={**facts.known, option.key: known})
        return same_image(facts, facts.wanted[wanted.name], consider(facts, option)).standing is Standing.FITS

    def is_no_image(self, file_name: str) -> bool:
        """Whether systemd could not read the file of unknown origin either: half a download, an error page.

        Raises ToolBroken, StoreError.
        """
        scratch = self._resolver.machine.layout.cache
        try:
            with self._store.opened(file_name) as descriptor:
                inspect_image(descriptor, preferred=file_name.removesuffix(".raw"), scratch=scratch)
        except ImageBroken:
            return True
        except NoVerdict as error:
            log.warning("%s: %s", file_name, error)
        return False

    def complete_records(self) -> None:
        """Look through what is linked and was recorded before that was done: it is the measure of its successors."""
        facts = self._resolver.facts
        if facts.offers is None:
            return
        for entry in facts.tree.entries:
            stored = facts.stored.get(entry.image) if entry.image is not None else None
            if stored is None or stored.record is None or stored.condition is not Condition.WHOLE:
                continue
            contents = stored.record.contents
            if (contents is None or contents.described) and stored.name in facts.wanted:
                self._resolver.learn(known={}, stored={stored.file_name: self._looked_through(stored, stored.record)})

    def _looked_through(self, stored: Stored, record: Record) -> Stored:
        scratch = self._resolver.machine.layout.cache
        try:
            with self._store.opened(stored.file_name) as descriptor:
                contents = look_through_or_say(descriptor, called=stored.file_name, scratch=scratch)
            if contents is None:
                return stored
            record = replace(record, contents=completed(contents, record.contents))
            self._store.records.write(record)
        except OSError as error:
            log.warning("record of %s: %s", stored.file_name, error.strerror)
        return replace(stored, record=record)
