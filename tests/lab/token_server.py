# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server that gives out the tokens of registries (Docker's token authentication), on loopback."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lab.running import HandlerServer

SERVICE, ISSUER = "lab-registry", "lab-tokens"
_LIFETIME = 300


class TokenServer(HandlerServer):
    """Gives who brings the login ("user:password") what he asks for, and others leave to pull, or nothing.

    ``certificate`` is what a registry knows its tokens by; ``asked`` has the scopes of each request that was granted.
    """

    def __init__(self, folder: Path, *, login: str, anonymous_pull: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "tokens.pem"
        self._key = folder / "tokens.key"
        self._authorization = f"Basic {b64encode(login.encode()).decode()}"
        self._anonymous_pull = anonymous_pull
        self.asked: list[tuple[str, ...]] = []
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens", "-days", "30"]
        files = ["-keyout", str(self._key), "-out", str(self.certificate)]
        subprocess.run([*argv, *files], check=True, capture_output=True)

        class Handler(BaseHTTPRequestHandler):
            server_version = "lab"

            def do_GET(handler) -> None:  # the server is self
                self._answer(handler)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)
        self.realm = f"http://127.0.0.1:{self.port}/token"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        scopes = [one for text in parse_qs(urlsplit(handler.path).query).get("scope", []) for one in text.split()]
        said = handler.headers.get("Authorization")
        known = said == self._authorization
        granted = known or (said is None and self._anonymous_pull)
        if granted:
            self.asked.append(tuple(scopes))
            document = {"token": self._token(scopes, {"pull", "push"} if known else {"pull"})}
        else:
            document = {"details": "the lab does not know this login"}
        body = json.dumps(document).encode()
        handler.send_response(200 if granted else 401)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _token(self, scopes: list[str], allowed: set[str]) -> str:
        """A JSON web token, signed RS256."""
        der = "".join(line for line in self.certificate.read_text().splitlines() if not line.startswith("-"))
        access = []
        for scope in scopes:
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            access.append({"type": kind, "name": name, "actions": sorted(set(actions.split(",")) & allowed)})
        now = int(time.time())
        times = {"nbf": now - 10, "iat": now, "exp": now + _LIFETIME}
        claims = {"iss": ISSUER, "sub": "lab", "aud": SERVICE, "jti": str(time.monotonic_ns()), "access": access}
        signed = f"{_encoded({'typ': 'JWT', 'alg': 'RS256', 'x5c': [der]})}.{_encoded({**claims, **times})}"
        argv = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        signature = subprocess.run(argv, input=signed.encode(), check=True, capture_output=True).stdout
        return f"{signed}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _encoded(document: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
