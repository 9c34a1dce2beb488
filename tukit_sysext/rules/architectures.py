# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of architectures: systemd's (ConditionArchitecture= in systemd.unit(5)) and the kernel's
(uname(2))."""

from __future__ import annotations

_ARM = ("armv4l", "armv4tl", "armv5tel", "armv5tejl", "armv5tl", "armv6l", "armv7l", "armv7ml", "armv8l")
_ARM_BE = ("armv4b", "armv4tb", "armv5teb", "armv5tejb", "armv5tb", "armv6b", "armv7b", "armv7mb", "armv8b")

_BY_MACHINE = {
    "x86_64": "x86-64",
    **dict.fromkeys(("i386", "i486", "i586", "i686"), "x86"),
    "aarch64": "arm64",
    "aarch64_be": "arm64-be",
    **dict.fromkeys(_ARM, "arm"),
    **dict.fromkeys(_ARM_BE, "arm-be"),
    "ppc64le": "ppc64-le",
    "ppc64": "ppc64",
    "ppcle": "ppc-le",
    "ppc": "ppc",
    "s390x": "s390x",
    "s390": "s390",
    "riscv64": "riscv64",
    "riscv32": "riscv32",
    "loongarch64": "loongarch64",
    "mips64": "mips64",
    "mips": "mips",
    "alpha": "alpha",
    "arc": "arc",
    "arceb": "arc-be",
    "crisv32": "cris",
    "ia64": "ia64",
    "m68k": "m68k",
    "nios2": "nios2",
    "parisc64": "parisc64",
    "parisc": "parisc",
    "sparc64": "sparc64",
    "sparc": "sparc",
    "sh5": "sh64",
    **dict.fromkeys(("sh2", "sh2a", "sh3", "sh4", "sh4a"), "sh"),
    "tilegx": "tilegx",
}

ARCHITECTURES = frozenset(_BY_MACHINE.values()) | {"mips64-le", "mips-le"}
"""Every architecture that systemd has a name for. The two little-endian MIPS have no uname machine of their
own."""

ANY = "_any"


def architecture(machine: str) -> str:
    """systemd's name for the machine that uname(2) reports (`x86_64` is `x86-64`).

    A machine unknown to systemd keeps its own name: images for it can then say no other, and images for
    others do not fit.
    """
    return _BY_MACHINE.get(machine, machine)


_PLATFORMS = {
    "x86-64": "amd64",
    "x86": "386",
    "ppc64-le": "ppc64le",
    "mips-le": "mipsle",
    "mips64-le": "mips64le",
    "loongarch64": "loong64",
}
_BY_PLATFORM = {word: name for name, word in _PLATFORMS.items()}


def platform_name(architecture: str) -> str:
    """The name of one of systemd's architectures in platforms of container images, as Go has it (``amd64``)."""
    return _PLATFORMS.get(architecture, architecture)


def of_platform(word: str) -> str | None:
    """systemd's name for an architecture that a container image says, in Go's, the kernel's or systemd's spelling.

    None where none of them has that word.
    """
    known = _BY_PLATFORM.get(word) or _BY_MACHINE.get(word, word)
    return known if known in ARCHITECTURES else None
