# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does an extension image fit a system? systemd's rule, with its reasons.

The rule is systemd's `extension_release_validate` (systemd-sysext(8), os-release(5)), checked against real
`systemd-sysext merge` by tests/truth/test_matching.py. It looks at these in order, until one decides:

1. both sides can be read, and the host has an `ID`
2. scope: `SYSEXT_SCOPE`, words, unset means `system portable`, holds where the image is to be used
3. `ARCHITECTURE` unset, empty, `_any` or the host's
4. `IMAGE_ID`, `IMAGE_VERSION`: where the extension has them they are the host's (systemd to come)
5. `ID` set; `_any` fits at once, whatever follows
6. `ID` is the host's, or (newer systemd) a word of the host's `ID_LIKE`
7. a host with neither `VERSION_ID` nor level is rolling: fits
8. level (`SYSEXT_LEVEL`), where both sides have one, decides alone
9. else `VERSION_ID`, where the host has one

All of it is equality of text. For confext, read CONFEXT_ for SYSEXT_. An empty value counts as unset, except
for the scope, which then holds nothing. Which part a systemd has is said in `systemd.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from tukit_sysext.rules import systemd
from tukit_sysext.rules.architectures import ANY
from tukit_sysext.rules.printable import excerpt
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.systemd import SystemdVersion

Kind = Literal["sysext", "confext"]
Scope = Literal["system", "initrd", "portable"]


class RuleResult(NamedTuple):
    """One rule and what came of it.

    `rule` is its name: release-data, scope, architecture, image-id, image-version, id, id-like, rolling,
    level, version-id. `fits` is None where the rule was not looked at: something before it decided, or this
    systemd does not have it. `host` and `extension` are the values compared, None where there is none.
    """

    rule: str
    fits: bool | None
    host: str | None = None
    extension: str | None = None


class Compatibility(NamedTuple):
    """Whether the image fits, one sentence why, and every rule in the order in which systemd applies them."""

    fits: bool
    reason: str
    results: tuple[RuleResult, ...]


class Host(NamedTuple):
    """The system that an image is to fit: the tree that will boot.

    `release` is its os-release, `architecture` in systemd's spelling (`x86-64`). `systemd` is its version of systemd;
    an int is one without its stable releases, and of None the strictest rule of all versions since 252 is taken.
    Reasons name it as it is `called`.
    """

    release: ReleaseData
    architecture: str
    systemd: int | SystemdVersion | None
    called: str = "the system"


def check(
    host: Host, extension: ReleaseData | None, *, kind: Kind = "sysext", scope: Scope = "system"
) -> Compatibility:
    """Judge an extension-release (None: the image has none) against the system that it is for."""
    return _Check(host, extension, kind, scope).run()


class _Decided(NamedTuple):
    """A rule that ends the walk."""

    fits: bool
    reason: str


class _Check:
    def __init__(self, host: Host, extension: ReleaseData | None, kind: Kind, scope: Scope) -> None:
        self.host = host.release
        self.extension = extension or ReleaseData()
        self.present = extension is not None
        self.architecture = host.architecture
        self.version = systemd.as_version(host.systemd)
        self.called = host.called
        self.kind = kind
        self.scope = scope
        self.level_key = f"{kind.upper()}_LEVEL"
        self.results: list[RuleResult] = []

    def run(self) -> Compatibility:
        rules: tuple[tuple[str, Callable[[str], _Decided | None]], ...] = (
            ("release-data", self._release_data),
            ("scope", self._scope),
            ("architecture", self._architecture),
            ("image-id", self._image_id),
            ("image-version", self._image_version),
            ("id", self._id),
            ("id-like", self._id_like),
            ("rolling", self._rolling),
            ("level", self._level),
            ("version-id", self._version_id),
        )
        decided: _Decided | None = None
        for rule, look in rules:
            before = len(self.results)
            if decided is None:
                decided = look(rule)
            if len(self.results) == before:
                self._note(rule, None)
        if decided is None:
            decided = _Decided(True, f"{self.called} has no VERSION_ID and the image no {self.level_key}")
        return Compatibility(fits=decided.fits, reason=decided.reason, results=tuple(self.results))

    def _note(self, rule: str, fits: bool | None, host: str | None = None, extension: str | None = None) -> None:
        self.results.append(RuleResult(rule=rule, fits=fits, host=host, extension=extension))

    def _has_stricter(self, since: SystemdVersion) -> bool:
        return self.version is None or self.version >= since

    def _release_data(self, rule: str) -> _Decided | None:
        problem = self._unusable()
        self._note(rule, problem is None, self.host.get("ID"), self.extension.get("ID"))
        return _Decided(False, problem) if problem else None

    def _unusable(self) -> str | None:
        if self.kind == "confext" and self.version is not None and self.version < systemd.CONFEXT_SINCE:
            return f"systemd {self.version} has no confext images (they came with {systemd.CONFEXT_SINCE})"
        if self.host.refused:
            return f"os-release of {self.called} cannot be used: it {self.host.refused}"
        if not self.host.get("ID"):
            return f"os-release of {self.called} has no ID, so that systemd merges nothing"
        if not self.present:
            return "the image has no extension-release"
        if self.extension.refused:
            return f"extension-release of the image cannot be used: it {self.extension.refused}"
        if not self.extension:
            return "extension-release of the image is empty"
        return None

    def _scope(self, rule: str) -> _Decided | None:
        if not self._has_stricter(systemd.SCOPE_SINCE):
            return None
        key = f"{self.kind.upper()}_SCOPE"
        stated = self.extension.get(key)
        words = ["system", "portable"] if stated is None else stated.split()
        fits = self.scope in words
        self._note(rule, fits, self.scope, stated)
        if fits:
            return None
        scope = f"{key} is not set (system portable)" if stated is None else f"{key} is {excerpt(stated) or 'empty'}"
        return _Decided(False, f"{scope}, the image is to be used in scope {self.scope}")

    def _architecture(self, rule: str) -> _Decided | None:
        if not self._has_stricter(systemd.ANY_SINCE):
            return None
        stated = self.extension.get("ARCHITECTURE")
        fits = not stated or stated in (ANY, self.architecture)
        self._note(rule, fits, self.architecture, stated)
        return None if fits else self._differs("ARCHITECTURE", stated, self.architecture)

    def _image_id(self, rule: str) -> _Decided | None:
        return self._image_key(rule, "IMAGE_ID")

    def _image_version(self, rule: str) -> _Decided | None:
        return self._image_key(rule, "IMAGE_VERSION")

    def _image_key(self, rule: str, key: str) -> _Decided | None:
        if not self._has_stricter(systemd.IMAGE_ID_SINCE):
            return None
        stated, expected = self.extension.get(key), self.host.get(key)
        fits = not stated or stated == expected
        self._note(rule, fits, expected, stated)
        return None if fits else self._differs(key, stated, expected)

    def _id(self, rule: str) -> _Decided | None:
        stated, expected = self.extension.get("ID"), self.host["ID"]
        any_system = stated == ANY and self._has_stricter(systemd.ANY_SINCE)
        same = stated == expected
        # Where another system's ID may still be in ID_LIKE, the next rule says no.
        self._note(rule, any_system or same, expected, stated)
        if any_system:
            return _Decided(True, "ID is _any: the image fits every system")
        if not stated:
            return _Decided(False, f"ID is not set, {self.called} has {excerpt(expected)}")
        return None

    def _id_like(self, rule: str) -> _Decided | None:
        stated, expected = self.extension["ID"], self.host["ID"]
        if stated == expected:
            return None
        like = self.host.get("ID_LIKE")
        in_like = like is not None and stated in like.split()
        if self.version is None or not systemd.has_id_like(self.version):
            name = f"systemd {self.version}" if self.version is not None else "systemd of unknown version"
            hint = f" ({name} is not taken to look at ID_LIKE, which has it)" if in_like else ""
            return _Decided(False, f"ID is {excerpt(stated)}, {self.called} has {excerpt(expected)}{hint}")
        self._note(rule, in_like, like, stated)
        if in_like:
            return None
        also = f" and ID_LIKE {excerpt(like)}" if like else ""
        return _Decided(False, f"ID is {excerpt(stated)}, {self.called} has {excerpt(expected)}{also}")

    def _rolling(self, rule: str) -> _Decided | None:
        version_id, level = self.host.get("VERSION_ID"), self.host.get(self.level_key)
        if version_id or level:
            return None
        fits = self._has_stricter(systemd.ROLLING_SINCE)
        self._note(rule, fits)
        if not fits:
            return _Decided(False, f"{self.called} has neither VERSION_ID nor {self.level_key}")
        rolling = f"{self.called} has neither VERSION_ID nor {self.level_key} (rolling)"
        return _Decided(True, f"ID is {excerpt(self.extension['ID'])}, and {rolling}")

    def _level(self, rule: str) -> _Decided | None:
        stated, expected = self.extension.get(self.level_key), self.host.get(self.level_key)
        if not stated or not expected:
            return None
        self._note(rule, stated == expected, expected, stated)
        if stated == expected:
            return _Decided(True, f"{self.level_key} is {excerpt(stated)}, as {self.called}'s")
        return self._differs(self.level_key, stated, expected)

    def _version_id(self, rule: str) -> _Decided | None:
        stated, expected = self.extension.get("VERSION_ID"), self.host.get("VERSION_ID")
        if not expected:
            return None
        self._note(rule, stated == expected, expected, stated)
        if stated == expected:
            return _Decided(True, f"VERSION_ID is {excerpt(stated)}, as {self.called}'s")
        return self._differs("VERSION_ID", stated, expected)

    def _differs(self, key: str, stated: str | None, expected: str | None) -> _Decided:
        has = f"{key} is {excerpt(stated)}" if stated else f"{key} is not set"
        return _Decided(False, f"{has}, {self.called} has {excerpt(expected) if expected else 'none'}")
