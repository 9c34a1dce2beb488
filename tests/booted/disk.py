# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks to boot: a lab's, with packages installed by rpm and their scripts, as an image build does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tests.lab import Flavour, Lab, base
from tests.lab.distribution import Distribution
from tests.rpm import INPUTS, MAIN, SPEC, TOP, build_rpm


class Disks:
    """Makes each disk once, and keeps it in a file without a name until close()."""

    def __init__(self, folder: Path, *, suite: str = base.SUITE) -> None:
        """Packages are built into the folder; their programs come from the suite, a release of Debian."""
        self._folder = folder
        self._suite = suite
        self._made: dict[tuple[Flavour, bool], int] = {}

    def rpm(self) -> Path:
        """Our package, for the Python of the suite, with the scripts that a distribution's macros give it."""
        return build_ours(self._folder, self._suite)

    def packages(self) -> list[Path]:
        """Our package, and that with openSUSE's source."""
        return [self.rpm(), build_ours(self._folder, self._suite, package="tukit-sysext-config-openSUSE.rpm")]

    def newer_rpm(self) -> Path:
        """The package of a later version, with nothing else changed."""
        tree = self._folder / "later"
        if not tree.exists():
            for name in INPUTS:
                if (TOP / name).is_dir():
                    shutil.copytree(TOP / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    tree.mkdir(exist_ok=True)
                    shutil.copy(TOP / name, tree / name)
            for path, before in ((SPEC, "Version:        "), ("tukit_sysext/__init__.py", '__version__ = "')):
                file = tree / path
                file.write_text(file.read_text().replace(f"{before}0.", f"{before}99."))
        return build_ours(tree / "package", self._suite, top=tree)

    def installed(self, flavour: Flavour) -> Path:
        """With our package, and what README says to enable."""
        return self._disk(flavour, ours=True)

    def bare(self, flavour: Flavour) -> Path:
        """The same without our package."""
        return self._disk(flavour, ours=False)

    def close(self) -> None:
        """Drop all of them."""
        while self._made:
            os.close(self._made.popitem()[1])

    def _disk(self, flavour: Flavour, *, ours: bool) -> Path:
        key = flavour, ours
        if key not in self._made:
            packages = [Distribution.of(self._suite).build_rpm(self._folder)]
            if ours:
                packages.append(self.rpm())
            self._made[key] = install(base.disk_for(flavour.value, self._suite), flavour, packages)
        return Path(f"/proc/self/fd/{self._made[key]}")


def build_ours(folder: Path, suite: str = base.SUITE, *, top: Path = TOP, package: str = MAIN) -> Path:
    """Our package, for the Python of a suite, with the scripts that a distribution's macros give it.

    :param package: the file of a subpackage, instead of the package itself
    """
    macros = Distribution.of(suite).macros
    return build_rpm(folder, top=top, macros=macros, python=base.python_of_labs(suite), package=package)


def install(
    image: Path, flavour: Flavour, packages: Sequence[Path], *, files: Mapping[Path, str] = MappingProxyType({}),
    prepare: Callable[[Lab], object] = lambda _: None,
) -> int:  # fmt: skip
    """The descriptor of a disk like this one with packages installed.

    :param files: more files, with their places on the disk
    :param prepare: is called with it as a lab, when they are installed
    """
    rpms = {package: f"/var/cache/{package.name}" for package in packages}
    with Lab.start(flavour, image=image, install={**rpms, **files}) as lab:
        offline = {"SYSTEMD_OFFLINE": "1"}  # what systemctl finds by itself in the chroot of an image build
        with lab.unlocked():
            for file in rpms.values():
                lab.run(["rpm", "--upgrade", "--nodeps", file], env=offline)
        ours = ["tukit-sysext.target"] if lab.path("/usr/bin/tukit-sysext").exists() else []
        lab.run(["systemctl", "enable", "systemd-sysext.service", *ours], env=offline)
        lab.path("/var/log/journal").mkdir()
        prepare(lab)
        return lab.end()
