# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# What tests/run and tests/demo need on a fresh machine: the distribution's packages and a venv. To be sourced by sh
# after `top` was set to the project's folder; defines functions and does nothing by itself.
#
#     setup_environment       PATH and environment that do not depend on who called
#     setup_packages          the tools, from the distribution; on Debian what $setup_more names, too
#     setup_venv              $top/.venv with what tests/requirements.txt pins; sets $python
#     setup_quick_venv        $top/.venv-quick, for which nothing of the distribution is needed but Python; sets $python
#
# Each says in a line what it does, and nothing when there is nothing to do. They end the script when they fail.
# Tried on Debian 12. The package names for zypper and dnf were looked up, not tried.

# shellcheck disable=SC2154 # top comes from the script that sources this

setup_say() {
    printf '%s\n' "-- $*"
}

setup_fail() {
    printf '%s\n' "$0: $*" >&2
    exit 1
}

# The system's tools come first, also where root's PATH has no sbin or has another Python in front.
setup_environment() {
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
    LC_ALL=C.UTF-8
    export PATH LC_ALL
    unset PYTHONHOME PYTHONPATH PYTHONSTARTUP VIRTUAL_ENV CDPATH
    umask 022
}

# setup_quietly LOG COMMAND...: what the command prints is shown only when it fails.
setup_quietly() {
    setup_log=$1
    shift
    "$@" >"$setup_log" 2>&1 </dev/null
}

setup_packages() {
    [ "$(id -u)" = 0 ] || setup_fail "must be run as root (it mounts file systems and installs packages): sudo $0"
    if command -v apt-get >/dev/null; then
        setup_debian
    elif command -v zypper >/dev/null; then
        setup_suse
    elif command -v dnf >/dev/null; then
        setup_fedora
    else
        setup_fail "no apt-get, zypper or dnf here: install the tools named in $top/tests/setup.sh by hand"
    fi
    command -v debootstrap >/dev/null || setup_fail "debootstrap is missing: the test machine is made with it"
}

setup_debian() {
    # systemd-dissect is in systemd-container; rpmbuild is in rpm.
    setup_missing=
    # tinyproxy-bin is the program alone: the package tinyproxy would start a proxy of the machine's own.
    # devscripts has checkbashisms, which rpmlint runs. A page in Cockpit is tried with chromium.
    for setup_package in btrfs-progs ca-certificates casync chromium chromium-driver cpio curl dash debootstrap devscripts erofs-utils fdisk fish git gpg \
        gpg-agent gpgv groff-base mount openssl python3 python3-btrfsutil python3-numpy python3-pycurl python3-rpm python3-selenium python3-venv rpm \
        rsync selinux-policy-dev selinux-utils semodule-utils shellcheck squashfs-tools strace systemd \
        systemd-container tinyproxy-bin util-linux wget xz-utils zsh zstd ${setup_more-}; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$setup_package" 2>/dev/null) in
            installed) ;;
            *) setup_missing="$setup_missing $setup_package" ;;
        esac
    done
    [ -n "$setup_missing" ] || return 0
    setup_say "installing with apt-get:$setup_missing"
    setup_tmp=$(mktemp)
    # Package lists that are missing or outdated show in the first attempt.
    if ! setup_apt_install "$setup_tmp" "$setup_missing"; then
        setup_say "that failed; once more after apt-get update"
        setup_quietly "$setup_tmp" apt-get update ||
            { cat "$setup_tmp" >&2; setup_fail "apt-get update failed"; }
        setup_apt_install "$setup_tmp" "$setup_missing" ||
            { cat "$setup_tmp" >&2; setup_fail "apt-get could not install:$setup_missing"; }
    fi
    rm -f "$setup_tmp"
}

setup_apt_install() {
    # shellcheck disable=SC2086 # a list of package names
    setup_quietly "$1" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $2
}

setup_suse() {
    setup_with_rpm "zypper --non-interactive install --no-recommends" \
        btrfsprogs casync checkbashisms chromedriver chromium cpio curl dash debootstrap erofs-utils fish git gpg2 groff openssl python3 \
        python3-btrfsutil python3-numpy python3-pycurl python3-rpm python3-selenium rpm-build rsync ShellCheck squashfs strace systemd systemd-container tinyproxy util-linux wget xz zsh zstd
}

setup_fedora() {
    setup_with_rpm "dnf install -y --setopt=install_weak_deps=False" \
        btrfs-progs casync chromedriver chromium cpio curl dash debootstrap devscripts-checkbashisms erofs-utils fish git gnupg2 groff-base openssl \
        python3 python3-btrfsutil python3-numpy python3-pycurl python3-rpm python3-selenium rpm-build rsync ShellCheck squashfs-tools strace systemd systemd-container systemd-udev \
        tinyproxy util-linux wget xz zsh zstd
}

# setup_with_rpm INSTALLER PACKAGE...
setup_with_rpm() {
    setup_installer=$1
    shift
    setup_missing=
    for setup_package; do
        rpm -q --whatprovides "$setup_package" >/dev/null 2>&1 || setup_missing="$setup_missing $setup_package"
    done
    [ -n "$setup_missing" ] || return 0
    setup_say "installing with ${setup_installer%% *}:$setup_missing"
    # shellcheck disable=SC2086 # a command and a list of package names
    $setup_installer $setup_missing </dev/null || setup_fail "could not install:$setup_missing"
}

# setup_find_python IMPORT NAME...: the first of these commands that is Python 3.11 or later and can do the import.
setup_find_python() {
    setup_import=$1
    shift
    for setup_python; do
        setup_python=$(command -v "$setup_python") || continue
        if "$setup_python" -Ic "import sys, $setup_import; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

# setup_make_venv FOLDER REQUIREMENTS [OPTION-OF-VENV...]: a venv of $setup_python; sets $python.
# Made anew when the pins or the Python changed, when it was moved, and when a run was stopped while making it.
# What else is in the folder, as the tools' caches, stays.
setup_make_venv() {
    setup_folder=$1
    setup_pins=$2
    shift 2
    python=$setup_folder/bin/python
    setup_key=$({
        cat "$setup_pins" "$top/tests/requirements.txt"
        "$setup_python" -VV
        printf '%s\n' "$setup_python" "$setup_folder"
    } | sha256sum | cut -d ' ' -f 1)
    if [ "$(cat "$setup_folder/made-from" 2>/dev/null)" = "$setup_key" ] &&
        "$python" -Ic "import $setup_import" 2>/dev/null; then
        return 0
    fi
    setup_say "making ${setup_folder##*/} with $setup_python and ${setup_pins#"$top/"}"
    setup_tmp=$(mktemp)
    for setup_part in made-from pyvenv.cfg bin include lib lib64 share; do
        rm -rf "${setup_folder:?}/$setup_part" || setup_fail "$setup_folder belongs to another user: remove it"
    done
    { setup_quietly "$setup_tmp" "$setup_python" -m venv "$@" "$setup_folder" &&
        setup_quietly "$setup_tmp" "$python" -m pip --disable-pip-version-check --no-input install \
            -r "$setup_pins"; } ||
        { cat "$setup_tmp" >&2; setup_fail "could not make $setup_folder"; }
    rm -f "$setup_tmp"
    printf '%s\n' "$setup_key" >"$setup_folder/made-from"
}

# The distribution's Python, because only that one sees the distribution's btrfsutil.
setup_venv() {
    setup_find_python "btrfsutil, pycurl" /usr/bin/python3 /usr/bin/python3.14 /usr/bin/python3.13 \
        /usr/bin/python3.12 /usr/bin/python3.11 ||
        setup_fail "no Python >= 3.11 with btrfsutil and pycurl in /usr/bin (Debian: python3-btrfsutil, python3-pycurl)"
    setup_make_venv "$top/.venv" "$top/tests/requirements.txt" --system-site-packages
}

# Any Python, and all that the tests import from PyPI. A folder of its own: the other one may be root's.
setup_quick_venv() {
    setup_find_python venv python3 python3.14 python3.13 python3.12 python3.11 ||
        setup_fail "no Python >= 3.11 with venv on the PATH (Debian: python3-venv)"
    setup_make_venv "$top/.venv-quick" "$top/tests/requirements-quick.txt"
}
