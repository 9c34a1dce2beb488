# SPDX-License-Identifier: LGPL-2.1-or-later
"""Publishing a folder: look, judge, describe, find chunks, list, sign, delete.

In this order, so that whatever ends it, the list that is there has its signatures, and what it names is there:
descriptions that the old list does not name are added, and indexes of chunks, the memory is written, list and
signatures are replaced in one step, and only then what is due is deleted. Where an image is refused nothing of that is
done. A registry gets what the folder has then.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tukit_sysext.errors import Busy, SourceUnreachable, TukitSysextError
from tukit_sysext.formats import checksums, manifest, openpgp
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.progress.progress import Progress
from tukit_sysext.publish import pruning, verdict
from tukit_sysext.publish.indexing import PublishedIndex, indexes
from tukit_sysext.publish.looking import FolderContent, FolderImage, given_in, look
from tukit_sysext.publish.memory import Memory, Remembered, read_memory, write_memory
from tukit_sysext.publish.project import Project
from tukit_sysext.publish.pushing import Push, Pushed
from tukit_sysext.publish.switching import settle, switch
from tukit_sysext.rules.image_names import unpacked_name
from tukit_sysext.sources.repository import LIST, SIGNATURES, description_names, index_name
from tukit_sysext.system.durable import sync_directory, write_file
from tukit_sysext.system.gpg import Gpg
from tukit_sysext.system.gpgv import check_signature
from tukit_sysext.system.holders import holders
from tukit_sysext.system.small_file import read_small

NAMES = (LIST, *SIGNATURES)
"""What is replaced together."""
_BINARY, _ARMOURED = f"{LIST}.gpg", f"{LIST}.asc"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishOptions:
    """What is asked for: ``keys`` as gpg takes them, ``keep`` versions of each image for each system (None: all),
    ``fresh_for`` how long the list says that it is good (None: it does not say), ``chunks`` an index of each image's.
    """

    keys: tuple[str, ...]
    gpg_home: Path | None = None
    keep: int | None = None
    fresh_for: timedelta | None = None
    chunks: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """What was published, or would be.

    ``listed`` are the images in the list, ``added`` the names of those that were not in the old one, ``described`` the
    descriptions that were written, by image, and ``indexed`` the indexes of chunks; ``staying`` are files that left the
    list, with the day on which each may go; ``deleted`` are those that went. ``signers`` is empty where nothing was
    signed. ``pushed`` is what a registry was sent (None: none was named).
    """

    listed: tuple[FolderImage, ...]
    added: frozenset[str]
    described: Mapping[str, str]
    indexed: Mapping[str, str]
    staying: Mapping[str, date]
    deleted: tuple[str, ...]
    left_out: Mapping[str, str]
    notes: Mapping[str, tuple[str, ...]]
    best_before: date | None
    signers: tuple[PublicKey, ...]
    pushed: Pushed | None = None


class ImagesRefused(TukitSysextError):
    """Clients would not take some of the images; ``reasons`` by file name. Nothing was changed."""

    def __init__(self, folder: Path, reasons: Mapping[str, Sequence[str]]) -> None:
        super().__init__(
            f"{folder}: nothing is published, as clients would not take {len(reasons)} of its images",
            next_step="correct these images, or take them out of the folder",
        )
        self.reasons = reasons


def publish(
    folder: Path,
    options: PublishOptions,
    *,
    scratch: Path,
    privilege: Callable[[], None],
    project: Project | None = None,
    progress: Progress | None = None,
) -> Publication:
    """Publish a folder, and what it has then in a registry's project, where one is given.

    ``privilege`` is called before images are looked into, and raises where that is not allowed.

    Raises ImagesRefused, TukitSysextError, OSError.
    """
    with _alone(folder, wanted=not options.dry_run):
        if not options.dry_run:
            settle(folder, NAMES)
        memory = read_memory(folder)
        found = look(folder, memory, scratch=scratch, before=privilege)
        old = _old_list(folder)
        _check(folder, found, old)
        return _Publishing(folder, options, found, memory, old).publish(project, progress or Progress())


@contextmanager
def _alone(folder: Path, *, wanted: bool) -> Iterator[None]:
    """Keep another ``publish`` away from the folder. Raises Busy."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if wanted:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Busy(
            f"{folder}: is being published: {holders(folder)}", next_step="try again when it has ended"
        ) from None
    finally:
        os.close(descriptor)


def _old_list(folder: Path) -> Mapping[str, str]:
    """The hashes of the list that is there, by file name; none where it is no list that a client takes."""
    try:
        return checksums.parse(read_small(folder / LIST, limit=checksums.LIMIT + 1), where=f"{folder}/{LIST}").hashes
    except (FileNotFoundError, checksums.ListRefused):
        return {}


def _check(folder: Path, found: FolderContent, old: Mapping[str, str]) -> None:
    """Raise where the folder cannot be published."""
    reasons = {image.file_name: tuple(verdict.refusals(image)) for image in found.images}
    refused = {name: why for name, why in reasons.items() if why}
    if refused:
        raise ImagesRefused(folder, refused)
    if not found.images and not old:
        seen = "; ".join(f"{name}: {why}" for name, why in found.left_out.items())
        raise TukitSysextError(
            f"{folder}: expected images, NAME-VERSION.ARCHITECTURE.raw, found none{f' ({seen})' if seen else ''}",
            next_step="man tukit-sysext-repository",
        )


class _Publishing:
    def __init__(
        self, folder: Path, options: PublishOptions, found: FolderContent, memory: Memory, old: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._options = options
        self._found = found
        self._memory = memory
        self._old = old
        self._today = datetime.now(UTC).date()

    def publish(self, project: Project | None, progress: Progress) -> Publication:
        options, images = self._options, self._found.images
        listed = pruning.newest(images, options.keep)
        descriptions = {image.file_name: self._description(image) for image in listed}
        chunked = indexes(self._folder, listed, self._memory, make=options.chunks, dry_run=options.dry_run)
        hashes = dict(self._hashes(listed, descriptions))
        hashes |= {index.file_name: index.sha256 for index in chunked.values() if index.sha256 is not None}
        fresh_for = options.fresh_for
        best_before = self._today + fresh_for if fresh_for is not None else None
        content = checksums.compose(hashes, best_before=best_before)
        checksums.parse(content, where=f"{self._folder}/{LIST}")  # as clients will
        left = {image.file_name: self._last_listed(image) for image in images if image not in listed}
        deleted = pruning.due(left, self._today)
        publication = Publication(
            listed=tuple(listed),
            added=frozenset(image.file_name for image in listed if self._old.get(image.file_name) != image.sha256),
            described={image: name for image, (name, new) in descriptions.items() if new is not None},
            indexed={image: index.file_name for image, index in chunked.items() if index.is_new},
            staying={name: pruning.stays_until(day) for name, day in left.items() if name not in deleted},
            deleted=tuple(deleted),
            left_out=self._found.left_out,
            notes=self._notes(listed),
            best_before=best_before,
            signers=(),
        )
        fresh = {name: new for name, new in descriptions.values() if new is not None}
        fresh |= {index.file_name: index.content for index in chunked.values() if index.content is not None}
        push = Push(self._folder, listed, hashes, fresh) if project is not None else None
        if options.dry_run:
            return replace(publication, pushed=push.foresee(project)) if push and project else publication
        signed, signers = self._sign(content)
        for name, new in fresh.items():
            write_file(self._folder / name, new)
        day = {checksums.best_before_name(best_before)} if best_before is not None else set()
        for name in day:
            write_file(self._folder / name, b"")  # sha256sum -c looks for it
        self._remember(listed, left, deleted, chunked)
        switch(self._folder, NAMES, {LIST: content, **signed})
        gone = {file for name in deleted for file in (name, index_name(name), *description_names(name))}
        gone |= {path.name for path in self._folder.glob(checksums.BEST_BEFORE)} - day
        for name in gone:
            (self._folder / name).unlink(missing_ok=True)
        sync_directory(self._folder)
        publication = replace(publication, signers=signers)
        if push is None or project is None:
            return publication
        try:
            return replace(publication, pushed=push.run(project, {LIST: content, **signed}, progress))
        except SourceUnreachable as error:
            raise TukitSysextError(
                f"{self._folder} is published, {project.url} has the former list: {error}",
                next_step=error.next_step or "the same command goes on with what is missing",
            ) from error

    def _description(self, image: FolderImage) -> tuple[str, bytes | None]:
        """The file that describes an image, and its content where it has to be written. Raises TukitSysextError."""
        described = verdict.describing(image)
        complete = [each for each in described if verdict.is_complete(image, each)]
        if complete:
            return complete[0].file_name, None
        taken = {each.file_name for each in image.descriptions}
        name = next((name for name in description_names(image.file_name) if name not in {*taken, *self._old}), None)
        if name is None and described:
            return described[0].file_name, None
        if name is None or image.content is None:
            raise TukitSysextError(
                f"{image.file_name}: none of its descriptions says what is in it: {', '.join(sorted(taken))}",
                next_step="have publish write it anew, after:\n"
                + shlex.join(("rm", str(self._folder / min(taken, default="")))),
            )
        hint = image.hint
        content = manifest.compose(
            image.content.release,
            name=hint.name,
            version=hint.version,
            architecture=image.architecture,
            needs=verdict.needs_to_say(image),
            given=self._given(image),
            sizes=self._sizes(image),
        )
        return name, gzip.compress(content, mtime=0) if name.endswith(".gz") else content

    def _sizes(self, image: FolderImage) -> Mapping[str, int]:
        """Bytes by SHA-256 of an image, and of those that have the same description: packed in other ways."""
        plain = unpacked_name(image.file_name)[0]
        same = (each for each in self._found.images if unpacked_name(each.file_name)[0] == plain)
        return {each.sha256: each.status.st_size for each in same}

    def _given(self, image: FolderImage) -> Mapping[str, Any] | None:
        """What the publisher says of an image in a description that is not enough, or has no release at all."""
        giving = [each for each in image.descriptions if each.gives and each not in verdict.disagreeing(image)]
        if not giving:
            return None
        name = giving[0].file_name
        content = read_small(self._folder / name, limit=manifest.LIMIT + 1)
        return given_in(content, image=image.file_name, where=name)

    def _hashes(
        self, listed: Sequence[FolderImage], descriptions: Mapping[str, tuple[str, bytes | None]]
    ) -> Mapping[str, str]:
        hashes: dict[str, str] = {}
        for image in listed:
            hashes[image.file_name] = image.sha256
            name, new = descriptions[image.file_name]
            names = description_names(image.file_name)
            for each in verdict.describing(image):
                # machines read the first, which must not be one that says less
                if verdict.is_complete(image, each) or names.index(each.file_name) >= names.index(name):
                    hashes[each.file_name] = each.sha256
            if new is not None:
                hashes[name] = hashlib.sha256(new).hexdigest()
        return hashes

    def _last_listed(self, image: FolderImage) -> date:
        """When an image was listed last that is not any more: today, where the old list has it or it is not known."""
        known = self._memory.get(image.file_name)
        if image.file_name in self._old or known is None:
            return self._today
        return known.listed

    def _remember(
        self,
        listed: Sequence[FolderImage],
        left: Mapping[str, date],
        deleted: Sequence[str],
        chunked: Mapping[str, PublishedIndex],
    ) -> None:
        """Before the list changes: what is listed until now must not be forgotten."""
        days = {**{image.file_name: self._today for image in listed}, **left}
        write_memory(
            self._folder,
            {
                image.file_name: Remembered(
                    sha256=image.sha256,
                    listed=days[image.file_name],
                    content=image.content,
                    index=chunked[image.file_name].sha256 if image.file_name in chunked else None,
                )
                for image in self._found.images
                if image.content is not None and image.file_name not in deleted
            },
        )

    def _notes(self, listed: Sequence[FolderImage]) -> Mapping[str, tuple[str, ...]]:
        notes = {image.file_name: tuple(verdict.notes(image, self._old)) for image in listed}
        return {name: said for name, said in notes.items() if said}

    def _sign(self, content: bytes) -> tuple[Mapping[str, bytes], tuple[PublicKey, ...]]:
        """The signatures by file name, and who signed; as a client would, a good one is expected of each key."""
        gpg = Gpg(self._options.gpg_home)
        keyring = openpgp.dearmour(gpg.public_keys(self._options.keys))
        binary, armoured = gpg.sign(content, self._options.keys)
        checked = check_signature(content, binary, [keyring])
        if checked.bad or checked.reasons or not checked.good:
            raise TukitSysextError(
                f"clients would refuse the signature that gpg made: {'; '.join(checked.reasons) or 'it is not good'}",
                next_step="sign with another key: --key",
            )
        fingerprints = {signature.fingerprint for signature in checked.good}
        signers = tuple(key for key in openpgp.public_keys(keyring) if key.fingerprint in fingerprints)
        return {_BINARY: binary, _ARMOURED: armoured}, signers
