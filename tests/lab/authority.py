# SPDX-License-Identifier: LGPL-2.1-or-later
"""A certificate authority of a test run's own, and certificates of servers on loopback.

Needs openssl (3.0 or newer) on the host. A certificate takes some 10 ms.
"""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lab.images import ToolFailed, ToolMissing

LOOPBACK = ("127.0.0.1", "localhost")

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_DAYS = 30

# The host's openssl.cnf is not looked at: distributions differ in what it adds.
_CONFIGURATION = """\
[req]
distinguished_name = subject
prompt = no
[subject]
CN = {subject}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{names}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A certificate and its secret key, in PEM files."""

    certificate_path: Path
    key_path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """A certificate authority; `server` is its certificate for 127.0.0.1 and localhost."""

    certificate_path: Path
    key_path: Path
    server: Certificate

    @classmethod
    def make(cls, folder: Path, *, name: str = "Lab CA", names: Sequence[str] = LOOPBACK) -> Self:
        """Make an authority and its server's certificate for `names` in `folder`.

        Other names make a server that clients must not trust. Raises ToolFailed with openssl's words.
        """
        folder.mkdir(parents=True, exist_ok=True)
        authority = _make(folder, "ca", "authority", name)
        server = _make(folder, "server", "server", names[0], names=names, issuer=authority)
        return cls(certificate_path=authority.certificate_path, key_path=authority.key_path, server=server)

    def server_context(self) -> ssl.SSLContext:
        """What a server needs to speak TLS with that certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificate_path, self.server.key_path)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client_context(self) -> ssl.SSLContext:
        """What a client in Python needs to trust this authority, and no other."""
        return ssl.create_default_context(cafile=self.certificate_path)


def _make(
    folder: Path,
    stem: str,
    section: str,
    subject: str,
    *,
    names: Sequence[str] = (),
    issuer: Certificate | None = None,
) -> Certificate:
    made = Certificate(certificate_path=folder / f"{stem}.pem", key_path=folder / f"{stem}.key")
    alternatives = ", ".join(_alternative(name) for name in names)
    configuration = folder / f"{stem}.cnf"
    configuration.write_text(
        _CONFIGURATION.format(subject=subject, names=f"subjectAltName = {alternatives}" if names else "")
    )
    argv = ["openssl", "req", "-x509", "-config", str(configuration), "-extensions", section, "-days", str(_DAYS)]
    argv += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"]
    argv += ["-keyout", str(made.key_path), "-out", str(made.certificate_path)]
    if issuer is not None:
        argv += ["-CA", str(issuer.certificate_path), "-CAkey", str(issuer.key_path)]
    environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=60, check=False)
    except FileNotFoundError as error:
        raise ToolMissing(f"openssl: not installed (PATH {_PATH})") from error
    if done.returncode != 0:
        raise ToolFailed(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}")
    return made


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
