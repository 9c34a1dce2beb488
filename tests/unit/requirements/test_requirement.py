# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requirement strings: what RPM has, taken to pieces; what it has not, or not here, refused with a reason."""

from __future__ import annotations

import pytest

from tukit_sysext.requirements.requirement import Requirement, parse_requirement

UNDERSTOOD = {
    "glibc": ("glibc", "", ""),
    "  glibc\t": ("glibc", "", ""),
    "glibc >= 2.40": ("glibc", ">=", "2.40"),
    "glibc  >=   2.40": ("glibc", ">=", "2.40"),
    "glibc\t<\t2.41": ("glibc", "<", "2.41"),
    "glibc <= 2.40": ("glibc", "<=", "2.40"),
    "glibc > 2.39": ("glibc", ">", "2.39"),
    "glibc = 2.40": ("glibc", "=", "2.40"),
    "glibc = 2.40-1.2": ("glibc", "=", "2.40-1.2"),
    "glibc = 0:2.40": ("glibc", "=", "0:2.40"),
    "bind >= 32:9.20.0-1": ("bind", ">=", "32:9.20.0-1"),
    "perl < 4:5.42.0-500": ("perl", "<", "4:5.42.0-500"),
    "kernel-default = 6.16": ("kernel-default", "=", "6.16"),
    "kernel-default >= 6.12.0~rc1": ("kernel-default", ">=", "6.12.0~rc1"),
    "gcc14 = 14.2.0+git10526": ("gcc14", "=", "14.2.0+git10526"),
    "ruby > 3.4.1^20260101": ("ruby", ">", "3.4.1^20260101"),
    "libstdc++6": ("libstdc++6", "", ""),
    "libssl.so.3()(64bit)": ("libssl.so.3()(64bit)", "", ""),
    "libssl.so.3(OPENSSL_3.0.0)(64bit)": ("libssl.so.3(OPENSSL_3.0.0)(64bit)", "", ""),
    "libc.so.6(GLIBC_2.38)": ("libc.so.6(GLIBC_2.38)", "", ""),
    "libc.so.6": ("libc.so.6", "", ""),
    "ld-linux-x86-64.so.2(GLIBC_2.3)(64bit)": ("ld-linux-x86-64.so.2(GLIBC_2.3)(64bit)", "", ""),
    "rtld(GNU_HASH)": ("rtld(GNU_HASH)", "", ""),
    "/usr/bin/python3": ("/usr/bin/python3", "", ""),
    "/bin/sh": ("/bin/sh", "", ""),
    "pkgconfig(glib-2.0) >= 2.80": ("pkgconfig(glib-2.0)", ">=", "2.80"),
    "perl(File::Spec) >= 3.40": ("perl(File::Spec)", ">=", "3.40"),
    "python3.13dist(requests[socks])": ("python3.13dist(requests[socks])", "", ""),
    "font(:lang=de)": ("font(:lang=de)", "", ""),
    "config(openssh) = 9.9p1-1.2": ("config(openssh)", "=", "9.9p1-1.2"),
    "cmake(Qt6Core)": ("cmake(Qt6Core)", "", ""),
    "typelib(Gtk) = 4.0": ("typelib(Gtk)", "=", "4.0"),
    "ksym(default:printk) = 92d5838e": ("ksym(default:printk)", "=", "92d5838e"),
    "application()": ("application()", "", ""),
    "product(openSUSE) >= 20261215": ("product(openSUSE)", ">=", "20261215"),
    "_private": ("_private", "", ""),
    "0ad": ("0ad", "", ""),
    "group(wheel)": ("group(wheel)", "", ""),
}

REFUSED = {
    "": "expected an RPM requirement",
    "   ": "expected an RPM requirement",
    "glibc>=2.40": "white space",
    "glibc >=2.40": "white space",
    "glibc>= 2.40": "white space",
    "glibc=2.40": "white space",
    "(a or b)": "rich",
    "(a if b)": "rich",
    "a >= 1, b": "comma",
    "a, b": "comma",
    "a b": "expected an RPM requirement",
    "foo !=": "operators",
    "foo != 1": "operators",
    "foo == 1": "operators",
    "foo => 1": "operators",
    "foo =< 1": "operators",
    "foo ~= 1": "operators",
    "foo >=": "version behind",
    "foo >= 1 2": "expected an RPM requirement",
    "foo >= 1 bar": "expected an RPM requirement",
    ">= 1": "expected an RPM requirement",
    "-foo": "expected an RPM requirement",
    "foo >= a:1": "expected an RPM requirement",
    "foo >= :1": "expected an RPM requirement",
    "foo >= 1:2:3": "expected an RPM requirement",
    "foo >= 1-2-3": "expected an RPM requirement",
    "foo >= 1-": "expected an RPM requirement",
    "foo >= %{version}": "expected an RPM requirement",
    "foo(bar": "expected an RPM requirement",
    "foo)": "expected an RPM requirement",
    "foo(a b)": "expected an RPM requirement",
    "foo\nbar": "expected an RPM requirement",
    "foo >=\n1": "expected an RPM requirement",
    "f\0o": "expected an RPM requirement",
    "füß >= 1": "expected an RPM requirement",
    "foo >= \u0661": "expected an RPM requirement",  # digits, but none of RPM's
    "a" * 1025: "at most 1024",
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_what_rpm_has_is_taken_to_pieces(text: str) -> None:
    requirement = parse_requirement(text)

    assert requirement == Requirement(*UNDERSTOOD[text])
    assert parse_requirement(str(requirement)) == requirement  # what is printed can be read again


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_none_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[text]):
        parse_requirement(text)


def test_a_long_string_takes_no_time() -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_requirement("a()" * 341 + "(")
    with pytest.raises(ValueError, match="expected"):
        parse_requirement("a" + " " * 1000 + ">")
