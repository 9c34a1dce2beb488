# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which lists are believed: the rows N6 to N8, N10 and N11."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_WEB_LIST = "tukit_sysext/sources/web_list.py"
_TRUST = "tukit_sysext/sources/trust.py"
_LISTED = "tukit_sysext/sources/repository.py"
_LIST = "tukit_sysext/formats/checksums.py"
_STATUS = "tukit_sysext/formats/gpgv_status.py"
_SEEN = "tukit_sysext/sources/seen.py"
_U = "tests/unit"
_TRUSTED = f"{_U}/sources/test_trust.py"
_REPLAY = f"{_U}/sources/test_replay.py"
_SIGNED = f"{_U}/sources/test_web_signatures.py"
_LISTS = f"{_U}/formats/test_checksums.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "N6",
        "the day in a list does not count",
        _LISTED,
        "if listed.best_before is not None and",
        "if False and",
        f"{_SIGNED}::test_a_list_says_when_it_goes_stale",
    ),
    broken(
        "N6",
        "of several days the last counts",
        _LIST,
        "min(days, default=None)",
        "max(days, default=None)",
        f"{_LISTS}::test_of_several_days_the_first_counts",
    ),
    broken(
        "N6",
        "the age of a signature does not count",
        _TRUST,
        "if longest is not None and",
        "if False and",
        f"{_TRUSTED}::test_the_age_of_a_signature",
    ),
    broken(
        "N7",
        "an older list is believed",
        _TRUST,
        "if made >= newest:",
        "if True:",
        f"{_REPLAY}::test_an_older_list_is_refused_until_it_is_reset",
    ),
    broken(
        "N7",
        "the newest time is not remembered",
        _WEB_LIST,
        "self._trust.remember(good.verified)",
        "pass",
        f"{_REPLAY}::test_an_older_list_is_refused_until_it_is_reset",
    ),
    broken(
        "N7",
        "a remembered time goes down",
        _SEEN,
        "if when > known.get(key, -1)}",
        "}",
        f"{_U}/sources/test_seen.py",
    ),
    broken(
        "N7",
        "a memory that cannot be read is an empty one",
        _SEEN,
        'raise _unreadable(path, source, f"expected times by key',
        'return {}  # raise _unreadable(path, source, f"expected times by key',
        f"{_REPLAY}::test_a_memory_that_is_damaged_believes_nothing",
    ),
    broken(
        "N7",
        "the next mirror is not asked",
        _WEB_LIST,
        "bases.remove(base)",
        "bases.clear()",
        f"{_REPLAY}::test_a_mirror_that_is_behind_is_passed_over",
    ),
    broken(
        "N8",
        "a signature may be from the future",
        _TRUST,
        "if signature.time <= now + _CLOCK_TOLERANCE]",
        "]",
        f"{_TRUSTED}::test_a_signature_from_the_future",
    ),
    broken(
        "N8",
        "a reset forgets nothing",
        _SEEN,
        "self._path(source).unlink()",
        "pass",
        f"{_U}/commands/test_sources.py::test_a_reset_forgets_what_was_seen",
    ),
    broken(
        "N8",
        "what is blocked is fetched",
        "tukit_sysext/update/options.py",
        "    origin = blocked_by(facts, wanted, option)\n    if",
        "    origin = None\n    if",
        f"{_U}/update/test_blocked.py::test_what_is_blocked_is_not_fetched",
    ),
    broken(
        "N10",
        "an unsigned list is believed",
        _TRUST,
        'raise ImageBroken(f"{where}: it is not signed, expected a signature beside it")',
        "return None",
        f"{_TRUSTED}::test_no_signature",
    ),
    broken(
        "N10",
        "without a keyring everything is believed",
        _TRUST,
        "        if not rings:\n",
        "        if not rings:\n            return None\n",
        f"{_TRUSTED}::test_without_a_keyring_nothing_is_believed",
    ),
    broken(
        "N10",
        "a good signature makes up for one of another content",
        _TRUST,
        "if checked.bad or not checked.good:",
        "if not checked.good:",
        f"{_TRUSTED}::test_a_good_one_beside_one_of_another_content_is_refused",
    ),
    broken(
        "N10",
        "a key that is not pinned counts",
        _TRUST,
        "if signature.fingerprint in pins]",
        "]",
        f"{_TRUSTED}::test_a_pinned_key_alone_counts",
    ),
    broken(
        "N10",
        "a doubt in the configuration is none",
        _TRUST,
        "if self._settings.doubt:",
        "if False:",
        f"{_TRUSTED}::test_in_doubt_nothing_is_believed",
    ),
    broken(
        "N10",
        "what was checked once is good for any content",
        _TRUST,
        "for part in (content, detached, *keyrings)",
        "for part in (detached, *keyrings)",
        f"{_TRUSTED}::test_what_was_checked_is_remembered_for_these_bytes_alone",
    ),
    broken(
        "N10",
        "what was checked with other keyrings is good",
        _TRUST,
        "for part in (content, detached, *keyrings)",
        "for part in (content, detached)",
        f"{_TRUSTED}::test_what_was_checked_is_remembered_for_these_keyrings_alone",
    ),
    broken(
        "N10",
        "the environment switches signatures off",
        _TRUST,
        "if not self._settings.verify:",
        'if not self._settings.verify or __import__("os").environ.get("TUKIT_SYSEXT_VERIFY") == "no":',
        f"{_TRUSTED}::test_the_configuration_alone_switches_signatures_off",
    ),
    Defence(
        row="N11",
        what="a revoked key counts",
        edits=(
            (_STATUS, '    "REVKEYSIG": "the key {0} is revoked",\n', ""),
            (_STATUS, 'elif "GOODSIG" in words and "VALIDSIG" in words:', 'elif "VALIDSIG" in words:'),
        ),
        tests=(f"{_TRUSTED}::test_a_revoked_key",),
    ),
    Defence(
        row="N11",
        what="an expired key counts",
        edits=(
            (_STATUS, '    "EXPKEYSIG": "the key {0} has expired",\n', ""),
            (_STATUS, 'elif "GOODSIG" in words and "VALIDSIG" in words:', 'elif "VALIDSIG" in words:'),
        ),
        tests=(f"{_TRUSTED}::test_an_expired_key",),
    ),
    broken(
        "N11", "a weak hash counts", _STATUS, "if digest not in _STRONG:", "if False:", f"{_TRUSTED}::test_a_weak_hash"
    ),
    broken(
        "N11",
        "a signature of text counts",
        _STATUS,
        "if kind != _BINARY_DOCUMENT:",
        "if False:",
        f"{_TRUSTED}::test_a_signature_of_text",
    ),
    broken(
        "N11",
        "what was checked once is good for ever",
        _TRUST,
        "<= _REMEMBERED_FOR:",
        "<= 10**9:",
        f"{_TRUSTED}::test_what_is_remembered_does_not_outlive_the_key",
    ),
)
