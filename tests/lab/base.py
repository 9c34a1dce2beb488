# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every lab starts from: a small Debian root, and a btrfs disk with it for each flavour.

Both are built once and kept below `/var/cache/tukit-sysext-lab`, under a name with the hash of what defines them;
each is built under a temporary name and renamed when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.lab import disk
from tests.lab.errors import LabError

CACHE = Path("/var/cache/tukit-sysext-lab")

DISK_SIZE = 4 << 30
"""Bytes; the file is sparse, a fresh lab takes about 200 MiB."""

SUITE = "trixie"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "attr",
    "btrfs-progs",
    "createrepo-c",  # repositories of the RPMs that tests make
    "curl",  # what a download is measured against
    "dbus",  # systemd-container wants it, and debootstrap does not solve alternatives
    "erofs-utils",
    "fdisk",
    "gpgv",
    "libzypp-bin",  # brings gpg, with which tests publish too
    "libzypp-config",
    "python3",
    "python3-btrfsutil",
    "python3-cffi-backend",  # python3-zstandard wants it under a name that is not its own, as above
    "python3-packaging",
    "python3-pluggy",
    "python3-pycurl",
    "python3-rich",
    "python3-rpm",
    "python3-zstandard",
    "rpm",
    "rsync",
    "snapper",
    "squashfs-tools",
    "strace",
    "systemd",
    "systemd-container",
    "util-linux",
    "zypper",
)
PYPI_PACKAGES = ("python-rpm-spec==0.18.0",)

UNNEEDED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/lib/apt/lists",
            "var/cache/apt", "var/log", "etc/resolv.conf", "etc/hostname")  # fmt: skip
"""Left out of the disks: a small disk is copied faster."""

RPM_MACROS = "# As on openSUSE, so that the RPM database rolls back with the snapshot\n%_dbpath /usr/lib/sysimage/rpm\n"

_LAYOUT_SCRIPT = Path(__file__).with_name("layout.py")


def key_of(*parts: object) -> str:
    """A short name for what something is made from."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def root_key(suite: str) -> str:
    """Names the root that this code would build."""
    return key_of(3, suite, PACKAGES, PYPI_PACKAGES, UNNEEDED, RPM_MACROS, platform.machine())


def disk_for(flavour: str, suite: str = SUITE) -> Path:
    """The disk image of a flavour, built first where it is missing (about a minute, with the network).

    :param suite: the release of Debian that its programs are from
    """
    if os.geteuid() != 0:
        raise LabError("labs need root: they mount file systems", hint="run it with sudo")
    target = CACHE / f"disk-{flavour}-{key_of(root_key(suite), DISK_SIZE, _LAYOUT_SCRIPT.read_text())}.btrfs"
    if not target.exists():
        _check_tools()
        with building_alone():
            if not target.exists():
                build_disk(root_of(suite), flavour, target)
    return target


_PYTHON = """\
#!/bin/sh
exec unshare --mount --propagation private sh -c 'mount --bind {root}/usr /usr && exec /usr/bin/python3 "$@"' sh "$@"
"""


def python_of_labs(suite: str = SUITE) -> Path:
    """A program that is the Python of the labs, for building packages for them: it sees all files of this machine
    but those in /usr, which are the labs'.

    :param suite: the release of Debian that it is from
    """
    with building_alone():
        root = root_of(suite)
        program = root.with_name(f"python-{root_key(suite)}")
        if not program.exists():
            program.write_text(_PYTHON.format(root=root))
            program.chmod(0o755)
    return program


def mount_point() -> Path:
    """A folder to mount a lab's root on before it becomes "/", in a namespace where nobody else sees it.

    One of our own, since whatever a well-known folder holds would be hidden while files are installed from it.
    """
    folder = CACHE / "mnt"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_tools() -> None:
    tools = ("debootstrap", "mkfs.btrfs", "btrfs", "btrfstune", "unshare", "nsenter")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise LabError(
            f"building the base of the labs needs {', '.join(missing)}",
            hint="apt-get install debootstrap btrfs-progs util-linux",
        )


@contextlib.contextmanager
def building_alone() -> Iterator[None]:
    """Keeps two processes from building the same thing; what an earlier one left half done is removed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in CACHE.glob("partial-*"):
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        yield


def run_step(argv: Sequence[str], what: str, env: Mapping[str, str] | None = None) -> None:
    """Run a step of the build in a mount namespace of its own, so that a failure leaves nothing mounted."""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "--", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **(env or {})},
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise LabError(f"{what} failed with status {done.returncode}: {' '.join(argv)}\n{tail}")


def host_mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
    )
    mirrors = [uri.rstrip("/") for uri in done.stdout.split() if uri.rstrip("/").endswith("/debian")]
    return mirrors[0] if mirrors else DEFAULT_MIRROR


def host_proxies() -> dict[str, str]:
    """The proxies of this machine's apt and environment, as debootstrap's downloader wants them."""
    found = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    done = subprocess.run(
        ["apt-config", "--format", "%f=%v%n", "dump", "Acquire::http::Proxy", "Acquire::https::Proxy"],
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        scheme = key.split("::")[1] if key.count("::") == 2 else ""
        if scheme in ("http", "https") and value and value != "DIRECT":
            found.setdefault(f"{scheme}_proxy", value)
    return found


def root_of(suite: str) -> Path:
    """The directory with the Debian root, built where it is missing."""
    root = CACHE / f"root-{root_key(suite)}"
    if root.exists():
        return root
    partial = Path(tempfile.mkdtemp(prefix="partial-root-", dir=CACHE))
    partial.chmod(0o755)
    mirror = host_mirror()
    script = Path("/usr/share/debootstrap/scripts", suite)  # a suite that is younger than debootstrap has none
    print(f"lab: building the base from {mirror} (once on this machine, about a minute)", file=sys.stderr)
    try:
        run_step(
            ["debootstrap", "--variant=minbase", "--merged-usr", f"--include={','.join(PACKAGES)}",
             suite, str(partial), mirror, str(script if script.exists() else script.with_name("sid"))],
            "debootstrap",
            host_proxies(),
        )  # fmt: skip
    except LabError as error:
        log = partial / "debootstrap/debootstrap.log"
        tail = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        shutil.rmtree(partial, ignore_errors=True)
        raise LabError(
            "\n".join([str(error), *tail]),
            hint=f"is {mirror} reachable (apt-get update), and is debian-archive-keyring recent enough for {suite}?",
        ) from error
    _install_from_pypi(partial)
    (partial / "usr/lib/rpm/macros.d/macros.lab").write_text(RPM_MACROS)
    run_step(["chroot", str(partial), "rpm", "--initdb"], "making the RPM database")
    remove_unneeded(partial)
    partial.rename(root)
    return root


def remove_unneeded(root: Path) -> None:
    """Leave out what no lab needs."""
    for name in UNNEEDED:
        unneeded = root / name
        if unneeded.is_dir() and not unneeded.is_symlink():
            shutil.rmtree(unneeded)
            unneeded.mkdir()
        else:
            unneeded.unlink(missing_ok=True)


def _install_from_pypi(root: Path) -> None:
    """Packages that Debian does not have, where `python3 -I` finds them."""
    target = root / "usr/lib/python3/dist-packages"
    pip = _python_with_pip()
    if pip is None:
        raise LabError("building the base of the labs needs pip", hint="apt-get install python3-venv, or python3-pip")
    done = subprocess.run(
        [pip, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--no-deps", "--no-compile",
         "--only-binary=:all:", "--upgrade", "--target", str(target), *PYPI_PACKAGES],
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"pip could not install {', '.join(PYPI_PACKAGES)} into the base:\n{done.stderr.strip()}")
    run_step(
        ["chroot", str(root), "python3", "-m", "compileall", "-q", "/usr/lib/python3/dist-packages"],
        "compiling Python packages",
    )


def _python_with_pip() -> str | None:
    project = Path(__file__).resolve().parents[2]
    for python in (sys.executable, str(project / ".venv/bin/python"), "/usr/bin/python3"):
        if os.access(python, os.X_OK):
            probe = subprocess.run([python, "-m", "pip", "--version"], capture_output=True)
            if probe.returncode == 0:
                return python
    return None


def build_disk(root: Path, flavour: str, target: Path) -> None:
    """Make a btrfs with the subvolumes of a flavour and the root in it."""
    partial = CACHE / f"partial-{target.name}"
    with open(partial, "xb") as file:
        file.truncate(DISK_SIZE)
    run_step(["mkfs.btrfs", "--quiet", "--label", "tukit-lab", "--metadata", "single", str(partial)], "mkfs.btrfs")
    fd = os.open(partial, os.O_RDWR | os.O_CLOEXEC)
    try:
        device, loop_fd = disk.attach_loop(fd, f"tukit-lab-base-{flavour}")
        try:
            layout = [sys.executable, "-I", str(_LAYOUT_SCRIPT), device, str(root), flavour, str(mount_point())]
            run_step(layout, "laying out the disk")
        finally:
            os.close(loop_fd)
        os.fsync(fd)
    finally:
        os.close(fd)
    partial.rename(target)
