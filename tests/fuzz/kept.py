# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what others hand over on the machine, and of files of ours that a crash can corrupt."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import cast

from tests.fuzz import scratch
from tests.fuzz.mutation import odd_text, word
from tests.fuzz.target import Target, told
from tests.records import NAME, record
from tukit_sysext.collect.roots import find_roots
from tukit_sysext.errors import MemoryUnreadable, OutsideTree, UnknownState, UsageError
from tukit_sysext.integrity import needs, quarantine_folder
from tukit_sysext.layout import Layout
from tukit_sysext.ledger import spool
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.leftovers import Leftovers
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.quantities import local_time, time_text
from tukit_sysext.snapshots.half_there import Leftover
from tukit_sysext.snapshots.overlay import read_overlaid
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.sources.seen import Seen
from tukit_sysext.store.record import RecordUnreadable, decode, encode, seconds_of
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import ages

_MOST = 2**63
_NOW = 1_793_527_200


# --- events ---------------------------------------------------------------------------------------------------------


def _sound(event: SnapshotEvent | None) -> None:
    assert event is None or (event.kind in EventKind and 1 <= event.number < 10**10)


def check_argv(data: bytes) -> None:
    """Arguments as the hooks get them: the caller, then one each, with NUL between them."""
    caller, *argv = data.decode("utf-8", "surrogateescape").split("\0")
    for who in (caller, "tukit", "snapper"):
        try:
            _sound(spool.parse(who, argv))
        except UsageError as error:
            told(str(error))
    for argument in argv:
        try:
            assert str(spool.snapshot_number(argument)) == argument
        except UsageError as error:
            told(str(error))


_STAGES = (
    "finalize-pre", "finalize-post", "abort-post", "keep-post", "create-snapshot", "modify-snapshot-post", "rollback",
    "set-default-snapshot-post", "delete-snapshot",
)  # fmt: skip


def make_argv(random: Random) -> bytes:
    words = [random.choice(("tukit", "snapper")), random.choice((*_STAGES, word(random)))]
    for _ in range(random.randrange(5)):
        words.append(
            random.choice(("/", "btrfs", "7", "0", "007", "discarded", "٣", "9" * 30, "$(id)", odd_text(random)))
        )
    return "\0".join(words).encode()


def check_spooled(data: bytes) -> None:
    """Files with events, each beginning with its name; NUL between them."""
    folder = scratch.folder() / "events"
    folder.mkdir(exist_ok=True)
    for part in data.split(b"\0")[:3]:
        name, _, content = part.partition(b"\n")
        name = name.replace(b"/", b"")[:200]
        if name not in (b"", b".", b".."):
            Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(content)
    for event in spool.take(folder):
        _sound(event)
    for left in os.listdir(folder):
        assert left.startswith("."), "what was taken is gone"
        (folder / left).unlink()


def make_spooled(random: Random) -> bytes:
    files = []
    for number in range(random.randrange(1, 3)):
        lines = make_argv(random).decode().replace("\0", "\n")
        files.append(f"{number}-{word(random)}\n{lines}\n".encode())
    return b"\0".join(files)


# --- files of ours --------------------------------------------------------------------------------------------------


def check_record(data: bytes) -> None:
    try:
        found = decode(data, file_name=NAME)
    except RecordUnreadable as error:
        assert NAME in str(error)
        return
    again = decode(encode(found), file_name=NAME)
    assert again == found or found.other != again.other  # what a newer version wrote may be NaN, which equals nothing
    _known().enter_images([found], _NOW)
    assert _known().images()
    assert abs(seconds_of(found.time) or 0) < _MOST


@cache
def _known() -> Ledger:
    """A ledger that all records go into."""
    return Ledger(scratch.folder() / "records.db").__enter__()


def _document(random: Random, document: dict[str, object]) -> bytes:
    odd: tuple[object, ...] = (
        None, True, -1, 1.5, float("nan"), float("inf"), 10**40, "", [], {}, [[]], "\ud800", "9" * 5000,
        odd_text(random),
    )  # fmt: skip
    if random.random() < 0.6:
        key = random.choice(list(document))
        value = document[key]
        if isinstance(value, dict) and value and random.random() < 0.7:
            document[key] = {**value, random.choice(list(value)): random.choice(odd)}
        else:
            document[key] = random.choice(odd)
    if random.random() < 0.2:
        document.pop(random.choice(list(document)))
    return json.dumps(document).encode()


_RECORD = encode(record())
_REFUSAL = json.dumps(
    {"since": 1, "last": _NOW, "times": 2, "system": "os 1", "images": {"gdb": {"reason": "x", "since": _NOW}}}
).encode()
_DAMAGED = {"snapshot": 7, "link": "gdb.raw", "file_name": NAME, "name": "gdb", "version": "1", "since": _NOW}
_NEED = json.dumps({"images": [{**_DAMAGED, "condition": "damaged", "reason": "x"}]}).encode()


def check_refusal(data: bytes) -> None:
    path = scratch.folder() / "refused.json"
    path.write_bytes(data)
    found = refusal.read(path)
    if found is None:
        return
    json.dumps(refusal.document(found))
    assert all(seconds >= 0 for seconds in ages(found, now=_NOW).values())
    following = refusal.again(found, now=_NOW, system="os 2", images={"gdb": "x"})
    refusal.write(path, following)
    assert refusal.read(path) == following
    assert following.since <= _NOW
    assert local_time(found.since) and local_time(found.last), "as status tells it"
    time_text(min((held.since for held in found.images.values()), default=found.last))


def check_need(data: bytes) -> None:
    path = scratch.folder() / "repair"
    path.write_bytes(data)
    for one in needs.read(path):
        assert local_time(one.since) and time_text(one.since), "as status tells it"
    needs.update(path, [None], [], matter=[7])


_SIGHTS = b'{"77": {"state": "0", "boot": "first", "seconds": 1.5}}'


def check_leftovers(data: bytes) -> None:
    """What the ledger remembers of leftovers of snapshots: what is no memory settles nothing, and breaks nothing."""
    layout = Layout(root=scratch.folder() / "leftovers")
    boot = layout.root / "proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True, exist_ok=True)
    boot.write_text("first")
    memory = SimpleNamespace(recall=lambda _: data.decode(errors="replace"))
    seen = Leftovers(layout, cast(Ledger, memory))
    there = Leftover(number=77, reason="snapshot 77: it has no tree", state="0")
    assert seen.unsettled([there.reason, "else"], [there]) in ((there.reason, "else"), ("else",))


def check_quarantine(data: bytes) -> None:
    """The reason beside a link in quarantine_folder."""
    root = scratch.folder() / "tree"
    place = root / "etc/tukit-sysext/quarantine"
    if not place.is_dir():
        place.mkdir(parents=True)
        (place / "gdb.raw").symlink_to(f"/var/lib/sysext-store/{NAME}")
    (place / "gdb.raw.reason").write_bytes(data)
    with Tree(root) as tree:
        (link,) = quarantine_folder.quarantined(tree)
    name = link.entry.name
    assert "/" not in name and "\0" not in name and name not in ("", ".", "..")
    os.fsencode(name)


_NOTE = json.dumps({"link": "gdb.raw", "reason": "x", "since": "2026-11-01T10:00:00Z", "target": "/x"}).encode()


@cache
def _ledger() -> bytes:
    """A ledger with something in it."""
    path = scratch.folder() / "sample.db"
    with Ledger(path) as ledger:
        site = scratch.site()
        ledger.reconcile(scan(site.layout, site.subvolumes))
        ledger.enter_images([record()], _NOW)
        ledger.remember("key", "value")
    return path.read_bytes()


def check_ledger(data: bytes) -> None:
    """Faults in a ledger: two bytes where, one byte what."""
    content = bytearray(_ledger())
    for at in range(0, len(data) - 2, 3):
        content[int.from_bytes(data[at : at + 2], "big") % len(content)] = data[at + 2]
    folder = scratch.folder() / "ledger"
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    path = folder / "ledger.db"
    path.write_bytes(content[: len(content) // 2] if data[:1] == b"\0" else content)
    site = scratch.site()
    with Ledger(path) as ledger:
        ledger.snapshots()
        ledger.events()
        ledger.images()
        ledger.recall("key")
        ledger.reconcile(scan(site.layout, site.subvolumes))
        ledger.enter_images([record()], _NOW)
        assert scratch.NUMBER in {snapshot.number for snapshot in ledger.snapshots() if snapshot.gone is None}
        assert NAME in {image.file for image in ledger.images()}
        ledger.forget(_NOW - 1)


def check_seen(data: bytes) -> None:
    """What is remembered of a source's signatures."""
    seen = Seen(scratch.folder() / "seen", writable=True)
    (scratch.folder() / "seen").mkdir(exist_ok=True)
    (scratch.folder() / "seen/main").write_bytes(data)
    try:
        times = seen.times("main")
    except MemoryUnreadable:
        try:
            seen.remember("main", {_KEY: _NOW})
        except MemoryUnreadable:
            return
        raise AssertionError("a memory that cannot be read is no empty one") from None
    assert all(0 <= when < 10**15 for when in times.values())
    seen.remember("main", {_KEY: _NOW})
    after = seen.times("main")
    assert after == {**times, _KEY: max(_NOW, times.get(_KEY, 0))}, "no time ever goes down"


_KEY = "A1" * 20
_SEEN = json.dumps({"keys": {_KEY: _NOW - 1, "B2" * 32: _NOW}}).encode()


# --- files of others on the machine ---------------------------------------------------------------------------------


def check_info(data: bytes) -> None:
    """snapper's info.xml."""
    site = scratch.site()
    (site.layout.snapshots / str(scratch.NUMBER) / "info.xml").write_bytes(data)
    found = scan(site.layout, site.subvolumes)
    (snapshot,) = found.snapshots
    assert snapshot.number == scratch.NUMBER
    assert bool(snapshot.unknown) == any("snapshot" in text for text in found.unknown)
    (snapshot.date + snapshot.description).encode()


_INFO = (
    b'<?xml version="1.0"?>\n<snapshot><type>single</type><num>7</num><date>2026-11-01 10:00:00</date><description>x'
    b"</description><userdata><key>transactional-update-in-progress</key><value>yes</value></userdata></snapshot>\n"
)


def make_info(random: Random) -> bytes:
    encoding = random.choice(
        ("", ' encoding="utf-8"', ' encoding="utf-16"', f' encoding="{random.choice(_ENCODINGS)}"')
    )
    inside = random.choice(("x", "&lt;", "&x;", "<![CDATA[x]]>", "<a>" * 20, "&#0;", "&#x1b;", odd_text(random)))
    entity = random.choice(("", "", "<!DOCTYPE s [<!ENTITY x 'y'>]>", "<!DOCTYPE s SYSTEM 'file:///etc/passwd'>"))
    text = f'<?xml version="1.0"{encoding}?>{entity}<snapshot><date>{inside}</date><description>{inside}</description>'
    return f"{text}<userdata><key>{inside}</key></userdata></snapshot>".encode()


_ENCODINGS = (
    "utf-7", "idna", "punycode", "base64", "rot13", "undefined", "unicode_escape", "latin-1", "cp037", "shift_jis",
    "mbcs", "x", "zlib_codec",
)  # fmt: skip


def check_fstab(data: bytes) -> None:
    """Layers of /etc in a snapshot's fstab."""
    site = scratch.site()
    site.layout.overlays.mkdir(parents=True, exist_ok=True)
    path = site.tree(scratch.NUMBER)
    (path / "etc/fstab").write_bytes(data)
    try:
        with Tree(path) as tree:
            found = read_overlaid(tree, site.layout)
    except (UnknownState, OutsideTree):
        return
    finally:
        (path / "etc/fstab").unlink()
    assert found is None or all("/" not in entry.name for entries in found for entry in entries)


_FSTAB = (
    b"# x\nUUID=1 / btrfs ro 0 0\noverlay /etc overlay defaults,upperdir=/sysroot/var/lib/overlay/7/etc,"
    b"lowerdir=/sysroot/var/lib/overlay/5/etc:/sysroot/etc,workdir=/sysroot/var/lib/overlay/7/work 0 0\n"
)


def make_fstab(random: Random) -> bytes:
    layers = [
        "/etc",
        "/sysroot/etc",
        "/var/lib/overlay/7/etc",
        "/../../etc",
        "//",
        "",
        odd_text(random),
        "/" + "a/" * 3000,
    ]
    options = [
        f"lowerdir={':'.join(random.choices(layers, k=random.randrange(4)))}",
        f"upperdir={random.choice(layers)}",
        odd_text(random),
    ]
    random.shuffle(options)
    return f"overlay /etc overlay {','.join(options)} 0 0\n".encode()


def check_mounts(data: bytes) -> None:
    """What is mounted, as the kernel tells."""
    site = scratch.site()
    (site.root / "proc/self/mountinfo").write_bytes(data)
    found = find_roots(site.layout, scan(site.layout, site.subvolumes, releases=False))
    assert all("/" not in image for image in found.by_image)


_MOUNTS = b"36 35 98:0 / /usr rw,noatime shared:1 - squashfs /var/lib/sysext-store/gdb\\040x.raw rw\n"


TARGETS = (
    Target(
        name="arguments of tukit and snapper",
        check=check_argv,
        samples=(b"tukit\0finalize-post\x007\0discarded", b"snapper\0create-snapshot-post\0/\0btrfs\x005\x007"),
        words=(b"\0", b"7", b"/", b"btrfs", b"discarded", *(text.encode() for text in _STAGES)),
        make=make_argv,
    ),
    Target(
        name="events written down",
        check=check_spooled,
        samples=(b"1-x\ntukit\nfinalize-post\n7\n\x002-y\nsnapper\nrollback\n/\nbtrfs\n7\n",),
        words=(b"\0", b"\n", b"tukit\n", b"snapper\n", b"7\n", *(text.encode() + b"\n" for text in _STAGES)),
        make=make_spooled,
        share=0.3,
    ),
    Target(
        name="record of an image",
        check=check_record,
        samples=(_RECORD, encode(record().sealed(os.stat("/")))),
        words=(b"{", b"}", b'"', b":", b",", b"null", b"1e400", b'"size"', b'"identity"', NAME.encode()),
        make=lambda random: _document(random, json.loads(_RECORD)),
        limit=1024 * 1024,
    ),
    Target(
        name="mark of a refusal",
        check=check_refusal,
        samples=(_REFUSAL,),
        words=(b"{", b"}", b'"', b":", b"null", b"1e400", b'"since"', b'"images"'),
        make=lambda random: _document(random, json.loads(_REFUSAL)),
        limit=256 * 1024,
        share=0.3,
    ),
    Target(
        name="mark of a repair",
        check=check_need,
        samples=(_NEED,),
        words=(b"{", b"}", b'"', b":", b"null", b"1e400", b'"since"', b'"images"', b'"snapshot"'),
        make=lambda random: json.dumps(
            {"images": [json.loads(_document(random, json.loads(_NEED)["images"][0]))]}
        ).encode(),
        limit=1024 * 1024,
        share=0.3,
    ),
    Target(
        name="leftovers seen",
        check=check_leftovers,
        samples=(_SIGHTS,),
        words=(b"{", b"}", b'"', b":", b'"77"', b'"seconds"', b'"0"', b"1e999", b"NaN", b"[", b"null"),
        make=lambda random: b'{"77": %s}' % _document(random, json.loads(_SIGHTS)["77"]),
        share=0.3,
    ),
    Target(
        name="reason of a quarantine",
        check=check_quarantine,
        samples=(_NOTE,),
        words=(b"{", b"}", b'"', b":", b'"link"', b'".."', b'"\\u0000"'),
        make=lambda random: _document(random, json.loads(_NOTE)),
        share=0.3,
    ),
    Target(
        name="signatures seen",
        check=check_seen,
        samples=(_SEEN,),
        words=(b"{", b"}", b'"', b":", b"null", b"1e400", b'"keys"', _KEY.encode(), b"-1"),
        make=lambda random: _document(random, json.loads(_SEEN)),
        share=0.1,
    ),
    Target(
        name="ledger",
        check=check_ledger,
        samples=(b"", b"\0", b"\x00\x10\xff"),
        words=(b"\0\0\0", b"\0\x10\0", b"\x10\0\xff"),
        make=lambda random: random.randbytes(3 * random.randrange(1, 8)),
        limit=300,
        share=0.005,
    ),
    Target(
        name="info.xml of snapper",
        check=check_info,
        samples=(_INFO,),
        words=(
            b"<userdata>",
            b"</userdata>",
            b"<key>",
            b"<value>yes</value>",
            b"&#x0;",
            b"<!DOCTYPE x>",
            b"<a>",
            b"]]>",
        ),
        make=make_info,
        limit=1024 * 1024,
        share=0.1,
    ),
    Target(
        name="layers in fstab",
        check=check_fstab,
        samples=(_FSTAB,),
        words=(b"overlay /etc overlay ", b"lowerdir=", b"upperdir=", b":", b",", b"/etc", b"..", b"\n", b"/var/"),
        make=make_fstab,
        limit=256 * 1024,
        share=0.3,
    ),
    Target(
        name="mounts",
        check=check_mounts,
        samples=(_MOUNTS,),
        words=(b" - ", b"squashfs ", b"/x.raw", b"\\040", b"\\777", b"\n", b"/dev/loop1"),
        make=lambda random: f"36 35 98:0 / / rw - ext4 /{odd_text(random)}\\{random.randrange(1000)} rw\n".encode(
            "utf-8", "replace"
        ),
        share=0.1,
    ),
)
