# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small "openSUSE" of real RPMs in three releases, with repositories of them, for zypper in the labs.

Libraries and tools are compiled, so that rpmbuild finds what they need and provide by itself. Made once on a machine,
by its gcc and rpmbuild and by the labs' createrepo_c; kept beside the base of the labs.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import base
from tests.lab.errors import LabError
from tests.lab.images import release_text

RELEASES: Mapping[str, str] = {
    "20261101": "glibc-2.42",
    "20261120": "glibc-2.43",
    "20261215": "glibc-2.44",
}
"""VERSION_ID and SYSEXT_LEVEL of each; the first is what a lab starts with."""

FIRST, SECOND, THIRD = RELEASES

RELEASE_PACKAGES = {"microos": "MicroOS-release", "tumbleweed": "openSUSE-release"}
"""The package with os-release, by the flavour of the lab."""

PACKAGES = ("glibc", "libgreet1", "libseal3", "greet-tools", "seal-tools")
"""What a system has of the first release, beside its release package and those that do not matter."""

PLACE = "/opt/distribution"
"""Where a lab has the repositories, one folder for each release, in a place that transactions see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A library: its soname's number, and the symbols that it has, by the version of each."""

    number: int
    symbols: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rpm:
    """A package to build. ``tags`` are lines of its spec file, ``files`` their content by path."""

    name: str
    version: str
    tags: Sequence[str] = ()
    files: Mapping[str, str | bytes] | None = None
    noarch: bool = True


def _libc(version: str) -> Rpm:
    """The labs' libc and shell are Debian's: this says that they are there."""
    versions = ["2.2.5", "2.3", "2.3.4", "2.4", "2.14", "2.17", "2.28", "2.33", "2.34"]
    symbols = [f"libc.so.6(GLIBC_{each})(64bit)" for each in versions]
    provided = ["/bin/sh", "rtld(GNU_HASH)", "libc.so.6()(64bit)", *symbols]
    return Rpm(name="glibc", version=version, tags=[f"Provides: {each}" for each in provided], noarch=False)


FILLERS = ("aaa_base", "ca-certificates", "filesystem", "kernel-default", "permissions", "sudo", "terminfo", "timezone")
"""Packages without anything to look at, but that there are more than a handful."""


class Distribution:
    """The repositories of all releases: ``folder`` has a folder for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def shared(cls) -> Distribution:
        """That of this machine, built where it is missing."""
        key = base.key_of(base.root_key(base.SUITE), Path(__file__).read_text())
        folder = base.CACHE / f"distribution-{key}"
        root = base.root_of(base.SUITE)
        with base.building_alone():
            if not folder.exists():
                for tool in ("gcc", "rpmbuild"):
                    if shutil.which(tool) is None:
                        raise LabError(f"building packages for the labs needs {tool}")
                partial = Path(tempfile.mkdtemp(prefix="partial-distribution-", dir=base.CACHE))
                partial.chmod(0o755)
                _build(partial, root)
                partial.rename(folder)
        return cls(folder)

    def program(self, version: str, name: str) -> bytes:
        """A program of a release, as its package has it."""
        (rpm,) = (self.folder / version).glob(f"{name}-tools-*.rpm")
        script = 'rpm2cpio "$1" | cpio --quiet --extract --to-stdout "$2"'
        argv = ["sh", "-ec", script, "sh", str(rpm), f"./usr/bin/{name}"]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout


def _build(folder: Path, root: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="distribution-") as scratch:
        for version in RELEASES:
            (folder / version).mkdir()
            for number, rpm in enumerate(_packages(version, Path(scratch))):
                build_package(rpm, folder / version, Path(scratch) / f"{version}-{number}")
    script = 'mount --bind "$1" "$2/mnt" && for each in $3; do chroot "$2" createrepo_c --quiet "/mnt/$each"; done'
    argv = ["sh", "-ec", script, "sh", str(folder), str(root), " ".join(RELEASES)]
    base.run_step(argv, "making repositories")


def _packages(version: str, scratch: Path) -> list[Rpm]:
    """What a release has: libgreet gets a symbol in the second, and another soname in the third."""
    number = list(RELEASES).index(version)
    one = {"greet": "GREET_1.0"}
    greet = (
        Library(number=1, symbols=one),
        Library(number=1, symbols=one | {"greet_all": "GREET_1.1"}),
        Library(number=2, symbols={"greet": "GREET_2.0", "greet_all": "GREET_2.0"}),
    )[number]
    seal = Library(number=3, symbols={"seal": "SEAL_3.0", **({"seal_all": "SEAL_3.4"} if number else {})})
    made = [
        *(_release(flavour, version) for flavour in RELEASE_PACKAGES),
        _libc(RELEASES[version].removeprefix("glibc-")),
        _library("greet", f"1.{number}", greet, scratch / f"greet-{version}"),
        _library("seal", ("3.2.4", "3.4.0", "3.4.1")[number], seal, scratch / f"seal-{version}"),
        _tool("greet-tools", f"1.{number}", "greet", scratch / f"greet-{version}", function=[*greet.symbols][-1]),
        _tool("seal-tools", f"3.{number}", "seal", scratch / f"seal-{version}"),
    ]
    return made + [Rpm(name=name, version=f"1.{number}") for name in FILLERS]


def _release(flavour: str, version: str) -> Rpm:
    keys = {
        "NAME": "openSUSE",
        "ID": f"opensuse-{flavour}",
        "ID_LIKE": "suse opensuse",
        "VERSION_ID": version,
        "SYSEXT_LEVEL": RELEASES[version],
        "CPE_NAME": f"cpe:/o:opensuse:{flavour}:{version}",
    }
    return Rpm(name=RELEASE_PACKAGES[flavour], version=version, files={"/usr/lib/os-release": release_text(keys)})


def _library(name: str, version: str, library: Library, scratch: Path) -> Rpm:
    scratch.mkdir()
    soname = f"lib{name}.so.{library.number}"
    nodes: dict[str, list[str]] = {}
    for symbol, node in library.symbols.items():
        nodes.setdefault(node, []).append(symbol)
    script = "".join(f"{node} {{ global: {'; '.join(symbols)}; }};\n" for node, symbols in nodes.items())
    (scratch / "versions").write_text(script.replace("; }", "; local: *; }", 1))
    (scratch / "library.c").write_text("".join(f"int {symbol}(void) {{ return 0; }}\n" for symbol in library.symbols))
    file = scratch / soname
    options = ["-shared", "-fPIC", "-s", f"-Wl,-soname,{soname}", f"-Wl,--version-script={scratch / 'versions'}"]
    _run(["gcc", *options, "-o", str(file), str(scratch / "library.c")])
    (scratch / f"lib{name}.so").symlink_to(soname)
    return Rpm(
        name=f"lib{name}{library.number}",
        version=version,
        files={f"/usr/lib64/{soname}": file.read_bytes()},
        tags=[f"Obsoletes: lib{name}{library.number - 1}"],
        noarch=False,
    )


def _tool(package: str, version: str, name: str, library: Path, *, function: str = "") -> Rpm:
    """A program that calls the library of its name; ``library`` is the folder that it was built in."""
    function = function or name
    (library / "tool.c").write_text(f"int {function}(void); int main(void) {{ return {function}(); }}\n")
    options = ["-s", f"-L{library}", "-Wl,-rpath,/usr/lib64", f"-Wl,-rpath-link,{library}"]
    _run(["gcc", *options, "-o", str(library / "tool"), str(library / "tool.c"), f"-l{name}"])
    return Rpm(name=package, version=version, files={f"/usr/bin/{name}": (library / "tool").read_bytes()}, noarch=False)


_DEFINES = {
    "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "_buildhost": "localhost",
    "_binary_payload": "w1.gzdio",  # every rpm reads it
    "__os_install_post": "%{nil}",
    "debug_package": "%{nil}",
    "_build_id_links": "none",
}


def build_package(rpm: Rpm, target: Path, scratch: Path) -> None:
    """Build a package into a folder; ``scratch`` is another one, which is made."""
    root = scratch / "files"
    root.mkdir(parents=True)
    for path, content in (rpm.files or {}).items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(0o755 if isinstance(content, bytes) else 0o644)
    lines = [
        f"Name: {rpm.name}",
        f"Version: {rpm.version}",
        "Release: 1",
        f"Summary: {rpm.name} of the test machine",
        "License: LGPL-2.1-or-later",
        *(["BuildArch: noarch"] if rpm.noarch else []),
        *rpm.tags,
        "%description",
        "Made by tests.",
        "%install",
        f"cp -a {root}/. %{{buildroot}}",
        "%files",
        *(rpm.files or {}),
    ]
    (scratch / "package.spec").write_text("\n".join(lines) + "\n")
    defines = {"_topdir": str(scratch), "_rpmdir": str(target), **_DEFINES}
    options = [word for key, value in defines.items() for word in ("--define", f"{key} {value}")]
    _run(["rpmbuild", "-bb", "--quiet", *options, str(scratch / "package.spec")])


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise LabError(f"{argv[0]} failed with status {done.returncode}:\n{done.stdout[-2000:]}")
