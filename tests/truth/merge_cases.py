# SPDX-License-Identifier: LGPL-2.1-or-later
"""Combinations of os-release and extension-release, and what systemd-sysext 257.13 and 252 do with them.

`fits` is what 257.13 (Debian 13) merges, `fits_252` what 252 (Debian 12) merges where that is something else.
test_matching.py holds the real tools and our rule to both columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext.rules.matching import Kind, Scope

LEVELLED = 'ID=opensuse-microos\nID_LIKE="suse opensuse"\nVERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n'
"""As openSUSE MicroOS: a version and a level."""
VERSIONED = 'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"\n'
"""A version alone."""
LEVEL_ONLY = "ID=opensuse-microos\nSYSEXT_LEVEL=glibc-2.42\n"
ROLLING = "ID=arch\nID_LIKE=archlinux\nBUILD_ID=rolling\n"
IMAGE = VERSIONED + "IMAGE_ID=appliance\nIMAGE_VERSION=7\n"
CONFIGURED = VERSIONED + "CONFEXT_LEVEL=2\nSYSEXT_LEVEL=9\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    name: str
    host: str
    extension: str | None
    fits: bool
    fits_252: bool | None = None
    kind: Kind = "sysext"
    scope: Scope = "system"
    fails: bool = False
    """The whole merge fails, with a status that says so."""
    fails_252: bool | None = None


def _case(
    name: str, host: str, extension: str | None, fits: bool, *, fits_252: bool | None = None,
    kind: Kind = "sysext", scope: Scope = "system", fails: bool = False, fails_252: bool | None = None,
) -> Case:  # fmt: skip
    return Case(
        name=name, host=host, extension=extension, fits=fits, fits_252=fits_252, kind=kind, scope=scope,
        fails=fails, fails_252=fails_252,
    )  # fmt: skip


_OWN = "ID=opensuse-microos\n"
_ALL = _OWN + "VERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n"
_LEAP_ID = "ID=opensuse-leap\n"
_LEAP = _LEAP_ID + "VERSION_ID=16.0\n"

CASES: tuple[Case, ...] = (
    # Level and version of a host that has both
    _case("all equal", LEVELLED, _ALL, True),
    _case("level equal, no version", LEVELLED, _OWN + "SYSEXT_LEVEL=glibc-2.42\n", True),
    _case("level equal, another version", LEVELLED, _ALL.replace("20261101", "20260304"), True),
    _case("another level, version equal", LEVELLED, _ALL.replace("2.42", "2.41"), False),
    _case("another level, no version", LEVELLED, _OWN + "SYSEXT_LEVEL=glibc-2.41\n", False),
    _case("no level, version equal", LEVELLED, _OWN + "VERSION_ID=20261101\n", True),
    _case("no level, another version", LEVELLED, _OWN + "VERSION_ID=20260304\n", False),
    _case("neither level nor version", LEVELLED, _OWN, False),
    _case("empty level, version equal", LEVELLED, _OWN + "SYSEXT_LEVEL=\nVERSION_ID=20261101\n", True),
    _case("empty level, no version", LEVELLED, _OWN + 'SYSEXT_LEVEL=""\n', False),
    _case("empty version, no level", LEVELLED, _OWN + "VERSION_ID=\n", False),
    _case("level equal but for case", LEVELLED, _OWN + "SYSEXT_LEVEL=GLIBC-2.42\n", False),
    _case("level is a later one", LEVELLED, _OWN + "SYSEXT_LEVEL=glibc-2.43\n", False),
    _case("level with a blank behind it, quoted", LEVELLED, _OWN + 'SYSEXT_LEVEL="glibc-2.42 "\n', False),
    _case("CONFEXT_LEVEL is nothing to a sysext", LEVELLED, _OWN + "CONFEXT_LEVEL=glibc-2.42\n", False),
    # A host with a version alone
    _case("version equal", VERSIONED, _LEAP, True),
    _case("version equal in number only", VERSIONED, _LEAP.replace("16.0", "16.00"), False),
    _case("version is a prefix", VERSIONED, _LEAP.replace("16.0", "16"), False),
    _case("level of the extension alone", VERSIONED, _LEAP_ID + "SYSEXT_LEVEL=1\n", False),
    _case("level of the extension and version equal", VERSIONED, _LEAP + "SYSEXT_LEVEL=1\n", True),
    _case("no version", VERSIONED, _LEAP_ID, False),
    # A host with a level alone
    _case("level alone, equal", LEVEL_ONLY, _OWN + "SYSEXT_LEVEL=glibc-2.42\n", True),
    _case("level alone, another", LEVEL_ONLY, _OWN + "SYSEXT_LEVEL=1\n", False),
    _case("level alone, extension has a version alone", LEVEL_ONLY, _OWN + "VERSION_ID=1\n", True),
    _case("level alone, extension has nothing", LEVEL_ONLY, _OWN, True),
    _case("empty version, level alone", LEVEL_ONLY + "VERSION_ID=\n", _OWN + "VERSION_ID=1\n", True),
    # A rolling host
    _case("rolling, nothing stated", ROLLING, "ID=arch\n", True),
    _case("rolling, version stated", ROLLING, "ID=arch\nVERSION_ID=1\n", True),
    _case("rolling, level stated", ROLLING, "ID=arch\nSYSEXT_LEVEL=1\n", True),
    _case("rolling, another ID", ROLLING, "ID=debian\n", False),
    _case("rolling by empty values", ROLLING + 'VERSION_ID=""\nSYSEXT_LEVEL=\n', "ID=arch\nVERSION_ID=1\n", True),
    # ID and ID_LIKE
    _case("another ID", LEVELLED, _ALL.replace("opensuse-microos", "fedora"), False),
    _case("ID in other case", LEVELLED, _ALL.replace("opensuse-microos", "openSUSE-MicroOS"), False),
    _case("no ID", LEVELLED, "VERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n", False),
    _case("empty ID", LEVELLED, 'ID=""\nVERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n', False),
    _case("ID_LIKE has it", LEVELLED, _ALL.replace("opensuse-microos", "opensuse"), True, fits_252=False),
    _case("ID_LIKE has it first", LEVELLED, _ALL.replace("opensuse-microos", "suse"), True, fits_252=False),
    _case("ID_LIKE has it, another version", LEVELLED, "ID=suse\nVERSION_ID=1\n", False),
    _case("ID_LIKE has it as part of a word", LEVELLED, _ALL.replace("opensuse-microos", "open"), False),
    _case("ID is the whole ID_LIKE", LEVELLED, _ALL.replace("opensuse-microos", '"suse opensuse"'), False),
    _case("ID_LIKE has it, rolling", ROLLING, "ID=archlinux\n", True, fits_252=False),
    _case("ID_LIKE of the extension is nothing", LEVELLED, _ALL.replace("ID=opens", "ID=x\nID_LIKE=opens"), False),
    _case("empty ID_LIKE", VERSIONED + "ID_LIKE=\n", "ID=suse\nVERSION_ID=16.0\n", False),
    _case("ID_LIKE by tabs", VERSIONED + 'ID_LIKE="a\tsuse"\n', "ID=suse\nVERSION_ID=16.0\n", True, fits_252=False),
    _case("ID_LIKE by commas", VERSIONED + "ID_LIKE=a,suse\n", "ID=suse\nVERSION_ID=16.0\n", False),
    # _any
    _case("_any", LEVELLED, "ID=_any\n", True),
    _case("_any, another version and level", LEVELLED, "ID=_any\nVERSION_ID=1\nSYSEXT_LEVEL=2\n", True),
    _case("_any, rolling", ROLLING, "ID=_any\n", True),
    _case("_any in other case", LEVELLED, "ID=_ANY\n", False),
    _case("_any, another architecture", LEVELLED, "ID=_any\nARCHITECTURE=arm64\n", False),
    _case("_any, not for the system", LEVELLED, "ID=_any\nSYSEXT_SCOPE=portable\n", False),
    _case("level _any is a level", LEVELLED, _OWN + "SYSEXT_LEVEL=_any\n", False),
    _case("version _any is a version", VERSIONED, "ID=opensuse-leap\nVERSION_ID=_any\n", False),
    # Architecture
    _case("architecture equal", LEVELLED, _ALL + "ARCHITECTURE=x86-64\n", True),
    _case("architecture _any", LEVELLED, _ALL + "ARCHITECTURE=_any\n", True),
    _case("architecture empty", LEVELLED, _ALL + "ARCHITECTURE=\n", True),
    _case("another architecture", LEVELLED, _ALL + "ARCHITECTURE=arm64\n", False),
    _case("architecture as uname says it", LEVELLED, _ALL + "ARCHITECTURE=x86_64\n", False),
    _case("32 bits of it", LEVELLED, _ALL + "ARCHITECTURE=x86\n", False),
    _case("architecture in other case", LEVELLED, _ALL + "ARCHITECTURE=X86-64\n", False),
    # Scope
    _case("scope system", LEVELLED, _ALL + "SYSEXT_SCOPE=system\n", True),
    _case("scope portable", LEVELLED, _ALL + "SYSEXT_SCOPE=portable\n", False),
    _case("scope initrd", LEVELLED, _ALL + "SYSEXT_SCOPE=initrd\n", False),
    _case("scope of several words", LEVELLED, _ALL + 'SYSEXT_SCOPE="initrd  system\tportable"\n', True),
    _case("scope empty", LEVELLED, _ALL + "SYSEXT_SCOPE=\n", False),
    _case("scope of blanks", LEVELLED, _ALL + 'SYSEXT_SCOPE="  "\n', False),
    _case("scope unknown", LEVELLED, _ALL + "SYSEXT_SCOPE=systems\n", False),
    _case("scope in other case", LEVELLED, _ALL + "SYSEXT_SCOPE=System\n", False),
    _case("scope by commas", LEVELLED, _ALL + "SYSEXT_SCOPE=system,initrd\n", False),
    _case("CONFEXT_SCOPE is nothing to a sysext", LEVELLED, _ALL + "CONFEXT_SCOPE=portable\n", True),
    _case("initrd, no scope stated", LEVELLED, _ALL, False, scope="initrd"),
    _case("initrd, scope initrd", LEVELLED, _ALL + "SYSEXT_SCOPE=initrd\n", True, scope="initrd"),
    _case("initrd, scope system", LEVELLED, _ALL + "SYSEXT_SCOPE=system\n", False, scope="initrd"),
    _case("initrd, both", LEVELLED, _ALL + 'SYSEXT_SCOPE="system initrd"\n', True, scope="initrd"),
    # Keys to come
    _case("IMAGE_ID equal", IMAGE, _LEAP + "IMAGE_ID=appliance\nIMAGE_VERSION=7\n", True),
    _case("another IMAGE_ID", IMAGE, _LEAP + "IMAGE_ID=other\n", True),
    _case("another IMAGE_VERSION", IMAGE, _LEAP + "IMAGE_ID=appliance\nIMAGE_VERSION=8\n", True),
    _case("keys of the image itself", LEVELLED, _ALL + "SYSEXT_ID=x\nSYSEXT_VERSION_ID=1\n", True),
    # How the files are read
    _case("quotes of both kinds", VERSIONED, "ID='opensuse-leap'\nVERSION_ID=\"16.0\"\n", True),
    _case("quotes in the middle", VERSIONED, "ID=opensuse-leap\nVERSION_ID=16'.0'\n", False),
    _case("quoted pieces in a row", VERSIONED, "ID=opensuse-leap\nVERSION_ID=\"16\"'.0'\n", True),
    _case("quoted, then bare", VERSIONED, 'ID=opensuse-leap\nVERSION_ID="16".0\n', True),
    _case("quoted, blank, bare", VERSIONED, 'ID=opensuse-leap\nVERSION_ID="16" .0\n', True),
    _case("escaped in double quotes", VERSIONED, 'ID="opensuse\\-leap"\nVERSION_ID=16.0\n', False),
    _case("escaped outside of quotes", VERSIONED, "ID=opensuse\\-leap\nVERSION_ID=16.0\n", True),
    _case("blanks around", VERSIONED, "  ID=  opensuse-leap  \n\tVERSION_ID =16.0\t\n", True),
    _case("a blank in the key", VERSIONED, "export ID=opensuse-leap\nVERSION_ID=16.0\n", False),
    _case("comments and empty lines", VERSIONED, "# ID=x\n\n;ID=y\n" + _LEAP + "# end", True),
    _case("a comment behind a value is none", VERSIONED, "ID=opensuse-leap # Leap\nVERSION_ID=16.0\n", False),
    _case("a line without =", VERSIONED, "nonsense\n" + _LEAP + "nonsense", True),
    _case("no newline at the end", VERSIONED, _LEAP.rstrip(), True),
    _case("carriage returns", VERSIONED, _LEAP.replace("\n", "\r\n"), True),
    _case("a value over two lines", VERSIONED, "ID=opensuse\\\n-leap\nVERSION_ID=16.0\n", True),
    _case("a quote that stays open", VERSIONED, 'VERSION_ID=16.0\nID="opensuse-leap', True),
    _case("a quote that swallows the rest", VERSIONED, 'ID="opensuse-leap\nVERSION_ID=16.0\n', False),
    _case("the later line counts", VERSIONED, "ID=x\n" + _LEAP, True),
    _case("the later line counts, even an empty one", VERSIONED, _LEAP + "ID=\n", False),
    _case("no expansion", VERSIONED, 'V=16.0\nID=opensuse-leap\nVERSION_ID="$V"\n', False),
    _case("a byte order mark", VERSIONED, "\ufeff" + _LEAP, False),
    _case("a comment that ends in a backslash", VERSIONED, "# x\\\n" + _LEAP, True, fits_252=False),
    _case("host in quotes, twice", "ID=x\nID='arch'\n", "ID=arch\n", True),
    # Nothing to go by
    _case("no extension-release", LEVELLED, None, False),
    _case("empty extension-release", LEVELLED, "", False),
    _case("comments alone", LEVELLED, "# ID=_any\n", False),
    _case("extension-release is no UTF-8", LEVELLED, "ID=_any\nNAME=\udcff\n", False),
    _case("extension-release is no UTF-8 in a comment", LEVELLED, "ID=_any\n# \udcff\n", True),
    _case("extension-release holds NUL", LEVELLED, "ID=_any\nNAME=a\0b\n", False),
    _case("host without ID", "VERSION_ID=16.0\n", "ID=_any\n", False, fails=True, fails_252=False),
    _case("host with an empty ID", "ID=\nVERSION_ID=16.0\n", "ID=_any\n", False, fails=True, fails_252=False),
    _case("host is no UTF-8", VERSIONED + "NAME=\udcff\n", "ID=_any\n", False, fails=True, fails_252=False),
    # Configuration extensions
    _case("confext, level equal", CONFIGURED, _LEAP_ID + "CONFEXT_LEVEL=2\n", True, kind="confext", fits_252=False),
    _case("confext, another level", CONFIGURED, _LEAP + "CONFEXT_LEVEL=3\n", False, kind="confext"),
    _case("confext, SYSEXT_LEVEL is nothing", CONFIGURED, _LEAP_ID + "SYSEXT_LEVEL=9\n", False, kind="confext"),
    _case("confext, version equal", CONFIGURED, _LEAP, True, kind="confext", fits_252=False),
    _case("confext, _any", CONFIGURED, "ID=_any\n", True, kind="confext", fits_252=False),
    _case("confext, scope", CONFIGURED, "ID=_any\nCONFEXT_SCOPE=portable\n", False, kind="confext"),
    _case("confext, SYSEXT_SCOPE", CONFIGURED, _LEAP + "SYSEXT_SCOPE=initrd\n", True, kind="confext", fits_252=False),
)  # fmt: skip
