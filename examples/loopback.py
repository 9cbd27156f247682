#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""loopback.py IMAGE: sends an image again and again over a simulated link, changes the SNR, and prints the PSNR."""
import sys
import time

from gnuradio import gr, srec

top = gr.top_block("loopback")
source = srec.image_source(sys.argv[1], repeat=True)
transmitter = srec.transmitter("seed:1", modulation="qpsk", samples_per_symbol=0)  # bare symbols
channel = srec.channel("awgn", snr_db=4.0)
receiver = srec.receiver("seed:1", modulation="qpsk", samples_per_symbol=0)
meter = srec.picture_meter()
sink = srec.image_sink()  # keeps the latest images in memory

top.connect(transmitter, channel, receiver)
top.msg_connect(source, "pdus", transmitter, "pdus")
top.msg_connect(source, "pdus", meter, "original")
top.msg_connect(receiver, "pdus", meter, "pdus")
top.msg_connect(meter, "pdus", sink, "pdus")
top.msg_connect(receiver, "info", source, "next")  # the next image leaves when this one has been received
top.msg_connect(transmitter, "encoder_info", source, "next")  # or when the encoder dropped it

top.start()
for snr_db in (4.0, 8.0, 12.0):
    channel.set_snr_db(snr_db)  # while the flowgraph runs
    wanted = sink.count + 4  # images on their way were sent at the previous SNR
    while sink.count < wanted:
        time.sleep(0.05)
    print(f"SNR {snr_db:4.1f} dB: PSNR {sink.pictures[-1][1]['psnr_db']:.1f} dB")
top.stop()
top.wait()
