#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# conda-build runs this in a copy of the checkout and sets PREFIX, PYTHON, CMAKE_ARGS and CPU_COUNT.
set -euxo pipefail

# shellcheck disable=SC2086 # CMAKE_ARGS are several words
cmake ${CMAKE_ARGS} -S . -B conda-build -G Ninja \
    -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX="$PREFIX" \
    -DPython3_EXECUTABLE="$PYTHON" \
    -DSREC_TESTS=OFF
cmake --build conda-build --parallel "$CPU_COUNT"
cmake --install conda-build
