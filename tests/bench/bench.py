# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench: speed of the core, and of the same networks in PyTorch (where it is installed) in the same run.

    python3 tests/bench/bench.py BUILD_FOLDER
"""
import json
import os
import statistics
import subprocess
import sys
import time

from PIL import Image

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL = os.path.join(ROOT, "models", "srec-codec-v0.safetensors")
RUNS = 5


def pytorch(height, width, threads, dtype):
    """Median seconds of one pass through (encoder networks, decoder networks)."""
    import torch
    sys.path.insert(0, os.path.join(ROOT, "python"))
    from srec_train import safetensors
    from srec_train.graph import Runner
    torch.set_num_threads(threads)
    tensors, metadata = safetensors.load(MODEL)
    sides = {"ga": (height, width), "ha": (height // 16, width // 16), "hs": (height // 64, width // 64)}
    seconds = {}
    for name, graph in json.loads(metadata["graph"]).items():
        net = Runner(graph, tensors, dtype)
        h, w = sides.get(name, (height // 16, width // 16))
        inputs = [torch.randn(1, i["channels"], h, w).to(dtype).contiguous(memory_format=torch.channels_last) for i in graph["inputs"]]
        times = []
        with torch.no_grad():
            for _ in range(RUNS + 1):
                start = time.perf_counter()
                net(*inputs)
                times.append(time.perf_counter() - start)
        seconds[name] = statistics.median(times[1:])
    return sum(seconds[n] for n in ("ga", "ha", "hs", "fe")), sum(seconds[n] for n in ("fd", "gs"))


def main():
    build = sys.argv[1]
    picture = os.path.join(build, "bench.ppm")
    Image.open(os.path.join(build, "raccoon.png")).convert("RGB").crop((0, 0, 768, 512)).save(picture)
    core = json.loads(subprocess.run([os.path.join(build, "tests", "bench", "bench_core"), MODEL, picture], check=True, capture_output=True, text=True).stdout)
    for key in ("scrambler", "descrambler_llr", "descrambler_amplitude", "packets"):
        print(f"{key:24s}", ", ".join(f"{k} {v:g}" for k, v in core[key].items()))
    try:
        import torch
    except ImportError:
        torch = None
        print("PyTorch is not installed (python3-torch): no comparison")
    for c in core["codec"]:
        line = (f"{c['precision']:5s}{c['threads']} threads: encode {c['encode_mpixel_per_s']:.2f} Mpixel/s {c['encode_gflops']:.0f} GFLOP/s, "
                f"decode {c['decode_mpixel_per_s']:.2f} Mpixel/s {c['decode_gflops']:.0f} GFLOP/s")
        if torch:
            encode, decode = pytorch(512, 768, c["threads"], torch.bfloat16 if c["precision"] == "bf16" else torch.float32)
            line += f"; PyTorch takes {encode / c['encode_s']:.2f} and {decode / c['decode_s']:.2f} times as long (its networks alone)"
        print(line, flush=True)


main()
