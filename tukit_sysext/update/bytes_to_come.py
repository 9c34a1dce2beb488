# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many bytes will come where a plan is carried out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.protocol import ChunkedSource
from tukit_sysext.update.plan import Action, Plan
from tukit_sysext.update.search import Resolver

log = logging.getLogger(__name__)


def bytes_to_come(resolver: Resolver, plan: Plan) -> Mapping[str, int]:
    """By image, of those that would be fetched and of which it is known: what differs from the versions that are here,
    where an index of its chunks tells, else the size. Asks the sources for indexes.
    """
    by_source: dict[str, dict[str, Candidate]] = {}
    known: dict[str, int | None] = {}
    for image in plan.images:
        if image.action is Action.FETCH and image.chosen is not None and image.chosen.candidate is not None:
            by_source.setdefault(image.chosen.candidate.source, {})[image.name] = image.chosen.candidate
            known[image.name] = image.chosen.size
    sizes: dict[str, int] = {}
    for source, candidates in by_source.items():
        told: Mapping[str, int] = {}
        chunked = resolver.sources.get(source)
        if isinstance(chunked, ChunkedSource):
            try:
                seeds = resolver.store.seeds
                told = chunked.to_fetch([(each, seeds(each.name, each.sha256)) for each in candidates.values()])
            except TukitSysextError as error:
                log.info("%s", error)
        for name, candidate in candidates.items():
            size = told.get(candidate.sha256, known[name])
            if size is not None:
                sizes[name] = size
    return sizes
