# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources``: from a key file to a list that is believed, and what is said on the way."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.documents import faults
from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.trees import Content, Link, listing, make_tree
from tests.unit.sources.samples import offer, publish
from tukit_sysext import cli
from tukit_sysext.config import settings
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.seen import Seen
from tukit_sysext.system.tree import Tree

URL = "https://images.example.org/microos/"
CONF = "etc/tukit-sysext/sources.d/web.conf"
KEYS = "etc/tukit-sysext/keyrings/web.gpg"
IMPORT = "etc/systemd/import-pubring.gpg"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.shared()


@pytest.fixture(params=[True, False], ids=["armoured", "binary"])
def key_file(tmp_path: Path, key: SigningKey, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "key"
    path.write_bytes(key.public(request.param))
    return path


def source(site: PlainMachine, name: str = "web") -> SourceSettings:
    """The source as everybody else reads it, without any problem."""
    with Tree(site.root) as tree:
        found = settings.load_configuration(tree)
    assert found.problems == ()
    return found.sources[name]


def tell(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    """Output and messages of a command that ends with this status; no server is asked that is not there."""
    unseen = ["--no-check"] if URL in argv else []
    assert cli.main(["sources", *argv, *unseen], machine=site.machine) == status, capsys.readouterr()
    out, err = capsys.readouterr()
    return out + err


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> Any:
    assert cli.main(["sources", "--json"], machine=site.machine) == 0
    return json.loads(capsys.readouterr().out)


def files(site: PlainMachine) -> dict[str, Content]:
    """What is on the machine, but for the lock that keeps commands apart."""
    return {name: content for name, content in listing(site.root).items() if not name.startswith("run")}


def grouped(fingerprint: str) -> str:
    return " ".join(fingerprint[start : start + 4] for start in range(0, 40, 4))


def test_a_server_with_its_key(
    site: PlainMachine, key: SigningKey, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tell(site, capsys, "add", "web", URL, "http://mirror.example.org", "--key", str(key_file), "--priority", "5")
    assert grouped(key.fingerprint) in told
    assert key.name in told
    assert "compare this fingerprint" in told
    found = source(site)
    assert found.urls == (URL, "http://mirror.example.org/")
    assert (found.verify, found.fingerprints, found.priority) == (True, None, 5)
    assert [(ring.path, ring.content) for ring in found.keyrings] == [(f"/{KEYS}", key.public())]
    for path in (CONF, KEYS):
        assert (site.root / path).stat().st_mode & 0o777 == 0o644


def test_from_the_key_to_a_list_that_is_believed(
    site: PlainMachine, key: SigningKey, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = Repository(tmp_path / "images")
    offer(repository, "gdb", "1")
    publish(repository, key)
    tell(site, capsys, "add", "web", str(repository.folder), "--key", str(key_file), "--fingerprint", key.fingerprint)
    with Tree(site.root) as tree:
        (found,) = Plugins().sources(site.machine, settings.load_configuration(tree))
    assert [one.signer for one in found.candidates()] == [key.fingerprint]
    (row,) = document(site, capsys)["sources"]
    assert (row["name"], row["kind"], row["where"]) == ("web", "directory", [str(repository.folder)])
    assert row["keys"] == [
        {"fingerprint": key.fingerprint, "user_ids": [key.name], "expires": None, "keyrings": [f"/{KEYS}"]}
    ]
    assert (row["pinned"], row["newest_seen_key"], row["problems"]) == ([key.fingerprint], key.fingerprint, [])
    assert row["newest_seen"].endswith("Z")
    told = tell(site, capsys)
    assert grouped(key.fingerprint) in told
    assert "pinned" in told


def test_which_key_of_which_ring_signed(
    site: PlainMachine, key: SigningKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all keyrings of systemd; a key that is in none of them any more is said to be."""
    other = SigningKey.make(tmp_path / "key", expires=datetime.now(UTC) + timedelta(days=20))
    shipped = "usr/lib/systemd/import-pubring.pgp"
    repository = Repository(tmp_path / "images")
    offer(repository, "gdb", "1")
    publish(repository, other)
    make_tree(
        site.root,
        {
            IMPORT: key.public(),
            shipped: other.public(armoured=True),
            CONF: f"[Source]\nPath={repository.folder}\n",
        },
    )
    with Tree(site.root) as tree:
        (found,) = Plugins().sources(site.machine, settings.load_configuration(tree))
    assert [one.signer for one in found.candidates()] == [other.fingerprint]
    told = tell(site, capsys)
    assert f"by {other.fingerprint}, a key of /{shipped}" in told
    assert "    expires " in told
    (row,) = document(site, capsys)["sources"]
    assert row["keyrings"] == [f"/{IMPORT}", f"/{shipped}"]
    assert [(each["fingerprint"], each["keyrings"]) for each in row["keys"]] == [
        (key.fingerprint, [f"/{IMPORT}"]),
        (other.fingerprint, [f"/{shipped}"]),
    ]
    assert row["keys"][0]["expires"] is None and row["keys"][1]["expires"].endswith("Z")
    assert row["warnings"] == []
    (site.root / IMPORT).unlink()
    assert "expires on" in tell(site, capsys)
    assert ["expires on" in each for each in document(site, capsys)["sources"][0]["warnings"]] == [True]
    (site.root / shipped).write_bytes(key.public())
    assert f"by {other.fingerprint}, a key of no keyring of it any more" in tell(site, capsys)


def test_a_key_from_standard_input(
    site: PlainMachine, key: SigningKey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(key.public(True))))
    tell(site, capsys, "add", "web", URL, "--key", "-")
    assert (site.root / KEYS).read_bytes() == key.public()


def test_a_fingerprint_of_a_key_of_the_system(
    site: PlainMachine, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tell(site, capsys, "add", "web", URL, "--fingerprint", key.fingerprint, status=1)
    assert "--key FILE" in told
    make_tree(site.root, {IMPORT: key.public()})
    told = tell(site, capsys, "add", "web", URL, "--fingerprint", grouped(key.fingerprint).lower())
    assert grouped(key.fingerprint) in told
    found = source(site)
    assert found.fingerprints == (key.fingerprint,)
    assert [ring.path for ring in found.keyrings] == [f"/{IMPORT}"]
    assert not (site.root / KEYS).exists()


BAD_KEYS = {
    "empty": b"",
    "nonsense": b"nonsense",
    "armour without a key": b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
    "damaged armour": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----\n",
    "too large": bytes(1024 * 1024 + 1),
    "a page": b"<html>not found</html>",
}


@pytest.mark.parametrize("content", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_file_without_a_public_key(
    site: PlainMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "key").write_bytes(content)
    before = files(site)
    assert "key" in tell(site, capsys, "add", "web", URL, "--key", str(tmp_path / "key"), status=1)
    assert files(site) == before


def test_no_file_at_all(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "/none: the key cannot be read: No such file" in tell(
        site, capsys, "add", "web", URL, "--key", "/none", status=1
    )


def test_a_key_that_is_not_the_pinned_one(
    site: PlainMachine, key: SigningKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = SigningKey.make(tmp_path / "gpg")
    subkey = other.add_subkey()
    (tmp_path / "key").write_bytes(other.public())
    before = files(site)
    told = tell(
        site, capsys, "add", "web", URL, "--key", str(tmp_path / "key"), "--fingerprint", key.fingerprint, status=1
    )
    assert f"expected a key with the fingerprint {key.fingerprint}, found {other.fingerprint}" in told
    told = tell(site, capsys, "add", "web", URL, "--key", str(tmp_path / "key"), "--fingerprint", subkey, status=1)
    assert f"{subkey} is a subkey of {other.fingerprint}" in told
    assert files(site) == before


@pytest.mark.parametrize(
    "argv",
    [
        ["../web", URL],
        ["-x", URL],
        ["web", "ftp://images.example.org/"],
        ["web", "https://lab:geheim@images.example.org/"],
        ["web", "images.example.org"],
        ["web", "/no/such/folder"],
        ["web", "/", "/etc"],
        ["web", URL, "/"],
    ],
)
def test_wrong_words(
    site: PlainMachine, key: SigningKey, key_file: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    before = files(site)
    try:
        status: int = cli.main(["sources", "add", "--key", str(key_file), *argv], machine=site.machine)
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status == 2
    assert "geheim" not in "".join(capsys.readouterr())
    assert files(site) == before


@pytest.mark.parametrize("more", [[], ["--fingerprint", "ABCD1234"]])
def test_without_a_key(site: PlainMachine, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    assert "fingerprint" in tell(site, capsys, "add", "web", URL, *more, status=2)
    assert not (site.root / "etc/tukit-sysext").exists()


@pytest.mark.parametrize("there", [CONF, "usr/lib/tukit-sysext/sources.d/web.conf"])
@pytest.mark.parametrize("content", ["[Source]\nPath=/srv\n", "", Link("/dev/null")], ids=str)
def test_nothing_is_replaced_without_force(
    site: PlainMachine,
    key: SigningKey,
    key_file: Path,
    capsys: pytest.CaptureFixture[str],
    there: str,
    content: str | Link,
) -> None:
    make_tree(site.root, {there: content})
    before = files(site)
    told = tell(site, capsys, "add", "web", URL, "--key", str(key_file), status=1)
    assert f"/{there}: there is a source web already" in told
    assert "--force" in told
    assert files(site) == before
    tell(site, capsys, "add", "web", URL, "--key", str(key_file), "--force")
    assert source(site).urls == (URL,)


@pytest.mark.root
def test_another_key_for_the_same_place_keeps_the_rest(
    site: PlainMachine, key: SigningKey, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another place does not: no password goes to a server that it is not for."""
    more = f"Verify=no\nFingerprint={'F' * 40}\nMaxAge=30d\nPriority=7\nCredentials=/etc/c\n"
    make_tree(site.root, {CONF: f"[Source]\nURL={URL}\n{more}", "etc/c": "lab:geheim\n"})
    (site.root / "etc/c").chmod(0o600)
    tell(site, capsys, "add", "web", URL, "--key", str(key_file), "--force")
    found = source(site)
    assert (found.verify, found.fingerprints, found.max_age, found.priority) == (True, None, 30 * 86400, 7)
    assert found.credentials is not None and found.credentials.password == "geheim"  # noqa: S105
    tell(site, capsys, "add", "web", URL, "--key", str(key_file), "--force", "--priority", "8")
    assert source(site).priority == 8
    tell(site, capsys, "add", "web", "https://elsewhere.example/", "--key", str(key_file), "--force", "--no-check")
    assert (source(site).credentials, source(site).max_age, source(site).priority) == (None, None, 99)


def test_nothing_is_written_through_a_link(
    site: PlainMachine, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Threat L4."""
    (tmp_path / "elsewhere").mkdir()
    make_tree(site.root, {"etc/tukit-sysext/keyrings": Link(str(tmp_path / "elsewhere"))})
    tell(site, capsys, "add", "web", URL, "--key", str(key_file), status=1)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (site.root / CONF).exists()


@pytest.mark.parametrize("argv", [["add", "web", URL, "--key", "/key"], ["reset", "web"], ["remove", "web"]])
def test_changes_need_root(site: PlainMachine, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    site.as_user()
    before = files(site)
    assert f"sudo tukit-sysext sources {argv[0]}" in tell(site, capsys, *argv, status=1)
    assert files(site) == before


def test_everybody_may_list(site: PlainMachine, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "tukit-sysext sources add NAME URL --key FILE" in tell(site, capsys)
    tell(site, capsys, "add", "web", URL, "--key", str(key_file))
    site.as_user()
    before = files(site)
    assert URL in tell(site, capsys)
    assert files(site) == before


def test_what_is_wrong_is_told(site: PlainMachine, key: SigningKey, capsys: pytest.CaptureFixture[str]) -> None:
    other = "F" * 40
    folder = "etc/tukit-sysext/sources.d"
    make_tree(
        site.root,
        {
            f"{folder}/keyless.conf": f"[Source]\nURL={URL}\n",
            f"{folder}/open.conf": f"[Source]\nURL={URL}\nVerify=no\n",
            f"{folder}/pinned.conf": f"[Source]\nURL={URL}\nKeyring=/keys\nFingerprint={other}\n",
            f"{folder}/typo.conf": f"[Source]\nURL={URL}\nKeyring=/keys\nMaxAge=soon\n",
            "keys": key.public(),
            "var/lib/tukit-sysext/seen/typo": b"\0",
            "var/lib/tukit-sysext/seen/gone": json.dumps({"keys": {key.fingerprint: 1793527200}}),
        },
    )
    found = document(site, capsys)
    problems = {row["name"]: " ".join(row["problems"]) for row in found["sources"]}
    steps = {row["name"]: row["next_steps"] for row in found["sources"]}
    assert steps["keyless"] == ["tukit-sysext sources add keyless URL --key FILE --force"]
    assert (problems["open"], steps["open"]) == ("", [])
    assert f"/keys has no key {other}" in problems["pinned"]
    assert "MaxAge=soon" in problems["typo"]
    assert "cannot be read" in problems["typo"]
    assert [step.splitlines()[-1] for step in steps["typo"]] == ["tukit-sysext sources reset typo"]
    assert "next step" not in " ".join(problems.values())
    assert found["seen_only"] == ["gone"]
    told = tell(site, capsys)
    assert "not verified (Verify=no)" in told
    assert all(problem in told for problem in problems.values() if problem and " " not in problem)
    assert {"tukit-sysext sources reset typo", *steps["keyless"]} <= {line.strip() for line in told.splitlines()}


def test_a_reset_forgets_what_was_seen(
    site: PlainMachine, key: SigningKey, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(site, capsys, "add", "web", URL, "--key", str(key_file))
    assert "no list of it was seen yet" in tell(site, capsys, "reset", "web")
    Seen.of(site.machine).remember("web", {key.fingerprint: 1793527200})
    Seen.of(site.machine).remember("other", {key.fingerprint: 1793527200})
    assert "web: forgotten; the newest list seen was signed 2026-11-01" in tell(site, capsys, "reset", "web")
    assert Seen.of(site.machine).times("web") == {}
    assert Seen.of(site.machine).times("other") != {}
    # of a source that is not configured any more too, and of one whose memory is damaged
    (site.layout.seen / "web").write_bytes(b"\0")
    for name in ("other", "web"):
        assert f"{name}: forgotten" in tell(site, capsys, "reset", name)
    assert Seen.of(site.machine).sources() == []


@pytest.mark.parametrize("action", ["reset", "remove"])
def test_an_unknown_name(site: PlainMachine, key_file: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    tell(site, capsys, "add", "web", URL, "--key", str(key_file))
    assert 'No source "wep". Did you mean web?' in tell(site, capsys, action, "wep", status=1)
    assert "Known: web" in tell(site, capsys, action, "../../etc/shadow", status=1)


def test_a_source_and_its_key_go(site: PlainMachine, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(site.root, {"usr/lib/tukit-sysext/sources.d/vendor.conf": f"[Source]\nURL={URL}\n"})
    tell(site, capsys, "add", "web", URL, "--key", str(key_file))
    told = tell(site, capsys, "remove", "web")
    assert f"/{CONF} removed" in told
    assert f"/{KEYS} removed" in told
    assert not (site.root / CONF).exists()
    assert not (site.root / KEYS).exists()
    assert "ln -s /dev/null" in tell(site, capsys, "remove", "vendor", status=1)


def test_keys_that_another_source_names_stay(
    site: PlainMachine, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(site, capsys, "add", "web", URL, "--key", str(key_file))
    other = f"[Source]\nURL={URL}\nKeyring=/{KEYS}\n"
    make_tree(site.root, {"etc/tukit-sysext/sources.d/other.conf": other})
    for option in ("--dry-run", "--verbose"):
        told = tell(site, capsys, "remove", option, "web")
        assert f"/{KEYS} stays, as other has it too" in told
        assert f"/{KEYS} removed" not in told and f"/{KEYS} would be removed" not in told
    assert source(site, "other").keyrings
    tell(site, capsys, "remove", "other")
    assert (site.root / KEYS).exists(), "it is not called as that source is"


def test_images_that_are_wanted_from_it_are_told(
    site: PlainMachine, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(site, capsys, "add", "web", URL, "--key", str(key_file))
    images = {"gdb": "Source=web\n", "strace": "Source=main\n", "htop": "Source=web\nState=removed\n"}
    make_tree(
        site.root, {f"etc/tukit-sysext/images.d/{name}.conf": f"[Image]\n{text}" for name, text in images.items()}
    )
    for option in ("--dry-run", "--quiet"):
        told = tell(site, capsys, "remove", option, "web")
        assert "gdb is wanted from source web alone" in told and "install --source SOURCE gdb" in told
        assert "strace" not in told and "htop" not in told


@pytest.mark.parametrize(
    "argv",
    [
        ["add", "web", URL, "--key", "KEY", "--no-check"],
        ["remove", "web"],
        ["reset", "web"],
    ],
    ids=lambda argv: argv[0],
)
def test_what_is_done_as_json_or_in_silence(
    site: PlainMachine, key: SigningKey, key_file: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    argv = [str(key_file) if word == "KEY" else word for word in argv]
    if argv[0] != "add":
        tell(site, capsys, "add", "web", URL, "--key", str(key_file))
        Seen.of(site.machine).remember("web", {key.fingerprint: 1793527200})
    documents: list[Any] = []
    for words in (["sources", "--json", *argv, "-n"], ["sources", *argv, "--json", "-n"]):
        assert cli.main(words, machine=site.machine) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1]
    assert cli.main(["sources", *argv, "--dry-run", "-q"], machine=site.machine) == 0
    assert "web" in capsys.readouterr().out, "a dry run is there to be told"
    assert cli.main(["sources", *argv, "--json"], machine=site.machine) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {**documents[0], "dry_run": False}
    assert faults("sources", found) == []
    assert (found["action"], found["source"]) == (argv[0], "web")
    if argv[0] == "reset":
        assert (found["seen"], found["newest_seen"]) == (True, "2026-11-01T10:00:00Z")
        return
    (tree,) = found["trees"]
    assert {(file["path"], file["written"]) for file in tree["files"]} == {
        (f"/{path}", argv[0] == "add") for path in (CONF, KEYS)
    }


def test_quiet(site: PlainMachine, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(site, capsys, "add", "-q", "web", URL, "--key", str(key_file)) == ""
    assert tell(site, capsys, "reset", "-q", "web") == ""
    assert tell(site, capsys, "remove", "-q", "web") == ""
    assert not (site.root / CONF).exists()
