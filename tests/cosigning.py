# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signs as ``cosign sign --key`` does, with openssl(1) on the host."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lab.made_up_registry import PROJECT, MadeUpRegistry
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Manifest
from tukit_sysext.formats.oci_names import signature_tag

_KINDS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CosignPair:
    """A private key in a file, and the public one (PEM)."""

    private: Path
    public: bytes

    @classmethod
    def make(cls, folder: Path, *, kind: str = "ec") -> Self:
        """A new one."""
        private = folder / "cosign.key"
        subprocess.run(["openssl", "genpkey", *_KINDS[kind], "-out", private], check=True, capture_output=True)
        done = subprocess.run(["openssl", "pkey", "-in", private, "-pubout"], check=True, capture_output=True)
        return cls(private=private, public=done.stdout)

    def sign(self, content: bytes) -> bytes:
        """A signature of these bytes."""
        argv = ["openssl", "dgst", "-sha256", "-sign", str(self.private)]
        return subprocess.run(argv, input=content, check=True, capture_output=True).stdout

    def cosign(self, registry: MadeUpRegistry, repository: str, sha256: str, *, about: str | None = None) -> None:
        """Sign a manifest in a registry by its digest; ``about`` is what the payload says instead."""
        payload = json.dumps(
            {
                "critical": {
                    "identity": {"docker-reference": f"registry.example.org/{PROJECT}/{repository}"},
                    "image": {"docker-manifest-digest": f"sha256:{about or sha256}"},
                    "type": "cosign container image signature",
                },
                "optional": None,
            }
        ).encode()
        registry.put_blob(repository, payload)
        layer = Descriptor.of(oci.SIGNATURE_LAYER, payload)
        signature = base64.b64encode(self.sign(payload)).decode()
        layer = Descriptor(
            media_type=layer.media_type,
            sha256=layer.sha256,
            size=layer.size,
            annotations={oci.SIGNATURE: signature},
        )
        config = Descriptor.of("application/vnd.oci.image.config.v1+json", b"{}")
        registry.put_manifest(repository, Manifest(config=config, layers=(layer,)), signature_tag(sha256))
