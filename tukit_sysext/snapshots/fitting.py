# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an image fits a tree: what the tree is, systemd's rule, and what plugins have against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.rules.matching import Compatibility, Host, check
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.systemd import VERSIONS_SINCE, SystemdVersion
from tukit_sysext.snapshots.entries import Entry, read_entries
from tukit_sysext.system.system_release import machine_architecture, read_release, systemd_version
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.requirements.contents import Contents
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.requirements.requirement import Requirement

NEW_SYSTEM = "the new system"
"""What an update brings is called so, beside the one that runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeFacts:
    """The tree: its root, what system it is, and the entries of its /etc/extensions.

    ``unusable`` says why links cannot be read or made there; ``entries`` are empty then. ``systemd`` is None where the
    version is not known. Reasons name the system as it is ``called``.
    """

    path: Path
    release: ReleaseData | None
    architecture: str
    systemd: SystemdVersion | None
    entries: tuple[Entry, ...] = ()
    unusable: str = ""
    called: str = "the system"

    @property
    def has_versions(self) -> bool:
        """Whether its systemd knows folders of versions."""
        return self.systemd is None or self.systemd >= VERSIONS_SINCE

    @property
    def host(self) -> Host:
        """The system to which images are compared; one without os-release says nothing of itself."""
        release = self.release or ReleaseData()
        return Host(release=release, architecture=self.architecture, systemd=self.systemd, called=self.called)


def tree_facts(tree: Tree) -> TreeFacts:
    """What a tree is and has. Never raises: what cannot be read is said in the facts."""
    try:
        release, unusable = read_release(tree), ""
    except UnknownState as error:
        release, unusable = None, str(error)
    entries: tuple[Entry, ...] = ()
    try:
        entries = read_entries(tree)
    except (UnknownState, OutsideTree) as error:
        unusable = str(error)
    return TreeFacts(
        path=tree.path,
        release=release,
        architecture=machine_architecture(),
        systemd=systemd_version(tree),
        entries=entries,
        unusable=unusable,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked of an image that fits a tree by systemd's rule.

    ``system`` is the tree's os-release, ``image`` the image's extension-release, ``contents`` what the image has and
    needs, ``stated`` what is required for it, ``ground`` the tree as what it would be merged over. None: not known.
    """

    system: ReleaseData
    image: ReleaseData
    name: str
    version: str
    contents: Contents | None = None
    stated: tuple[Requirement, ...] = ()
    ground: Ground | None = None


Objection = Callable[[Question], str]
"""Why an image must not be used in a tree although it fits; empty where it may."""


def no_objection(_: Question) -> str:
    """Nobody checks images beyond systemd's rule."""
    return ""


@lru_cache(maxsize=65536)
def verdict_of(host: Host, release: ReleaseData) -> Compatibility:
    """What systemd's rule says; asked once of each release, however often the search looks at all versions (row P5)."""
    return check(host, release)


def judge(
    tree: TreeFacts,
    release: ReleaseData,
    name: str,
    version: str,
    objection: Objection,
    *,
    contents: Contents | None,
    required: Sequence[Requirement] = (),
    ground: Ground | None,
) -> tuple[Compatibility | None, str]:
    """What systemd's rule says (None where a tree has no os-release), and why an image must not be used there.

    That is empty where it may be: it fits, and no plugin objects. ``contents`` are the image's, ``required`` is what
    the configuration requires for it beside what its publisher does; ``ground`` is the tree. None: not known.
    """
    if tree.release is None:
        return None, f"{tree.called} has no os-release, nothing can be compared with it"
    verdict = verdict_of(tree.host, release)
    if not verdict.fits:
        return verdict, verdict.reason
    # who checks further can only narrow: what systemd would not merge is not asked for
    stated = (*required, *(contents.stated if contents is not None else ()))
    return verdict, objection(
        Question(
            system=tree.release,
            image=release,
            name=name,
            version=version,
            contents=contents,
            stated=stated,
            ground=ground,
        )
    )
