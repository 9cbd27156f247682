#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check_format.sh SOURCE_FOLDER: every C and C++ file is as clang-format 14 leaves it. Other versions format
# differently: exit code 77, skipped.
set -euo pipefail
cd "$1"
if ! command -v clang-format >/dev/null || ! clang-format --version | grep -q "version 14\."; then
    echo "skipped: no clang-format 14 (apt install clang-format on Debian 12)"
    exit 77
fi
files=$(find lib include python tests examples -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp')
echo "$files" | xargs clang-format --dry-run -Werror
echo "$(echo "$files" | wc -l) files"
