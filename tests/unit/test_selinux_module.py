# SPDX-License-Identifier: LGPL-2.1-or-later
"""The SELinux module: it compiles, labels what the package installs, and lets snapper's plugin note an event."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.rpm import TOP
from tests.selinux import MISSING, DoesNotCompile, as_cil, compiled, lay_out
from tukit_sysext.doctor.hooks import SNAPPER_PLUGIN
from tukit_sysext.layout import Layout

pytestmark = [
    pytest.mark.tool("make", "checkmodule", "semodule_package", "selabel_lookup"),
    pytest.mark.skipif(MISSING != "", reason=MISSING),
]

LAYOUT = Layout()
PLUGIN = str(LAYOUT.snapper_plugins / SNAPPER_PLUGIN)
DOMAIN = "snapper_tukit_sysext_plugin_t"
ENTRY = "snapper_tukit_sysext_plugin_exec_t"
OURS = "tukit_sysext_var_run_t"
RUN = "var_run_t"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("selinux") / "sources")


@pytest.fixture(scope="module")
def cil(sources: Path) -> str:
    return as_cil(compiled(sources, "tukit_sysext"))


@pytest.fixture(scope="module")
def allowed(cil: str) -> dict[tuple[str, str], set[str]]:
    """What the plugin may do, by the type of the object and its class."""
    rights = defaultdict[tuple[str, str], set[str]](set)
    for target, kind, permissions in re.findall(rf"^\(allow {DOMAIN} (\S+) \((\S+) \(([^)]*)\)\)\)$", cil, re.M):
        rights[target, kind] |= set(permissions.split())
    return rights


def test_the_plugin_has_a_domain_that_snapperd_enters(cil: str) -> None:
    assert f"(typetransition snapperd_t {ENTRY} process {DOMAIN})\n" in cil
    assert f"(allow snapperd_t {DOMAIN} (process (transition)))\n" in cil
    assert f"(roletype system_r {DOMAIN})\n" in cil


def test_it_may_note_an_event(allowed: dict[tuple[str, str], set[str]]) -> None:
    """mkdir -p, a new file, a rename: also where nobody made the folder before."""
    assert allowed[OURS, "dir"] >= {"create", "search", "write", "add_name", "remove_name"}
    assert allowed[OURS, "file"] >= {"create", "open", "write", "rename"}
    assert allowed[RUN, "dir"] >= {"search", "write", "add_name"}


def test_it_may_run_what_it_consists_of(allowed: dict[tuple[str, str], set[str]]) -> None:
    assert allowed["shell_exec_t", "file"] >= {"execute_no_trans", "read", "map"}
    assert allowed["bin_t", "file"] >= {"execute_no_trans", "read", "map"}
    assert allowed["init_runtime_t", "dir"] >= {"search", "getattr"}, "is /run/systemd/system there?"


def test_it_may_write_nowhere_else(allowed: dict[tuple[str, str], set[str]]) -> None:
    changes = {"write", "append", "create", "unlink", "rename", "rmdir", "setattr", "relabelto", "mounton"}
    written = {target for (target, _), permissions in allowed.items() if permissions & changes}
    assert written == {OURS, RUN, "snapperd_t"}, "snapperd_t has the pipes for its output"
    assert allowed[RUN, "file"] == set()


def test_whoever_makes_the_folder_it_has_its_type(cil: str) -> None:
    for domain in (DOMAIN, "named_filetrans_domain"):
        assert f'(typetransition {domain} {RUN} dir "{LAYOUT.runtime.name}" {OURS})\n' in cil


@pytest.mark.parametrize(
    ("path", "kind", "label"),
    [
        (PLUGIN, "file", ENTRY),
        (str(LAYOUT.runtime), "dir", OURS),
        (str(LAYOUT.events / "snapper-create-snapshot-post-4711"), "file", OURS),
        (f"/var{LAYOUT.refused}", "file", OURS),
        (f"{LAYOUT.runtime}-other", "dir", None),
        (f"{PLUGIN}.rpmsave", "file", None),
    ],
)
def test_labels(sources: Path, tmp_path: Path, path: str, kind: str, label: str | None) -> None:
    compiled(sources, "tukit_sysext")
    contexts = tmp_path / "contexts"
    made = subprocess.run(
        ["semodule_unpackage", sources / "tukit_sysext.pp", tmp_path / "module", contexts], check=False
    )
    assert made.returncode == 0
    command = ["selabel_lookup", "-b", "file", "-f", str(contexts), "-k", path, "-t", kind, "-r"]
    found = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    assert (f"object_r:{label}:s0" in found) == (label is not None), found


def test_the_plugin_is_where_the_spec_installs_it() -> None:
    assert f"%{{_prefix}}{PLUGIN.removeprefix('/usr')}\n" in (TOP / "spec" / "tukit-sysext.spec").read_text()


def test_what_does_not_compile_is_an_error(tmp_path: Path) -> None:
    sources = lay_out(tmp_path / "sources")
    (sources / "snapper.if").unlink()
    with pytest.raises(DoesNotCompile, match="syntax error"):
        compiled(sources, "tukit_sysext")
