# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writing what a source is, and whose signatures it is believed by, into /etc/tukit-sysext of trees.

Nothing is written before it is known that it can be in every tree. The key comes first, the source's file after it:
whoever reads between the two finds the source as it was. Taking away (source_removal) goes the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.config import keyring, settings, values, wanted
from tukit_sysext.config.files import load
from tukit_sysext.config.own_files import ETC, delete, own_folder
from tukit_sysext.config.settings import SOURCES
from tukit_sysext.config.wanted import State
from tukit_sysext.errors import TukitSysextError, UnknownState, UsageError
from tukit_sysext.formats import armour, openpgp
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.layout import CONFIGURATION
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.durable import write_file
from tukit_sysext.system.room import hint
from tukit_sysext.system.tree import Tree

KEYRINGS = "keyrings"
KEY_LIMIT = 1024 * 1024
"""The most bytes that a file of keys may have."""

_WRITTEN = frozenset(("URL", "Path", "Keyring", "Fingerprint", "Verify"))
"""Keys that are written anew: whoever gives a key wants signatures verified by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSource:
    """A source to be written: URLs of servers that mirror each other, or one directory.

    ``key`` is a file of public keys as it was read (None: the system's import keyring counts), ``pins`` fingerprints of
    primary keys, ``priority`` as in the file.
    """

    name: str
    urls: tuple[str, ...]
    path: str | None
    key: bytes | None
    pins: tuple[str, ...]
    priority: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What was written in a tree: the file of the source, that of its keys, and whose they are.

    ``keyring`` is None where the system's counts.
    """

    target: Target
    file: Path
    keyring: Path | None
    keys: tuple[PublicKey, ...]


def places(words: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """URLs, or a directory, out of what a person wrote. Raises UsageError."""
    if any("://" in word for word in words):
        try:
            return tuple(values.url(word) for word in words), None
        except ValueError as error:
            raise UsageError(f"where the images are: {error}") from error  # not repeated: a password may be in it
    if len(words) > 1 or not os.path.isdir(words[0]):
        raise UsageError(f"{words[0]}: expected one directory that exists, or URLs with http:// or https://")
    path = os.path.abspath(words[0])
    if not path.isprintable() or path != path.strip() or path.endswith("\\"):
        raise UsageError(f"{path!r}: a name that a configuration file cannot hold")
    return (), path


def add(targets: Sequence[Target], new: NewSource, *, force: bool, dry_run: bool = False) -> Sequence[Written]:
    """Write a source into trees; with ``dry_run`` find out whether it could be, and write nothing.

    Raises UsageError, TukitSysextError where there is one already (but with ``force``), OSError.
    """
    try:
        check_component(new.name)
    except NameRefused as error:
        raise UsageError(f"the source's name: {error}") from error
    with opened(targets) as sites:
        prepared = [_prepare(target, tree, new, force=force) for target, tree in sites]
        if dry_run:
            return [found.told() for found in prepared]
        return [found.write() for found in prepared]


@contextmanager
def opened(targets: Sequence[Target]) -> Iterator[Sequence[tuple[Target, Tree]]]:
    """The trees, each of which can be changed. No interruption comes between two of them."""
    from tukit_sysext.change.change import (  # planning, which lists of sources do without
        check_changeable,
        uninterrupted,
    )

    with ExitStack() as stack:
        sites = [(target, stack.enter_context(Tree(target.path))) for target in targets]
        for target, tree in sites:
            check_changeable(target, tree)
        stack.enter_context(uninterrupted())
        yield sites


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """A source that can be written into a tree: ``binary`` are its keys, ``before`` is the file that is replaced."""

    target: Target
    tree: Tree
    new: NewSource
    binary: bytes | None
    keys: tuple[PublicKey, ...]
    before: str | None

    def told(self) -> Written:
        """What would be written."""
        stored = Path(f"/{ETC}/{KEYRINGS}/{self.new.name}.gpg") if self.binary is not None else None
        file = Path(f"/{ETC}/{SOURCES}/{self.new.name}.conf")
        return Written(target=self.target, file=file, keyring=stored, keys=self.keys)

    def write(self) -> Written:
        """Write it."""
        new, tree = self.new, self.tree
        stored: Path | None = None
        if self.binary is not None:
            stored = _write(tree, KEYRINGS, f"{new.name}.gpg", self.binary)
        kept = _kept(tree, self.before, new) if self.before is not None else []
        try:
            file = _write(tree, SOURCES, f"{new.name}.conf", _text(new, stored, kept).encode())
        except TukitSysextError:
            if stored is not None and self.before is None:
                with suppress(OSError, TukitSysextError), own_folder(tree, KEYRINGS) as folder:
                    os.unlink(folder / stored.name)
            raise
        return Written(target=self.target, file=file, keyring=stored, keys=self.keys)


def _prepare(target: Target, tree: Tree, new: NewSource, *, force: bool) -> _Prepared:
    before = find(tree, new.name)
    where = "" if target.running else f"{target}: "
    if before is not None and not force:
        raise TukitSysextError(
            f"{where}{before}: there is a source {new.name} already",
            hint="give it another name, or replace it with --force",
        )
    try:
        binary, keys = _keys(tree, new)
        _check_pins(new.pins, keys)
    except TukitSysextError as error:
        raise TukitSysextError(f"{where}{error}", hint=error.hint) from error
    return _Prepared(target=target, tree=tree, new=new, binary=binary, keys=keys, before=before)


def _write(tree: Tree, kind: str, file_name: str, content: bytes) -> Path:
    """Write a file of a kind; its path in the tree. Raises TukitSysextError, the old file is whole then."""
    path = Path(f"/{ETC}/{kind}/{file_name}")
    try:
        with own_folder(tree, kind) as folder:
            write_file(folder / file_name, content, known_as=str(path))
    except OSError as error:
        told = f"{path}: cannot be written: {error.strerror}"
        raise TukitSysextError(told, hint=hint(tree.path / ETC, error)) from error
    return path


def find(tree: Tree, name: str) -> str | None:
    """The file that says what a source is (or masks it); None where there is none. Raises UnknownState."""
    return next(iter(all_places(tree, name)), None)


def all_places(tree: Tree, name: str) -> list[str]:
    """The files of a source, the one that counts first."""
    folders = [f"{directory}/{SOURCES}" for directory in CONFIGURATION]
    return [f"/{folder}/{name}.conf" for folder in folders if f"{name}.conf" in (tree.names(folder) or ())]


def _keys(tree: Tree, new: NewSource) -> tuple[bytes | None, tuple[PublicKey, ...]]:
    """The keys that count: those that were given, in binary form, else those of the system."""
    content, where = new.key, "the file of keys"
    if content is None:
        try:
            found = keyring.load(tree, None)
        except UnknownState as error:
            raise TukitSysextError(str(error), hint="give the key with --key FILE") from error
        if found is None:
            raise TukitSysextError(
                "there is no keyring of the system that a fingerprint could choose from",
                hint="give the key with --key FILE",
            )
        content, where = found.content, found.path
    try:
        binary = armour.public_keys(content)
        return binary if new.key is not None else None, openpgp.public_keys(binary)
    except ValueError as error:
        raise TukitSysextError(
            f"{where}: cannot be used as an OpenPGP public key: {error}",
            hint="the publisher has it, or: gpg --export --armor FINGERPRINT",
        ) from error


def _check_pins(pins: Sequence[str], keys: Sequence[PublicKey]) -> None:
    for pin in pins:
        if any(pin == key.fingerprint for key in keys):
            continue
        primary = next((key.fingerprint for key in keys if pin in key.subkeys), None)
        found = ", ".join(key.fingerprint for key in keys)
        told = f"expected a key with the fingerprint {pin}, found {found}"
        if primary is not None:
            told = f"{pin} is a subkey of {primary}; expected the fingerprint of the primary key"
        raise TukitSysextError(told, hint="nothing was written; ask the publisher which fingerprint is right")


def _kept(tree: Tree, before: str, new: NewSource) -> list[str]:
    """What the file that is replaced says beside (MaxAge=, Credentials=), where the images stay in the same place.

    Another place gets nothing of it: no password goes to a server that it is not for.
    """
    file = load(tree, before.lstrip("/"))
    known = settings.load(tree).sources.get(new.name)
    if file is None or known is None or (known.urls, known.path) != (new.urls, new.path):
        return []
    written = _WRITTEN if new.priority is None else {*_WRITTEN, "Priority"}
    assignments = (item for item in file.assignments if item.section == "Source" and item.key not in written)
    return [f"{item.key}={item.value}" for item in assignments]


def _text(new: NewSource, stored: Path | None, kept: Sequence[str]) -> str:
    lines = ["# written by tukit-sysext sources add", "[Source]"]
    lines += [f"URL={url}" for url in new.urls]
    lines += [f"Path={new.path}"] if new.path is not None else []
    lines += [f"Keyring={stored}"] if stored is not None else []
    lines += [f"Fingerprint={pin}" for pin in new.pins]
    lines += [f"Priority={new.priority}"] if new.priority is not None else []
    return "\n".join([*lines, *kept]) + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What goes of a tree.

    ``kept`` is the file of keys that stays as ``users``, other sources, name it (None: none stays for that).
    ``wanted_by`` are images that are wanted from this source alone.
    """

    target: Target
    files: tuple[str, ...]
    kept: str | None
    users: tuple[str, ...]
    wanted_by: tuple[str, ...]


def remove(targets: Sequence[Target], name: str, *, dry_run: bool = False) -> Sequence[Removed]:
    """Take a source's file in /etc away, and its keys, in those of the trees that have it; with ``dry_run`` only tell.

    Keys that another source names stay. Raises TukitSysextError, OSError.
    """
    file = f"/{ETC}/{SOURCES}/{name}.conf"
    with opened(targets) as sites:
        found = [(target, tree, all_places(tree, name)) for target, tree in sites]
        ours = [(target, tree, len(there) > 1) for target, tree, there in found if file in there]
        if not ours:
            where = next((there[0] for _, _, there in found if there), file)
            raise TukitSysextError(
                f"{where}: not a file of /{ETC}, which alone is changed",
                hint=f"to do without it: ln -s /dev/null {file}",
            )
        gone = [_what_goes(target, tree, name, weaker=weaker) for target, tree, weaker in ours]
        if not dry_run:
            for (_, tree, _), removed in zip(ours, gone, strict=True):
                for path in removed.files:
                    _, folder, file_name = path.rsplit("/", 2)
                    delete(tree, folder, file_name)
    return gone


def _what_goes(target: Target, tree: Tree, name: str, *, weaker: bool) -> Removed:
    """What goes of a tree with a source; ``weaker`` tells that another file of its name counts then."""
    key = f"/{ETC}/{KEYRINGS}/{name}.gpg"
    has_key = f"{name}.gpg" in (tree.names(f"{ETC}/{KEYRINGS}") or ())
    users = tuple(
        source.name
        for source in settings.load(tree).sources.values()
        if source.name != name
        and any((said.key, os.path.normpath(said.text)) == ("Keyring", key) for said in source.said)
    )
    images = wanted.load(tree).images.values() if not weaker else ()
    return Removed(
        target=target,
        files=(f"/{ETC}/{SOURCES}/{name}.conf", *((key,) if has_key and not users else ())),
        kept=key if has_key and users else None,
        users=users,
        wanted_by=tuple(sorted(image.name for image in images if image.source == name and image.state is State.WANTED)),
    )
