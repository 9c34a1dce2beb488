# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages and README: nothing that the code has is missing in them, and what they show works.

Each check is a function from texts to what is wrong, tried on the real ones and on some with a fault.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spec.man import described, hooks, pages, schemas
from tests.documents import COMMANDS
from tests.rpm import TOP
from tests.trees import make_tree
from tukit_sysext import layout
from tukit_sysext.config import settings, wanted
from tukit_sysext.config.key_table import KEYS, File, Key
from tukit_sysext.exit_status import COMMAND_LINE
from tukit_sysext.grammar import PARTS, parser
from tukit_sysext.layout import Layout
from tukit_sysext.plugins.spec import Specifications
from tukit_sysext.system.tree import Tree

TOOL, CONFIGURATION, JSON, HOOKS, REPOSITORY, FLEET = (
    "tukit-sysext.8",
    "tukit-sysext.conf.5",
    "tukit-sysext-json.5",
    "tukit-sysext-hooks.7",
    "tukit-sysext-repository.7",
    "tukit-sysext-fleet.7",
)
PACKAGE = TOP / "tukit_sysext"


@pytest.fixture(scope="module", params=[TOOL, CONFIGURATION, JSON, HOOKS, REPOSITORY, FLEET])
def page(request: pytest.FixtureRequest) -> str:
    name = request.param
    assert isinstance(name, str)
    return name


def shown(roff: bytes, *, columns: int = 80) -> tuple[str, str]:
    """A page as a terminal of this width shows it, without tones, and what groff warns of."""
    command = ["groff", "-ww", "-man", "-Tascii", "-P-cbou", f"-rLL={columns - 2}n", "-Kutf8"]
    done = subprocess.run(command, input=roff, capture_output=True, timeout=60, check=True)
    return done.stdout.decode("ascii", "replace"), done.stderr.decode()


def test_the_pages_are_these() -> None:
    assert sorted(pages.templates()) == sorted((TOOL, CONFIGURATION, JSON, HOOKS, REPOSITORY, FLEET))


@pytest.mark.tool("groff")
def test_a_page_is_sound_roff(page: str) -> None:
    """docutils raises for a fault in the source; groff's own warnings count too, but for long words at a line's end."""
    text, warnings = shown(pages.roff(page))
    assert [line for line in warnings.splitlines() if "break" not in line] == []
    for section in ("NAME", "DESCRIPTION", "FILES", "SEE ALSO"):
        assert re.search(rf"^{section}$", text, re.M), f"{page} has no section {section}"
    marks = re.findall(r".*(?:``|\*\*|\.\. (?:fill|key)::|\\\(\d\)).*", text)
    assert marks == [], "marks of the source were taken for text"


def test_every_reference_between_the_pages_leads_to_one(page: str) -> None:
    found = re.findall(r"\*\*(tukit-sysext[a-z.-]*)\*\*\\\((\d)\)", pages.source(page))
    assert {f"{name}.{section}" for name, section in found} <= set(pages.templates())


def option_problems(text: str) -> list[str]:
    """Commands, options and exit statuses that the page does not have."""
    problems = []
    text = text.partition("\nCOMMANDS\n")[2]
    terms = {line.split(" ")[0] for line in text.splitlines() if line.startswith("**")}
    for command in described.commands():
        if not re.search(rf"^\*\*{' '.join(command.words)}\*\*", text, re.M):
            problems.append(f"{' '.join(command.words)} is not described")
        part = text.partition(f"\n**{' '.join(command.words)}**")[2]
        synopsis = part.partition("\n")[0]
        for option in command.options:
            flags = ", ".join(f"**{flag}**" for flag in option.flags)
            told = flags in part.partition("\n**")[0] or re.search(rf"^{re.escape(flags)}", text, re.M)
            used = option.flags[-1] in synopsis or option.dest in ("help", "verbose", "quiet")
            if not told or not used:
                problems.append(f"{' '.join(command.words)} {option.flags[-1]} is not described")
    problems += [f"{flag}: not described" for flag in ("**--version**", "**-h**,") if flag not in terms]
    return problems


def test_commands_stand_below_the_headings_of_the_help() -> None:
    text = pages.templates()[TOOL].read_text().partition("\nCOMMANDS\n")[2].partition("\nOPTIONS\n")[0]
    found = re.findall(r"^(.+)\n-+\n\n\.\. fill:: commands (\w+)$", text, re.M)
    assert found == [(part.TITLE, part.__name__.rpartition(".")[2].removesuffix("_commands")) for part in PARTS]


def test_every_command_and_option_is_described() -> None:
    text = pages.source(TOOL)
    assert option_problems(text) == []
    assert "gc is not described" in option_problems(text.replace("**gc**", "**collect**"))
    assert option_problems(text.replace("**--unknown-origin**", "")) == ["gc --unknown-origin is not described"]
    assert "list --root is not described" in option_problems(text.replace("\n**--root**", "\n**--tree**"))


def statuses() -> Iterator[str]:
    """What the command line and its commands return as an exit status, as it is written."""
    for path in (PACKAGE / "cli.py", *sorted((PACKAGE / "commands").rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (
                node.name == "main" or ast.unparse(node.returns or node) == "ExitStatus"
            ):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield ast.unparse(inner.value)


@pytest.mark.tool("groff")
def test_every_exit_status_is_described() -> None:
    returned = " ".join(statuses())
    assert re.search(r"\b[0-9]+\b", returned) is None, "a number, not a name"
    assert set(re.findall(r"ExitStatus\.(\w+)", returned)) == {status.name for status in COMMAND_LINE}
    text, _ = shown(pages.roff(TOOL))
    told = re.findall(r"^       (\d+) ", text.partition("EXIT STATUS")[2].partition("ENVIRONMENT")[0], re.M)
    assert {int(status) for status in told} == set(COMMAND_LINE)


def test_every_hook_is_described() -> None:
    text = pages.source(HOOKS)
    names = [name for name in vars(Specifications) if name.startswith("tukit_sysext_")]
    assert list(hooks.names()) == names
    for name in names:
        first = (getattr(Specifications, name).__doc__ or "").strip().splitlines()[0]
        assert f"\n{name}\n---" in text and first in text


@pytest.mark.tool("groff")
def test_every_document_is_described() -> None:
    text, _ = shown(pages.roff(JSON))
    assert re.findall(r"^   ([a-z-]+)$", text, re.M) == sorted(COMMANDS)
    for schema in schemas.load().values():
        for part in schema.get("oneOf", [schema]):
            assert [
                name for _, name, _, _ in schemas.properties(schema, part) if not re.search(rf"\b{name} ", text)
            ] == []


def key_problems(text: str) -> list[str]:
    """Keys that the page does not have in their section, or that it has and nobody reads."""
    files = {File.MAIN: "TUKIT-SYSEXT.CONF", File.SOURCE: "SOURCES.D/NAME.CONF", File.IMAGE: "IMAGES.D/NAME.CONF"}
    found: set[tuple[str, str]] = set()
    heading = section = ""
    lines = text.splitlines()
    for number, line in enumerate(lines[1:], start=1):
        if line.startswith("==="):
            heading = lines[number - 1]
        elif line.startswith("---"):
            section = lines[number - 1].strip("[]")
        elif match := re.match(r"\*\*(\w+)=\*\* \(", line):
            found.add((f"{heading} {section}" if heading == files[File.MAIN] else heading, match[1]))
    expected = {
        (f"{files[key.file]} {key.section}" if key.file is File.MAIN else files[key.file], key.name) for key in KEYS
    }
    return [f"{where}: {name}=" for where, name in sorted(found ^ expected)]


def test_every_key_is_described() -> None:
    text = pages.source(CONFIGURATION)
    assert key_problems(text) == []
    assert key_problems(text.replace("**Grace=**", "**Grave=**")) == [
        "TUKIT-SYSEXT.CONF Store: Grace=",
        "TUKIT-SYSEXT.CONF Store: Grave=",
    ]


def examples() -> Iterator[Any]:
    """Each key with the example of it that the page has."""
    for section, name, value in re.findall(
        r"^\.\. key:: (\S+) (\S+) (.+)$", pages.templates()[CONFIGURATION].read_text(), re.M
    ):
        key = next(key for key in KEYS if (key.section, key.name) == (section, name))
        # the file has to be root's
        marks = [pytest.mark.root] if key.name == "Credentials" else []
        yield pytest.param(key, value, marks=marks, id=key.title)


@pytest.mark.parametrize(("key", "value"), list(examples()))
def test_an_example_of_a_key_is_taken(key: Key, value: str, tmp_path: Path) -> None:
    if key.name == "CosignKey":
        make_tree(tmp_path, {value.lstrip("/"): "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"})
        value += "\nURL=oci://registry.example.org/images"
    if key.name in ("Keyring", "Credentials"):
        path = make_tree(tmp_path, {value.lstrip("/"): "user:password\n"}) / value.lstrip("/")
        path.chmod(0o600)
    file = str(key.file).replace("NAME", "main")
    make_tree(tmp_path, {f"etc/tukit-sysext/{file}": f"[{key.section}]\n{key.name}={value}\n"})
    with Tree(tmp_path) as tree:
        problems = [*settings.load_configuration(tree).problems, *wanted.load_wanted(tree).problems]
    assert [str(problem) for problem in problems] == []


def test_the_drop_ins_for_fleets_are_taken(tmp_path: Path) -> None:
    text = pages.source(CONFIGURATION).partition("DROP-INS OF PACKAGES")[2]
    files = re.findall(r"^    # (/\S+)\n((?:    .+\n)+)", text, re.M)
    assert len(files) > 3
    entries = {path.lstrip("/"): re.sub("^    ", "", content, flags=re.M) for path, content in files}
    make_tree(tmp_path, {**entries, "usr/lib/tukit-sysext/keyrings/fleet.gpg": "a key"})
    with Tree(tmp_path) as tree:
        found, images = settings.load_configuration(tree), wanted.load_wanted(tree)
    assert [str(problem) for problem in (*found.problems, *images.problems)] == []
    assert (found.settings.refuse_for, list(found.sources), list(images.images)) == (None, ["fleet"], ["debug"])


def path_problems(text: str) -> list[str]:
    """Places of Layout that FILES does not have."""
    files = text.partition("\nFILES\n")[2].partition("\nFLEETS\n")[0]
    terms = {term for line in files.splitlines() if line.startswith("/") for term in line.split(", ")}
    places = {
        layout.STORE,
        f"/{layout.EXTENSIONS}",
        f"/{layout.QUARANTINE}",
        *(f"/{each}" for each in layout.CONFIGURATION),
    }
    for name, member in vars(Layout).items():
        if isinstance(member, property):
            found = getattr(Layout(), name)
            places |= {str(each) for each in (found if isinstance(found, tuple) else (found,))}
    return sorted(places - terms)


def test_every_place_is_described() -> None:
    text = pages.source(TOOL)
    assert path_problems(text) == []
    assert path_problems(text.replace("\n/run/tukit-sysext/lock\n", "\n")) == ["/run/tukit-sysext/lock"]


def test_every_unit_is_described() -> None:
    units = {path.name for path in (TOP / "spec").iterdir() if path.suffix in (".service", ".path", ".timer")}
    told = pages.source(TOOL).partition("\nUNITS\n")[2].partition("\nFILES\n")[0]
    assert {unit for unit in units if unit not in told} == set()


def test_every_variable_of_the_environment_is_described() -> None:
    read: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        read |= set(re.findall(r"environ(?:ment)?\.get\(\"(\w+)\"", path.read_text()))
    assert read >= {"NO_COLOR", "TERM", "COLUMNS"}
    told = pages.source(TOOL).partition("\nENVIRONMENT\n")[2].partition("\nUNITS\n")[0]
    assert [name for name in sorted(read) if not re.search(rf"^{name}\b|, {name}$", told, re.M)] == []


def literals() -> str:
    """All texts of the package, those of formatted strings with a gap where a value stands."""
    found: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(each.value) if isinstance(each, ast.Constant) else "\0" for each in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_messages_to_look_up_are_those_of_the_program() -> None:
    """Those in quotation marks, word by word; "..." and names between asterisks stand for anything."""
    text = pages.templates()[TOOL].read_text().partition("\nTROUBLESHOOTING\n")[2].partition("\nSEE ALSO\n")[0]
    terms = [line for line in text.splitlines() if line.startswith('"')]
    known = literals()
    assert len(terms) > 5
    told = [message for term in terms for message in re.findall('"(.+?)"', term)]
    parts = [part.strip(" :") for message in told for part in re.split(r"\.\.\.|\*\w+\*", message)]
    assert [part for part in parts if part not in known] == []


def command_lines(text: str) -> Iterator[str]:
    """The calls of tukit-sysext in the literal blocks of a page, or in README."""
    text = re.sub(r" \\\n +", " ", text)
    for line in re.findall(r"^ {4,}(?:# |sudo )?(tukit-sysext .+)$", text, re.M):
        yield re.split(r" {2,}", line)[0]


def all_lines() -> list[str]:
    texts = [*(pages.source(name) for name in pages.templates()), (TOP / "README.md").read_text()]
    return sorted({line for text in texts for line in command_lines(text) if line != "tukit-sysext"})


@pytest.mark.parametrize("line", all_lines())
def test_an_example_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = shlex.split(re.split(r" \||;", line)[0])[1:]
    try:
        parser().parse_args(arguments)
    except SystemExit as error:
        pytest.fail(f"{line}: ends with {error.code}")


def test_examples_are_found() -> None:
    """Those of the grammar are all among them."""
    own = {f"tukit-sysext {line}" for command in described.commands() for line, _ in command.examples}
    assert own <= set(all_lines())


def test_each_command_has_its_place_beside_other_tools() -> None:
    page = pages.source("tukit-sysext.8").split("\nOTHER TOOLS\n")[1].split("\nTROUBLESHOOTING\n")[0]
    named = [word for words in re.findall(r"^\*\*([a-z, -]+)\*\*", page, re.M) for word in words.split(", ")]
    assert sorted(named) == sorted({command.words[0] for command in described.commands()})


def test_no_sentence_of_readme_is_too_long() -> None:
    text = re.sub(r"\n## Hacking\n.*?(?=\n## |$)", "", (TOP / "README.md").read_text(), flags=re.S)
    prose = re.sub(r"^(?: {4}.*|\|.*|#.*|!.*)$", ".", text, flags=re.M)
    sentences = re.split(r"[.:;?]\s|\n\n|\n\* ", prose)
    assert [each for each in sentences if len(each.split()) >= 40] == []
