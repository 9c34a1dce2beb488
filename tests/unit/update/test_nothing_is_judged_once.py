# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is remembered are contents and answers, no verdicts: a change of whatever a verdict depends on counts at once.

Each of these runs is one of its own, with the cache of those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.elf_files import elf_file
from tests.lab.images import make_image, write_checksums
from tests.machine import OS_RELEASE
from tests.trees import make_tree
from tests.unit.requirements.grounds import PlainGround, PlainPackages
from tests.unit.update.test_further_rules import LEVEL, NUMBER, Site
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.snapshots import grounds
from tukit_sysext.update import fetch, local, offers
from tukit_sysext.update.content_judge import WantedFile

pytestmark = pytest.mark.root

LOOKS_THROUGH_IMAGES = True
NEEDING = {"bin/gdb": elf_file(kind=2, needs={"libfoo.so.2": []})}
FOO = Requirement("libfoo.so.2()(64bit)")


class System:
    """What the system offers, made up, as it has no RPM database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offered: dict[Requirement, str] = {}
        self.fetched: list[str] = []
        for module in (local, offers):
            monkeypatch.setattr(module, "open_ground", self._ground)
        fetch_from = fetch.Fetching._fetch_from

        def fetching(fetcher: fetch.Fetching, source: str, images: Sequence[WantedFile]) -> None:
            self.fetched.extend(each.candidate.file_name for each in images)
            fetch_from(fetcher, source, images)

        monkeypatch.setattr(fetch.Fetching, "_fetch_from", fetching)

    def _ground(self, *_: object, **__: object) -> PlainGround:
        return PlainGround(packages=PlainPackages(offered=dict(self.offered)))


@pytest.fixture
def site(tmp_path: Path, hook_process: None) -> Site:
    return Site(tmp_path)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


def linked(site: Site) -> str | None:
    assert site.update() is ExitStatus.DONE
    return site.linked()


def test_the_packages_of_the_system(site: Site, system: System) -> None:
    site.image("2", NEEDING)
    site.image("1", {"bin/gdb": "x"})

    assert linked(site) == "debug-1.x86-64.raw"
    system.offered[FOO] = "libfoo2"
    assert linked(site) == "debug-2.x86-64.raw"
    system.offered.clear()
    assert linked(site) == "debug-1.x86-64.raw"
    assert system.fetched == ["debug-2.x86-64.raw", "debug-1.x86-64.raw"], "each once"


def test_the_os_release(site: Site, system: System) -> None:
    site.image("2", NEEDING, {**LEVEL, "SYSEXT_LEVEL": "glibc-2.43"})
    site.image("1", {"bin/gdb": "x"})
    system.offered[FOO] = "libfoo2"

    assert linked(site) == "debug-1.x86-64.raw"
    make_tree(site.tree(NUMBER), {"etc/os-release": OS_RELEASE.replace("glibc-2.42", "glibc-2.43")})
    assert linked(site) == "debug-2.x86-64.raw"


def test_the_content_of_the_image(site: Site, system: System) -> None:
    """Another content of the same version is another image."""
    site.image("2", NEEDING)
    site.image("1", {"bin/gdb": "x"})

    assert linked(site) == "debug-1.x86-64.raw"
    site.image("2", {"bin/gdb": "built anew"})
    assert (linked(site) or "").startswith("debug-2.x86-64.raw.")


def want_foo(site: Site) -> Path:
    """Another image is wanted, whose version 1 has the library; its configuration."""
    publish_foo(site, "1", "libfoo.so.2")
    path = site.tree(NUMBER) / "etc/tukit-sysext/images.d/foo.conf"
    path.write_text("[Image]\n")
    return path


def publish_foo(site: Site, version: str, soname: str) -> None:
    make_image(site.images, "foo", version, release=LEVEL, files={f"lib64/{soname}": elf_file(soname=soname)})
    write_checksums(site.images)


def test_what_other_images_provide(site: Site, system: System) -> None:
    site.image("2", NEEDING)
    site.image("1", {"bin/gdb": "x"})
    foo = want_foo(site)

    linked(site)  # brings foo
    assert linked(site) == "debug-2.x86-64.raw"
    foo.unlink()
    assert linked(site) == "debug-1.x86-64.raw"


def test_what_other_images_provide_in_another_version(site: Site, system: System) -> None:
    """The store still has the former one, for other snapshots."""
    site.image("2", NEEDING)
    site.image("1", {"bin/gdb": "x"})
    want_foo(site)
    linked(site)
    assert linked(site) == "debug-2.x86-64.raw"

    publish_foo(site, "2", "libfoo.so.3")
    assert linked(site) == "debug-1.x86-64.raw"
    assert (site.layout.store / "foo-1.x86-64.raw").exists()


def test_what_its_publisher_states(site: Site, system: System) -> None:
    """Found out of the image and remembered, but for this: it is said anew in a description of the same image."""
    site.image("1", {"bin/gdb": "x"})
    site.image("2", {"bin/gdb": "y"}, {"ID": "_any"}, requires=["kernel-default = 6.16"])
    system.offered[Requirement("kernel-default", "=", "6.16")] = "kernel-default"
    assert linked(site) == "debug-2.x86-64.raw"
    (site.layout.store / "debug-2.x86-64.raw").unlink()

    site.image("2", {"bin/gdb": "y"}, {"ID": "_any"}, requires=["kernel-default = 6.17"])
    assert linked(site) == "debug-1.x86-64.raw"


def test_our_version(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = grounds.AnswersInCache(site.machine)
    memory.keep("database", {"met": {}})

    assert memory.recall("database")["met"] == {}
    assert memory.recall("another database") == {}
    monkeypatch.setattr(grounds, "__version__", "99")
    assert memory.recall("database") == {}
