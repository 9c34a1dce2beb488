# SPDX-License-Identifier: LGPL-2.1-or-later
"""gpgv(1): checks a detached OpenPGP signature against keyrings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

from tukit_sysext.errors import NoVerdict
from tukit_sysext.formats.gpgv_status import SignatureCheck, judge
from tukit_sysext.system.control import CONTROL, KNOWN_GOOD
from tukit_sysext.system.process import TimedOut, run

GPGV = "/usr/bin/gpgv"
_TIMEOUT = 30.0


def check_signature(content: bytes, signature: bytes, keyrings: Sequence[bytes]) -> SignatureCheck:
    """What gpgv says of the signatures of ``content``. ``keyrings`` in binary form.

    Everything is handed over in memory: no file that another process could change. Raises ToolBroken where gpgv does
    not work, NoVerdict where it works and says nothing of these signatures.
    """
    CONTROL.recall(GPGV)
    try:
        checked = _ask(content, signature, keyrings)
    except NoVerdict:
        CONTROL.check(GPGV, try_gpgv)
        raise
    if checked.bad or not checked.good:
        CONTROL.check(GPGV, try_gpgv)
    return checked


def _ask(content: bytes, signature: bytes, keyrings: Sequence[bytes]) -> SignatureCheck:
    """One run. Raises NoVerdict where it does not come to its end, or says nothing."""
    with ExitStack() as stack:
        paths: list[str] = []
        descriptors: list[int] = []
        files = (*(("keyring", keyring) for keyring in keyrings), ("signature", signature), ("content", content))
        for name, data in files:
            descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
            stack.callback(os.close, descriptor)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            paths.append(f"/proc/self/fd/{descriptor}")
            descriptors.append(descriptor)
        *rings, detached, signed = paths
        options = [option for ring in rings for option in ("--keyring", ring)]
        argv = [GPGV, "--homedir", "/nonexistent", "--status-fd", "1", *options, detached, signed]
        try:
            result = run(argv, timeout=_TIMEOUT, descriptors=descriptors, cpu_seconds=int(_TIMEOUT))
        except TimedOut as error:
            raise NoVerdict(f"gpgv did not come to an end with it: {error}") from error
    checked = judge(result.output)
    silent = not checked.good and not checked.reasons
    if result.died or silent:
        raise NoVerdict(f"gpgv cannot tell: {result.died or result.said or 'it says nothing'}")
    return checked


def try_gpgv() -> None:
    """Check the signature that is known to be good. Raises NoVerdict where it is not accepted, ToolBroken."""
    content, signature, keyring = ((KNOWN_GOOD / name).read_bytes() for name in ("list", "list.sig", "keyring.gpg"))
    checked = _ask(content, signature, [keyring])
    if checked.bad or not checked.good:
        raise NoVerdict("; ".join(checked.reasons))
