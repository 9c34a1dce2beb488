# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a change of configuration files means for the images that they are about. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import WantedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class IntentChange:
    """A key of an image's configuration that becomes different: spelled as in the file, None where it is not set.

    ``State`` is about the image as a whole: it becomes wanted, or is wanted no more.
    """

    image: str
    key: str
    before: str | None
    after: str | None

    @property
    def kind(self) -> str:
        """What happened, as the ledger remembers it."""
        match self.key:
            case "State":
                return "wanted" if self.after == State.WANTED else "not wanted"
            case "Hold":
                return "held" if self.after is not None else "unheld"
            case "Block":
                return "blocked" if self.after is not None else "unblocked"
            case "Policy":
                return "policy"
        return "configured"

    def text(self, *, dry_run: bool = False) -> str:
        """What happened, or would happen, for a person."""
        be, now = ("would be ", "") if dry_run else ("", " now")
        was = f" (was {self.before})" if self.before is not None else ""
        match self.key, self.after:
            case "State", State.WANTED:
                what = f"{be}wanted{now}"
            case "State", _:
                what = f"{be}not wanted any more"
            case "Policy", _:
                what = f"{be}{self.after}{now}{was}"
            case "Hold", None:
                what = f"{be}not held any more{was}"
            case "Hold", _:
                what = f"{be}held at {self.after}{was}"
            case "Block", None:
                what = f"{self.before} {be or 'is '}not blocked any more"
            case "Block", _:
                what = f"{self.after} {be or 'is '}blocked"
            case _, None:
                what = f"{self.key}= {be}removed{was}"
            case _:
                what = f"{be}{self.key}={self.after}{now} (was {self.before or 'not set'})"
        return f"{self.image}: {what}"


def of_image(before: WantedImage | None, after: WantedImage | None) -> Iterator[IntentChange]:
    """How what is wanted of one image changes; None, and a tombstone, want none of it."""
    old, new = (image if image is not None and image.state is State.WANTED else None for image in (before, after))
    either = new or old
    if either is None:
        return
    if (old is None) is not (new is None):
        states = [State.WANTED.value if image is not None else None for image in (old, new)]
        yield IntentChange(image=either.name, key="State", before=states[0], after=states[1])
    if new is None:
        return
    was, now = _values(old), _values(new)
    for key, value in now.items():
        # what a new image has by default says nothing
        if value != was.get(key) and not (old is None and key == "Policy"):
            yield IntentChange(image=new.name, key=key, before=was.get(key), after=value)


def of_blocks(image: str, before: Sequence[str], after: Sequence[str]) -> Iterator[IntentChange]:
    """How the versions of an image that are blocked change."""
    for version in before:
        if version not in after:
            yield IntentChange(image=image, key="Block", before=version, after=None)
    for version in after:
        if version not in before:
            yield IntentChange(image=image, key="Block", before=None, after=version)


def _values(image: WantedImage | None) -> dict[str, str | None]:
    if image is None:
        return {}
    return {
        "Policy": image.policy.value,
        "Hold": image.hold,
        "Version": image.constraint,
        "Series": image.series,
        "Source": " ".join(image.sources) or None,
    }
