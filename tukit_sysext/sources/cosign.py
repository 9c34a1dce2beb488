# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signatures of cosign with a key, checked offline: of the manifest of an image, or of the index that leads to it.

They are the layers of what is tagged ``sha256-DIGEST.sig``: each is a payload (simple signing) that names the digest,
and its annotation has the signature. A digest alone is no signature, and who has the registry can move tags: version
and content are taken of what is signed. Which versions there are nobody signs: one may be kept away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence

from tukit_sysext.config.cosign_key import CosignKey
from tukit_sysext.errors import NoVerdict, SourceUnreachable
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Manifest, ManifestRefused
from tukit_sysext.formats.oci_names import signature_tag
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.registry_tags import RegistryTags, TaggedManifest
from tukit_sysext.system.openssl import is_signed

log = logging.getLogger(__name__)

_KIND = "cosign"
_REMEMBERED_FOR = 86400
_PAYLOAD = 64 * 1024
_LONGEST_SIGNATURE = 4096
_MOST = 4
"""Signatures of one manifest that are looked at."""


class Cosign:
    """Checks what a key has signed."""

    def __init__(self, key: CosignKey, tags: RegistryTags, cache: Cache) -> None:
        self._key = key
        self._tags = tags
        self._cache = cache
        self._stuck = False

    def refused(self, manifests: Sequence[TaggedManifest], *, passed_over: int) -> Mapping[str, str]:
        """Why manifests are refused, by ``NAME:TAG``; those that are not in it are good.

        So many of the strongest mirrors are ``passed_over``. Raises SourceUnreachable, and ToolBroken where openssl
        does not work.
        """
        wanted = [(each.name, digest) for each in manifests for digest in each.digests]
        tagged = [(name, signature_tag(digest)) for name, digest in wanted]
        found = dict(zip(wanted, self._tags.signatures(tagged, passed_over=passed_over), strict=True))
        layers = {key: list(_signed_layers(manifest)) for key, manifest in found.items()}
        payloads = [(name, layer.sha256) for (name, _), several in layers.items() for layer in several]
        contents = dict(zip(payloads, self._tags.contents(payloads, limit=_PAYLOAD), strict=True))
        why: dict[str, str] = {}
        for each in manifests:
            reasons = [self._look(digest, layers[each.name, digest], each.name, contents) for digest in each.digests]
            if all(reasons):
                for digest in each.digests:
                    if isinstance(error := found[each.name, digest], SourceUnreachable):
                        raise error
                why[f"{each.name}:{each.tag}"] = "; ".join(dict.fromkeys(reasons))
        return why

    def _look(
        self, digest: str, layers: Sequence[Descriptor], name: str, contents: Mapping[tuple[str, str], bytes | None]
    ) -> str:
        """Why a digest is not signed by the key; empty where it is."""
        reason = f"it is not signed, expected a signature of cosign by {self._key.path}"
        for layer in layers:
            content = contents[name, layer.sha256]
            if content is None:
                reason = "what cosign signed cannot be had"
                continue
            try:
                about = oci.parse_signed(content, where="what cosign signed")
                signature = base64.b64decode(layer.annotations[oci.SIGNATURE], validate=True)
            except (ManifestRefused, binascii.Error) as error:
                reason = str(error)
                continue
            if about != digest:
                reason = f"its signature is of sha256:{about[:16]}..., expected sha256:{digest[:16]}..."
            elif self._is_good(content, signature):
                return ""
            else:
                reason = f"its signature is not by the key {self._key.path}"
        return reason

    def _is_good(self, content: bytes, signature: bytes) -> bool:
        parts = (content, signature, self._key.content)
        key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
        when = (self._cache.note(_KIND, key) or {}).get("good")
        if isinstance(when, int) and 0 <= int(time.time()) - when <= _REMEMBERED_FOR:
            return True
        if self._stuck:
            return False
        try:
            good = is_signed(content, signature, self._key.content)
        except NoVerdict as error:
            # whoever made one of which openssl hangs or dies may have made many: one is waited for
            log.warning("%s; no other signature is looked at", error)
            self._stuck = True
            return False
        if good:
            self._cache.put_note(_KIND, key, {"good": int(time.time())})
        return good


def _signed_layers(manifest: Manifest | SourceUnreachable | None) -> Iterator[Descriptor]:
    for layer in manifest.layers[:_MOST] if isinstance(manifest, Manifest) else ():
        signature = layer.annotations.get(oci.SIGNATURE, "")
        if layer.media_type == oci.SIGNATURE_LAYER and layer.size <= _PAYLOAD and len(signature) <= _LONGEST_SIGNATURE:
            yield layer
