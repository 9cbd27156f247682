# SPDX-License-Identifier: GPL-3.0-or-later
"""Video through the simulated link: frames a second, latency, frames left out, the longest queues. The machine should
have nothing else to do.

    python3 tests/bench/video.py PICTURE [--rate 10] [--frames 300] ...   prints one JSON object:
    rate_hz               received images a second, from the first counted to the last
    latency_median_s, latency_max_s    from the frame's reading to the received image
    sent, received, frames_dropped     images that left the source, that arrived, frames left out because the link was
    busy
    encoder_queue_max, decoder_queue_max    images and slices that waited, at most

    encode_median_s, decode_median_s   of one image, in its block
    cpu_s                              of all threads, an image: two cores have 2 / RATE

The frames move over PICTURE and are played in real time. The first --skip images, in which the networks are made
ready, are not in rate and latency; all are in the counts.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time

import pmt
from gnuradio import gr, srec
from gnuradio.srec.image_source import load_picture
from gnuradio.srec.ports import message_port
from PIL import Image

STEP = 2  # pixels that the view moves by from frame to frame
DISTINCT = 50  # frames, played over and over


def make_frames(folder, picture, width, height):
    image = Image.fromarray(load_picture(picture)).convert("RGB")
    need = (width + STEP * DISTINCT, height)
    scale = max(need[0] / image.size[0], need[1] / image.size[1])
    image = image.resize((round(image.size[0] * scale) + 1, round(image.size[1] * scale) + 1))
    for n in range(DISTINCT):
        image.crop((STEP * n, 0, STEP * n + width, height)).save(os.path.join(folder, f"{n:03d}.ppm"))


class Log:
    """Info dicts of one message port, with their time."""

    def __init__(self, top, block, port):
        self.seen, self.ended = [], threading.Event()
        self.port = message_port("log", self._keep)
        top.msg_connect(block, port, self.port, "in")

    def _keep(self, msg):
        values = {**pmt.to_python(msg), "cpu_s": time.process_time()}
        self.seen.append((time.monotonic(), values))
        if values.get("event") == "eof":
            self.ended.set()

    def largest(self, key):
        return max((values[key] for _, values in self.seen if key in values), default=0)

    def median(self, key):
        return statistics.median(values[key] for _, values in self.seen if key in values)


def make_transmitter(args):
    if args.coding == "layers":
        coding = dict(coding="layers", cbr=args.cbr, layers=[args.layer])
    else:
        coding = dict(eta=args.eta, frame_bytes=30000, precision=args.precision)
    return srec.transmitter(
        "seed:1", args.modulation, threads=args.threads, samples_per_symbol=args.samples_per_symbol, **coding
    )


def make_receiver(args):
    options = dict(model="none") if args.coding == "layers" else {}
    options |= dict(samples_per_symbol=args.samples_per_symbol, precision=args.precision, max_queue=64)
    if args.enhance:
        options |= dict(enhancer=args.enhancer or "installed")
    return srec.receiver("seed:1", args.modulation, args.snr, threads=args.threads, **options)


def measure(args, folder):
    top = gr.top_block("video")
    source = srec.video_source(folder, rate=args.rate, frames=args.frames, repeat=True, in_flight=args.in_flight)
    transmitter, receiver = make_transmitter(args), make_receiver(args)
    channel = srec.channel("awgn", args.snr, 1)
    meter = srec.picture_meter()
    top.msg_connect(source, "pdus", transmitter, "pdus")
    top.msg_connect(source, "pdus", meter, "original")
    top.msg_connect(receiver, "enhancer_info" if args.enhance else "info", source, "next")
    top.msg_connect(transmitter, "encoder_info", source, "next")
    top.connect(transmitter, channel, receiver)
    top.msg_connect(receiver, "pdus", meter, "pdus")
    logs = {
        name: Log(top, block, port)
        for name, (block, port) in {
            "meter": (meter, "info"),
            "source": (source, "info"),
            "encoder": (transmitter, "encoder_info"),
            "decoder": (receiver, "info"),
        }.items()
    }
    top.start()
    for log in logs.values():
        if not log.ended.wait(30 + 10 * args.frames):
            raise SystemExit("no end of the video")
    top.stop()
    top.wait()
    pictures = [(when, values) for when, values in logs["meter"].seen if values["event"] == "picture"][args.skip :]
    if len(pictures) < 2:
        raise SystemExit(f"{len(pictures)} images after the first {args.skip}: too few")
    latencies = [values["latency_s"] for _, values in pictures]
    end = logs["source"].seen[-1][1]
    between = len(pictures) - 1
    return {
        "width": args.width,
        "height": args.height,
        "coding": args.coding,
        "rate_asked_hz": args.rate,
        "threads": args.threads,
        "precision": args.precision,
        "samples_per_symbol": args.samples_per_symbol,
        "rate_hz": between / (pictures[-1][0] - pictures[0][0]),
        "cpu_s": (pictures[-1][1]["cpu_s"] - pictures[0][1]["cpu_s"]) / between,
        "latency_median_s": statistics.median(latencies),
        "latency_max_s": max(latencies),
        "encode_median_s": logs["encoder"].median("encode_s"),
        "decode_median_s": logs["decoder"].median("decode_s"),
        "psnr_median_db": statistics.median(values["psnr_db"] for _, values in pictures),
        "sent": end["pictures"],
        "received": meter.pictures,
        "lost": meter.lost,
        "frames_dropped": end["frames_dropped"],
        "unreported": end["unreported"],
        "encoder_queue_max": logs["encoder"].largest("queue"),
        "decoder_queue_max": logs["decoder"].largest("queue"),
        "encoder_dropped": logs["encoder"].largest("dropped"),
        "decoder_dropped": logs["decoder"].largest("dropped"),
    }


def run(arguments):
    """command line -> figures"""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture")
    parser.add_argument("--rate", type=float, default=10.0, help="frames a second; 0: as fast as the link takes them")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--skip", type=int, default=10)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--modulation", default="qpsk")
    parser.add_argument("--snr", type=float, default=15.0)
    parser.add_argument("--coding", default="features", choices=("features", "layers"))
    parser.add_argument("--eta", type=float, default=0.2, help="of features (default 0.2)")
    parser.add_argument("--cbr", type=float, default=0.2, help="of layers: symbols per sample (default 0.2)")
    parser.add_argument("--layer", type=float, default=6.0, help="SNR in dB of the only layer (default 6)")
    parser.add_argument(
        "--threads", type=int, default=1, help="of each of encoder and decoder, which work at once (default 1)"
    )
    parser.add_argument("--in-flight", type=int, default=2)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--enhance", action="store_true", help="with super-resolution")
    parser.add_argument("--enhancer", default="", help="model of it (default: the installed one)")
    parser.add_argument(
        "--samples-per-symbol", type=int, default=0, help="0: symbols; else bursts of samples through the synchroniser"
    )
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        make_frames(folder, args.picture, args.width, args.height)
        return measure(args, folder)


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1:]), indent=1))
