# SPDX-License-Identifier: LGPL-2.1-or-later
"""The picture of README: what real commands print on a terminal, between an update and the reboot.

Times are replaced, so that the same output makes the same picture.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from tests.lab import Flavour, Lab
from tests.on_lab.site import NEW, OLD, Site, installed_tree
from tests.rpm import TOP
from tests.terminal import on_terminal

PICTURE = TOP / "spec" / "picture.svg"
COLUMNS = 100
COMMANDS = (("list",), ("status",), ("snapshots",), ("diff", "running", "default"))

_SPDX = "<!-- SPDX-License-Identifier: LGPL-2.1-or-later; made by tests/picture -->\n"
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
_LINE_END = re.compile(r"<text [^>]*>\n</text>")
_FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
# rich's own format fetches a font from elsewhere
_FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: FONT; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
""".replace("FONT", _FONT)


def prepare(site: Site) -> Site:
    """A machine after an update, before the reboot."""
    for name, version, release in (
        ("gdb", "15.1", OLD),
        ("gdb", "15.2", NEW),
        ("strace", "6.11", OLD),
        ("strace", "6.12", NEW),
        ("k3s", "1.31.5", OLD),
        ("podman-next", "5.3", NEW),
    ):
        site.publish(name, version, release)
    site.want("gdb")
    site.want("strace")
    site.want("k3s", policy="optional")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.lab.merge()
    done = site.update()
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return site


def screens(lab: Lab) -> Iterator[tuple[str, str]]:
    """Each command line, and what a terminal gets of it; the same for the same output at another time."""
    for command in COMMANDS:
        yield (
            " ".join(("tukit-sysext", *command)),
            _TIME.sub("2026-11-20 10:00", on_terminal(lab, command, columns=COLUMNS)[1]),
        )


def svg(found: Iterator[tuple[str, str]]) -> str:
    """The picture."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line, output in found:
            console.print(Text.assemble(("# ", "green"), (line, "bold")))
            console.print(Text.from_ansi(output.rstrip("\n")))
            console.print()
        drawn = console.export_svg(title="tukit-sysext", theme=DIMMED_MONOKAI, code_format=_FORMAT, unique_id="shown")
    return _SPDX + "\n".join(line.rstrip() for line in _LINE_END.sub("", drawn).splitlines()) + "\n"


def words(picture: str) -> list[str]:
    """The texts in a picture, in their order."""
    return [text.strip() for text in ElementTree.fromstring(picture).itertext() if text.strip()]  # noqa: S314  # ours


def main() -> int:
    """Write it."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = installed_tree(Path(scratch))
        with Lab.start(Flavour.MICROOS, install={tree: "/"}, name="picture") as lab:
            PICTURE.write_text(svg(screens(prepare(Site(lab=lab).prepare()).lab)), encoding="utf-8")
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
