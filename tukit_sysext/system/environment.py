# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our own environment, made before anything is imported that reads it (threat L7).

A caller that keeps his environment (``sudo -E``) would else decide where OpenSSL finds authorities and modules
(SSL_CERT_FILE, OPENSSL_CONF), to which file libcurl writes the keys of connections (SSLKEYLOGFILE), how names are
resolved (HOSTALIASES, RES_OPTIONS), and where temporary files go (TMPDIR). What only decides how a terminal is written
to stays. What the program loader and the C library read before Python runs (LD_*, GCONV_PATH) nobody can take back:
sudo and systemd do not pass it on, and the hooks start us with ``env -i``; PYTHON* is ignored by ``python3 -I``.
"""

from __future__ import annotations

import os
import re

PATH = "/usr/bin:/usr/sbin:/bin:/sbin"

_KEPT = ("TERM", "COLUMNS", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "SUDO_UID")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
"""A time zone by its name; tzset(3) would read any file that TZ names."""


def make_our_own() -> None:
    """Leave of the process's environment only what decides how times and text are shown, and whom sudo names."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    zone = os.environ.get("TZ", "")
    if _ZONE.fullmatch(zone):
        kept["TZ"] = zone
    os.environ.clear()
    os.environ.update(kept, PATH=PATH)
