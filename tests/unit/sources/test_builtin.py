# SPDX-License-Identifier: LGPL-2.1-or-later
"""From configuration files to sources: which there are, and how they reach their servers."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.made_up_registry import MadeUpRegistry
from tests.lab.ports import unused_url
from tests.lab.proxy import Proxy
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.trees import make_tree
from tests.unit.sources.samples import offer, publish
from tukit_sysext.config import settings
from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.plugins.builtin.sources import Sources
from tukit_sysext.sources.protocol import Source
from tukit_sysext.system.tree import Tree

SOURCES = "etc/tukit-sysext/sources.d"
MAIN = "etc/tukit-sysext/tukit-sysext.conf"


@pytest.fixture
def closed_source(tmp_path: Path, key: SigningKey) -> PlainMachine:
    site = PlainMachine(tmp_path / "machine")
    make_tree(site.root, {"etc/systemd/import-pubring.gpg": key.public(), MAIN: "[Network]\nDeadline=1\n"})
    return site


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Proxy() as started:
        yield started


def sources(site: PlainMachine) -> dict[str, Source]:
    with Tree(site.root) as tree:
        found = Sources().tukit_sysext_sources(site.machine, settings.load_configuration(tree))
    return {source.name: source for source in found}


def names(source: Source) -> list[str]:
    return [candidate.file_name for candidate in source.candidates()]


def test_directories_and_servers(
    closed_source: PlainMachine, repository: Repository, tmp_path: Path, key: SigningKey
) -> None:
    other = Repository(tmp_path / "other")
    offer(other, "vim", "9")
    publish(other, key)
    with Server(repository.folder) as server:
        make_tree(
            closed_source.root,
            {
                f"{SOURCES}/disk.conf": f"[Source]\nPath={other.folder}\n",
                f"{SOURCES}/web.conf": f"[Source]\nURL={unused_url()} {server.url}\nPriority=5\n",
                f"{SOURCES}/neither.conf": "[Source]\nPriority=5\n",
            },
        )
        found = sources(closed_source)
        assert sorted(found) == ["disk", "web"]
        assert names(found["disk"]) == ["vim-9.x86-64.raw"]
        assert len(names(found["web"])) == 3
        assert {candidate.priority for candidate in found["web"].candidates()} == {5}


def test_a_registry(closed_source: PlainMachine, repository: Repository) -> None:
    with MadeUpRegistry() as registry:
        registry.publish(repository.folder)
        make_tree(closed_source.root, {f"{SOURCES}/oci.conf": f"[Source]\nURL={registry.url}\nPriority=5\n"})
        found = sources(closed_source)
        assert len(names(found["oci"])) == 3
        assert {candidate.priority for candidate in found["oci"].candidates()} == {5}


def test_what_was_had_is_in_the_cache_of_the_machine(closed_source: PlainMachine, server: Server) -> None:
    make_tree(closed_source.root, {f"{SOURCES}/web.conf": f"[Source]\nURL={server.url}\n"})
    for _ in range(2):
        names(sources(closed_source)["web"])
    assert [request.status for request in server.requests] == [200, 200, 304]
    assert closed_source.layout.cache.is_dir()


def system_proxy(url: str, *, none_for: str = "") -> dict[str, str]:
    text = f'PROXY_ENABLED="yes"\nHTTP_PROXY="{url}"\nHTTPS_PROXY="{url}"\nNO_PROXY="{none_for}"\n'
    return {"etc/sysconfig/proxy": text}


def test_the_proxy_of_the_system_is_used(closed_source: PlainMachine, server: Server, proxy: Proxy) -> None:
    make_tree(closed_source.root, {f"{SOURCES}/web.conf": f"[Source]\nURL={server.url}\n", **system_proxy(proxy.url)})
    assert len(names(sources(closed_source)["web"])) == 3
    assert f"GET {server.url}/SHA256SUMS" in proxy.log


def test_the_proxy_of_the_configuration_is_stronger(closed_source: PlainMachine, server: Server, proxy: Proxy) -> None:
    make_tree(
        closed_source.root,
        {
            f"{SOURCES}/web.conf": f"[Source]\nURL={server.url}\n",
            MAIN: f"[Network]\nProxy={proxy.url}\n",
            **system_proxy(unused_url(), none_for="127.0.0.1"),
        },
    )
    assert len(names(sources(closed_source)["web"])) == 3
    assert f"GET {server.url}/SHA256SUMS" in proxy.log


@pytest.mark.parametrize("own", [True, False])
def test_servers_without_a_proxy(closed_source: PlainMachine, server: Server, own: bool) -> None:
    """Named by the configuration or by the system."""
    entries = {f"{SOURCES}/web.conf": f"[Source]\nURL={server.url}\n"}
    entries |= system_proxy(unused_url(), none_for="" if own else "localhost, 127.0.0.1")
    if own:
        entries[MAIN] = "[Network]\nNoProxy=127.0.0.1\n"
    make_tree(closed_source.root, entries)
    assert len(names(sources(closed_source)["web"])) == 3


def test_the_proxy_that_is_down_is_a_reason(closed_source: PlainMachine, server: Server) -> None:
    make_tree(
        closed_source.root, {f"{SOURCES}/web.conf": f"[Source]\nURL={server.url}\n", **system_proxy(unused_url())}
    )
    with pytest.raises(SourceUnreachable, match="SHA256SUMS: connection refused"):
        sources(closed_source)["web"].candidates()


def test_what_speaks_to_the_network_is_imported_only_where_it_is_needed(
    closed_source: PlainMachine, tmp_path: Path
) -> None:
    """The hook runs in every transaction; a machine with local sources must not pay for the others."""
    make_tree(closed_source.root, {f"{SOURCES}/disk.conf": f"[Source]\nPath={tmp_path}\n"})
    code = (
        "import sys; from pathlib import Path; from tests.machine import PlainMachine\n"
        "from tukit_sysext.layout import Layout; from tukit_sysext.machine import Machine\n"
        "from tukit_sysext.config.settings import load_configuration; from tukit_sysext.system.tree import Tree\n"
        "from tukit_sysext.plugins.builtin.sources import Sources\n"
        "root = Path(sys.argv[1])\n"
        "configuration = load_configuration(Tree(root))\n"
        "found = Sources().tukit_sysext_sources(Machine(layout=Layout(root=root)), configuration)\n"
        "assert [source.name for source in found] == ['disk']\n"
        "print(sorted({'pycurl', 'tukit_sysext.net.transfer', 'tukit_sysext.sources.web'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(closed_source.root)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_who_only_looks_does_not_wait_for_a_server_that_is_away(
    closed_source: PlainMachine, caplog: pytest.LogCaptureFixture
) -> None:
    """A transaction waits, as the network may be coming up (test_mirrors)."""
    make_tree(
        closed_source.root, {f"{SOURCES}/web.conf": f"[Source]\nURL={unused_url()}\n", MAIN: "[Network]\nDeadline=1h\n"}
    )
    caplog.set_level(logging.INFO)
    with Tree(closed_source.root) as tree:
        configuration = settings.load_configuration(tree)
    (source,) = Sources().tukit_sysext_sources(replace(closed_source.machine, read_only=True), configuration)
    with pytest.raises(SourceUnreachable, match="connection refused"):
        source.candidates()
    assert len(caplog.messages) == 1
