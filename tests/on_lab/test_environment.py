# SPDX-License-Identifier: LGPL-2.1-or-later
"""No variable of a caller's environment changes what we do, or which files we touch (threat L7).

For the hook, which tukit starts with nearly all of its caller's environment, and for the command line as ``sudo -E``
would start it. What the program loader reads before any program runs (LD_*) is sudo's to take away, and the shell's of
the hook not ours; that nothing of it reaches Python is shown in test_hooks.
"""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.authority import Authority
from tests.lab.server import Server
from tests.on_lab.site import NEW, OLD, STATE, Site, Web
from tests.on_lab.test_full_disk import SNAPPER, TUKIT, open_update

POISON = "/var/poison"
NOBODY = "http://127.0.0.1:9/"
"""A proxy that is not there: who asked it would fail."""

VARIABLES: Mapping[str, str] = {
    # Python
    "PYTHONPATH": POISON,
    "PYTHONHOME": POISON,
    "PYTHONSTARTUP": f"{POISON}/sitecustomize.py",
    "PYTHONUSERBASE": POISON,
    "PYTHONPYCACHEPREFIX": POISON,
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "PYTHONPLATLIBDIR": POISON,
    # its libraries
    "TMPDIR": POISON,
    "TEMP": POISON,
    "SQLITE_TMPDIR": POISON,
    "TZ": f":{POISON}/zone",
    "TZDIR": POISON,
    "HOME": POISON,
    "XDG_CONFIG_HOME": POISON,
    "XDG_CACHE_HOME": POISON,
    "PATH": POISON,
    # libcurl and what it uses
    "http_proxy": NOBODY,
    "https_proxy": NOBODY,
    "HTTP_PROXY": NOBODY,
    "HTTPS_PROXY": NOBODY,
    "ALL_PROXY": NOBODY,
    "all_proxy": NOBODY,
    "NO_PROXY": "*",
    "NETRC": f"{POISON}/netrc",
    "CURL_HOME": POISON,
    "CURL_CA_BUNDLE": f"{POISON}/authorities.pem",
    "SSL_CERT_FILE": f"{POISON}/authorities.pem",
    "SSL_CERT_DIR": POISON,
    "SSLKEYLOGFILE": f"{POISON}/keys",
    "OPENSSL_CONF": f"{POISON}/openssl.cnf",
    "OPENSSL_MODULES": POISON,
    "OPENSSL_ENGINES": POISON,
    "HOSTALIASES": f"{POISON}/hosts",
    "RES_OPTIONS": "timeout:1",
    "LOCALDOMAIN": "poison.invalid",
    "NSS_SDB_USE_CACHE": "yes",
    "SSLKEYLOG": f"{POISON}/keys",
    # programs that we start
    "GNUPGHOME": POISON,
    "SYSTEMD_LOG_LEVEL": "debug",
    "SYSTEMD_LOG_LOCATION": "1",
    "SYSTEMD_DISSECT_VERITY_SIDECAR": "0",
    "SYSTEMD_SYSEXT_HIERARCHIES": POISON,
    "LIBMOUNT_FSTAB": f"{POISON}/fstab",
    "BASH_ENV": f"{POISON}/rc",
    "ENV": f"{POISON}/rc",
    "CDPATH": POISON,
    # what others of our kind listen to
    "TUKIT_SYSEXT_ROOT": POISON,
    "TUKIT_SYSEXT_CONFIG": POISON,
    "DEBUG": "1",
}

BEFORE_PYTHON_RUNS = {"TZ"}
"""Read by the C library when the interpreter starts: that is the command line's, while the hook clears them before."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that the machine does not know; a variable says otherwise."""
    return Authority.make(tmp_path / "authority")


@pytest.fixture
def untrusted(tmp_path: Path, authority: Authority) -> Iterator[Server]:
    folder = tmp_path / "untrusted"
    folder.mkdir()
    with Server(folder, authority=authority) as server:
        yield server


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path, web: Web, untrusted: Server, authority: Authority) -> Site:
    """A good source, and one whose server cannot be trusted."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.publish("debug", "1.1", NEW)
    site.add_source("other", web, urls=[untrusted.url])
    poison = site.lab.path(POISON)
    poison.mkdir()
    evil = f"open('{POISON}/ran', 'w').close()\n"
    for name in ("sitecustomize", "usercustomize", "pluggy", "json", "tukit_sysext", "pycurl"):
        (poison / f"{name}.py").write_text(evil)
    for name in ("rpm", "gpgv", "systemd-dissect", "prlimit", "python3", "readlink"):
        (poison / name).write_text(f"#!/bin/sh\n: >{POISON}/ran\nexit 1\n")
        (poison / name).chmod(0o755)
    (poison / "rc").write_text(f": >{POISON}/ran\n")
    (poison / "netrc").write_text("default login poison password poison\n")
    shutil.copy(authority.certificate_path, poison / "authorities.pem")
    return site


def traced(site: Site, *command: str, env: Mapping[str, str]) -> tuple[int, str, str, list[str]]:
    """Status, output and messages of a command, and the calls of ours that named the poisoned folder."""
    site.lab.run(["rm", "-f", "/run/trace"])
    # the variables begin to count at the command, not at strace
    words = ["/usr/bin/env", *(f"{name}={value}" for name, value in env.items()), *command]
    done = site.lab.run(["strace", "-f", "-qq", "-o", "/run/trace", "-e", "trace=file", *words], check=False)
    calls = site.lab.path("/run/trace").read_text(errors="replace").splitlines()
    touched = [line for line in calls if POISON in line and 'execve("/usr/bin/env"' not in line]
    return done.returncode, done.stdout, done.stderr, touched


@pytest.mark.parametrize(
    "env",
    [
        pytest.param(VARIABLES, id="all"),
        *(pytest.param({name: value}, id=name, marks=pytest.mark.long) for name, value in VARIABLES.items()),
    ],
)
def test_nothing_of_the_environment_counts(site: Site, env: Mapping[str, str]) -> None:
    number = open_update(site)
    tree = f"/.snapshots/{number}/snapshot"
    check = ("/usr/bin/tukit-sysext", "check", "--root", tree, "--json")
    before = site.lab.run(check, check=False).stdout
    site.lab.run(["sh", "-c", "rm -rf /var/cache/tukit-sysext/*"])

    ours = {name: value for name, value in env.items() if name not in BEFORE_PYTHON_RUNS}
    status, told, messages, touched = traced(site, *check, env=ours)
    assert (status, messages, touched) == (1, "", []), "not all sources could be asked"
    assert set(json.loads(told)["unreachable"]) == {"other"}, "whatever the variables say, it is not trusted"
    assert told == before

    status, told, messages, touched = traced(site, TUKIT, "finalize-pre", tree, str(number), env=env)
    assert (status, messages.count("\n")) == (0, 1)
    assert messages.startswith("tukit-sysext: source other fails: ")
    assert told == "debug: 1.0 -> 1.1, from source main\n"
    assert touched == []
    assert site.links(number) == {"debug.raw": "debug-1.1.x86-64.raw"}
    assert not site.lab.path(f"{POISON}/ran").exists()
    assert not site.lab.path(f"{POISON}/keys").exists()


@pytest.mark.parametrize("mask", ["000", "077"])
def test_the_umask_is_our_own(site: Site, mask: str) -> None:
    """Whoever starts us from wherever: others can read what we write, and not change it."""
    ours = ("/var/lib/tukit-sysext", "/run/tukit-sysext", "/var/cache/tukit-sysext")
    for command in (
        "tukit-sysext settle",
        "tukit-sysext verify --boot",
        "tukit-sysext gc",
        f"{TUKIT} finalize-post 1",
        f"{SNAPPER} rollback / btrfs 1 && tukit-sysext history",
    ):
        site.lab.run(["rm", "-rf", *ours])
        site.lab.run(["sh", "-c", f"cd {POISON} && umask {mask} && {command}"])
        found = [path for place in ours if (root := site.lab.path(place)).is_dir() for path in (root, *root.rglob("*"))]
        assert f"{STATE}/ledger.db" in {str(path).partition("/root")[2] for path in found}, command
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}
        assert {name: oct(mode) for name, mode in modes.items() if mode not in (0o755, 0o700, 0o644, 0o600)} == {}, (
            command
        )
        assert (modes["ledger.db"], modes["ledger-copy.db"]) == (0o600, 0o644), command
    assert not site.lab.path(f"{POISON}/ran").exists()
