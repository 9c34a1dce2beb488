# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where things lie on a machine, in one place.

Every path is that of the running system. What belongs to a snapshot (links, wanted images, os-release) is reached
through :class:`tukit_sysext.system.tree.Tree` instead, with the relative paths named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STORE = "/var/lib/sysext-store"
"""The directory that links in a snapshot point into, as it is spelled in a link."""

EXTENSIONS = "etc/extensions"
"""The directory of links, relative to the root of a tree (systemd-sysext(8))."""

SHARED_EXTENSIONS = ("run/extensions", "var/lib/extensions")
"""Where systemd-sysext looks beside, whichever tree runs; relative to the root, an earlier one hides a later one's."""

PASSED_OVER = ".#"
"""How names begin that systemd takes for no image's."""

QUARANTINE = "etc/tukit-sysext/quarantine"
"""Where what would harm the merge is kept that was in EXTENSIONS, relative to the root of a tree."""

CONFIGURATION = ("etc/tukit-sysext", "run/tukit-sysext", "usr/lib/tukit-sysext")
"""Configuration directories of a tree, the strongest first (UAPI configuration files specification)."""


def quarantine_of(folder: str) -> str:
    """The quarantine of a folder with extensions. What all trees share stays within its own: it may be of any size."""
    return QUARANTINE if folder == EXTENSIONS else f"{folder}/{PASSED_OVER}tukit-sysext"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The machine's own paths below ``root`` ("/" but in unit tests)."""

    root: Path = Path("/")

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    @property
    def store(self) -> Path:
        """Images, shared by all snapshots, flat."""
        return self._at(STORE)

    @property
    def state(self) -> Path:
        """Our own durable state."""
        return self._at("/var/lib/tukit-sysext")

    @property
    def records(self) -> Path:
        """One JSON file for each image of the store."""
        return self.state / "images"

    @property
    def ledger(self) -> Path:
        """The SQLite index of snapshots and images."""
        return self.state / "ledger.db"

    @property
    def seen(self) -> Path:
        """The newest signature time seen of each source, one file each."""
        return self.state / "seen"

    @property
    def cache(self) -> Path:
        """What can be had again."""
        return self._at("/var/cache/tukit-sysext")

    @property
    def runtime(self) -> Path:
        """Lock, spooled events, the mark of a refusal."""
        return self._at("/run/tukit-sysext")

    @property
    def lock(self) -> Path:
        """Shared by transactions from publish to link, alone for a collection."""
        return self.runtime / "lock"

    @property
    def changes_lock(self) -> Path:
        """Of the commands that change what is wanted: one at a time has it."""
        return self.runtime / "changes.lock"

    @property
    def locks(self) -> Path:
        """Locks of one step each, in a folder that only root can enter."""
        return self.runtime / "locks"

    @property
    def events(self) -> Path:
        """Events that the hooks wrote down, one file each."""
        return self.runtime / "events"

    @property
    def refused(self) -> Path:
        """Exists while an update is held back by a required image."""
        return self.runtime / "refused.json"

    @property
    def preflight(self) -> Path:
        """The last answer of preflight since the boot."""
        return self.runtime / "preflight.json"

    @property
    def motd(self) -> Path:
        """The login message while an update is refused, or a required image missing: pam_motd(8)."""
        return self._at("/run/motd.d/tukit-sysext")

    @property
    def progress(self) -> Path:
        """Exists while a job runs: how far it is."""
        return self.runtime / "progress.json"

    @property
    def repair(self) -> Path:
        """Exists while an image of the snapshot that boots next is missing or damaged; a unit repairs then."""
        return self.runtime / "repair"

    @property
    def adapt(self) -> Path:
        """Exists where packages of the running system came or went; a unit brings its images in line then."""
        return self.runtime / "adapt"

    @property
    def provision(self) -> Path:
        """What was tried for wanted images that this machine has never had."""
        return self.state / "provision.json"

    @property
    def sources(self) -> Path:
        """How each source is: when its list was good last, and why it is not now."""
        return self.state / "sources.json"

    @property
    def quiet(self) -> Path:
        """What a boot was judged by at which all was well, as a hash that libexec/guard makes."""
        return self.state / "quiet"

    @property
    def overlays(self) -> Path:
        """Upper layers of /etc of transactional-update < 5, one folder for each snapshot's number."""
        return self._at("/var/lib/overlay")

    @property
    def snapshots(self) -> Path:
        """Where snapper keeps snapshots, snapper(8)."""
        return self._at("/.snapshots")

    @property
    def tukit_plugins(self) -> tuple[Path, Path]:
        """tukit's plugin directories, the one that shadows first."""
        return self._at("/etc/tukit/plugins"), self._at("/usr/lib/tukit/plugins")

    @property
    def snapper_plugins(self) -> Path:
        """snapper's plugin directory."""
        return self._at("/usr/lib/snapper/plugins")
