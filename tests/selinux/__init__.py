# SPDX-License-Identifier: LGPL-2.1-or-later
"""The SELinux module of the package, compiled with Debian's headers.

openSUSE's policy has a template for plugins of snapper and Debian's has none, and calls a few interfaces by another
name: snapper.te, .if and .fc in this folder stand in for these.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.rpm import TOP, Files, SourceFile

OURS = TOP / "spec" / "selinux"
STAND_INS = TOP / "tests" / "selinux"
MAKEFILE = Path("/usr/share/selinux/devel/Makefile")
"""What compiles a module."""

MISSING = (
    "" if MAKEFILE.exists() and not any(MAKEFILE.parent.rglob("snapper.if")) else "needs selinux-policy-dev of Debian"
)
"""Why nothing can be compiled here: no headers, or those of a policy that needs no stand-ins."""

SWITCHES = ("--with", "selinux")
"""Of the spec: builds the subpackage."""

RPM_MACROS = {
    "selinux_relabel_pre(s:)": "echo before",
    "selinux_modules_install(s:)": "echo install %1",
    "selinux_modules_uninstall(s:)": "echo uninstall %1",
    "selinux_relabel_post(s:)": "echo after",
}
"""Stand-ins for those of openSUSE's policy."""

_TO_CIL = "/usr/libexec/selinux/hll/pp"
_SUFFIXES = (".te", ".fc", ".if")


class DoesNotCompile(Exception):
    """The message is what the compiler says."""


def lay_out(folder: Path) -> Path:
    """The sources of the module and of its stand-ins side by side, as the makefile wants them."""
    folder.mkdir(parents=True)
    for source in (*OURS.iterdir(), *STAND_INS.iterdir()):
        if source.suffix in _SUFFIXES:
            shutil.copy(source, folder)
    return folder


def with_stand_ins(files: Files) -> Files:
    """The tree of the package, with the stand-ins beside its module."""
    sources = (source for source in STAND_INS.iterdir() if source.suffix in _SUFFIXES)
    return {**files, **{f"spec/selinux/{source.name}": SourceFile(content=source.read_bytes()) for source in sources}}


def compiled(folder: Path, name: str) -> Path:
    """The module NAME.pp, made from the sources in ``folder``. Raises DoesNotCompile."""
    command = ["make", f"--makefile={MAKEFILE}", f"{name}.pp"]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise DoesNotCompile(done.stdout)
    return folder / f"{name}.pp"


def as_cil(module: Path) -> str:
    """A compiled module as text, a statement a line."""
    return subprocess.run([_TO_CIL, str(module)], capture_output=True, text=True, timeout=60, check=True).stdout
