# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RPM: each file as it is in the tree, compiled, and the same whenever and wherever it is built."""

from __future__ import annotations

import bz2
import importlib.util
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import selinux
from tests.lab.readme import commands
from tests.rpm import INPUTS, MACROS, NO_CHECK, TESTS, TOP, build, build_rpm, payload, read_tree
from tests.unit.test_project import SCRIPTS, destination, installed_files
from tukit_sysext import __version__

pytestmark = [pytest.mark.tool("rpmbuild"), pytest.mark.rpm]

HEALTH = TOP / "spec/health-checker/tukit-sysext.sh"
COCKPIT = TOP / "spec/cockpit"
OPENSUSE_CONF = TOP / "spec/config-openSUSE/opensuse.conf"
SITE = Path("/usr/lib/python3/dist-packages")
INTERPRETER = os.path.realpath("/usr/bin/python3")
"""What the package is built for where nobody says otherwise, by its versioned name."""
UNCHECKED_HASH = 0b01
"""The flags of bytecode that is taken without a look at its source (PEP 552)."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(payload(build_rpm(tmp_path_factory.mktemp("rpm")))))


@pytest.fixture(scope="module")
def members(archive: tarfile.TarFile) -> Mapping[str, tarfile.TarInfo]:
    return {member.name.removeprefix("."): member for member in archive}


def read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def contents(rpm: Path) -> dict[str, bytes]:
    """The files of an RPM."""
    with tarfile.open(fileobj=io.BytesIO(payload(rpm))) as archive:
        return {member.name: read(archive, member) for member in archive if member.isfile()}


def test_each_file_is_as_in_the_tree(archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> None:
    """What the spec says is what comes out, with content, mode and place."""
    expected = {
        place.replace("%{_prefix}", "/usr")
        .replace("%{_libexecdir}", "/usr/libexec")
        .replace("%{_unitdir}", "/usr/lib/systemd/system")
        .replace("%{_tmpfilesdir}", "/usr/lib/tmpfiles.d"): file
        for file in installed_files(TOP)
        if (place := destination(file)) and "%{_mandir}" not in place and file not in (HEALTH, OPENSUSE_CONF)
    }
    expected |= {str(SITE / file.relative_to(TOP)): file for file in (TOP / "tukit_sysext").rglob("*.py")}
    for place, file in expected.items():
        content = file.read_bytes().replace(b"\npython=/usr/bin/python3\n", f"\npython={INTERPRETER}\n".encode())
        assert read(archive, members[place]) == content, place
        assert members[place].mode == (0o755 if file.parent.name in SCRIPTS else 0o644), place
    assert not [name for name in members if name.startswith(("/var/", "/run/"))]


def test_the_plugin_of_health_checker_is_a_package_of_its_own(tmp_path: Path) -> None:
    """Who does not want to go back for an image does not install it."""
    rpm = built(TOP, tmp_path / "built")
    plugin = "./usr/libexec/health-checker/tukit-sysext.sh"
    assert contents(rpm.with_name("tukit-sysext-health-checker.rpm"))[plugin] == HEALTH.read_bytes()
    assert plugin not in contents(rpm)


def test_the_source_of_opensuse_is_a_package_of_its_own(tmp_path: Path) -> None:
    """Who has another publisher, or none, does not install it."""
    rpm = built(TOP, tmp_path / "built")
    source = "./usr/lib/tukit-sysext/sources.d/opensuse.conf"
    assert contents(rpm.with_name("tukit-sysext-config-openSUSE.rpm"))[source] == OPENSUSE_CONF.read_bytes()
    assert source not in contents(rpm)


def test_the_page_in_cockpit_is_a_package_of_its_own(tmp_path: Path) -> None:
    """Each file as it is in the tree, and nothing of it in the package itself."""
    rpm = built(TOP, tmp_path / "built")
    shared = "./usr/share"
    expected = {
        f"{shared}/metainfo/{file.name}"
        if file.suffix == ".xml"
        else f"{shared}/cockpit/tukit-sysext/{file.name}": file
        for file in COCKPIT.iterdir()
    }
    page = contents(rpm.with_name("cockpit-tukit-sysext.rpm"))
    assert {name: file.read_bytes() for name, file in expected.items()}.items() <= page.items()
    assert page.keys() - expected.keys() == {f"{shared}/licenses/cockpit-tukit-sysext-{__version__}/LICENSE"}
    assert not expected.keys() & contents(rpm).keys()


def test_all_of_it_runs_with_the_interpreter_that_has_its_modules(
    archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]
) -> None:
    """When /usr/bin/python3 becomes another one, what was installed for the old one goes on."""
    launcher = members["/usr/bin/tukit-sysext"]
    assert read(archive, launcher).startswith(f"#!{INTERPRETER} -IB\n".encode())
    assert launcher.mode == 0o755
    script = members["/usr/lib/tukit/plugins/50-tukit-sysext"]
    assert f"\npython={INTERPRETER}\n".encode() in read(archive, script)


def test_it_is_compiled(archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> None:
    """With the hash of each source in it, which nobody looks at, and the place where it will be."""
    question = "import importlib.util as i, sys; print(sys.implementation.cache_tag, i.MAGIC_NUMBER.hex())"
    asked = [INTERPRETER, "-Ic", question]
    tag, magic = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    sources = {name for name in members if name.endswith(".py")}
    compiled = {f"{Path(name).parent}/__pycache__/{Path(name).stem}.{tag}.pyc": name for name in sources}
    assert {name for name in members if name.endswith(".pyc")} == compiled.keys()
    for name, source in compiled.items():
        content = read(archive, members[name])
        assert content[:4].hex() == magic, name
        assert int.from_bytes(content[4:8], "little") == UNCHECKED_HASH, name
        assert content[8:16] == importlib.util.source_hash(read(archive, members[source])), name
        assert source.encode() in content, name


def test_the_same_tree_is_built_once(tmp_path: Path) -> None:
    first, second = build_rpm(tmp_path / "first"), build_rpm(tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()


def built(tree: Path, folder: Path, **macros: str) -> Path:
    folder.mkdir(parents=True)
    return build(read_tree(tree), folder, MACROS | macros)


def test_it_is_the_same_whenever_and_wherever_it_is_built(tmp_path: Path) -> None:
    """Another folder, other times of the files, another time: the same bytes."""
    other = tmp_path / "a tree elsewhere"
    other.mkdir()
    for name in INPUTS:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(TOP / name, other)
    for number, file in enumerate(sorted(other.rglob("*"))):
        os.utime(file, (1_600_000_000 + number, 1_600_000_000 + number))
    first = built(TOP, tmp_path / "first").read_bytes()
    assert built(other, tmp_path / "further" / "down" / "second").read_bytes() == first


def test_with_macros_like_those_of_opensuse_it_is_the_same(tmp_path: Path) -> None:
    """Theirs install with pip, for which this stands in: bytecode with times in it, and a launcher of pip's own."""
    wheel = f"{MACROS['build_python']} -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir build ."
    unpack = f"{MACROS['build_python']} -m zipfile -e build/*.whl %{{buildroot}}%{{python3_sitelib}}"
    compiled = f"{INTERPRETER} -m compileall -q %{{buildroot}}%{{python3_sitelib}}"
    launcher = "install -D -m 0755 /dev/null %{buildroot}/usr/bin/tukit-sysext"
    rpm = built(
        TOP,
        tmp_path / "theirs",
        python3_sitelib=str(SITE),
        pyproject_wheel=wheel,
        pyproject_install=f"mkdir -p %{{buildroot}}%{{python3_sitelib}} && {unpack} && {compiled} && {launcher}",
    )
    theirs, ours = contents(rpm), contents(build_rpm(tmp_path))
    assert theirs.keys() == ours.keys()
    assert [name for name, content in ours.items() if theirs[name] != content] == []


@pytest.mark.history
@pytest.mark.tool("git", "xz")
def test_as_readme_has_it_built(tmp_path: Path) -> None:
    """In a checkout; what a distribution's macros and packages say comes from here."""
    subprocess.run(["git", "clone", "--quiet", TOP, tmp_path / "checkout"], check=True)
    (tmp_path / ".rpmmacros").write_text("".join(f"%{name} {value}\n" for name, value in MACROS.items()))
    _, _, archived, built, _ = commands("Install")
    lines = [archived, built.replace("rpmbuild ", "rpmbuild --nodeps ").replace("/opt/tukit-sysext", str(tmp_path))]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for line in lines:
        subprocess.run(
            ["sh", "-ec", line], cwd=tmp_path / "checkout", env=environment, check=True, stderr=subprocess.PIPE
        )
    rpms = {rpm.name for rpm in tmp_path.glob("noarch/*.rpm")}
    wanted = [line.split()[3:] for line in commands("Install", after="On MicroOS") if " pkg install " in line]
    assert {f"{name}-{__version__}-0.noarch.rpm" for name in wanted[0]} <= rpms


@pytest.mark.tool("make", "checkmodule", "semodule_package", "bzip2")
@pytest.mark.skipif(selinux.MISSING != "", reason=selinux.MISSING)
def test_the_policy_module_is_a_package_of_its_own(tmp_path: Path) -> None:
    """What is installed is the module that tests/unit/test_selinux_module.py looks into."""
    made = tmp_path / "made"
    made.mkdir()
    files = selinux.with_stand_ins(read_tree(TOP))
    rpm = build(files, made, MACROS | selinux.RPM_MACROS, switches=(*NO_CHECK, *selinux.SWITCHES))
    content = contents(rpm.with_name("tukit-sysext-selinux.rpm"))
    module = "./usr/share/selinux/packages/targeted/tukit_sysext.pp.bz2"
    compiled = selinux.compiled(selinux.lay_out(tmp_path / "sources"), "tukit_sysext")
    assert bz2.decompress(content[module]) == compiled.read_bytes()
    interface = "./usr/share/selinux/devel/include/distributed/tukit_sysext.if"
    assert content[interface] == (TOP / "spec/selinux/tukit_sysext.if").read_bytes()
    assert not [name for name in contents(rpm) if "selinux" in name and "tukit_sysext/" not in name]
    scripts = subprocess.run(
        ["rpm", "--query", "--scripts", "--package", rpm.with_name("tukit-sysext-selinux.rpm")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert f"echo install {module.removeprefix('.')}\n" in scripts
    assert "echo uninstall tukit_sysext\n" in scripts


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_package_checks_itself(tmp_path: Path) -> None:
    """%check, in a tree that has what a release has: all tests that need no root."""
    build(read_tree(TOP, (*INPUTS, *TESTS)), tmp_path, switches=())
