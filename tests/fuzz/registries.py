# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what registries send: indexes, manifests, tags, labels, what cosign signed, challenges and tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.mutation import odd_text, word
from tests.fuzz.target import Target, told
from tests.lab.images import SHA256_OF_NOTHING
from tukit_sysext.errors import ImageBroken, NotServed
from tukit_sysext.formats import challenge, oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest, ManifestRefused
from tukit_sysext.formats.oci_image import CONTAINER_CONFIGS, NotSupported, for_architecture, read_image
from tukit_sysext.formats.oci_names import (
    is_tag,
    names_no_version,
    next_page,
    read_tag,
    repository_name,
    version_tag,
)
from tukit_sysext.formats.oci_urls import is_repository
from tukit_sysext.net.login import Login
from tukit_sysext.net.redirects import origin
from tukit_sysext.net.tokens import Tokens

_DIGEST = f"sha256:{SHA256_OF_NOTHING}"
_URL = "https://registry.example.org/v2/images/gdb/tags/list?n=1000"
_PASSWORD = "geheim"  # noqa: S105  # made up


# --- manifests and indexes ------------------------------------------------------------------------------------------


def check_manifest(data: bytes) -> None:
    try:
        found = oci.parse(data, where="gdb:15.2")
    except ManifestRefused as error:
        told(str(error))
        return
    descriptors = found.manifests if isinstance(found, Index) else (found.config, *found.layers)
    for each in descriptors:
        assert re.fullmatch("[0-9a-f]{64}", each.sha256) and 0 <= each.size < 1 << 63
        assert all(isinstance(text, str) for pair in each.annotations.items() for text in pair)
    try:
        if isinstance(found, Index):
            assert oci.parse(oci.compose_index(found), where="") == found
            assert for_architecture(found, "x86-64") in found.manifests
        else:
            assert oci.parse(oci.compose_manifest(found), where="") == found
            image = read_image(found, {oci.VERSION: "1"})
            assert image.layer in found.layers
            assert image.packing in ("", "layer", "xz", "zst", "gz", "bz2")
    except NotSupported as error:
        told(str(error))


def _annotations(random: Random) -> dict[str, object]:
    keys = (oci.TITLE, oci.VERSION, oci.RELEASE + "ID", oci.SIGNATURE, odd_text(random))
    texts: tuple[object, ...] = ("gdb-15.2.x86-64.raw", "gdb-1.raw.zst", "15.2", odd_text(random), "", None, 5)
    return {random.choice(keys): random.choice(texts) for _ in range(random.randrange(3))}


def _descriptor(random: Random) -> object:
    types = (oci.MANIFEST, oci.IMAGE_LAYER, oci.DESCRIPTION_LAYER, oci.EMPTY_CONFIG, *CONTAINER_CONFIGS, word(random))
    document: dict[str, object] = {
        "mediaType": random.choice(types),
        "digest": random.choice((_DIGEST, _DIGEST, _DIGEST, f"sha512:{'0' * 128}", word(random), None)),
        "size": random.choice((0, 5, 1 << 62, -1, 1 << 64, True, "5", 1.5)) if random.random() < 0.2 else 5,
    }
    if random.random() < 0.5:
        document["annotations"] = _annotations(random)
    if random.random() < 0.5:
        words = ("linux", "unknown", "amd64", "arm64", "x86_64", "v1", "v3", "", odd_text(random))
        document["platform"] = {key: random.choice(words) for key in ("os", "architecture", "variant")}
    return random.choice((document, document, document, document, [], None, "x"))


def make_manifest(random: Random) -> bytes:
    document: dict[str, object] = {"schemaVersion": random.choice((2, 2, 2, 2, 1, "2", None))}
    parts = [_descriptor(random) for _ in range(random.randrange(4))]
    if random.random() < 0.5:
        document |= {"mediaType": oci.INDEX, "manifests": parts}
    else:
        document |= {"mediaType": oci.MANIFEST, "config": _descriptor(random), "layers": parts}
    if random.random() < 0.2:
        document[random.choice(("manifests", "layers", "mediaType", "config", "artifactType"))] = _descriptor(random)
    if random.random() < 0.5:
        document["annotations"] = _annotations(random)
    return json.dumps(document).encode()


_IMAGE = Descriptor.of(oci.IMAGE_LAYER, b"image", title="gdb-15.2.x86-64.raw")
_MANIFEST = oci.compose_manifest(
    Manifest(
        config=Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY),
        layers=(_IMAGE, Descriptor.of(oci.DESCRIPTION_LAYER, b"x", title="gdb-15.2.x86-64.manifest.gz")),
        annotations={oci.VERSION: "15.2", oci.RELEASE + "ID": "_any"},
        artifact_type=oci.IMAGE_ARTIFACT,
    )
)
_INDEX = oci.compose_index(Index(manifests=(Descriptor.of(oci.MANIFEST, _MANIFEST, platform=("linux", "amd64", "")),)))


# --- tags, labels, and what cosign signed ---------------------------------------------------------------------------


def check_tags(data: bytes) -> None:
    try:
        tags = oci.parse_tags(data, where="tags")
    except ManifestRefused as error:
        told(str(error))
        tags = ()
    for tag in tags:
        assert is_tag(tag)
        names_no_version(tag)
        version, architecture = read_tag(tag)
        assert version and version.isascii() and version.isprintable() and " " not in version
        try:
            assert read_tag(version_tag(version, architecture)) == (version, architecture)
        except ValueError:
            assert len(tag) > 128 // 3, "what is written otherwise is three times as long at the most"
        assert is_repository(repository_name(version))
    link = data.decode("latin-1")
    following = next_page(link, _URL)
    if following is not None:
        assert origin(following) == origin(_URL) and urlsplit(following).path == urlsplit(_URL).path


def make_tags(random: Random) -> bytes:
    if random.random() < 0.3:
        place = random.choice(
            (_URL, "/v2/images/gdb/tags/list", "?last=x", "//elsewhere/", odd_text(random), "http://[::1")
        )
        return f'<{place}>; rel="{random.choice(("next", "prev", word(random)))}"'.encode()
    tags: list[object] = [
        random.choice((word(random), "1.0", "1.0-amd64", "6.12_7erc1", "_2d1", "x.sig", f"sha256-{'0' * 64}", 5, None))
        for _ in range(random.randrange(5))
    ]
    return json.dumps({"name": "images/gdb", "tags": random.choice((tags, tags, tags, None, {}, "x"))}).encode()


def check_labels(data: bytes) -> None:
    try:
        labels = oci.parse_labels(data, where="config")
    except ManifestRefused as error:
        told(str(error))
    else:
        assert all(isinstance(text, str) for pair in labels.items() for text in pair)
    try:
        assert re.fullmatch("[0-9a-f]{64}", oci.parse_signed(data, where="payload"))
    except ManifestRefused as error:
        told(str(error))


def make_labels(random: Random) -> bytes:
    def some(*values: object) -> object:
        return random.choice(values)

    digest = some(_DIGEST, _DIGEST, _DIGEST[7:], None, {}, odd_text(random))
    critical = some({"image": some({"docker-manifest-digest": digest}, None, []), "type": _COSIGN}, {}, None, "x")
    labels = some({oci.VERSION: some("1", 1, None, odd_text(random))}, None, [], "x")
    return json.dumps({"critical": critical, "config": some({"Labels": labels}, None, 5, {})}).encode()


_COSIGN = "cosign container image signature"
_PAYLOAD = json.dumps({"critical": {"image": {"docker-manifest-digest": _DIGEST}, "type": _COSIGN}}).encode()
_CONFIG = json.dumps({"config": {"Labels": {oci.VERSION: "1"}}}).encode()


# --- challenges and tokens ------------------------------------------------------------------------------------------


def check_challenge(data: bytes) -> None:
    """Of a registry with HTTPS and of one without: nobody is told the password who must not be."""
    found = challenge.bearer(data.decode("latin-1"))
    if found is None:
        return
    assert found.realm
    for url in (_URL, _URL.replace("https:", "http:")):
        login = Login(user="lab", password=_PASSWORD, origins=frozenset((origin(url),)))
        tokens = Tokens(login)
        try:
            place, known = tokens.place(url, found)
        except NotServed as error:
            told(str(error))
            assert _PASSWORD not in str(error)
            continue
        assert place.isascii() and origin(place)[0] in ("http", "https") and origin(place)[1]
        assert url.startswith("http:") or origin(place)[0] == "https"
        if known is not None:
            assert known.origins == {origin(place)}
            assert url.startswith("https:") or origin(place)[1] == origin(url)[1]
        assert tokens.authorization(url) is None


def make_challenge(random: Random) -> bytes:
    realms = (
        "https://auth.example.org/token", "http://registry.example.org:81/token", "https://registry.example.org/token",
        "http://evil.example/", "file:///etc/passwd", "//[::1", "https://a:b@c/", "https://auth.example.org/?x=y#z", "",
        odd_text(random),
    )  # fmt: skip
    parts = [f'realm="{random.choice(realms)}"', f'service="{word(random)}"', f"scope={word(random)}", odd_text(random)]
    random.shuffle(parts)
    schemes = ("Bearer", "bearer", "Basic", "Bearer", word(random))
    text = random.choice(schemes) + " " + random.choice((",", ", ", " ")).join(parts[: random.randrange(1, 5)])
    return text.encode("latin-1", "replace")


_CHALLENGE = b'Bearer realm="https://auth.example.org/token",service="registry",scope="repository:images/gdb:pull"'


def check_token(data: bytes) -> None:
    try:
        token = challenge.parse_token(data, where="https://auth.example.org/token")
    except ImageBroken as error:
        told(str(error))
        return
    assert token.isascii() and token.isprintable() and " " not in token and len(token) <= 32_768


def make_token(random: Random) -> bytes:
    value: Any = random.choice((word(random), odd_text(random), "a\r\nX: y", None, 5, [], "x" * 40_000))
    return json.dumps({random.choice(("token", "access_token", word(random))): value}).encode()


def _target(
    name: str, check: Callable[[bytes], None], make: Callable[[Random], bytes], *samples: bytes, words: str
) -> Target:
    return Target(name=name, check=check, make=make, samples=samples, words=[each.encode() for each in words.split()])


TARGETS = (
    _target(
        "manifest of a registry",
        check_manifest,
        make_manifest,
        _MANIFEST,
        _INDEX,
        words='{ } [ ] " : , null 2 "layers" "manifests" "config" "digest" "size" "platform" "annotations" 1e400 '
        + _DIGEST,
    ),
    _target(
        "tags of a registry",
        check_tags,
        make_tags,
        b'{"name": "images/gdb", "tags": ["15.2", "6.12_7erc1-amd64", "x.sig"]}',
        b'</v2/images/gdb/tags/list?n=1000&last=x>; rel="next"',
        words='{ } [ ] " , _ _7e _2b - . -amd64 -x86-64 .sig sha256- < > ; rel="next" /v2/',
    ),
    _target(
        "labels, and what cosign signed",
        check_labels,
        make_labels,
        _PAYLOAD,
        _CONFIG,
        words='{ } [ ] " : , null "critical" "image" "docker-manifest-digest" "type" "config" "Labels" ' + _DIGEST,
    ),
    _target(
        "challenge of a registry",
        check_challenge,
        make_challenge,
        _CHALLENGE,
        b'Basic realm="lab", ' + _CHALLENGE,
        words='Bearer Basic realm= service= scope= " , \\ = https:// http:// @ # ? [::1',
    ),
    _target(
        "token",
        check_token,
        make_token,
        b'{"token": "abc.def.ghi", "expires_in": 300}',
        words='{ } [ ] " : , null "token" "access_token" \\r \\n',
    ),
)
