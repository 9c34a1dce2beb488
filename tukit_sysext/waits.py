# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every wait of a transaction with its bound, and what follows where that is over.

Two things can be waited for: a source or a download, which then is not reachable, so that policy decides; or a lock or
a program of ours, which is a fault of ours then, and lets the update pass. tukit-sysext(8) has this table, and a test
holds both and the constants together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Per(StrEnum):
    """How often it may happen."""

    TRANSACTION = "transaction"
    SOURCE = "source"
    DIRECTORY = "local directory"
    IMAGE = "image"
    PLUGIN = "plugin"


class Expiry(StrEnum):
    """What it means where the time is over."""

    NOT_REACHABLE = "not reachable: policy decides"
    FAULT = "a fault of ours: the update passes, loudly"
    GOES_ON = "goes on without"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """One wait: ``what`` is waited for, ``seconds`` at the most (the default), ``times`` in one ``per``.

    ``where`` is the constant, or the field of NetworkSettings, that has the seconds; ``setting`` is the key that sets
    it (empty: none does).
    """

    what: str
    seconds: float
    per: Per
    expiry: Expiry
    where: str
    times: int = 1
    setting: str = ""


WAITS: Sequence[Wait] = (
    Wait(
        what="a collection that holds the store (at the beginning, to free space, and after that)",
        seconds=180,
        times=3,
        per=Per.TRANSACTION,
        expiry=Expiry.FAULT,
        where="system/lock.py:_PATIENCE",
    ),
    Wait(
        what="whoever publishes an image or changes links just now",
        seconds=180,
        per=Per.IMAGE,
        expiry=Expiry.FAULT,
        where="system/lock.py:_PATIENCE",
    ),
    Wait(
        what="whoever writes to the ledger just now",
        seconds=10,
        times=3,
        per=Per.TRANSACTION,
        expiry=Expiry.GOES_ON,
        where="ledger/schema.py:_BUSY_SECONDS",
    ),
    Wait(
        what="each of three name servers, which loading libcurl asks twice for the name of this machine",
        seconds=3,
        times=6,
        per=Per.TRANSACTION,
        expiry=Expiry.GOES_ON,
        where="net/libcurl.py:_SERVER_TIMEOUT",
    ),
    Wait(
        what="lists, signatures and manifests of all servers together",
        seconds=600,
        per=Per.TRANSACTION,
        expiry=Expiry.NOT_REACHABLE,
        where="finding_out",
        setting="[Update] Deadline=",
    ),
    Wait(
        what="lists and manifests of a local directory that hangs, or brings little",
        seconds=600,
        per=Per.DIRECTORY,
        expiry=Expiry.NOT_REACHABLE,
        where="finding_out",
        setting="[Update] Deadline=",
    ),
    Wait(
        what="images of all servers together",
        seconds=3600,
        per=Per.TRANSACTION,
        expiry=Expiry.NOT_REACHABLE,
        where="image_deadline",
        setting="[Network] ImageDeadline=",
    ),
    Wait(
        what="images of a local directory that hangs, or brings little",
        seconds=3600,
        per=Per.DIRECTORY,
        expiry=Expiry.NOT_REACHABLE,
        where="image_deadline",
        setting="[Network] ImageDeadline=",
    ),
    Wait(
        what="the memory of which lists were seen",
        seconds=5,
        per=Per.SOURCE,
        expiry=Expiry.FAULT,
        where="sources/seen.py:_PATIENCE",
    ),
    Wait(
        what="gpgv, and once more on a known good input",
        seconds=30,
        times=2,
        per=Per.SOURCE,
        expiry=Expiry.FAULT,
        where="system/gpgv.py:_TIMEOUT",
    ),
    Wait(
        what="systemd-dissect, and once more on a known good input, of four contents of an image",
        seconds=60,
        times=8,
        per=Per.IMAGE,
        expiry=Expiry.FAULT,
        where="system/inspect_image.py:_TIMEOUT",
    ),
    Wait(
        what="unpacking an image that is packed, and once more a known good one",
        seconds=900,
        times=2,
        per=Per.IMAGE,
        expiry=Expiry.NOT_REACHABLE,
        where="system/unpack.py:_TIMEOUT",
    ),
    Wait(
        what="what looks through an image for what it needs",
        seconds=60,
        times=4,
        per=Per.IMAGE,
        expiry=Expiry.GOES_ON,
        where="system/look_through.py:_TIMEOUT",
    ),
    Wait(
        what="comparing images that have files of one size under one path, of which nothing is said then",
        seconds=30,
        times=2,
        per=Per.TRANSACTION,
        expiry=Expiry.GOES_ON,
        where="system/compare_images.py:_TIMEOUT",
    ),
    Wait(
        what="rpm's library, which reads the packages of a tree for what is required",
        seconds=30,
        per=Per.IMAGE,
        expiry=Expiry.GOES_ON,
        where="system/rpm_database.py:_TIMEOUT",
    ),
    Wait(
        what="a program that was killed and does not end",
        seconds=5,
        times=4,
        per=Per.IMAGE,
        expiry=Expiry.GOES_ON,
        where="system/process.py:LEFT_AFTER",
    ),
    Wait(
        what="a third-party plugin, which is not asked again",
        seconds=60,
        per=Per.PLUGIN,
        expiry=Expiry.FAULT,
        where="plugins/manager.py:LIMIT",
    ),
    Wait(
        what="images of a third-party plugin's source",
        seconds=3600,
        per=Per.PLUGIN,
        expiry=Expiry.FAULT,
        where="image_deadline",
        setting="[Network] ImageDeadline=",
    ),
    Wait(
        what="whoever reads what is said",
        seconds=2,
        per=Per.TRANSACTION,
        expiry=Expiry.GOES_ON,
        where="system/journal.py:_PATIENCE",
    ),
    Wait(
        what="whoever reads both outputs, and what is said where the main job could not be done",
        seconds=5,
        times=4,
        per=Per.TRANSACTION,
        expiry=Expiry.GOES_ON,
        where="last_check.py:PATIENCE",
    ),
)
"""All of them."""


def worst(
    *,
    sources: int = 1,
    directories: int = 0,
    images: int = 1,
    plugins: int = 0,
    limits: Mapping[str, float] | None = None,
) -> float:
    """Seconds that a transaction lasts at the most, if everything that can be waited for never comes.

    ``directories`` of the sources are local ones. ``limits`` are others than the defaults, by :attr:`Wait.where`.
    Hashing, copying and the work of tukit itself are not among these.
    """
    counts = {
        Per.TRANSACTION: 1,
        Per.SOURCE: sources,
        Per.DIRECTORY: directories,
        Per.IMAGE: images,
        Per.PLUGIN: plugins,
    }
    return sum((limits or {}).get(wait.where, wait.seconds) * wait.times * counts[wait.per] for wait in WAITS)
