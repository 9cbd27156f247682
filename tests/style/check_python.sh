#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check_python.sh SOURCE_FOLDER PYTHON: flake8 with .flake8; exit code 77, skipped, where it is not installed.
set -euo pipefail
cd "$1"
if ! "$2" -c "import flake8" 2>/dev/null; then
    echo "skipped: no flake8 (apt install python3-flake8)"
    exit 77
fi
"$2" -m flake8 apps/srec.in apps/srec-train.in python tests docs examples
echo "no faults"
