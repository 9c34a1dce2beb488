# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images without a record: they stay, and are looked into."""

from __future__ import annotations

import time

import pytest

from tests.unit.collect.collection_site import A, B, CollectionSite
from tukit_sysext.collect.collection import LOOKING, CollectionOptions, collect
from tukit_sysext.collect.decision import Disposition
from tukit_sysext.store.image_store import Store, StoreFile
from tukit_sysext.system.process import ProcessResult, TimedOut


def test_an_image_without_record_stays_and_is_told(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_image", lambda *_, **__: None)
    a_is_needed.store.records.remove(B)
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert {item.file.file_name: item.disposition for item in found.decisions}[B] is Disposition.UNKNOWN_ORIGIN
    assert a_is_needed.names() == [A, B]
    assert [item.file.file_name for item in a_is_needed.collect(CollectionOptions(unknown_origin=True)).gone] == [B]


@pytest.mark.parametrize(
    "result",
    [
        ProcessResult(status=1, output="", messages="Failed to mount image: No such device\n"),  # no such file system
        ProcessResult(status=1, output="", messages="Failed to mount image: Cannot allocate memory\n"),
        ProcessResult(status=1, output="", messages="Failed to detach mount namespace: Input/output error\n"),
        ProcessResult(status=-9, output="", messages=""),
        TimedOut("no end"),
    ],
)
def test_an_image_without_record_stays_where_the_machine_cannot_look_into_it(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch, result: ProcessResult | Exception
) -> None:
    def run(*_: object, **__: object) -> ProcessResult:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr("tukit_sysext.system.inspect_image.run", run)
    a_is_needed.store.records.remove(B)
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert found.gone == ()
    (told,) = [item.reason for item in found.decisions if item.disposition is Disposition.UNKNOWN_ORIGIN]
    assert "cannot be looked into" in told


def test_what_goes_while_somebody_looks_is_no_fault(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A dry run has no lock: another process has taken record and file away meanwhile."""
    a_is_needed.collect()
    a_is_needed.let_pass()
    real = Store.recorded

    def too_late(store: Store, file: StoreFile) -> StoreFile:
        if file.file_name == B:
            store.remove(B)
        return real(store, file)

    monkeypatch.setattr(Store, "recorded", too_late)
    found = a_is_needed.collect(dry_run=True)
    assert {item.file.file_name: item.reason for item in found.decisions}[B] == "gone meanwhile"
    assert not found.failed and not caplog.records


def test_looking_into_images_comes_to_an_end(a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions wait meanwhile, and who asks for one image does not wait for the others to be looked into."""
    looked: list[str] = []

    def look(*_: object, preferred: str, **__: object) -> None:
        looked.append(preferred)
        clock.append(clock[-1] + LOOKING + 1)

    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[-1])
    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_image", look)
    others = [f"{letter}-1.0.x86-64.raw" for letter in "cd"]
    for name in others:
        a_is_needed.store_image(name)
        a_is_needed.store.records.remove(name)
    a_is_needed.collect()
    a_is_needed.let_pass()
    assert (
        "not looked into yet"
        in {item.file.file_name: item.reason for item in a_is_needed.collect().decisions}[others[1]]
    )
    assert looked == [others[0].removesuffix(".raw")]
    options = CollectionOptions(about=lambda file: file.file_name == others[1])
    collect(a_is_needed.machine, a_is_needed.plugins, options, dry_run=True)
    assert looked[1:] == [others[1].removesuffix(".raw")]
