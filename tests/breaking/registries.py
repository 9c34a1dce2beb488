# SPDX-License-Identifier: LGPL-2.1-or-later
"""What registries may want, and say: the rows N40 to N43."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_TOKENS = "tests/unit/net/test_tokens.py"
_TAGGED = "tests/unit/sources/test_tagged.py"
_TAGS = "tukit_sysext/sources/registry_tags.py"
_COSIGN = "tukit_sysext/sources/cosign.py"
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
    broken(
        "N42",
        "a layer with several files is taken",
        "tukit_sysext/system/unpacker.py",
        "if found or not member.isreg() or",
        "if not member.isreg() or",
        "tests/unit/system/test_unpack.py::test_another_layer_is_the_publishers",
    ),
    broken(
        "N42",
        "a link in a layer is taken for its file",
        "tukit_sysext/system/unpacker.py",
        "if found or not member.isreg() or",
        "if found or",
        "tests/unit/system/test_unpack.py::test_another_layer_is_the_publishers",
    ),
    broken(
        "N42",
        "a manifest that cannot be had now is as one that is not there",
        _TAGS,
        "if isinstance(result, NotFound | NotServed | ImageBroken):",
        "if isinstance(result, SourceUnreachable | ImageBroken):",
        f"{_TAGGED}::test_a_registry_in_trouble_says_nothing_of_what_there_is",
    ),
    broken(
        "N42",
        "a tag of a signature is a version",
        _TAGS,
        "if not names_no_version(tag) and said in",
        "if said in",
        f"{_TAGGED}::test_signatures_are_no_versions",
    ),
    broken(
        "N42",
        "a version with anything in it becomes part of a name",
        "tukit_sysext/sources/tagged.py",
        'file_name = check_component(f"{tagged.name}-{version}{ending}")',
        'file_name = f"{tagged.name}-{version}{ending}"',
        f"{_TAGGED}::test_an_odd_version_in_an_annotation",
    ),
    broken(
        "N43",
        "a good signature of another manifest is taken",
        _COSIGN,
        "if about != digest:",
        "if False:",
        f"{_TAGGED}::test_a_signature_of_another_manifest",
    ),
    broken(
        "N43",
        "a signature is not checked",
        _COSIGN,
        "elif self._is_good(content, signature):",
        "elif True:",
        f"{_TAGGED}::test_a_signature_by_another_key",
    ),
    broken(
        "N43",
        "what is not signed is offered beside what is",
        "tukit_sysext/sources/tagged.py",
        'if f"{each.name}:{each.tag}" in refused:',
        "if False:",
        f"{_TAGGED}::test_what_the_key_signed",
    ),
    broken(
        "N43",
        "the tag says which version it is, and nobody signed that",
        "tukit_sysext/sources/tagged.py",
        "if not version and self._settings.cosign_key is not None:",
        "if False:",
        f"{_TAGGED}::test_what_is_signed_has_to_say_its_version",
    ),
    broken(
        "N43",
        "what an index names may have other bytes",
        _TAGS,
        "if _sha256(body) != sha256:",
        "if False:",
        f"{_TAGGED}::test_a_digest_that_lies",
    ),
    broken(
        "N43",
        "openssl that fails on everything convicts",
        "tukit_sysext/system/openssl.py",
        "    if not good:\n        CONTROL.check(OPENSSL, try_openssl)",
        "",
        "tests/unit/system/test_openssl.py::test_one_that_does_not_work_convicts_nobody",
    ),
    broken(
        "N43",
        "a key of cosign that cannot be read leads to another trust",
        "tukit_sysext/config/settings.py",
        'doubts.append(Problem(file=origin, line=0, message=f"CosignKey=: {error}"))\n'
        "        problems.append(doubts[-1])",
        'problems.append(Problem(file=origin, line=0, message=f"CosignKey=: {error}"))',
        "tests/unit/config/test_sources.py::test_a_key_of_cosign_that_contradicts_is_not_believed",
    ),
    broken(
        "N43",
        "each signature of which openssl hangs is waited for",
        _COSIGN,
        "            self._stuck = True\n",
        "",
        f"{_TAGGED}::test_one_signature_that_nobody_can_check_is_waited_for",
    ),
)
