# SPDX-License-Identifier: LGPL-2.1-or-later
"""rpmlint would say something: tests/run has it say nothing of the package as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rpm import SPEC, TOP
from tests.rpmlint import lint

pytestmark = [pytest.mark.tool("rpmbuild", "checkbashisms"), pytest.mark.rpm, pytest.mark.root]


def test_a_fault_is_told(tmp_path: Path) -> None:
    spec = tmp_path / "tukit-sysext.spec"
    spec.write_text((TOP / SPEC).read_text().replace("\n%build\n", "\n"))
    complaints, said = lint(spec, [])  # filters that packages need are unused then, which it says too
    assert complaints and "W: no-%build-section" in said, said
