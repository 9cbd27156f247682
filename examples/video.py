#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a camera, a video file or a folder of images over a simulated link.

Prints images per second, latency and PSNR once a second. Without FRAMES a camera runs until Ctrl-C."""
import argparse
import signal

from gnuradio import gr, srec

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("source", metavar="SOURCE", help="number of a camera (0), a video file or a folder of images")
parser.add_argument("frames", metavar="FRAMES", nargs="?", type=int, default=0, help="frames to read (default all)")
parser.add_argument("--coding", default="features", choices=("features", "layers"), help="(default features)")
parser.add_argument("--size", default="320x240", help="of the frames sent (default 320x240)")
args = parser.parse_args()
width, height = (int(side) for side in args.size.split("x"))

top = gr.top_block("video")
source = srec.video_source(args.source, width, height, frames=args.frames)
# One thread each: encoder and decoder work at the same time.
transmitter = srec.transmitter("seed:1", "qpsk", coding=args.coding, samples_per_symbol=0, threads=1)
channel = srec.channel("awgn", snr_db=10.0)
receiver = srec.receiver("seed:1", "qpsk", samples_per_symbol=0, threads=1)
meter = srec.picture_meter(report=1.0)

top.connect(transmitter, channel, receiver)
top.msg_connect(source, "pdus", transmitter, "pdus")
top.msg_connect(source, "pdus", meter, "original")
top.msg_connect(receiver, "pdus", meter, "pdus")
top.msg_connect(receiver, "info", source, "next")  # the next frame leaves when this one has been received
top.msg_connect(transmitter, "encoder_info", source, "next")  # or when the encoder dropped it

signal.signal(signal.SIGINT, lambda *_: top.stop())
top.start()
top.wait()
