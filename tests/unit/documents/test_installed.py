# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RPM brings the pages, the completions and the schemas, where readers and shells look for them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from spec.completions import bash, fish, zsh
from spec.man import pages, schemas
from tests.rpm import TOP, build_rpm, payload

pytestmark = [pytest.mark.tool("rpmbuild"), pytest.mark.rpm]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Content of the installed files below /usr/share, by path."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(payload(build_rpm(tmp_path_factory.mktemp("rpm"))))) as archive:
        for member in archive:
            name = member.name.removeprefix(".")
            content = archive.extractfile(member) if name.startswith("/usr/share/") and member.isfile() else None
            if content is not None:
                assert member.mode == 0o644, name
                found[name] = content.read()
    return found


def test_all_pages(installed: Mapping[str, bytes]) -> None:
    found = {Path(name).name: content for name, content in installed.items() if name.startswith("/usr/share/man/")}
    assert found == {name: pages.roff(name) for name in pages.templates()}
    assert all(f"/usr/share/man/man{name[-1]}/{name}" in installed for name in found)


def test_all_completions(installed: Mapping[str, bytes]) -> None:
    assert installed["/usr/share/bash-completion/completions/tukit-sysext"].decode() == bash.script()
    assert installed["/usr/share/zsh/site-functions/_tukit-sysext"].decode() == zsh.script()
    assert installed["/usr/share/fish/vendor_completions.d/tukit-sysext.fish"].decode() == fish.script()


def test_all_schemas(installed: Mapping[str, bytes]) -> None:
    found = {name for name in installed if name.startswith("/usr/share/tukit-sysext/json/")}
    assert found == {f"/usr/share/tukit-sysext/json/{name}{schemas.SUFFIX}" for name in schemas.load()}


def test_the_examples_for_fleets(installed: Mapping[str, bytes]) -> None:
    found = {Path(name).name: content for name, content in installed.items() if "/fleet/" in name}
    assert found == {path.name: path.read_bytes() for path in (TOP / "spec/examples/fleet").iterdir()}
