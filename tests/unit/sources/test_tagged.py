# SPDX-License-Identifier: LGPL-2.1-or-later
"""A project in a registry without a signed list: what tags lead to, and what cosign signed (rows N42 and N43)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cmp_to_key
from pathlib import Path

import pytest

from tests.cosigning import CosignPair
from tests.lab.made_up_registry import MadeUpRegistry
from tests.lab.scripted import Answer, Asked
from tests.unit.net.samples import QUICK, Collected
from tests.unit.sources import test_delta as delta
from tests.unit.sources.samples import KEYS, Image, description, settings, sha256
from tukit_sysext.config.cosign_key import CosignKey
from tukit_sysext.errors import ImageBroken, NotServed, NoVerdict, SourceUnreachable
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest
from tukit_sysext.formats.oci_names import version_tag
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.rules.architectures import platform_name
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources import registry_tags
from tukit_sysext.sources.cache import INDEXES, Cache
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.registry_tags import MOST_VERSIONS
from tukit_sysext.sources.tagged import TaggedSource
from tukit_sysext.store.seed import Seed
from tukit_sysext.system.system_release import machine_architecture

HERE = machine_architecture()
EMPTY = Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY)


def content_of(version: str, name: str = "gdb") -> bytes:
    return f"{name} {version}\n".encode() * 1000


def push(
    registry: MadeUpRegistry,
    version: str,
    *,
    name: str = "gdb",
    architecture: str | None = HERE,
    indexed: bool = True,
    annotated: bool = True,
    release: bool = False,
) -> Descriptor:
    """Push an image as ``tukit-sysext publish`` does; the manifest."""
    content = content_of(version, name)
    ending = f".{architecture}" if architecture else ""
    layers = [Descriptor.of(oci.IMAGE_LAYER, content, title=f"{name}-{version}{ending}.raw")]
    registry.put_blob(name, content)
    if not release:
        title, described = description(f"{name}-{version}{ending}.raw", "manifest.gz")
        registry.put_blob(name, described)
        layers.append(Descriptor.of(oci.DESCRIPTION_LAYER, described, title=title))
    annotations = {oci.VERSION: version} if annotated else {}
    annotations |= {oci.RELEASE + key: text for key, text in KEYS.items()} if release else {}
    manifest = Manifest(config=EMPTY, layers=tuple(layers), annotations=annotations, artifact_type=oci.IMAGE_ARTIFACT)
    made = registry.put_manifest(name, manifest, version_tag(version, architecture))
    if indexed:
        platform = ("linux", platform_name(architecture), "") if architecture is not None else None
        index = Index(manifests=(replace(made, platform=platform),), annotations=annotations)
        return registry.put_manifest(name, index, version_tag(version))
    return made


@pytest.fixture
def registry() -> Iterator[MadeUpRegistry]:
    with MadeUpRegistry() as started:
        yield started


WITHOUT_PATIENCE = replace(QUICK, patient=False)
SOON_GIVEN_UP = replace(WITHOUT_PATIENCE, deadline=3)
"""A server that answers with a fault is asked for as long as the deadline lets it."""


@contextmanager
def asking(
    registry: MadeUpRegistry,
    cache: Path,
    *names: str,
    key: bytes | None = None,
    more: tuple[str, ...] = (),
    network: NetworkSettings = WITHOUT_PATIENCE,
) -> Iterator[TaggedSource]:
    of = settings(None, verify=key is not None)
    cosign = CosignKey(path="/etc/cosign.pub", content=key) if key is not None else None
    urls = tuple(f"{url}/" for url in (*more, registry.url))
    with Transfers(network) as transfers:
        source = TaggedSource(
            replace(of, urls=urls, cosign_key=cosign),
            transfers,
            Cache(cache, writable=True),
            image_max=1_000_000,
        )
        source.look_for(names or ("gdb",))
        yield source


def found(registry: MadeUpRegistry, cache: Path, *names: str, key: bytes | None = None) -> dict[str, Candidate]:
    with asking(registry, cache, *names, key=key) as source:
        return {candidate.file_name: candidate for candidate in source.candidates()}


def not_taken(registry: MadeUpRegistry, cache: Path, key: bytes | None = None) -> dict[str, str]:
    with asking(registry, cache, key=key) as source:
        source.candidates()
        return dict(source.not_taken())


# --- what tags lead to ----------------------------------------------------------------------------------------------


def test_versions_with_indexes(registry: MadeUpRegistry, cache: Path) -> None:
    for version in ("15.2", "15.10", "16~rc1"):
        push(registry, version)
    offered = found(registry, cache)
    assert {candidate.version for candidate in offered.values()} == {"15.2", "15.10", "16~rc1"}
    one = offered[f"gdb-16~rc1.{HERE}.raw"]
    assert (one.name, one.architecture, one.sha256) == ("gdb", HERE, sha256(content_of("16~rc1")))
    assert (one.size, one.signer) == (len(content_of("16~rc1")), None)
    assert one.locations == (f"{registry.api}gdb/blobs/sha256:{one.sha256}",)


def test_an_image_comes(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "15.2")
    with asking(registry, cache) as source:
        (candidate,) = source.candidates()
        image = Image(candidate.sha256)
        assert source.fetch([(candidate, image)]) == {}
    assert image.finished


def test_what_is_asked_for_cold_and_warm(registry: MadeUpRegistry, cache: Path) -> None:
    """Tags may move: each is asked for anew; what is named by its digest is not."""
    for version in ("1", "2"):
        push(registry, version)
    found(registry, cache)
    assert len(registry.paths) == 3, "the tags, and the manifest for this architecture of each version"
    registry.asked.clear()
    assert len(found(registry, cache)) == 2
    tags = [f"gdb/manifests/{version_tag(version, HERE)}" for version in ("1", "2")]
    assert sorted(registry.paths) == sorted(["gdb/tags/list", *tags])
    assert all("if-none-match" in asked.headers for asked in registry.asked if "/manifests/" in asked.path)


def test_a_tag_that_moved(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "1", indexed=False)
    before = found(registry, cache)
    registry.manifests["gdb", version_tag("1", HERE)] = registry.manifests[
        "gdb", push(registry, "2", indexed=False).digest
    ]
    assert before.keys() - found(registry, cache).keys()


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_tags_come_in_pages_and_unsorted(cache: Path, page: int) -> None:
    versions = ["9", "10", "8.1", "11~rc1"]
    with MadeUpRegistry(page=page) as registry:
        for version in versions:
            push(registry, version)
        assert {each.version for each in found(registry, cache).values()} == {*versions}


def test_the_newest_are_looked_at(registry: MadeUpRegistry, cache: Path) -> None:
    for number in range(MOST_VERSIONS + 5):
        push(registry, f"1.{number}", indexed=False)
    offered = {each.version for each in found(registry, cache).values()}
    assert offered == {f"1.{number}" for number in range(5, MOST_VERSIONS + 5)}


def test_tags_without_an_index_for_any_architecture_and_of_others(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "1", architecture=None, indexed=False)
    push(registry, "2", indexed=False)
    other = "arm64" if HERE != "arm64" else "x86-64"
    push(registry, "3", architecture=other, indexed=False)
    offered = found(registry, cache)
    assert {(each.version, each.architecture) for each in offered.values()} == {("1", None), ("2", HERE)}
    push(registry, "3", architecture=other)
    assert not_taken(registry, cache) == {"gdb:3": f"it has none for {HERE}, only for {other}"}


def test_what_oras_pushes(registry: MadeUpRegistry, cache: Path) -> None:
    registry.put_files("gdb", {f"gdb-15.2.{HERE}.raw": content_of("15.2")}, "15.2", "latest")
    registry.put_files("gdb", {f"gdb-15.3.{HERE}.raw.zst": content_of("15.3")}, "15.3")
    assert found(registry, cache).keys() == {f"gdb-15.2.{HERE}.raw", f"gdb-15.3.{HERE}.raw.zst"}
    assert not_taken(registry, cache) == {}


def test_an_ordinary_container_image(registry: MadeUpRegistry, cache: Path) -> None:
    config = json.dumps({"architecture": "amd64", "config": {"Labels": {oci.VERSION: "1.5"}}}).encode()
    for content in (config, b"layer"):
        registry.put_blob("gdb", content)
    layer = Descriptor.of("application/vnd.oci.image.layer.v1.tar+gzip", b"layer")
    made = Manifest(config=Descriptor.of("application/vnd.oci.image.config.v1+json", config), layers=(layer,))
    registry.put_manifest("gdb", made, "stable")
    offered = found(registry, cache)
    assert {(each.file_name, each.version) for each in offered.values()} == {("gdb-1.5.raw.layer", "1.5")}
    registry.put_manifest("gdb", replace(made, layers=(layer, layer)), "2.0")
    assert not_taken(registry, cache) == {"gdb:2.0": "a container image of 2 layers, expected one with one file"}


def test_signatures_are_no_versions(registry: MadeUpRegistry, cache: Path, tmp_path: Path) -> None:
    made = push(registry, "1", indexed=False)
    CosignPair.make(tmp_path).cosign(registry, "gdb", made.sha256)
    registry.put_files("gdb", {"x": b"y"}, "sha256-abc", "1.att", "1.sbom")
    assert len(found(registry, cache)) == 1
    assert not_taken(registry, cache) == {}


def test_a_tag_that_leads_to_another_version(registry: MadeUpRegistry, cache: Path) -> None:
    made = push(registry, "1.2.3", indexed=False)
    for alias in ("1", "1.2", "latest"):
        registry.manifests["gdb", alias] = registry.manifests["gdb", made.digest]
    assert {each.version for each in found(registry, cache).values()} == {"1.2.3"}


def test_the_tag_that_is_the_version_is_stronger(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "1", indexed=False)
    other = registry.put_files("gdb", {f"gdb-1.{HERE}.raw": b"other"}, "zzz", "0")
    assert other.sha256
    (one,) = found(registry, cache).values()
    assert one.sha256 == sha256(content_of("1"))


@pytest.mark.parametrize("version", ["../x", "a b", "x" * 300, "\x1b[2J", ""])
def test_an_odd_version_in_an_annotation(registry: MadeUpRegistry, cache: Path, version: str) -> None:
    registry.put_blob("gdb", b"image")
    made = Manifest(
        config=EMPTY,
        layers=(Descriptor.of(oci.IMAGE_LAYER, b"image"),),
        annotations={oci.VERSION: version},
    )
    registry.put_manifest("gdb", made, "5")
    if version:
        assert found(registry, cache) == {}
        assert all(reason.isprintable() for reason in not_taken(registry, cache).values())
    else:
        assert [each.version for each in found(registry, cache).values()] == ["5"]


@pytest.mark.parametrize("content", [b"", b"{}", b"<html>", b"[" * 100_000])
def test_what_is_no_manifest_is_passed_over(registry: MadeUpRegistry, cache: Path, content: bytes) -> None:
    push(registry, "1")
    registry.put_manifest("gdb", content, "2")
    assert [each.version for each in found(registry, cache).values()] == ["1"]
    assert list(not_taken(registry, cache)) == ["gdb:2"]


def test_images_that_nobody_wants_are_not_asked_for(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "6", name="strace")
    assert found(registry, cache, "gdb", "NetworkManager") == {}
    assert sorted(registry.paths) == ["gdb/tags/list", "networkmanager--563a2789/tags/list"]


def test_a_repository_that_is_refused(registry: MadeUpRegistry, cache: Path) -> None:
    """Some registries say so of one that is not there; of all of them, something is wrong."""
    push(registry, "1")

    def deny(asked: Asked) -> Answer | None:
        return Answer(status=403) if "/nosuch/" in asked.path else None

    registry.instead = deny
    with asking(registry, cache, "gdb", "nosuch") as source:
        assert len(source.candidates()) == 1
        assert list(source.not_taken()) == ["nosuch"]
    with asking(registry, cache, "nosuch") as source, pytest.raises(NotServed):
        source.candidates()


def test_a_registry_in_trouble_says_nothing_of_what_there_is(registry: MadeUpRegistry, cache: Path) -> None:
    """A version that cannot be had now is no reason to take an older one."""
    push(registry, "1")
    push(registry, "2", indexed=False)
    registry.instead = lambda asked: Answer(status=500) if asked.path.endswith(version_tag("2", HERE)) else None
    with asking(registry, cache, network=SOON_GIVEN_UP) as source, pytest.raises(SourceUnreachable):
        source.candidates()


def test_the_next_mirror_is_asked(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "1")
    with asking(registry, cache, more=("oci+http://127.0.0.1:1/images",)) as source:
        assert len(source.candidates()) == 1


@pytest.mark.parametrize("part", ["/tags/list", "/manifests/"])
def test_a_mirror_that_answers_with_a_page_is_passed_over(registry: MadeUpRegistry, cache: Path, part: str) -> None:
    push(registry, "1")
    with MadeUpRegistry() as other:
        push(other, "1")
        other.instead = lambda asked: Answer(body=b"<html>") if part in asked.path else None
        with asking(registry, cache, more=(other.url,)) as source:
            assert len(source.candidates()) == 1
        assert any(part in asked.path for asked in other.asked)


def test_tags_without_end(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci, "MOST_TAGS", 3)
    with MadeUpRegistry(page=2) as registry:
        for number in range(9):
            push(registry, f"1.{number}", indexed=False)
        assert len(found(registry, cache)) == 4
        assert registry.paths.count("gdb/tags/list") == 2


@pytest.mark.parametrize("step", [1, -1])
def test_in_no_order_are_tags_compared_often(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def compare(first: str, second: str) -> int:
        nonlocal compared
        compared += 1
        return int(first) - int(second)

    monkeypatch.setattr(registry_tags, "newer_key", cmp_to_key(compare))
    versions = [str(number) for number in range(5000)]
    newest = registry_tags._newest(versions[::step], HERE, prefer_index=True)
    assert newest == versions[: -MOST_VERSIONS - 1 : -1]
    assert compared < 3 * len(versions)


@pytest.mark.parametrize("release", [False, True])
def test_descriptions(registry: MadeUpRegistry, cache: Path, release: bool) -> None:
    """In a layer, or in annotations, which need no request."""
    push(registry, "1", release=release, indexed=False)
    with asking(registry, cache) as source:
        (candidate,) = source.candidates()
        registry.asked.clear()
        described = source.describe([candidate])[candidate.sha256]
    assert described.release == ReleaseData(KEYS)
    assert not described.vouched, "by plain HTTP anybody may have written it"
    assert len(registry.asked) == (0 if release else 1)


def test_blobs_may_come_from_another_host_and_what_tags_name_may_not(registry: MadeUpRegistry, cache: Path) -> None:
    """Nobody vouches for a manifest; what that names is known by its hash."""
    push(registry, "1", indexed=False)
    with MadeUpRegistry() as elsewhere:
        elsewhere.blobs, elsewhere.manifests = registry.blobs, registry.manifests
        moved = "/blobs/"

        def move(asked: Asked) -> Answer | None:
            host = elsewhere.api.partition("/v2/")[0]
            return Answer(status=307, headers={"Location": f"{host}{asked.path}"}) if moved in asked.path else None

        registry.instead = move
        with asking(registry, cache) as source:
            (candidate,) = source.candidates()
            assert source.describe([candidate])[candidate.sha256].release == ReleaseData(KEYS)
        moved = "/manifests/"
        with asking(registry, cache) as source:
            assert source.candidates() == []
            assert "redirects to another server" in source.not_taken()[f"gdb:{version_tag('1', HERE)}"]


def test_a_description_with_other_bytes_is_as_none(registry: MadeUpRegistry, cache: Path) -> None:
    push(registry, "1", indexed=False)
    for key in [key for key, content in registry.blobs.items() if content.startswith(b"\x1f\x8b")]:
        registry.blobs[key] = b"{}"
    with asking(registry, cache) as source:
        (candidate,) = source.candidates()
        described = source.describe([candidate])[candidate.sha256]
    assert (described.release, described.failure) == (None, None)


def test_what_is_here_of_another_version_is_not_fetched(registry: MadeUpRegistry, cache: Path, tmp_path: Path) -> None:
    """By the index of chunks in a layer."""
    old, new = b"".join(delta.OLD), delta.IMAGE
    index = delta.index_of(delta.NEW)
    for each in (new, index):
        registry.put_blob("gdb", each)
    layers = (Descriptor.of(oci.IMAGE_LAYER, new), Descriptor.of(oci.CHUNKS_LAYER, index))
    registry.put_manifest("gdb", Manifest(config=EMPTY, layers=layers), "2")
    (tmp_path / "old.raw").write_bytes(old)

    @contextmanager
    def opened() -> Iterator[int]:
        with open(tmp_path / "old.raw", "rb") as file:
            yield file.fileno()

    with asking(registry, cache) as source:
        (candidate,) = source.candidates()
        image = Image(candidate.sha256)
        image.given_seeds = [Seed(sha256="", index=delta.index_of(delta.OLD), opened=opened)]
        foreseen = source.to_fetch([(candidate, image.given_seeds)])[candidate.sha256]
        registry.asked.clear()
        assert source.fetch([(candidate, image)]) == {}
    assert image.content == new
    assert image.reused == len(new) - foreseen > len(new) // 2
    assert all("range" in asked.headers for asked in registry.asked)
    assert os.listdir(cache / INDEXES) == [sha256(index)], "where a collection takes it away"


def test_an_index_that_cannot_be_had_has_the_whole_fetched(registry: MadeUpRegistry, cache: Path) -> None:
    """It is a hint, and the registry is in trouble with it alone."""
    image, index = content_of("2"), b"an index"
    registry.put_blob("gdb", image)
    layers = (Descriptor.of(oci.IMAGE_LAYER, image), Descriptor.of(oci.CHUNKS_LAYER, index))
    registry.put_manifest("gdb", Manifest(config=EMPTY, layers=layers), "2")
    registry.instead = lambda asked: Answer(status=500) if sha256(index) in asked.path else None
    with asking(registry, cache, network=SOON_GIVEN_UP) as source:
        (candidate,) = source.candidates()
        sink = Collected()
        assert source.fetch([(candidate, sink)]) == {}
    assert sink.content == image


# --- cosign ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> CosignPair:
    return CosignPair.make(tmp_path)


def test_what_the_key_signed(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    made = push(registry, "1")
    push(registry, "2")
    pair.cosign(registry, "gdb", made.sha256)
    for _ in range(2):
        (one,) = found(registry, cache, key=pair.public).values()
        assert one.version == "1"
        assert one.signer == CosignKey(path="", content=pair.public).fingerprint
    refused = not_taken(registry, cache, key=pair.public)
    assert refused == {"gdb:2": "it is not signed, expected a signature of cosign by /etc/cosign.pub"}


def test_the_manifest_may_be_signed_in_the_place_of_its_index(
    registry: MadeUpRegistry, cache: Path, pair: CosignPair
) -> None:
    push(registry, "1")
    content = registry.manifests["gdb", version_tag("1", HERE)]
    pair.cosign(registry, "gdb", sha256(content))
    assert len(found(registry, cache, key=pair.public)) == 1


def test_a_signature_by_another_key(registry: MadeUpRegistry, cache: Path, pair: CosignPair, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    made = push(registry, "1")
    CosignPair.make(tmp_path / "other").cosign(registry, "gdb", made.sha256)
    with asking(registry, cache, key=pair.public) as source, pytest.raises(ImageBroken, match="not by the key /etc/c"):
        source.candidates()


def test_a_signature_of_another_manifest(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    """It is good, and by the key: of what the key once signed."""
    old, new = push(registry, "1"), push(registry, "2")
    pair.cosign(registry, "gdb", new.sha256, about=old.sha256)
    with asking(registry, cache, key=pair.public) as source, pytest.raises(ImageBroken, match="its signature is of"):
        source.candidates()


@pytest.mark.parametrize("what", ["unsigned", "by another key", "of another manifest", "a signature by another key"])
def test_a_mirror_with_what_the_key_did_not_sign_is_passed_over(
    registry: MadeUpRegistry, cache: Path, pair: CosignPair, tmp_path: Path, what: str
) -> None:
    """It is well-formed, so that nothing else passes it over; what else the mirror has that is signed stays."""
    (tmp_path / "other").mkdir()
    other = CosignPair.make(tmp_path / "other")
    good = push(registry, "1")
    pair.cosign(registry, "gdb", good.sha256)
    with MadeUpRegistry() as mirror:
        made = push(mirror, "1", architecture=HERE if what.startswith("a signature") else None)
        signed = push(mirror, "6", name="strace")
        pair.cosign(mirror, "strace", signed.sha256)
        if what == "of another manifest":
            pair.cosign(mirror, "gdb", made.sha256, about=good.sha256)
        elif what != "unsigned":
            other.cosign(mirror, "gdb", made.sha256)
        for _ in range(2):
            with asking(registry, cache, "gdb", "strace", key=pair.public, more=(mirror.url,)) as source:
                offered = source.candidates()
            assert {each.file_name for each in offered} == {f"gdb-1.{HERE}.raw", f"strace-6.{HERE}.raw"}
            assert source.not_taken() == {}
            assert "strace/tags/list" not in registry.paths, "it was good"


def test_where_the_next_mirror_is_away_what_is_good_stays(
    registry: MadeUpRegistry, cache: Path, pair: CosignPair
) -> None:
    """Where only the index is signed, the next one may have a signature of the manifest: that need not be known."""
    one, two = push(registry, "1", indexed=False), push(registry, "2")
    pair.cosign(registry, "gdb", one.sha256, about=two.sha256)
    pair.cosign(registry, "gdb", two.sha256)
    with MadeUpRegistry() as away:
        pass
    with asking(away, cache, key=pair.public, more=(registry.url,)) as source:
        assert [each.version for each in source.candidates()] == ["2"]
        assert "its signature is of" in source.not_taken()[f"gdb:{version_tag('1', HERE)}"]
        push(registry, "3")
        with pytest.raises(SourceUnreachable, match="connection refused"):
            source.candidates()


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "A" * 5000])
def test_what_is_no_signature(registry: MadeUpRegistry, cache: Path, pair: CosignPair, signature: str) -> None:
    made = push(registry, "1")
    pair.cosign(registry, "gdb", made.sha256)
    tag = f"sha256-{made.sha256}.sig"
    document = json.loads(registry.manifests["gdb", tag])
    document["layers"][0]["annotations"][oci.SIGNATURE] = signature
    registry.manifests["gdb", tag] = json.dumps(document).encode()
    with asking(registry, cache, key=pair.public) as source, pytest.raises(ImageBroken):
        source.candidates()


def test_a_good_signature_beside_a_bad_one(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    made = push(registry, "1")
    pair.cosign(registry, "gdb", made.sha256)
    tag = f"sha256-{made.sha256}.sig"
    document = json.loads(registry.manifests["gdb", tag])
    bad = {**document["layers"][0], "annotations": {oci.SIGNATURE: "AAAA"}}
    document["layers"] = [bad, *document["layers"]]
    registry.manifests["gdb", tag] = json.dumps(document).encode()
    assert len(found(registry, cache, key=pair.public)) == 1


def test_four_signatures_are_looked_at(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    made = push(registry, "1")
    pair.cosign(registry, "gdb", made.sha256)
    tag = f"sha256-{made.sha256}.sig"
    document = json.loads(registry.manifests["gdb", tag])
    (good,) = document["layers"]
    bad = {**good, "annotations": {oci.SIGNATURE: "AAAA"}}
    registry.manifests["gdb", tag] = json.dumps({**document, "layers": [bad] * 4 + [good]}).encode()
    with asking(registry, cache, key=pair.public) as source, pytest.raises(ImageBroken, match="not by the key"):
        source.candidates()
    registry.manifests["gdb", tag] = json.dumps({**document, "layers": [bad] * 3 + [good]}).encode()
    assert len(found(registry, cache, key=pair.public)) == 1


def test_one_signature_that_nobody_can_check_is_waited_for(
    registry: MadeUpRegistry, cache: Path, pair: CosignPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made one may have made many."""
    for version in ("1", "2", "3"):
        pair.cosign(registry, "gdb", push(registry, version).sha256)
    asked: list[bytes] = []

    def hangs(content: bytes, *_: object) -> bool:
        asked.append(content)
        raise NoVerdict("openssl did not come to an end with it")

    monkeypatch.setattr("tukit_sysext.sources.cosign.is_signed", hangs)
    with asking(registry, cache, key=pair.public) as source, pytest.raises(ImageBroken, match="not by the key"):
        source.candidates()
    assert len(asked) == 1


def test_the_version_is_that_of_what_is_signed(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    """Who has the registry tags an old image as the newest."""
    old = push(registry, "1", indexed=False)
    pair.cosign(registry, "gdb", old.sha256)
    registry.manifests["gdb", version_tag("99", HERE)] = registry.manifests["gdb", old.digest]
    assert {each.version for each in found(registry, cache, key=pair.public).values()} == {"1"}


def test_what_is_signed_has_to_say_its_version(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    registry.put_blob("gdb", b"image")
    made = registry.put_manifest(
        "gdb", Manifest(config=EMPTY, layers=(Descriptor.of(oci.IMAGE_LAYER, b"image"),)), "99"
    )
    pair.cosign(registry, "gdb", made.sha256)
    assert found(registry, cache, key=pair.public) == {}
    assert "does not say which version" in not_taken(registry, cache, key=pair.public)["gdb:99"]


def test_a_digest_that_lies(registry: MadeUpRegistry, cache: Path, pair: CosignPair) -> None:
    """The index is signed, and what it names has other bytes."""
    made = push(registry, "1")
    pair.cosign(registry, "gdb", made.sha256)
    inner = json.loads(registry.manifests["gdb", "1"])["manifests"][0]["digest"]
    registry.manifests["gdb", inner] = registry.manifests["gdb", inner] + b"\n"
    assert found(registry, cache, key=pair.public) == {}
