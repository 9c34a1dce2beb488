# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine on which everything that an update can wait for never comes, all of it at once."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab.faults import Delay, Trickle
from tests.lab.images import make_image, write_checksums
from tests.lab.machine import ENVIRONMENT
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site, Web

PACKAGE = "/usr/lib/python3/dist-packages/tukit_sysext"
HOOK = "/usr/lib/tukit/plugins/50-tukit-sysext"
SERVERS = 6
DIRECTORIES = 2
"""Local ones: one hangs."""
NAMELESS = 1
"""Sources whose server has a name that cannot be resolved."""
IMAGES = 4
"""Those whose content comes."""
PLUGINS = 1
_LOCAL, _DEAD, _ANSWERS_NOTHING = "/var/local-images", "/run/dead", "/run/stuck"
_MARK = b"systemd-dissect hangs with this one\n"
_PACKED = b"unpacking hangs with this one\n"
_WANTED, _STORED = 500, 20_000
_HOUR = 3600

_FUSE = """
import ctypes, os, signal, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
assert libc.mount(b"dead", sys.argv[1].encode(), b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())
print("there", flush=True)
while len(sys.argv) > 2:
    # the first request is FUSE_INIT; who waits for an answer to one that was read is beyond SIGKILL
    request = os.read(fuse, 1 << 20)
    length, opcode, unique = struct.unpack_from("<IIQ", request)
    if opcode == 26:
        answer = struct.pack("<IIIIHHI40x", 7, 31, 0, 0, 8, 8, 4096)
        os.write(fuse, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
signal.pause()
"""
"""A file system that answers nothing, as one of a dead server; with a second argument it takes the requests."""

_NAME_SERVERS = """
import signal, socket, sys
silent = []
for address in sys.argv[1:]:
    silent.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    silent[-1].bind((address, 53))
print("there", flush=True)
signal.pause()
"""

_HOLDER = """
import fcntl, os, signal, sqlite3, sys
for path in sys.argv[2:]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
ledger = sqlite3.connect(sys.argv[1], isolation_level=None)
ledger.execute("BEGIN EXCLUSIVE")
print("there", flush=True)
signal.pause()
"""

_PLUGIN = """
import signal
from tukit_sysext.plugin_api import hookimpl
tukit_sysext_interface = ">=1"

@hookimpl
def tukit_sysext_sources(machine, configuration):
    while True:
        signal.pause()  # it comes back after a signal whose handler does
"""


class HostileSite:
    """A site that becomes one on which nothing ends by itself; ``limits`` by :attr:`Wait.where` are set there."""

    def __init__(self, site: Site, webs: Sequence[Web], limits: Mapping[str, float]) -> None:
        self._site = site
        self._webs = webs
        self._limits = limits
        self._servers = [f"127.83.{os.getpid() % 250}.{number}" for number in (1, 2, 3)]
        self._processes: list[subprocess.Popen[str]] = []
        self._journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def make(self, *, versions: int) -> None:
        """Do all of it, with so many versions of an image of which none fits."""
        self._set_constants()
        self._break_tools()
        self._publish(versions)
        self._configure()
        self._add_plugin()
        self._fill_store()
        for path in (
            "/etc/tukit-sysext/images.d/fifo.conf",
            f"{STATE}/seen/c-nowhere",
            f"{STATE}/images/image0-1.x86-64.raw.json",
            "/var/cache/tukit-sysext/lists/c-nowhere",
            "/run/tukit-sysext/refused.json",
        ):
            _fifo(self._site.lab.path(path))
        self._site.lab.run(["mknod", "-m", "600", "/dev/fuse", "c", "10", "229"])
        for folder in (_DEAD, _ANSWERS_NOTHING):
            self._site.lab.path(folder).mkdir()
        self._start(_FUSE, _DEAD)
        self._start(_FUSE, _ANSWERS_NOTHING, "takes them")
        self._start(_NAME_SERVERS, *self._servers)

    def finalize(self, *, longest: float) -> bool:
        """Run the hook as tukit would; whether it ends in so many seconds. Nobody reads what it says."""
        lab = self._site.lab
        lab.tukit("open", check=True)
        number = max(self._site.numbers())
        locks = [f"{STATE}/seen/.lock", "/run/tukit-sysext/locks/publish"]
        self._start(_HOLDER, f"{STATE}/ledger.db", *locks)
        self._fill_journal()
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while os.write(writing, bytes(4096)):
                pass
        os.set_blocking(writing, True)
        try:
            hook = subprocess.Popen(
                lab.enter_command([HOOK, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)]),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=ENVIRONMENT,
                start_new_session=True,
            )
            try:
                hook.wait(longest)
            except subprocess.TimeoutExpired:
                return False
            return True
        finally:
            os.close(reading)
            os.close(writing)

    def _start(self, script: str, *arguments: str) -> None:
        """A process in the lab, which ends with it; it is there when it says so."""
        command = self._site.lab.enter_command(["python3", "-I", "-c", script, *arguments])
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        self._processes.append(process)
        if process.stdout is None or process.stdout.readline() != "there\n":
            raise SystemExit(f"tests/bench: {command} does not start")

    def _set_constants(self) -> None:
        with self._site.lab.unlocked():
            for where, seconds in self._limits.items():
                module, colon, name = where.partition(":")
                if not colon:
                    continue
                path = self._site.lab.path(f"{PACKAGE}/{module}")
                text, count = re.subn(rf"(?m)^{name} = [0-9.]+$", f"{name} = {float(seconds)}", path.read_text())
                if count != 1:
                    raise SystemExit(f"tests/bench: {module} has no {name}")
                path.write_text(text)
                for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                    compiled.unlink()

    def _break_tools(self) -> None:
        """Each hangs with one input, and works with others; systemd-dissect is beyond SIGKILL then."""
        hanging = {
            "gpgv": ('for last; do :; done; grep -qs hangs-in-gpgv "$last"', "tail -f /dev/null"),
            "systemd-dissect": (f'grep -qsa "{_MARK.decode().strip()}" "$2"', f"cat {_ANSWERS_NOTHING}/file"),
        }
        with self._site.lab.unlocked():
            for tool, (with_this, hang) in hanging.items():
                path = self._site.lab.path(f"/usr/bin/{tool}")
                shutil.copy2(path, path.with_name(f"{tool}.kept"))
                path.unlink()
                path.write_text(f'#!/bin/sh\nif {with_this}; then exec {hang}; fi\nexec /usr/bin/{tool}.kept "$@"\n')
                path.chmod(0o755)
            path = self._site.lab.path(f"{PACKAGE}/system/unpacker.py")
            hang = f"    if os.pread(descriptor, 100, 0) == {_PACKED!r}:\n        __import__('signal').pause()\n"
            before = '    """Unpack, and say why not."""\n'
            text = path.read_text()
            if before not in text:
                raise SystemExit("tests/bench: unpacker.py cannot be made to hang")
            path.write_text(text.replace(before, before + hang))

    def _publish(self, versions: int) -> None:
        site, (many, crowd, trickle, gpgv, slow, silent) = self._site, self._webs
        old, new = {**OLD, **site.identity}, {**NEW, **site.identity}
        for version in range(versions):
            many.repository.publish("many", f"1.{version}", new)
        for number in range(6):
            crowd.repository.publish(f"crowd{number}", "1", new)
        trickle.repository.publish("trickled", "1", old, size_mib=2)
        gpgv.repository.publish("hangs-in-gpgv", "1", old)
        for number, web in enumerate(self._webs):
            slow.repository.publish(f"other{number}", "1", old)
            web.repository.write_list()
            web.repository.sign(web.key)
        crowd.server.fail("*.manifest.gz", Delay(seconds=1))
        trickle.server.fail("*.raw", Trickle(bytes_per_second=5000))
        slow.server.fail("SHA256SUMS", Trickle(bytes_per_second=20))
        silent.server.fail("*", Delay(seconds=600))
        local = site.lab.path(_LOCAL)
        local.mkdir()
        with open(make_image(local, "stuck", "1", release=old), "ab") as file:
            file.write(_MARK)
        make_image(local, "published", "1", release=old)
        (local / "packed-1.x86-64.raw.xz").write_bytes(_PACKED)
        write_checksums(local)

    def _configure(self) -> None:
        """The sources are asked, and images fetched from them, in the order of their names: what hangs longest last."""
        site = self._site
        site.lab.path("/etc/tukit-sysext/sources.d/main.conf").unlink()
        names = ("a-many", "a-crowd", "a-trickle", "b-gpgv", "d-slow", "d-silent")
        for name, web in zip(names, self._webs, strict=True):
            site.add_source(name, web)
        for name, path in (("b-local", _LOCAL), ("b-dead", _DEAD)):
            site.write(f"/etc/tukit-sysext/sources.d/{name}.conf", f"[Source]\nPath={path}\nVerify=no\n")
        site.write(
            "/etc/tukit-sysext/sources.d/c-nowhere.conf", "[Source]\nURL=http://images.example.org/\nVerify=no\n"
        )
        for name in ("many", "trickled", "stuck", "packed", "published", *(f"crowd{number}" for number in range(6))):
            site.want(name, policy="optional")
        for number in range(_WANTED):
            site.want(f"nobody-has-it-{number}", policy="optional")
        # one request may last a second; where finding out has no end, it has none either
        finding_out = self._limits["finding_out"]
        each = 1 if finding_out < _HOUR else _HOUR
        servers = "".join(f"nameserver {address}\n" for address in self._servers)
        site.write("/etc/resolv.conf", f"{servers}search a.example\noptions timeout:30 attempts:4\n")
        site.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: dns\n")
        site.write(
            "/etc/tukit-sysext/tukit-sysext.conf",
            f"[Update]\nDeadline={finding_out:.0f}\n[Plugins]\nLoad=hanging\n"
            f"[Network]\nDeadline={each}\nConnectTimeout={each}\nLeastRate=10\n"
            f"ImageDeadline={self._limits['image_deadline']:.0f}\n",
        )

    def _add_plugin(self) -> None:
        with self._site.lab.unlocked():
            packages = self._site.lab.path(PACKAGE).parent
            about = packages / "tukit_sysext_hanging-1.dist-info"
            about.mkdir()
            (packages / "tukit_sysext_hanging.py").write_text(_PLUGIN)
            (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tukit-sysext-hanging\nVersion: 1\n")
            (about / "entry_points.txt").write_text("[tukit_sysext]\nhanging = tukit_sysext_hanging\n")

    def _fill_store(self) -> None:
        folder = self._site.lab.path(STORE)
        for number in range(_STORED):
            (folder / f"nobody-has-it-{number}-1.x86-64.raw").touch()

    def _fill_journal(self) -> None:
        """A journal that takes nothing."""
        path = self._site.lab.path("/run/systemd/journal/dev-log")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._journal.bind(str(path))
        while _send_all(path):
            pass


def _send_all(path: Path) -> int:
    """How many messages a journal takes from one process more: each may have some on the way."""
    sent = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end, suppress(BlockingIOError):
        end.setblocking(False)
        end.connect(str(path))
        while end.send(b"nobody reads this"):
            sent += 1
    return sent


def _fifo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
