# SPDX-License-Identifier: LGPL-2.1-or-later
"""One requirement or capability as RPM spells it: ``glibc >= 2.40``, ``libssl.so.3(OPENSSL_3.0.0)(64bit)``.

The grammar is NAME, or NAME OPERATOR [EPOCH:]VERSION[-RELEASE] with white space around the operator, as in
https://rpm-software-management.github.io/rpm/manual/dependencies.html without rich dependencies. python-rpm-spec takes
such a string to pieces, and never says that something is none: what the grammar does not have is refused before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST = 1024
_NAME = r"[A-Za-z0-9_/](?:[A-Za-z0-9_/.+~^:@%-]|\([^()\s,]*\))*"
_VERSION = r"[A-Za-z0-9_.+~^]+"
_GRAMMAR = re.compile(rf"({_NAME})(?:[ \t]+(<=|>=|<|>|=)[ \t]+((?:[0-9]+:)?{_VERSION}(?:-{_VERSION})?))?")
_EXPECTED = "expected an RPM requirement as libssl.so.3()(64bit), glibc >= 2.40 or kernel-default = 1:6.16-1"


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """What is required, or provided: a name, and which versions of it.

    ``operator`` is one of ``<``, ``<=``, ``=``, ``>=`` and ``>``, ``evr`` [EPOCH:]VERSION[-RELEASE]; both are empty
    where any version will do.
    """

    name: str
    operator: str = ""
    evr: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.evr}" if self.operator else self.name


def parse_requirement(text: str) -> Requirement:
    """Read a requirement that a person or a publisher stated. Raises ValueError that says what is wrong with it."""
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        raise ValueError(f"expected a requirement of at most {_LONGEST} characters")
    if stripped.startswith("("):
        raise ValueError(f"rich requirements in parentheses are not understood; {_EXPECTED}")
    if not _GRAMMAR.fullmatch(stripped):
        raise ValueError(_why_not(stripped))

    from pyrpm.spec import Requirement as Stated  # most images state none, and it takes 20 ms

    stated = Stated(stripped)
    return Requirement(stated.name, stated.operator or "", stated.version or "")


def _why_not(text: str) -> str:
    """What is most probably meant by a string that is no requirement."""
    if "," in text:
        return f"expected one requirement, without a comma: several stand in lines of their own; {_EXPECTED}"
    if re.search(r"==|=<|=>|!=|~=|<>", text):
        return f"expected one of the operators <, <=, =, >= and >; {_EXPECTED}"
    if re.fullmatch(rf"{_NAME}\s*[<>=]+\s*", text):
        return f"expected a version behind the operator; {_EXPECTED}"
    if re.search(r"\S[<>=]|[<>=][^\s<>=]", text):
        return f"expected white space on both sides of the operator; {_EXPECTED}"
    return _EXPECTED
