# SPDX-License-Identifier: LGPL-2.1-or-later
"""What speaks for and against an image beyond systemd's rule is told with both sides, each rule for itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.requirements.grounds import PlainGround, PlainPackages, folder
from tests.unit.update.samples import candidate, facts, level, stored, want
from tests.unit.update.test_needs import PlainOffers
from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.requirements.contents import Contents, pack
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.sources.candidate import Description, Standing
from tukit_sysext.update import explain
from tukit_sysext.update.explain import Explained
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.rule import Rule, Side

GLIBC = Requirement("glibc", ">=", "2.40")
SYSTEM = folder(usr=folder(bin=folder(), sbin="bin"))
OFFERED = {Requirement("glibc", "=", "2.38"): "glibc", Requirement("libssl.so.3"): "libopenssl3"}
VERSIONS = {"glibc": "2.38-1"}


def given(
    contents: Contents,
    *,
    wanted: WantedImage | None = None,
    packages: PlainPackages | None = None,
    offers: PlainOffers | None = None,
    against: str = "",
) -> Facts:
    made = facts(
        wanted or want(),
        offers={candidate("1"): Description(release=level("1"), merge_name="gdb", contents=contents)},
        objection=lambda *_: against,
    )
    ground = PlainGround(SYSTEM, packages or PlainPackages(offered=OFFERED, versions=VERSIONS))
    return replace(made, ground=ground, offers=offers or PlainOffers())


def explained(facts: Facts) -> Explained:
    (version,) = explain.versions(facts, "gdb", facts.wanted["gdb"])
    return version


def rules(facts: Facts, *sides: Side) -> list[Rule]:
    return [rule for rule in explained(facts).rules if rule.rule in sides]


def test_what_it_would_hide() -> None:
    contents = Contents(packed=pack(folder(usr=folder(sbin=folder(gdb=1)))))

    assert rules(given(contents, against="it would hide something"), Side.HIDES, Side.PLUGIN) == [
        Rule(rule="hides", fits=False, system="usr/sbin: a link to bin", image="a directory")
    ]
    assert not explained(given(contents)).usable


def test_that_it_hides_nothing() -> None:
    contents = Contents(packed=pack(folder(usr=folder(bin=folder(gdb=1)))))

    assert rules(given(contents), Side.HIDES) == [Rule(rule="hides", fits=True)]


def test_what_the_configuration_requires() -> None:
    contents, wanted = Contents(), want(requires=(GLIBC, Requirement("libssl.so.3")))

    assert rules(given(contents, wanted=wanted), Side.REQUIRED) == [
        Rule(rule="required", fits=False, system="glibc-2.38-1", image="glibc >= 2.40"),
        Rule(rule="required", fits=True, system="libopenssl3", image="libssl.so.3"),
    ]


def test_what_its_publisher_requires() -> None:
    contents = Contents(stated=(Requirement("libnone.so.1"),))

    assert rules(given(contents), Side.STATED) == [
        Rule(rule="stated", fits=False, system="nothing provides it", image="libnone.so.1")
    ]


def test_a_requirement_of_which_nobody_knows() -> None:
    contents = Contents(stated=(Requirement("libnone.so.1"),))
    packages = PlainPackages(unknown="the RPM database cannot be read")
    (rule,) = rules(given(contents, packages=packages), Side.STATED)

    assert (rule.fits, rule.system) == (None, "not known: the RPM database cannot be read")
    assert explained(given(contents, packages=packages)).usable


def test_what_it_needs_and_who_had_it_so_far() -> None:
    version = explained(given(Contents(needs=("libfoo.so.2()(64bit)",))))
    (rule,) = (rule for rule in version.rules if rule.rule == Side.NEEDS)

    assert (rule.fits, rule.image) == (False, "libfoo.so.2()(64bit)")
    assert rule.system is not None
    assert rule.system.startswith("package libunwind8 provides it in 20261120, nothing does in 20261215")
    assert (version.usable, version.standing) == (False, Standing.LACKS)


def test_needs_that_speak_against_none() -> None:
    """The version in use lacks them too, or the configuration says that they do not matter."""
    contents = Contents(needs=("libexotic.so.1",))
    same = PlainOffers(before=frozenset(contents.needs))
    for made, why in (
        (given(contents, offers=same), "the version in use does without it"),
        (given(contents, wanted=want(needs=Attitude.IGNORE)), "Needs=ignore"),
    ):
        (rule,) = rules(made, Side.NEEDS)
        assert (rule.fits, rule.image, explained(made).usable) == (True, "libexotic.so.1", True)
        assert rule.system is not None
        assert why in rule.system


@pytest.mark.parametrize(
    ("unknown", "fits", "system"),
    [(None, True, "all of it is there"), ("it is locked", None, "not known: it is locked")],
)
def test_how_many_needs_are_met(unknown: str | None, fits: bool | None, system: str) -> None:
    contents = Contents(needs=("liba.so.1", "libb.so.1"))
    packages = PlainPackages(unknown=unknown)
    made = given(contents, packages=packages, offers=PlainOffers(*contents.needs))

    assert rules(made, Side.NEEDS) == [Rule(rule="needs", fits=fits, system=system, image="2 needs")]


def test_what_another_plugin_has_against_it() -> None:
    (rule,) = rules(given(Contents(), against="it is Tuesday"), Side.PLUGIN)

    assert (rule.fits, rule.image) == (False, "it is Tuesday")


def test_where_nobody_may_look_nothing_is_said() -> None:
    contents = Contents(needs=("liba.so.1",), stated=(GLIBC,))
    blind = replace(given(contents), ground=None, offers=None)

    assert rules(blind, Side.HIDES, Side.REQUIRED, Side.STATED, Side.NEEDS) == []


def test_what_does_not_fit_by_systemds_rule_is_not_asked_more() -> None:
    contents = Contents(needs=("liba.so.1",), stated=(GLIBC,))
    other = Description(release=level("2"), merge_name="gdb", contents=contents)
    made = replace(given(contents), known={candidate("1").key: other})

    assert rules(made, Side.HIDES, Side.STATED, Side.NEEDS, Side.PLUGIN) == []


def test_of_an_image_of_the_store() -> None:
    image = stored("1")
    assert image.record is not None
    record = replace(image.record, contents=Contents(stated=(GLIBC,)))
    made = replace(given(Contents()), candidates=(), stored={image.file_name: replace(image, record=record)})

    assert [rule.image for rule in rules(made, Side.STATED)] == ["glibc >= 2.40"]


class Older(PlainOffers):
    """A system that a version would replace something newer of."""

    def shadows(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        return ("its openssl-3.1 is older",)

    def warnings(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        return ("it has no labels",)


@pytest.mark.parametrize(
    ("attitude", "fits"), [(Attitude.WARN, True), (Attitude.IGNORE, True), (Attitude.REFUSE, False)]
)
def test_what_it_takes_the_place_of(attitude: Attitude, *, fits: bool) -> None:
    version = given(Contents(), wanted=want(shadow=attitude), offers=Older())

    assert rules(version, Side.SHADOW, Side.NOTE, Side.PLUGIN) == [
        Rule(rule="shadow", fits=fits, system=f"Shadow={attitude}", image="its openssl-3.1 is older"),
        Rule(rule="note", fits=None, image="it has no labels"),
    ]
    assert explained(version).usable is fits
