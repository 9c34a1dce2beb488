# SPDX-License-Identifier: LGPL-2.1-or-later
"""gpgv(1): checks a detached OpenPGP signature against a keyring."""

from __future__ import annotations

import os
from contextlib import ExitStack

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.gpgv_status import SignatureCheck, judge
from tukit_sysext.system.process import TimedOut, run

_GPGV = "/usr/bin/gpgv"
_TIMEOUT = 30.0


def check_signature(content: bytes, signature: bytes, keyring: bytes) -> SignatureCheck:
    """What gpgv says of the signatures of ``content``. ``keyring`` in binary form.

    Everything is handed over in memory: no file that another process could change. Raises ToolMissing without gpgv,
    ImageBroken where it does not come to an end.
    """
    with ExitStack() as stack:
        paths: list[str] = []
        descriptors: list[int] = []
        for name, data in (("keyring", keyring), ("signature", signature), ("content", content)):
            descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
            stack.callback(os.close, descriptor)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            paths.append(f"/proc/self/fd/{descriptor}")
            descriptors.append(descriptor)
        argv = [_GPGV, "--homedir", "/nonexistent", "--status-fd", "1", "--keyring", *paths]
        try:
            result = run(argv, timeout=_TIMEOUT, descriptors=descriptors, cpu_seconds=int(_TIMEOUT))
        except TimedOut as error:
            raise ImageBroken(f"gpgv did not come to an end with the signature: {error}") from error
    return judge(result.output)
