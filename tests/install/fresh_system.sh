#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fresh_system.sh bookworm|trixie [COMMAND...]: runs COMMAND (default: ./dev test, then ./dev demo) in a new, minimal
# Debian system.
#
# debootstrap creates the system in a folder; the script copies the committed files of this checkout into it and
# changes its root there. Needs root, debootstrap and a Debian mirror. It is not part of ./dev test.
#   FRESH_ROOT    folder of the system (default: a temporary one, removed at the end). A folder that exists is used
#                 again.
#   FRESH_ARCH    Debian architecture (default: this machine's). A foreign one needs qemu-user-static and its binfmt
#                 entry.
#   FRESH_MIRROR  (default: http://deb.debian.org/debian)
set -euo pipefail

suite=${1:-}
case $suite in
bookworm | trixie) shift ;;
*)
    echo "usage: fresh_system.sh bookworm|trixie [COMMAND...]" >&2
    exit 2
    ;;
esac
if [ "$(id -u)" != 0 ]; then
    echo "fresh_system.sh: run as root: debootstrap and chroot need it" >&2
    exit 1
fi
if ! command -v debootstrap >/dev/null; then
    echo "fresh_system.sh: no debootstrap: apt install debootstrap" >&2
    exit 1
fi

source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
root=${FRESH_ROOT:-$(mktemp -d)}
mounted=()

clean() {
    local folder
    for folder in "${mounted[@]}"; do umount "$folder"; done
    [ -n "${FRESH_ROOT:-}" ] || rm -rf --one-file-system "$root"
}
trap clean EXIT

say() { printf '\n== %s: %s\n' "$suite" "$*"; }

if [ ! -x "$root/usr/bin/apt-get" ]; then
    say "debootstrap into $root"
    debootstrap --variant=minbase ${FRESH_ARCH:+--arch="$FRESH_ARCH"} "$suite" "$root" \
        "${FRESH_MIRROR:-http://deb.debian.org/debian}" \
        >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
fi
mount -t proc proc "$root/proc"
mounted+=("$root/proc")
mount -t devpts devpts "$root/dev/pts"
mounted+=("$root/dev/pts")
mkdir -p "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"
mounted+=("$root/dev/shm")
cp /etc/resolv.conf "$root/etc/resolv.conf"

say "copying $(git -C "$source" rev-parse --short HEAD)"
rm -rf "$root/gr-srec"
mkdir "$root/gr-srec"
git -C "$source" archive HEAD | tar -x -C "$root/gr-srec"

run() {
    say "$*"
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -c 'cd /gr-srec && "$@"' sh "$@"
}
if [ $# -gt 0 ]; then
    run "$@"
else
    run ./dev test
    run ./dev demo
fi
say "$(. "$root/etc/os-release" && echo "$PRETTY_NAME"), $(uname -m): passed"
