# SPDX-License-Identifier: LGPL-2.1-or-later
"""What registries may want, and say: the rows N40 to N43."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_TOKENS = "tests/unit/net/test_tokens.py"
_REGISTRY = "tests/unit/sources/test_registry.py"
_LOGIN = "tukit_sysext/net/login.py"
_ATTEMPT = "tukit_sysext/net/attempt.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "N40",
        "over HTTP the password goes wherever a token is said to be",
        _LOGIN,
        'or not (server[0] == "https" or server[1] == there[1]):',
        "or False:",
        f"{_TOKENS}::test_over_http_the_password_goes_to_the_registrys_own_host_alone",
    ),
    broken(
        "N40",
        "a token is had over HTTP for a registry with HTTPS",
        _LOGIN,
        'if server[0] == "https" and there[0] != "https":',
        "if False:",
        f"{_TOKENS}::test_from_https_to_http_nothing_is_asked_for",
    ),
    broken(
        "N40",
        "a host that was redirected to wants a token, and gets one",
        _ATTEMPT,
        "if challenge is None or origin(self._place) != origin(self.url):",
        "if challenge is None:",
        f"{_TOKENS}::test_who_was_redirected_to_may_want_no_token",
    ),
    broken(
        "N40",
        "a token that is not taken is asked for again and again",
        _ATTEMPT,
        "if state.received <= state.challenged.get(self.url, -1):",
        "if False:",
        f"{_TOKENS}::test_a_token_that_is_not_taken_is_not_asked_for_again",
    ),
    broken(
        "N40",
        "a token is shown to another server",
        _LOGIN,
        "token = self._known.get(_repository(url))",
        "token = next(iter(self._known.values()), None)",
        f"{_TOKENS}::test_a_redirect_elsewhere_is_not_shown_the_token",
    ),
    broken(
        "N41",
        "bytes of a list are taken that are not those of its manifest",
        "tukit_sysext/sources/registry_list.py",
        "if hashlib.sha256(body).hexdigest() != layer.sha256:",
        "if False:",
        f"{_REGISTRY}::test_other_bytes_than_the_digest_says",
    ),
    broken(
        "N41",
        "a manifest that is an index with layers is read",
        "tukit_sysext/formats/oci.py",
        "if is_index == is_manifest or",
        "if",
        "tests/unit/formats/test_oci.py::test_what_is_both_an_index_and_a_manifest_is_none",
    ),
    broken(
        "N41",
        "a digest of another kind is taken",
        "tukit_sysext/formats/oci.py",
        "match = _DIGEST.fullmatch(value) if",
        "match = re.match('.*?([0-9a-fA-F]{64})', value) if",
        "tests/unit/formats/test_oci.py::test_what_is_refused",
    ),
)
