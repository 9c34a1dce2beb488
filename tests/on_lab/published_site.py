# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lab whose images are published by ``publish``: into a folder on a server or into a registry, with deltas or not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.lab import Lab
from tests.lab.registry import Registry
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import Site, Web
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.sending import Sender
from tukit_sysext.publish.project import Project
from tukit_sysext.publish.publication import PublishOptions, publish

Way = Literal["directory with deltas", "registry", "registry with deltas"]
WAYS: tuple[Way, ...] = ("directory with deltas", "registry", "registry with deltas")


@dataclass(kw_only=True)
class PublishedSite(Site):
    """``folder`` is published, with indexes of chunks where there are to be ``deltas``, and in ``registry``, if any."""

    folder: Path
    key: SigningKey
    deltas: bool
    registry: Registry | None = None

    @property
    def project(self) -> str:
        """The URL of the project in the registry."""
        assert self.registry is not None
        return f"oci+http://{self.registry.host}/images/"

    @property
    def images(self) -> Path:
        """See Site."""
        return self.folder

    def with_source(self) -> Site:
        """See Site; there is none before something is published."""
        web = self.web or Web(repository=Repository(self.folder), server=Server(self.folder), key=self.key)
        self.add_source("main", web, urls=(self.project,) if self.registry is not None else ())
        self.write("/etc/tukit-sysext/tukit-sysext.conf", "[Network]\nDeadline=2s\nConnectTimeout=2s\n")
        return self

    def list_images(self) -> None:
        """Publish what is in the folder."""
        with ExitStack() as stack:
            project = None
            if self.registry is not None:
                project = Project(self.project, stack.enter_context(Sender(NetworkSettings())))
            options = PublishOptions(keys=(self.key.fingerprint,), gpg_home=self.key.folder, chunks=self.deltas)
            publish(self.folder, options, scratch=self.folder.parent, privilege=lambda: None, project=project)

    def location(self, file_name: str) -> str:
        """See Site."""
        if self.web is not None:
            return super().location(file_name)
        return file_name

    def fetched(self, file_name: str) -> int:
        """Bytes of an image that machines have got; a registry is started anew for its log to be complete."""
        if self.web is not None:
            return sum(row.sent for row in self.web.server.requests if row.path == f"/{file_name}")
        assert self.registry is not None
        self.registry.stop()
        (line,) = (line for line in (self.folder / "SHA256SUMS").read_text().splitlines() if line.endswith(file_name))
        got = [row for row in self.registry.requests if row.method == "GET" and line[:64] in row.path]
        self.registry.start()
        return sum(row.sent for row in got)


@contextmanager
def published_site(lab: Lab, folder: Path, way: Way) -> Iterator[PublishedSite]:
    """A site whose machine has what is published in this way as its source."""
    key = SigningKey.shared()
    images = folder / "images"
    deltas = way != "registry"
    with ExitStack() as stack:
        # gpg starts an agent, which nobody ends
        end = ["gpgconf", "--homedir", str(key.folder), "--kill", "gpg-agent"]
        stack.callback(subprocess.run, end, check=True)
        repository = Repository(images)
        if way == "directory with deltas":
            server = stack.enter_context(Server(images))
            web = Web(repository=repository, server=server, key=key)
            site = PublishedSite(lab=lab, folder=images, key=key, deltas=deltas, web=web)
        else:
            registry = stack.enter_context(Registry(folder / "registry"))
            site = PublishedSite(lab=lab, folder=images, key=key, deltas=deltas, registry=registry)
        site.prepare()
        yield site
