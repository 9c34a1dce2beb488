# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what publishers and servers send: lists, descriptions, release files, names, signatures, answers."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from random import Random

from tests.fuzz.mutation import odd_text, word
from tests.fuzz.target import Target, told
from tests.lab.images import SHA256_OF_NOTHING, release_text
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats import checksums, manifest, openpgp
from tukit_sysext.formats.gpgv_status import judge
from tukit_sysext.formats.openpgp import dearmour
from tukit_sysext.rules.image_names import read_image_name, readings
from tukit_sysext.rules.link_names import MergeNameRefused, link_name_accepted, merge_name
from tukit_sysext.rules.matching import Host, check
from tukit_sysext.rules.names import (
    NameRefused,
    check_component,
    handle,
    published_name,
    shown_version,
)
from tukit_sysext.rules.prerelease import newer_key, order
from tukit_sysext.rules.release import ReleaseData, parse
from tukit_sysext.rules.systemd import SystemdVersion, parse_systemd_version
from tukit_sysext.rules.version import compare, sort_key
from tukit_sysext.sources import repository

IMAGE = "gdb-15.2.x86-64.raw"
_HOST = ReleaseData({"ID": "opensuse-microos", "ID_LIKE": "suse opensuse", "VERSION_ID": "1", "SYSEXT_LEVEL": "g-2"})
_COMPONENT = re.compile(r"[A-Za-z0-9_+~^@=:][A-Za-z0-9_+~^@=:.-]{0,254}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SETTINGS = SourceSettings(name="fuzz", origin="/etc/fuzz.conf")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def harmless(name: str) -> None:
    """What every name must be that a stranger gave."""
    assert _COMPONENT.fullmatch(name) and ".." not in name, f"not one harmless component: {name!a}"


# --- the list -------------------------------------------------------------------------------------------------------


def check_list(data: bytes) -> None:
    try:
        found = checksums.parse(data, where="list")
    except checksums.ListRefused as error:
        told(str(error))
        return
    assert len(found.hashes) + found.skipped <= data.count(b"\n") + 1, "every line names one file at most"
    for name, value in found.hashes.items():
        harmless(name)
        assert re.fullmatch("[0-9a-f]{64}", value)
    printed = "".join(f"{value} *{name}\n" for name, value in found.hashes.items()).encode()
    assert checksums.parse(printed, where="list") == replace(found, skipped=0)
    for candidate in repository.candidates(found, _SETTINGS, signer=None, locations=lambda name: [f"http://x/{name}"]):
        assert found.hashes[candidate.file_name] == candidate.sha256
        assert bool(candidate.name) == bool(candidate.version) and candidate.name in candidate.file_name
        assert candidate.description is None or candidate.description in found.hashes
    if len(data) > checksums.LIMIT - 1024:
        return
    foreign = data + b"\n" + (b"0" * 64) + b"  ../x.raw\n"
    assert checksums.parse(foreign, where="list") == replace(found, skipped=found.skipped + 1)
    for name, value in found.hashes.items():
        for wrong in (f"{value[:-1]}{'0' if value[-1] != '0' else '1'}  {name}", f"{value[1:]}  cut.raw"):
            try:
                checksums.parse(data + b"\n" + wrong.encode(), where="list")
            except checksums.ListRefused:
                continue
            raise AssertionError("a list with a name of two hashes, or a bad one of a file of ours, is refused whole")


def make_list(random: Random) -> bytes:
    lines = []
    for _ in range(random.randrange(6)):
        name = random.choice((IMAGE, word(random), f"{word(random)}-{word(random)}.raw", "BEST-BEFORE-2026-13-01"))
        if random.random() < 0.1:
            name = f"BEST-BEFORE-{random.randrange(10000):04}-{random.randrange(14):02}-{random.randrange(33):02}"
        if random.random() < 0.05:
            name = random.choice(("../x", "/etc/passwd", ".x", "-x", odd_text(random), "a" * 256))
        value = random.choice((SHA256_OF_NOTHING, f"{random.getrandbits(256):064x}", f"{random.getrandbits(256):064X}"))
        plain, ending = random.choice((True, True, False)), random.choice(("\n", "\n", "\r\n", ""))
        line = f"{value} {random.choice((' ', '*', ' ./', ''))}{name}" if plain else f"SHA256 ({name}) = {value}"
        lines.append(f"{random.choice(('', '', '# ', ' '))}{line}{ending}")
    return "".join(lines).encode()


_LIST = f"{SHA256_OF_NOTHING}  BEST-BEFORE-2030-01-31\n{'0a' * 32} *{IMAGE}\n{'fe' * 32}  gdb-15.2.x86-64.manifest.gz\n"


# --- descriptions ---------------------------------------------------------------------------------------------------


def check_description(data: bytes) -> None:
    try:
        keys = manifest.parse(data, image=IMAGE, where="description").keys
    except manifest.DescriptionRefused as error:
        told(str(error))
    else:
        assert {type(each) for pair in keys.items() for each in pair} <= {str}
        _judged(ReleaseData(keys))
    known = repository.known_from(data, image=IMAGE, where="description")
    assert known.failure is None, "what says nothing is as none"
    told(known.reason)
    assert known.merge_name is None


def check_packed_description(data: bytes) -> None:
    try:
        plain = manifest.unpack(data, where="description")
    except manifest.DescriptionRefused as error:
        told(str(error))
    else:
        assert len(plain) <= manifest.LIMIT
    told(repository.known_from(data, image=IMAGE, where="description").reason)


def _value(random: Random, depth: int = 0) -> object:
    kinds = random.randrange(10)
    if kinds < 4:
        return random.choice((word(random), odd_text(random), "\ud800", "_any", "glibc-2.42", IMAGE))
    if kinds < 6 or depth > 3:
        return random.choice((None, True, 0, -1, 1.5, 10**40, float("inf")))
    if kinds < 8:
        return [_value(random, depth + 1) for _ in range(random.randrange(4))]
    return {random.choice(("ID", "name", odd_text(random), "\udfff")): _value(random, depth + 1)}


def make_description(random: Random) -> bytes:
    keys: dict[str, object] = {"ID": "_any", "ARCHITECTURE": "x86-64", "SYSEXT_LEVEL": word(random)}
    if random.random() < 0.3:
        keys[random.choice(("ID", "X", odd_text(random), "\ud8ff"))] = _value(random)
    document: object = {"image_name": IMAGE, "sysext": keys}
    if random.random() < 0.5:
        document = {"manifest_version": 1, "config": {"name": "gdb", "version": "15.2"}, "extension": keys}
    if isinstance(document, dict) and random.random() < 0.4:
        part = random.choice(list(document))
        document[part] = _value(random)
        if isinstance(document.get("config"), dict):
            document["config"][random.choice(("name", "version"))] = _value(random)
    return json.dumps([document] if random.random() < 0.3 else document).encode()


def make_packed(random: Random) -> bytes:
    packed = gzip.compress(make_description(random), random.randrange(10), mtime=0)
    return packed + (packed if random.random() < 0.1 else b"")


_MKOSI = json.dumps(
    {"manifest_version": 1, "config": {"name": "gdb", "version": "15.2"}, "packages": [], "extension": {"ID": "_any"}}
).encode()
_SYSEXTMGR = json.dumps([{"image_name": IMAGE, "sysext": {"ID": "_any", "SYSEXT_SCOPE": "system"}}]).encode()


# --- release files --------------------------------------------------------------------------------------------------


def _judged(data: ReleaseData) -> None:
    """Whatever an image or a system says: a verdict with a reason that can be told."""
    for host, extension in ((_HOST, data), (data, _HOST), (data, data), (data, None)):
        for version in (None, SystemdVersion(252), SystemdVersion(259)):
            verdict = check(Host(release=host, architecture="x86-64", systemd=version), extension)
            told(verdict.reason)
            assert verdict.reason


def check_release(data: bytes) -> None:
    found = parse(_text(data))
    assert all(_KEY.fullmatch(key) for key in found)
    assert hash(found) == hash(parse(_text(data)))
    for problem in found.problems:
        told(str(problem))
    if found.refused is None:
        again = parse(release_text(found))
        assert dict(again) == dict(found) and again.refused is None, "printed and read again it is the same"
        assert not again.problems
    _judged(found)


def make_release(random: Random) -> bytes:
    lines = []
    for _ in range(random.randrange(8)):
        key = random.choice(
            ("ID", "VERSION_ID", "SYSEXT_LEVEL", "SYSEXT_SCOPE", "ID_LIKE", "ARCHITECTURE", word(random))
        )
        text = random.choice((word(random), "_any", odd_text(random)))
        quote = random.choice(("", "", '"', "'"))
        ending = random.choice(("\n", "\n", "\r\n", "\\\n", "", " # x\n"))
        lines.append(f"{random.choice(('', '', ' ', '#', 'export '))}{key}={quote}{text}{quote}{ending}")
    return "".join(lines).encode("utf-8", "surrogateescape")


_RELEASE = (
    b'NAME="openSUSE MicroOS"\nID=opensuse-microos\nID_LIKE="suse opensuse"\nVERSION_ID=\'1\'\nSYSEXT_LEVEL=g-2\n#x\n'
)


# --- names and versions ---------------------------------------------------------------------------------------------


_HASH = "0123456789abcdef" * 4


def check_name(data: bytes) -> None:
    name = _text(data)
    try:
        assert check_component(name) == name
        harmless(name)
        assert not name.endswith(".raw") or published_name(handle(name, _HASH)) == name
    except NameRefused as error:
        told(str(error))
        assert not (_COMPONENT.fullmatch(name) and ".." not in name), f"a harmless name is refused: {name!a}"
    published = published_name(name)
    assert name.startswith(published)
    assert (shown_version("1", name) == "1") is (published == name)
    hint = read_image_name(name)
    assert hint is None or published == name, "a list has no image of this name"
    for reading in readings(name):
        assert reading.name and reading.version and name.startswith(reading.name) and reading.version in name
        assert read_image_name(name, [reading.name]) == reading, "the wanted one"


def make_name(random: Random) -> bytes:
    middle = random.choice(("-", "_", "-v", "."))
    arch = random.choice(("", ".x86-64", "-x86_64", "_arm64", "-38-x86-64"))
    name = f"{word(random)}{middle}{word(random, '0123456789.~^a')}{arch}{random.choice(('.raw', '.sysext.raw', ''))}"
    return (handle(name, _HASH, whole=random.random() < 0.5) if random.random() < 0.3 else name).encode()


def check_order(data: bytes) -> None:
    """A total order of any three texts."""
    a, b, c = (_text(part) for part in [*data.split(b"\n", 2), b"", b""][:3])
    assert compare(a, a) == 0
    for one, other in ((a, b), (b, c), (a, c)):
        assert compare(one, other) == -compare(other, one), "one way round as the other"
        assert compare(one, other) in (-1, 0, 1)
        assert order(one, other) == -order(other, one), "pre-releases or not"
    first, second, third = sorted((a, b, c), key=newer_key)
    assert order(first, second) <= 0 and order(second, third) <= 0 and order(first, third) <= 0, "transitive"
    low, middle, high = sorted((a, b, c), key=sort_key)
    assert compare(low, middle) <= 0 and compare(middle, high) <= 0 and compare(low, high) <= 0, "transitive"


def make_versions(random: Random) -> bytes:
    first = word(random, "0019aAbrc-.~^_+:", 8)
    others = (
        random.choice((word(random, "0019aAb-.~^_", 8), first + word(random, "01a-.~^", 3), first[1:])) for _ in "12"
    )
    return "\n".join((first, *others)).encode()


def check_systemd_version(data: bytes) -> None:
    found = parse_systemd_version(_text(data))
    assert found is None or (0 <= found.stable < 10**9 and -1 <= found.major < 10**9)


def check_merge_name(data: bytes) -> None:
    """Lines: the name that is preferred, then suffixes of extension-release files with their xattr in front."""
    preferred, *lines = _text(data).split("\n")
    strict = {"+": True, "-": False}
    files = {line[1:]: strict.get(line[:1]) for line in lines[:20]}
    for version in (None, SystemdVersion(252), SystemdVersion(257)):
        taken = link_name_accepted(preferred, files, systemd_version=version)
        assert taken is None or taken in files
    try:
        name = merge_name(files, preferred)
    except MergeNameRefused as error:
        told(str(error))
        return
    harmless(name)
    for version in (None, SystemdVersion(252), SystemdVersion(257)):
        assert link_name_accepted(name, files, systemd_version=version) in files, "every systemd takes it"


def make_merge_name(random: Random) -> bytes:
    names = ["gdb", "gdb_1", "gdb+1", word(random), odd_text(random)]
    lines = [random.choice("+-?") + random.choice(names) for _ in range(random.randrange(4))]
    return "\n".join((random.choice(names), *lines)).encode()


# --- signatures -----------------------------------------------------------------------------------------------------

_FINGERPRINT = "A1" * 20
_GOOD = (
    f"[GNUPG:] NEWSIG\n[GNUPG:] KEY_CONSIDERED {_FINGERPRINT} 0\n[GNUPG:] GOODSIG {'A1' * 8} Lab <lab@localhost>\n"
    f"[GNUPG:] VALIDSIG {_FINGERPRINT} 2026-11-01 1793527200 0 4 0 22 10 00 {_FINGERPRINT}\n"
)
_UNKNOWN = f"[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG {'B2' * 8} 22 10 00 1793527200 9 -\n[GNUPG:] NO_PUBKEY {'B2' * 8}\n"
_STATUS_WORDS = (
    "NEWSIG", "GOODSIG", "VALIDSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY", "NODATA",
    "FAILURE", "UNEXPECTED", "KEYEXPIRED", "KEYREVOKED",
)  # fmt: skip

_DIGESTS = {"8", "9", "10", "12", "14"}
"""SHA-256 and better, by their OpenPGP numbers."""


def check_status(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    found = judge(text)
    lines = [line.split(" ")[1:] for line in text.split("\n") if line.startswith("[GNUPG:] ")]
    said = [" ".join(line).split() for line in lines]
    valid = [words for words in said if words[:1] == ["VALIDSIG"] and len(words) >= 10]
    assert len(found.good) <= len(valid) and len(found.good) <= sum(words[:1] == ["GOODSIG"] for words in said)
    strong = {key for words in valid if words[8] in _DIGESTS and words[9] == "00" for key in (words[1], *words[10:11])}
    for good in found.good:
        assert 0 <= good.time < 10**15
        assert good.fingerprint in strong
    for reason in found.reasons:
        told(reason)


def make_status(random: Random) -> bytes:
    text = ""
    for _ in range(random.randrange(4)):
        block = random.choice((_GOOD, _UNKNOWN, _GOOD))
        if random.random() < 0.4:
            block = block.replace(random.choice(("GOODSIG", "VALIDSIG", "NEWSIG")), random.choice(_STATUS_WORDS))
        if random.random() < 0.2:
            block = block.replace(
                " 10 00 ", f" {random.choice(('1', '2', '3', '8', '11', 'x'))} {random.choice(('00', '01'))} "
            )
        if random.random() < 0.2:
            block += f"[GNUPG:] {random.choice(_STATUS_WORDS)} {random.choice(('', word(random), odd_text(random)))}\n"
        text += block
    return text.encode()


def check_keyring(data: bytes) -> None:
    try:
        keys = dearmour(data)
    except ValueError as error:
        told(str(error))
    else:
        assert b"-----BEGIN PGP" in data[:4096] or keys == data
        assert keys or not data
    armoured = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + base64.encodebytes(data or b"x")
    armoured += b"=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    assert dearmour(armoured * 2) == (data or b"x") * 2


def make_keyring(random: Random) -> bytes:
    key = base64.encodebytes(random.randbytes(random.randrange(1, 200)))
    headers = random.choice((b"", b"", b"Version: x\n", b"Comment: y\nHash: z\n"))
    end = random.choice((b"\n", b"\r\n"))
    block = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n" + headers + b"\n" + key + random.choice((b"", b"=aBcD\n"))
    block += b"-----END PGP PUBLIC KEY BLOCK-----\n"
    return random.choice((b"", b"", b"some words\n")) + (block * random.randrange(1, 3)).replace(b"\n", end)


def check_packets(data: bytes) -> None:
    """Keys as packets, and fingerprints as people write them."""
    try:
        keys = openpgp.public_keys(data)
    except ValueError as error:
        told(str(error))
    else:
        assert keys
        for key in keys:
            assert openpgp.fingerprint(key.fingerprint) == key.fingerprint
            told(" ".join(key.user_ids))
            assert key.expires is None or 0 <= key.expires < 1 << 33
    try:
        plain = openpgp.fingerprint(data[:200].decode("utf-8", "replace"))
    except ValueError as error:
        told(str(error))
    else:
        assert re.fullmatch("[0-9A-F]{40}([0-9A-F]{24})?", plain)


def _packet(tag: int, body: bytes, random: Random) -> bytes:
    match random.randrange(3):
        case 0 if len(body) < 192:
            return bytes((0xC0 | tag, len(body))) + body
        case 1 if tag < 16:
            return bytes((0x81 | tag << 2,)) + len(body).to_bytes(2, "big") + body
    return bytes((0xC0 | tag, 255)) + len(body).to_bytes(4, "big") + body


def make_packets(random: Random) -> bytes:
    key = bytes((random.choice((4, 4, 4, 3, 5, 6)),)) + random.randbytes(random.randrange(4, 60))
    made = _packet(6, key, random)
    issuer = hashlib.sha1(b"\x99" + len(key).to_bytes(2, "big") + key, usedforsecurity=False).digest()
    area = b"".join(
        bytes((len(part) + 1, kind)) + part
        for kind, part in (
            (2, random.randbytes(4)),
            (9, random.randbytes(random.choice((0, 1, 4, 4, 4, 100)))),
            (27, random.randbytes(random.randrange(3))),
            (33, b"\x04" + issuer),
        )
        if random.random() < 0.9
    )
    kind = random.choice((0x10, 0x13, 0x18, 0x1F, 0x20))
    said = bytes((random.choice((4, 4, 6, 3)), kind, 22, 10)) + len(area).to_bytes(2, "big") + area + bytes(2)
    made += _packet(2, said[: random.choice((200, 200, random.randrange(60)))], random)
    for _ in range(random.randrange(4)):
        made += _packet(
            random.choice((13, 13, 14, 2, 17, 5)),
            random.choice((key, b"Lab <lab@x>", odd_text(random).encode())),
            random,
        )
    return made


TARGETS = (
    Target(
        name="list",
        check=check_list,
        samples=(_LIST.encode(), _LIST.replace("\n", "\r\n").encode()),
        words=(b"  ", b" *", b"\n", b"BEST-BEFORE-2026-02-30", IMAGE.encode(), b"0a" * 32, SHA256_OF_NOTHING.encode()),
        make=make_list,
        limit=checksums.LIMIT,
    ),
    Target(
        name="description",
        check=check_description,
        samples=(_MKOSI, _SYSEXTMGR),
        words=(b"{", b"}", b"[", b"]", b'"', b":", b",", b'"extension"', b'"sysext"', b'"image_name"', b'"config"'),
        make=make_description,
        limit=manifest.LIMIT,
    ),
    Target(
        name="packed description",
        check=check_packed_description,
        samples=(gzip.compress(_MKOSI, mtime=0), gzip.compress(bytes(2 * manifest.LIMIT), mtime=0)),
        words=(b"\x1f\x8b\x08", b"\0" * 8),
        make=make_packed,
        limit=manifest.LIMIT,
    ),
    Target(
        name="release file",
        check=check_release,
        samples=(_RELEASE,),
        words=(b"ID=", b"\n", b'"', b"'", b"\\", b"=", b"#", b";", b"_any", b"SYSEXT_LEVEL=", b"VERSION_ID=", b" "),
        make=make_release,
    ),
    Target(
        name="file name",
        check=check_name,
        samples=(
            IMAGE.encode(),
            b"gdb-15.2-38-x86-64.raw",
            b"kernel_6.1~rc2_x86-64.raw",
            b"docker-24.0.5-x86-64.raw",
            b"gdb-1.raw.0123456789abcdef",
        ),
        words=(b".raw", b"-", b"_", b".x86-64", b"..", b"x86_64", b"v1", b"2026-01-01"),
        make=make_name,
        limit=4096,
    ),
    Target(
        name="order of versions",
        check=check_order,
        samples=(b"122.1\n123~rc1-1\n123", b"123-a\n123-a.1\n123^post1", b"1-\n1-.\n1"),
        words=(b"~", b"^", b"-", b".", b"0", b"10", b"a", b"A", b"_", b"\n"),
        make=make_versions,
        limit=8192,
    ),
    Target(
        name="version of systemd",
        check=check_systemd_version,
        samples=(b"257.13-1~deb13u1", b"258~rc2", b"257.7+suse.36.g1a2b3c4d5e"),
        words=(b".", b"~rc1", b"v", b"257"),
        make=lambda random: word(random, "0123456789.~rcv-+ ", 10).encode(),
        limit=255,
        share=0.3,
    ),
    Target(
        name="name to merge under",
        check=check_merge_name,
        samples=(b"gdb\n?gdb", b"gdb\n-other", b"gdb_1\n?gdb\n-x"),
        words=(b"gdb", b"\n?", b"\n-", b"\n+", b"_", b"+", b":", b",", b".raw"),
        make=make_merge_name,
        limit=8192,
    ),
    Target(
        name="status of gpgv",
        check=check_status,
        samples=(_GOOD.encode(), (_UNKNOWN + _GOOD).encode(), b"[GNUPG:] NODATA 4\n"),
        words=(b"[GNUPG:] ", b"\n", b" ", *(text.encode() for text in _STATUS_WORDS), _FINGERPRINT.encode()),
        make=make_status,
        limit=1024 * 1024,
    ),
    Target(
        name="keyring",
        check=check_keyring,
        samples=(make_keyring(Random(1)), b"\x99\x01\x0d\x04binary"),
        words=(
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
            b"-----END PGP PUBLIC KEY BLOCK-----\n",
            b"\n\n",
            b"=",
            b": ",
        ),
        make=make_keyring,
        limit=4 * 1024 * 1024,
    ),
    Target(
        name="packets of keys",
        check=check_packets,
        samples=(make_packets(Random(2)), b"0x" + b"A1" * 20),
        words=(b"\x99\x00\x05\x04", b"\xb4\x00", b"\xcd\x00", b"\xc6\xff", b"\xff\xff\xff\xff", b"KBXf", b"A1" * 20),
        make=make_packets,
        prefix=b"\x99\x00\x05\x04abcd",
        limit=4 * 1024 * 1024,
    ),
)
