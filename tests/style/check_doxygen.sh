#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check_doxygen.sh SOURCE_FOLDER: Doxygen reads the headers of the core without a warning, so every name has its
# documentation. Exit code 77, skipped, if Doxygen is not installed.
set -euo pipefail
source=$1
if ! command -v doxygen >/dev/null; then
    echo "skipped: no doxygen (apt install doxygen)"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed -e "s|@PROJECT_SOURCE_DIR@|$source|; s|@PROJECT_BINARY_DIR@|$folder|; s|@PROJECT_VERSION@|0|" \
    "$source/docs/Doxyfile.in" >"$folder/Doxyfile"
mkdir "$folder/docs"
doxygen "$folder/Doxyfile" 2>"$folder/warnings"
cat "$folder/warnings"
echo "$(wc -l <"$folder/warnings") warnings"
[ ! -s "$folder/warnings" ]
