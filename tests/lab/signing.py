# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenPGP keys made for a test run by gpg(1), and detached signatures by them.

Needs gpg and gpg-agent on the host. A command takes some 20 ms; no agent outlives it.
"""

from __future__ import annotations

import atexit
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, Self

from tests.lab.images import ToolFailed, ToolMissing

KeyAlgorithm = Literal["ed25519", "rsa2048", "rsa3072", "rsa4096"]
Digest = Literal["MD5", "SHA1", "SHA256", "SHA384", "SHA512"]

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 60
_BEFORE_EXPIRY = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A key without a passphrase; what gpg keeps of it is in `folder`, and goes with it."""

    folder: Path
    fingerprint: str
    name: str = field(default="")

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        name: str = "Lab <lab@localhost>",
        algorithm: KeyAlgorithm = "ed25519",
        created: datetime | None = None,
        expires: datetime | None = None,
        usage: Literal["sign", "cert"] = "sign",
    ) -> Self:
        """Make a key in `folder`, which must not exist or be empty; one for `cert` signs by its subkeys alone.

        `created` is now, or a month before `expires` where that is not in the future. A key that has expired signs
        only with a `time` at which it had not. Raises ToolFailed with gpg's words.
        """
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if created is None and expires is not None and expires <= datetime.now(UTC):
            created = expires - _BEFORE_EXPIRY
        until = "never" if expires is None else _gpg_time(expires)
        status = _gpg(
            folder,
            ["--status-fd", "1", "--quick-generate-key", name, algorithm, usage, until],
            time=created,
        )
        words = next(line.split() for line in status.decode().splitlines() if " KEY_CREATED " in line)
        return cls(folder=folder, fingerprint=words[3], name=name)

    @classmethod
    def shared(
        cls,
        name: str = "Lab <lab@localhost>",
        algorithm: KeyAlgorithm = "ed25519",
        created: datetime | None = None,
    ) -> SigningKey:
        """The key of that name of this process, made when it is first asked for; not to be revoked."""
        return _shared(name, algorithm, created)

    def public(self, armoured: bool = False) -> bytes:
        """The public key, as a keyring for gpgv (which takes the binary form only, before 2.4)."""
        return _gpg(self.folder, [*_armour(armoured), "--export", self.fingerprint])

    def write_keyring(self, path: Path, *others: SigningKey, armoured: bool = False) -> Path:
        """Write a keyring with this key and others; gives its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(key.public(armoured) for key in (self, *others)))
        return path

    def sign(
        self,
        content: bytes,
        *,
        armoured: bool = False,
        digest: Digest = "SHA512",
        time: datetime | None = None,
        text_mode: bool = False,
        days: int | None = None,
        kind: Literal["--detach-sign", "--sign", "--clear-sign"] = "--detach-sign",
        by: str | None = None,
    ) -> bytes:
        """A detached signature; `time` is when it says that it was made (now), `text_mode` its class 0x01.

        It is good for so many `days` (for ever). `kind` makes something else of it, `by` is the subkey that signs.

        Raises ToolFailed where gpg refuses to: the key has expired or is revoked by then.
        """
        options = [*_armour(armoured), "--allow-weak-digest-algos", "--digest-algo", digest]
        options += ["--textmode"] if text_mode else []
        options += ["--default-sig-expire", f"{days}d"] if days is not None else []
        user = self.fingerprint if by is None else f"{by}!"
        return _gpg(self.folder, [*options, "--local-user", user, kind], content, time=time)

    def add_subkey(
        self, algorithm: KeyAlgorithm = "ed25519", *, time: datetime | None = None, expires: datetime | None = None
    ) -> str:
        """Add a subkey that signs, which gpg prefers to the primary key from then on; gives its fingerprint."""
        until = "never" if expires is None else _gpg_time(expires)
        status = _gpg(
            self.folder,
            ["--status-fd", "1", "--quick-add-key", self.fingerprint, algorithm, "sign", until],
            time=time,
        )
        return next(line.split()[3] for line in status.decode().splitlines() if " KEY_CREATED " in line)

    def extend(self, until: datetime) -> None:
        """Let the key expire later (or earlier) than it said."""
        _gpg(self.folder, ["--quick-set-expire", self.fingerprint, _gpg_time(until)])

    def certify(self, public: bytes) -> bytes:
        """Another public key, certified by this one."""
        _gpg(self.folder, ["--import"], public)
        shown = _gpg(self.folder, ["--with-colons", "--show-keys"], public).decode()
        other = next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr:"))
        _gpg(self.folder, ["--quick-sign-key", other])
        return _gpg(self.folder, ["--export", other])

    def revoke(self) -> None:
        """Revoke the key: what `public` gives from now on says so, and it signs no more."""
        prepared = self.folder / "openpgp-revocs.d" / f"{self.fingerprint}.rev"
        # gpg guards against an accident by a colon in front of the armour.
        _gpg(self.folder, ["--import"], prepared.read_bytes().replace(b"\n:-----BEGIN", b"\n-----BEGIN"))


@cache
def _shared(name: str, algorithm: KeyAlgorithm, created: datetime | None) -> SigningKey:
    folder = Path(tempfile.mkdtemp(prefix="lab-key-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SigningKey.make(folder, name=name, algorithm=algorithm, created=created)


def _armour(armoured: bool) -> list[str]:
    return ["--armor"] if armoured else ["--no-armor"]


def _gpg_time(time: datetime) -> str:
    """A time with its zone (without one: UTC) as gpg reads it."""
    if time.tzinfo is not None:
        time = time.astimezone(UTC)
    return time.strftime("%Y%m%dT%H%M%S")


@contextmanager
def _home(folder: Path) -> Iterator[Path]:
    """A name for `folder` that is short enough for the agent's socket, whose address has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as scratch:
        home = Path(scratch, "home")
        home.symlink_to(folder.absolute())
        yield home


def _gpg(folder: Path, arguments: list[str], content: bytes = b"", *, time: datetime | None = None) -> bytes:
    with _home(folder) as home:
        environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": str(home), "GNUPGHOME": str(home)}
        argv = ["gpg", "--batch", "--no-tty", "--quiet", "--no-options", "--no-auto-check-trustdb"]
        argv += ["--pinentry-mode", "loopback", "--passphrase", ""]
        # The exclamation mark stops the clock: otherwise it runs on from that time.
        argv += ["--faked-system-time", f"{_gpg_time(time)}!"] if time is not None else []
        try:
            done = subprocess.run(
                [*argv, *arguments],
                input=content,
                capture_output=True,
                env=environment,
                timeout=_SECONDS,
                check=False,
            )
            _end_agent(environment)
        except FileNotFoundError as error:
            raise ToolMissing(f"{error.filename}: not installed (PATH {_PATH})") from error
    if done.returncode != 0:
        raise ToolFailed(f"gpg {' '.join(arguments)}: status {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


def _end_agent(environment: Mapping[str, str]) -> None:
    """End the agent that gpg started, and wait until it is gone: the next gpg would ask one that is about to end."""
    asked = subprocess.run(
        ["gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye"],
        capture_output=True,
        env=environment,
        timeout=_SECONDS,
        check=False,
    )
    answer = asked.stdout.split()
    if len(answer) < 2 or answer[0] != b"D":
        return
    try:
        agent = os.pidfd_open(int(answer[1]))
    except ProcessLookupError:
        return
    try:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=environment, timeout=_SECONDS, check=False)
        select.select([agent], [], [], _SECONDS)
    finally:
        os.close(agent)
