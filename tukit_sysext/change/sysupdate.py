# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd-sysupdate is configured to do, sysupdate.d(5): transfers, of which some bring extension images."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.config.files import ConfigurationFile, Keys, load
from tukit_sysext.config.values import boolean
from tukit_sysext.errors import UnknownState
from tukit_sysext.system.tree import Tree

SUFFIXES = (".transfer", ".conf")
"""How the files end; the second before systemd 257."""
_DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib")
_FOLDER = re.compile(r"sysupdate(?:\.[^/]+)?\.d")
_EXTENSIONS = frozenset(f"{folder}/extensions" for folder in ("/etc", "/run", "/var/lib", "/usr/lib", "/usr/local/lib"))
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "Transfer": ("ProtectVersion", "ChangeLog", "AppStream"),
    "Source": (),
    "Target": (
        "MatchPartitionType",
        "MatchPattern",
        "PartitionUUID",
        "PartitionFlags",
        "PartitionNoAuto",
        "PartitionGrowFileSystem",
        "ReadOnly",
        "Mode",
        "TriesDone",
        "TriesLeft",
        "InstancesMax",
        "RemoveTemporary",
    ),
}
"""Keys that say nothing of where an image comes from, or how it is called; beside those that are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """One transfer, with its file.

    ``place`` is the URL or the directory that it takes files from, of which ``patterns`` match (both as they are
    written), and ``kind`` what that is (Type= of [Source]); ``link`` is what systemd-sysext would find, or the folder.
    ``features`` are those that it belongs to, ``enabled`` whether they are. ``notes`` name unknown keys and values.
    """

    file: str
    kind: str
    place: str
    relative_to: str
    patterns: tuple[str, ...]
    link: str
    verify: bool
    least: str
    features: tuple[str, ...]
    enabled: bool
    notes: tuple[str, ...]
    fault: bool

    @property
    def is_of_extension(self) -> bool:
        """Whether it brings an image where systemd-sysext looks for one."""
        return not _EXTENSIONS.isdisjoint((self.link, posixpath.dirname(self.link)))


def of_tree(tree: Tree) -> list[Transfer]:
    """All transfers of a tree, of all components; of a name the strongest directory's. Raises UnknownState."""
    folders: dict[str, list[str]] = {}
    for directory in _DIRECTORIES:
        for name in tree.names(directory) or ():
            if _FOLDER.fullmatch(name):
                folders.setdefault(name, []).append(f"{directory}/{name}")
    return [transfer for _, places in sorted(folders.items()) for transfer in _of_folders(tree, places)]


def of_path(path: str) -> list[Transfer]:
    """The transfer of a file, or those of a folder. Raises UnknownState where there is neither."""
    with Tree(Path("/")) as tree:
        place = os.path.realpath(path).lstrip("/")
        if os.path.isdir(path):
            return list(_of_folders(tree, [place]))
        file = load(tree, place)
        if file is None:
            raise UnknownState(f"{path}: expected a file with a transfer, or a folder of such files")
        return [_transfer(tree, [posixpath.dirname(place)], file)]


def _of_folders(tree: Tree, folders: Sequence[str]) -> Iterator[Transfer]:
    names = sorted({name for folder in folders for name in tree.names(folder) or () if name.endswith(SUFFIXES)})
    for name in names:
        place = next(folder for folder in folders if name in (tree.names(folder) or ()))
        file = load(tree, f"{place}/{name}")
        if file is not None:
            yield _transfer(tree, folders, file)


def _drop_ins(tree: Tree, folders: Sequence[str], name: str) -> Iterator[ConfigurationFile]:
    """The drop-ins of a file, the weakest first."""
    for folder in reversed(folders):
        for drop_in in tree.names(f"{folder}/{name}.d") or ():
            file = load(tree, f"{folder}/{name}.d/{drop_in}") if drop_in.endswith(".conf") else None
            if file is not None:
                yield file


def _transfer(tree: Tree, folders: Sequence[str], file: ConfigurationFile) -> Transfer:
    keys = Keys(file, *_drop_ins(tree, folders, posixpath.basename(file.path)))
    folder = keys.take("Target", "Path", str, "")
    keys.take("Target", "PathRelativeTo", str, "")
    keys.take("Target", "Type", str, "")
    link = keys.take("Target", "CurrentSymlink", str, "") or folder
    features = (*keys.take_all("Transfer", "Features", str), *keys.take_all("Transfer", "RequisiteFeatures", str))
    taken = {
        "kind": keys.take("Source", "Type", str, ""),
        "place": keys.take("Source", "Path", str, ""),
        "relative_to": keys.take("Source", "PathRelativeTo", str, ""),
        "least": keys.take("Transfer", "MinVersion", str, ""),
    }
    patterns = keys.take_all("Source", "MatchPattern", str)
    verify = keys.take("Transfer", "Verify", boolean, True)
    for section, names in _KNOWN.items():
        for name in names:
            keys.take(section, name, str, "")
    problems = keys.finish()
    return Transfer(
        file=file.path,
        patterns=patterns,
        link=posixpath.normpath(posixpath.join("/", folder, link)),
        verify=verify,
        features=features,
        enabled=not features or any(_is_enabled(tree, folders, feature) for feature in features),
        notes=tuple(str(problem) for problem in problems),
        fault=any(problem.fault for problem in problems),
        **taken,
    )


def _is_enabled(tree: Tree, folders: Sequence[str], feature: str) -> bool:
    name = f"{feature}.feature"
    main = next((file for folder in folders if (file := load(tree, f"{folder}/{name}")) is not None), None)
    files = [*([main] if main is not None else []), *_drop_ins(tree, folders, name)]
    return Keys(*files).take("Feature", "Enabled", boolean, False)
