# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an image works in a system: what systemd's rule, which compares strings, does not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tukit_sysext.plugin_api import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tukit_sysext.plugin_api import Contents, Ground, Requirement


class Requirements:
    """No image hides a part of the system, and each has what its publisher or the configuration requires.

    What its files need, older packages, and missing labels are warnings.
    """

    @hookimpl
    def tukit_sysext_check(
        self, contents: Contents | None, stated: Sequence[Requirement], ground: Ground | None
    ) -> str | None:
        """See the specification."""
        if ground is None:
            return None
        from tukit_sysext.requirements.hiding import what_it_hides

        files = contents.files if contents is not None else None
        hidden = next(what_it_hides(files, ground), None) if files is not None else None
        if hidden is not None:
            return f"it would hide a part of the system: {hidden}"
        if stated:
            ground.packages.prepare(stated)
        for requirement in stated:
            if ground.packages.provides(requirement) is None:
                return f"it requires {requirement}, and {_has(requirement, ground)}"
        return None

    @hookimpl
    def tukit_sysext_lacks(self, contents: Contents, ground: Ground) -> Iterator[str]:
        """See the specification."""
        if not contents.needs:
            return iter(())  # the packages of a system take time to find, for nothing here
        from tukit_sysext.requirements.requirement import Requirement

        needs = [Requirement(need) for need in contents.needs]
        ground.packages.prepare(needs, [package.name for package in contents.packages])
        return (need.name for need in needs if ground.packages.provides(need) is None)

    @hookimpl
    def tukit_sysext_shadows(self, contents: Contents, ground: Ground) -> Iterator[str]:
        """See the specification."""
        from tukit_sysext.requirements.shadowing import downgrades

        return downgrades(contents, ground)

    @hookimpl
    def tukit_sysext_warns(self, contents: Contents, ground: Ground) -> Iterator[str]:
        """See the specification."""
        from tukit_sysext.requirements.labels import missing_labels

        return missing_labels(contents, ground)


def _has(requirement: Requirement, ground: Ground) -> str:
    """What is there in the place of what is required."""
    from tukit_sysext.requirements.capabilities import Package

    there = ground.packages.installed(requirement.name)
    return f"{there} is installed" if isinstance(there, Package) else "nothing provides it"
