# SPDX-License-Identifier: LGPL-2.1-or-later
"""gpg(1): signs with a key of the person who runs us, and tells which public keys are to be given to others."""

from __future__ import annotations

import base64
import os
import pwd
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.system.process import ENVIRONMENT, TimedOut, run

GPG = "/usr/bin/gpg"
_TIMEOUT = 300.0
"""Seconds: somebody may have to type a passphrase."""


class Gpg:
    """The keys of a folder of gpg's, by default that of the user who runs us."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = (home or Path(pwd.getpwuid(os.geteuid()).pw_dir, ".gnupg")).absolute()

    def sign(self, content: bytes, keys: Sequence[str]) -> tuple[bytes, bytes]:
        """A detached signature by keys, as gpg calls them: binary, and in ASCII armour. Raises TukitSysextError."""
        signers = [f"--local-user={key}" for key in keys]
        armoured = self._run(["--digest-algo=SHA512", *signers, "--output=-", "--detach-sign"], content)
        # behind the headers comes an empty line, before the end a checksum
        lines = armoured.partition("\n\n")[2].splitlines()
        body = "".join(line for line in lines if not line.startswith(("=", "-")))
        return base64.b64decode(body), armoured.encode("ascii")

    def public_keys(self, keys: Sequence[str]) -> bytes:
        """The public keys in ASCII armour. Raises TukitSysextError."""
        exported = self._run(["--export", "--", *keys])
        if not exported:
            raise TukitSysextError(
                f"gpg has no key {' or '.join(keys)} in {self._home}",
                next_step="gpg --list-secret-keys",
            )
        return exported.encode("ascii")

    def _run(self, arguments: Sequence[str], content: bytes | None = None) -> str:
        argv = [GPG, "--batch", "--yes", "--no-options", f"--homedir={self._home}", "--armor", *arguments]
        descriptors: list[int] = []
        if content is not None:
            descriptors.append(os.memfd_create("content", os.MFD_CLOEXEC))
            argv.append(f"/proc/self/fd/{descriptors[0]}")
        try:
            for descriptor in descriptors:
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(content or b"")
            result = run(argv, timeout=_TIMEOUT, descriptors=descriptors, environment=_environment())
        except TimedOut as error:
            raise TukitSysextError(f"gpg did not come to an end: {error}") from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if result.status != 0:
            raise TukitSysextError(
                f"gpg cannot sign: {result.died or result.said or f'status {result.status}'}",
                next_step=shlex.join(("gpg", "--homedir", str(self._home), "--list-secret-keys")),
            )
        return result.output


def _environment() -> dict[str, str]:
    """Ours, and for a passphrase the terminal that we are run on."""
    found = dict(ENVIRONMENT)
    with suppress(OSError, ValueError):
        found["GPG_TTY"] = os.ttyname(sys.stdin.fileno())
    return found
