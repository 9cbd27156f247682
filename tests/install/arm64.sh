#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# arm64.sh [CTEST OPTION...]: cross-compiles the C core for arm64, with all warnings as errors, and runs its tests under
# emulation.
#
# mmdebstrap unpacks Debian 12's arm64 libraries into a folder, GCC's cross compiler links with them, and qemu-user runs
# the tests. Not part of ./dev test. Debian packages: mmdebstrap gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
# qemu-user-static cmake ninja-build pkg-config
#   ARM64_ROOT   folder of the libraries (default: a temporary one, removed at the end). A folder that exists is used
#                again.
#   ARM64_BUILD  build folder (default: a temporary one, removed at the end)
#   FRESH_MIRROR (default: http://deb.debian.org/debian)
set -euo pipefail

for tool in mmdebstrap aarch64-linux-gnu-g++ qemu-aarch64-static cmake ninja pkg-config; do
    command -v "$tool" >/dev/null || {
        echo "arm64.sh: no $tool: install the packages that this script's comment names" >&2
        exit 1
    }
done
source=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT
root=${ARM64_ROOT:-$scratch/root}
build=${ARM64_BUILD:-$scratch/build}

if [ ! -d "$root/usr/include" ]; then
    mmdebstrap --arch=arm64 --variant=extract \
        --include=libc6-dev,libstdc++-12-dev,libvolk2-dev,libdnnl-dev,libsodium-dev,libfec-dev,libjansson-dev \
        --include=libfftw3-dev,libopenjp2-7-dev,libpng-dev,cpputest \
        bookworm "$root" "${FRESH_MIRROR:-http://deb.debian.org/debian}"
fi

cat >"$scratch/arm64.cmake" <<CMAKE
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_SYSROOT $root)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L $root)
CMAKE
export PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR=$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig:$root/usr/lib/pkgconfig
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$scratch/arm64.cmake" -DCMAKE_BUILD_TYPE=Release \
    -DSREC_GNURADIO=OFF -DSREC_WERROR=ON
cmake --build "$build"
ctest --test-dir "$build" --output-on-failure --label-regex core "$@"
