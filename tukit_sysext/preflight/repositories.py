# SPDX-License-Identifier: LGPL-2.1-or-later
"""What zypper's repositories say of the system that they are for: asked now, else as zypper had it last.

What is asked now is not verified: zypper does that, when it is about to install something. A forged answer can only
make an update be tried that is refused later on, or be put off; whoever can forge it can keep updates away from zypper
just as well. It is read within limits: a few small files, a deadline, no entities.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tukit_sysext.config.settings import Configuration
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.net.system_proxy import network_of
from tukit_sysext.preflight import zypp
from tukit_sysext.preflight.offered import Statement, System, of_cpe, of_product
from tukit_sysext.preflight.zypp import Repository
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.net.transfer import Transfers

log = logging.getLogger(__name__)

_REPOMD = "repodata/repomd.xml"
_PRODUCTS = "media.1/products"


def statements(machine: Machine, tree: Tree, configuration: Configuration, release: ReleaseData) -> Sequence[Statement]:
    """What all of them say. Raises UnknownState where it is not known which repositories there are."""
    found = zypp.repositories(tree, release, os.uname().machine)
    asked = _ask(machine, configuration, [each for each in found if each.urls])
    told: list[Statement] = []
    for each in found:
        fresh = list(_local(tree, each)) if each.folder is not None else asked.get(each.alias)
        systems = list(_of_repomd(each.kept, each.alias)) if fresh is None and each.kept is not None else fresh or []
        told += [
            Statement(repository=each.alias, system=system, fresh=fresh is not None, priority=each.priority)
            for system in systems
        ]
    return told


def _ask(machine: Machine, configuration: Configuration, found: Sequence[Repository]) -> dict[str, list[System]]:
    """What servers say now, by alias; those that do not answer are not in it."""
    if not found:
        return {}
    try:
        from tukit_sysext.net.transfer import Transfers
    except ImportError as error:
        log.warning("repositories on servers cannot be asked: %s", error)
        return {}
    network = network_of(machine.layout.root, configuration.settings.network, patient=machine.patient)
    with Transfers(network) as transfers:
        answers = _have(transfers, found, _REPOMD, network.deadline, network.connections)
        systems = {
            each.alias: list(_of_repomd(body, each.alias))
            for each in found
            if (body := answers.get(each.alias)) is not None
        }
        # older media say it in another file
        silent = [each for each in found if systems.get(each.alias) == []]
        answers = _have(transfers, silent, _PRODUCTS, network.deadline, network.connections)
    for each in silent:
        body = answers.get(each.alias)
        systems[each.alias] = [] if body is None else list(_of_products(body))
    return systems


def _have(
    transfers: Transfers, found: Sequence[Repository], file: str, deadline: float, at_once: int
) -> dict[str, bytes]:
    from tukit_sysext.net.request import Request, Response

    requests = [
        Request(urls=[f"{url}{file}" for url in each.urls], limit=zypp.LIMIT, deadline=deadline) for each in found
    ]
    results = transfers.run(requests, at_once=at_once)
    bodies: dict[str, bytes] = {}
    for each, result in zip(found, results, strict=True):
        if isinstance(result, Response):
            bodies[each.alias] = result.body
        else:
            log.info("repository %s: %s", each.alias, result)
    return bodies


def _local(tree: Tree, each: Repository) -> Iterator[System]:
    try:
        content = tree.read(f"{each.folder}/{_REPOMD}", limit=zypp.LIMIT)
        systems = [] if content is None else list(_of_repomd(content, each.alias))
        yield from systems
        if not systems and (content := tree.read(f"{each.folder}/{_PRODUCTS}", limit=zypp.LIMIT)):
            yield from _of_products(content)
    except UnknownState as error:
        log.info("repository %s: %s", each.alias, error)


def _of_repomd(content: bytes, alias: str) -> Iterator[System]:
    try:
        names = zypp.cpe_names(content)
    except ValueError as error:
        log.warning("repository %s: its repomd.xml cannot be read: %s", alias, error)
        return
    for name in names:
        if (system := of_cpe(name)) is not None:
            yield system


def _of_products(content: bytes) -> Iterator[System]:
    for name, version in zypp.products(content):
        if (system := of_product(name, version)) is not None:
            yield system
