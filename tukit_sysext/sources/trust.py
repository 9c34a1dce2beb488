# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose lists are accepted: the OpenPGP signature of a list, checked against the keyrings of its source.

A list is accepted when gpgv finds a good signature by a key of the keyring (one that is pinned, where any is), that is
not from the future, not older than the source's ``MaxAge=``, and not older than the newest one seen
(:mod:`tukit_sysext.sources.seen`). Of several good signatures the newest counts; one beside them by a key that is not
known does not matter.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from tukit_sysext.config.keyring import Keyring, paths
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import Busy, ImageBroken, MemoryUnreadable, NoVerdict
from tukit_sysext.formats import openpgp
from tukit_sysext.formats.gpgv_status import NOT_IN_KEYRING, Signature
from tukit_sysext.formats.openpgp import dearmour
from tukit_sysext.quantities import span_text, time_text
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.seen import LATEST, Seen
from tukit_sysext.system.gpgv import GPGV, check_signature

log = logging.getLogger(__name__)

_KIND = "signatures"
_REMEMBERED_FOR = 3600
"""Seconds for which a check is remembered: a key may expire meanwhile."""
_ADD_KEY = "tukit-sysext sources add {} URL --key FILE --force"
_BRINGS_KEY = f"{_ADD_KEY} brings the publisher's key"
_CLOCK_TOLERANCE = 300
"""Seconds by which the publisher's clock may be ahead of ours."""


class VerifiedSignature(NamedTuple):
    """A signature that was found good: the primary key's fingerprint, and the time of each good signature by key."""

    fingerprint: str
    times: Mapping[str, int]

    @property
    def newest(self) -> int:
        """The time of the newest one, in seconds since the epoch."""
        return max(self.times.values())


class Trust:
    """What one source's lists must have. ``seen`` remembers the newest."""

    def __init__(self, settings: SourceSettings, cache: Cache, *, seen: Seen) -> None:
        self._settings = settings
        self._cache = cache
        self._seen = seen

    def check(self, content: bytes, signature: Callable[[], bytes | None], *, where: str) -> VerifiedSignature | None:
        """Who signed a list, and when; None where the configuration asks for no signature.

        ``signature`` brings the detached signature, None where there is none. Raises ImageBroken where the list is
        refused, NoVerdict where gpgv crashed, ToolBroken where it does not work, MemoryUnreadable where it is unknown
        which lists were seen, and what ``signature`` raises.
        """
        if self._settings.doubt:
            raise ImageBroken(
                f"{where}: source {self._settings.name} is not trusted: {self._settings.doubt}",
                next_step=f"correct {self._settings.origin}",
            )
        if not self._settings.verify:
            return None
        rings = self._settings.keyrings
        name, origin = self._settings.name, self._settings.origin
        if not rings:
            raise ImageBroken(
                f"{where}: there is no keyring to check its signature with; {_BRINGS_KEY.format(name)}",
                next_step=f"set Keyring= in {origin}, or Verify=no to do without signatures, or add its key:\n"
                f"{_ADD_KEY.format(name)}",
            )
        detached = signature()
        if detached is None:
            raise ImageBroken(f"{where}: it is not signed, expected a signature beside it")
        keyrings = (ring.content for ring in rings)
        key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (content, detached, *keyrings)))
        good = self._cached_check(key.hexdigest())
        if good is None:
            good = self._run_gpgv(content, detached, rings, where=where)
            note = {"good": [[each.fingerprint, each.time] for each in good], "checked": int(time.time())}
            self._cache.put_note(_KIND, key.hexdigest(), note)
        known = self._current(self._pinned(good, where=where), where=where)
        newest = max(known, key=lambda each: each.time)
        self._check_replay(newest.time, self._trusted_fingerprints(rings), where=where)
        times: dict[str, int] = {}
        for each in known:
            times[each.fingerprint] = max(each.time, times.get(each.fingerprint, 0))
        return VerifiedSignature(fingerprint=newest.fingerprint, times=times)

    def remember(self, verified: VerifiedSignature | None) -> None:
        """Remember that a list passed every check. Never raises: what cannot be remembered is logged."""
        if verified is None:
            return
        try:
            self._seen.remember(self._settings.name, verified.times)
        except (OSError, Busy, MemoryUnreadable) as error:
            log.error("source %s: the time of its list cannot be remembered: %s", self._settings.name, error)

    def _pinned(self, good: Sequence[Signature], *, where: str) -> Sequence[Signature]:
        """Those by a pinned key, where keys are pinned. Raises ImageBroken where there is none."""
        pins = self._settings.fingerprints
        if pins is None:
            return good
        pinned = [signature for signature in good if signature.fingerprint in pins]
        if not pinned:
            keys, expected = ", ".join(dict.fromkeys(signature.fingerprint for signature in good)), " or ".join(pins)
            line = f"Fingerprint={good[0].fingerprint}"
            raise ImageBroken(
                f"{where}: its signature is refused: it is by the key {keys}, expected {expected} (Fingerprint=)",
                next_step=f"where that key is right as well, add {line} to {self._settings.origin}",
            )
        return pinned

    def _current(self, good: Sequence[Signature], *, where: str) -> Sequence[Signature]:
        """Those that are not from the future, the newest of them not too old. Raises ImageBroken."""
        now, longest = time.time(), self._settings.max_age
        current = [signature for signature in good if signature.time <= now + _CLOCK_TOLERANCE]
        if not current:
            raise ImageBroken(
                f"{where}: its signature is from the future, {time_text(good[0].time)}",
                next_step="is the clock of this machine right?\ntimedatectl",
            )
        made = max(signature.time for signature in current)
        if longest is not None and now - made > longest:
            raise ImageBroken(
                f"{where}: signed {time_text(made)}, {span_text(now - made)} ago; MaxAge= in "
                f"{self._settings.origin} allows {span_text(longest)}",
                next_step="ask the publisher for a list that is signed anew",
            )
        return current

    def _check_replay(self, made: int, trusted: Collection[str] | None, *, where: str) -> None:
        """Raise ImageBroken for a list that is older than one that was seen (threat N7), MemoryUnreadable."""
        name = self._settings.name
        seen = [when for key, when in self._seen.times(name).items() if trusted is None or key in trusted]
        newest = max(seen, default=made)
        if made >= newest:
            return
        message = f"{where}: signed {time_text(made)}, older than the newest list seen of source {name}, "
        message += f"signed {time_text(newest)}"
        if newest > time.time() + _CLOCK_TOLERANCE:
            message += " (which is in the future of this machine's clock)"
        raise ImageBroken(
            f"{message}; the mirror is behind, or an old list is served again",
            next_step=f"ask another mirror, or go back to that list:\ntukit-sysext sources reset {name}",
        )

    def _trusted_fingerprints(self, rings: Sequence[Keyring]) -> Collection[str] | None:
        """The keys whose remembered times count: those that are trusted now; None for all."""
        if self._settings.fingerprints is not None:
            return self._settings.fingerprints
        try:
            return {key.fingerprint for ring in rings for key in openpgp.public_keys(dearmour(ring.content))}
        except ValueError:
            return None  # gpgv reads more kinds of keyrings than we do

    def _cached_check(self, key: str) -> list[Signature] | None:
        note = self._cache.note(_KIND, key) or {}
        good, checked = note.get("good"), note.get("checked")
        if not isinstance(checked, int) or not 0 <= int(time.time()) - checked <= _REMEMBERED_FOR:
            return None
        if not isinstance(good, list) or not good:
            return None
        signatures: list[Signature] = []
        for entry in good:
            match entry:
                case [str(fingerprint), int(made)] if 0 <= made < LATEST:
                    signatures.append(Signature(fingerprint=fingerprint, time=made))
                case _:
                    return None
        return signatures

    def _run_gpgv(self, content: bytes, detached: bytes, rings: Sequence[Keyring], *, where: str) -> list[Signature]:
        """All good signatures. Raises ImageBroken where there is none, or one of other content beside them.

        Raises NoVerdict where gpgv dies of them, ToolBroken where it does not work.
        """
        try:
            checked = check_signature(content, detached, _usable(rings))
        except NoVerdict as error:
            step = f"see what {GPGV} says of this signature, and ask the publisher for a list that is signed anew"
            raise NoVerdict(f"{where}: its signature cannot be used: {error}", next_step=step) from error
        if checked.bad or not checked.good:
            add_key = _ADD_KEY.format(self._settings.name)
            reasons = "; ".join(checked.reasons) or "gpgv finds no good signature"
            if any(reason.endswith(NOT_IN_KEYRING) for reason in checked.reasons):
                reasons += f" {paths(rings)}; {_BRINGS_KEY.format(self._settings.name)}"
            raise ImageBroken(
                f"{where}: its signature is refused: {reasons}",
                next_step=f"is the publisher's key in {paths(rings)}? If not:\n{add_key}",
            )
        return list(checked.good)


def _usable(rings: Sequence[Keyring]) -> list[bytes]:
    """Keyrings for gpgv, which looks no further behind one that it cannot read: those that we cannot read come last.

    Raises ImageBroken where none of them can be used.
    """
    known: list[bytes] = []
    others: list[bytes] = []
    problems: list[str] = []
    for ring in rings:
        try:
            keys = dearmour(ring.content)
        except ValueError as error:
            problems.append(f"{ring.path}: cannot be used as a keyring: {error}")
            continue
        try:
            openpgp.public_keys(keys)
        except ValueError:
            others.append(keys)
        else:
            known.append(keys)
    if not known and not others:
        raise ImageBroken("; ".join(problems))
    return known + others
