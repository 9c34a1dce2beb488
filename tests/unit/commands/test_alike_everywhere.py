# SPDX-License-Identifier: LGPL-2.1-or-later
"""``-q`` and ``-v`` mean the same with every command: a walk over all of the grammar."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spec.man import described
from tests.lab.images import make_image
from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine, with_source
from tests.trees import Content, Link, make_tree
from tests.unit.integrity.verify_site import fake_look_inside
from tests.unit.publish.publisher import RELEASE
from tests.unit.sources.samples import offer, publish
from tukit_sysext import __version__, cli
from tukit_sysext.commands.common import trees

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?Z?")
_TRANSFER = """[Transfer]
Verify=no

[Source]
Type=regular-file
Path={folder}
MatchPattern=jq-@v.%a.raw

[Target]
Path=/var/lib/extensions
MatchPattern=jq-@v.%a.raw
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A command, what is called before it, and whether it has something to say where it is not quiet."""

    words: str
    before: Sequence[str] = ()
    says: bool = True


LOOKS = (
    Call(words="list"),
    Call(words="list --all gdb"),
    Call(words="status"),
    Call(words="check"),
    Call(words="check --all"),
    Call(words="why-not gdb"),
    Call(words="inspect gdb"),
    Call(words="config"),
    Call(words="snapshots"),
    Call(words="diff running default"),
    Call(words="history", before=["hold gdb=1.0"]),
    Call(words="verify"),
    Call(words="why gdb"),
    Call(words="sources"),
    Call(words="sources list"),
    Call(words="doctor"),
    Call(words="preflight"),
    Call(words="plugins"),
    Call(words="plugins --hooks"),
    Call(words="complete images"),
)
"""They answer, whatever else they keep."""

_HAPPENS: Mapping[str, Mapping[str, Content]] = {
    "gdb is damaged": {"var/lib/sysext-store/gdb-1.0.x86-64.raw": "half"},
    "tool is added": {"etc/extensions/tool.raw": Link("/srv/tool.raw"), "srv/tool.raw": "< no image"},
    "sysextmgr is used": {"etc/sysextmgr/sysextmgr.conf": "[default]\nurl=https://images.example.org/\n"},
}
_ADD = "sources add signed SIGNED --key KEY"
CHANGES = (
    Call(words="install htop"),
    Call(words="install --optional htop"),
    Call(words="remove gdb"),
    Call(words="update"),
    Call(words="update gdb"),
    Call(words="hold gdb"),
    Call(words="hold gdb=1.0"),
    Call(words="unhold gdb", before=["hold gdb=1.0"]),
    Call(words="block gdb=9"),
    Call(words="unblock gdb=9", before=["block gdb=9"]),
    Call(words="adopt", before=["sysextmgr is used"]),
    Call(words="verify --repair", before=["gdb is damaged"]),
    Call(words="verify --boot", before=["tool is added"]),
    Call(words="gc"),
    Call(words="gc --now --unknown-origin"),
    Call(words="sources refresh"),
    Call(words=_ADD),
    Call(words=f"{_ADD} --no-check"),
    Call(words="sources import TRANSFER --no-verify"),
    Call(words="sources reset signed", before=[_ADD]),
    Call(words="sources disable main"),
    Call(words="sources enable main", before=["sources disable main"]),
    Call(words="sources remove main", before=["remove jq", "remove gdb"]),
    Call(words="publish FOLDER --key FINGERPRINT --homedir HOME"),
    Call(words="purge"),
    Call(words="settle", says=False),
    Call(words="provision"),
    Call(words="adapt"),
)
"""Nobody who asks for quiet hears of them, as long as they do what was asked for."""


class Everywhere:
    """A machine on which each of these commands has something to do, and what the words in capitals mean on it."""

    def __init__(self, path: Path, machine: PlainMachine) -> None:
        self._path = path
        self._machine = machine
        key = SigningKey.shared()
        self._meaning = {
            "SIGNED": str(path / "signed"),
            "KEY": str(path / "key"),
            "TRANSFER": str(path / "jq.transfer"),
            "FOLDER": str(path / "published"),
            "FINGERPRINT": key.fingerprint,
            "HOME": str(key.folder),
        }

    def begin(self, call: Call) -> None:
        """Do what comes before a command, and keep the machine as it is then."""
        if "FOLDER" in call.words:
            folder = Path(self._meaning["FOLDER"])
            folder.mkdir()
            make_image(folder, "gdb", "1.0", release=RELEASE, manifest=None)
        for words in call.before:
            if words in _HAPPENS:
                make_tree(self._machine.root, _HAPPENS[words])
            else:
                assert self._main(words.split()) == 0, words
        shutil.rmtree(self._kept, ignore_errors=True)
        subprocess.run(["cp", "-a", self._path, self._kept], check=True)

    def run(self, words: str, *options: str) -> int:
        """Run a command on the machine as it was kept, with logging as in a process of its own."""
        shutil.rmtree(self._path)
        subprocess.run(["cp", "-a", self._kept, self._path], check=True)
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        root.handlers[:] = []
        try:
            return self._main([*words.split(), *options])
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)

    @property
    def _kept(self) -> Path:
        return self._path.with_name("kept")

    def _main(self, words: Sequence[str]) -> int:
        return cli.main([self._meaning.get(word, word) for word in words], machine=self._machine.machine)


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Everywhere:
    """gdb 1.0 is linked and has an update, jq is wanted and was never there, htop is offered."""
    fake_look_inside(monkeypatch)
    path = tmp_path / "all"
    path.mkdir()
    made = with_source(path)
    made.snapshot_with(1, {"gdb": "1.0"}, default=True)
    made.boot(1)
    shutil.copytree(made.root / "etc/tukit-sysext", made.tree(1) / "etc/tukit-sysext")
    for name in ("gdb", "jq"):
        made.want(name)
    for name, version in (("gdb", "1.0"), ("gdb", "1.1"), ("jq", "1"), ("htop", "1")):
        made.publish(name, version)
    key = SigningKey.shared()
    (path / "key").write_bytes(key.public())
    make_tree(made.root, {"etc/systemd/import-pubring.gpg": key.public()})
    (path / "jq.transfer").write_text(_TRANSFER.format(folder=path / "signed"))
    signed = Repository(path / "signed")
    offer(signed, "jq", "1")
    publish(signed, key)
    return Everywhere(path, made)


def each(calls: Sequence[Call]) -> list[Any]:
    """The calls, with what they need."""
    needs = [pytest.mark.root, pytest.mark.tool("gpg", "mksquashfs")]
    return [pytest.param(call, id=call.words, marks=needs if "FOLDER" in call.words else ()) for call in calls]


FLAGS = {
    " ".join(command.words): {flag for option in command.options for flag in option.flags}
    for command in (*described.commands(), *(each for each in described.top().actions if each.words == ("complete",)))
}
"""The options of each command, and of each action of one."""


def command_of(call: Call) -> str:
    """The command, with its action where it has one."""
    first, *more = call.words.split()
    return f"{first} {more[0]}" if more and f"{first} {more[0]}" in FLAGS else first


def test_the_walk_is_over_all_commands() -> None:
    changes = {command_of(call) for call in CHANGES}
    assert changes | {command_of(call) for call in LOOKS} == FLAGS.keys()
    assert changes == {words for words, flags in FLAGS.items() if "--dry-run" in flags} | {"sources refresh", "settle"}


@pytest.mark.parametrize("call", each(CHANGES))
def test_a_quiet_change_prints_nothing_and_its_dry_run_what_was_asked_for(
    everywhere: Everywhere, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    everywhere.begin(call)
    capsys.readouterr()
    assert everywhere.run(call.words) == 0, capsys.readouterr()
    assert bool(capsys.readouterr().out) is call.says
    for options in (["-q"], ["--quiet"]):
        assert everywhere.run(call.words, *options) == 0
        assert capsys.readouterr() == ("", "")
    if "--dry-run" in FLAGS[command_of(call)]:
        everywhere.run(call.words, "-q", "--dry-run")
        assert capsys.readouterr().out.strip() != ""


@pytest.mark.parametrize(("options", "said"), [([], "tukit-sysext: waiting for another command"), (["-q"], "")])
def test_who_is_quiet_waits_for_another_command_without_a_word(
    everywhere: Everywhere,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: Sequence[str],
    said: str,
) -> None:
    @contextmanager
    def queued(_: Path, waiting: Callable[[str], None]) -> Iterator[None]:
        waiting("update (process 1)")
        yield

    monkeypatch.setattr(trees, "queued", queued)
    call = Call(words="block gdb=9")
    everywhere.begin(call)
    assert everywhere.run(call.words, *options) == 0
    assert capsys.readouterr().err.partition(" that ")[0] == said


@pytest.mark.parametrize("call", each(LOOKS))
def test_a_quiet_look_answers(everywhere: Everywhere, capsys: pytest.CaptureFixture[str], call: Call) -> None:
    everywhere.begin(call)
    capsys.readouterr()
    everywhere.run(call.words, "-q")
    assert capsys.readouterr().out.strip() != ""


@pytest.mark.parametrize("call", each((*LOOKS, *CHANGES)))
def test_verbose_adds_lines_to_standard_error_and_changes_nothing_else(
    everywhere: Everywhere, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    everywhere.begin(call)
    for with_these in ([], ["--dry-run"], ["--json"], ["-q"]):
        if not FLAGS[command_of(call)].issuperset(with_these) or ("--boot" in call.words and "--json" in with_these):
            continue
        capsys.readouterr()
        statuses = [everywhere.run(call.words, *with_these)]
        plain = capsys.readouterr()
        statuses.append(everywhere.run(call.words, *with_these, "-v"))
        verbose = capsys.readouterr()
        assert statuses[0] == statuses[1]
        assert _without_times(verbose.out) == _without_times(plain.out)
        first, *lines = _without_times(verbose.err).splitlines()
        assert first.startswith(f"tukit-sysext: version {__version__}, command {call.words.split()[0]}")
        more = iter(lines)
        assert [line for line in _without_times(plain.err).splitlines() if line not in more] == []


def _without_times(text: str) -> str:
    return _TIME.sub("TIME", text)
