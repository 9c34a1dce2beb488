# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of this machine that come into the store: with what a manifest beside them states."""

from __future__ import annotations

import json

import pytest

from tests.lab.images import make_image
from tests.machine import PlainMachine
from tukit_sysext.change.import_image import Importer
from tukit_sysext.quantities import Share
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.store.record import Record

pytestmark = pytest.mark.root

PACKAGES = [{"type": "rpm", "name": "gdb", "version": "15.2-1", "architecture": "x86_64"}]


def imported(site: PlainMachine, *, in_store: bool, **described: object) -> Record:
    folder = site.layout.store if in_store else site.root / "mnt"
    release = {"ID": "_any"}
    image = make_image(folder, "gdb", "1", release=release, files={"bin/gdb": "#!/bin/sh\n"}, manifest="mkosi")
    manifest = folder / "gdb-1.x86-64.manifest"
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), **described}))
    importer = Importer(site.machine, Share(size=0))
    return importer.of_store(image.name, "gdb") if in_store else importer.of_file(image, image.name, "gdb")


@pytest.mark.parametrize("in_store", [False, True])
def test_what_the_manifest_beside_it_states_is_kept(site: PlainMachine, in_store: bool) -> None:
    contents = imported(site, in_store=in_store, requires=["glibc >= 2.40"], packages=PACKAGES).contents

    assert contents is not None
    assert contents.stated == (Requirement("glibc", ">=", "2.40"),)
    assert contents.packages == (Package("gdb", "15.2-1"),)
    assert (contents.needs, contents.described) == (("/bin/sh",), False)


def test_a_manifest_that_is_not_understood_states_nothing(site: PlainMachine) -> None:
    contents = imported(site, in_store=False, requires=["glibc>=2.40"], packages=PACKAGES).contents

    assert contents is not None
    assert (contents.stated, contents.packages) == ((), ())
