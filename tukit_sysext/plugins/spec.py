# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hooks, which built-in and third-party plugins implement alike (pluggy).

A plugin is a Python distribution installed for the system's Python. It names a module, an object or a class (which is
called without arguments once) as an entry point of the group ``tukit_sysext``, and states there for which versions of
this interface it was written, as a PEP 440 specifier:

    # pyproject.toml
    [project.entry-points.tukit_sysext]
    example = "tukit_sysext_example"

    # tukit_sysext_example.py
    from tukit_sysext.plugin_api import hookimpl

    tukit_sysext_interface = ">=1.0,<2"

    @hookimpl
    def tukit_sysext_rolled_back(machine, number):
        ...

An implementation takes those of a hook's arguments that it needs, by their names. A hook that only a later interface
has is implemented with hookimpl(optionalhook=True). The second number of the interface grows with what is added, the
first with what would break a plugin. All that a plugin imports comes from tukit_sysext.plugin_api, which is not stable
before tukit-sysext 1.0; what it may rely on are the hooks, and the public attributes of the values that it is given.

Nothing is loaded, or even imported, that /etc/tukit-sysext/tukit-sysext.conf of the running system does not name:

    [Plugins]
    Load=example

``tukit-sysext plugins`` shows what is loaded, and what is not for which reason: it is not installed, cannot be
imported, was written for another interface, or implements a hook that does not exist or with arguments that it has
not. Every run reports such a plugin, and it stops nothing, but for the collection: what it would have kept is not
known, so that nothing is deleted.

Plugins are called one after the other, the built-in ones first, then in the order of Load=. Each call stands alone: an
exception, SystemExit too, is logged with the plugin's name, and the others are called all the same. A hook wrapper
has nothing to wrap, so that a plugin with one is not loaded.

A plugin runs as root in the middle of an update, or from a unit while the machine boots. It must not
* take long, or wait for a person: what lasts longer than a minute is broken off and counts as failed (bringing an
  image: longer than ImageDeadline=), and its exception, no Exception, must not be caught
* write to standard output, read standard input, or leave a process or a thread behind: tukit would wait for it
* call snapper, tukit or tukit-sysext, or take their locks
* change links below /etc/extensions, the store, or the ledger
* end, replace or fork the process, change its working directory, umask, environment, signals or logging
* trust events more than the disk: an event may come twice, late or not at all
A command that an ordinary user runs (check, plugins) loads plugins too: they get along without the right to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from tukit_sysext.plugin_api import PROJECT

if TYPE_CHECKING:
    from tukit_sysext.plugin_api import (
        Configuration,
        Contents,
        Ground,
        Machine,
        Outcome,
        Requirement,
        Root,
        Scan,
        Source,
        Transaction,
    )

INTERFACE = "1.1"
"""Version of these specifications. The second number grows with what is added, the first with what breaks plugins."""

hookspec = pluggy.HookspecMarker(PROJECT)


class Specifications:
    """All hooks.

    ``machine`` has the paths of the running system (``machine.layout``), ``number`` is a snapshot's number as snapper
    counts, ``scan`` what the disk showed when the event was settled: the snapshots that there are
    (``scan.snapshots``) and what could not be read of them (``scan.unknown``).

    What is returned from an event's hook is not used, and an exception in it is logged and stops nothing.
    """

    @hookspec
    def tukit_sysext_sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:  # type: ignore[empty-body]  # a specification
        """Called once for each plan, to learn the sources of a tree.

        ``configuration`` is that of the tree that is planned for, which may be another system than the running one;
        ``configuration.sources`` has the files of sources.d.

        Return the sources that the plugin can speak to (Source), each under the name of
        its file in sources.d, which no other plugin's source has. They are asked later in the same run.

        An exception is logged, and the plan is made without the plugin's sources. A source raises SourceUnreachable
        where it does not answer, and ImageBroken where what it has cannot be used: for a required image either
        refuses an update where nothing at hand fits. Anything else that it raises, or returns against the protocol, is
        a fault of the plugin: logged, and no reason to refuse.
        """

    @hookspec
    def tukit_sysext_check(
        self,
        system: Mapping[str, str],
        image: Mapping[str, str],
        name: str,
        version: str,
        contents: Contents | None,
        stated: Sequence[Requirement],
        ground: Ground | None,
    ) -> str | None:
        """Called for each image that fits a tree by systemd's rule; a further check can only narrow.

        ``system`` is the tree's os-release, ``image`` the extension-release of version ``version`` (UAPI.10) of the
        image ``name``: of one that a source describes, of one that was fetched, of one that is linked already. Called
        for plans that are only printed too, also for an ordinary user. Decide from the values and from the plugin's own
        configuration alone: the answer has to be the same for as long as a run lasts.

        Since 1.1: ``contents`` is what the image has and needs, as far as it is known (None: nobody looked through it),
        ``stated`` what its publisher and Requires= of the tree's configuration require, ``ground`` the system itself,
        without any image: its packages, whose answers may be unknown, and its directories (None: nobody may look).

        Return why the image must not be used in that tree, in half a sentence, or None where it may.
        An image that is objected to does not fit: another version is looked for, a link to it goes, and where it is
        required and nothing else fits the update is refused, with the plugin's reason.

        An exception, or another value, is logged as an error and counts as no objection.
        """

    @hookspec
    def tukit_sysext_lacks(self, contents: Contents, ground: Ground, name: str, version: str) -> Iterable[str]:  # type: ignore[empty-body]  # a specification
        """Called for images that fit a tree, to learn what they need and the tree has not. Since interface 1.1.

        For a version that would be linked, and for the one in use in the system that it is in use in, which is the
        measure: a version is passed over for what it lacks and that one does not.

        Return the needs that the tree does not meet (of ``contents.needs``, or in words of the plugin's own). What is
        not known is met. An exception, or another value, is logged as an error and counts as nothing.
        """

    @hookspec
    def tukit_sysext_shadows(self, contents: Contents, ground: Ground, name: str, version: str) -> Iterable[str]:  # type: ignore[empty-body]  # a specification
        """Called for images that fit a tree, to learn what of it they replace with something older. Since 1.1.

        For the version that would be linked, and where Shadow= of the image is ``refuse``, for each that could be.

        Return what it is, each in half a sentence that begins with "its". Shadow= decides what follows: a warning, or
        the version does not fit. What is not known is nothing. An exception, or another value, is logged as an error
        and counts as nothing.
        """

    @hookspec
    def tukit_sysext_warns(self, contents: Contents, ground: Ground, name: str, version: str) -> Iterable[str]:  # type: ignore[empty-body]  # a specification
        """Called for the version that a tree gets or keeps, to learn what people have to know of it. Since 1.1.

        Return it, each in half a sentence, with the command that fixes it. It is shown when the image is linked, by
        ``check`` and by ``status``. An exception, or another value, is logged as an error and counts as nothing.
        """

    @hookspec
    def tukit_sysext_references(self, machine: Machine) -> Iterable[Root]:  # type: ignore[empty-body]  # a specification
        """Called when references to images of the store are collected, before anything may be deleted.

        Return what keeps images beyond what tukit-sysext sees by itself (links of snapshots, of the running system and
        in quarantine, merged images, holds): for each file of the store a Root with its
        name and, in words, who needs it. Over-approximate in doubt; a name that the store does not have is harmless.

        An exception, or another value, stops the collection: unknown is not none, nothing is deleted.
        """

    @hookspec
    def tukit_sysext_transaction_finalizing(self, transaction: Transaction) -> Outcome | None:
        """Called when a transaction is about to be closed, while its tree can be written for the last time.

        Inside tukit's finalize-pre. ``transaction.path`` is the root of the tree, ``transaction.number`` its snapshot.
        The main job is the built-in plugin that is called first: images are fetched and linked when others are called.

        Return None. Only the main job returns an Outcome, and its refusals stop the update; what another plugin returns
        is logged as an error and not used. To keep an image out of a system, or an update that needs it, implement
        tukit_sysext_check. An exception is logged as an error and stops nothing.
        """

    @hookspec
    def tukit_sysext_transaction_judged(self, transaction: Transaction, outcome: Outcome) -> None:
        """Called after tukit_sysext_transaction_finalizing with what came of it, still inside tukit's finalize-pre.

        ``outcome.changes`` are the images that changed, ``outcome.refusals`` has the reasons by image for which the
        update is refused (empty: it is not). tukit may close the transaction all the same (``--keep``).
        """

    @hookspec
    def tukit_sysext_transaction_finalized(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction was closed: its snapshot boots next, if nothing changed that since (look at ``scan``)."""

    @hookspec
    def tukit_sysext_transaction_discarded(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction changed nothing but /etc, which was copied to the running system; its snapshot goes."""

    @hookspec
    def tukit_sysext_transaction_aborted(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction ended without success, or tukit was killed; with ``--keep`` its snapshot is there still."""

    @hookspec
    def tukit_sysext_transaction_kept(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction stays open (``tukit open``, ``tukit call``), to be continued or closed later."""

    @hookspec
    def tukit_sysext_snapshot_created(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper made a snapshot; its /etc may not be there yet."""

    @hookspec
    def tukit_sysext_snapshot_modified(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper changed what it knows of a snapshot: description, cleanup algorithm, user data."""

    @hookspec
    def tukit_sysext_snapshot_deleted(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper, or somebody else, deleted a snapshot: ``scan`` has it no more, or has another of this number."""

    @hookspec
    def tukit_sysext_read_only_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """A snapshot was made read-only or writable: look at ``scan`` which of them."""

    @hookspec
    def tukit_sysext_default_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """Another snapshot boots next, ``number``; a rollback and a closed transaction do that too."""

    @hookspec
    def tukit_sysext_rolled_back(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper rolled back to snapshot ``number``, which boots next."""

    @hookspec
    def tukit_sysext_booted(self, machine: Machine, scan: Scan, number: int) -> None:
        """The machine booted into snapshot ``number``; told before systemd-sysext merges its images.

        With boot menus and boot counting it is the only event that every rollback has. The boot waits for it.
        """
