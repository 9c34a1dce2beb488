# SPDX-License-Identifier: LGPL-2.1-or-later
"""Version constraints that an administrator writes: PEP 440 version specifiers (``~=1.31.0``, ``>=2.40,<3``).

They are asked about what upstream calls a version (:mod:`tukit_sysext.rules.prerelease`), and only say which versions
are allowed; the order among those is UAPI.10 (:mod:`tukit_sysext.rules.version`).
"""

from __future__ import annotations

import re

from tukit_sysext.rules.prerelease import parts_of

# packaging takes its time to import, and most images have no constraint: it is imported where there is one

_NOT_COMPARED = re.compile(r"[0-9]+!|[0-9]-[0-9]|:")


def check_specifier(text: str) -> str:
    """The specifier, without white space around it. Raises ValueError."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    stripped = text.strip()
    if _NOT_COMPARED.search(stripped) and "===" not in stripped:
        raise ValueError("expected versions without an epoch and without the release of a package, as >=140.0,<141")
    try:
        specifier = SpecifierSet(stripped)
    except InvalidSpecifier:
        specifier = None
    if not stripped or specifier is None:
        raise ValueError("expected a PEP 440 version specifier, such as ~=1.31.0 or >=2.40,<3")
    return stripped


def disallows(specifier: str, version: str, *, prereleases: bool = False) -> str:
    """Why a specifier does not allow a version; empty where it does. ``prereleases`` are meant by every specifier.

    A version that cannot be compared (``3.4a``, ``latest``) is not allowed: it may not be meant.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    allowed = SpecifierSet(specifier)
    if any(each.operator == "===" and each.version == version for each in allowed):
        return ""
    parts = parts_of(version)
    try:
        if parts is None:
            raise InvalidVersion(version)
        parsed = Version(f"{parts.release}{parts.before}{f'+{parts.local}' if parts.local else ''}")
    except InvalidVersion:
        return f"Version={specifier} cannot be asked about {version}, which cannot be compared"
    # said, as versions of packaging differ in it: pre-releases count where the specifier names one
    if allowed.contains(parsed, prereleases=prereleases or bool(allowed.prereleases)):
        return ""
    reason = f"Version={specifier} does not allow it"
    if allowed.contains(parsed, prereleases=True):
        reason += ": it is a pre-release, which it has to name, as >=1.0rc0 does"
    return reason


def names_prerelease(specifier: str) -> bool:
    """Whether a specifier asks for pre-releases, by naming one."""
    from packaging.specifiers import SpecifierSet

    return bool(SpecifierSet(specifier).prereleases)
