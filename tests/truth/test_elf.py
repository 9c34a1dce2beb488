# SPDX-License-Identifier: LGPL-2.1-or-later
"""formats.elf against elfdeps of rpm, on every ELF file of the lab's root."""

from __future__ import annotations

import inspect
import json

import pytest

from tests.truth.merge_truth import Machine
from tukit_sysext.formats import elf

pytestmark = pytest.mark.lab

FILES, NEEDS = 500, 300
"""How many files, and different needs, such a root has at the very least."""

_COMPARE = """
import json, os, shutil, subprocess, sys, tempfile
from types import ModuleType

elf = sys.modules["elf"] = ModuleType("elf")
exec(compile(SOURCE, "elf.py", "exec"), elf.__dict__)


def is_elf(path):
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == elf.MAGIC


def ours(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        answer = elf.read_elf(lambda many, at: os.pread(descriptor, many, at), size, os.path.basename(path))
    finally:
        os.close(descriptor)
    return [sorted(answer.needs), sorted(answer.provides)] if answer else [[], []]


def theirs(paths):
    answers = {path: [[], []] for path in paths}
    for index, option in enumerate(("--requires", "--provides")):
        told = subprocess.run(["/usr/lib/rpm/elfdeps", "--multifile", option], input="\\n".join(paths) + "\\n",
                              capture_output=True, text=True, check=True).stdout
        for line in told.splitlines():
            if line.startswith(";"):
                path = line[1:]
            else:
                answers[path][index].append(line)
    return {path: [sorted(set(each)) for each in both] for path, both in answers.items()}


files = [os.path.join(folder, name) for folder, _, names in os.walk("/usr") for name in names]
files = [path for path in files if is_elf(path)]
expected = theirs(files)
differ = {path: [ours(path), expected[path]] for path in files if ours(path) != expected[path]}
with tempfile.TemporaryDirectory(dir="/run") as folder:
    # elfdeps leaves out the needs of a program that nobody may execute; as a library it has them
    for path in [path for path in differ if not os.stat(path).st_mode & 0o111]:
        copy = shutil.copyfile(path, os.path.join(folder, os.path.basename(path)))
        os.chmod(copy, 0o755)
        if ours(copy) == theirs([copy])[copy]:
            del differ[path]
print(json.dumps({"files": len(files), "differ": differ,
                  "needs": len({need for both in expected.values() for need in both[0]})}))
"""


def test_needs_and_provides_are_those_of_rpms_own_generator(newer: Machine) -> None:
    script = f"SOURCE = {inspect.getsource(elf)!r}\n{_COMPARE}"

    answer = json.loads(newer.run(["/usr/bin/python3", "-I", "-"], script))

    assert answer["differ"] == {}
    assert answer["files"] >= FILES
    assert answer["needs"] >= NEEDS
