# SPDX-License-Identifier: LGPL-2.1-or-later
"""What linked images need, and an update would take away. The rule is pure; :func:`warnings` asks zypper for the facts.

Only what a package meets now can be taken away: what nothing meets is not met worse by an update. An image may get a
newer version in that update, whose needs are not known yet: these are warnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.config.wanted import Attitude, WantedImage, load_wanted
from tukit_sysext.machine import Machine
from tukit_sysext.preflight import zypper
from tukit_sysext.preflight.zypper import PackageChanges, Provider
from tukit_sysext.requirements.capabilities import Capabilities, Package
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tree_packages import TreePackages


@dataclass(frozen=True, kw_only=True, slots=True)
class Needing:
    """A linked image, as people call it, and what it needs, stated or found out."""

    image: str
    needs: frozenset[Requirement]


def warnings(machine: Machine, tree: Tree) -> Sequence[str]:
    """Ask zypper what an update would do; nothing where it does not tell, or nobody says what an image needs."""
    # zypper knows the running system alone
    images = list(_linked(machine, tree)) if machine.privileged and machine.layout.root == Path("/") else []
    if not images:
        return ()
    changes = zypper.update()
    if changes is None:
        return ()
    packages = TreePackages(tree, scratch=machine.layout.cache)
    packages.prepare(need for image in images for need in image.needs)
    asked = touched(images, packages, changes)
    return tuple(taken_away(images, asked, zypper.providers(asked), changes))


def _linked(machine: Machine, tree: Tree) -> Iterator[Needing]:
    store, wanted = machine.store(writable=False), load_wanted(tree).images
    for entry in read_entries(tree):
        record = store.look(entry.image).record if entry.image is not None else None
        if record is not None:
            image = wanted.get(record.name) or WantedImage(name=record.name, origin="")
            needs = frozenset(needs_of(image, record.contents))
            yield Needing(image=f"{record.name} {record.version}", needs=needs)


def needs_of(wanted: WantedImage, contents: Contents | None) -> Iterator[Requirement]:
    """What the configuration and the publisher require, and what was found out, unless ``Needs=`` ignores that."""
    yield from wanted.requires
    if contents is not None:
        yield from contents.stated
        if wanted.needs is not Attitude.IGNORE:
            yield from (Requirement(need) for need in contents.needs)


def touched(
    images: Iterable[Needing], packages: Capabilities, changes: PackageChanges
) -> Mapping[Requirement, Package]:
    """The needs that a package meets now which goes or changes; first those of packages that go."""
    needs = sorted({need for image in images for need in image.needs})
    met = {need: package for need in needs if isinstance(package := packages.provides(need), Package)}
    changed = {need: package for need, package in met.items() if package.name in changes.goes | changes.comes.keys()}
    return dict(sorted(changed.items(), key=lambda pair: pair[1].name not in changes.goes))


def taken_away(
    images: Iterable[Needing],
    met: Mapping[Requirement, Package],
    providers: Mapping[Requirement, Sequence[Provider]],
    changes: PackageChanges,
) -> Iterator[str]:
    """A sentence for each need that nothing meets after the update."""
    lost = {need for need, found in providers.items() if not any(_stays(each, changes) for each in found)}
    for image in images:
        for need in sorted(image.needs & lost):
            package = met[need]
            what = "takes away" if package.name in changes.goes else "changes"
            yield f"the update {what} {package.name}, from which {image.image} has {need}"


def _stays(provider: Provider, changes: PackageChanges) -> bool:
    """Whether a package is there after the update."""
    if provider.name in changes.comes:
        return changes.comes[provider.name] == provider.evr
    return provider.installed and provider.name not in changes.goes
