# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a folder with a file to an installed image: README's commands, and the examples, as they are written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.publisher import inside, publisher_root
from tests.lab.readme import TOP, commands
from tests.on_lab.site import Site


@pytest.fixture
def newcomer(start_lab: StartLab, our_tree: Path) -> Site:
    """A machine with tukit-sysext and our examples, and nothing configured."""
    lab = start_lab(Flavour.MICROOS, install={our_tree: "/"})
    lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
    lab.run(["mount", "-t", "tmpfs", "tmpfs", "/srv"])  # a subvolume of its own on MicroOS
    shutil.copytree(TOP / "spec/examples", lab.path("/root/project") / "spec/examples")
    return Site(lab=lab)


def test_the_way_in_of_readme(newcomer: Site) -> None:
    lines = commands("Publish images")
    assert len(lines) == 5
    for line in lines:
        newcomer.lab.run(["sh", "-c", f"cd /root/project && {line}"])
    assert newcomer.links() == {"hello.raw": "hello-1.0.raw"}
    assert newcomer.command("verify").returncode == 0


def test_an_image_of_mkosi(newcomer: Site, tmp_path: Path) -> None:
    """Built by mkosi without a network, published, installed and merged."""
    out = tmp_path / "out"
    out.mkdir()
    argv = ["mkosi", "--directory", "/examples", "--output-directory", "/out", "build"]
    inside(publisher_root(), argv, folders={TOP / "spec/examples": "/examples", out: "/out"}, network=False)
    (image,) = (path for path in out.iterdir() if path.suffix == ".raw")
    assert image.name.startswith("hello-1.0.")
    shutil.copy(image, newcomer.lab.path("/srv"))
    run = newcomer.lab.run
    run(["gpg", "--batch", "--passphrase", "", "--quick-generate-key", "images@example.org"])
    newcomer.command("publish", "/srv", "--key", "images@example.org")
    run(["sh", "-c", "gpg --export | tukit-sysext sources add mine /srv --key -"])
    newcomer.command("install", "hello")
    assert newcomer.links() == {"hello.raw": image.name}
    merged = run(["sh", "-c", "systemd-sysext merge >&2 && /usr/bin/hello && systemd-sysext unmerge >&2"])
    assert merged.stdout == "hello from an extension image\n"
