# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that asks for credentials, from its files to a linked image, and where they must not be (threat N16)."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.lab.faults import Redirect
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext import cli
from tukit_sysext.integrity.repair import RepairOutcome, repair
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.transaction import Transaction, finalize

SECRET = "geheim-4711"  # noqa: S105  # of the test's own server
CODED = b64encode(f"labuser:{SECRET}".encode()).decode()
FILE = "etc/tukit-sysext/credentials/local"
pytestmark = pytest.mark.root


@pytest.fixture
def with_credentials(verify_site: VerifySite, key: SigningKey) -> VerifySite:
    """A machine with credentials for its source, a closed server."""
    site = verify_site
    make_tree(site.root, {"etc/systemd/import-pubring.gpg": key.public(), FILE: f"labuser:{SECRET}\n"})
    (site.root / FILE).chmod(0o600)
    (site.root / "etc/tukit-sysext/tukit-sysext.conf").write_text("[Network]\nDeadline=1\n")
    site.offer("1")
    Repository(site.source).sign(key)
    return site


@pytest.fixture
def server(with_credentials: VerifySite) -> Iterator[Server]:
    with Server(with_credentials.source, login=f"labuser:{SECRET}") as started:
        configure(with_credentials, started.url)
        yield started


def configure(site: VerifySite, *urls: str, more: str = f"Credentials=/{FILE}\n") -> None:
    text = "[Source]\n" + "".join(f"URL={url}\n" for url in urls) + more
    (site.root / "etc/tukit-sysext/sources.d/local.conf").write_text(text)


def run(site: VerifySite) -> Outcome:
    transaction = Transaction(machine=site.machine, path=site.root, number=1)
    return finalize(transaction, Plugins())


def authorizations(server: Server) -> set[str | None]:
    return {request.headers.get("authorization") for request in server.requests}


def nowhere(site: VerifySite, *texts: str) -> None:
    """The credentials are in no file of the machine but their own, and in none of the texts."""
    for path in site.root.rglob("*"):
        if path.is_file() and path != site.root / FILE:
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert CODED.encode() not in content, path
    for text in texts:
        assert SECRET not in text
        assert CODED not in text


def test_an_image_comes_and_the_credentials_are_nowhere_else(
    with_credentials: VerifySite, server: Server, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outcome = run(with_credentials)
    assert [change.text for change in outcome.changes] == ["gdb: 1 added, from source local"]
    assert authorizations(server) == {f"Basic {CODED}"}
    for argv in (["check", "--root", str(with_credentials.root)], ["status"], ["sources"], ["history"]):
        for more in ([], ["--json"]):
            cli.main([*argv, *more], machine=with_credentials.machine)
    record = json.loads((with_credentials.layout.records / f"{file_of('1')}.json").read_text())
    assert record["url"] == f"{server.url}/{file_of('1')}"
    nowhere(with_credentials, *capsys.readouterr(), caplog.text, repr(outcome))
    assert [path.name for path in with_credentials.layout.cache.iterdir()]  # there was something to look into


def test_a_repair_by_the_recorded_hash_brings_them_along(with_credentials: VerifySite, server: Server) -> None:
    run(with_credentials)
    (with_credentials.layout.store / file_of("1")).unlink()
    assessment = with_credentials.assess()
    (done,) = repair(with_credentials.machine, Plugins(), assessment.subject, assessment.wrong)
    assert done.outcome is RepairOutcome.REPAIRED


def test_without_them_the_reason_says_what_to_do(
    with_credentials: VerifySite, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    configure(with_credentials, server.url, more="")
    assert (
        "status 401 Unauthorized: it asks for credentials (Credentials= of the source)"
        in run(with_credentials).missed["gdb"]
    )


def test_wrong_ones_are_not_told(with_credentials: VerifySite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Server(with_credentials.source, login="labuser:other") as server:
        configure(with_credentials, server.url)
        outcome = run(with_credentials)
    assert "it does not take the credentials" in outcome.missed["gdb"]
    nowhere(with_credentials, caplog.text, *outcome.refusals.values())


def test_a_file_that_everybody_can_read_is_a_fault_that_refuses_nothing(
    with_credentials: VerifySite, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    (with_credentials.root / FILE).chmod(0o644)
    outcome = run(with_credentials)
    assert outcome.refusals == {}
    assert "expected a file of root with mode 0600" in caplog.text
    assert f"Basic {CODED}" not in authorizations(server)
    nowhere(with_credentials, caplog.text)


def test_an_image_that_comes_from_another_server_comes_without_them(
    with_credentials: VerifySite, server: Server
) -> None:
    with Server(with_credentials.source) as other:
        server.fail("*.raw", Redirect(url=f"{other.url}/{{path}}"))
        assert run(with_credentials).changes
        assert authorizations(other) == {None}
        assert [request.path for request in other.requests] == [f"/{file_of('1')}"]


def test_the_clear_is_not_used_beside_https(with_credentials: VerifySite, server: Server) -> None:
    """A mirror with plain HTTP is no place for them where the source has one with HTTPS."""
    configure(with_credentials, "https://127.0.0.1:1/", server.url)
    run(with_credentials)
    assert server.requests
    assert authorizations(server) == {None}


def test_every_mirror_of_the_source_is_told(with_credentials: VerifySite, server: Server) -> None:
    with Server(with_credentials.source, login=f"labuser:{SECRET}") as mirror:
        configure(with_credentials, server.url, mirror.url)
        server.fail("*.raw", Redirect(url="http://127.0.0.1:1/"))
        assert run(with_credentials).changes
        assert authorizations(mirror) == {f"Basic {CODED}"}


def test_the_clear_is_told_of(with_credentials: VerifySite, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sources"], machine=with_credentials.machine) == 0
    assert f"/{FILE} goes over the network in the clear" in capsys.readouterr().out
    configure(with_credentials, "https://127.0.0.1:1/", server.url)
    assert cli.main(["sources"], machine=with_credentials.machine) == 0
    assert "in the clear" not in capsys.readouterr().out
