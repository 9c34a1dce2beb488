# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adding and removing sources: the file of a source, and that of its keys, in /etc/tukit-sysext of trees.

Nothing is changed before it is known that it can be in every tree. A key is written before the source's file and
deleted after it: whoever reads between the two finds the source as it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext.change.source_events import remember
from tukit_sysext.config import cosign_key, keyring, values
from tukit_sysext.config.cosign_key import CosignKey
from tukit_sysext.config.files import load, read
from tukit_sysext.config.intent import State
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.own_files import ETC, delete, own_folder
from tukit_sysext.config.settings import SOURCES, SourceSettings, load_configuration, read_source
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.errors import TukitSysextError, UnknownState, UsageError
from tukit_sysext.formats import openpgp
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.layout import CONFIGURATION
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.snapshots.targets import Target, check_changeable, uninterrupted
from tukit_sysext.system.disk_space import remedy
from tukit_sysext.system.durable import write_file
from tukit_sysext.system.tree import Tree

KEYRINGS = "keyrings"
KEY_LIMIT = 1024 * 1024
"""The most bytes that a file of keys may have."""

_WRITTEN = frozenset(("URL", "Path", "Keyring", "Fingerprint", "CosignKey", "Verify", "Enabled"))
"""Keys that are written anew: whoever gives a key wants signatures verified by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSource:
    """A source to be written: URLs of servers that mirror each other, or one directory.

    ``key`` is the content of a file of public keys (None: the system's import keyring counts), ``key_file`` its name,
    ``cosign`` tells that it is a key of cosign, which signs the images and no list. ``pins`` are fingerprints of
    primary keys, ``priority`` is as in the file. ``verify``: whether what it has must be signed. ``made_by``: the
    command that makes it, for who reads the file.
    """

    name: str
    urls: tuple[str, ...]
    path: str | None
    key: bytes | None
    key_file: str = "the key"
    cosign: bool = False
    pins: tuple[str, ...]
    priority: int | None
    verify: bool = True
    made_by: str = "sources add"


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What was written in a tree: the file of the source, that of its keys, and the keys that count.

    ``keyring`` is None where the system's counts.
    """

    target: Target
    file: Path
    keyring: Path | None
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What is removed from a tree.

    ``kept`` is the file of keys that stays as ``users``, other sources, name it (None: none stays for that).
    ``wanted_by`` are images that are wanted from this source alone.
    """

    target: Target
    files: tuple[str, ...]
    kept: str | None
    users: tuple[str, ...]
    wanted_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """A source that can be written into a tree: ``binary`` are its keys, ``before`` is the file that is replaced."""

    target: Target
    tree: Tree
    new: NewSource
    binary: bytes | None
    keys: tuple[PublicKey, ...]
    before: str | None

    def preview(self) -> Written:
        """What would be written."""
        keyring_file = Path(_key_file(self.new)) if self.binary is not None else None
        file = Path(_source_file(self.new.name))
        return Written(target=self.target, file=file, keyring=keyring_file, keys=self.keys)

    def kept(self) -> Sequence[str]:
        """What stays of the file that is replaced."""
        return _kept(self.tree, self.before, self.new) if self.before is not None else []

    def write(self) -> Written:
        """Write it, and remember what is changed by that."""
        new, tree, written = self.new, self.tree, self.preview()
        text = _text(new, written.keyring, self.kept()).encode()
        same = _has(tree, _source_file(new.name), text)
        if self.binary is not None:
            same &= _has(tree, _key_file(new), self.binary)
            _write(tree, _key_file(new), self.binary)
        try:
            _write(tree, _source_file(new.name), text)
        except TukitSysextError:
            if written.keyring is not None and self.before is None:
                with suppress(OSError, TukitSysextError), own_folder(tree, KEYRINGS) as folder:
                    os.unlink(folder / written.keyring.name)
            raise
        if not same:
            what = "added" if self.before is None else "replaced"
            where = " ".join(new.urls) or new.path or ""
            remember(self.target.machine, new.name, what, snapshot=self.target.snapshot, detail=where)
        return written


def places(words: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """URLs, or a directory, out of what a person wrote. Raises UsageError."""
    if any("://" in word for word in words):
        try:
            return tuple(values.url(word) for word in words), None
        except ValueError as error:
            raise UsageError(f"where the images are: {error}") from error  # not repeated: a password may be in it
    if len(words) > 1 or not os.path.isdir(words[0]):
        raise UsageError(f"{words[0]}: expected one directory that exists, or URLs: https://, http:// or oci://")
    path = os.path.abspath(words[0])
    if not path.isprintable() or path != path.strip() or path.endswith("\\"):
        raise UsageError(f"{path!r}: a name that a configuration file cannot hold")
    return (), path


def find(tree: Tree, name: str) -> str | None:
    """The file that says what a source is (or masks it); None where there is none. Raises UnknownState."""
    return next(iter(_files(tree, name)), None)


def _files(tree: Tree, name: str) -> list[str]:
    """The files of a source, the one that counts first."""
    folders = [f"{directory}/{SOURCES}" for directory in CONFIGURATION]
    return [f"/{folder}/{name}.conf" for folder in folders if f"{name}.conf" in (tree.names(folder) or ())]


def _source_file(name: str) -> str:
    return f"/{ETC}/{SOURCES}/{name}.conf"


def _key_files(name: str) -> tuple[str, str]:
    """Where the keys that sign lists are kept, and the one of cosign."""
    return f"/{ETC}/{KEYRINGS}/{name}.gpg", f"/{ETC}/{KEYRINGS}/{name}.pub"


def _key_file(new: NewSource) -> str:
    return _key_files(new.name)[new.cosign]


@contextmanager
def opened(targets: Sequence[Target]) -> Iterator[Sequence[tuple[Target, Tree]]]:
    """The trees, each of which can be changed. No interruption comes between two of them."""
    with ExitStack() as stack:
        trees = [(target, stack.enter_context(Tree(target.path))) for target in targets]
        for target, tree in trees:
            check_changeable(target, tree)
        stack.enter_context(uninterrupted())
        yield trees


def add(targets: Sequence[Target], new: NewSource, *, force: bool, dry_run: bool) -> Sequence[Written]:
    """Write a source into trees; with ``dry_run`` find out whether it could be, and write nothing.

    Raises UsageError, TukitSysextError where there is one already (but with ``force``), OSError.
    """
    try:
        check_component(new.name)
    except NameRefused as error:
        raise UsageError(f"the source's name: {error}") from error
    with opened(targets) as trees:
        prepared = [_prepare(target, tree, new, force=force) for target, tree in trees]
        return [each.preview() if dry_run else each.write() for each in prepared]


def planned(target: Target, new: NewSource) -> SourceSettings:
    """A source as a tree would read it once it is written. Raises TukitSysextError where it would not do."""
    with Tree(target.path) as tree:
        prepared = _prepare(target, tree, new, force=True)
        text = _text(new, None, prepared.kept())
        settings, _ = read_source(tree, new.name, read(_source_file(new.name), text.encode()))
    if settings is None:
        raise UsageError(f"{new.name}: no name of a source")
    if prepared.binary is None:
        return settings
    path, content = _key_file(new), prepared.binary
    if new.cosign:
        return replace(settings, cosign_key=CosignKey(path=path, content=content))
    return replace(settings, keyrings=(Keyring(path=path, content=content),))


def _prepare(target: Target, tree: Tree, new: NewSource, *, force: bool) -> _Prepared:
    before = find(tree, new.name)
    where = "" if target.running else f"{target}: "
    if before is not None and not force:
        raise TukitSysextError(
            f"{where}{before}: there is a source {new.name} already",
            next_step="give it another name, or replace it with --force",
        )
    try:
        binary, keys = _keys(tree, new)
        _check_pins(new.pins, keys)
    except TukitSysextError as error:
        raise TukitSysextError(f"{where}{error}", next_step=error.next_step) from error
    return _Prepared(target=target, tree=tree, new=new, binary=binary, keys=keys, before=before)


def _keys(tree: Tree, new: NewSource) -> tuple[bytes | None, tuple[PublicKey, ...]]:
    """The keys that count: those that were given, in binary form, else those of the system."""
    if not new.verify:
        return None, ()
    if new.key is not None and new.cosign:
        return _cosign_key(new.key, new.key_file), ()
    if new.key is not None:
        binary = _binary(new.key, new.key_file)
        return binary, openpgp.public_keys(binary)
    system = keyring.load(tree, None)
    if not system.rings:
        raise TukitSysextError(
            "; ".join(system.problems) or "a signing key is required, as the system has no import keyring",
            next_step="give it: --key FILE",
        )
    keys = [key for ring in system.rings for key in openpgp.public_keys(_binary(ring.content, ring.path))]
    return None, tuple({key.fingerprint: key for key in keys}.values())


def _binary(content: bytes, where: str) -> bytes:
    """Public keys in binary form. Raises TukitSysextError for anything else."""
    try:
        binary = openpgp.dearmour(content)
        openpgp.public_keys(binary)
    except ValueError as error:
        raise TukitSysextError(
            f"{where} is not an OpenPGP public key ({error})",
            next_step="the publisher has it, or:\ngpg --export --armor FINGERPRINT",
        ) from error
    return binary


def _cosign_key(content: bytes, where: str) -> bytes:
    """The public key of cosign as it is. Raises TukitSysextError for anything else."""
    try:
        cosign_key.check(content)
    except ValueError as error:
        raise TukitSysextError(
            f"{where} is not a public key of cosign: {error}",
            next_step="the publisher has it, or:\ncosign public-key --key cosign.key",
        ) from error
    return content


def _check_pins(pins: Sequence[str], keys: Sequence[PublicKey]) -> None:
    known = [key.fingerprint for key in keys]
    for pin in pins:
        if pin in known:
            continue
        message = f"expected a key with the fingerprint {pin}, found {', '.join(known)}"
        primary = next((key.fingerprint for key in keys if pin in key.subkeys), None)
        if primary is not None:
            message = f"{pin} is a subkey of {primary}; expected the fingerprint of the primary key"
        raise TukitSysextError(message, next_step="nothing was written; ask the publisher which fingerprint is right")


def _write(tree: Tree, path: str, content: bytes) -> None:
    """Write a file of ours. Raises TukitSysextError, the old file is whole then."""
    _, kind, file_name = path.rsplit("/", 2)
    try:
        with own_folder(tree, kind) as folder:
            write_file(folder / file_name, content, known_as=path)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}"
        raise TukitSysextError(message, next_step=remedy(tree.path / ETC, error)) from error


def _has(tree: Tree, path: str, content: bytes) -> bool:
    """Whether a file has this content already."""
    try:
        return tree.read(path.lstrip("/"), limit=KEY_LIMIT) == content
    except UnknownState:
        return False


def _kept(tree: Tree, before: str, new: NewSource) -> list[str]:
    """What the file that is replaced says beside (MaxAge=, Credentials=), where the images stay in the same place.

    Another place gets nothing of it: no password goes to a server that it is not for.
    """
    file = load(tree, before.lstrip("/"))
    known = load_configuration(tree).sources.get(new.name)
    if file is None or known is None or (known.urls, known.path) != (new.urls, new.path):
        return []
    written = _WRITTEN | ({"Priority"} if new.priority is not None else set())
    written |= {"MaxAge"} if new.cosign else set()  # of lists
    return [f"{one.key}={one.value}" for one in file.assignments if one.section == "Source" and one.key not in written]


def _text(new: NewSource, keyring_file: Path | None, kept: Sequence[str]) -> str:
    lines = [f"# written by tukit-sysext {new.made_by}", "[Source]"]
    lines += [f"URL={url}" for url in new.urls]
    lines += [f"Path={new.path}"] if new.path is not None else []
    lines += [f"{'CosignKey' if new.cosign else 'Keyring'}={keyring_file}"] if keyring_file is not None else []
    lines += [f"Fingerprint={pin}" for pin in new.pins]
    lines += [f"Priority={new.priority}"] if new.priority is not None else []
    lines += [] if new.verify else ["Verify=no"]
    return "\n".join([*lines, *kept]) + "\n"


def remove(targets: Sequence[Target], name: str, *, dry_run: bool) -> Sequence[Removed]:
    """Remove a source's file in /etc, and its keys, in those of the trees that have it; with ``dry_run`` only tell.

    Keys that another source names stay. Raises TukitSysextError, OSError.
    """
    file = _source_file(name)
    with opened(targets) as trees:
        files = [(target, tree, _files(tree, name)) for target, tree in trees]
        ours = [
            (tree, _removal(target, tree, name, weaker=len(there) > 1))
            for target, tree, there in files
            if file in there
        ]
        if not ours:
            where = next((there[0] for _, _, there in files if there), file)
            raise TukitSysextError(
                f"{where}: not a file of /{ETC}, which alone is changed",
                next_step=f"to do without it:\nln -s /dev/null {file}",
            )
        if not dry_run:
            for tree, removed in ours:
                for path in removed.files:
                    _, folder, file_name = path.rsplit("/", 2)
                    delete(tree, folder, file_name)
                target = removed.target
                remember(target.machine, name, "removed", snapshot=target.snapshot)
    return [removed for _, removed in ours]


def _removal(target: Target, tree: Tree, name: str, *, weaker: bool) -> Removed:
    """What is to be removed with a source; ``weaker`` tells that another file of its name counts then."""
    there = tree.names(f"{ETC}/{KEYRINGS}") or ()
    keys = [key for key in _key_files(name) if os.path.basename(key) in there]
    users = {
        key: tuple(
            source.name
            for source in load_configuration(tree).sources.values()
            if source.name != name
            and any(
                value.key in ("Keyring", "CosignKey") and os.path.normpath(value.text) == key
                for value in source.effective
            )
        )
        for key in keys
    }
    kept = next((key for key in keys if users[key]), None)
    return Removed(
        target=target,
        files=(_source_file(name), *(key for key in keys if not users[key])),
        kept=kept,
        users=users[kept] if kept is not None else (),
        wanted_by=() if weaker else wanting(tree, name),
    )


def wanting(tree: Tree, name: str) -> tuple[str, ...]:
    """Images that are wanted from a source alone."""
    images = load_wanted(tree).images.values()
    return tuple(sorted(image.name for image in images if name in image.sources and image.state is State.WANTED))
