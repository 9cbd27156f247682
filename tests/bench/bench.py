# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench: speed of the core, of the same networks in PyTorch (where installed), of the flowgraph and of
video, all in one run.
The machine should have nothing else to do.

    python3 tests/bench/bench.py BUILD_FOLDER
"""
import json
import os
import statistics
import subprocess
import sys
import time

from gnuradio import srec
from PIL import Image

import flowgraph
import video

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL = srec.default_model()
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
        inputs = [
            torch.randn(1, i["channels"], h, w).to(dtype).contiguous(memory_format=torch.channels_last)
            for i in graph["inputs"]
        ]
        times = []
        with torch.no_grad():
            for _ in range(RUNS + 1):
                start = time.perf_counter()
                net(*inputs)
                times.append(time.perf_counter() - start)
        seconds[name] = statistics.median(times[1:])
    return sum(seconds[n] for n in ("ga", "ha", "hs", "fe")), sum(seconds[n] for n in ("fd", "gs"))


def program(build, name, *args):
    """What one of the C programs prints, a JSON object."""
    return json.loads(
        subprocess.run(
            [os.path.join(build, "tests", "bench", name), *args], check=True, capture_output=True, text=True
        ).stdout
    )


def print_core(core):
    """The stages of the core."""
    for key in (
        "scrambler",
        *(f"descrambler_{kind}_{snr}_db" for snr in (4, 14) for kind in ("llr", "amplitude", "soft")),
        "order_4_db",
        "order_14_db",
        "packets",
    ):
        print(f"{key:24s}", ", ".join(f"{k} {v:g}" for k, v in core[key].items()))


def print_ldpc(build):
    for rate, speed in program(build, "bench_ldpc").items():
        print(
            f"LDPC rate {rate}, one core, 8 iterations: encode {speed['encode_mbit_per_s']:g} Mbit/s, decode"
            f" {speed['decode_mbit_per_s']:g} Mbit/s of information, {speed['decode_over_reference']:g} times the"
            " scalar reference"
        )


def print_layers(build, pictures):
    """Coded layers beside OpenJPEG alone, and their packets."""
    speed = program(build, "bench_layers", *pictures)
    for s in speed["images"]:
        print(
            f"layers {s['width']}x{s['height']}, {s['bits_per_pixel']:g} bits/pixel, {s['layers']} layer(s),"
            f" {s['threads']} threads: encode {s['encode_mpixel_per_s']:.2f} Mpixel/s,"
            f" {s['encode_over_openjpeg']:.0%} of OpenJPEG alone; decode {s['decode_mpixel_per_s']:.2f} Mpixel/s,"
            f" {s['decode_over_openjpeg']:.0%}"
        )
    p = speed["packets"]
    print(
        f"packets of layers, QPSK rate {p['code_rate']:g} at {p['snr_db']:g} dB: encode {p['encode_mb_per_s']:g},"
        f" decode {p['decode_mb_per_s']:g} Mbyte/s; keystream and tag alone {p['seal_mb_per_s']:g} and"
        f" {p['open_mb_per_s']:g}",
        flush=True,
    )


def print_codec(build, runs):
    """The codec with its networks: speed, share of the processor's peak, comparison with PyTorch if it is installed.

    runs: the list `codec` of bench_core.
    """
    try:
        import torch
    except ImportError:
        torch = None
        print("PyTorch is not installed (python3-torch): no comparison")
    peaks = {threads: program(build, "nn_peak", str(threads)) for threads in sorted({c["threads"] for c in runs})}
    for c in runs:
        peak = peaks[c["threads"]][c["precision"]]["gflops"]
        line = (
            f"{c['precision']:5s}{c['threads']} threads: encode {c['encode_mpixel_per_s']:.2f} Mpixel/s, decode"
            f" {c['decode_mpixel_per_s']:.2f} Mpixel/s; {c['encode_gflops']:.0f} and {c['decode_gflops']:.0f} GFLOP/s,"
            f" {c['encode_gflops'] / peak:.0%} and {c['decode_gflops'] / peak:.0%} of the peak of {peak:.0f}"
        )
        if torch:
            encode, decode = pytorch(
                512, 768, c["threads"], torch.bfloat16 if c["precision"] == "bf16" else torch.float32
            )
            line += (
                f"; networks alone: PyTorch takes {encode / c['encode_networks_s']:.2f} and"
                f" {decode / c['decode_networks_s']:.2f} times as long"
            )
        print(line, flush=True)


def print_flowgraph(picture, has_bf16):
    ways = [("features", "f32", 1), ("features", "f32", 2), ("features", "bf16", 2), ("layers", "f32", 1)]
    for coding, precision, threads in ways:
        if precision == "bf16" and not has_bf16:
            continue
        f = flowgraph.measure(MODEL, picture, RUNS, precision, threads, coding)
        print(
            f"flowgraph {coding}{f' {precision}' if coding == 'features' else ''} {threads} threads:"
            f" {f['picture_s']:.3f} s an image from end to end, {f['codec_s']:.3f} s of it codec: overhead"
            f" {f['overhead']:.0%}; {f['pictures_per_s']:.2f} images/s when they follow each other",
            flush=True,
        )


def print_video(picture):
    layers = ["--coding", "layers", "--width", "640", "--height", "480"]
    for name, options in (
        ("10 frames/s", []),
        ("as fast as it goes", ["--rate", "0"]),
        ("15 frames/s", [*layers, "--rate", "15"]),
        ("as fast as it goes", [*layers, "--rate", "0"]),
    ):
        v = video.run([picture, "--frames", "110", *options])
        print(
            f"video {v['width']}x{v['height']}, {v['coding']}, {name}: {v['rate_hz']:.2f} pictures/s, latency"
            f" {1e3 * v['latency_median_s']:.0f} ms, at most {1e3 * v['latency_max_s']:.0f} ms;"
            f" {1e3 * v['cpu_s']:.0f} ms of CPU an image; frames left out {v['frames_dropped']}, images lost"
            f" {v['lost']}, longest queues {v['encoder_queue_max']} images and {v['decoder_queue_max']} packets",
            flush=True,
        )


def main():
    build = sys.argv[1]
    picture = os.path.join(build, "bench.ppm")
    large = os.path.join(build, "bench_large.ppm")
    raccoon = Image.open(os.path.join(ROOT, "examples", "raccoon.webp")).convert("RGB")
    raccoon.crop((0, 0, 768, 512)).save(picture)
    raccoon.resize((3000, 2000), Image.Resampling.LANCZOS).save(large)
    load = os.getloadavg()[0]
    print(f"load average {load:.1f}" + (": the machine is busy, the figures will be low" if load > 0.5 else ""))
    core = program(build, "bench_core", MODEL, picture)
    print_core(core)
    print_ldpc(build)
    print_layers(build, [picture, large])
    print_codec(build, core["codec"])
    print_flowgraph(picture, any(c["precision"] == "bf16" for c in core["codec"]))
    print_video(picture)


main()
