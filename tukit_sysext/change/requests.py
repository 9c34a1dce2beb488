# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``install``, ``remove``, ``update``, ``hold`` and ``block`` ask of one tree: its files as they will be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tukit_sysext.change import intent_changes
from tukit_sysext.change.intent_changes import IntentChange
from tukit_sysext.config import own_files
from tukit_sysext.config.early import MAIN
from tukit_sysext.config.files import read as read_file
from tukit_sysext.config.intent import IMAGES, SECTION, State
from tukit_sysext.config.key_editing import Changes, edited
from tukit_sysext.config.main_settings import Blocked
from tukit_sysext.config.wanted import WantedImage, load_wanted
from tukit_sysext.config.wanted import read as read_image
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.formats.ini import parse
from tukit_sysext.rules.version import sort_key
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.snapshots.targets import Target, is_only_tree
from tukit_sysext.system.tree import Tree

_DROP_INS = f"{MAIN}.d"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewFile:
    """A file of a tree's /etc/tukit-sysext as it will be; ``content`` None takes it away.

    ``image`` is what it will say of an image (of a tombstone, where the file goes); None for a file of another kind.
    ``of`` is the name of the image that it is about, ``changes`` what the file makes different for it.
    """

    folder: str
    name: str
    content: str | None
    image: WantedImage | None = None
    of: str | None = None
    changes: tuple[IntentChange, ...] = ()

    @property
    def may_refuse(self) -> bool:
        """Whether an update may be refused for the image of this file."""
        image = self.image
        return image is not None and self.content is not None and image.state is State.WANTED and image.may_refuse

    @property
    def path(self) -> str:
        """Its path below the tree."""
        return f"/{own_files.ETC}/{self.folder}/{self.name}"

    @property
    def blocked(self) -> tuple[Blocked, ...]:
        """The versions that it would block, where it is a file that blocks some."""
        assignments, _ = parse((self.content or "").encode())
        words = [word for each in assignments if each.section == "Block" for word in each.value.split()]
        named = [word.partition("=") for word in words]
        return tuple(Blocked(name=name, version=version, origin=self.path) for name, _, version in named)


def image_file(name: str, content: str, before: WantedImage | None, *, goes: bool = False) -> NewFile:
    """``images.d/NAME.conf`` with this content; with ``goes`` it is taken away, and meant what ``content`` says.

    ``before`` is what the tree says of the image so far.
    """
    file = NewFile(folder=IMAGES, name=f"{name}.conf", content=None if goes else content)
    image, _ = read_image(name, read_file(file.path, content.encode()))
    return replace(file, image=image, of=name, changes=tuple(intent_changes.of_image(before, image)))


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeRequest:
    """A change that is asked for of one tree.

    ``files`` that become different, and ``names`` of the images that are planned (None: all). Without ``ask`` no source
    is asked; without ``link`` links stay as they are.
    """

    target: Target
    files: tuple[NewFile, ...] = ()
    names: Collection[str] | None = None
    ask: bool = True
    link: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """What a tree wants, and the versions (UAPI.10) that its links into the store have, by image.

    ``others`` are the names of its entries that are no links into the store.
    """

    wanted: Mapping[str, WantedImage]
    linked: Mapping[str, tuple[str, ...]]
    others: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """Images that are wanted or linked; a tombstone without links is neither."""
        return frozenset((*(name for name in self.wanted if self.wants(name)), *self.linked))

    def wants(self, name: str) -> bool:
        """Whether the tree wants an image: a tombstone says the opposite."""
        return name in self.wanted and self.wanted[name].state is State.WANTED

    def newest(self, name: str) -> str | None:
        """The newest version that is linked."""
        return max(self.linked.get(name, ()), key=sort_key, default=None)


def installed(target: Target) -> Installed:
    """Look at a tree. Raises UnknownState, OutsideTree where its links cannot be read."""
    store = target.machine.store(writable=False)
    linked: dict[str, tuple[str, ...]] = {}
    others: set[str] = set()
    with Tree(target.path) as tree:
        for entry in read_entries(tree):
            if entry.image is None:
                others.add(entry.name.removesuffix(".raw"))
            stored = store.look(entry.image) if entry.image is not None else None
            name = stored.name if stored is not None else None
            if stored is not None and name is not None:
                linked[name] = (*linked.get(name, ()), stored.version)
        return Installed(wanted=load_wanted(tree).images, linked=linked, others=frozenset(others))


def known_names(targets: Sequence[Target]) -> frozenset[str]:
    """Images that any of the trees wants or links."""
    names: set[str] = set()
    for target in targets:
        try:
            names |= installed(target).names
        except (UnknownState, OutsideTree):
            continue
    return frozenset(names)


def to_install(target: Target, changes: Mapping[str, Changes]) -> ChangeRequest:
    """Images become wanted, with these keys; what their files say beside stays, their policy too.

    Where one was removed, what a weaker file says counts again.
    """
    files: list[NewFile] = []
    with Tree(target.path) as tree:
        there = load_wanted(tree).images
        for name, keys in changes.items():
            text, _ = own_files.text(tree, IMAGES, f"{name}.conf")
            if name in there and there[name].state is State.REMOVED:
                text = own_files.shipped_text(tree, IMAGES, f"{name}.conf")
            # an empty file would mask the image
            new = {} if text.strip() else {"Policy": ("required",)}
            files.append(image_file(name, edited(text, SECTION, {"State": None, **new, **keys}), there.get(name)))
    return ChangeRequest(target=target, files=tuple(files), names=tuple(changes))


def to_change(target: Target, changes: Mapping[str, Changes], *, ask: bool = False) -> ChangeRequest:
    """Keys of images become different, and links stay as they are. With ``ask`` sources say what will come of it."""
    with Tree(target.path) as tree:
        there = load_wanted(tree).images
        files = tuple(_image(tree, name, keys, there.get(name)) for name, keys in changes.items())
    return ChangeRequest(target=target, files=files, names=tuple(changes), ask=ask, link=False)


def to_remove(target: Target, names: Collection[str]) -> ChangeRequest:
    """Images are not wanted any more, and their links go.

    The file of an image goes too, but for a tombstone where a weaker file would count then, or where another tree of
    the machine is about to boot or is being made, to whose /etc the removal has to come.
    """
    files: list[NewFile] = []
    with Tree(target.path) as tree:
        there = load_wanted(tree).images
        for name in names:
            _, shipped = own_files.text(tree, IMAGES, f"{name}.conf")
            tombstone = edited("", SECTION, {"State": ("removed",)})
            goes = not shipped and is_only_tree(target.machine)
            files.append(image_file(name, tombstone, there.get(name), goes=goes))
    return ChangeRequest(target=target, files=tuple(files), names=tuple(names), ask=False)


def to_block(target: Target, versions: Mapping[str, Sequence[str]]) -> ChangeRequest:
    """Versions by image that are blocked from now on, beside those that are."""
    return _blocks(target, versions, lambda there, new: list(dict.fromkeys((*there, *new))))


def to_unblock(target: Target, versions: Mapping[str, Sequence[str]]) -> ChangeRequest:
    """Versions by image that are allowed again, where :func:`to_block` wrote them."""
    return _blocks(target, versions, lambda there, old: [each for each in there if each not in old])


def _blocks(
    target: Target,
    versions: Mapping[str, Sequence[str]],
    after: Callable[[Sequence[str], Sequence[str]], Sequence[str]],
) -> ChangeRequest:
    files: list[NewFile] = []
    with Tree(target.path) as tree:
        for name, given in versions.items():
            file_name = f"block-{name}.conf"
            text, shipped = own_files.text(tree, _DROP_INS, file_name)
            assignments, _ = parse(text.encode())
            words = [word for each in assignments if each.key == "Image" for word in each.value.split()]
            before = [word.partition("=")[2] for word in words]
            blocked = after(before, given)
            lines = [f"{name}={version}" for version in blocked]
            # where a weaker file would count again, an empty one masks it
            content = edited(text, "Block", {"Image": lines}) if lines else "" if shipped else None
            changes = tuple(intent_changes.of_blocks(name, before, blocked))
            files.append(NewFile(folder=_DROP_INS, name=file_name, content=content, of=name, changes=changes))
    return ChangeRequest(target=target, files=tuple(files), names=(), ask=False, link=False)


def _image(tree: Tree, name: str, changes: Changes, before: WantedImage | None) -> NewFile:
    text, _ = own_files.text(tree, IMAGES, f"{name}.conf")
    return image_file(name, edited(text, SECTION, changes), before)
