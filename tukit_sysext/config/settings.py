# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole configuration of a tree: ``tukit-sysext.conf``, and the sources in ``sources.d/NAME.conf``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tukit_sysext.config import cosign_key, credentials, keyring, values
from tukit_sysext.config.cosign_key import CosignKey
from tukit_sysext.config.credentials import Credentials
from tukit_sysext.config.files import ConfigurationFile, EffectiveValue, Keys, Problem, load_folder
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.main_settings import Settings, load_settings
from tukit_sysext.config.values import absolute_path, boolean, number, url
from tukit_sysext.errors import UnknownState
from tukit_sysext.formats.oci_urls import api_url, is_registry
from tukit_sysext.formats.openpgp import fingerprint
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.rules.patterns import check_named_pattern
from tukit_sysext.system.tree import Tree

SOURCES = "sources.d"
DEFAULT_PRIORITY = 99


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSettings:
    """One source, section ``[Source]``, which counts where it is ``enabled`` (Enabled=, yes unless said otherwise).

    ``path`` of a directory (Path=) or ``urls`` of a directory on servers, or a project in registries, that mirror each
    other (URL=, several).
    ``verify`` tells whether its list must be signed (Verify=, yes unless said otherwise), by a key of ``keyrings``
    (Keyring=, else all of systemd's), one of ``fingerprints`` where any key is pinned (Fingerprint=, primary keys;
    None: all of them), by a signature that is at most ``max_age`` seconds old (MaxAge=, None: any age). ``credentials``
    are for its URLs (Credentials= names a file with user:password). ``cosign_key`` of a registry is what each image has
    to be signed with by cosign, in the place of a signed list (CosignKey=). ``doubt`` says why nothing of it is
    accepted: what it says of trust has a fault, and might have been meant to be stricter. As with zypper a smaller
    priority (Priority=) is a stronger source, and 99 is the default: a weaker source is asked only where no stronger
    one has a fitting image. ``patterns`` say how its files are named (MatchPattern=, as they are written; none: in one
    of the common forms). ``effective`` has the values as they are written.
    """

    name: str
    origin: str
    enabled: bool = True
    path: str | None = None
    urls: tuple[str, ...] = ()
    verify: bool = True
    keyrings: tuple[Keyring, ...] = ()
    fingerprints: tuple[str, ...] | None = None
    max_age: int | None = None
    credentials: Credentials | None = None
    cosign_key: CosignKey | None = None
    doubt: str = ""
    priority: int = DEFAULT_PRIORITY
    patterns: tuple[str, ...] = ()
    trusted: bool = True
    effective: tuple[EffectiveValue, ...] = field(default=(), compare=False, repr=False)

    @property
    def in_registry(self) -> bool:
        """Whether it is a project in registries."""
        return any(map(is_registry, self.urls))

    @property
    def has_signed_list(self) -> bool:
        """Whether a signed list says what it has."""
        return self.verify and self.cosign_key is None

    @property
    def servers(self) -> tuple[str, ...]:
        """What its servers are asked for, below its URLs: of registries the URLs of their API."""
        return tuple(map(api_url, self.urls))

    @property
    def tells_in_the_clear(self) -> bool:
        """Whether its credentials go over the network for anybody to read."""
        return self.credentials is not None and not any(url.startswith("https:") for url in self.servers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """What the files of a tree say, and what is wrong in them.

    ``trusted`` is False where a file of the settings has a fault, or a folder of sources cannot be read: the rest of it
    counts, but nothing is refused then, because the fault may have been what limits refusals, or what has the image.
    ``effective`` has the values of the settings as they are written, ``masked`` names of sources that are masked with
    what masks them, ``disabled`` sources that say Enabled=no, which are none of ``sources``.
    """

    settings: Settings
    sources: Mapping[str, SourceSettings]
    problems: tuple[Problem, ...]
    trusted: bool = True
    effective: tuple[EffectiveValue, ...] = field(default=(), compare=False, repr=False)
    masked: Mapping[str, str] = field(default_factory=dict, compare=False)
    disabled: Mapping[str, SourceSettings] = field(default_factory=dict, compare=False)


def load_configuration(tree: Tree) -> Configuration:
    """Read the configuration of a tree. Never raises for what stands in the files; a wrong value is the default."""
    settings, main_problems, effective = load_settings(tree)
    problems = [*main_problems]
    folder, folder_problems = load_folder(tree, SOURCES)
    problems += folder_problems
    trusted = not any(problem.fault for problem in problems)
    sources: dict[str, SourceSettings] = {}
    disabled: dict[str, SourceSettings] = {}
    for name, file in folder.files.items():
        source, of_file = read_source(tree, name, file)
        if source is not None and not source.enabled:
            disabled[name] = source
            continue
        problems += of_file
        if source is not None:
            sources[name] = source
    return Configuration(
        settings=settings,
        trusted=trusted,
        sources=sources,
        problems=tuple(problems),
        effective=effective,
        masked=folder.masked,
        disabled=disabled,
    )


def read_source(tree: Tree, name: str, file: ConfigurationFile) -> tuple[SourceSettings | None, tuple[Problem, ...]]:
    """What a file says of a source (None: its name is none), and what is wrong in it."""
    keys, origin = Keys(file), file.path
    try:
        check_component(name)
    except NameRefused as error:
        return None, (Problem(file=origin, line=0, message=f"the file's name: {error}"),)
    enabled = keys.take("Source", "Enabled", boolean, True)
    verify = keys.take("Source", "Verify", boolean, True)
    before = len(keys.problems)
    named_ring = keys.take("Source", "Keyring", absolute_path, None)
    cosign_file = keys.take("Source", "CosignKey", absolute_path, None)
    problems: list[Problem] = []
    rings: tuple[Keyring, ...] = ()
    # who named a key, if wrongly, does not mean to trust another one
    if verify and cosign_file is None and len(keys.problems) == before:
        loaded = keyring.load(tree, named_ring)
        rings = loaded.rings
        problems += (Problem(file=origin, line=0, message=f"Keyring=: {reason}") for reason in loaded.problems)
    before = len(keys.problems)
    pinned = keys.take_all("Source", "Fingerprint", fingerprint)
    max_age = keys.take("Source", "MaxAge", values.age, None)
    named = keys.take("Source", "Credentials", absolute_path, None, secret=True)
    doubts = list(keys.problems[before:])
    signer: CosignKey | None = None
    try:
        signer = cosign_key.load(tree, cosign_file) if cosign_file is not None else None
    except UnknownState as error:
        doubts.append(Problem(file=origin, line=0, message=f"CosignKey=: {error}"))
        problems.append(doubts[-1])
    secret: Credentials | None = None
    try:
        secret = credentials.load(tree, named) if named is not None else None
    except UnknownState as error:
        doubts.append(Problem(file=origin, line=0, message=f"Credentials=: {error}"))
        problems.append(doubts[-1])
    path = keys.take("Source", "Path", absolute_path, None)
    urls = keys.take_all("Source", "URL", url)
    about_lists = bool(pinned) or max_age is not None
    by_cosign, registries = cosign_file is not None, [is_registry(each) for each in urls]
    contradictions = {
        "Fingerprint= and MaxAge= are about signatures, which Verify=no switches off": not verify and about_lists,
        "CosignKey= is about signatures, which Verify=no switches off": not verify and by_cosign,
        "Keyring=, Fingerprint= and MaxAge= are about a signed list, which CosignKey= does without": by_cosign
        and (about_lists or named_ring is not None),
        "CosignKey= is for registries, URL=oci://": by_cosign and (not registries or not all(registries)),
        "URL= names directories and registries, expected one kind": len(set(registries)) > 1,
    }
    for message in (message for message, is_so in contradictions.items() if is_so):
        doubts.append(Problem(file=origin, line=0, message=message))
        problems.append(doubts[-1])
    priority = keys.take("Source", "Priority", number, DEFAULT_PRIORITY)
    patterns = keys.take_all("Source", "MatchPattern", check_named_pattern)
    problems += keys.finish()
    source = SourceSettings(
        name=name,
        origin=origin,
        enabled=enabled,
        path=path,
        urls=urls,
        verify=verify,
        keyrings=rings,
        fingerprints=pinned or None,
        max_age=max_age,
        credentials=secret,
        cosign_key=signer,
        doubt="; ".join(str(problem) for problem in doubts),
        priority=priority,
        patterns=patterns,
        trusted=not any(problem.fault for problem in problems),
        effective=tuple(keys.effective),
    )
    return source, tuple(problems)
