# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the SELinux policy that the kernel has loaded says, asked through selinuxfs as libselinux does.

The kernel is who decides: neither an installed module nor a label tells alone what is allowed.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from tukit_sysext.system.tree import Tree

_CONFIG = "etc/selinux/config"
_LIMIT = 64 * 1024
_LABEL = "security.selinux"
_PERMISSIVE = 1
"""Flag of a domain in which nothing is denied."""
_ANSWER = 4096
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def label_of(path: Path) -> str:
    """The label of a file. Raises OSError."""
    return os.getxattr(path, _LABEL).rstrip(b"\0").decode()


def configured_policy(tree: Tree) -> str:
    """The name of the policy that a tree loads when it boots; empty where it loads none. Raises UnknownState."""
    lines = (tree.read(_CONFIG, limit=_LIMIT) or b"").decode(errors="replace").splitlines()
    keys = {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}
    name = keys.get("SELINUXTYPE", "")
    loads = keys.get("SELINUX", "").lower() in ("enforcing", "permissive") and _NAME.fullmatch(name)
    return name if loads and tree.has(f"etc/selinux/{name}/policy") else ""


class KernelPolicy:
    """The policy behind a selinuxfs. Everything but ``enforces`` raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def enforces(self) -> bool:
        """Whether what the policy does not allow is denied; not where SELinux is off, or only tells."""
        try:
            return (self._folder / "enforce").read_text().strip() == "1"
        except OSError:
            return False

    def knows(self, label: str) -> bool:
        """Whether a label is one of this policy."""
        try:
            self._ask("context", label)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return True

    def runs_as(self, domain: str, program: str) -> str:
        """The domain in which a process of ``domain`` runs a program with the label ``program``."""
        return self._ask("create", f"{domain} {program} {self._number('process/index')}")

    def allows(self, domain: str, label: str, kind: str, *permissions: str) -> bool:
        """Whether a process of ``domain`` has all permissions for an object of class ``kind`` with this label."""
        answer = self._ask("access", f"{domain} {label} {self._number(f'{kind}/index')}").split()
        allowed, flags = int(answer[0], 16), int(answer[5], 16)
        wanted = sum(1 << (self._number(f"{kind}/perms/{name}") - 1) for name in permissions)
        return bool(flags & _PERMISSIVE) or allowed & wanted == wanted

    def _number(self, name: str) -> int:
        return int((self._folder / "class" / name).read_text())

    def _ask(self, name: str, query: str) -> str:
        """Write a query, and read what the kernel answers."""
        asked = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(asked, query.encode() + b"\0")
            return os.read(asked, _ANSWER).rstrip(b"\0").decode()
        finally:
            os.close(asked)
