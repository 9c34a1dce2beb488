# SPDX-License-Identifier: LGPL-2.1-or-later
"""openssl(1): checks a signature against a public key, as cosign makes it (ECDSA or RSA with SHA-256)."""

from __future__ import annotations

import os
from contextlib import ExitStack

from tukit_sysext.errors import NoVerdict
from tukit_sysext.system.control import CONTROL
from tukit_sysext.system.process import TimedOut, run

OPENSSL = "/usr/bin/openssl"
_TIMEOUT = 5.0
_GOOD = "Verified OK\n"

_KNOWN_GOOD_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyM+JBJZRDfATtQJtGKxXYmarJyid
QqSaooUMA1FbSNfYQqPAENpYxL+8tShjPYETpSd/uv70FDTu1wGK0x5H2w==
-----END PUBLIC KEY-----
"""
_KNOWN_GOOD_SIGNATURE = bytes.fromhex(
    "3045022100ce962c1abf1dd7f5f7fd9b46226fc63820ba7f3dc89edf009d33f3dd8fed4151"
    "02201328975df070c728b41b40032185f7a10d8c7279ca14e91fa118929e750177ef"
)
_KNOWN_GOOD_CONTENT = b"known good\n"


def is_signed(content: bytes, signature: bytes, key: bytes) -> bool:
    """Whether this is a good signature of ``content`` by the public ``key`` (PEM).

    Everything is handed over in memory. Raises ToolBroken where openssl does not work, NoVerdict where it works and
    does not come to an end with this.
    """
    CONTROL.recall(OPENSSL)
    try:
        good = _ask(content, signature, key)
    except NoVerdict:
        CONTROL.check(OPENSSL, try_openssl)
        raise
    if not good:
        CONTROL.check(OPENSSL, try_openssl)
    return good


def _ask(content: bytes, signature: bytes, key: bytes) -> bool:
    with ExitStack() as stack:
        descriptors: list[int] = []
        for name, data in (("key", key), ("signature", signature), ("content", content)):
            descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
            stack.callback(os.close, descriptor)
            descriptors.append(descriptor)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        verify, detached, signed = (f"/proc/self/fd/{descriptor}" for descriptor in descriptors)
        argv = [OPENSSL, "dgst", "-sha256", "-verify", verify, "-signature", detached, signed]
        try:
            result = run(argv, timeout=_TIMEOUT, descriptors=descriptors, cpu_seconds=int(_TIMEOUT))
        except TimedOut as error:
            raise NoVerdict(f"openssl did not come to an end with it: {error}") from error
    if result.died:
        raise NoVerdict(f"openssl cannot tell: {result.died}")
    return result.status == 0 and result.output == _GOOD


def try_openssl() -> None:
    """Check the signature that is known to be good. Raises NoVerdict where it is not accepted, ToolBroken."""
    if not _ask(_KNOWN_GOOD_CONTENT, _KNOWN_GOOD_SIGNATURE, _KNOWN_GOOD_KEY):
        raise NoVerdict("openssl does not accept a good signature")
