# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bringing the recorded content of an image back into the store, from wherever it still is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.config.settings import DEFAULT_PRIORITY, Configuration, SourceSettings, load_configuration
from tukit_sysext.errors import ImageBroken, NotFound, StoreError, TukitSysextError
from tukit_sysext.formats.oci_names import blob_url, repository_name, repository_of
from tukit_sysext.formats.oci_urls import api_url, is_registry
from tukit_sysext.machine import Machine
from tukit_sysext.rules.image_names import read_image_name, unpacked_name
from tukit_sysext.rules.names import published_name
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.progress_sink import ProgressSink
from tukit_sysext.sources.protocol import Source
from tukit_sysext.store.digest import hash_of
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.incoming import Incoming
from tukit_sysext.store.record import Record
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.unpack import unpack


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where content was found (empty: nowhere), and why not in other places.

    ``gone``: each of these answered, and does not have it any more; else it may be there again later. ``record`` is
    that of the image where a source brought it: it says how many bytes came.
    """

    found: str = ""
    record: Record | None = None
    failures: tuple[str, ...] = ()
    gone: bool = True


class Recovery:
    """Looks for content by its recorded SHA-256, for one tree."""

    def __init__(self, machine: Machine, plugins: AllPlugins, tree: Tree, store: Store) -> None:
        self._machine = machine
        self._plugins = plugins
        self._store = store
        self._configurations = tuple(_configurations(machine, tree))
        self._keep_free = self._configurations[0].settings.keep_free

    def bring_back(self, record: Record) -> Origin:
        """Find the recorded content and publish it; where it was found, else why nobody has it."""
        failures: list[str] = []
        gone = True
        for path in self._local_copies(record):
            try:
                if self._copy(path, record):
                    return Origin(found=str(path))
            except ImageBroken as error:
                failures.append(str(error))
        asked: set[str] = set()
        for source, candidate in self._sources(record):
            places = tuple(place for place in candidate.locations if place not in asked)
            asked.update(places)
            if not places and candidate.locations:
                continue
            failure = self._fetch(source, replace(candidate, locations=places), record)
            if isinstance(failure, Record):
                return Origin(found=f"source {source.name}", record=failure)
            failures.append(f"source {source.name}: {failure}")
            gone = gone and isinstance(failure, NotFound | ImageBroken)
        return Origin(failures=tuple(failures) or ("no source is configured",), gone=gone)

    def _local_copies(self, record: Record) -> Iterator[Path]:
        """Files of the right size that may have the content: in the store, hidden ones too, and where it came from."""
        folder = self._machine.layout.store
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            names = []
        yield from (folder / name for name in names if name != record.file_name)
        url = urlsplit(record.url)
        if record.url.startswith("/"):
            yield Path(record.url)
        elif url.scheme == "file" and url.netloc in ("", "localhost"):
            yield Path(unquote(url.path))

    def _copy(self, path: Path, record: Record) -> bool:
        """Publish a local file where it has the recorded content. Raises ImageBroken, StoreError."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            status = os.fstat(descriptor)
            # a directory can be opened too
            if (
                not stat.S_ISREG(status.st_mode)
                or status.st_size != record.size
                or hash_of(descriptor) != record.sha256
            ):
                return False
            with self._receive(record, str(path)) as incoming:
                incoming.copy(descriptor, record.size)
                self._publish(incoming, record)
        except OSError as error:
            raise ImageBroken(f"{path}: cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)
        return True

    def _receive(self, record: Record, where: str, *, name: str | None = None) -> AbstractContextManager[Incoming]:
        limit, keep_free = record.size, self._keep_free
        return self._store.receive(sha256=record.sha256, limit=limit, where=where, keep_free=keep_free, name=name)

    def _receive_listed(self, record: Record, where: str) -> AbstractContextManager[Incoming]:
        """The same for what a source has, which may be packed: how large that was is not recorded."""
        if record.packed is None:
            return self._receive(record, where, name=record.name)
        limit = self._configurations[0].settings.image_max
        sha256 = record.packed.sha256
        return self._store.receive(sha256=sha256, limit=limit, where=where, keep_free=self._keep_free)

    def _publish_listed(self, incoming: Incoming, record: Record, where: str) -> Record:
        record = replace(record, fetched=incoming.fetched, reused=incoming.reused)
        if record.packed is None:
            return self._publish(incoming, record)
        with self._receive(record, where) as unpacked:
            unpack(incoming.descriptor, unpacked_name(record.packed.file_name)[1], unpacked.write)
            unpacked.finish()
            return self._publish(unpacked, record)

    def _publish(self, incoming: Incoming, record: Record) -> Record:
        # what stands there is known to be wrong; its record is what the new content has to be like
        return self._store.publish(incoming, replace(record, identity=None), replaceable=lambda _: False)

    def _fetch(self, source: Source, candidate: Candidate, record: Record) -> Record | TukitSysextError:
        """Fetch the recorded content from a source, in parts if it can; its record, or why not. Raises StoreError."""
        where = f"{record.file_name} of source {source.name}"
        with self._receive_listed(record, where) as incoming:
            try:
                sink = ProgressSink(incoming, record.file_name, self._machine.progress)
                self._machine.progress.fetch([(record.file_name, record.size)])
                failure = source.fetch([(candidate, sink)]).get(candidate.sha256)
                if failure is None:
                    incoming.finish()  # once more: a source of a plugin may not have done it
                    return self._publish_listed(incoming, record, where)
            except TukitSysextError as error:
                failure = error
            if isinstance(failure, StoreError):
                raise failure
            return failure

    def _sources(self, record: Record) -> Iterator[tuple[Source, Candidate]]:
        """Sources that may have the recorded content: folders first, then the record's source, then the others."""
        ranked: list[tuple[tuple[bool, bool], Source, SourceSettings | None]] = []
        known: list[SourceSettings] = []
        for configuration in self._configurations:
            for source in self._plugins.sources(self._machine, configuration):
                settings = configuration.sources.get(source.name)
                if settings is not None and settings in known:
                    continue  # the tree and the running system have it alike
                known += [settings] if settings is not None else []
                rank = (settings is None or settings.path is None, source.name != record.source)
                ranked.append((rank, source, settings))
        for _, source, settings in sorted(ranked, key=itemgetter(0)):
            yield source, _candidate(record, source, settings)


def _configurations(machine: Machine, tree: Tree) -> Iterator[Configuration]:
    """That of the tree, and that of the running system where it is another one."""
    yield load_configuration(tree)
    if tree.path != machine.layout.root:
        with Tree(machine.layout.root) as running:
            yield load_configuration(running)


def _places(settings: SourceSettings, file_name: str, record: Record) -> Iterator[str]:
    """Where a source has a published file."""
    for url in settings.urls:
        if is_registry(url):
            for repository in (repository_of(file_name), repository_name(record.name)):
                yield blob_url(url, repository, record.listed_sha256)
        else:
            yield url + file_name


def _candidate(record: Record, source: Source, settings: SourceSettings | None) -> Candidate:
    """The recorded image as a candidate of a source whose list was not read."""
    file_name = record.packed.file_name if record.packed is not None else published_name(record.file_name)
    places: list[str] = []
    if settings is None or settings.path is None:
        place = api_url(record.url)
        places += [place] if urlsplit(place).scheme in ("http", "https") else []
        places += _places(settings, file_name, record) if settings is not None else ()
    parsed = read_image_name(published_name(record.file_name))
    return Candidate(
        name=record.name,
        version=record.version,
        architecture=parsed.architecture if parsed is not None else None,
        file_name=file_name,
        sha256=record.listed_sha256,
        size=record.size if record.packed is None else None,
        source=source.name,
        priority=settings.priority if settings is not None else DEFAULT_PRIORITY,
        signer=record.signer,
        description=None,
        locations=tuple(dict.fromkeys(places)),
    )
