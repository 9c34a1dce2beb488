# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways to reach an image of the store: what systemd-sysext merges, and what else needs it (threat C15).

Each way is a script for the shell of a lab, see PRELUDE. All of them are laid out beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass

PRELUDE = """\
S=/var/lib/sysext-store X=/etc/extensions
to() { ln -s $S/$I "$1"; }                           # a link to the image
over() { to "$1"; ln -s "$1" $X/$W.raw; }            # a link over another one
versions() { mkdir -p "$1"; to "$1/${W}_1.raw"; }    # a folder of versions
unit() { mkdir -p ${1%/*}; cat > $1; }               # a file of a unit, from standard input
"""
"""``$W`` is the name of the way, ``$I`` the name of its image in the store, ``$W_1.raw``; ``$T`` is the tree of another
snapshot, ``$E`` its /etc, ``$N`` and ``$M`` are snapshots without a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way. ``merged``: whether systemd-sysext 257 merges it. ``kept``: whether the collection keeps the image."""

    what: str
    script: str
    merged: bool = True
    kept: bool = True

    @property
    def name(self) -> str:
        """The name of its image: its words, with hyphens."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.what)

    def __str__(self) -> str:
        return self.name


def _merged(what: str, script: str, *, kept: bool = True) -> Way:
    return Way(what=what, script=script, kept=kept)


def _kept(what: str, script: str) -> Way:
    return Way(what=what, script=script, merged=False)


def _gone(what: str, script: str) -> Way:
    return Way(what=what, script=script, merged=False, kept=False)


_FOLDERS = ("/opt", "/home", "/root", "/tmp", "/var/tmp", "/srv", "/usr/local/lib", "/run", "/mnt", "/dev/shm")

LINKS = (
    _merged("absolute link", "to $X/$W.raw"),
    _merged("relative link", "ln -s ../..$S/$I $X/$W.raw"),
    _merged("more dots than folders", "ln -s ../../../../../..$S/$I $X/$W.raw"),
    _merged("a path that is not plain", "ln -s //var/./lib//sysext-store/../sysext-store/$I $X/$W.raw"),
    _merged("the suffix of its class", "to $X/$W.sysext.raw"),
    _merged("a hidden link", "to $X/.$W.raw"),
    *(_merged(f"chain over {folder}", f"mkdir -p {folder}/chain; over {folder}/chain/$W") for folder in _FOLDERS),
    _merged("chain over alternatives", "to /etc/alternatives/$W; ln -s ../alternatives/$W $X/$W.raw"),
    _merged(
        "a long chain",
        "p=$S/$I; for n in $(seq 30); do ln -s $p /opt/$W.$n; p=/opt/$W.$n; done; ln -s $p $X/$W.raw",
    ),
    _merged(
        "dots after a link of a folder",
        "mkdir -p /home/deep/dir; ln -s /home/deep/dir /opt/$W; to /home/deep/$W; ln -s /opt/$W/../$W $X/$W.raw",
    ),
    _merged(
        "dots that only seem to lead to the store",
        "mkdir -p /home/x/$W /home/x$S; ln -s /home/x/$W /$W; to /home/x$S/other.raw; "
        "ln -s ../../$W/..$S/other.raw $X/$W.raw",
    ),
    _merged("a link to the folder of the store", "ln -s $S /opt/$W; ln -s /opt/$W/$I $X/$W.raw"),
    _merged("the root of the process", "ln -s /proc/self/root$S/$I $X/$W.raw"),
    _merged("the root of the first process", "ln -s /proc/1/root$S/$I $X/$W.raw"),
    _merged("a link in the store", "ln -s $I $S/latest-$W.raw; ln -s $S/latest-$W.raw $X/$W.raw"),
    _merged(
        "two links in the store",
        "ln -s $I $S/b-$W.raw; ln -s $S/b-$W.raw $S/a-$W.raw; ln -s $S/a-$W.raw $X/$W.raw",
    ),
    _merged("a folder of /run that is a link", "mkdir /opt/r; ln -s /opt/r /run/extensions; to /opt/r/$W.raw"),
    _merged(
        "a folder of /var that is a link",
        "mkdir /home/v; ln -s ../../home/v /var/lib/extensions; ln -s ../..$S/../sysext-store/$I /home/v/$W.raw",
    ),
    _merged("spaces in the name of the link", 'to "$X/$W .raw"'),
    _merged("spaces on the way", 'over "/opt/a b"'),
    _merged("a line break on the way", 'over "/opt/$(printf "a\\nb")"'),
    _merged("bytes that are no text on the way", 'over "/opt/$(printf "a\\377b")"'),
    _merged("another name in the store", 'mv $S/$I "$S/a b $W.raw"; ln -s "$S/a b $W.raw" $X/$W.raw', kept=False),
    _merged(
        "bytes that are no text in the store",
        'n="$S/$(printf "c\\377d").raw"; mv $S/$I "$n"; ln -s "$n" $X/$W.raw',
        kept=False,
    ),
)
"""Links in /etc/extensions."""

VERSIONS = (
    _merged("a folder of versions", "versions $X/$W.raw.v"),
    _merged("versions with tries", "mkdir $X/$W.raw.v; to $X/$W.raw.v/${W}_1+3.raw"),
    _merged("versions of a class", "mkdir $X/$W.sysext.raw.v; to $X/$W.sysext.raw.v/${W}_1.sysext.raw"),
    _merged("versions elsewhere", "versions /opt/$W.raw.v; ln -s /opt/$W.raw.v $X"),
    _merged("versions by any name", 'versions "/opt/v $W"; ln -s "/opt/v $W" $X/$W.raw.v'),
    _merged("versions with a slash", "versions /opt/w$W; ln -s /opt/w$W/ $X/$W.raw.v"),
    _merged("versions with slashes and their ending", "versions /opt/w$W.v; ln -s /opt/w$W.v/// $X/$W.raw.v"),
    _merged("versions with a dot at the end", "versions /opt/w$W; ln -s /opt/w$W/. $X/$W.raw.v"),
    _merged("versions with dots at the end", "versions /opt/$W/a; ln -s /opt/$W/a /$W; ln -s /$W/../a $X/$W.raw.v"),
    _merged(
        "versions over a chain",
        "versions /root/$W; ln -s /root/$W /home/$W; ln -s /home/$W/ /tmp/$W; ln -s /tmp/$W $X/$W.raw.v",
    ),
    _merged("versions that are links of links", "mkdir $X/$W.raw.v; to /tmp/$W; ln -s /tmp/$W $X/$W.raw.v/${W}_1.raw"),
    _merged(
        "versions by any name that are links of links",
        "mkdir /opt/$W; to /srv/$W; ln -s /srv/$W /opt/$W/${W}_1.raw; ln -s /opt/$W $X/$W.raw.v",
    ),
    _merged("the store as versions", "ln -s $S $X/$W.raw.v"),
    _merged("the store as versions with a slash", "ln -s $S/ $X/$W.raw.v"),
    _merged("the store as versions over a chain", "ln -s $S /opt/$W; ln -s ../../opt/$W/ $X/$W.raw.v"),
    _merged("versions in the store", "mkdir $S/$W; ln -s ../$I $S/$W/${W}_1.raw; ln -s $S/$W $X/$W.raw.v"),
    _merged("the newest of two versions", "versions /opt/$W; ln -s x /opt/$W/${W}_0.raw; ln -s /opt/$W $X/$W.raw.v"),
    _kept("a newer version that is not there", "versions $X/$W.raw.v; ln -s /nowhere $X/$W.raw.v/${W}_2.raw"),
    _kept("versions in versions", "versions $X/$W.raw.v/$W.raw.v"),
    _merged("versions of /var", "versions /var/lib/extensions/$W.raw.v"),
    _merged("versions of /run", "mkdir -p /run/extensions; versions /opt/$W; ln -s /opt/$W/ /run/extensions/$W.raw.v"),
)
"""Folders of versions (systemd.v(7)), in /etc/extensions but for the last ones."""

PLACES = (
    _merged("a link of /run", "mkdir -p /run/extensions; to /run/extensions/$W.raw"),
    _merged("a link of /var", "mkdir -p /var/lib/extensions; to /var/lib/extensions/$W.raw"),
    _merged(
        "a relative link that means the store in /etc alone",
        "mkdir -p /var/lib/extensions /var$S; to /var$S/x.raw; ln -s ../..$S/x.raw /var/lib/extensions/$W.raw",
    ),
    _merged("a hard link", "mkdir -p /var/lib/extensions; ln $S/$I /var/lib/extensions/$W.raw"),
    _merged(
        "a bind mount",
        "mkdir -p /run/extensions; touch /run/extensions/$W.raw; mount --bind $S/$I /run/extensions/$W.raw",
    ),
    _merged("a bind mount over a chain", "touch /run/$W; mount --bind $S/$I /run/$W; ln -s /run/$W $X/$W.raw"),
    _merged("the store bound elsewhere", "mkdir -p /run/$W; mount --bind $S /run/$W; ln -s /run/$W/$I $X/$W.raw"),
    _merged("the store bound as versions", "d=/run/extensions/$W.raw.v; mkdir -p $d; mount --bind $S $d"),
    _merged("a loop device", "ln -s $(losetup --find --show --read-only $S/$I | tee -a /run/loops) $X/$W"),
    _merged(
        "a directory",
        "d=$(mktemp -d); mount $S/$I $d; cp -a $d /opt/$W; umount $d; ln -s /opt/$W $X/$W; to /opt/$W/usr/share/x.raw",
        kept=False,
    ),
    _kept("a mounted image", "mkdir -p /mnt/$W; mount $S/$I /mnt/$W"),
    _kept("quarantine", "mkdir -p /etc/tukit-sysext/quarantine; to /etc/tukit-sysext/quarantine/$W.raw"),
    _kept("extensions of /usr", "mkdir -p /usr/lib/extensions; to /usr/lib/extensions/$W.raw"),
    _kept("extensions of /usr/local", "mkdir -p /usr/local/lib/extensions; to /usr/local/lib/extensions/$W.raw"),
    _kept("confexts", "mkdir -p /etc/confexts; to /etc/confexts/$W.raw"),
    _kept("overlay", "mkdir -p /var/lib/overlay/7/etc/extensions; to /var/lib/overlay/7/etc/extensions/$W.raw"),
    _kept(
        "overlay with versions by any name",
        "mkdir -p /var/lib/overlay/8/etc/extensions; versions /opt/$W; "
        "ln -s /opt/$W /var/lib/overlay/8/etc/extensions/$W.raw.v",
    ),
    _kept("portables of /etc", "mkdir -p /etc/portables; to /etc/portables/$W.raw"),
    _kept("portables of /var", "mkdir -p /var/lib/portables; to /var/lib/portables/$W.raw"),
    _kept("portables of /run", "mkdir -p /run/portables; to /run/portables/$W.raw"),
    _kept("machines", "mkdir -p /var/lib/machines; to /var/lib/machines/$W.raw"),
    _kept("machines with versions", "mkdir -p /etc/machines; versions /opt/$W; ln -s /opt/$W /etc/machines/$W.raw.v"),
    _kept("a unit", 'echo "ExtensionImages=-$S/$I:relaxed" | unit /etc/systemd/system/$W.service'),
    _kept("a unit with two", "echo ExtensionImages=/x.raw '\\\n' \"'$S/$I'\" | unit /etc/systemd/system/$W.service"),
    _kept("a unit with a chain", 'to /opt/$W; echo "RootImage = /opt/$W" | unit /etc/systemd/system/$W.service'),
    _kept(
        "a unit with versions",
        "versions /opt/$W.raw.v; echo ExtensionImages=/opt/$W.raw.v/ | unit /etc/systemd/system/$W.service",
    ),
    _kept("a drop-in", "echo ExtensionImages=$S/$I | unit /etc/systemd/system.attached/$W.service.d/20-portable.conf"),
    _kept("a drop-in of /run", "echo MountImages=$S/$I:/mnt | unit /run/systemd/system.attached/$W.service.d/x.conf"),
    _kept("a mount unit", "echo What=$S/$I | unit /etc/systemd/system/mnt-x.mount"),
    _kept("fstab", "echo $S/$I /mnt/y squashfs loop,noauto 0 0 >> /etc/fstab"),
    _kept("a snapshot", "to $E/extensions/$W.raw"),
    _kept("a snapshot with versions", "versions /opt/$W; ln -s /opt/$W $E/extensions/$W.raw.v"),
    _kept("a snapshot with versions of its own", "versions $T/usr/$W; ln -s ../../usr/$W/ $E/extensions/$W.raw.v"),
    _kept("a snapshot with the store as versions", "ln -s $S/ $E/extensions/$W.raw.v"),
    _kept("a snapshot with a chain over /home", "to /home/$W; ln -s /home/$W $E/extensions/$W.raw"),
    _kept("a portable of a snapshot", "mkdir -p $E/portables; to $E/portables/$W.raw"),
    _kept("a unit of a snapshot", "echo ExtensionImages=$S/$I | unit $E/systemd/system/$W.service"),
    _kept("a snapshot with a name", "to $N/etc/extensions/$W.raw"),
    _kept("a snapshot with a name in a folder", 'to "$M/etc/extensions/$W.raw"'),
    _gone("nothing", ":"),
    _gone("a link in no place", "to /opt/$W.raw"),
    _gone("a link to another file", "ln -s $S/$I.other $X/$W.raw"),
    _gone("another one with the store as versions", "ln -s $S $X/other.raw.v"),
    _gone("versions of another", "mkdir /opt/$W; to /opt/$W/x_1.raw; ln -s /opt/$W $X/$W.raw.v"),
    _gone("a loop device that was detached", "losetup --detach $(losetup --find --show $S/$I)"),
    _gone("a loop device of a namesake", "d=/opt/$W; mkdir $d; cp $S/$I $d; losetup --find --show $d/$I >>/run/loops"),
    _gone("a mounted namesake", "mkdir /opt/$W /mnt/$W; cp $S/$I /opt/$W/; mount /opt/$W/$I /mnt/$W"),
    _gone("a comment of a unit", "echo '#ExtensionImages='$S/$I | unit /etc/systemd/system/$W.service"),
    _gone("a unit that is masked", "ln -s /dev/null /etc/systemd/system/$W.service"),
)  # fmt: skip
"""Other places than /etc/extensions, other means than links, and what reaches nothing."""
