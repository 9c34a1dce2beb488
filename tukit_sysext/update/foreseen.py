# SPDX-License-Identifier: LGPL-2.1-or-later
"""Would the next update be refused, by what this machine knows now? For people and monitoring; no server is asked.

A version that is held and that nobody publishes, or a block of the only version that fits, refuses every update from
then on. The system itself is taken as it is: what a new one needs is for ``preflight`` to tell.

``status`` asks at each run: where every required image is linked, whole and fitting, and nothing says which versions it
may be of, an update keeps it whatever sources offer, and nothing is resolved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.config.main_settings import Blocked
from tukit_sysext.config.settings import Configuration, load_configuration
from tukit_sysext.config.wanted import WantedImage, load_wanted
from tukit_sysext.machine import Machine
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.fitting import TreeFacts, tree_facts, verdict_of
from tukit_sysext.store.image_store import Condition, Store
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.requirements.contents import Contents
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.snapshots.fitting import Question
    from tukit_sysext.sources.protocol import Source
    from tukit_sysext.update.plan import ImagePlan


def refusals(machine: Machine, path: Path, *, refused_for: Mapping[str, int] | None = None) -> Mapping[str, str]:
    """Why an update that starts from the tree at ``path`` would be refused, by image; as :func:`refusing`."""
    return {image.name: image.reason for image in refusing(machine, path, refused_for=refused_for)}


def refusing(
    machine: Machine,
    path: Path,
    *,
    refused_for: Mapping[str, int] | None = None,
    changed: Mapping[str, WantedImage] | None = None,
    blocked: Mapping[str, Sequence[Blocked]] | None = None,
) -> tuple[ImagePlan, ...]:
    """The images for which an update that starts from the tree at ``path`` would be refused.

    ``changed`` are images as they would be wanted, and ``blocked`` is what would be blocked by the files of these
    names, in the place of what is written there. One whose sources nobody has asked yet is none of them. Raises
    UnknownState, OutsideTree.
    """
    machine = replace(machine, read_only=True)
    with Tree(path) as tree:
        if not (changed or blocked or any(_unsure(machine, tree))):
            return ()
        from tukit_sysext.update.deciding import decide
        from tukit_sysext.update.left_out import LeftOut
        from tukit_sysext.update.search import Resolver

        resolver = Resolver(machine, tree, _Memory(), refused_for=refused_for)
        if blocked:
            resolver.block_instead(blocked)
        plan = decide(resolver.resolve(wanted=changed))
    return tuple(image for image in plan.refusing if image.left_out is not LeftOut.UNREACHABLE)


def _unsure(machine: Machine, tree: Tree) -> Iterator[str]:
    """The required images that an update would not keep as they are linked in any case."""
    blocked = {block.name for block in load_configuration(tree).settings.blocked}
    facts, store = tree_facts(tree), machine.store()
    for name, wanted in load_wanted(tree).images.items():
        if wanted.may_refuse and (name in blocked or _narrowed(wanted) or not _is_well_linked(name, facts, store)):
            yield name


def _narrowed(wanted: WantedImage) -> bool:
    """Whether its file says anything but that it is wanted: all that but PreReleases= can keep versions away."""
    return wanted != WantedImage(name=wanted.name, origin=wanted.origin, prereleases=wanted.prereleases)


def _is_well_linked(name: str, tree: TreeFacts, store: Store) -> bool:
    """Whether one entry has the name of the image, a link to a whole file of it that fits by systemd's rule."""
    entries = [entry for entry in tree.entries if entry.stem == name]
    file_name = entries[0].image if len(entries) == 1 else None
    if file_name is None:
        return False
    stored = store.look(file_name)
    record = stored.record
    return (
        stored.condition is Condition.WHOLE
        and record is not None
        and record.name == name
        and entries[0].name == f"{record.merge_name}.raw"
        and verdict_of(tree.host, ReleaseData(record.release)).fits
    )


class _Memory:
    """In the place of all plugins: sources as they are remembered, and no objection."""

    def sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """See Advisers."""
        from tukit_sysext.sources.last_lists import remembered_sources

        return remembered_sources(machine, configuration)

    def objection(self, question: Question) -> str:
        """See Advisers."""
        return ""

    def lacks(self, contents: Contents, ground: Ground, name: str, version: str) -> frozenset[str]:
        """See Advisers."""
        return frozenset()

    def shadows(self, contents: Contents, ground: Ground, name: str, version: str) -> tuple[str, ...]:
        """See Advisers."""
        return ()

    def warns(self, contents: Contents, ground: Ground, name: str, version: str) -> tuple[str, ...]:
        """See Advisers."""
        return ()
