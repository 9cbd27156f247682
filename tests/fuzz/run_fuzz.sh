#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run_fuzz.sh build | TOPIC: builds the fuzzers with clang in $BUILD/fuzz, or runs one for $SECONDS_EACH seconds.
# Exit code 77: no libFuzzer.
set -euo pipefail
if ! command -v clang >/dev/null; then
    echo "skipped: clang is not installed (./dev test --slow installs it)"
    exit 77
fi
mkdir -p "$BUILD/fuzz"
probe='int LLVMFuzzerTestOneInput(const char *d, unsigned long n); /* declared first: no warning */
int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }'
if ! echo "$probe" |
    clang -x c -fsanitize=fuzzer,address,undefined - -o "$BUILD/fuzz/probe.$1" 2>/dev/null; then
    echo "skipped: this clang links no libFuzzer (Debian: libclang-rt-dev)"
    exit 77
fi
case $1 in
build)
    cmake -S "$SOURCE" -B "$BUILD/fuzz" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSREC_FUZZ=ON -DSREC_GNURADIO=OFF
    cmake --build "$BUILD/fuzz" --target fuzzers --parallel 2
    ;;
*)
    cd "$BUILD/fuzz/tests/fuzz"
    mkdir -p "corpus/$1"
    options=(-max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=1024 -error_exitcode=1
        -print_final_stats=1 -artifact_prefix="$PWD/$1-")
    if [ "$1" = packet ] || [ "$1" = sync ] || [ "$1" = layers ]; then
        options+=(-max_len=2048)
    else
        options+=(-max_len=8192 -dict="$SOURCE/tests/fuzz/json.dict")
    fi
    ./"fuzz_$1" "${options[@]}" "corpus/$1" "seeds/$1" "$SOURCE/tests/fuzz/regressions/$1" 2>&1 | tail -n 40
    ;;
esac
