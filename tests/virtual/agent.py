# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside the machine: takes commands from a serial port and answers, one JSON document a line.

Standard library alone, as it runs with the machine's Python.
"""

import json
import subprocess
import sys
from io import RawIOBase
from typing import Any


def main(port: str) -> None:
    with open(port, "r+b", buffering=0) as line:
        send(line, {"ready": True})
        received = b""
        while True:
            received += line.read(65536) or b""
            while b"\n" in received:
                request, _, received = received.partition(b"\n")
                send(line, answer(json.loads(request)))


def send(line: RawIOBase, document: dict[str, object]) -> None:
    """All of it: a port takes a part of what is long."""
    left = memoryview(json.dumps(document).encode() + b"\n")
    while left:
        left = left[line.write(left) or 0 :]


def answer(request: Any) -> dict[str, object]:
    try:
        done = subprocess.run(
            request["argv"],
            input=request["input"],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=request["timeout"],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"status": None, "stdout": "", "stderr": str(error)}
    return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


if __name__ == "__main__":
    main(sys.argv[1])
