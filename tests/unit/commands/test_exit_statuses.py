# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exit statuses tell the truth: what was not done, or is not known, is no success."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.machine import PlainMachine

FILE = "gdb-2.0.x86-64.raw"


@pytest.fixture
def newer_gdb(linked_gdb: PlainMachine) -> PlainMachine:
    """Its system could have 2.0."""
    linked_gdb.want("gdb")
    linked_gdb.publish("gdb", "1.0")
    linked_gdb.publish("gdb", "2.0")
    return linked_gdb


def nothing(site: PlainMachine) -> None:
    site.unpublish("gdb", "2.0")


def no_source(site: PlainMachine) -> None:
    site.away()


def no_image(site: PlainMachine) -> None:
    (site.source / FILE).unlink()


def no_description(site: PlainMachine) -> None:
    (site.source / f"{FILE}.json").unlink()


def broken_description(site: PlainMachine) -> None:
    (site.source / f"{FILE}.json").write_text("changed")


def other_content(site: PlainMachine) -> None:
    (site.source / FILE).write_bytes(b"changed")


def store_in_the_way(site: PlainMachine) -> None:
    """Something stands where the image belongs."""
    (site.layout.store / FILE).mkdir()


FAULTS: list[Callable[[PlainMachine], None]] = [
    no_source, no_image, no_description, broken_description, other_content, store_in_the_way,
]  # fmt: skip


def test_update_without_anything_newer(newer_gdb: PlainMachine) -> None:
    nothing(newer_gdb)
    done = newer_gdb.command("update")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("policy", ["required", "optional"])
def test_update_that_cannot_have_what_is_newer(
    newer_gdb: PlainMachine, fault: Callable[[PlainMachine], None], policy: str
) -> None:
    (newer_gdb.root / "etc/tukit-sysext/images.d/gdb.conf").write_text(f"[Image]\nPolicy={policy}\n")
    fault(newer_gdb)
    done = newer_gdb.command("update")
    assert "gdb: 1.0 is linked already" in done.stdout
    assert (done.returncode, "gdb" in done.stderr or "main" in done.stderr) == (1, True), done


def test_check_without_anything_newer(newer_gdb: PlainMachine) -> None:
    nothing(newer_gdb)
    assert newer_gdb.command("check").returncode == 0


def test_check_of_something_newer(newer_gdb: PlainMachine) -> None:
    assert newer_gdb.command("check").returncode == 0


def test_check_that_cannot_tell(newer_gdb: PlainMachine) -> None:
    no_source(newer_gdb)
    done = newer_gdb.command("check")
    assert done.returncode == 1, done


@pytest.mark.parametrize("fault", [no_description, broken_description])
def test_check_leaves_it_to_the_content_where_a_description_says_nothing(
    newer_gdb: PlainMachine, fault: Callable[[PlainMachine], None]
) -> None:
    fault(newer_gdb)
    done = newer_gdb.command("check")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "its content decides" in done.stdout
