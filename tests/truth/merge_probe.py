# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs where the real systemd-sysext is (in the lab, or on the host), and reports what it merges.

Started by merge_truth.py as `unshare --mount python3 -I -c THIS`; not imported by anything. Standard input is a
JSON list of groups, standard output a JSON list of {"status": int, "merged": [names], "messages": text}. Every group
is merged by itself:

{"os_release": text, "kind": "sysext" | "confext", "scope": "system" | "initrd", "releases": {suffix: text}, "name":
text} is one directory with those extension-release files, in a small root of its own.

{"os_release": text, "images": {name: zlib in base64}} are images, linked under these names, on the machine's own
root: with --root, systemd does not follow links.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from typing import Any

MARKS = {"sysext": "usr/share/tukit-sysext-test", "confext": "etc/tukit-sysext-test"}
RELEASES = {"sysext": "usr/lib/extension-release.d", "confext": "etc/extension-release.d"}
FOLDERS = {"sysext": "run/extensions", "confext": "run/confexts"}


def write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def merge_directory(group: dict[str, Any], root: str) -> dict[str, Any]:
    kind, name = group["kind"], group["name"]
    write(f"{root}/usr/lib/os-release", group["os_release"])
    os.makedirs(f"{root}/etc")
    os.symlink("../usr/lib/os-release", f"{root}/etc/os-release")
    extension = f"{root}/{FOLDERS[kind]}/{name}"
    write(f"{extension}/{MARKS[kind]}/{name}", name)
    for suffix, text in group["releases"].items():
        write(f"{extension}/{RELEASES[kind]}/extension-release.{suffix}", text)
    return merge(kind, f"{root}/{MARKS[kind]}", [f"--root={root}"], group["scope"])


def merge_images(group: dict[str, Any], store: str) -> dict[str, Any]:
    shutil.rmtree("/run/extensions", ignore_errors=True)
    os.makedirs("/run/extensions")
    for name, content in group["images"].items():
        stored = f"{store}/{name}-1.x86-64.raw"
        with open(stored, "wb") as file:
            file.write(zlib.decompress(base64.b64decode(content)))
        os.symlink(stored, f"/run/extensions/{name}.raw")
    write(f"{store}/os-release", group["os_release"])
    subprocess.run(["mount", "--bind", f"{store}/os-release", "/usr/lib/os-release"], check=True)
    answer = merge("sysext", "/usr/share/tukit-sysext-test", [], "system")
    subprocess.run(["systemd-sysext", "unmerge"], capture_output=True, check=True)
    # 257 has taken it away with the merge, 252 has not.
    subprocess.run(["umount", "/usr/lib/os-release"], capture_output=True, check=False)
    return answer


def merge(kind: str, marks: str, options: list[str], scope: str) -> dict[str, Any]:
    environment = {"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "LC_ALL": "C.UTF-8"}
    environment["SYSTEMD_LOG_LEVEL"] = "debug"
    if scope == "initrd":
        environment["SYSTEMD_IN_INITRD"] = "1"
    done = subprocess.run(
        [f"systemd-{kind}", *options, "merge"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    try:
        merged = sorted(os.listdir(marks))
    except FileNotFoundError:
        merged = []
    return {"status": done.returncode, "merged": merged, "messages": done.stdout + done.stderr}


def main() -> None:
    # A merge works in a namespace of its own, and its mounts come back to us only where ours are shared.
    for folder in ("/run", "/tmp"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    answers = []
    for group in json.load(sys.stdin):
        folder = tempfile.mkdtemp(prefix="truth-", dir="/tmp")
        answers.append((merge_images if "images" in group else merge_directory)(group, folder))
    json.dump(answers, sys.stdout)


main()
