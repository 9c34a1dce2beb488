# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source from the key that its publisher gives out to images of it, and old lists that come again (threat N7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.server import Server
from tests.on_lab.site import OLD, Site, Web

LIST, SIGNATURE = "SHA256SUMS", "SHA256SUMS.gpg"


def test_from_a_key_to_a_replayed_list_and_back(start_lab: StartLab, our_tree: Path, web: Web) -> None:
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()
    folder = web.repository.folder
    site.lab.path("/etc/tukit-sysext/sources.d/main.conf").unlink()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    done = site.lab.tukit("execute", "true")
    assert (done.returncode, "no source is configured" in done.stderr) == (0, True), "nobody has it: loud, not refused"

    with Server(folder, login="lab:geheim") as closed:
        site.lab.path("/root/key.asc").write_bytes(web.key.public(armoured=True))
        add = ("sources", "add", "main", closed.url, "--key", "/root/key.asc")
        assert "--no-check" in site.command(*add, check=False).stderr, "it cannot be looked at without the password"
        told = site.command(*add, "--no-check").stdout
        assert web.key.fingerprint[-4:] in told
        site.write("/etc/tukit-sysext/credentials/main", "lab:geheim\n")
        site.lab.path("/etc/tukit-sysext/credentials/main").chmod(0o600)
        conf = site.lab.path("/etc/tukit-sysext/sources.d/main.conf")
        conf.write_text(f"{conf.read_text()}Credentials=/etc/tukit-sysext/credentials/main\n")
        old = {name: (folder / name).read_bytes() for name in (LIST, SIGNATURE)}
        site.publish("debug", "1.1", OLD)
        web.repository.sign(web.key, time=datetime.now(UTC) + timedelta(seconds=60))

        site.command("check")
        assert site.json("sources")["sources"][0]["newest_seen"] is None  # who only looks remembers nothing
        assert site.lab.tukit("execute", "true").returncode == 0
        assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}
        assert site.json("sources")["sources"][0]["newest_seen_key"] == web.key.fingerprint
        site.lab.reboot()

        for name, content in old.items():
            (folder / name).write_bytes(content)
        # what fits goes on; a version that is blocked fits no more, and the old list brings no other
        done = site.lab.tukit("execute", "true")
        assert done.returncode == 0
        site.want("debug", Block="1.1")
        done = site.lab.tukit("execute", "true")
        assert done.returncode != 0
        assert "older than the newest list seen of source main" in done.stderr
        assert "tukit-sysext sources reset main" in done.stderr
        site.command("sources", "reset", "main")
        assert site.lab.tukit("execute", "true").returncode == 0
        assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}
    events = [(event["kind"], event["snapshot"]) for event in site.json("history")["events"]]
    (added, running), (again, booting), *more = (event for event in events if event[0].startswith("source "))
    assert (added, again, more) == ("source added", "source added", [("source reset", None)])
    assert running != booting, "once for each tree"
    everywhere = [
        path for top in ("/var/lib/tukit-sysext", "/var/cache/tukit-sysext") for path in site.lab.path(top).rglob("*")
    ]
    assert not [path for path in everywhere if path.is_file() and b"geheim" in path.read_bytes()]
