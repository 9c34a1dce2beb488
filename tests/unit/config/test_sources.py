# SPDX-License-Identifier: LGPL-2.1-or-later
"""sources.d: servers, whether they must sign, and by which keys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab.signing import SigningKey
from tests.trees import Content, Link, make_tree
from tests.unit.sources.samples import trust
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import Configuration, SourceSettings, load_configuration
from tukit_sysext.sources.trusted_keys import trusted_keys
from tukit_sysext.system.tree import Tree

FOLDER = "etc/tukit-sysext/sources.d"
ETC, USR = "etc/systemd/import-pubring", "usr/lib/systemd/import-pubring"


def configuration(root: Path, text: str, entries: Mapping[str, Content] | None = None) -> Configuration:
    with Tree(make_tree(root, {f"{FOLDER}/web.conf": f"[Source]\n{text}", **(entries or {})})) as tree:
        return load_configuration(tree)


def source(root: Path, text: str, entries: Mapping[str, Content] | None = None) -> SourceSettings:
    """A source in which nothing is wrong."""
    found = configuration(root, text, entries)
    assert found.problems == ()
    return found.sources["web"]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("URL=https://a.example/x/\n", ["https://a.example/x/"]),
        ("URL=https://a.example/x\n", ["https://a.example/x/"]),
        ("URL=https://a.example\n", ["https://a.example/"]),
        ("URL=https://a/x http://b:8080/y/\n", ["https://a/x/", "http://b:8080/y/"]),
        ("URL=https://a/\nURL=https://b/\n", ["https://a/", "https://b/"]),
        ("URL=https://a/ https://b/\nURL=https://c/\n", ["https://a/", "https://b/", "https://c/"]),
        ("URL=https://a/ \\\n  https://b/\n", ["https://a/", "https://b/"]),
        ("URL=https://a/\nURL=\nURL=https://b/\n", ["https://b/"]),
        ("URL=http://[::1]:8080/x/\n", ["http://[::1]:8080/x/"]),
        ("Path=/srv\n", []),
        ("URL=oci://a.example/images\n", ["oci://a.example/images/"]),
        ("URL=OCI://a.example:5000/team/images/\n", ["oci://a.example:5000/team/images/"]),
        ("URL=oci+http://127.0.0.1:5000\n", ["oci+http://127.0.0.1:5000/"]),
    ],
)
def test_urls(tmp_path: Path, text: str, urls: list[str]) -> None:
    assert list(source(tmp_path, text).urls) == urls


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "file:///srv/images",
        "a.example/images",
        "/srv/images",
        "https://",
        "https:///images",
        "https://a.example/images?x=1",
        "https://a.example/images#x",
        "http://[::1/",
        "http://a.example:port/",
        "http://a.example:99999/",
        "http://b\u00fccher.example/",
        "http://a.example/\u00fc/",
        "oci://a.example/Images",
        "oci://a.example/a//b",
        "oci://a.example/images:latest",
        "oci://a.example/../images",
        "oci://user:secret@a.example/images",
        "oci:///images",
        "oci+https://a.example/images",
    ],
)
def test_what_is_no_url_of_a_directory_is_named_and_the_others_count(tmp_path: Path, url: str) -> None:
    found = configuration(tmp_path, f"URL={url} https://good.example/\n")
    assert found.sources["web"].urls == ("https://good.example/",)
    (problem,) = found.problems
    assert (problem.file, problem.line, problem.fault) == (f"/{FOLDER}/web.conf", 2, True)
    assert "URL=" in problem.message


@pytest.mark.parametrize("credentials", ["lab:geheim", "geheim", ":geheim", "lab%40x:geheim"])
def test_credentials_in_a_url_are_refused_and_not_repeated(tmp_path: Path, credentials: str) -> None:
    """Threat N16: the problem ends in logs, in `status` and in JSON."""
    found = configuration(tmp_path, f"URL=https://{credentials}@a.example/\n")
    assert found.sources["web"].urls == ()
    (problem,) = found.problems
    assert problem.line == 2
    assert "user name or password" in problem.message
    assert "geheim" not in str(problem)


@pytest.mark.parametrize("url", ["https://lab:x@geheim@a.example/", "https://lab:geheim/x@a.example/", "lab:geheim@a/"])
def test_what_may_be_a_password_is_not_repeated_either(tmp_path: Path, url: str) -> None:
    """With characters in it that should have been escaped, or with a part forgotten."""
    found = configuration(tmp_path, f"URL={url}\n")
    assert found.sources["web"].urls == ()
    (problem,) = found.problems
    assert "geheim" not in str(problem)


def test_a_list_must_be_signed_unless_said_otherwise(tmp_path: Path) -> None:
    assert source(tmp_path, "URL=https://a/\n").verify is True


@pytest.mark.parametrize(
    ("text", "verify"),
    [("yes", True), ("TRUE", True), ("1", True), ("on", True), ("no", False), ("Off", False), ("0", False)],
)
def test_verify(tmp_path: Path, text: str, verify: bool) -> None:
    assert source(tmp_path, f"URL=https://a/\nVerify={text}\n").verify is verify


@pytest.mark.parametrize("text", ["maybe", "2", "no!", "signature"])
def test_a_wrong_word_does_not_switch_verification_off(tmp_path: Path, text: str) -> None:
    found = configuration(tmp_path, f"URL=https://a/\nVerify={text}\n")
    assert found.sources["web"].verify is True
    assert [problem.line for problem in found.problems] == [3]


def test_the_last_word_counts(tmp_path: Path) -> None:
    assert source(tmp_path, "URL=https://a/\nVerify=no\nVerify=yes\n").verify is True
    assert source(tmp_path, "URL=https://a/\nVerify=no\nVerify=\n").verify is True


@pytest.mark.parametrize(
    "there",
    [
        [],
        [f"{USR}.gpg"],
        [f"{USR}.pgp", f"{USR}.gpg"],
        [f"{ETC}.gpg", f"{USR}.pgp"],
        [f"{ETC}.pgp", f"{ETC}.gpg", f"{USR}.pgp", f"{USR}.gpg"],
    ],
)
def test_all_import_keyrings_count(tmp_path: Path, there: list[str]) -> None:
    """The distribution's in /usr and the administrator's in /etc, of both kinds."""
    found = source(tmp_path, "URL=https://a/\n", {path: path.encode() for path in reversed(there)}).keyrings
    assert found == tuple(Keyring(path=f"/{path}", content=path.encode()) for path in there)


def test_an_import_keyring_that_cannot_be_read_takes_nothing_from_the_others(tmp_path: Path) -> None:
    found = configuration(tmp_path, "URL=https://a/\n", {f"{ETC}.pgp/x": b"", f"{USR}.gpg": b"keys"})
    assert found.sources["web"].keyrings == (Keyring(path=f"/{USR}.gpg", content=b"keys"),)
    (problem,) = found.problems
    assert f"Keyring=: /{ETC}.pgp" in problem.message or f"{ETC}.pgp" in problem.message


def test_an_armoured_key_by_its_path(tmp_path: Path) -> None:
    """As openSUSE-build-key brings them, of which no list is made first."""
    path = "usr/lib/rpm/gnupg/keys/gpg-pubkey-29b700a4-62b07e22.asc"
    key = SigningKey.shared()
    found = source(tmp_path, f"URL=https://a/\nKeyring=/{path}\n", {path: key.public(armoured=True)})
    (trusted,) = trusted_keys(found, time.time()).keys
    assert (trusted.key.fingerprint, trusted.keyrings) == (key.fingerprint, (f"/{path}",))
    believed = trust(found, tmp_path / "cache").check(b"list", lambda: key.sign(b"list"), where="LIST")
    assert believed is not None and believed.fingerprint == key.fingerprint


def test_the_keyring_that_is_named_counts_alone(tmp_path: Path) -> None:
    entries = {f"{ETC}.pgp": b"systemd's", "etc/keys/own.gpg": b"own"}
    found = source(tmp_path, "URL=https://a/\nKeyring=/etc/keys/own.gpg\n", entries)
    assert found.keyrings == (Keyring(path="/etc/keys/own.gpg", content=b"own"),)


def test_a_named_keyring_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    found = configuration(tmp_path, "URL=https://a/\nKeyring=/etc/keys/own.gpg\n", {f"{ETC}.pgp": b"systemd's"})
    assert (found.sources["web"].verify, found.sources["web"].keyrings) == (True, ())
    (problem,) = found.problems
    assert "Keyring=" in problem.message
    assert "/etc/keys/own.gpg" in problem.message


@pytest.mark.parametrize("text", ["own.gpg", "/etc/../own.gpg"])
def test_a_wrong_path_of_a_keyring_is_not_replaced_by_another(tmp_path: Path, text: str) -> None:
    """Whoever names a keyring does not trust the system's."""
    found = configuration(tmp_path, f"URL=https://a/\nKeyring={text}\n", {f"{ETC}.pgp": b"systemd's"})
    assert found.problems[0].line == 3
    assert (found.sources["web"].verify, found.sources["web"].keyrings) == (True, ())


def test_a_keyring_out_of_the_tree_is_not_read(tmp_path: Path) -> None:
    """The tree's own files count: what links out of it is the running system's."""
    (tmp_path / "secret").write_bytes(b"of the running system")
    found = configuration(tmp_path / "tree", "URL=https://a/\n", {f"{ETC}.pgp": Link("../../../secret")})
    assert all(keyring.content != b"of the running system" for keyring in found.sources["web"].keyrings)


def test_a_keyring_that_is_a_directory_is_named(tmp_path: Path) -> None:
    found = configuration(tmp_path, "URL=https://a/\n", {f"{ETC}.pgp/x": b""})
    assert found.sources["web"].keyrings == ()
    assert "Keyring=" in found.problems[0].message


def test_without_verification_no_keyring_is_missed(tmp_path: Path) -> None:
    found = source(tmp_path, "URL=https://a/\nVerify=no\nKeyring=/none\n")
    assert found.keyrings == ()


FPR = "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ("", None),
        (f"Fingerprint={FPR}\n", (FPR,)),
        (f"Fingerprint=0x{FPR.lower()}\n", (FPR,)),
        (f"Fingerprint={FPR} {FPR[::-1]}\nFingerprint={FPR * 2}"[:-16] + "\n", (FPR, FPR[::-1], (FPR * 2)[:64])),
        (f"Fingerprint={FPR}\nFingerprint=\n", None),
    ],
)
def test_pinned_keys(tmp_path: Path, text: str, pins: tuple[str, ...] | None) -> None:
    found = source(tmp_path, f"URL=https://a/\n{text}")
    assert (found.fingerprints, found.doubt) == (pins, "")


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("MaxAge=30d\n", 30 * 86400), ("MaxAge=1h 30min\n", 5400)])
def test_max_age(tmp_path: Path, text: str, seconds: int | None) -> None:
    assert source(tmp_path, f"URL=https://a/\n{text}").max_age == seconds


@pytest.mark.parametrize(
    "text",
    [
        f"Fingerprint={FPR[:16]}\n",
        f"Fingerprint={FPR} {FPR[:-1]}x\n",
        "Fingerprint=all\n",
        "MaxAge=0\n",
        "MaxAge=a month\n",
        "MaxAge=-1d\n",
        f"Verify=no\nFingerprint={FPR}\n",
        "Verify=no\nMaxAge=30d\n",
    ],
)
def test_a_fault_in_what_would_be_stricter_is_a_doubt(tmp_path: Path, text: str) -> None:
    """Whoever pins a key, and errs, does not want all keys."""
    found = configuration(tmp_path, f"URL=https://a/\n{text}")
    assert found.problems
    assert found.sources["web"].doubt
    assert not found.sources["web"].trusted


def test_a_registry(tmp_path: Path) -> None:
    found = source(tmp_path, "URL=oci://a.example/images\nURL=oci+http://b.example/cache/images\n")
    assert found.in_registry
    assert found.servers == ("https://a.example/v2/images/", "http://b.example/v2/cache/images/")


@pytest.mark.parametrize("scheme", ["https", "oci"])
@pytest.mark.parametrize("plain", ["http", "oci+http"])
def test_a_password_in_the_clear(tmp_path: Path, scheme: str, plain: str) -> None:
    secret: dict[str, Content] = {"etc/secret": "lab:geheim"}
    for number, (kind, expected) in enumerate(((scheme, False), (plain, True))):
        make_tree(tmp_path / str(number), secret)
        (tmp_path / str(number) / "etc/secret").chmod(0o600)
        found = source(tmp_path / str(number), f"URL={kind}://a.example/images\nCredentials=/etc/secret\n")
        assert found.tells_in_the_clear is expected


def test_a_directory_and_a_registry_are_two_sources(tmp_path: Path) -> None:
    """Nothing of it is used: it is unknown which was meant."""
    found = configuration(tmp_path, "URL=https://a.example/images/ oci://a.example/images\n")
    (problem,) = found.problems
    assert "directories and registries" in problem.message
    assert found.sources["web"].doubt


_PEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
_COSIGN = {"etc/cosign.pub": _PEM, "etc/odd.pub": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}


def test_a_key_of_cosign(tmp_path: Path) -> None:
    """No other key counts beside it, systemd's neither."""
    entries: dict[str, Content] = {**_COSIGN, f"{USR}.gpg": SigningKey.shared().public()}
    found = source(tmp_path, "URL=oci://a.example/images\nCosignKey=/etc/cosign.pub\n", entries)
    assert found.cosign_key is not None and found.cosign_key.content == _PEM.encode()
    assert (found.keyrings, found.has_signed_list, found.doubt) == ((), False, "")
    assert trusted_keys(found, time.time()).problems == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CosignKey=/etc/none.pub\n", "/etc/none.pub: there is no such file"),
        ("CosignKey=/etc/odd.pub\n", "/etc/odd.pub: expected one public key in PEM form"),
        ("CosignKey=/etc/cosign.pub\nVerify=no\n", "which Verify=no switches off"),
        ("CosignKey=/etc/cosign.pub\nMaxAge=30d\n", "about a signed list, which CosignKey= does without"),
        ("CosignKey=/etc/cosign.pub\nKeyring=/etc/keys.gpg\n", "about a signed list, which CosignKey= does without"),
        ("CosignKey=/etc/cosign.pub\nURL=\nURL=https://a.example/\n", "CosignKey= is for registries"),
        ("CosignKey=/etc/cosign.pub\nURL=\nPath=/srv\n", "CosignKey= is for registries"),
    ],
)
def test_a_key_of_cosign_that_contradicts_is_not_believed(tmp_path: Path, text: str, words: str) -> None:
    """Something stricter may have been meant."""
    entries: dict[str, Content] = {**_COSIGN, f"{USR}.gpg": SigningKey.shared().public()}
    found = configuration(tmp_path, f"URL=oci://a.example/images\n{text}", entries)
    assert any(words in problem.message for problem in found.problems)
    assert found.sources["web"].doubt


def test_a_key_of_cosign_that_is_no_path(tmp_path: Path) -> None:
    """Who named one, if wrongly, does not mean to trust systemd's keys."""
    entries: dict[str, Content] = {f"{USR}.gpg": SigningKey.shared().public()}
    found = configuration(tmp_path, "URL=oci://a.example/images\nCosignKey=cosign.pub\n", entries)
    assert found.sources["web"].keyrings == ()
    assert found.problems
