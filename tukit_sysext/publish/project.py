# SPDX-License-Identifier: LGPL-2.1-or-later
"""A project of an OCI registry that is written to (distribution-spec 1.1): blobs, then manifests that name them.

A registry takes no manifest whose blobs it does not have, and turns a tag in one step: whoever reads it meanwhile has
the old manifest, or the new one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote, urljoin

from tukit_sysext.config.credentials import Credentials
from tukit_sysext.errors import ImageBroken, NotServed, SourceUnreachable
from tukit_sysext.formats.challenge import bearer
from tukit_sysext.formats.oci_names import blob_url, manifest_url
from tukit_sysext.formats.oci_urls import api_url
from tukit_sysext.net.handle import CHALLENGES, REDIRECTS, TRANSIENT, status_text
from tukit_sysext.net.login import Login
from tukit_sysext.net.redirects import Redirects, origin, refusal, shown_url
from tukit_sysext.net.sending import FileBody, NotAsked, Sender, SendReply, SendRequest
from tukit_sysext.net.tokens import Tokens
from tukit_sysext.rules.printable import excerpt

_TRIES = 4
_FIRST_PAUSE = 1.0


class Project:
    """The project at a URL ``oci://HOST/PROJECT/``. ``pause`` waits before a registry is asked again."""

    def __init__(
        self,
        url: str,
        sender: Sender,
        credentials: Credentials | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._api = api_url(url)
        self._sender = sender
        self._login = (
            Login.to((self._api,), user=credentials.user, password=credentials.password) if credentials else None
        )
        self._tokens = Tokens(self._login)
        self._is_basic = False
        self._pause = pause

    def has_blob(self, repository: str, sha256: str) -> bool:
        """Whether these bytes are there. Raises SourceUnreachable."""
        url = blob_url(self.url, repository, sha256)
        reply = self._again(lambda: self._ask(SendRequest(method="HEAD", url=url)))
        if reply.status in REDIRECTS:
            return self._has_elsewhere(url, reply)
        return self._is_there(reply, url)

    def put_blob(self, repository: str, sha256: str, body: bytes | FileBody) -> None:
        """Store these bytes. Raises SourceUnreachable."""
        url = f"{self._api}{repository}/blobs/uploads/"

        def upload() -> SendReply:
            begun = self._ask(SendRequest(method="POST", url=url, body=b""))
            if not begun.good:
                return begun
            place = _location(url, begun)
            against = refusal(url, place, Redirects.SECURE)
            if against:
                raise NotServed(f"{shown_url(url)}: the place for an upload {against}")
            place += f"{'&' if '?' in place else '?'}digest={quote(f'sha256:{sha256}')}"
            headers = ("Content-Type: application/octet-stream",)
            return self._ask(SendRequest(method="PUT", url=place, headers=headers, body=body))

        self._done(self._again(upload), url)

    def has_manifest(self, repository: str, reference: str, sha256: str, media_type: str) -> bool:
        """Whether a tag, or ``sha256:HASH``, names the manifest with this hash. Raises SourceUnreachable."""
        url = manifest_url(self.url, repository, reference)
        request = SendRequest(method="HEAD", url=url, headers=(f"Accept: {media_type}",))
        reply = self._again(lambda: self._ask(request))
        return self._is_there(reply, url) and reply.headers.get("docker-content-digest") == f"sha256:{sha256}"

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Have a tag, or ``sha256:HASH``, name a manifest. Raises SourceUnreachable."""
        url = manifest_url(self.url, repository, reference)
        headers = (f"Content-Type: {media_type}",)
        request = SendRequest(method="PUT", url=url, headers=headers, body=content)
        self._done(self._again(lambda: self._ask(request)), url)

    def _again(self, step: Callable[[], SendReply]) -> SendReply:
        """Do it, and again after a pause where the connection breaks off or the registry is busy."""
        pause = _FIRST_PAUSE
        for _ in range(_TRIES - 1):
            try:
                reply = step()
            except (NotServed, NotAsked):
                raise
            except SourceUnreachable:
                reply = None
            if reply is not None and reply.status not in TRANSIENT:
                return reply
            self._pause(pause)
            pause *= 2
        return step()

    def _ask(self, request: SendRequest) -> SendReply:
        """Ask with our login, which only the registry gets (threat N16)."""
        if origin(request.url) != origin(self._api):
            return self._sender.send(request)
        reply = self._sender.send(self._introduced(request))
        if reply.status == HTTPStatus.UNAUTHORIZED and self._is_known(request.url, reply.headers):
            reply = self._sender.send(self._introduced(request))
        return reply

    def _introduced(self, request: SendRequest) -> SendRequest:
        login = self._login if self._is_basic else None
        return replace(request, authorization=self._tokens.authorization(request.url) or "", login=login)

    def _is_known(self, url: str, headers: Mapping[str, str]) -> bool:
        """Whether there is another way to say who we are than the one that was refused; it is taken from now on."""
        wanted = headers.get(CHALLENGES, "")
        challenge = bearer(wanted)
        if challenge is None:
            before, self._is_basic = self._is_basic, self._login is not None and "basic" in wanted.lower()
            return self._is_basic and not before
        place, login = self._tokens.place(url, challenge)
        reply = self._sender.send(SendRequest(method="GET", url=place, login=login))
        if reply.good:
            try:
                self._tokens.take(url, reply.body, place)
            except ImageBroken as error:
                raise NotServed(str(error)) from error
        return reply.good

    def _has_elsewhere(self, url: str, reply: SendReply) -> bool:
        """Whether the server that a registry redirects to has it too; one that may not be asked counts as none."""
        place = _location(url, reply)
        if refusal(url, place, Redirects.SECURE):
            return False
        return self._again(lambda: self._ask(SendRequest(method="HEAD", url=place))).good

    def _is_there(self, reply: SendReply, url: str) -> bool:
        if reply.status == HTTPStatus.NOT_FOUND:
            return False
        self._done(reply, url)
        return True

    def _done(self, reply: SendReply, url: str) -> None:
        """Raise NotServed where a registry did not do what it was asked."""
        if reply.good:
            return
        message = f"{shown_url(url)}: the registry answers with status {status_text(reply.status)}{_words(reply.body)}"
        if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            known = "it does not allow that to these credentials" if self._login else "it asks for credentials"
            raise NotServed(f"{message}: {known}", next_step="tukit-sysext publish ... --credentials FILE")
        raise NotServed(message)


def _location(url: str, reply: SendReply) -> str:
    """Where an answer leads to; empty where that is no URL."""
    try:
        return urljoin(url, reply.headers.get("location", ""))
    except ValueError:
        return ""


def _words(body: bytes) -> str:
    """What a registry says of an error, in one line."""
    try:
        said = [error["message"] for error in json.loads(body)["errors"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return "".join(f" ({excerpt(text)})" for text in said[:1] if isinstance(text, str))
