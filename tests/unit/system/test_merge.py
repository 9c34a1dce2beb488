# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which program merges, and how: what an administrator has set for systemd's unit counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.system import merge
from tukit_sysext.system.merge_mode import Mode
from tukit_sysext.system.merge_unit import MergeUnit, parse_unit
from tukit_sysext.system.process import ProcessResult

UNIT = "systemd-sysext.service"
RESET = f"systemctl reset-failed {UNIT}"


def shown(
    *,
    load: str = "loaded",
    active: str = "active",
    start: str = "systemd-sysext refresh",
    reload_: str = "systemd-sysext refresh",
    drop_in: str = "",
    fragment: str = f"/usr/lib/systemd/system/{UNIT}",
) -> str:
    """What ``systemctl show`` prints of the unit."""
    more = "ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0"
    commands = [
        f"{key}={{ path=systemd-sysext ; argv[]={command} ; {more} }}\n"
        for key, command in (("ExecStart", start), ("ExecReload", reload_))
        if command
    ]
    states = f"LoadState={load}\nActiveState={active}\nFragmentPath={fragment}\nDropInPaths={drop_in}\n"
    return "".join(commands) + states


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        pytest.param(
            shown(), MergeUnit(usable=True, active=True, changed=False, reloads_alike=True), id="as systemd has it"
        ),
        pytest.param(
            shown(start="systemd-sysext --mutable=yes refresh", drop_in=f"/etc/systemd/system/{UNIT}.d/mode.conf"),
            MergeUnit(usable=True, active=True, changed=True, reloads_alike=False),
            id="another start, and the same reload",
        ),
        pytest.param(
            shown(active="inactive", drop_in=f"/etc/systemd/system/{UNIT}.d/mode.conf"),
            MergeUnit(usable=True, active=False, changed=True, reloads_alike=True),
            id="an environment",
        ),
        pytest.param(
            shown(start="systemd-sysext merge", reload_=""),
            MergeUnit(usable=True, active=True, changed=False, reloads_alike=False),
            id="systemd 252, which has no reload",
        ),
        pytest.param(
            shown(fragment=f"/etc/systemd/system/{UNIT}"),
            MergeUnit(usable=True, active=True, changed=True, reloads_alike=True),
            id="a unit of the administrator's own",
        ),
        pytest.param(
            shown(load="masked", active="inactive", start="", reload_=""),
            MergeUnit(usable=False, active=False, changed=False, reloads_alike=False),
            id="masked",
        ),
        pytest.param("", None, id="in a chroot systemctl says nothing"),
    ],
)
def test_what_systemd_says_of_its_unit(text: str, unit: MergeUnit | None) -> None:
    assert parse_unit(text) == unit


@dataclass
class System:
    """A system as it is to who merges: its unit, what is merged, and what was run."""

    unit: MergeUnit | None
    modes: list[dict[str, Mode]]
    fails: str = "nothing"
    ran: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], **_: object) -> ProcessResult:
        command = " ".join(word for word in argv if word != "--no-ask-password").replace("/usr/bin/", "")
        self.ran.append(command)
        if command == RESET:
            return ProcessResult(status=0, output="", messages="")
        if len(self.modes) > 1:
            del self.modes[0]
        return ProcessResult(status=self.fails in command, output="", messages="Job failed\n")


PLAIN, WRITABLE = {"/usr": Mode.NO}, {"/usr": Mode.AUTO}


def system(monkeypatch: pytest.MonkeyPatch, unit: str | None, *modes: dict[str, Mode]) -> System:
    made = System(unit=parse_unit(unit) if unit is not None else None, modes=list(modes))
    monkeypatch.setattr(merge, "run", made.run)
    monkeypatch.setattr(merge, "merge_unit", lambda: made.unit)
    monkeypatch.setattr(merge, "modes_now", lambda: made.modes[0])
    return made


_ANOTHER_START = shown(start="systemd-sysext --mutable=yes refresh", drop_in="/etc/x.conf")


@pytest.mark.parametrize(
    ("unit", "modes", "ran"),
    [
        pytest.param(shown(), [PLAIN], [RESET, f"systemctl reload {UNIT}"], id="as systemd has it"),
        pytest.param(_ANOTHER_START, [WRITABLE], [RESET, f"systemctl restart {UNIT}"], id="another start"),
        pytest.param(
            shown(active="inactive"), [{}], [RESET, f"systemctl restart {UNIT}", "systemd-sysext refresh"], id="skipped"
        ),
        pytest.param(
            shown(active="inactive"),
            [PLAIN, PLAIN, {}],
            [RESET, f"systemctl restart {UNIT}", "systemd-sysext refresh"],
            id="skipped, and something is merged by hand",
        ),
        pytest.param(
            shown(),
            [WRITABLE, PLAIN, WRITABLE],
            [RESET, f"systemctl reload {UNIT}", "systemd-sysext --mutable=auto refresh"],
            id="writable by hand",
        ),
        pytest.param(
            shown(load="masked"), [WRITABLE], ["systemd-sysext --mutable=auto refresh"], id="masked, and writable"
        ),
        pytest.param(None, [PLAIN], ["systemd-sysext refresh"], id="no systemd"),
        pytest.param(
            None, [{"/usr": Mode.IMPORT}], ["systemd-sysext --mutable=import refresh"], id="no systemd, with a mode"
        ),
    ],
)
def test_what_somebody_asked_for(
    monkeypatch: pytest.MonkeyPatch, unit: str | None, modes: list[dict[str, Mode]], ran: list[str]
) -> None:
    made = system(monkeypatch, unit, *modes)
    assert merge.refresh() == []
    assert made.ran == ran


def test_a_unit_that_fails_does_not_leave_the_system_without_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one with a drop-in that is wrong: its restart took away what was merged."""
    made = system(monkeypatch, _ANOTHER_START, WRITABLE, {}, WRITABLE)
    made.fails = "restart"
    (note,) = merge.refresh()
    assert made.ran[1:] == [f"systemctl restart {UNIT}", "systemd-sysext --mutable=auto refresh"]
    assert f"restart {UNIT}: Job failed; /usr/bin/systemd-sysext merged without it" in note


def test_where_systemd_sysext_fails_too_that_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made = system(monkeypatch, shown(), PLAIN)
    made.fails = "re"
    with pytest.raises(TukitSysextError, match="systemd-sysext refresh: Job failed"):
        merge.refresh()


def test_what_is_hidden_all_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd 257 merges nothing without an image, whatever was written."""
    system(monkeypatch, None, WRITABLE, {})
    (note,) = merge.refresh()
    assert "is kept in /var/lib/extensions.mutable, and shows with the next merge" in note


@pytest.mark.parametrize(
    ("unit", "ran"),
    [
        pytest.param(shown(), "systemctl start tukit-sysext-merge.service", id="as systemd has it"),
        pytest.param(None, "systemctl start tukit-sysext-merge.service", id="not known"),
        pytest.param(shown(load="masked", drop_in="/etc/x"), "systemctl start tukit-sysext-merge.service", id="masked"),
        pytest.param(_ANOTHER_START, f"systemctl restart {UNIT}", id="changed"),
        pytest.param(shown(active="inactive", drop_in="/etc/x"), f"systemctl restart {UNIT}", id="not started yet"),
    ],
)
def test_what_is_merged_by_itself_is_merged_as_at_boot(
    monkeypatch: pytest.MonkeyPatch, unit: str | None, ran: str
) -> None:
    made = system(monkeypatch, unit, {})
    merge.merge()
    assert [command for command in made.ran if command != RESET] == [ran]


def test_what_is_merged_is_never_replaced_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a unit that refreshes, where something was merged meanwhile; nor what was written, without an image."""
    made = system(monkeypatch, _ANOTHER_START, WRITABLE)
    with pytest.raises(TukitSysextError, match="merged already"):
        merge.merge()
    assert made.ran == []
