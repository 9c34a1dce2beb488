# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of files as publishers really have them, and what each is.

The names, and the patterns that stand beside them in the publishers' own ``.transfer`` files or documentation, are
facts of: openSUSE (download.opensuse.org, appliances and home:kukuk:sysext), thkukuk/microos-sysext, Flatcar's
sysext-bakery, fedora-sysexts, Kairos, Frostyard, ParticleOS, and mkosi's default of ``Output=``. What a pattern sees
in a name is not typed here: systemd-sysupdate says it (tests/truth/test_patterns.py).

Where tools differ
    * ``NAME-VERSION-RELEASE.ARCH``: sysextmgr, and sysupdate with ``NAME-@v.%a.raw``, part it at different places.
      Without a pattern the last ``-`` counts, as sysextmgr documents it, unless the release is that of an RPM
      (``.fc42``), which no build number looks like; where ``NAME`` is wanted, that counts. With a pattern, sysupdate is
      followed.
    * ``NAME-VERSION-VERSION_ID-ARCH``: sysupdate without ``%w`` takes the VERSION_ID for a part of the version, and
      then the image for another system is the newest one. Fedora's own pattern has ``%w``, and it is followed.
    * ``~`` and ``^``, which UAPI.10 has in versions, are seen by no pattern of systemd 257, and by ours.
    * ``amd64``, ``x86_64``, ``aarch64``: to sysupdate's ``%a`` they are nothing; we take them for what they are.
    * A wildcard ``@a`` is a flag of partitions to sysupdate, and an architecture to others. sysupdate is followed.
"""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM = {"ID": "fedora", "VERSION_ID": "42"}
"""os-release of the tree in which specifiers are expanded; its architecture is x86-64."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedName:
    """One name: which image and version it is, and where it is wanted under another name than the likeliest, that.

    ``pattern`` is for this name and tells the same version, unless ``seen`` has what sysupdate sees by it (empty:
    nothing).
    """

    file: str
    name: str
    version: str
    architecture: str | None = "x86-64"
    version_id: str | None = None
    pattern: str = ""
    seen: str | None = None
    wanted: str = ""


def _name(file: str, name: str, version: str, architecture: str | None = "x86-64", **more: str) -> PublishedName:
    return PublishedName(file=file, name=name, version=version, architecture=architecture, **more)


NAMES: tuple[PublishedName, ...] = (
    # openSUSE, thkukuk/microos-sysext
    _name("debug-30.3.x86-64.raw", "debug", "30.3", pattern="debug-@v.%a.raw"),
    _name("gcc-30.3.x86-64.raw", "gcc", "30.3", pattern="gcc-@v.%a.raw"),
    _name("git-2.43.x86-64.sysext.raw", "git", "2.43", pattern="git-@v.%a.sysext.raw"),
    _name("pandoc-4.2.x86-64.raw", "pandoc", "4.2", pattern="pandoc-@v.%a.raw"),
    _name("strace-6.13.raw", "strace", "6.13", None, pattern="strace-@v.raw"),
    _name("debug-tools-23.7.x86-64.raw", "debug-tools", "23.7", pattern="debug-tools-@v.%a.raw"),
    _name("k3s-1.31.5+k3s1-4.2.x86-64.raw", "k3s-1.31.5+k3s1", "4.2", pattern="k3s-1.31.5+k3s1-@v.%a.raw"),
    _name("htop-3.4.1-1.1.x86_64.raw", "htop", "3.4.1-1.1", pattern="htop-@v.x86_64.raw", wanted="htop"),
    _name("gcc-13-13.4.0-x86-64.raw", "gcc-13", "13.4.0", pattern="gcc-13-@v-%a.raw"),
    _name("gcc-14-14.3.0+git11799-1.1.x86-64.raw", "gcc-14", "14.3.0+git11799-1.1",
          pattern="gcc-14-@v.%a.raw", wanted="gcc-14"),
    _name("openSUSE-MicroOS-2026.01.aarch64.raw", "openSUSE-MicroOS", "2026.01", "arm64"),
    # Flatcar's bakery
    _name("kubernetes-v1.32.2-x86-64.raw", "kubernetes", "v1.32.2", pattern="kubernetes-@v-%a.raw"),
    _name("kubernetes-v1.29.1-amd64.raw", "kubernetes", "v1.29.1", pattern="kubernetes-@v-amd64.raw"),
    _name("kubernetes-v1.28.4-arm64.raw", "kubernetes", "v1.28.4", "arm64", pattern="kubernetes-@v-%a.raw", seen=""),
    _name("kubernetes-v1.29.1.raw", "kubernetes", "v1.29.1", None, pattern="kubernetes-@v.raw"),
    _name("k3s-v1.32.2+k3s1-x86-64.raw", "k3s", "v1.32.2+k3s1", pattern="k3s-@v-%a.raw"),
    _name("rke2-v1.36.1+rke2r2-x86-64.raw", "rke2", "v1.36.1+rke2r2", pattern="rke2-@v-%a.raw"),
    _name("docker-24.0.9+1-arm64.raw", "docker", "24.0.9+1", "arm64"),
    _name("docker-compose-2.34.0-x86-64.raw", "docker-compose", "2.34.0", pattern="docker-compose-@v-%a.raw"),
    _name("nvidia-runtime-v1.17.5-x86-64.raw", "nvidia-runtime", "v1.17.5", pattern="nvidia-runtime-@v-%a.raw"),
    _name("cloud-hypervisor-v44.0-x86-64.raw", "cloud-hypervisor", "v44.0", pattern="cloud-hypervisor-@v-%a.raw"),
    _name("blackbox_exporter-0.27.0-x86-64.raw", "blackbox_exporter", "0.27.0", pattern="blackbox_exporter-@v-%a.raw"),
    _name("runwasi-shims-v0.8.0-x86-64.raw", "runwasi-shims", "v0.8.0", pattern="runwasi-shims-@v-%a.raw"),
    _name("chrony-4.8-x86-64.raw", "chrony", "4.8", pattern="chrony-@v-%a.raw"),
    _name("opkssh-v0.5.1-arm64.raw", "opkssh", "v0.5.1", "arm64"),
    # fedora-sysexts
    _name("vim-9.1.825-1.fc42-42-x86-64.raw", "vim", "9.1.825-1.fc42", version_id="42", pattern="vim-@v-%w-%a.raw"),
    _name("firefox-140.0-1.fc42-42-x86-64.raw", "firefox", "140.0-1.fc42", version_id="42",
          pattern="firefox-@v-%w-%a.raw"),
    _name("firefox-139.0-1.fc41-41-x86-64.raw", "firefox", "139.0-1.fc41", version_id="41",
          pattern="firefox-@v-%w-%a.raw", seen=""),
    _name("1password-8.10.60-42-x86-64.raw", "1password", "8.10.60", version_id="42", pattern="1password-@v-%w-%a.raw"),
    _name("kubernetes-1.35-1.35.0-1.fc42-42-x86-64.raw", "kubernetes-1.35", "1.35.0-1.fc42", version_id="42",
          pattern="kubernetes-1.35-@v-%w-%a.raw"),
    _name("kubernetes-cri-o-1.34-1.34.2-1.fc42-42-x86-64.raw", "kubernetes-cri-o-1.34", "1.34.2-1.fc42",
          version_id="42", pattern="kubernetes-cri-o-1.34-@v-%w-%a.raw"),
    _name("python3-3.13.1-2.fc42-42-arm64.raw", "python3", "3.13.1-2.fc42", "arm64", version_id="42"),
    _name("arm-image-installer-4.2-1.fc42-42-x86-64.raw", "arm-image-installer", "4.2-1.fc42", version_id="42",
          pattern="arm-image-installer-@v-%w-%a.raw"),
    _name("igt-gpu-tools-1.28-3.20240101git1234567.fc42-42-x86-64.raw", "igt-gpu-tools",
          "1.28-3.20240101git1234567.fc42", version_id="42", pattern="igt-gpu-tools-@v-%w-%a.raw"),
    _name("docker-ce-3_29.1.2-1.fc42-42-x86-64.raw", "docker-ce", "3_29.1.2-1.fc42", version_id="42",
          pattern="docker-ce-@v-%w-%a.raw"),
    _name("htop-3.3.0-4.fc41.x86_64.raw", "htop", "3.3.0-4.fc41", pattern="htop-@v.x86_64.raw"),
    # Kairos
    _name("sbctl-0.14.sysext.raw", "sbctl", "0.14", None, pattern="sbctl-@v.sysext.raw"),
    _name("k3s-v1.29.2+k3s1.sysext.raw", "k3s", "v1.29.2+k3s1", None, pattern="k3s-@v.sysext.raw"),
    _name("fwupd-1.9.raw", "fwupd", "1.9", None, pattern="fwupd-@v.raw"),
    # mkosi, ParticleOS, sysupdate.d(5)
    _name("image_0.1.raw", "image", "0.1", None, pattern="image_@v.raw"),
    _name("tools_1.2-3.raw", "tools", "1.2-3", None, pattern="tools_@v.raw"),
    _name("ParticleOS_20260101120000_x86-64.raw", "ParticleOS", "20260101120000", pattern="ParticleOS_@v_%a.raw"),
    _name("foobarOS_2_x86-64.raw", "foobarOS", "2", pattern="foobarOS_@v_%a.raw"),
    _name("node_exporter_1.8.0_arm64.raw", "node_exporter", "1.8.0", "arm64"),
    # others
    _name("docker-ce-5+29.1.2_13.x86-64.raw", "docker-ce", "5+29.1.2_13", pattern="docker-ce-@v.%a.raw"),
    _name("foo-2fa-1.0-x86-64.raw", "foo-2fa", "1.0", pattern="foo-2fa-@v-%a.raw"),
    _name("tool-latest-x86-64.raw", "tool", "latest", pattern="tool-@v-%a.raw"),
    _name("gdb-6.1~rc2.ppc64-le.raw", "gdb", "6.1~rc2", "ppc64-le"),
    _name("gdb-6.1^git1.ppc64el.raw", "gdb", "6.1^git1", "ppc64-le"),
    _name("x-1.arm64-be.raw", "x", "1", "arm64-be"),
    _name("k8s-2026-03-04-x86-64.raw", "k8s", "2026-03-04", pattern="k8s-@v-%a.raw"),
)  # fmt: skip

NO_IMAGES: tuple[str, ...] = (
    "k3sv1.32.1.k3s0.sysext.raw",  # Kairos: only MatchPattern=k3s@v.sysext.raw tells where its version begins
    "grype.sysext.raw",
    "debug-tools.x86-64.raw",
    "openSUSE-MicroOS.x86_64-RaspberryPi2.raw.xz",
    "openSUSE-Tumbleweed-Minimal-VM.x86_64-16.0.0-kvm-and-xen-Snapshot20260101.qcow2",
    "openSUSE-Tumbleweed-Minimal-VM.x86_64-16.0.0-kvm-and-xen-Snapshot20260101.raw.xz",
    "tool-1.0-x86-64-v3.raw",  # nobody knows whether the machine has that level
    "SHA256SUMS",
    "foo.raw",
    "foo-bar.raw",
    "foo-1.img",
    "-1.x86-64.raw",
    "foo-.x86-64.raw",
    "foo-1.x86-64.manifest.gz",
    ".raw",
    "",
)
"""Names of the same places of which nobody can tell the image and the version."""
