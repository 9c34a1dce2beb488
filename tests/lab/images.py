# SPDX-License-Identifier: LGPL-2.1-or-later
"""Extension images, repositories of them, and release RPMs, as real as the tools make them.

Needs mksquashfs (squashfs-tools), mkfs.erofs (erofs-utils), sfdisk (fdisk) and rpmbuild (rpm) on the host.
The same arguments give the same bytes, but for the RPM, whose payload alone is the same.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

ImageKind = Literal["squashfs", "erofs", "gpt"]
ManifestKind = Literal["mkosi", "mkosi.gz", "sysextmgr"]

SHA256_OF_NOTHING = hashlib.sha256(b"").hexdigest()
MARKS = "share/tukit-sysext-test"
"""Below usr/: without `files`, an image holds one file here, named as the image, with the version in it."""

_NAMESPACE = uuid.UUID("6f1f2c1e-5d1c-4c6b-8f1b-2f0e8d3c7a55")
_MIB = 1024 * 1024
_ROOT_PARTITION_TYPES = {
    "x86-64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "arm64": "b921b045-1df0-41c3-af44-4c6f280d3fae",
    "riscv64": "72ec70a6-cf74-40e6-bd49-4bda08e8f224",
    "s390x": "5eead9a9-fe09-4a1e-a1d7-520d00531306",
    "ppc64-le": "c31c45e6-3f39-412e-80fb-4809c4980599",
}


class ToolFailed(Exception):
    """A tool that makes images is missing or has failed; the message has its words."""


class ToolMissing(ToolFailed):
    """It is not installed."""


def release_text(keys: Mapping[str, str]) -> str:
    """Keys and values as an os-release(5) or extension-release file."""
    lines = []
    for key, value in keys.items():
        escaped = "".join("\\" + character if character in '"\\`$' else character for character in value)
        lines.append(f'{key}="{escaped}"\n')
    return "".join(lines)


def make_image(
    directory: Path,
    name: str,
    version: str,
    *,
    release: Mapping[str, str],
    architecture: str = "x86-64",
    kind: ImageKind = "squashfs",
    inside: Literal["squashfs", "erofs"] = "squashfs",
    files: Mapping[str, str | bytes] | None = None,
    release_name: str | None = None,
    strict: bool | None = None,
    manifest: ManifestKind | None = "mkosi.gz",
    packages: Sequence[Mapping[str, str]] = (),
    size_mib: int = 0,
    file_name: str | None = None,
) -> Path:
    """Make `NAME-VERSION.ARCHITECTURE.raw` (or `file_name`) and its manifest in `directory`; gives its path.

    `release` are the keys of its extension-release; ARCHITECTURE is added unless it is there (an empty value
    keeps it out). `release_name` is the suffix of that file (default: `name`), `strict` its xattr
    user.extension-release.strict (None: no xattr). `files` are contents by path below usr/. `packages` are in mkosi's
    manifest. `size_mib` adds so much that cannot be compressed. `inside` is the file system of the partition of a "gpt"
    image.
    """
    directory.mkdir(parents=True, exist_ok=True)
    image = directory / (file_name or f"{name}-{version}.{architecture}.raw")
    keys = dict(release)
    if not keys.setdefault("ARCHITECTURE", architecture):
        del keys["ARCHITECTURE"]
    contents: dict[str, str | bytes] = {f"{MARKS}/{name}": version} if files is None else dict(files)
    if size_mib:
        noise = random.Random(f"{name} {version}")
        contents[f"{MARKS}/{name}.padding"] = b"".join(noise.randbytes(_MIB) for _ in range(size_mib))
    identity = uuid.uuid5(_NAMESPACE, f"{name} {version} {architecture} {sorted(keys.items())}")

    with tempfile.TemporaryDirectory(prefix="make-image-") as scratch:
        tree = Path(scratch, "tree")
        _write_tree(tree, contents)
        _write_release(tree, release_name or name, keys, strict)
        made = Path(scratch, "image")
        _make_file_system(tree, made, inside if kind == "gpt" else kind, identity)
        if kind == "gpt":
            made = _wrap_in_gpt(made, Path(scratch, "disk"), architecture, identity)
        _publish(made, image)
    if manifest is not None:
        _write_manifest(image, manifest, name, version, architecture, keys, packages)
    return image


def write_checksums(
    directory: Path,
    *,
    style: Literal["text", "binary"] = "text",
    best_before: date | None = None,
    names: Iterable[str] | None = None,
) -> Path:
    """Write SHA256SUMS over `names`, by default over all of `directory` but the list and its signatures.

    `style` is sha256sum(1)'s: `HASH  NAME` or `HASH *NAME`. `best_before` adds the line that says when it
    goes stale.
    """
    if names is None:
        names = (path.name for path in directory.iterdir() if path.is_file())
        names = [name for name in names if not name.startswith(("SHA256SUMS", "."))]
    mark = " " if style == "text" else "*"
    lines = []
    for name in sorted(names):
        with open(directory / name, "rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()} {mark}{name}\n")
    if best_before is not None:
        lines.append(f"{SHA256_OF_NOTHING} {mark}BEST-BEFORE-{best_before.isoformat()}\n")
    path = directory / "SHA256SUMS"
    path.write_text("".join(lines), encoding="ascii")
    return path


def make_release_rpm(
    directory: Path,
    *,
    version_id: str,
    sysext_level: str | None,
    os_id: str = "opensuse-microos",
    id_like: str = "suse opensuse",
    package: str = "openSUSE-release",
    release: str = "1",
    keys: Mapping[str, str] | None = None,
) -> Path:
    """Make PACKAGE-VERSION_ID-RELEASE.noarch.rpm, whose payload is /usr/lib/os-release; gives the RPM's path.

    `sysext_level` None leaves SYSEXT_LEVEL out; `keys` are added to os-release, or override what is there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    content = {"NAME": "openSUSE", "ID": os_id, "ID_LIKE": id_like, "VERSION_ID": version_id}
    if sysext_level is not None:
        content["SYSEXT_LEVEL"] = sysext_level
    content.update(keys or {})
    with tempfile.TemporaryDirectory(prefix="make-rpm-") as scratch:
        top = Path(scratch)
        (top / "os-release").write_text(release_text(content), encoding="utf-8")
        spec = top / "release.spec"
        spec.write_text(_RELEASE_SPEC.format(package=package, version=version_id, release=release))
        defines = {
            "_topdir": str(top),
            "_sourcedir": str(top),
            "_rpmdir": str(top / "out"),
            "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            "_buildhost": "localhost",
            "_binary_payload": "w1.gzdio",  # every rpm reads it
            "__os_install_post": "%{nil}",
            "debug_package": "%{nil}",
        }
        options = [word for key, value in defines.items() for word in ("--define", f"{key} {value}")]
        _run(["rpmbuild", "-bb", "--quiet", "--target", "noarch", *options, str(spec)])
        (built,) = (top / "out").glob("*.rpm")
        return _publish(built, directory / built.name)


_RELEASE_SPEC = """\
Name: {package}
Version: {version}
Release: {release}
Summary: Release of the test machine's system
License: MIT
Source0: os-release
BuildArch: noarch

%description
Carries os-release, as the release package of a distribution does.

%install
install -D -m 0644 %{{SOURCE0}} %{{buildroot}}/usr/lib/os-release

%files
/usr/lib/os-release
"""


def _write_tree(tree: Path, contents: Mapping[str, str | bytes]) -> None:
    tree.mkdir()
    for below_usr, content in contents.items():
        path = tree / "usr" / below_usr
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755 if below_usr.startswith(("bin/", "sbin/")) else 0o644)


def _write_release(tree: Path, suffix: str, keys: Mapping[str, str], strict: bool | None) -> None:
    path = tree / "usr/lib/extension-release.d" / f"extension-release.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(release_text(keys), encoding="utf-8", errors="surrogateescape")
    path.chmod(0o644)
    if strict is not None:
        os.setxattr(path, "user.extension-release.strict", b"true" if strict else b"false")


def _make_file_system(tree: Path, image: Path, kind: Literal["squashfs", "erofs"], identity: uuid.UUID) -> None:
    if kind == "squashfs":
        # Times, owners and the number of threads are what differs from run to run.
        fixed = ["-all-root", "-all-time", "0", "-mkfs-time", "0", "-processors", "1"]
        _run(["mksquashfs", str(tree), str(image), *fixed, "-noD", "-noappend", "-no-progress", "-quiet"])
    else:
        fixed = ["--all-root", "-T0", "-U", str(identity)]
        _run(["mkfs.erofs", "--quiet", *fixed, str(image), str(tree)])


def _wrap_in_gpt(file_system: Path, disk: Path, architecture: str, identity: uuid.UUID) -> Path:
    """A disk with the file system in its one partition, a MiB from the beginning and a MiB from the end."""
    size = -(-file_system.stat().st_size // _MIB)
    with open(file_system, "rb") as source, open(disk, "wb") as target:
        target.seek(_MIB)
        shutil.copyfileobj(source, target)
        target.truncate((size + 2) * _MIB)
    partition = uuid.uuid5(identity, "partition")
    script = (
        f"label: gpt\nlabel-id: {identity}\n"
        f"start=1MiB, size={size}MiB, type={_ROOT_PARTITION_TYPES[architecture]}, uuid={partition}\n"
    )
    _run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk)], script)
    return disk


def _write_manifest(
    image: Path,
    kind: ManifestKind,
    name: str,
    version: str,
    architecture: str,
    keys: Mapping[str, str],
    packages: Sequence[Mapping[str, str]],
) -> None:
    if kind == "sysextmgr":
        description = {"image_name": image.name, "sysext": dict(keys)}
        Path(f"{image}.json").write_text(json.dumps(description, indent=2), encoding="utf-8")
        return
    config = {"name": name, "distribution": "opensuse", "architecture": architecture, "version": version}
    content = {"manifest_version": 1, "config": config, "packages": [*packages], "extension": dict(keys)}
    data = json.dumps(content, indent=2).encode()
    stem = image.name.removesuffix(".raw")
    if kind == "mkosi":
        image.with_name(f"{stem}.manifest").write_bytes(data)
    else:
        image.with_name(f"{stem}.manifest.gz").write_bytes(gzip.compress(data, mtime=0))


def _publish(made: Path, final: Path) -> Path:
    """Into place in one step: a server or a test may be looking."""
    temporary = final.with_name(f".{final.name}.new")
    shutil.copyfile(made, temporary)
    return temporary.replace(final)


def _run(argv: list[str], text: str = "") -> None:
    search = "/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": search, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, env=environment, timeout=120, check=False
        )
    except FileNotFoundError as error:
        raise ToolMissing(f"{argv[0]}: not installed (PATH {search})") from error
    if done.returncode != 0:
        raise ToolFailed(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
