# SPDX-License-Identifier: LGPL-2.1-or-later
"""The line that lets an update pass names every link that does not fit, leads nowhere or is damaged (threat P2)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine import OS_RELEASE
from tests.rpm import TOP
from tests.trees import Content, Link, make_tree
from tukit_sysext import layout
from tukit_sysext.last_check import RECORDS, STORE, in_words, run, wrong_links
from tukit_sysext.rules.architectures import architecture

FITS = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}
OLD = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.41"}


def record(release: dict[str, str], size: int = 7) -> str:
    return json.dumps({"size": size, "extension_release": release})


def place(content: Content, known: str | None, target: str = "{}") -> dict[str, Content]:
    """A link with the image that it leads to, and its record."""
    files: dict[str, Content] = {"tree/etc/extensions/gdb.raw": Link(target.format(f"{STORE}/gdb-1.raw"))}
    if content is not None:
        files[f"{STORE}/gdb-1.raw".lstrip("/")] = content
    if known is not None:
        files[f"{RECORDS}/gdb-1.raw.json".lstrip("/")] = known
    return files


WHOLE = b"content"
CASES: dict[str, tuple[dict[str, Content], str]] = {
    "fits": (place(WHOLE, record(FITS)), ""),
    "any system": (place(WHOLE, record({"ID": "_any"})), ""),
    "another level": (
        place(WHOLE, record(OLD)),
        "gdb.raw does not fit (gdb-1.raw: SYSEXT_LEVEL is glibc-2.41, the system has glibc-2.42)",
    ),
    "relative": (place(WHOLE, record(OLD), "../..{}"), "gdb.raw does not fit"),
    "gone": (place(None, record(FITS)), "gdb.raw leads nowhere (gdb-1.raw: No such file or directory)"),
    "cut off": (place(b"cont", record(FITS)), "gdb.raw is damaged (gdb-1.raw: expected 7 bytes, found 4)"),
    "no file": (place(Link("/dev/null"), record(FITS)), "gdb.raw is damaged"),
    "no record": (place(WHOLE, None), ""),
    "a record that is none": (place(WHOLE, "{"), ""),
    "a record of no size": (place(WHOLE, '{"size": 1e999, "extension_release": {}}'), ""),
    "a record of something else": (place(WHOLE, '{"size": [], "extension_release": 3}'), ""),
    "elsewhere": (place(WHOLE, record(OLD), "/opt/gdb.raw"), ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    files, expected = CASES[case]
    make_tree(tmp_path, {"tree/usr/lib/os-release": OS_RELEASE, "tree/etc/os-release": Link("/usr/lib/os-release")})
    make_tree(tmp_path, files)
    (tmp_path / "tree/etc").mkdir(exist_ok=True)
    problems = list(wrong_links(tmp_path / "tree", root=tmp_path))
    assert len(problems) == (1 if expected else 0), problems
    assert "".join(problems).startswith(expected)


def test_every_link_is_named_in_one_line(tmp_path: Path) -> None:
    make_tree(tmp_path, {"tree/etc/os-release": OS_RELEASE, **place(WHOLE, record(OLD))})
    make_tree(tmp_path, {"tree/etc/extensions/a.raw": Link(f"{STORE}/a-1.raw"), "tree/etc/extensions/b.raw": b""})
    assert in_words(tmp_path / "tree", root=tmp_path).startswith("; a.raw leads nowhere")
    assert "; gdb.raw does not fit" in in_words(tmp_path / "tree", root=tmp_path)
    assert in_words(tmp_path / "nowhere") == ""
    make_tree(tmp_path, {"other/etc/extensions": b""})
    assert in_words(tmp_path / "other") == ""


@pytest.mark.parametrize("name", ["tree/etc/os-release", f"{RECORDS}/gdb-1.raw.json".lstrip("/")])
def test_nothing_is_waited_for(tmp_path: Path, name: str) -> None:
    """A FIFO in the place of a file."""
    make_tree(tmp_path, {"tree/etc/os-release": OS_RELEASE, **place(WHOLE, record(OLD))})
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert len(list(wrong_links(tmp_path / "tree", root=tmp_path))) == (1 if "os-release" in name else 0)


def test_the_version_of_systemd_counts(tmp_path: Path) -> None:
    """An ID that is only like the system's fits from 258 on."""
    make_tree(
        tmp_path,
        {
            "tree/etc/os-release": "ID=leap\nID_LIKE=opensuse-microos\nSYSEXT_LEVEL=glibc-2.42\n",
            **place(WHOLE, record(FITS)),
        },
    )
    assert "ID_LIKE" in in_words(tmp_path / "tree", root=tmp_path)
    make_tree(tmp_path, {"tree/usr/lib/systemd/libsystemd-shared-258.1.so": b""})
    assert in_words(tmp_path / "tree", root=tmp_path) == ""
    assert architecture(os.uname().machine)


def test_the_line_says_what_was_not_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path, {"etc/extensions/a.raw": Link(f"{STORE}/nowhere-1\x1b.raw")})
    run(["70", str(tmp_path), "7"])
    assert capfd.readouterr().err == (
        "tukit-sysext FAILED (status 70): extension images of snapshot 7 were NOT checked, the transaction goes on; "
        "a.raw leads nowhere (nowhere-1\\x1b.raw: No such file or directory)\n"
    )


def test_it_knows_the_same_places() -> None:
    assert (STORE, Path(RECORDS)) == (layout.STORE, layout.Layout().records)


def test_it_needs_nothing_but_the_standard_library_and_the_rules(tmp_path: Path) -> None:
    """With every third-party package away, and every other module of ours broken."""
    make_tree(tmp_path, {"tree/etc/extensions/a.raw": Link(f"{STORE}/nowhere-1.raw")})
    package = tmp_path / "package/tukit_sysext"
    shutil.copytree(TOP / "tukit_sysext", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in package.rglob("*.py"):
        kept = path.parent.name == "rules" or path.relative_to(package) in (Path("__init__.py"), Path("last_check.py"))
        if not kept or path.name in ("names.py", "link_names.py", "constraint.py", "version.py"):
            path.write_text("raise RuntimeError('injected')\n")
    script = "import sys; sys.path.insert(0, sys.argv[1]); from tukit_sysext.last_check import run; run(sys.argv[2:])"
    done = subprocess.run(
        [sys.executable, "-ISB", "-c", script, package.parent, "70", tmp_path / "tree", "7"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a.raw leads nowhere" in done.stderr and len(done.stderr.splitlines()) == 1
