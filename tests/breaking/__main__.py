# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.breaking [ROW...]``: see tests/defences. Ends with 1 where a defence could be broken unnoticed."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.breaking.defence import Defence
from tests.breaking.table import DEFENCES

_TOP = Path(__file__).parents[2]
_PATIENCE = 300
_FAILED = 1
"""pytest's status where tests ran and some failed; a broken file that cannot be imported is another one."""


def main() -> int:
    """Break what is named, or all, and print what came of it."""
    parser = argparse.ArgumentParser(prog="tests/defences", description="Breaks one defence after the other.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows of the table (all)")
    parser.add_argument("--list", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    chosen = [item for item in DEFENCES if not arguments.rows or item.row in arguments.rows]
    if arguments.list:
        for item in chosen:
            print(f"{item.row:4} {item.what}: {', '.join(item.tests)}")
        return 0
    with tempfile.TemporaryDirectory(prefix="tukit-sysext-defences-") as folder:
        copy = Path(folder) / "project"
        _copy(copy)
        _check_table(copy, chosen)
        _check_unbroken(copy, chosen)
        survived = [item for item in chosen if not _noticed(copy, item)]
    print(f"{len(chosen)} defences broken, {len(survived)} unnoticed", flush=True)
    return 1 if survived or not chosen else 0


def _copy(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", _TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        stdout=subprocess.PIPE,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (_TOP / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_TOP / name, folder / name)


def _check_table(folder: Path, chosen: Sequence[Defence]) -> None:
    """What is to be broken stands in the code just once: else the table has to follow it."""
    found = [
        (item, file, old, (folder / file).read_text().count(old)) for item in chosen for file, old, _ in item.edits
    ]
    wrong = [
        f"{item.row} {item.what}: {file} has {count} times: {old}" for item, file, old, count in found if count != 1
    ]
    if wrong:
        raise SystemExit("\n".join(("tests/defences: expected once in its file, and found otherwise:", *wrong)))


def _check_unbroken(folder: Path, chosen: Sequence[Defence]) -> None:
    """All tests pass as long as nothing is broken: else a failure would show nothing."""
    done = _run(folder, sorted({test for item in chosen for test in item.tests}))
    if done.returncode != 0:
        print(done.stdout)
        raise SystemExit("tests/defences: the tests fail although nothing is broken")


def _noticed(folder: Path, item: Defence) -> bool:
    before = {file: (folder / file).read_text() for file, _, _ in item.edits}
    try:
        for file, old, new in item.edits:
            (folder / file).write_text((folder / file).read_text().replace(old, new))
        done = _run(folder, item.tests)
    finally:
        for file, text in before.items():
            (folder / file).write_text(text)
    noticed = done.returncode == _FAILED
    print(f"{item.row:4} {'noticed  ' if noticed else 'UNNOTICED'}  {item.what}", flush=True)
    if not noticed:
        print(done.stdout[-2000:], flush=True)
    return noticed


def _run(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # -B: the same second has two versions of a file, which compiled ones are not told apart by
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-m", "", "--timeout=120"]
    return subprocess.run(
        [*command, *tests],
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE,
    )


if __name__ == "__main__":
    sys.exit(main())
