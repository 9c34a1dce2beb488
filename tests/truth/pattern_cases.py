# SPDX-License-Identifier: LGPL-2.1-or-later
"""Patterns and names for which systemd-sysupdate tells what is to be seen; nothing in here says it."""

from __future__ import annotations

HASH = "0123456789abcdef" * 4

PATTERNS: dict[str, tuple[str, ...]] = {
    # the first place where the next text begins ends a wildcard: no second try
    "a-@v-b.raw": ("a-1-b.raw", "a-1-b-2-b.raw", "a--b.raw", "a-1-c.raw", "a-1-b.raw.raw"),
    "a-@v.raw": ("a-1.raw", "a-1.raw-2.raw", "a-.raw", "a-1.raw.xz"),
    "a-@v": ("a-1", "a-1.raw", "a-"),
    "@v": ("1", "a-1.raw"),
    "x@@y-@v.raw": ("x@y-1.raw", "x@@y-1.raw", "xy-1.raw"),
    # what a version may be
    "v-@v.raw": ("v-1~rc1.raw", "v-1^git.raw", "v-1+a.raw", "v-1_2.raw", "v-1:2.raw", "v-1=2.raw", "v-1@2.raw",
                 "v-A.raw", "v-1-2.raw", "v-..raw", "v-1..2.raw"),
    # the other wildcards, and what they take
    "u-@v-@u.raw": ("u-1-0123456789abcdef0123456789abcdef.raw", "u-1-01234567-89ab-cdef-0123-456789abcdef.raw",
                    "u-1-0.raw", "u-1-0123456789ABCDEF0123456789ABCDEF.raw"),
    "f-@v-@f.raw": ("f-1-ff.raw", "f-1-0xff.raw", "f-1-12345678901234567.raw", "f-1-.raw", "f-1-xyz.raw"),
    "a-@v_@a.raw": ("a-1_yes.raw", "a-1_1.raw", "a-1_off.raw", "a-1_x86-64.raw", "a-1_.raw", "a-1_YES.raw"),
    "r-@v_@r.raw": ("r-1_no.raw", "r-1_t.raw", "r-1_maybe.raw"),
    "g-@v_@g.raw": ("g-1_on.raw", "g-1_n.raw", "g-1_2.raw"),
    "t-@v_@t.raw": ("t-1_0.raw", "t-1_1764400000000000.raw", "t-1_18446744073709551615.raw", "t-1_-1.raw",
                    "t-1_0x10.raw", "t-1_9223372036854775807.raw", "t-1_010.raw", "t-1_.raw"),
    "m-@v_@m.raw": ("m-1_644.raw", "m-1_0755.raw", "m-1_777.raw", "m-1_4755.raw", "m-1_775.raw", "m-1_888.raw",
                    "m-1_0.raw", "m-1_2.raw", "m-1_5.raw", "m-1_00644.raw"),
    "s-@v_@s.raw": ("s-1_0.raw", "s-1_17.raw", "s-1_18446744073709551615.raw", "s-1_18446744073709551614.raw",
                    "s-1_a.raw"),
    "d-@v+@d-@l.raw": ("d-1+2-1.raw", "d-1+0-3.raw", "d-1+-1.raw", "d-1.raw", "d-1+2+3-4.raw"),
    "h-@v-@h.raw": (f"h-1-{HASH}.raw", f"h-1-{HASH.upper()}.raw", "h-1-abc.raw"),
    # those that are none
    "a-@v@a.raw": ("a-1yes.raw",),
    "a-@v-@v.raw": ("a-1-1.raw", "a-1-2.raw"),
    "a.raw": ("a.raw",),
    "a-@v-@x.raw": ("a-1-x.raw",),
    "a-@v*.raw": ("a-1x.raw",),
    "a-@v?.raw": ("a-1?.raw",),
    "a-@v.raw@": ("a-1.raw@",),
    "a-[1]-@v.raw": ("a-[1]-1.raw",),
    "a-$-@v.raw": ("a-$-1.raw",),
    # specifiers, of which a percent sign and an architecture
    "a-@v%%.raw": ("a-1%.raw",),
    "a-@v.%a.raw": ("a-1.x86-64.raw", "a-1.amd64.raw", "a-1.arm64.raw"),
    "a-@v-%w-%o.raw": ("a-1-42-fedora.raw", "a-1-41-fedora.raw", "a-1-42-debian.raw"),
    "a-@v-%A%B%M%W.raw": ("a-1-.raw", "a-1-x.raw"),
}  # fmt: skip

_REST = "257 lets anything stand behind the pattern; from 258 on nothing may, as is written down"
_ORDER = "UAPI.10 has ~ and ^ in versions, and 257 compares them, but does not see them in a name"
NOT_FOLLOWED: dict[tuple[str, str], str] = {
    ("a-@v-b.raw", "a-1-b.raw.raw"): _REST,
    ("a-@v.raw", "a-1.raw-2.raw"): _REST,
    ("a-@v.raw", "a-1.raw.xz"): _REST,
    ("v-@v.raw", "v-1~rc1.raw"): _ORDER,
    ("v-@v.raw", "v-1^git.raw"): _ORDER,
}
"""Where systemd 257 is not followed, and why."""
