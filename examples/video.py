#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""video.py SOURCE [FRAMES]: sends a camera (0), a video file or a folder of images over a simulated link.

Prints images per second, latency and PSNR once a second. FRAMES ends the run; without it a camera runs until Ctrl-C."""
import signal
import sys

from gnuradio import gr, srec

top = gr.top_block("video")
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 0
source = srec.video_source(sys.argv[1], width=320, height=240, frames=frames)
transmitter = srec.transmitter("seed:1", modulation="qpsk", samples_per_symbol=0)
channel = srec.channel("awgn", snr_db=10.0)
receiver = srec.receiver("seed:1", modulation="qpsk", samples_per_symbol=0)
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
