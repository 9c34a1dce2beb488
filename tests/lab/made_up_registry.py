# SPDX-License-Identifier: LGPL-2.1-or-later
"""A registry in memory, on loopback: for what a real one does not do, and for tests that may not start one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.lab.authority import Authority
from tests.lab.running import Running
from tests.lab.scripted import Answer, Asked, ScriptedServer
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest
from tukit_sysext.formats.oci_image import CONTAINER_CONFIGS
from tukit_sysext.formats.oci_names import LIST_REPOSITORY, LIST_TAG, repository_of

PROJECT = "images"
LIST = "SHA256SUMS"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class MadeUpRegistry(Running):
    """A project's repositories: ``blobs`` by repository and hash, ``manifests`` by repository and tag or digest.

    ``instead`` may give another answer to what is asked for.
    """

    def __init__(self, *, authority: Authority | None = None, page: int = 1000, latency_ms: float = 0) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.instead: Callable[[Asked], Answer | None] = lambda _: None
        self._page = page
        self._server = ScriptedServer(self._answer, authority=authority, latency_ms=latency_ms)
        scheme = "oci" if authority is not None else "oci+http"
        self.api = f"{self._server.url}/v2/{PROJECT}/"
        self.url = f"{scheme}://{self._server.url.partition('://')[2]}/{PROJECT}"

    def start(self) -> Self:
        """Answer from now on."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop()

    @property
    def asked(self) -> list[Asked]:
        """What was asked for."""
        return self._server.asked

    @property
    def paths(self) -> list[str]:
        """The same below the project, without queries."""
        return [asked.path.partition("?")[0].removeprefix(f"/v2/{PROJECT}/") for asked in self.asked]

    def put_blob(self, repository: str, content: bytes) -> str:
        """Put bytes into a repository; their hash."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs[repository, sha256] = content
        return sha256

    def put_manifest(self, repository: str, part: Manifest | Index | bytes, *tags: str) -> Descriptor:
        """Put a manifest or an index there, with these tags."""
        if isinstance(part, Index):
            found = Descriptor.of(oci.INDEX, content := oci.compose_index(part))
        else:
            content = part if isinstance(part, bytes) else oci.compose_manifest(part)
            found = Descriptor.of(oci.MANIFEST, content)
        for reference in (*tags, found.digest):
            self.manifests[repository, reference] = content
        return found

    def put_container(self, repository: str, version: str, layer: bytes) -> None:
        """Put an ordinary container image there, whose one layer (tar, gzip) is given, tagged with its version."""
        config = json.dumps({"config": {"Labels": {oci.VERSION: version}}}).encode()
        for each in (layer, config):
            self.put_blob(repository, each)
        layers = (Descriptor.of("application/vnd.oci.image.layer.v1.tar+gzip", layer),)
        manifest = Manifest(config=Descriptor.of(CONTAINER_CONFIGS[0], config), layers=layers)
        self.put_manifest(repository, manifest, version)

    def put_files(
        self, repository: str, files: Mapping[str, bytes], *tags: str, kind: str = "", media_type: str = ""
    ) -> Descriptor:
        """Put an artifact there whose layers are files, as oras does."""
        for content in (oci.EMPTY, *files.values()):
            self.put_blob(repository, content)
        layers = tuple(
            Descriptor.of(media_type or oci.PLAIN_LAYER, content, title=name) for name, content in files.items()
        )
        config = Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY)
        return self.put_manifest(repository, Manifest(config=config, layers=layers, artifact_type=kind), *tags)

    def publish(self, folder: Path, *, lists: Sequence[str] = (LIST, f"{LIST}.gpg")) -> None:
        """Put a folder there, as ``tukit-sysext publish`` does: each file beside its image, and the signed list."""
        for path in sorted(folder.iterdir()):
            image = path.name.partition(".raw")[0].partition(".manifest")[0] + ".raw"
            if not path.name.startswith(LIST):
                self.put_blob(repository_of(image), path.read_bytes())
        files = {name: (folder / name).read_bytes() for name in lists if (folder / name).exists()}
        self.put_files(LIST_REPOSITORY, files, LIST_TAG, kind=oci.LIST_ARTIFACT)

    def _answer(self, asked: Asked) -> Answer:
        other = self.instead(asked)
        if other is not None:
            return other
        path, query = urlsplit(asked.path)[2:4]
        repository, _, rest = path.removeprefix(f"/v2/{PROJECT}/").partition("/")
        kind, _, reference = rest.partition("/")
        if kind == "tags":
            return self._tags(repository, parse_qs(query).get("last", [""])[0])
        known = self.manifests if kind == "manifests" else self.blobs
        content = known.get((repository, reference if kind == "manifests" else reference.removeprefix("sha256:")))
        if content is None:
            return Answer(status=404, body=b'{"errors":[]}')
        etag = f'"sha256:{hashlib.sha256(content).hexdigest()}"'
        if asked.headers.get("if-none-match") == etag:
            return Answer(status=304)
        asked_range = _RANGE.fullmatch(asked.headers.get("range", ""))
        if asked_range is None:
            return Answer(body=content, headers={"ETag": etag})
        start, last = int(asked_range[1]), int(asked_range[2] or len(content) - 1)
        said = f"bytes {start}-{min(last, len(content) - 1)}/{len(content)}"
        return Answer(status=206, body=content[start : last + 1], headers={"ETag": etag, "Content-Range": said})

    def _tags(self, repository: str, last: str) -> Answer:
        tags = [tag for name, tag in self.manifests if name == repository and not tag.startswith("sha256:")]
        if not tags:
            return Answer(status=404, body=b'{"errors":[]}')
        start = tags.index(last) + 1 if last else 0
        page = tags[start : start + self._page]
        document = json.dumps({"name": f"{PROJECT}/{repository}", "tags": page}).encode()
        more = start + self._page < len(tags)
        link = f'</v2/{PROJECT}/{repository}/tags/list?n={self._page}&last={page[-1]}>; rel="next"'
        return Answer(body=document, headers={"Link": link} if more else {})
