#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check_python.sh SOURCE_FOLDER PYTHON CACHE_FOLDER: flake8 with .flake8, mypy with mypy.ini; exit code 77, skipped,
# where one of them is not installed.
set -euo pipefail
cd "$1"
for tool in flake8 mypy; do
    if ! "$2" -c "import $tool" 2>/dev/null; then
        echo "skipped: no $tool (apt install python3-$tool)"
        exit 77
    fi
done
"$2" -m flake8 apps/srec.in apps/srec-train.in python tests docs examples
"$2" -m mypy --cache-dir "$3" python/srec
echo "no faults"
