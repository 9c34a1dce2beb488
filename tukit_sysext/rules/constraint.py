# SPDX-License-Identifier: LGPL-2.1-or-later
"""Version constraints that an administrator writes: PEP 440 version specifiers (``~=1.31.0``, ``>=2.40,<3``).

They only say which versions are allowed; the order among those is UAPI.10 (:mod:`tukit_sysext.rules.version`).
"""

from __future__ import annotations

# packaging takes its time to import, and most images have no constraint: it is imported where there is one


def check_specifier(text: str) -> str:
    """The specifier, without white space around it. Raises ValueError."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifier = SpecifierSet(text)
    except InvalidSpecifier:
        specifier = None
    if not text.strip() or specifier is None:
        raise ValueError("expected a PEP 440 version specifier, such as ~=1.31.0 or >=2.40,<3")
    return text.strip()


def disallows(specifier: str, version: str) -> str:
    """Why a specifier does not allow a version; empty where it does.

    A version that PEP 440 cannot read (``15.2-1.1``) is not allowed: nobody knows whether it was meant.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        parsed = Version(version)
    except InvalidVersion:
        return f"Version={specifier} cannot be asked about {version}, which is no version after PEP 440"
    allowed = SpecifierSet(specifier)
    # said, as versions of packaging differ in it: pre-releases count where the specifier names one
    if allowed.contains(parsed, prereleases=bool(allowed.prereleases)):
        return ""
    reason = f"Version={specifier} does not allow it"
    if allowed.contains(parsed, prereleases=True):
        reason += ": it is a pre-release, which it has to name, as >=1.0rc0 does"
    return reason
