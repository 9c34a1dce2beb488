# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext publish DIR``: a folder of images becomes a repository."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tukit_sysext.commands.common.known_sources import key_document, key_lines
from tukit_sysext.commands.common.os_release import read_os_release
from tukit_sysext.config import values
from tukit_sysext.config.credentials import load_own
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.errors import UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.formats.oci_urls import is_registry
from tukit_sysext.machine import Machine
from tukit_sysext.net.system_proxy import network_of
from tukit_sysext.publish import verdict
from tukit_sysext.publish.looking import FolderImage
from tukit_sysext.publish.project import Project
from tukit_sysext.publish.pruning import system_of
from tukit_sysext.publish.publication import ImagesRefused, Publication, PublishOptions, publish
from tukit_sysext.publish.pushing import Pushed
from tukit_sysext.publish.taken import TakenImage, taken_by
from tukit_sysext.quantities import counted, size_text
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned

_DAY = 86400


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Publish, or with ``--dry-run`` tell what would be done. 0, or 1 where an image is refused."""
    output = Output.of(arguments)
    options = _options(arguments)
    systems = {path: read_os_release(path) for path in arguments.systems}
    try:
        with output.progress(machine, None) as watched, _project(machine, arguments) as project:
            publication = publish(
                arguments.folder,
                options,
                scratch=machine.layout.cache,
                privilege=lambda: machine.require_root("publish"),
                project=project,
                progress=watched.progress,
            )
    except ImagesRefused as error:
        for name, reasons in error.reasons.items():
            for reason in reasons:
                output.warn(f"{name}: {reason}")
        raise
    taken = {path: tuple(taken_by(release, publication.listed)) for path, release in systems.items()}
    output.json(_document(publication, taken, dry_run=options.dry_run))
    output.report(_lines(publication, taken, dry_run=options.dry_run), dry_run=options.dry_run)
    if not output.wants_json:
        for name, why in publication.left_out.items():
            output.warn(f"{name} is not listed: {why}")
        for name, notes in publication.notes.items():
            for note in notes:
                output.warn(f"{name}: {note}")
    return ExitStatus.DONE


def _options(arguments: argparse.Namespace) -> PublishOptions:
    """Raises UsageError."""
    if not arguments.keys and not arguments.dry_run:
        raise UsageError(
            "whose key is to sign the list: expected --key KEY",
            next_step="gpg --list-secret-keys\nor make one:\ngpg --quick-generate-key NAME",
        )
    if arguments.keep == 0:
        raise UsageError("--keep 0: expected at least one version")
    try:
        span = values.age(arguments.best_before) if arguments.best_before is not None else None
    except ValueError as error:
        raise UsageError(f"--best-before: {error}") from error
    if span is not None and span < _DAY:
        raise UsageError("--best-before: expected a day at least, as the list has no time in it")
    return PublishOptions(
        keys=tuple(arguments.keys),
        gpg_home=arguments.homedir,
        keep=arguments.keep,
        fresh_for=timedelta(seconds=span) if span is not None else None,
        chunks=arguments.chunks,
        dry_run=arguments.dry_run,
    )


@contextmanager
def _project(machine: Machine, arguments: argparse.Namespace) -> Iterator[Project | None]:
    """The project of a registry that is pushed to, if any. Raises UsageError, UnknownState."""
    if arguments.to is None:
        if arguments.credentials is not None:
            raise UsageError("--credentials is for the registry of --to")
        yield None
        return
    from tukit_sysext.net.sending import Sender  # libcurl takes its time

    url = _project_url(arguments.to)
    credentials = load_own(arguments.credentials) if arguments.credentials is not None else None
    root = machine.layout.root
    with Tree(root) as tree:
        network = network_of(root, load_configuration(tree).settings.network, patient=machine.patient)
    with Sender(network) as sender:
        yield Project(url, sender, credentials)


def _project_url(text: str) -> str:
    """The URL of a project, with a slash at its end. Raises UsageError."""
    try:
        url = values.url(text)
    except ValueError as error:
        raise UsageError(f"--to {text}: {error}") from error
    if not is_registry(url):
        raise UsageError(f"--to {text}: expected a project of a registry, oci://HOST/PROJECT")
    return url


def _lines(
    publication: Publication, taken: Mapping[Path, Sequence[TakenImage]], *, dry_run: bool
) -> Iterator[str | Table]:
    would = "would be " if dry_run else ""
    rows = [_row(image, image.file_name in publication.added) for image in publication.listed]
    if rows:
        yield Table(("File", "Image", "Version", "For", "SELinux labels", ""), rows)
        yield ""
    for name in publication.described.values():
        yield f"{name}: {would}written, describes its image"
    for name in publication.indexed.values():
        yield f"{name}: {would}written, has the chunks of its image"
    for name, day in publication.staying.items():
        yield f"{name}: not listed any more, stays until {day} for machines that repair"
    for name in publication.deleted:
        yield f"{name}: {would}deleted"
    until = f", machines take it until {publication.best_before}" if publication.best_before is not None else ""
    yield f"SHA256SUMS: {would}written, {counted(len(publication.listed), 'image')}{until}"
    if publication.signers:
        yield "SHA256SUMS.gpg, SHA256SUMS.asc: signed by"
        yield from (f"  {line}" for line in key_lines(publication.signers))
    if publication.pushed is not None:
        yield from _pushed_lines(publication.pushed, would)
    for path, images in taken.items():
        yield ""
        yield Toned(f"A machine with {path} takes:", Tone.STRONG)
        yield Table(
            ("Image", "Architecture", "Version", "File", "Why not the newest"),
            [
                (
                    image.name,
                    image.architecture,
                    image.taken.hint.version if image.taken is not None else "-",
                    image.taken.file_name if image.taken is not None else "nothing",
                    f"{image.newest.hint.version}: {image.reason}" if image.reason else "",
                )
                for image in images
            ],
        )


def _pushed_lines(pushed: Pushed, would: str) -> Iterator[str]:
    for name, size in pushed.sent.items():
        yield f"{name}: {would}sent, {size_text(size)}"
    yield f"{pushed.url}: {counted(len(pushed.sent), 'file')} {would}sent, {pushed.unchanged} there already"


def _row(image: FolderImage, added: bool) -> tuple[str, ...]:
    systems = " ".join(filter(None, system_of(image)))
    labels = verdict.label_note(image.content) if image.content is not None else ""
    return image.file_name, image.hint.name, image.hint.version, systems, labels or "all", "new" if added else ""


def _document(
    publication: Publication, taken: Mapping[Path, Sequence[TakenImage]], *, dry_run: bool
) -> Mapping[str, Any]:
    best_before = publication.best_before
    return {
        "dry_run": dry_run,
        "images": [
            {
                "file": image.file_name,
                "name": image.hint.name,
                "version": image.hint.version,
                "architecture": image.architecture,
                "sha256": image.sha256,
                "bytes": image.status.st_size,
                "added": image.file_name in publication.added,
                "description_written": publication.described.get(image.file_name),
                "index_written": publication.indexed.get(image.file_name),
                "extension_release": dict(image.content.release) if image.content is not None else {},
                "labelled": image.content.labelled if image.content is not None else 0,
                "unlabelled": image.content.unlabelled if image.content is not None else 0,
                "notes": list(publication.notes.get(image.file_name, ())),
            }
            for image in publication.listed
        ],
        "staying": [{"file": name, "until": day.isoformat()} for name, day in publication.staying.items()],
        "deleted": list(publication.deleted),
        "left_out": [{"file": name, "reason": why} for name, why in publication.left_out.items()],
        "best_before": best_before.isoformat() if best_before is not None else None,
        "signers": [key_document(key) for key in publication.signers],
        "pushed": _pushed_document(publication.pushed) if publication.pushed is not None else None,
        "systems": [
            {
                "os_release": str(path),
                "images": [
                    {
                        "name": image.name,
                        "architecture": image.architecture,
                        "file": image.taken.file_name if image.taken is not None else None,
                        "version": image.taken.hint.version if image.taken is not None else None,
                        "newest": image.newest.hint.version,
                        "reason": image.reason,
                    }
                    for image in images
                ],
            }
            for path, images in taken.items()
        ],
    }


def _pushed_document(pushed: Pushed) -> Mapping[str, Any]:
    return {
        "to": pushed.url,
        "sent": [{"file": name, "bytes": size} for name, size in pushed.sent.items()],
        "unchanged": pushed.unchanged,
    }
