# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which release of the running system repositories offer. Pure.

A repository counts where what it says of itself is about the running system:

1. the same vendor and product as in CPE_NAME of os-release
2. or the same vendor, and both versions are dates (20260801): openSUSE's one repository is that of all its flavours,
   whose product is another one (``opensuse:opensuse`` and ``opensuse:microos``)

Of several, the one with the strongest priority counts, of those one of the very product, of those the newest version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from urllib.parse import unquote

from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.version import compare

_DATE = re.compile(r"20[0-9]{6}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~+-]{0,63}")
_SERVICE_PACK = re.compile(r"sp([0-9]{1,2})")


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """A system: vendor (None: not said) and product in lower case, and its VERSION_ID."""

    vendor: str | None
    product: str
    version: str

    @property
    def dated(self) -> bool:
        """Whether its version is a date."""
        return _DATE.fullmatch(self.version) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What a repository says of the system that it is for.

    ``fresh``: it was asked now; else it is what zypper had from it last. ``priority`` is zypper's, 99 unless set.
    """

    repository: str
    system: System
    fresh: bool
    priority: int = 99


def of_cpe(name: str) -> System | None:
    """The system that a CPE name is about, in version 2.2 (``cpe:/o:...``) or 2.3; None where it is none.

    A service pack is a part of VERSION_ID: ``cpe:/o:suse:sles:15:sp4`` is 15.4.
    """
    for prefix in ("cpe:/o:", "cpe:2.3:o:"):
        if name.startswith(prefix):
            words = [unquote(word).strip().lower() for word in name.removeprefix(prefix).split(":")]
            break
    else:
        return None
    words += [""] * (4 - len(words))
    vendor, product, version, update = words[:4]
    pack = _SERVICE_PACK.fullmatch(update)
    return _system(vendor, product, f"{version}.{pack[1]}" if pack is not None else version)


def of_product(name: str, version: str) -> System | None:
    """The system that a product's name and version are about; None where they are no such thing."""
    return _system(None, name.lower(), version)


def _system(vendor: str | None, product: str, version: str) -> System | None:
    if vendor == "" or not product or not _VERSION.fullmatch(version):
        return None
    return System(vendor=vendor, product=product, version=version)


def of_release(release: ReleaseData) -> System | None:
    """The running system; None where its os-release does not say enough: VERSION_ID, and CPE_NAME or openSUSE's ID."""
    version = release.get("VERSION_ID", "")
    found = of_cpe(release.get("CPE_NAME", ""))
    if found is not None:
        return _system(found.vendor, found.product, version)
    vendor, _, product = release.get("ID", "").partition("-")
    return _system(vendor, product, version) if vendor == "opensuse" else None


def offered(running: System, statements: Iterable[Statement]) -> Statement | None:
    """What is offered for the running system; None where no repository says so."""
    about = [item for item in statements if _is_about(item.system, running)]
    strongest: Sequence[Statement] = [item for item in about if item.priority == min(other.priority for other in about)]
    same = [item for item in strongest if item.system.product == running.product]
    return max(same or strongest, key=lambda item: _in_order(item.system.version), default=None)


_in_order = cmp_to_key(compare)


def _is_about(system: System, running: System) -> bool:
    if system.vendor is None:
        # a product's name has the vendor's at its start (openSUSE), or is that of the running system (SL-Micro)
        related = system.product.startswith(running.vendor or "?")
    else:
        related = system.vendor == running.vendor
    if system.product == running.product and system.vendor in (None, running.vendor):
        return True
    return related and system.dated and running.dated
