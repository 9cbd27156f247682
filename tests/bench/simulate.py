# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of the command `srec simulate` for an image in layers, from start to end. The machine should have nothing else
to do.

    python3 tests/bench/simulate.py PICTURE [--runs 21] [--plain] [OPTION OF SIMULATE ...]   prints one JSON object:
    seconds, cpu_s     medians
    least_s, most_s

With --plain each run alternates with one in which the variables that `srec` sets have their defaults:
    plain              seconds, cpu_s, least_s, most_s of the latter
    ratio              seconds / seconds of plain

The first run is not counted.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time

LINK = ("--coding", "layers", "--modulation", "qpsk", "--snr", "4")
PLAIN = {"GLIBC_TUNABLES": "", "PYTHONMALLOC": "pymalloc"}


def processor_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, environment):
    """Return (seconds, seconds of the processors) of one run."""
    started, before = time.monotonic(), processor_s()
    subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started, processor_s() - before


def summary(runs):
    seconds = [wall for wall, _ in runs]
    return {
        "seconds": round(statistics.median(seconds), 3),
        "cpu_s": round(statistics.median(cpu for _, cpu in runs), 3),
        "least_s": round(min(seconds), 3),
        "most_s": round(max(seconds), 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--plain", action="store_true")
    args, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        command = ["srec", "simulate", "--image", args.picture, "--out", folder, *LINK, *more]
        runs, plain = [], []
        for _ in range(1 + args.runs):
            runs.append(run(command, {}))
            if args.plain:
                plain.append(run(command, PLAIN))
    result = summary(runs[1:])
    if args.plain:
        result["plain"] = summary(plain[1:])
        result["ratio"] = round(result["seconds"] / result["plain"]["seconds"], 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
