# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every key of the configuration, with its file, its section, its default and what it says.

For ``tukit-sysext config --all``, and for whoever documents or checks them. The loaders
(:mod:`tukit_sysext.config.settings`, :mod:`tukit_sysext.config.wanted`) know how a value is read; a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial


class File(StrEnum):
    """A kind of file, below a directory of the configuration."""

    MAIN = "tukit-sysext.conf"
    SOURCE = "sources.d/NAME.conf"
    IMAGE = "images.d/NAME.conf"


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    ``value`` is what is written behind it, in words; ``default`` what counts where no file says it, as it would be
    written (empty: nothing does); ``several``: it may be given several times, and several values in one line.
    """

    file: File
    section: str
    name: str
    value: str
    default: str
    text: str
    several: bool = False

    @property
    def title(self) -> str:
        """How people write it: ``[Store] Grace=``."""
        return f"[{self.section}] {self.name}="


_main = partial(Key, File.MAIN)
_source = partial(Key, File.SOURCE, "Source")
_image = partial(Key, File.IMAGE, "Image")

KEYS: Sequence[Key] = (
    _main("Update", "RefuseFor", "time span", "", "how long a required image holds updates back; no limit unless set"),
    _main("Update", "Deadline", "time span", "10min", "for finding out which images fit, with all sources together"),
    _main("Fetch", "ImageMax", "size", "4G", "the most bytes that an image may have"),
    _main("Network", "Proxy", "URL", "", "the proxy for all servers; that of /etc/sysconfig/proxy unless set"),
    _main("Network", "NoProxy", "host", "", "servers that are asked without the proxy", several=True),
    _main("Network", "CAFile", "path", "", "certificates that are trusted; the system's unless set"),
    _main("Network", "ConnectTimeout", "time span", "10s", "for one attempt to reach a server"),
    _main("Network", "Deadline", "time span", "30s", "for a list or a manifest, with all mirrors and repetitions"),
    _main("Network", "ImageDeadline", "time span", "1h", "for images that come slowly, all together"),
    _main("Network", "LeastRate", "bytes a second", "1000", "a transfer that is slower is given up"),
    _main("Store", "Grace", "time span", "7d", "how long an image stays after nothing needs it any more"),
    _main("Store", "StoreMax", "size or percentage", "20%", "from which size of the store on there is a warning"),
    _main("Store", "KeepFree", "size or percentage", "", "what a fetch leaves free; 1G or 5%, the smaller, unless set"),
    _main("History", "Keep", "time span", "365d", "how long the ledger remembers what is gone"),
    _main("Repair", "Refresh", "no or add", "no", "add: merge what was repaired at once, where nothing is merged"),
    _main("Metrics", "File", "path that ends in .prom", "", "metrics for node_exporter; none unless set"),
    _main("Plugins", "Load", "name", "", "third-party plugins that are loaded", several=True),
    _main("Block", "Image", "NAME=VERSION", "", "versions of images that are never chosen", several=True),
    _source(
        "URL",
        "URL",
        "",
        "a directory on a server, or oci:// for a registry; several mirror each other",
        several=True,
    ),
    _source("Path", "path", "", "a local directory, in place of URL="),
    _source("Enabled", "yes or no", "yes", "no: the source is not asked"),
    _source("Verify", "yes or no", "yes", "whether the list has to be signed"),
    _source("Keyring", "path", "", "keys that may sign its lists; systemd's import keyrings unless set"),
    _source("Fingerprint", "fingerprint", "", "accept these primary keys of the keyrings alone", several=True),
    _source("MaxAge", "time span", "", "how old the signature of a list may be; any age unless set"),
    _source("CosignKey", "path", "", "a registry's images are signed by this key with cosign, in place of a list"),
    _source("Credentials", "path", "", "a file of root alone with user:password for the servers"),
    _source("Priority", "number", "99", "a smaller number is a stronger source"),
    _source("MatchPattern", "pattern", "", "files of these names are images; common forms unless set", several=True),
    _image("Policy", "required or optional", "required", "whether an update may take the image away"),
    _image("Source", "name of a source", "", "take it from these sources alone, in this order", several=True),
    _image("Hold", "version", "", "take this version alone"),
    _image("Version", "PEP 440 specifier", "", "take only versions that it allows"),
    _image("Series", "beginning of a version", "", "take only versions that begin so, by their numbers"),
    _image("PreReleases", "yes or no", "no", "whether a pre-release may be taken before a release"),
    _image("Block", "version", "", "never take these versions", several=True),
    _image("MatchPattern", "pattern", "", "files of these names alone are the image", several=True),
    _image("Requires", "RPM requirement", "", "what the system has to have; one in a line", several=True),
    _image("Needs", "warn, refuse or ignore", "warn", "where only versions are left that lack something in the system"),
    _image("Shadow", "warn, refuse or ignore", "warn", "where its package is older, or another image has other files"),
    _image("State", "wanted or removed", "wanted", "removed: a tombstone, its links are taken out"),
)
"""All of them, in the order in which they are shown."""


def of_file(file: File) -> Sequence[Key]:
    """The keys of one kind of file."""
    return [key for key in KEYS if key.file is file]
