#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test_install.sh core|gnuradio|documented: installs the build folder into a folder of its own and uses it as a
# stranger
# would: pkg-config, find_package, Python, GRC, the command, the documented experiments and trainings.
# CMake passes BUILD SOURCE PREFIX LIBDIR DATADIR DOCDIR PYTHON_DIR PYTHON VERSION MODEL CC.
set -euo pipefail
root=$(mktemp -d)
manifest=$BUILD/install_manifest.txt # of a real installation, perhaps root's: kept for its uninstall
if [ -e "$manifest" ]; then mv -f "$manifest" "$manifest.kept"; fi
clean()
{
    rm -rf "$root" "$manifest"
    if [ -e "$manifest.kept" ]; then mv -f "$manifest.kept" "$manifest"; fi
}
trap clean EXIT
export DESTDIR=$root/installed HOME=$root/home
mkdir "$HOME"
cmake --install "$BUILD" >/dev/null
at=$DESTDIR$PREFIX
model=$at/$DATADIR/srec/models/$MODEL
unset LD_LIBRARY_PATH PYTHONPATH GRC_BLOCKS_PATH SREC_MODEL
if [ "$PREFIX" = /usr ]; then # no run path: the system's folder needs none
    export LD_LIBRARY_PATH=$at/$LIBDIR
fi

claim() { echo "-- $*"; }

# consumer SOURCE BUILD: built against the installed package only
consumer() {
    cmake -S "$SOURCE/$1" -B "$root/$2" -DCMAKE_PREFIX_PATH="$at" -DCMAKE_BUILD_TYPE=Release >"$root/log" 2>&1 &&
        cmake --build "$root/$2" >>"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
}

case $1 in
core)
    claim "a C program builds with pkg-config"
    export PKG_CONFIG_PATH=$at/$LIBDIR/pkgconfig
    [ "$(pkg-config --modversion srec)" = "$VERSION" ]
    # shellcheck disable=SC2046
    $CC -std=c11 -Wall -Werror "$SOURCE/tests/install/core/link.c" $(pkg-config --cflags --libs srec) \
        -Wl,-rpath,"$at/$LIBDIR" -o "$root/link"
    "$root/link" "$VERSION" "$model"
    claim "a C program builds with find_package(srec)"
    consumer tests/install/core core
    "$root/core/link" "$VERSION" "$model"
    claim "the C examples send and receive an image"
    consumer examples/c c
    image=$SOURCE/docs/images/image_view.png
    "$root/c/loopback" "$model" "$image" 10 "$root/looped.png" | tee "$root/log"
    awk '/PSNR/ { exit !($2 > 22) }' "$root/log"
    "$root/c/sender" "$model" seed:1 "$image" "$root/samples"
    "$root/c/receiver" "$model" seed:1 "$root/samples" "$root/received.png" | tail -n 1
    [ -s "$root/received.png" ]
    if "$root/c/receiver" "$model" seed:2 "$root/samples" "$root/none.png" >"$root/log" 2>&1; then exit 1; fi
    grep -q "is it the right key?" "$root/log"
    claim "the C examples send and receive coded layers, without a model"
    "$root/c/loopback" layers "$image" 10 "$root/looped.png" | tee "$root/log"
    awk '/PSNR/ { exit !($2 > 24) }' "$root/log"
    "$root/c/sender" layers seed:1 "$image" "$root/samples"
    "$root/c/receiver" layers seed:1 "$root/samples" "$root/received.png" | tail -n 1 | tee "$root/log"
    grep -q " 0 missing" "$root/log"
    if "$root/c/receiver" layers seed:2 "$root/samples" "$root/none.png" >"$root/log" 2>&1; then exit 1; fi
    grep -q "is it the right key?" "$root/log"
    claim "the library exports srec_ names only"
    nm -D --defined-only "$at/$LIBDIR/libsrec.so" |
        awk '$3 !~ /^srec_/ { print "exported:", $3; bad = 1 } END { exit bad }'
    ;;
gnuradio)
    claim "a C++ program builds with find_package(gnuradio-srec) and makes blocks"
    consumer tests/install/gnuradio gnuradio
    "$root/gnuradio/link"
    claim "Python imports gnuradio.srec from the installed tree, before any ldconfig"
    export PYTHONPATH=$at/$PYTHON_DIR PYTHONDONTWRITEBYTECODE=1
    "$PYTHON" - "$at" <<'PYTHON'
import sys
import srec_core
from gnuradio import srec
assert srec_core.__file__.startswith(sys.argv[1]), srec_core.__file__
assert srec.__file__.startswith(sys.argv[1]), srec.__file__
print(srec.__file__, srec.transmitter.__name__)
assert srec.example_picture().startswith(sys.argv[1]), srec.example_picture()
PYTHON
    claim "the command runs"
    "$at/bin/srec" info "$model" >"$root/log"
    grep "million parameters" "$root/log"
    claim "the command ends quietly when its reader does"
    (set +o pipefail; "$at/bin/srec" info "$model" 2>"$root/log" | true)
    [ ! -s "$root/log" ] || { cat "$root/log"; exit 1; }
    claim "GRC finds the blocks and compiles the installed examples"
    export GRC_BLOCKS_PATH=$at/share/gnuradio/grc/blocks
    for example in "$at/$DATADIR"/gnuradio/examples/srec/*nogui*.grc; do
        "$PYTHON" "$(command -v grcc)" -o "$root" "$example" >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
    done
    ls "$root"/*.py
    ;;
documented)
    docs=$at/$DOCDIR/docs
    claim "the models that the experiments name are installed"
    for name in $(sed -n 's/.*"\(.*\.safetensors\)".*/\1/p' "$docs"/experiments/*.toml); do
        [ -s "$at/$DATADIR/srec/models/$name" ] || { echo "missing: $name"; exit 1; }
    done
    claim "the documented experiments and trainings run"
    export PYTHONPATH=$at/$PYTHON_DIR:$SOURCE/tests/helpers PYTHONDONTWRITEBYTECODE=1 SREC_MODEL=$model SREC_DOCS=$docs
    SREC_COMMAND=$at/bin/srec SREC_TRAIN=$at/bin/srec-train "$PYTHON" -B "$SOURCE/tests/e2e/test_documented.py" -v
    ;;
esac

claim "uninstall leaves nothing behind"
(cd "$BUILD" && cmake -P "$SOURCE/cmake/uninstall.cmake")
left=$(find "$DESTDIR" ! -type d -o -path '*srec*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
