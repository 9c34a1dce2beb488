# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the RPM from the working tree, with the paths of the test machine's Python.

`build_rpm` for tests; `python -m tests.rpm FOLDER` for people. Needs no network: the wheel inside is built by
the Python that runs this, which has tests/requirements.txt.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SPEC = "spec/tukit-sysext.spec"
CACHE = Path(os.environ.get("TESTS_CACHE", TOP / ".venv" / ".cache")) / "rpm"

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

# The test machine is a Debian: its Python looks for packages here.
MACROS = {
    "__python3": "/usr/bin/python3",
    "python_sitelib": "/usr/lib/python3/dist-packages",
    "build_python": sys.executable,
}


class BuildError(Exception):
    """rpmbuild failed, or an input is missing; the message has the end of its output."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    content: bytes
    executable: bool
    changed: int  # seconds since 1970; for the archive alone, no part of the key


def build_rpm(destination: Path, *, top: Path = TOP, macros: Sequence[Path] = ()) -> Path:
    """Put the RPM of the tree `top` as it is now into the folder `destination`, made if need be; return its path.

    Built once for the same inputs, also when several processes ask at the same time. Raises BuildError.

    :param macros: files of a distribution's RPM macros, loaded in this order; without them the package has no scripts
    """
    files = dict(_inputs(top))
    CACHE.mkdir(parents=True, exist_ok=True)
    built = CACHE / _key(files, macros)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                result = _build(files, Path(folder), macros)
                result.parent.rename(built)
    (rpm,) = built.glob("*.rpm")
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


def _inputs(top: Path) -> Iterator[tuple[str, _File]]:
    """The files of INPUTS by their paths in the tree. Read once: the tree may change meanwhile."""
    for name in INPUTS:
        path = top / name
        if not path.exists():
            raise BuildError(f"{path}: not there, and the package is made of it")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                status = file.stat()
                yield (
                    str(file.relative_to(top)),
                    _File(
                        content=file.read_bytes(),
                        executable=bool(status.st_mode & 0o100),
                        changed=int(status.st_mtime),
                    ),
                )


def _key(files: dict[str, _File], macros: Sequence[Path]) -> str:
    """A name for all that the build depends on: the files, the macros and the tools."""
    digest = hashlib.sha256(repr(sorted(MACROS.items())).encode())
    digest.update(Path(__file__).read_bytes())
    for file in (TOP / "tests" / "requirements.txt", *macros):
        digest.update(file.read_bytes())
    for name, content in files.items():
        digest.update(f"{name}\0{content.executable}\0{len(content.content)}\0".encode() + content.content)
    return digest.hexdigest()[:32]


def _build(files: dict[str, _File], folder: Path, loaded: Sequence[Path]) -> Path:
    """Run rpmbuild below `folder`; the RPM is alone in its folder there."""
    sources, results = folder / "SOURCES", folder / "RPMS"
    sources.mkdir()
    version = _version(files[SPEC].content.decode())
    with tarfile.open(sources / f"tukit-sysext-{version}.tar.gz", "w:gz") as archive:
        for name, file in files.items():
            member = tarfile.TarInfo(f"tukit-sysext-{version}/{name}")
            member.size = len(file.content)
            member.mtime = file.changed
            member.mode = 0o755 if file.executable else 0o644
            archive.addfile(member, io.BytesIO(file.content))
    spec = folder / "tukit-sysext.spec"
    spec.write_bytes(files[SPEC].content)
    macros = MACROS | {"_topdir": str(folder), "_rpmdir": str(results), "_build_name_fmt": "%{NAME}.rpm"}
    command = ["rpmbuild", *(f"--load={file}" for file in loaded), "-bb", "--nodeps"]
    for name, value in macros.items():
        command += ["--define", f"{name} {value}"]
    done = subprocess.run(
        [*command, str(spec)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        text=True,
        timeout=300,
        check=False,
    )
    found = list(results.glob("*.rpm"))
    if done.returncode != 0 or len(found) != 1:
        end = "\n".join(done.stdout.splitlines()[-40:])
        raise BuildError(f"rpmbuild ended with {done.returncode} and made {len(found)} packages:\n{end}")
    return found[0]


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
