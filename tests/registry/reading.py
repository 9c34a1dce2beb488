# SPDX-License-Identifier: LGPL-2.1-or-later
"""A registry without TLS, read byte by byte: what it has of the project ``p``."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any

from tests.lab.registry import Registry
from tukit_sysext.formats import oci


def get(registry: Registry, path: str) -> bytes:
    """What is at a path below /v2/."""
    connection = HTTPConnection("127.0.0.1", registry.port)
    connection.request("GET", f"/v2/{path}", headers={"Accept": oci.ACCEPTED})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, (path, answer.status, content)
    return content


def manifest(registry: Registry, path: str) -> Any:
    """A manifest, an index, or a list of tags."""
    return json.loads(get(registry, path))


def layer(registry: Registry, repository: str, found: Any, name: str) -> bytes:
    """The layer of a manifest that is a file of this name."""
    (digest,) = (each["digest"] for each in found["layers"] if each["annotations"][oci.TITLE] == name)
    return get(registry, f"p/{repository}/blobs/{digest}")


def of_list(registry: Registry) -> dict[str, bytes]:
    """The project's list and its signatures, by file name."""
    found = manifest(registry, "p/sha256sums/manifests/latest")
    assert found["artifactType"] == oci.LIST_ARTIFACT
    names = [each["annotations"][oci.TITLE] for each in found["layers"]]
    return {name: layer(registry, "sha256sums", found, name) for name in names}
