# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example of a playbook, on a booted machine: what it brings, what --check tells, and nothing is changed twice."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.ansible import ansible
from tests.booted.conftest import Boot
from tests.booted.fleet import EXAMPLES, IMAGES, Publisher, server
from tests.booted.machine import Machine
from tests.on_lab.site import Site

pytestmark = pytest.mark.long

PLAYBOOK = "/root/fleet/playbook.yml"
MODULES = "/root/ansible"
BRING = "Bring what is wanted"


class Playbook:
    """The playbook, run in the machine that it is for."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        version = machine.run(["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).stdout.strip()
        shutil.copytree(ansible(version), machine.path(MODULES))
        shutil.copy(EXAMPLES / "playbook.yml", machine.path(PLAYBOOK))

    def changed(self, *options: str) -> list[str]:
        """Run it; the tasks that changed something, or would."""
        variables = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        words = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        argv = ["python3", "-m", "ansible", "playbook", "-i", "localhost,", *words, *options, PLAYBOOK]
        done = self._machine.run(argv, check=False, env={"PYTHONPATH": MODULES}, timeout=600)
        assert done.returncode == 0 and "PLAY RECAP" in done.stdout, done.stdout + done.stderr
        tasks = re.findall(r"^TASK \[(.+?)\] \*+\n((?:.*\n)*?)(?=\n)", done.stdout, re.M)
        assert len(tasks) > 5, done.stdout
        return [name for name, said in tasks if re.search(r"^changed:", said, re.M)]


def test_the_playbook(boot: Boot, tmp_path: Path) -> None:
    machine = boot()
    site = Site(lab=machine)
    publisher = Publisher(tmp_path / "www", site, "/root/fleet/main.asc")
    playbook = Playbook(machine)
    with server(machine, tmp_path / "www"):
        files = ["Folders", "Keys of the publishers", "Sources", "Settings", "Wanted images"]
        assert playbook.changed("--check") == files
        assert configured(machine) == {"lab.conf"}
        assert playbook.changed() == [*files, BRING]
        assert site.links() == {f"{name}.raw": f"{name}-1.0.x86-64.raw" for name in IMAGES}
        assert site.json("config")["problems"] == []
        assert machine.failed_units() == []
        assert playbook.changed() == []

        removed = ("-e", '{"tukit_sysext_images": {"gdb": {"Policy": "required"}}, "tukit_sysext_removed": ["strace"]}')
        assert playbook.changed(*removed) == ["Images that are not wanted any more", BRING]
        assert site.links() == {"gdb.raw": "gdb-1.0.x86-64.raw"}
        assert playbook.changed(*removed) == []

        publisher.publish("1.1", "gdb")
        assert playbook.changed(*removed, "--check") == [BRING]
        assert site.links() == {"gdb.raw": "gdb-1.0.x86-64.raw"}
        assert playbook.changed(*removed) == [BRING]
        assert site.links() == {"gdb.raw": "gdb-1.1.x86-64.raw"}


def configured(machine: Machine) -> set[str]:
    """Files of ours in /etc."""
    return {path.name for path in machine.path("/etc/tukit-sysext").rglob("*") if path.is_file()}
