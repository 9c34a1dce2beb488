# SPDX-License-Identifier: LGPL-2.1-or-later
"""Carrying out a plan: fetch, verify, publish, link.

Decides nothing: whether a content fits is asked of the plan's rules.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace

from tukit_sysext.errors import ImageBroken, SourceUnreachable, StoreError
from tukit_sysext.job.facts import Candidate, Known, Standing
from tukit_sysext.job.options import Option, consider
from tukit_sysext.job.plan import Action, Plan
from tukit_sysext.job.resolve import Resolver
from tukit_sysext.state.ledger import now_text
from tukit_sysext.state.record import Record
from tukit_sysext.state.store import Condition, Store, Stored, hash_of
from tukit_sysext.system.inspect_image import inspect_image

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Findings:
    """What fetching showed: of images by their keys, of the store by file name."""

    known: dict[str, Known] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)


def fetch(plan: Plan, resolver: Resolver, store: Store) -> Findings:
    """Bring the images that the plan wants fetched into the store; each ends whole in it, or with a reason why not."""
    findings = Findings()
    for image in plan.images:
        if image.action is not Action.FETCH or image.chosen is None or image.chosen.candidate is None:
            continue
        option, candidate = image.chosen, image.chosen.candidate
        try:
            found = _fetch_one(option, candidate, image.name, resolver, store)
        except SourceUnreachable as error:
            found = Known(failure=Standing.UNREACHABLE, reason=str(error))
        except ImageBroken as error:
            found = Known(failure=Standing.BROKEN, reason=str(error))
        except StoreError as error:
            found = Known(failure=Standing.NOT_STORED, reason=str(error))
        findings.known[option.key] = found
        if found.failure is None:
            stored = store.look(option.file_name)
            findings.stored[option.file_name] = stored
            if stored.condition is not Condition.WHOLE and _fits(found, option, resolver):
                reason = f"{option.file_name} is {stored.condition} right after it was published: {stored.reason}"
                findings.known[option.key] = Known(failure=Standing.NOT_STORED, reason=reason)
        else:
            log.warning("%s %s: %s", image.name, option.version, found.reason)
    return findings


def _fetch_one(option: Option, candidate: Candidate, name: str, resolver: Resolver, store: Store) -> Known:
    if option.stored is not None and option.stored.condition is Condition.UNRECORDED:
        # another tool's file under this name may well be the published one: nothing to fetch then
        with store.opened(option.file_name) as descriptor:
            if hash_of(descriptor) == option.sha256:
                known, record = _look(descriptor, option, candidate, name, resolver)
                if record is not None:
                    store.take_over(record)
                return known
    source = resolver.sources[candidate.source]
    with (
        source.open(candidate) as pieces,
        store.receive(
            pieces,
            sha256=candidate.sha256,
            size=candidate.size,
            limit=resolver.configuration.settings.image_max,
            where=candidate.locations[0] if candidate.locations else candidate.file_name,
        ) as received,
    ):
        known, record = _look(received.descriptor, option, candidate, name, resolver)
        if record is not None:
            store.publish(received, record, replaceable=lambda there: _good_for_nothing(there, resolver, store))
        return known


def _look(
    descriptor: int, option: Option, candidate: Candidate, name: str, resolver: Resolver
) -> tuple[Known, Record | None]:
    """Look into a file whose hash is right: what it says, and its record where it fits, so that it is published."""
    inspection = inspect_image(descriptor, preferred=name, scratch=resolver.scratch)
    known = Known(release=inspection.release, from_content=True, merge_name=inspection.merge_name)
    if not _fits(known, option, resolver):
        return known, None
    return known, Record(
        file_name=candidate.file_name,
        name=candidate.name,
        version=candidate.version,
        sha256=candidate.sha256,
        size=os.fstat(descriptor).st_size,
        source=candidate.source,
        url=candidate.locations[0] if candidate.locations else "",
        signer=None,
        time=now_text(),
        merge_name=inspection.merge_name,
        release=dict(inspection.release),
    )


def _fits(known: Known, option: Option, resolver: Resolver) -> bool:
    facts = replace(resolver.facts, known={**resolver.facts.known, option.key: known})
    return consider(facts, option).standing is Standing.FITS


def _good_for_nothing(file_name: str, resolver: Resolver, store: Store) -> bool:
    """Whether systemd could not read the file of unknown origin either: half a download, an error page."""
    try:
        with store.opened(file_name) as descriptor:
            inspect_image(descriptor, preferred=file_name.removesuffix(".raw"), scratch=resolver.scratch)
    except ImageBroken:
        return True
    return False
