# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run as a program of its own: asks rpm's library what a copy of an RPM database has.

In a process of its own since that library ends with SIGSEGV on some damaged databases. Its argument is a folder with
the database and ``questions``, JSON: the requirements as lists of name, operator and [EPOCH:]VERSION[-RELEASE], and
names of packages. Answered in JSON on standard output: how many packages were seen, for each requirement the name and
version of what meets it (null: nothing), and each version of each named package. rpm tells what is wrong with a
database on standard error alone, and goes on as if it were empty.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any


class _Database:
    def __init__(self, folder: str) -> None:
        self._rpm: Any = import_module("rpm")
        self._rpm.addMacro("_dbpath", folder)
        self._transaction = self._rpm.TransactionSet()
        self._transaction.setVSFlags(-1)  # no signature of any package is checked: it takes longer than all else
        self._sense = {"<": self._rpm.RPMSENSE_LESS, "=": self._rpm.RPMSENSE_EQUAL, ">": self._rpm.RPMSENSE_GREATER}

    def is_empty(self) -> bool:
        return next(iter(self._transaction.dbMatch()), None) is None

    def what_meets(self, name: str, operator: str, evr: str) -> list[str] | None:
        wanted = self._rpm.ds((name, sum(self._sense[sign] for sign in operator), evr), "requires")
        for header in self._transaction.dbMatch("providename", name):
            for provided in self._rpm.ds(header, "providename"):
                if provided.N() == name and provided.Compare(wanted):
                    return _named(header)
        return None

    def owner(self, path: str) -> list[str] | None:
        return next((_named(header) for header in self._transaction.dbMatch("basenames", path)), None)

    def versions(self, name: str) -> Iterator[str]:
        for header in self._transaction.dbMatch("name", name):
            yield header["evr"]


def _named(header: Any) -> list[str]:
    return [header["name"], header["evr"]]


def _answer(folder: str) -> dict[str, object]:
    questions = json.loads(Path(folder, "questions").read_text())
    database = _Database(folder)
    met = [
        database.what_meets(name, operator, evr) or (database.owner(name) if name.startswith("/") else None)
        for name, operator, evr in questions["requirements"]
    ]
    installed = {name: list(database.versions(name)) for name in questions["names"]}
    return {"empty": database.is_empty(), "met": met, "installed": installed}


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1])))
