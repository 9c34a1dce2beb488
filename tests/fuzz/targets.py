# SPDX-License-Identifier: LGPL-2.1-or-later
"""All targets."""

from __future__ import annotations

from tests.fuzz import answered, chunked, configured, found, kept, looked, published, registries
from tests.fuzz.target import Target

TARGETS: tuple[Target, ...] = (
    *published.TARGETS,
    *registries.TARGETS,
    *answered.TARGETS,
    *chunked.TARGETS,
    *configured.TARGETS,
    *kept.TARGETS,
    *found.TARGETS,
    *looked.TARGETS,
)
