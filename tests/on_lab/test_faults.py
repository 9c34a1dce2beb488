# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fault of ours lets the transaction pass with one loud line, whatever it is (threat L15)."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site, Web

PACKAGE = Path("/usr/lib/python3/dist-packages/tukit_sysext")
SOURCES = Path(__file__).parents[2] / "tukit_sysext"
FIRED = "/var/fired"

AT_IMPORT = f"""
open("{FIRED}", "w").close()
raise RuntimeError("injected at import")
"""

WHEN_CALLED = f"""

def _instead(function):
    import functools

    @functools.wraps(function)
    def injected(*arguments, **keywords):
        open("{FIRED}", "w").close()
        raise RuntimeError("injected when called")

    return injected


for _name, _value in list(globals().items()):
    if getattr(_value, "__module__", None) != __name__ or _name == "_instead":
        continue
    if not isinstance(_value, type):
        if callable(_value):
            globals()[_name] = _instead(_value)
    elif not issubclass(_value, (BaseException, str)):
        for _method, _function in list(vars(_value).items()):
            if callable(_function) and not _method.startswith("__"):
                setattr(_value, _method, _instead(_function))
"""


TOLD = f"""
with open("{FIRED}", "a") as _file:
    _file.write(__file__ + "\\n")
"""


def modules(site: Site, number: int) -> list[str]:
    """The modules of the package that the hook uses here, relative to it, and that of the last resort."""
    every = [str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.py")]
    with ExitStack() as changed:
        for module in every:
            changed.enter_context(injected(site, module, TOLD))
        done = hook(site, number)
        assert done.returncode == 0, done.stderr
        used = {str(Path(line).relative_to(PACKAGE)) for line in site.lab.path(FIRED).read_text().splitlines()}
    return sorted(used | {"last_check.py"})


@pytest.fixture
def wanting(site: Site) -> Site:
    """A machine whose next update would be refused, were all well: that it passes shows that a fault refuses none."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    return site


def loud(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of the hook on standard error."""
    return [line for line in done.stderr.splitlines() if "tukit-sysext" in line and "ERROR" not in line]


def hook(site: Site, number: int) -> subprocess.CompletedProcess[str]:
    """Run the hook as tukit would, on an open transaction."""
    plugin = "/usr/lib/tukit/plugins/50-tukit-sysext"
    return site.lab.run([plugin, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)], check=False)


@contextmanager
def injected(site: Site, module: str, text: str) -> Iterator[None]:
    """The installed module with something behind it, instead of its compiled form, on a root that is unlocked."""
    path = site.lab.path(str(PACKAGE / module))
    (compiled,) = path.parent.glob(f"__pycache__/{path.stem}.*")
    hidden = compiled.with_name(f"hidden-{compiled.name}")
    source = path.read_text()
    compiled.rename(hidden)
    path.write_text(source + text)
    site.lab.path(FIRED).unlink(missing_ok=True)
    try:
        yield
    finally:
        path.write_text(source)
        hidden.rename(compiled)


@pytest.mark.parametrize("text", [AT_IMPORT, WHEN_CALLED], ids=["at-import", "when-called"])
def test_an_exception_in_any_module(start_lab: StartLab, our_tree: Path, web: Web, text: str) -> None:
    """One flavour: what is injected does not depend on the layout of the disk. Both kinds of source."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()
    site.write("/var/images/SHA256SUMS", "")
    site.write("/etc/tukit-sysext/sources.d/disk.conf", "[Source]\nPath=/var/images\nVerify=no\n")
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    links = site.lab.snapshot(number) / "etc/extensions"
    fired = []
    with site.lab.unlocked():
        for module in modules(site, number):
            for path in (*links.glob("*"), *site.lab.path(STORE).glob("*")):
                path.unlink()
            with injected(site, module, text):
                done = hook(site, number)
                assert done.returncode == 0, f"{module}: {done.stderr}"
                if not site.lab.path(FIRED).exists():
                    assert len(done.stderr.splitlines()) <= 1, f"{module}: {done.stderr}"
                    continue
                fired.append(module)
                if (module, text) == ("last_check.py", WHEN_CALLED):  # what says it is what is broken: all else is done
                    assert site.links(number) == {"debug.raw": "debug-1.0.x86-64.raw"}
                    continue
                assert len(done.stderr.splitlines()) == 1, f"{module}: {done.stderr}"
                assert "RuntimeError" in done.stderr and "injected" in done.stderr, f"{module}: {done.stderr}"
    needed = {"entry.py", "plugins/manager.py", "plugins/builtin/fetcher.py", "plugins/builtin/recorder.py"}
    needed |= {f"update/{name}.py" for name in ("deciding", "local", "search", "fetch", "transaction")}
    needed |= {"sources/directory.py", "config/wanted.py", "store/image_store.py"}
    needed |= {"sources/web.py", "sources/trust.py", "net/transfer.py", "net/attempt.py", "system/tree.py"}
    assert needed <= set(fired)
    done = hook(site, number)
    assert (done.returncode, done.stderr) == (0, ""), "whole again"


@pytest.mark.parametrize("module", ["pluggy", "btrfsutil"])
def test_a_missing_dependency(wanting: Site, module: str) -> None:
    """Of one that the decision does not need, the rest works; the decision itself fails open."""
    if module == "btrfsutil":
        wanting.publish("debug", "1.1", NEW)
    with wanting.lab.unlocked():
        for path in wanting.lab.path("/usr/lib/python3/dist-packages").glob(f"{module}*"):
            path.rename(path.with_name(f"hidden-{path.name}"))
    done = wanting.update()
    assert done.returncode == 0, done.stderr
    assert len(loud(done)) == 1 and module in loud(done)[0]


def test_a_missing_package_of_ours(wanting: Site) -> None:
    with wanting.lab.unlocked():
        wanting.lab.path(str(PACKAGE)).rename(wanting.lab.path(str(PACKAGE.with_name("hidden"))))
    done = wanting.update()
    assert done.returncode == 0
    assert len(loud(done)) == 1
    assert "ModuleNotFoundError" in loud(done)[0] and "were NOT checked" in loud(done)[0]


def test_a_missing_python_and_a_link_to_nowhere(wanting: Site) -> None:
    for image in wanting.lab.path("/var/lib/sysext-store").iterdir():
        image.unlink()
    with wanting.lab.unlocked():
        plugin = wanting.lab.path("/usr/lib/tukit/plugins/50-tukit-sysext")
        plugin.write_text(re.sub(r"^python=.*$", "python=/usr/bin/no-python", plugin.read_text(), flags=re.M))
    done = wanting.update()
    assert done.returncode == 0
    told = loud(done)[-1]
    assert "status 127" in told and "were NOT checked" in told and "links to missing images: debug.raw" in told


def test_a_missing_tool(wanting: Site) -> None:
    wanting.publish("debug", "1.1", NEW)
    with wanting.lab.unlocked():
        wanting.lab.path("/usr/bin/systemd-dissect").rename(wanting.lab.path("/usr/bin/hidden"))
    done = wanting.update()
    assert done.returncode == 0
    assert len(loud(done)) == 1 and "systemd-dissect" in loud(done)[0]


@pytest.mark.parametrize("line", ["Keyring=etc/oops.gpg", "Verify=nope", "Keyring=/etc/nowhere.gpg"])
def test_a_fault_in_a_source_refuses_nothing(wanting: Site, line: str) -> None:
    wanting.publish("debug", "1.1", NEW)
    wanting.write("/etc/tukit-sysext/sources.d/main.conf", f"[Source]\nPath=/var/images\n{line}\n")
    done = wanting.update()
    assert done.returncode == 0, done.stderr
    source, image = loud(done)
    assert source.startswith("tukit-sysext: source main fails: ") and line.partition("=")[0] in source + image


def test_a_place_where_nothing_can_be_looked_into_refuses_nothing(wanting: Site) -> None:
    wanting.publish("debug", "1.1", NEW)
    wanting.lab.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "tmpfs", "/var/cache/tukit-sysext"])
    done = wanting.update()
    assert done.returncode == 0, done.stderr
    assert len(loud(done)) == 1


@pytest.mark.parametrize("policy", ["required", "optional"])
def test_a_link_that_cannot_be_made_speaks_for_its_own_image(wanting: Site, policy: str) -> None:
    """What the running system has is not taken away for want of a link either; of an optional image that is all."""
    wanting.publish("debug", "1.1", NEW)
    wanting.want("debug", policy=policy)
    wanting.lab.tukit("open", check=True)
    number = max(wanting.numbers())
    wanting.lab.tukit("call", str(number), "rpm", "-U", "--nodeps", wanting.release_rpm(), check=True)
    links = wanting.lab.snapshot(number) / "etc/extensions"
    subprocess.run(["chattr", "+i", str(links)], check=True)
    done = wanting.lab.tukit("close", str(number))
    subprocess.run(["chattr", "-i", str(wanting.lab.snapshot(number) / "etc/extensions")], check=False)
    assert done.returncode == (75 if policy == "required" else 0), done.stderr
    assert sum("links cannot be changed" in line for line in loud(done)) == 1, done.stderr
    assert ("no place for its link: Operation not permitted" in done.stderr) == (policy == "required"), done.stderr


GARBAGE = "[Section\nno assignment\nPolicy=required\n\x01\n"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/tukit-sysext/tukit-sysext.conf",
        "/etc/tukit-sysext/tukit-sysext.conf.d/50-x.conf",
        "/etc/tukit-sysext/images.d/debug.conf",
        "/etc/tukit-sysext/sources.d/main.conf",
    ],
)
def test_a_syntax_error_in_each_configuration_file(wanting: Site, path: str) -> None:
    wanting.publish("debug", "1.1", NEW)
    wanting.write(path, GARBAGE)
    done = wanting.update()
    assert done.returncode == 0, done.stderr
    assert len(loud(done)) == 1
    assert f"{path}:1: expected [Section], found '[Section'" in loud(done)[0]
    assert f"{path}:1: expected [Section]" in wanting.command("status").stdout


def test_a_wanted_file_with_a_fault_cannot_refuse(wanting: Site) -> None:
    wanting.write("/etc/tukit-sysext/images.d/debug.conf", "[Image]\nPolicy=requird\n")
    done = wanting.update()
    assert done.returncode == 0
    assert any("debug.conf:2: Policy=requird: expected required or optional" in line for line in loud(done)), done


@pytest.mark.parametrize("content", [b"this is no database\n" * 100, b""], ids=["garbage", "empty"])
def test_a_ledger_that_is_no_database(wanting: Site, content: bytes) -> None:
    wanting.publish("debug", "1.1", NEW)
    wanting.lab.tukit("open", check=True)
    number = max(wanting.numbers())
    wanting.lab.tukit("call", str(number), "rpm", "-U", "--nodeps", wanting.release_rpm(), check=True)
    wanting.lab.path(f"{STATE}/ledger.db").write_bytes(content)
    done = wanting.lab.tukit("close", str(number))
    assert done.returncode == 0
    assert "debug: 1.0 -> 1.1, from source main" in done.stdout
    if content:
        assert "ledger.db: not a readable ledger" in loud(done)[0]
        assert [path for path in wanting.lab.path(STATE).iterdir() if path.name.startswith("ledger.db.broken-")]
    assert set(wanting.ledger_here()) == wanting.numbers()
    assert dict(wanting.ledger_here()[wanting.default()]) == wanting.links(wanting.default())


def test_a_full_var(wanting: Site) -> None:
    wanting.publish("debug", "1.1", NEW, size_mib=8)
    wanting.release_rpm()
    wanting.lab.run(["btrfs", "quota", "enable", "/var"])
    wanting.lab.run(["btrfs", "subvolume", "sync", "/var"])
    wanting.lab.run(["btrfs", "quota", "rescan", "-w", "/var"])
    used = int(wanting.lab.run(["btrfs", "qgroup", "show", "--raw", "-f", "/var"]).stdout.split()[-2])
    wanting.lab.run(["btrfs", "qgroup", "limit", str(used + 4 * 2**20), "/var"])
    store = wanting.store()

    done = wanting.update()

    assert done.returncode == 75, (
        "the running system has it, and a disk without room takes it away no more than a server"
    )
    assert "debug: the store cannot take it" in done.stderr and "Disk quota exceeded" in done.stderr, done.stderr
    assert wanting.links() == {"debug.raw": "debug-1.0.x86-64.raw"}
    assert wanting.store() == store

    wanting.lab.run(["btrfs", "quota", "disable", "/var"])
    wanting.lab.reboot()
    done = wanting.update()
    assert (done.returncode, "debug: 1.0 -> 1.1" in done.stdout) == (0, True), done


def test_keys_of_a_newer_version(wanting: Site) -> None:
    wanting.publish("debug", "1.1", NEW)
    wanting.write("/etc/tukit-sysext/tukit-sysext.conf", "[Update]\nRefuseFor=14d\nRefuseGently=yes\n[Newer]\nX=1\n")
    wanting.write("/etc/tukit-sysext/images.d/debug.conf", "[Image]\nPolicy=required\nSeal=verity\n")
    wanting.write("/etc/tukit-sysext/sources.d/main.conf", "[Source]\nPath=/var/images\nVerify=no\nTransport=torrent\n")
    before = wanting.lab.path("/etc/tukit-sysext/images.d/debug.conf").read_text()
    done = wanting.update()
    assert (done.returncode, done.stderr) == (0, "")
    assert wanting.links(wanting.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}
    after = wanting.lab.snapshot(wanting.default()) / "etc/tukit-sysext/images.d/debug.conf"
    assert after.read_text() == before
    told = wanting.command("check", check=False).stdout
    for where in ("tukit-sysext.conf:3: unknown key RefuseGently=", "debug.conf:3: unknown key Seal=",
                  "main.conf:4: unknown key Transport=", "tukit-sysext.conf:5: unknown key X= in [Newer]"):  # fmt: skip
        assert where in told


def test_a_ledger_of_a_newer_schema(wanting: Site) -> None:
    path = wanting.lab.path(f"{STATE}/ledger.db")
    content = path.read_bytes()
    copy = Path("/dev/shm/tukit-sysext-newer.db")
    try:
        copy.write_bytes(content)
        newer = sqlite3.connect(copy)
        newer.executescript(
            "ALTER TABLE snapshot ADD COLUMN seal TEXT; ALTER TABLE snapshot_image ADD COLUMN layer INTEGER DEFAULT 3;"
            "ALTER TABLE event ADD COLUMN who TEXT; CREATE TABLE lease (image TEXT, until INTEGER);"
            "INSERT INTO lease VALUES ('debug-1.0.x86-64.raw', 7); UPDATE snapshot SET seal = 'whole';"
            "PRAGMA user_version = 99;"
        )
        newer.close()
        path.write_bytes(copy.read_bytes())
        wanting.publish("debug", "1.1", NEW)

        done = wanting.update()

        assert (done.returncode, done.stderr) == (0, "")
        assert dict(wanting.ledger_here()[wanting.default()]) == {"debug.raw": "debug-1.1.x86-64.raw"}
        copy.write_bytes(path.read_bytes())
        after = sqlite3.connect(copy)
        assert after.execute("SELECT image, until FROM lease").fetchall() == [("debug-1.0.x86-64.raw", 7)]
        assert after.execute("SELECT seal FROM snapshot WHERE number = 1").fetchone() == ("whole",)
        assert after.execute("PRAGMA user_version").fetchone() == (99,)
        after.close()
    finally:
        copy.unlink()
