# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the RPM from the working tree, with the paths of the test machine's Python.

`build_rpm` for tests; `python -m tests.rpm FOLDER` for people. Needs no network: the wheel inside is built by
the Python that runs this, which has tests/requirements.txt.
"""

from __future__ import annotations

import dataclasses
import fcntl
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SPEC = "spec/tukit-sysext.spec"
CHANGES = "spec/tukit-sysext.changes"
CACHE = Path(os.environ.get("TESTS_CACHE", TOP / ".venv" / ".cache")) / "rpm"

FORMER_INPUTS = ("zypp-plugins",)
"""What the package of a former commit is made of, beside what it is made of today."""

# What the package is made of: everything else of the tree can change without another RPM.
INPUTS = (
    "pyproject.toml",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "tukit_sysext",
    "hooks",
    "snapper-plugins",
    "spec",
)

# What is in the source archive beside, so that the package can check itself.
TESTS = ("tests", ".ci", ".gitignore")

MAIN = "tukit-sysext.rpm"
"""The package itself, beside its subpackages."""

NO_CHECK = ("--without", "check")
"""All tests that %check has are run without it, too."""

# The test machine is a Debian: its Python looks for packages here.
MACROS = {
    "__python3": "/usr/bin/python3",
    "site": "/usr/lib/python3/dist-packages",
    "python_sitelib": "/usr/lib/python3/dist-packages",  # as the spec called it before
    "build_python": sys.executable,
    # what a build service does, so that the same sources are the same package
    "_buildhost": "reproducible",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
}


class BuildError(Exception):
    """rpmbuild failed, or an input is missing; the message has the end of its output."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file of the tree."""

    content: bytes
    executable: bool = False


Files = Mapping[str, SourceFile]
"""A tree, by the paths in it."""


def build_rpm(
    destination: Path,
    *,
    top: Path = TOP,
    macros: Sequence[Path] = (),
    python: Path | None = None,
    package: str = MAIN,
) -> Path:
    """Put the RPM of the tree `top` as it is now into the folder `destination`, made if need be; return its path.

    Built once for the same inputs, also when several processes ask at the same time. Raises BuildError.

    :param macros: files of a distribution's RPM macros, loaded in this order; without them the package has no scripts
    :param python: a program that is the Python of the machine that the package is for; without it, this machine's
    :param package: the file of a subpackage, instead of the package itself
    """
    files = read_tree(top)
    definitions = MACROS | ({"package_python": str(python)} if python is not None else {})
    CACHE.mkdir(parents=True, exist_ok=True)
    built = CACHE / _key(files, definitions, macros)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                result = build(files, Path(folder), definitions, macros=macros)
                result.parent.rename(built)
    rpm = built / package
    destination.mkdir(parents=True, exist_ok=True)
    target = destination / rpm.name
    # By rename, so that whoever is installing from the old file still has it whole.
    partial = destination / f".{rpm.name}.{os.getpid()}"
    shutil.copyfile(rpm, partial)
    partial.replace(target)
    return target


def payload(rpm: Path) -> bytes:
    """An RPM's files as a gzipped tar archive, whose names start with "./"; it is also left beside the RPM."""
    subprocess.run(
        ["rpm2archive", str(rpm)],
        check=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(rpm.parent)},
        timeout=60,
    )
    return rpm.with_name(f"{rpm.name}.tgz").read_bytes()


def read_tree(top: Path, names: Sequence[str] = INPUTS) -> Files:
    """These files and folders of the tree by their paths in it. Read once: the tree may change meanwhile."""
    return dict(_read(top, (*names, *(name for name in FORMER_INPUTS if (top / name).exists()))))


def _read(top: Path, names: Sequence[str]) -> Iterator[tuple[str, SourceFile]]:
    for name in names:
        path = top / name
        if not path.exists():
            raise BuildError(f"{path}: not there, and the package is made of it")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield (
                    str(file.relative_to(top)),
                    SourceFile(
                        content=file.read_bytes(),
                        executable=bool(file.stat().st_mode & 0o100),
                    ),
                )


def _key(files: Files, definitions: Mapping[str, str], macros: Sequence[Path]) -> str:
    """A name for all that the build depends on: the files, the macros and the tools."""
    digest = hashlib.sha256(repr(sorted(definitions.items())).encode())
    digest.update(Path(__file__).read_bytes())
    for file in (TOP / "tests" / "requirements.txt", *macros):
        digest.update(file.read_bytes())
    for name, content in files.items():
        digest.update(f"{name}\0{content.executable}\0{len(content.content)}\0".encode() + content.content)
    return digest.hexdigest()[:32]


def build(
    files: Files,
    folder: Path,
    definitions: Mapping[str, str] = MACROS,
    *,
    macros: Sequence[Path] = (),
    switches: Sequence[str] = NO_CHECK,
) -> Path:
    """Run rpmbuild below `folder`, and return the RPM; those of subpackages are beside it. Raises BuildError.

    :param definitions: macros by name; ``macros`` are files of them, loaded before
    :param switches: of the spec
    """
    sources, results = folder / "SOURCES", folder / "RPMS"
    sources.mkdir()
    text = files[SPEC].content.decode()
    version = _version(text)
    changes = list(_entries(files[CHANGES].content.decode())) if CHANGES in files else []
    epoch = max((time for *_, time in changes), default=0)
    unpacked = BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        for name, file in files.items():
            member = tarfile.TarInfo(f"tukit-sysext-{version}/{name}")
            member.size = len(file.content)
            member.mtime = epoch
            member.mode = 0o755 if file.executable else 0o644
            archive.addfile(member, BytesIO(file.content))
    suffix, packed = ("xz", lzma.compress) if ".tar.xz" in text else ("gz", gzip.compress)
    (sources / f"tukit-sysext-{version}.tar.{suffix}").write_bytes(packed(unpacked.getvalue()))
    spec = folder / "tukit-sysext.spec"
    spec.write_text(text + "\n".join(f"* {day} {who}\n{said}" for day, who, said, _ in changes))
    places = {"_topdir": str(folder), "_rpmdir": str(results), "_build_name_fmt": "%%{NAME}.rpm"}
    command = ["rpmbuild", *(f"--load={file}" for file in macros), "-bb", "--nodeps"]
    command += switches
    for name, value in {**definitions, **places}.items():
        command += ["--define", f"{name} {value}"]
    done = subprocess.run(
        [*command, str(spec)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "SOURCE_DATE_EPOCH": str(epoch),
        },
        text=True,
        timeout=3600,
        check=False,
    )
    built = results / MAIN
    if done.returncode != 0 or not built.exists():
        end = "\n".join(done.stdout.splitlines()[-40:])
        raise BuildError(f"rpmbuild ended with {done.returncode}:\n{end}")
    return built


def _entries(changes: str) -> Iterator[tuple[str, str, str, int]]:
    """Of a .changes file each entry's day, author, text and time, as a build service makes %changelog of it."""
    for entry in changes.split(f"{'-' * 67}\n")[1:]:
        head, _, text = entry.partition("\n")
        when, _, who = head.partition(" - ")
        time = datetime.strptime(when, "%a %b %d %H:%M:%S UTC %Y").replace(tzinfo=UTC)
        yield f"{time:%a %b %d %Y}", who, text.strip() + "\n", int(time.timestamp())


def _version(spec: str) -> str:
    """The version that the spec states."""
    for line in spec.splitlines():
        if line.startswith("Version:"):
            return line.split()[1]
    raise BuildError(f"{SPEC}: no Version line")


def main() -> int:
    """Build into the folder named on the command line."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.rpm FOLDER", file=sys.stderr)
        return 2
    try:
        print(build_rpm(Path(sys.argv[1])))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
