# SPDX-License-Identifier: LGPL-2.1-or-later
"""The status lines of gpgv (GnuPG's doc/DETAILS): what is known of each signature.

gpgv's exit status decides nothing: it is 0 for revoked and expired keys, and not 0 for a good signature beside one by a
key that is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tukit_sysext.rules.printable import excerpt

_PREFIX = "[GNUPG:] "
_STRONG = {"8": "SHA256", "9": "SHA384", "10": "SHA512", "12": "SHA3-256", "14": "SHA3-512"}
_BINARY_DOCUMENT = "00"
NOT_IN_KEYRING = "is not in the keyring"
"""How the reason ends where the key of a signature is not known."""
_VALIDSIG_FIELDS = 10
_MOST_DIGITS = 15


class Signature(NamedTuple):
    """A good signature: the fingerprint of the primary key, and when it was made (seconds since the epoch)."""

    fingerprint: str
    time: int


class SignatureCheck(NamedTuple):
    """All signatures of a file: the good ones, and why the others are none. ``bad``: one is of another content."""

    good: tuple[Signature, ...]
    reasons: tuple[str, ...]
    bad: bool


_REASONS = {
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key {0} has expired",
    "REVKEYSIG": "the key {0} is revoked",
    "BADSIG": "the signature by {0} is of another content",
    "ERRSIG": "the signature by {0} cannot be checked",
    "NODATA": "there is no signature in it",
    "UNEXPECTED": "there is something else than a signature in it",
}


def judge(output: str) -> SignatureCheck:
    """Read the status lines of one run of gpgv. Never raises."""
    good: list[Signature] = []
    reasons: list[str] = []
    bad = False
    for group in _groups(output):
        words = {line[0]: line for line in group}
        failed = next((word for word in _REASONS if word in words), None)
        if failed is not None:
            bad = bad or failed == "BADSIG"
            key = excerpt(words[failed][1]) if len(words[failed]) > 1 else "?"
            reason = _REASONS[failed].format(key)
            reasons.append(f"the key {key} {NOT_IN_KEYRING}" if "NO_PUBKEY" in words else reason)
        elif "GOODSIG" in words and "VALIDSIG" in words:
            signature = _valid(words["VALIDSIG"])
            if isinstance(signature, Signature):
                good.append(signature)
            else:
                reasons.append(signature)
    return SignatureCheck(good=tuple(good), reasons=tuple(reasons), bad=bad)


def _groups(output: str) -> Iterator[list[list[str]]]:
    """The lines of each signature, as words; NEWSIG begins one."""
    group: list[list[str]] = []
    # not splitlines(): what a key calls itself may hold characters that it takes for line ends
    for line in output.split("\n"):
        if not line.startswith(_PREFIX):
            continue
        words = line.removeprefix(_PREFIX).split()
        if not words:
            continue
        if words[0] == "NEWSIG" and group:
            yield group
            group = []
        group.append(words)
    if group:
        yield group


def _valid(words: list[str]) -> Signature | str:
    """VALIDSIG: fingerprint, date, time, expiry, version, reserved, algorithm, hash, class, primary fingerprint."""
    if len(words) < _VALIDSIG_FIELDS:
        return "gpgv says too little of the signature"
    fingerprint, made, digest, kind = words[1], words[3], words[8], words[9]
    primary = words[10] if len(words) > _VALIDSIG_FIELDS else fingerprint
    said = excerpt(primary)
    if digest not in _STRONG:
        return f"the signature by {said} uses a weak hash (OpenPGP number {excerpt(digest)})"
    if kind != _BINARY_DOCUMENT:
        return f"the signature by {said} is of class {excerpt(kind)}, expected 00 (a binary document)"
    if not made.isascii() or not made.isdigit() or len(made) > _MOST_DIGITS:
        return f"the signature by {said} has no time that can be read"
    return Signature(fingerprint=primary, time=int(made))
