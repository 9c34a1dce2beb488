# SPDX-License-Identifier: LGPL-2.1-or-later
"""Would clients use an image: why not, and what its publisher may not have meant. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping

from tukit_sysext.formats.manifest_contents import MOST_CHARACTERS, is_too_much
from tukit_sysext.publish.looking import DescriptionFile, FolderImage
from tukit_sysext.publish.memory import Content
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.architectures import ANY, ARCHITECTURES, architecture
from tukit_sysext.rules.image_names import agrees, read_image_name
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.rules.printable import excerpt
from tukit_sysext.rules.release import ReleaseData

_USUAL_LIMIT = 4 * 1024**3
"""What machines fetch at the most where [Fetch] ImageMax= does not say otherwise, in bytes."""


def refusals(image: FolderImage) -> Iterator[str]:
    """Why no client would take an image, each with what was expected; none where they would."""
    try:
        check_component(image.file_name)
    except NameRefused as error:
        yield str(error)
    if image.content is None:
        yield image.broken
        return
    yield from (each.refused for each in image.descriptions if each.refused)
    called, hint = image.content.merge_name, image.hint
    if not agrees(called, hint, image.file_name):
        yield f"its content calls itself {called}, its file name {hint.name}: expected one name, rename one of them"
    release = image.content.release
    if not release.get("ID"):
        yield "its extension-release has no ID: expected that of the systems which it is for, or _any"
    scope = release.get("SYSEXT_SCOPE")
    if scope is not None and "system" not in scope.split():
        yield f"SYSEXT_SCOPE is {excerpt(scope) or 'empty'}: expected system in it"
    stated = release.get("ARCHITECTURE")
    if not stated or stated == ANY:
        return
    if stated not in ARCHITECTURES:
        meant = architecture(stated)
        expected = meant if meant in ARCHITECTURES else "a word of systemd.unit(5), ConditionArchitecture="
        yield f"ARCHITECTURE is {excerpt(stated)}, which no system has: expected {expected}"
    elif hint.architecture not in (None, stated):
        yield f"ARCHITECTURE is {stated}, its file name says {hint.architecture}: expected one architecture"


def notes(image: FolderImage, listed: Mapping[str, str]) -> Iterator[str]:
    """What may not be meant; ``listed`` has the hashes of the list that was published before, by file name."""
    if image.content is None:
        return
    release = image.content.release
    likeliest = read_image_name(image.file_name)
    if likeliest is not None and likeliest.name != image.hint.name:
        yield f"its file name reads as {likeliest.name} {likeliest.version} too, and is listed as that"
    if release.get("ID") != ANY and not release.get("SYSEXT_LEVEL") and not release.get("VERSION_ID"):
        yield "neither SYSEXT_LEVEL nor VERSION_ID: it fits systems only that have neither"
    if not release.get("ARCHITECTURE") and image.hint.architecture is not None:
        yield f"its extension-release has no ARCHITECTURE: it fits others than {image.hint.architecture} too"
    if listed.get(image.file_name, image.sha256) != image.sha256:
        yield "another content than was listed under this name, so that machines cannot repair what they have"
    if image.status.st_size > _USUAL_LIMIT:
        yield "larger than the 4G that machines fetch unless ImageMax= allows more"
    if not image.status.st_mode & stat.S_IROTH:
        yield "only its owner can read it: a web server has to be able to, by chmod a+r"
    if image.unknown:
        yield f"its description does not say what it needs: {image.unknown}"
    elif is_too_much(image.content.needs or (), image.content.provides):
        yield f"its description does not say what it needs, as that is more than {MOST_CHARACTERS} characters"
    said = disagreeing(image)
    if said:
        yield f"not listed, as it says something else than the image: {', '.join(each.file_name for each in said)}"


def label_note(content: Content) -> str:
    """What is wrong with the SELinux labels of an image; empty where all is well."""
    if not content.unlabelled:
        return "not known" if content.needs is None and not content.labelled else ""
    return (
        f"no SELinux label on {content.first_unlabelled} and {content.unlabelled - 1} more"
        if content.labelled
        else "none"
    )


def describing(image: FolderImage) -> tuple[DescriptionFile, ...]:
    """The descriptions that say of an image what it says of itself."""
    return tuple(each for each in image.descriptions if each.release is not None and not _differs(image, each.release))


def needs_to_say(image: FolderImage) -> Mapping[str, tuple[str, ...]]:
    """What a description is to say of needs, by its key; nothing where that is not known, or more than it may say."""
    content = image.content
    if content is None or content.needs is None or is_too_much(content.needs, content.provides):
        return {}
    return {"needs": content.needs, "provides": content.provides}


def is_complete(image: FolderImage, said: DescriptionFile) -> bool:
    """Whether one that describes an image also says what it needs."""
    contents = said.contents or Contents()
    return all(getattr(contents, key) == values for key, values in needs_to_say(image).items())


def disagreeing(image: FolderImage) -> tuple[DescriptionFile, ...]:
    """Those that say something else."""
    return tuple(each for each in image.descriptions if _differs(image, each.release))


def _differs(image: FolderImage, said: ReleaseData | None) -> bool:
    return said is not None and image.content is not None and dict(said) != dict(image.content.release)
