# SPDX-License-Identifier: LGPL-2.1-or-later
"""SELinux: may snapper's plugin, in the domain in which snapperd runs it, note events below /run?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.doctor.check import CheckResult, good, installs, problem
from tukit_sysext.doctor.hooks import SNAPPER_PLUGIN
from tukit_sysext.layout import Layout
from tukit_sysext.machine import Machine
from tukit_sysext.system.selinux import KernelPolicy, label_of

_PACKAGE = "tukit-sysext-selinux"
_PLUGIN_TYPE = "snapper_tukit_sysext_plugin_exec_t"
_SELINUXFS = "sys/fs/selinux"
_SYSTEMD = "proc/1/attr/current"
_SNAPPERD = "usr/sbin/snapperd"


@dataclass(frozen=True, kw_only=True, slots=True)
class Denied:
    """The plugin may not note events: its domain, and their folder with its type.

    ``own``: the domain is another one than snapperd's. ``module``: the policy has the type that gives it one.
    """

    domain: str
    path: Path
    folder: str
    own: bool
    module: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfinementCheck:
    """What is denied (None: nothing), and the commands that fix it."""

    denied: Denied | None
    install: str
    label_plugin: str
    label_folder: str

    @classmethod
    def look(cls, machine: Machine) -> ConfinementCheck:
        """Ask the kernel what the plugin may do. Raises OSError."""
        layout = machine.layout
        transactional = (layout.root / "usr/sbin/transactional-update").exists()
        labels = f"restorecon -F {layout.snapper_plugins / SNAPPER_PLUGIN}"
        return cls(
            denied=_denied(layout),
            install=installs(machine, _PACKAGE),
            label_plugin=f"transactional-update run {labels}" if transactional else labels,
            label_folder=f"restorecon -RF {layout.runtime}",
        )

    def judge(self) -> Iterator[CheckResult]:
        check, denied = "selinux", self.denied
        if denied is None:
            yield good(check, "SELinux does not keep snapper's plugin from noting events")
            return
        text = f"SELinux keeps snapper's plugin ({denied.domain}) from writing to {denied.path} ({denied.folder})"
        text = f"{text}: a changed default and a rollback are not seen before the next boot"
        if not denied.module:
            yield problem(check, text, self.install)
        else:
            yield problem(check, text, self.label_folder if denied.own else self.label_plugin)


def _denied(layout: Layout) -> Denied | None:
    policy = KernelPolicy(layout.root / _SELINUXFS)
    if not policy.enforces:
        return None
    systemd = (layout.root / _SYSTEMD).read_text().rstrip("\0\n")
    try:
        program = label_of(layout.root / _SNAPPERD)
        plugin = label_of(layout.snapper_plugins / SNAPPER_PLUGIN)
        folder = label_of(layout.events)
    except FileNotFoundError:
        return None  # other checks tell what is missing
    snapperd = policy.runs_as(systemd, program)
    domain = policy.runs_as(snapperd, plugin)
    if policy.allows(domain, folder, "dir", "search", "write", "add_name", "remove_name") and policy.allows(
        domain, folder, "file", "create", "open", "write", "rename"
    ):
        return None
    user, role, _, rest = plugin.split(":", 3)
    return Denied(
        domain=_type(domain),
        path=layout.events,
        folder=_type(folder),
        own=domain != snapperd,
        module=policy.knows(f"{user}:{role}:{_PLUGIN_TYPE}:{rest}"),
    )


def _type(label: str) -> str:
    return label.split(":")[2]
