# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the examples for a fleet write is taken; tests/booted runs those that are programs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from spec.man import pages
from tests.lab.signing import SigningKey
from tests.rpm import TOP
from tests.trees import Content, make_tree
from tukit_sysext.config import settings, wanted
from tukit_sysext.config.key_table import KEYS
from tukit_sysext.system.tree import Tree

FLEET = TOP / "spec/examples/fleet"
_FILE = re.compile(r"- path: (/\S+)\n +mode: 0644\n +contents:\n +(?:inline: \|\n((?: {10}.+\n)+)|local: (\S+)\n)")


def files_of_butane() -> Mapping[str, str | None]:
    """The files that the example for Ignition writes, with their content; None where that is a file beside it."""
    found = _FILE.findall((FLEET / "butane.yml").read_text())
    return {path: textwrap.dedent(inline) if not local else None for path, inline, local in found}


def test_what_ignition_writes_is_taken(tmp_path: Path) -> None:
    files = files_of_butane()
    assert len(files) == (FLEET / "butane.yml").read_text().count("- path: ")
    key = SigningKey.shared().public(armoured=True)
    content: dict[str, Content] = {path.lstrip("/"): text or key for path, text in files.items()}
    with Tree(make_tree(tmp_path, content)) as tree:
        found, images = settings.load_configuration(tree), wanted.load_wanted(tree)
    assert [str(problem) for problem in (*found.problems, *images.problems)] == []
    assert (list(found.sources), list(images.images)) == (["main"], ["gdb"])


def test_the_playbook_sets_keys_that_exist() -> None:
    text = (FLEET / "playbook.yml").read_text()
    named = set(re.findall(r"\b([A-Z]\w+): [^{\s]", re.split(r"  (?:vars|tasks):\n", text)[1]))
    named |= set(re.findall(r"^ +([A-Z]\w+)=", text, re.M))
    assert {"URL", "Keyring", "Policy", "RefuseFor", "File", "State"} <= named
    assert named <= {key.name for key in KEYS}


@pytest.mark.parametrize("name", sorted(path.name for path in FLEET.iterdir()))
def test_an_example_is_in_the_manual(name: str) -> None:
    assert f"*{name}*" in pages.source("tukit-sysext-fleet.7").partition("\nFILES\n")[2]
