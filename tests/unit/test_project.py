# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the project states in two places agrees: pyproject.toml, the RPM spec, the folders that it installs.

Each check is a function from a project's folder to what is wrong there, tried on this project and on copies
of it with one fault each.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pyrpm.spec import Spec

from tests.rpm import TOP

HOST_PYTHON = os.path.realpath("/usr/bin/python3")

SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"

METADATA = "SPDX-License-Identifier: CC0-1.0"
"""AppStream's catalogues take metadata of permissive licences alone."""

# The distribution that an import comes from, where the names differ.
DISTRIBUTIONS = {"pyrpm": "python-rpm-spec"}

# The folders of what others run; each file there is a sh script.
SCRIPTS = {"hooks", "snapper-plugins", "zypp-plugins", "health-checker", "libexec"}

LAYOUT = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "hooks",
    "pyproject.toml",
    "snapper-plugins",
    "spec",
    "tests",
    "tukit_sysext",
}


def dependencies(top: Path) -> list[Requirement]:
    """The runtime dependencies that pyproject.toml states."""
    return [Requirement(text) for text in project(top)["dependencies"]]


def project(top: Path) -> dict[str, list[str]]:
    """The [project] table of pyproject.toml."""
    table: dict[str, list[str]] = tomllib.loads((top / "pyproject.toml").read_text())["project"]
    return table


def spec_path(top: Path) -> Path:
    return top / "spec" / "tukit-sysext.spec"


def section(top: Path, name: str) -> list[str]:
    """The lines of the spec's section `name` (such as "files"), without comments."""
    text = spec_path(top).read_text()
    found = re.search(
        rf"^%{name}\n(.*?)^%(?:check|pre|post|preun|postun|posttrans|files|changelog)\b", text, re.M | re.S
    )
    assert found, f"the spec has no %{name}"
    return [line for line in found[1].splitlines() if line and not line.startswith("#")]


def version_problems(top: Path) -> list[str]:
    """The version is stated in the package and in the spec."""
    problems = []
    if "version" not in project(top)["dynamic"]:
        problems.append("pyproject.toml: the version has a third place")
    stated = re.search(r'^__version__ = "(.*)"$', (top / "tukit_sysext" / "__init__.py").read_text(), re.M)
    spec = Spec.from_file(str(spec_path(top))).version
    if not stated or stated[1] != spec:
        problems.append(f"version: {stated and stated[1]} in the package, {spec} in the spec")
    if f"## {spec}" not in (top / "CHANGELOG.md").read_text():
        problems.append(f"CHANGELOG.md: nothing on {spec}")
    newest = (top / "spec" / "tukit-sysext.changes").read_text().split("\n-----", 1)[0]
    if f"- Version {spec}" not in newest:
        problems.append(f"tukit-sysext.changes: the newest entry says nothing on {spec}")
    return problems


def optional_dependencies(top: Path) -> list[str]:
    """The names of those that some commands need."""
    extras = tomllib.loads((top / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return [Requirement(text).name for extra in extras.values() for text in extra]


def requirement_problems(top: Path) -> list[str]:
    """Each dependency is a Requires with the same bound, and each Python module required is a dependency; those that
    some commands need are each a Suggests.
    """
    required = {
        requirement.name: f"{requirement.operator or ''}{requirement.version or ''}"
        for requirement in Spec.from_file(str(spec_path(top))).requires
    }
    expected = {f"python3-{dependency.name}": str(dependency.specifier) for dependency in dependencies(top)}
    expected["%{python_base}"] = str(project(top)["requires-python"])
    python = {name: bound for name, bound in required.items() if name.startswith(("python", "%{python"))}
    del python["python3-rpm"]  # comes with rpm alone, and is imported by a child that needs nothing of ours
    problems = [f"{name} {bound}: not a Requires" for name, bound in (expected.items() - python.items())]
    problems += [f"Requires {name} {bound}: not in pyproject.toml" for name, bound in python.items() - expected.items()]
    lines = [line.split() for line in spec_path(top).read_text().splitlines()]
    suggested = [f"python3-{name}" for name in optional_dependencies(top)]
    problems += [f"{name}: not a Suggests" for name in suggested if ["Suggests:", name] not in lines]
    return problems


def import_problems(top: Path) -> list[str]:
    """What the package imports is a dependency, and every dependency is imported somewhere."""
    names = [*(dependency.name for dependency in dependencies(top)), *optional_dependencies(top)]
    known = {canonicalize_name(name) for name in names}
    imported: dict[str, Path] = {}
    for file in sorted((top / "tukit_sysext").rglob("*.py")):
        for module in modules_imported(file):
            if module not in sys.stdlib_module_names and module != "tukit_sysext":
                imported.setdefault(canonicalize_name(DISTRIBUTIONS.get(module, module)), file)
    return [f"{file}: imports {name}, which is no dependency" for name, file in imported.items() if name not in known]


def modules_imported(file: Path) -> Iterator[str]:
    """The top-level names of the modules that a Python file imports absolutely."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "execlp", "execlpe", "execvp", "execvpe", "spawnlp",
          "spawnlpe", "spawnvp", "spawnvpe", "posix_spawnp", "create_subprocess_shell"}  # fmt: skip
"""Functions that run a shell, or look for a program on a PATH."""
STARTERS = {"os", "subprocess", "pty", "asyncio", "multiprocessing"}
"""The modules that can start programs."""
GATEWAY = "tukit_sysext/system/process.py"
"""The only module that starts programs."""


def shell_problems(top: Path) -> list[str]:
    """No shell anywhere, and one gateway to other programs, which gives them an absolute path and an environment."""
    problems = []
    for file in sorted((top / "tukit_sysext").rglob("*.py")):
        relative = str(file.relative_to(top))
        for node in ast.walk(ast.parse(file.read_text())):
            where = f"{relative}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.keyword) and node.arg == "shell":
                problems.append(f"{where}: shell=")
            if isinstance(node, ast.Attribute) and node.attr in SHELLS and ast.unparse(node.value) in STARTERS:
                problems.append(f"{where}: {ast.unparse(node)}")
            hidden = isinstance(node, ast.ImportFrom) and node.module in STARTERS
            hidden |= isinstance(node, ast.Import) and any(item.asname and item.name in STARTERS for item in node.names)
            if hidden:
                problems.append(f"{where}: {ast.unparse(node)}: hides what it calls from this check")
        if relative != GATEWAY and (STARTERS - {"os"}) & set(modules_imported(file)):
            problems.append(f"{relative}: starts programs, which {GATEWAY} does")
    return problems


ENVIRONMENT_READERS = {
    "tukit_sysext/system/environment.py",  # makes our own of it
    "tukit_sysext/net/libcurl.py",  # sets RES_OPTIONS while libcurl is loaded, and reads none
    "tukit_sysext/terminal/output.py",  # NO_COLOR, TERM and COLUMNS decide how a terminal is written to
    "tukit_sysext/grammar/command.py",  # COLUMNS decides how wide help is
    "tukit_sysext/system/login_uid.py",  # whom history names, where the kernel knows no login
}


def environment_problems(top: Path) -> list[str]:
    """The environment is read where nothing but the looks of the output, and whom it names, depends on it."""
    return [
        f"{relative}:{node.lineno}: {node.attr}"
        for file in sorted((top / "tukit_sysext").rglob("*.py"))
        if (relative := str(file.relative_to(top))) not in ENVIRONMENT_READERS
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "environb", "getenv", "getenvb", "expanduser", "expandvars", "gettempdir")
    ]


def package_problems(top: Path) -> list[str]:
    """A folder without __init__.py would be left out of the wheel without a word."""
    folders = {file.parent for file in (top / "tukit_sysext").rglob("*.py")}
    return [f"{folder}: no __init__.py" for folder in folders if not (folder / "__init__.py").exists()]


NOT_INSTALLED = {
    ".spec",
    ".changes",  # a build service puts it into the package
    ".preset",  # a distribution's own package has what is on
    ".svg",  # README shows it
}


def destination(file: Path) -> str | None:
    """Where a file of hooks/, snapper-plugins/ or spec/ belongs, in the spec's words; None: nowhere."""
    if file.parent.name == "hooks":
        return f"%{{_prefix}}/lib/tukit/plugins/{file.name}"
    if file.parent.name == "health-checker":
        return f"%{{_libexecdir}}/health-checker/{file.name}"
    if file.parent.name == "libexec":
        return f"%{{_libexecdir}}/tukit-sysext/{file.name}"
    if file.parent.name == "snapper-plugins":
        return f"%{{_prefix}}/lib/snapper/plugins/{file.name}"
    if file.parent.name == "zypp-plugins":
        return f"%{{_prefix}}/lib/zypp/plugins/commit/{file.name}"
    if file.suffix in {".service", ".path", ".timer", ".target"}:
        return f"%{{_unitdir}}/{file.name}"
    if file.suffix == ".tmpfiles":
        return f"%{{_tmpfilesdir}}/{file.stem}.conf"
    if file.suffix == ".catalog":
        return f"%{{_prefix}}/lib/systemd/catalog/{file.name}"
    if man_page := re.fullmatch(r"(.*\.([1-8]))(\.[a-z]+)?", file.name):
        return f"%{{_mandir}}/man{man_page[2]}/{man_page[1]}*"
    # what rpmlint has not to say, and why
    kept = file.suffix in NOT_INSTALLED or file.name == "tukit-sysext-rpmlintrc"
    return None if kept else f"a place for {file.name}"


def installed_files(top: Path) -> Iterator[Path]:
    """The files of the folders that the spec installs."""
    for folder in ("hooks", "snapper-plugins", "spec", "spec/health-checker", "spec/libexec", "spec/zypp-plugins"):
        yield from (path for path in sorted((top / folder).iterdir()) if path.is_file())


def file_list_problems(top: Path) -> list[str]:
    """Each file of those folders is in %files and in %install, and %files has no more in their places."""
    listed = {*section(top, "files"), *section(top, "files health-checker")}
    text = spec_path(top).read_text()
    wanted = {place: file for file in installed_files(top) if (place := destination(file))}
    problems = [f"{file}: {place} is not in %files" for place, file in wanted.items() if place not in listed]
    units = set(" ".join(re.findall(r"^%global (?:waiting|started) (.*)$", text, re.M)).split())
    problems += [f"{unit}: in only one of spec/ and the spec's two lists" for unit in units ^ unit_names(top)]
    for file in wanted.values():
        relative = str(file.relative_to(top))
        if file.name not in units and relative not in "\n".join(section(top, "install")):
            problems.append(f"{relative}: not in %install")
    folders = ("%{_prefix}/lib/tukit/plugins/", "%{_prefix}/lib/snapper/plugins/", "%{_tmpfilesdir}/")
    unit_file = re.compile(r"%\{_unitdir\}/[^/]+")
    for line in sorted(listed - wanted.keys()):
        if line.startswith(folders) or unit_file.fullmatch(line):
            problems.append(f"%files has {line}, which no file of the project becomes")
    return problems


def unit_names(top: Path) -> set[str]:
    return {file.name for file in installed_files(top) if str(destination(file)).startswith("%{_unitdir}")}


def python_line_problems(top: Path) -> list[str]:
    """The spec puts its own Python into the one line for it in each of the sh hooks."""
    return [
        f"{file}: has not exactly one line python=/usr/bin/python3"
        for file in installed_files(top)
        if file.parent.name in SCRIPTS - {"health-checker", "snapper-plugins"}
        and re.findall(r"^python=.*$", file.read_text(), re.M) != ["python=/usr/bin/python3"]
    ]


def mode_problems(top: Path) -> list[str]:
    """Commands can be run from the tree as it is checked out."""
    commands = [top / ".ci" / "run", top / "tests" / "run", top / "tests" / "demo"]
    commands += [file for file in installed_files(top) if file.parent.name != "spec"]
    return [f"{file}: not executable" for file in commands if file.exists() and not file.stat().st_mode & 0o100]


def layout_problems(top: Path) -> list[str]:
    """At the top there is what the layout says, beside what git ignores."""
    ignored = [line.strip("/") for line in (top / ".gitignore").read_text().splitlines() if line.endswith("/")]
    there = {path.name for path in top.iterdir()} - {".git"}
    there -= {name for name in there if any(fnmatchcase(name, pattern) for pattern in ignored)}
    return [f"{name}: not as the layout says" for name in there ^ LAYOUT]


def spdx_problems(top: Path) -> list[str]:
    """Every file of source says its licence in the first lines; a spec begins with a header of its distribution."""
    problems = []
    for file in source_files(top):
        head = file.read_text(errors="replace").splitlines()[: 17 if file.suffix == ".spec" else 5]
        expected = METADATA if file.name.endswith(".metainfo.xml") else SPDX
        if not any(expected in line for line in head):
            problems.append(f"{file}: no line {expected}")
    return problems


def source_files(top: Path) -> Iterator[Path]:
    """All files but the licence itself, recorded data, documents, empty markers, and what programs are tried on."""
    for name in sorted(LAYOUT):
        for file in sorted((top / name).rglob("*")) if (top / name).is_dir() else [top / name]:
            if (
                file.is_file()
                and file.suffix not in {".md", ".pyc", ".json", ".txt", ".changes"}
                and file.name not in {"LICENSE", "py.typed"}
                and top / "tests" / "data" not in file.parents
                and file.parent != top / "tukit_sysext" / "system" / "known_good"
            ):
                yield file


CHECKS: list[Callable[[Path], list[str]]] = [
    version_problems,
    requirement_problems,
    import_problems,
    shell_problems,
    environment_problems,
    package_problems,
    file_list_problems,
    python_line_problems,
    mode_problems,
    layout_problems,
    spdx_problems,
]


@pytest.mark.parametrize("check", CHECKS)
def test_agrees(check: Callable[[Path], list[str]]) -> None:
    assert check(TOP) == []


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    """A fault: `old`, which must be there, replaced in a file of the project."""

    def fault(top: Path) -> None:
        text = (top / file).read_text()
        assert old in text
        (top / file).write_text(text.replace(old, new))

    return fault


def add(file: str, text: str = "", mode: int = 0o644) -> Callable[[Path], None]:
    """A fault: one more file."""

    def fault(top: Path) -> None:
        (top / file).parent.mkdir(exist_ok=True)
        (top / file).write_text(text)
        (top / file).chmod(mode)

    return fault


def remove(file: str) -> Callable[[Path], None]:
    """A fault: one file less."""
    return lambda top: (top / file).unlink()


SPEC = "spec/tukit-sysext.spec"
HOOK = "hooks/50-tukit-sysext"
FAULTS = [
    (version_problems, edit(SPEC, "\nVersion:        ", "\nVersion:        9")),
    (version_problems, edit("pyproject.toml", 'dynamic = ["version"]', 'version = "0.1.0"\ndynamic = []')),
    (version_problems, edit("CHANGELOG.md", "## ", "## 9")),
    (version_problems, edit("spec/tukit-sysext.changes", "- Version ", "- Version 9")),
    (requirement_problems, edit(SPEC, "Requires:       python3-pluggy >= 1.0\n", "")),
    (requirement_problems, edit(SPEC, "python3-pluggy >= 1.0", "python3-pluggy >= 1.1")),
    (
        requirement_problems,
        edit(SPEC, "Requires:       python3-btrfsutil\nRequires:", "Requires:       python3dist(btrfsutil)\nRequires:"),
    ),
    (requirement_problems, edit(SPEC, "Requires:       snapper", "Requires:       snapper python3-requests")),
    (requirement_problems, edit("pyproject.toml", '"btrfsutil",', '"btrfsutil",\n"attrs",')),
    (requirement_problems, edit("pyproject.toml", ">=3.11", ">=3.12")),
    (import_problems, add("tukit_sysext/more.py", "def late() -> None:\n    import requests\n")),
    (import_problems, add("tukit_sysext/more.py", "from yaml.loader import Loader\n")),
    (shell_problems, edit("tukit_sysext/system/process.py", 'cwd="/",', 'cwd="/", shell=True,')),
    (shell_problems, add("tukit_sysext/more.py", "import os\nos.system('true')\n")),
    (shell_problems, add("tukit_sysext/more.py", "from os import system\n")),
    (shell_problems, add("tukit_sysext/more.py", "import os as machine\n")),
    (shell_problems, add("tukit_sysext/more.py", "import os\nos.execvp('true', ['true'])\n")),
    (shell_problems, add("tukit_sysext/more.py", "import subprocess\n")),
    (environment_problems, add("tukit_sysext/more.py", "import os\nos.getenv('HOME')\n")),
    (environment_problems, add("tukit_sysext/more.py", "from pathlib import Path\nPath('~').expanduser()\n")),
    (package_problems, add("tukit_sysext/deeper/more.py")),
    (file_list_problems, add("hooks/51-more")),
    (file_list_problems, add("snapper-plugins/61-more")),
    (file_list_problems, add("spec/zypp-plugins/more")),
    (file_list_problems, add("spec/tukit-sysext-more.service")),
    (file_list_problems, add("spec/tukit-sysext.8.md")),
    (file_list_problems, add("spec/more.unheard-of")),
    (file_list_problems, remove("spec/tukit-sysext-settle.path")),
    (file_list_problems, remove(HOOK)),
    (file_list_problems, edit(SPEC, "\n%{_unitdir}/tukit-sysext-settle.service", "")),
    (file_list_problems, edit(SPEC, "\n%{_tmpfilesdir}/tukit-sysext.conf\n", "\n")),
    (file_list_problems, edit(SPEC, " tukit-sysext-refused.path", "")),
    (file_list_problems, edit(SPEC, "install -D -m 0755 hooks/50-tukit-sysext", "#")),
    (python_line_problems, edit(HOOK, "\npython=", "\npython3=")),
    (file_list_problems, add("spec/libexec/more")),
    (python_line_problems, edit("spec/libexec/guard", "\npython=", "\npython3=")),
    (python_line_problems, edit(HOOK, "\npython=", "\npython=x\npython=")),
    (mode_problems, lambda top: (top / HOOK).chmod(0o644)),
    (mode_problems, lambda top: (top / "tests" / "run").chmod(0o644)),
    (layout_problems, add("notes.txt")),
    (layout_problems, add("more/file")),
    (layout_problems, remove("LICENSE")),
    (spdx_problems, add("tukit_sysext/more.py", "import os\n")),
    (spdx_problems, add("hooks/51-more", "#!/bin/sh\n")),
    (spdx_problems, edit(SPEC, SPDX, "SPDX-License-Identifier: MIT")),
    (spdx_problems, edit("spec/tukit-sysext.tmpfiles", SPDX, "")),
]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the checks look at."""
    copy = tmp_path_factory.mktemp("project") / "copy"
    copy.mkdir()
    for name in LAYOUT - {"tests"}:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(TOP / name, copy / name)
    (copy / "tests").mkdir()
    shutil.copy(TOP / "tests" / "run", copy / "tests" / "run")
    return copy


@pytest.mark.parametrize(
    ("check", "fault"), FAULTS, ids=[f"{check.__name__}-{number}" for number, (check, _) in enumerate(FAULTS)]
)
def test_each_check_can_fail(
    check: Callable[[Path], list[str]], fault: Callable[[Path], None], pristine: Path, tmp_path: Path
) -> None:
    top = tmp_path / "project"
    shutil.copytree(pristine, top)
    assert check(top) == []
    fault(top)
    assert check(top) != []
