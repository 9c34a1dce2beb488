#!/usr/bin/python3 -I
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for tukit(8) of transactional-update 6.1.3, for the test machine alone.

transactional-update is not packaged for the lab's root. This driver was written from recordings of the real tukit
(tests/data/tukit, which tests/on_lab/test_recordings.py replays on it) and from what its documentation and behaviour
say: which plugin is called when, with which words, environment and descriptors, what a status means, what is mounted
where, and which snapper commands it runs. Snapshots are made by the real snapper.

No recording covers a plain /etc (the Tumbleweed flavour); what happens there was derived from reading tukit's source.
Left out: the podman backend, SELinux, GRUB's mounts, --option (it is refused), the text of --help, and rebooting itself
(`reboot none` is all there is).
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import fcntl
import getopt
import io
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import syslog
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

VERSION = "6.1.3"
PLUGIN_FOLDERS = (Path("/etc/tukit/plugins"), Path("/usr/lib/tukit/plugins"))
LOCK_FILE = "/var/run/tukit.lock"
LOCK_BYTES = 10000
IN_PROGRESS = "transactional-update-in-progress"
DISCARD_FLAG = "discardIfNoChange"
EXTRA_BINDS = ("/opt",)
"""The default of BINDDIRS in tukit.conf."""

CHANGE_WAIT_SECONDS = 0.5
"""How long tukit waits for word of a change before it takes a snapshot for unchanged."""

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 4096, 16384, 1 << 18, 1 << 19
IN_MODIFY, IN_ATTRIB, IN_MOVED, IN_CREATE, IN_DELETE = 0x2, 0x4, 0x40 | 0x80, 0x100, 0x200
IN_ONLYDIR, IN_DONT_FOLLOW, IN_ONESHOT = 0x01000000, 0x02000000, 0x80000000
WATCHED = IN_MODIFY | IN_ATTRIB | IN_MOVED | IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW | IN_ONESHOT

QUIET, INFO, DEBUG = range(3)

libc = ctypes.CDLL(None, use_errno=True)


class TukitError(Exception):
    """Ends the transaction; the message is printed, the status is 1."""


class CommandError(TukitError):
    """A command that tukit runs for itself failed."""

    def __init__(self, message: str, returncode: int, output: str) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.output = output


class PluginRefusal(Exception):
    """A plugin failed and its status becomes tukit's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"plugin status {status}")
        self.status = status


class Log:
    """Information goes to stdout, errors to stderr, both to syslog."""

    def __init__(self) -> None:
        self.level = INFO
        self.outputs = {"console", "syslog"}

    def restrict(self, outputs: str) -> None:
        wanted = set(outputs.split(","))
        if not wanted <= {"console", "syslog"}:
            raise TukitError("Invalid log output.")
        self.outputs = wanted

    def _syslog(self, priority: int, text: str) -> None:
        if "syslog" in self.outputs:
            syslog.syslog(priority, text)

    def error(self, text: str) -> None:
        if "console" in self.outputs:
            print(text, file=sys.stderr, flush=True)
        self._syslog(syslog.LOG_ERR, text)

    def info(self, text: str) -> None:
        if self.level >= INFO and "console" in self.outputs:
            print(text, flush=True)
        self._syslog(syslog.LOG_INFO, text)

    def debug(self, text: str) -> None:
        if self.level >= DEBUG:
            if "console" in self.outputs:
                print(text, flush=True)
            self._syslog(syslog.LOG_DEBUG, text)


log = Log()


def check(result: int, what: str) -> None:
    if result < 0:
        raise TukitError(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    encoded = None if kind is None else kind.encode()
    check(
        libc.mount(os.fsencode(source), os.fsencode(target), encoded, ctypes.c_ulong(flags), None),
        f"Mounting '{target}'",
    )


def shell(command: str) -> str:
    """Run a shell command with tukit's PATH and return its stdout, read to the end.

    stdin, stderr, other descriptors and the environment are the caller's.
    """
    log.debug(f"Executing `{command}`:")
    line = f"PATH='/usr/bin:/usr/sbin:/bin:/sbin' {command}"
    argv = ["sh", "-c", "--", line]
    with subprocess.Popen(argv, executable="/bin/sh", stdout=subprocess.PIPE, close_fds=False) as process:
        output = process.communicate()[0].decode(errors="surrogateescape")
    status = process.returncode
    if status > 0:
        raise CommandError(f"`{command}` returned with error code {status}.", status, output)
    if status < 0:
        raise CommandError(f"`{command}` exited via signal {-status}.", status, output)
    return output


# -- plugins ---------------------------------------------------------------------------------------------------------


def find_plugins() -> list[Path]:
    """Executables in the order of their directories; a name in /etc shadows one in /usr, a link to /dev/null masks."""
    seen: set[str] = set()
    found: list[Path] = []
    for folder in PLUGIN_FOLDERS:
        if not folder.exists():
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in seen:
                    continue
                if entry.is_symlink() and os.readlink(entry.path) == "/dev/null":
                    seen.add(entry.name)
                elif entry.is_file() and os.access(entry.path, os.X_OK):
                    log.info(f'Found plugin "{entry.path}"')
                    seen.add(entry.name)
                    found.append(Path(entry.path))
    return found


def quoted(words: Sequence[str]) -> str:
    """Words of a command as tukit writes them into a shell command."""
    return "".join(" '" + word.replace("'", "'\"'\"'") + "'" for word in words)


class Plugins:
    """The plugins as they were found at one moment."""

    def __init__(self, ignore_errors: bool) -> None:
        self.ignore_errors = ignore_errors
        self.found = find_plugins()

    def run(self, stage: str, arguments: str = "") -> None:
        """Call each plugin; the first that fails ends the transaction unless errors are ignored."""
        for plugin in self.found:
            command = f"{plugin} {stage} {arguments}" if arguments else f"{plugin} {stage}"
            try:
                output = shell(command)
            except CommandError as error:
                log.error(f"ERROR: {error}")
                if error.output:
                    log.error(f'Output of plugin "{plugin}":\n{error.output}---')
                if not self.ignore_errors:
                    raise PluginRefusal(error.returncode if error.returncode > 0 else 255) from error
            else:
                if output:
                    log.info(f'Output of plugin "{plugin}":\n{output}---')


# -- snapshots -------------------------------------------------------------------------------------------------------


def snapper(arguments: str) -> str:
    bus = Path("/run/dbus/system_bus_socket").exists()
    return shell(f"snapper {arguments}" if bus else f"snapper --no-dbus {arguments}")


def snapper_rows(columns: str, options: str = "") -> list[dict[str, str]]:
    listed = snapper(f"{options} --csvout list --columns {columns}".lstrip())
    return [{key: value or "" for key, value in row.items()} for row in csv.DictReader(io.StringIO(listed))]


def snapshot_root(number: str) -> Path:
    return Path(f"/.snapshots/{number}/snapshot")


def default_snapshot() -> str:
    for row in snapper_rows("default,number"):
        if row["default"] == "yes":
            return row["number"]
    raise TukitError("Couldn't determine default snapshot number")


def current_snapshot() -> str:
    """The snapshot that /usr is mounted from, else the one of /."""
    roots: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] == "btrfs":
            roots[fields.split()[4]] = fields.split()[3]
    for place in ("/usr", "/"):
        number = re.search(r"\.snapshots/(.*)/snapshot", roots.get(place, ""))
        if number:
            return number[1]
    raise TukitError("Couldn't determine current snapshot number")


class Snapshot:
    """One snapshot, changed through snapper."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.root = snapshot_root(number)
        if not self.root.exists():
            raise TukitError(f"Snapshot {number} does not exist.")

    @classmethod
    def create(cls, base: str, description: str) -> Snapshot:
        if not snapshot_root(base).exists():
            raise TukitError(f"Base snapshot '{base}' does not exist.")
        number = snapper(
            f"create --from {base} --read-write --cleanup-algorithm number --print-number"
            f" --description '{description}' --userdata '{IN_PROGRESS}=yes'"
        )
        return cls(number.rstrip())

    def _field(self, column: str) -> str:
        rows = snapper_rows(f"number,{column}")
        return next((row[column] for row in rows if row["number"] == self.number), "")

    def in_progress(self) -> bool:
        return f"{IN_PROGRESS}=yes" in self._field("userdata")

    def read_only(self) -> bool:
        return self._field("read-only") == "yes"

    def close(self) -> None:
        snapper(f"modify --userdata '{IN_PROGRESS}=' {self.number}")

    def set_read_only(self) -> None:
        snapper(f"modify --read-only {self.number} 2>&1")

    def set_default(self) -> None:
        snapper(f"modify --default {self.number} 2>&1")

    def delete(self) -> None:
        snapper(f"delete {self.number}")


# -- what is mounted and lent to a transaction -----------------------------------------------------------------------


def fstab_type(place: str, fstab: Path = Path("/etc/fstab")) -> str | None:
    """The file system type that fstab(5) gives for a mount point, None if it has no line."""
    found = None
    for line in fstab.read_text().splitlines():
        words = line.split()
        if len(words) >= 3 and not words[0].startswith("#") and words[1] == place:
            found = words[2]
    return found


class Mounts:
    """The mounts of one transaction, made in a mount namespace of this process."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._below: list[str] = []
        check(libc.unshare(CLONE_NEWNS), "Creating new mount namespace failed")
        self.folder = tempfile.mkdtemp(prefix="transactional-update-", dir="/tmp")
        mount(str(snapshot.root), self.folder, None, MS_BIND)
        mount("none", self.folder, None, MS_PRIVATE)
        for place, kind in self._wanted():
            self._mount_below(place, kind)

    @staticmethod
    def _wanted() -> Iterator[tuple[str, str]]:
        """Places in order, each with how: "bind", "tmpfs", or "slave" (a bind that gets the host's later mounts)."""
        yield "/dev", "slave"
        yield "/var/log", "bind"
        if fstab_type("/var") is not None:
            for name in ("zypp", "ca-certificates", "alternatives", "selinux"):
                if name == "ca-certificates" or os.path.isdir(f"/var/lib/{name}"):
                    yield f"/var/lib/{name}", "bind"
        yield "/var/cache", "bind"
        yield "/tmp", "tmpfs"
        yield "/run", "tmpfs"
        if os.path.exists("/run/systemd/journal"):
            yield "/run/systemd/journal", "bind"
        yield "/var/tmp", "tmpfs"
        yield "/proc", "slave"
        yield "/sys", "slave"
        for place in ("/root", "/boot/writable"):
            if fstab_type(place) is not None:
                yield place, "bind"
        for place in EXTRA_BINDS:
            if os.path.isdir(place):
                yield place, "bind"
            else:
                log.info(f"Not bind mounting directory '{place}' as it doesn't exist.")
        yield "/.snapshots", "bind"

    def _mount_below(self, place: str, kind: str) -> None:
        target = self.folder + place
        os.makedirs(target, exist_ok=True)
        if kind == "tmpfs":
            mount("tmpfs", target, "tmpfs", 0)
        else:
            mount(place, target, None, MS_BIND | (MS_REC if kind == "slave" else 0))
            if kind == "slave":
                mount("none", target, None, MS_SLAVE | MS_REC)
        self._below.append(target)

    def drop(self) -> None:
        """Unmount everything and remove the folder; for a second time it does nothing."""
        if not self.folder:
            return
        with open("/proc/self/mountinfo") as table:
            places = [line.split()[4] for line in table]
        for place in reversed(places):
            ours = place == self.folder or place.startswith(self.folder + "/")
            if ours and libc.umount2(os.fsencode(place), 0) < 0:
                log.error(f"Error unmounting '{place}': {os.strerror(ctypes.get_errno())}")
        try:
            os.rmdir(self.folder)
        except OSError as error:
            log.error(f"ERROR: {error}")
        self.folder = ""


class Loans:
    """Files that the tree gets for the time of a transaction."""

    def __init__(self, tree: str) -> None:
        self._tree = Path(tree)
        self._lent: list[Path] = []
        if fstab_type("/var") is not None:
            self._folder("var/tmp")
            self._link("/run", "var/run")
        self._link("../../usr/lib/sysimage/rpm", "var/lib/rpm")
        for name in ("netconfig", "systemd/resolve/resolv.conf", "systemd/resolve/stub-resolv.conf"):
            self._copy(f"run/{name}")
        self._folder("var/spool")

    def _folder(self, name: str) -> None:
        """Make a folder; the topmost part that was missing is what has to go again."""
        missing = [part for part in (self._tree / name, *(self._tree / name).parents) if not part.exists()]
        if missing:
            (self._tree / name).mkdir(parents=True)
            self._lent.append(missing[-1])

    def _copy(self, name: str) -> None:
        source = Path("/") / name
        if source.exists():
            self._folder(str(Path(name).parent))
            if source.is_dir():
                shutil.copytree(source, self._tree / name, dirs_exist_ok=True)
            else:
                shutil.copy2(source, self._tree / name)
            self._lent.append(self._tree / name)

    def _link(self, target: str, name: str) -> None:
        link = self._tree / name
        if Path(os.path.normpath(self._tree / target.lstrip("/"))).exists() and not link.exists():
            self._folder(str(Path(name).parent))
            link.symlink_to(target)
            self._lent.append(link)

    def take_back(self) -> None:
        for path in reversed(self._lent):
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                log.error(f"ERROR: Removing supplemental file failed: {error}")
        self._lent.clear()


class Watch:
    """Tells whether something was changed in a tree since it was made: one-shot inotify watches on its directories."""

    def __init__(self, root: Path) -> None:
        self._fd = libc.inotify_init()
        check(self._fd, "Couldn't initialize inotify")
        excluded = self._excluded(root)
        device = os.stat(root).st_dev
        folders = [str(root)]
        while folders:
            folder = folders.pop()
            if folder.startswith(excluded):
                continue
            if libc.inotify_add_watch(self._fd, os.fsencode(folder), ctypes.c_uint32(WATCHED)) < 0:
                log.info(f"WARNING: Cannot register inotify watch for {folder}")
            with os.scandir(folder) as entries:
                folders += [
                    entry.path
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_dev == device  # other subvolumes do not count
                ]

    @staticmethod
    def _excluded(root: Path) -> tuple[str, ...]:
        """What is mounted on the running system is no part of a snapshot; /usr always is, /etc unless fstab has it."""
        with open("/proc/self/mountinfo") as table:
            places = {line.split()[4] for line in table} - {"/", "/usr"}
        if fstab_type("/etc") is None:
            places.discard("/etc")
        return tuple(str(root) + place for place in places)

    def changed(self) -> bool:
        try:
            if not select.select([self._fd], [], [], CHANGE_WAIT_SECONDS)[0]:
                return False
            os.read(self._fd, 4096)
        except OSError as error:  # after close(): that is how --keep --discard with a failing command ends
            raise TukitError(f"Reading from inotify fd failed: {error.strerror}") from error
        return True

    def close(self) -> None:
        os.close(self._fd)


# -- the transaction -------------------------------------------------------------------------------------------------


class Transaction:
    """A snapshot being changed. Leaving it without finalize() or keep() discards the snapshot."""

    def __init__(self, *, keep_if_error: bool, discard_if_unchanged: bool = False) -> None:
        if "TRANSACTIONAL_UPDATE" in os.environ:
            raise TukitError("Cannot open a new transaction from within a running transaction.")
        log.info("Using 'snapper' as snapshot manager.")
        self.keep_if_error = keep_if_error
        self.discard_if_unchanged = discard_if_unchanged
        self.snapshot: Snapshot | None = None
        self._mounts: Mounts | None = None
        self._loans: Loans | None = None
        self._watch: Watch | None = None

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._mounts is not None:
            self._mounts.drop()
        try:
            if self.snapshot is not None and self.snapshot.root.exists():
                self._discard(self.snapshot)
        except (TukitError, OSError) as error:
            log.error(f"ERROR: {error}")

    def _discard(self, snapshot: Snapshot) -> None:
        log.info(f"Discarding snapshot {snapshot.number}.")
        if self.keep_if_error:
            self._close(snapshot, aborted=True)
        else:
            snapshot.delete()
        with contextlib.suppress(PluginRefusal):
            self._plugins().run("abort-post", snapshot.number)

    def _plugins(self) -> Plugins:
        return Plugins(self.keep_if_error)

    def _here(self) -> str:
        """The arguments that name the open snapshot to a plugin."""
        assert self._mounts is not None and self.snapshot is not None
        return f"{self._mounts.folder} {self.snapshot.number}"

    def _lend(self, snapshot: Snapshot) -> None:
        self._mounts = Mounts(snapshot)
        self._loans = Loans(self._mounts.folder)

    def init(self, base: str, description: str | None = None) -> None:
        """Make a snapshot of `active`, `default` or a number."""
        self._plugins().run("init-pre")
        if base == "active":
            base = current_snapshot()
        elif base == "default":
            base = default_snapshot()
        self.snapshot = Snapshot.create(base, description or f"Snapshot Update of #{base}")
        log.info(f"Using snapshot {base} as base for new snapshot {self.snapshot.number}.")
        self._lend(self.snapshot)
        if self.discard_if_unchanged:
            if fstab_type("/etc", snapshot_root(base) / "etc/fstab") in ("overlay", "overlayfs"):
                log.info("Can not merge back changes in /etc into old overlayfs system - ignoring 'discardIfNoChange'.")
            else:
                (self.snapshot.root / DISCARD_FLAG).write_text(base)
        self._plugins().run("init-post", self._here())

    def resume(self, number: str) -> None:
        self._plugins().run("resume-pre", number)
        snapshot = Snapshot(number)
        if not snapshot.in_progress():
            raise TukitError(f"Snapshot {number} is not an open transaction.")
        self.snapshot = snapshot
        self._lend(snapshot)
        if (snapshot.root / DISCARD_FLAG).exists():
            self.discard_if_unchanged = True
        self._plugins().run("resume-post", self._here())

    def execute(self, argv: Sequence[str]) -> int:
        """Run a command inside the snapshot; returns its status, or the number of the signal that ended it."""
        return self._call("execute", argv, inside=True)

    def call_external(self, argv: Sequence[str]) -> int:
        """Run a command outside the snapshot, {} standing for the snapshot's folder."""
        assert self._mounts is not None
        folder = self._mounts.folder
        return self._call("callExt", [word.replace("{}", folder) for word in argv], inside=False)

    def _call(self, stage: str, argv: Sequence[str], inside: bool) -> int:
        plugins = self._plugins()
        plugins.run(f"{stage}-pre", self._here() + quoted(argv))
        status = self._run(argv, inside)
        plugins.run(f"{stage}-post", self._here() + quoted(argv))
        return status

    def _run(self, argv: Sequence[str], inside: bool) -> int:
        assert self._mounts is not None and self.snapshot is not None
        if self.discard_if_unchanged:
            self._watch = Watch(self.snapshot.root)
        log.info(f"Executing `{' '.join(argv)}`:")
        folder, root = self._mounts.folder, str(self.snapshot.root)
        # tukit leaves an unused pipe to the command, and its reading end to every plugin after it.
        reading, writing = os.pipe()
        os.set_inheritable(reading, True)
        os.set_inheritable(writing, True)
        pid = os.fork()
        if pid == 0:
            os._exit(become(argv, folder if inside else None, root))
        os.close(writing)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status < 0:
            log.info(f"Application was terminated by signal {-status}.")
            return -status
        log.info(f"Application returned with exit status {status}.")
        return status

    def finalize(self) -> None:
        """Make the snapshot the one that boots next, or discard it when it changed nothing and that was asked for."""
        assert self.snapshot is not None
        self._plugins().run("finalize-pre", self._here())
        number = self.snapshot.number
        self._close(self.snapshot, aborted=False)
        self.snapshot = None
        self._plugins().run("finalize-post", number)

    def keep(self) -> None:
        """Leave the transaction open for a later call."""
        assert self.snapshot is not None and self._loans is not None
        self._plugins().run("keep-pre", self._here())
        os.sync()
        flag = self.snapshot.root / DISCARD_FLAG
        if flag.exists() and self._watch is not None and self._watch.changed():
            flag.unlink()
        self._loans.take_back()
        number = self.snapshot.number
        self.snapshot = None
        self._plugins().run("keep-post", number)

    def _unchanged(self, snapshot: Snapshot) -> bool:
        if not self.discard_if_unchanged:
            return False
        if self._watch is not None:
            return not self._watch.changed()
        return (snapshot.root / DISCARD_FLAG).exists()  # no command in this process, and none before changed anything

    def _close(self, snapshot: Snapshot, aborted: bool) -> None:
        os.sync()
        flag = snapshot.root / DISCARD_FLAG
        if self._unchanged(snapshot):
            log.info("No changes to the root file system - discarding snapshot.")
            self._merge_etc(flag.read_text().strip() if flag.exists() else "")
            self._plugins().run("finalize-post", f"{snapshot.number} discarded")
            snapshot.delete()
            return
        flag.unlink(missing_ok=True)
        os.utime(snapshot.root / "usr")
        if not aborted:
            snapshot.close()
        if self._loans is not None:
            self._loans.take_back()
        if self._mounts is not None:
            self._mounts.drop()
        if Snapshot(default_snapshot()).read_only():
            snapshot.set_read_only()
        if not aborted:
            snapshot.set_default()
            log.info(f"New default snapshot is #{snapshot.number} ({snapshot.root}).")

    def _merge_etc(self, base: str) -> None:
        """Where /etc is a mount, what the discarded snapshot has there goes to where it came from."""
        assert self._mounts is not None
        if fstab_type("/etc") is None:
            return
        target = ""
        if current_snapshot() == base:
            log.info("Merging changes in /etc into the running system.")
        else:
            log.info("Merging changes in /etc into the previous snapshot.")
            target = str(Snapshot(base).root)
        shell(
            "rsync --archive --inplace --xattrs --acls --exclude 'fstab' --exclude 'etc.syncpoint' --delete --quiet"
            f" '{self._mounts.folder}/etc/' {target}/etc"
        )


def become(argv: Sequence[str], folder: str | None, root: str) -> int:
    """In a child: turn into the command, inside `folder` if one is given; returns only if that fails."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        if folder is not None:
            inside = folder + os.getcwd()
            os.chdir(inside if os.path.isdir(inside) else folder)
            os.chroot(folder)
            check(libc.unshare(CLONE_NEWNS), "Creating new mount namespace failed")
            mount("none", "/", None, MS_REC | MS_PRIVATE)
        os.environ["TRANSACTIONAL_UPDATE"] = "true"
        os.environ["TRANSACTIONAL_UPDATE_ROOT"] = root
        if not argv:
            os.kill(os.getpid(), signal.SIGSEGV)  # what the real one's execvp(3) does without a name
        try:
            os.execvp(argv[0], list(argv))  # noqa: S606 - becoming the command is what a child is for
        except OSError as error:
            log.error(f"Calling {argv[0]} failed: {error.strerror}")
            return error.errno or 1
    except (OSError, TukitError) as error:
        log.error(str(error))
        return 1


# -- the command line ------------------------------------------------------------------------------------------------


class Options:
    """What stands before the command on the command line."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.base = "active"
        self.description: str | None = None
        self.keep = self.discard = self.help = self.version = False
        self.fields = ""
        prepared, self.command = self._split(arguments)
        for option, value in prepared:
            self._take(option, value)

    @staticmethod
    def _split(arguments: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
        """getopt(3) with an optional value for -c and --continue, which Python's has from 3.14 on."""
        words = list(arguments)
        ready: list[tuple[str, str]] = []
        long_options = ["description=", "keep", "discard", "fields=", "help", "log=", "option=", "quiet",
                        "verbose", "version"]  # fmt: skip
        while words:
            word = words[0]
            if word == "--continue" or word.startswith("--continue="):
                ready.append(("-c", word.partition("=")[2]))
                words.pop(0)
            elif word.startswith("-c"):
                ready.append(("-c", word[2:]))
                words.pop(0)
            elif word == "--":
                words.pop(0)
                break
            elif word.startswith("-") and word != "-":
                takes_next = word in ("-f", "-l", "-o", "--description", "--fields", "--log", "--option")
                size = 2 if takes_next else 1
                parsed, _ = getopt.getopt(words[:size], "dkf:hl:o:qvV", long_options)
                ready += parsed
                words = words[size:]
            else:
                break
        return ready, words

    def _take(self, option: str, value: str) -> None:
        match option:
            case "-c":
                self.base = value or "default"
            case "--description":
                self.description = value
            case "-k" | "--keep":
                self.keep = True
            case "-d" | "--discard":
                self.discard = True
            case "-f" | "--fields":
                self.fields = value
            case "-l" | "--log":
                log.restrict(value)
            case "-o" | "--option":
                raise TukitError(f"The stand-in for tukit has no settings: {value}")
            case "-q" | "--quiet":
                log.level = QUIET
            case "-v" | "--verbose":
                log.level = DEBUG
            case "-h" | "--help":
                self.help = True
            case "-V" | "--version":
                self.version = True


def argument(words: Sequence[str], command: str) -> str:
    if len(words) < 2:
        raise TukitError(f"Missing argument for '{command}'")
    return words[1]


def execute(options: Options, words: Sequence[str]) -> int:
    with Transaction(keep_if_error=options.keep, discard_if_unchanged=options.discard) as transaction:
        transaction.init(options.base)
        status = transaction.execute(words[1:])
        if status != 0:
            raise TukitError(f"Application returned with exit status {status}")
        transaction.finalize()
    return 0


def open_(options: Options, words: Sequence[str]) -> int:
    with Transaction(keep_if_error=options.keep, discard_if_unchanged=options.discard) as transaction:
        transaction.init(options.base, options.description)
        assert transaction.snapshot is not None
        print(f"ID: {transaction.snapshot.number}", flush=True)
        transaction.keep()
    return 0


def call(options: Options, words: Sequence[str]) -> int:
    number = argument(words, words[0])
    with Transaction(keep_if_error=options.keep) as transaction:
        transaction.resume(number)
        run_it = transaction.execute if words[0] == "call" else transaction.call_external
        status = run_it(words[2:])
        transaction.keep()
    return status


def close(options: Options, words: Sequence[str]) -> int:
    number = argument(words, "close")
    with Transaction(keep_if_error=options.keep) as transaction:
        transaction.resume(number)
        transaction.finalize()
    return 0


def abort(options: Options, words: Sequence[str]) -> int:
    number = argument(words, "abort")
    with Transaction(keep_if_error=options.keep) as transaction:
        transaction.resume(number)
    return 0


def rollback(options: Options, words: Sequence[str]) -> int:
    number = argument(words, "rollback")
    log.info("Using 'snapper' as snapshot manager.")
    snapper(f"rollback {number}")
    return 0


def snapshots(options: Options, words: Sequence[str]) -> int:
    log.info("Using 'snapper' as snapshot manager.")
    fields = options.fields or "number"
    if not re.fullmatch(r"[A-Za-z,]*", fields):
        raise TukitError("Column list contains invalid characters.")
    for row in snapper_rows(fields, "--utc --iso"):
        print("".join(f"{row.get(name, '')}\t" for name in fields.split(",")), flush=True)
    return 0


def reboot(options: Options, words: Sequence[str]) -> int:
    log.info("Minimally required reboot level: reboot")
    method = words[1] if len(words) > 1 else "auto"
    if method != "none":
        raise TukitError(f"Unknown reboot method '{method}'.")
    log.info("Reboots are disabled.")
    Plugins(ignore_errors=False).run("reboot-pre")
    return 0


COMMANDS: dict[str, Callable[[Options, Sequence[str]], int]] = {
    "execute": execute,
    "open": open_,
    "call": call,
    "callext": call,
    "close": close,
    "abort": abort,
    "rollback": rollback,
    "snapshots": snapshots,
    "reboot": reboot,
}


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Only one tukit at a time; a second one fails at once."""
    try:
        fd = os.open(LOCK_FILE, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise TukitError(f"Could not create lock file '{LOCK_FILE}': {error.strerror}") from error
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_BYTES)
    except OSError as error:
        os.close(fd)
        raise TukitError(f"Another instance of tukit is already running: {error.strerror}") from error
    try:
        yield
    finally:
        os.close(fd)
        os.unlink(LOCK_FILE)


def run(arguments: Sequence[str]) -> int:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # a child in our group was signalled too; it decides
    try:
        options = Options(arguments)
    except getopt.GetoptError as error:
        print(f"tukit: {error}", file=sys.stderr)
        return 255
    if options.help or options.version:
        print(__doc__ if options.help else VERSION)
        return 0
    with locked():
        log.info(f"tukit {VERSION} started")
        log.info("Options: " + "".join(f"{word} " for word in arguments))
        if not options.command:
            raise TukitError("Missing command. See --help for usage information.")
        name = options.command[0]
        if name not in COMMANDS:
            raise TukitError(f"Unknown command or option '{name}'.")
        status = COMMANDS[name](options, options.command)
        if status == 0:
            log.info("Transaction completed.")
        return status


def main() -> int:
    try:
        return run(sys.argv[1:])
    except PluginRefusal as refusal:
        return refusal.status
    except (TukitError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
