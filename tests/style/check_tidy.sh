#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check_tidy.sh SOURCE_FOLDER BUILD_FOLDER: clang-tidy 14 finds nothing in lib/core with .clang-tidy. Other versions
# have other checks: exit code 77, skipped.
set -euo pipefail
source=$(realpath "$1") build=$(realpath "$2")
if ! command -v clang-tidy >/dev/null || ! clang-tidy --version | grep -q "version 14\."; then
    echo "skipped: no clang-tidy 14 (apt install clang-tidy on Debian 12)"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$source"
files=$(find lib/core -name '*.c' | sort)
# Each file's findings go to a file of their own: parallel runs do not mix their lines. -UNDEBUG: assert() states
# what holds. status.c defines srec_fail(), so it needs no model of it.
check() {
    local model=(--extra-arg=-include --extra-arg="$source/tests/style/tidy_model.h")
    [ "$1" != lib/core/status.c ] || model=()
    clang-tidy -p "$build" --quiet --extra-arg=-UNDEBUG "${model[@]}" "$1" >"$folder/${1//\//_}" 2>/dev/null ||
        touch "$folder/failed"
}
export -f check
export source build folder
echo "$files" | xargs -P "$(nproc)" -I {} bash -c 'check {}'
findings=$(cat "$folder"/lib_* | grep -E "(warning|error):" | sort -u || true)
[ -z "$findings" ] || echo "$findings"
echo "$(echo "$files" | wc -l) files, $(echo -n "$findings" | grep -c '^' || true) findings"
[ -z "$findings" ] && [ ! -e "$folder/failed" ]
