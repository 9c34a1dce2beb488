# SPDX-License-Identifier: LGPL-2.1-or-later
"""The way out of a refused update, which the refusal itself names (threat P2)."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import OLD, Site


@pytest.fixture
def refused(start_lab: StartLab, our_tree: Path) -> Site:
    """A machine whose update is refused."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    return site


def next_steps(site: Site) -> list[str]:
    """What the refusal says can be done, and what status says of it."""
    done = site.update()
    assert done.returncode == 75, done
    first, *rest = done.stderr.partition("next step:")[2].splitlines()
    lines = [first, *takewhile(lambda line: line.startswith("  "), rest)]
    status = site.command("status").stdout
    assert [line for line in lines if line.strip() not in status] == []
    return [line.strip() for line in lines]


def test_policy_optional(refused: Site) -> None:
    steps = next_steps(refused)
    program, *command = steps[steps.index("or do without:") + 1].split()
    assert program == "tukit-sysext"
    assert "debug: optional now (was required)" in refused.command(*command).stdout
    done = refused.update()
    assert (done.returncode, refused.links(refused.default())) == (0, {}), done


def test_without_the_hook(refused: Site) -> None:
    """For whatever else is wrong: nothing of ours is asked any more, until the link is gone."""
    (command,) = [line for line in next_steps(refused) if "/dev/null" in line]
    assert command == "ln -s /dev/null /etc/tukit/plugins/50-tukit-sysext"
    refused.lab.run(["sh", "-c", f"mkdir -p /etc/tukit/plugins && {command}"])
    before = refused.links()
    done = refused.update()
    assert (done.returncode, "tukit-sysext" in done.stderr) == (0, False), done
    assert refused.links(refused.default()) == before, "left as it was"
    refused.lab.path("/etc/tukit/plugins/50-tukit-sysext").unlink()
    assert refused.update().returncode == 75
