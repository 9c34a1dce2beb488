# SPDX-License-Identifier: LGPL-2.1-or-later
"""[Network], and the proxy that a system is set up with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trees import make_tree
from tukit_sysext.config.settings import Configuration, load_configuration
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.system_proxy import SystemProxy, system_proxy
from tukit_sysext.system.tree import Tree


def configuration(root: Path, *lines: str) -> Configuration:
    text = "\n".join(("[Network]", *lines, ""))
    with Tree(make_tree(root, {"etc/tukit-sysext/tukit-sysext.conf": text})) as tree:
        return load_configuration(tree)


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("ConnectTimeout=3", {"connect_timeout": 3}),
        ("Deadline=1min 30s", {"deadline": 90}),
        ("ImageDeadline=2h", {"image_deadline": 7200}),
        ("LeastRate=10K", {"least_rate": 10240}),
        ("CAFile=/etc/pki/own.pem", {"ca_file": "/etc/pki/own.pem"}),
        ("Proxy=http://proxy:3128", {"http_proxy": "http://proxy:3128", "https_proxy": "http://proxy:3128"}),
        ("NoProxy=localhost .example.org", {"no_proxy": "localhost,.example.org"}),
        ("NoProxy=localhost\nNoProxy=10.0.0.0/8", {"no_proxy": "localhost,10.0.0.0/8"}),
        ("Proxy=", {}),
        ("", {}),
    ],
)
def test_keys(tmp_path: Path, line: str, changes: dict[str, Any]) -> None:
    found = configuration(tmp_path, line)
    assert found.problems == ()
    assert found.settings.network == NetworkSettings(**changes)


@pytest.mark.parametrize(
    "line",
    [
        "ConnectTimeout=soon",
        "Deadline=-1",
        "ImageDeadline=1.5hrs",
        "LeastRate=fast",
        "CAFile=own.pem",
        "CAFile=/etc/../own.pem",
        "ConnectTimeout=0",
        "Deadline=0",
        "ImageDeadline=0",
        "Proxy=proxy",
        "Proxy=file:///etc/passwd",
        "Proxy=http://pr\u00f6xy:3128",
    ],
)
def test_a_wrong_value_is_named_and_the_default_counts(tmp_path: Path, line: str) -> None:
    found = configuration(tmp_path, line)
    assert found.settings.network == NetworkSettings()
    (problem,) = found.problems
    assert (problem.file, problem.line, problem.fault) == ("/etc/tukit-sysext/tukit-sysext.conf", 2, True)
    assert line.split("=")[0] in problem.message


@pytest.mark.parametrize("proxy", ["lab:geheim@proxy:3128", "ftp://lab:geheim@proxy", "ftp://lab:x@geheim@proxy"])
def test_the_password_of_a_wrong_proxy_is_not_repeated(tmp_path: Path, proxy: str) -> None:
    found = configuration(tmp_path, f"Proxy={proxy}")
    assert found.settings.network.http_proxy == ""
    (problem,) = found.problems
    assert "geheim" not in str(problem)


def test_what_a_newer_version_knows_is_no_fault(tmp_path: Path) -> None:
    found = configuration(tmp_path, "Newer=1", "Deadline=5")
    assert found.settings.network == NetworkSettings(deadline=5)
    assert [(problem.line, problem.fault) for problem in found.problems] == [(2, False)]


def test_the_proxy_goes_by_the_scheme() -> None:
    settings = NetworkSettings(http_proxy="http://one", https_proxy="http://two")
    assert settings.proxy_for("http://a/") == "http://one"
    assert settings.proxy_for("https://a/") == "http://two"


def proxy_of(root: Path, text: str | bytes) -> SystemProxy:
    return system_proxy(make_tree(root, {"etc/sysconfig/proxy": text}))


YAST = """\
## Path:\tNetwork/Proxy
## Type:\tyesno
PROXY_ENABLED="yes"
# Some programs use a proxy.
HTTP_PROXY="http://proxy.example.org:3128/"
HTTPS_PROXY="http://proxy.example.org:3129/"
FTP_PROXY=""
NO_PROXY="localhost, 127.0.0.1, .example.org"
"""


def test_the_proxy_of_the_system(tmp_path: Path) -> None:
    assert proxy_of(tmp_path, YAST) == SystemProxy(
        http="http://proxy.example.org:3128/",
        https="http://proxy.example.org:3129/",
        none_for="localhost, 127.0.0.1, .example.org",
    )


@pytest.mark.parametrize(
    ("text", "http"),
    [
        ("PROXY_ENABLED=yes\nHTTP_PROXY=http://a:1\n", "http://a:1"),
        ("PROXY_ENABLED='YES'\nHTTP_PROXY='http://a:1' # the old one\n", "http://a:1"),
        ('  PROXY_ENABLED="yes"\n\tHTTP_PROXY="http://a:1"\n', "http://a:1"),
        ('PROXY_ENABLED="yes"\nHTTP_PROXY="http://old"\nHTTP_PROXY="http://new"\n', "http://new"),
        ('PROXY_ENABLED="yes"\n#HTTP_PROXY="http://a:1"\n', ""),
        ('PROXY_ENABLED="yes"\nHTTP_PROXY=""\n', ""),
        ('PROXY_ENABLED="yes"\nHTTP_PROXY="http://a\n', ""),
        ('PROXY_ENABLED="yes"\nHTTP_PROXY="http://$(id)"\n', "http://$(id)"),
    ],
)
def test_values_are_taken_as_they_stand(tmp_path: Path, text: str, http: str) -> None:
    """It is a file of shell variables, and is not run."""
    assert proxy_of(tmp_path, text).http == http


@pytest.mark.parametrize(
    "text",
    [YAST.replace('"yes"', '"no"'), YAST.replace('"yes"', '""'), YAST.replace("PROXY_ENABLED", "OTHER"), "", b"\xff\0"],
)
def test_no_proxy(tmp_path: Path, text: str | bytes) -> None:
    assert proxy_of(tmp_path, text) == SystemProxy()


def test_no_such_file(tmp_path: Path) -> None:
    assert system_proxy(tmp_path) == SystemProxy()
    assert system_proxy(make_tree(tmp_path, {"etc/sysconfig/proxy": None})) == SystemProxy()
