# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed of the whole flowgraph: transmitter, channel, receiver in one process.

    python3 tests/bench/flowgraph.py MODEL PICTURE [RUNS]   prints one JSON object:
    picture_s     from the moment the image enters until it comes out, one image in the graph at a time (median)
    codec_s       of that, encoder and decoder of the coding (median)
    overhead      1 - codec_s / picture_s: everything that is not codec
    pictures_per_s with as many images in flight as the graph takes
"""
import json
import queue
import statistics
import sys
import time

import pmt
from gnuradio import gr, srec
from gnuradio.srec.image_source import load_picture, picture_pdu

FRAME_BYTES, SNR_DB = 16000, 10.0
LAYER_DB, CBR = 4.0, 0.4  # of coded layers


class tap(gr.basic_block):
    """Keeps the dicts of one message port, with their time."""

    def __init__(self):
        gr.basic_block.__init__(self, "tap", None, None)
        self.seen = queue.Queue()
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._keep)

    def _keep(self, msg):
        meta = pmt.to_python(msg if pmt.is_dict(msg) and not pmt.is_pdu(msg) else pmt.car(msg))
        self.seen.put((time.perf_counter(), meta))


def build(model, precision, threads, coding):
    top = gr.top_block("bench")
    sender = srec.transmitter(
        "seed:1",
        "qpsk",
        coding=coding,
        layers=[LAYER_DB],
        cbr=CBR,
        model=model,
        frame_bytes=FRAME_BYTES,
        threads=threads,
        precision=precision,
        samples_per_symbol=0,
    )
    channel = srec.channel("awgn", SNR_DB, 1)
    receiver = srec.receiver(
        "seed:1", "qpsk", SNR_DB, model=model, threads=threads, precision=precision, samples_per_symbol=0
    )
    taps = {name: tap() for name in ("pictures", "encoder", "decoder")}
    top.connect(sender, channel, receiver)
    top.msg_connect(receiver, "pdus", taps["pictures"], "in")
    top.msg_connect(sender, "encoder_info", taps["encoder"], "in")
    top.msg_connect(receiver, "info" if coding == "features" else "layer_info", taps["decoder"], "in")
    return top, sender, taps


def measure(model, picture, runs, precision="f32", threads=2, coding="features"):
    array = load_picture(picture)
    top, sender, taps = build(model, precision, threads, coding)
    entrance = sender.encoder.to_basic_block()
    top.start()
    whole, codec = [], []
    sent = 0
    for _ in range(runs + 1):  # an image is complete when its last slice is there; the first run makes the primitives
        start = time.perf_counter()
        entrance._post(pmt.intern("pdus"), picture_pdu(array, sent))
        arrived, _ = taps["pictures"].seen.get(timeout=60)
        encode = taps["encoder"].seen.get(timeout=60)[1]["encode_s"]
        decode = taps["decoder"].seen.get(timeout=60)[1]["decode_s"]
        whole.append(arrived - start)
        codec.append(encode + decode)
        sent += 1
    flight = 3
    start = time.perf_counter()
    for i in range(2 * runs + flight):
        if i < 2 * runs:
            entrance._post(pmt.intern("pdus"), picture_pdu(array, sent))
            sent += 1
        if i >= flight:
            taps["pictures"].seen.get(timeout=60)
    rate = 2 * runs / (time.perf_counter() - start)
    top.stop()
    top.wait()
    picture_s, codec_s = statistics.median(whole[1:]), statistics.median(codec[1:])
    return {
        "precision": precision,
        "threads": threads,
        "picture_s": picture_s,
        "codec_s": codec_s,
        "overhead": 1 - codec_s / picture_s,
        "pictures_per_s": rate,
    }


if __name__ == "__main__":
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    print(
        json.dumps(
            [measure(sys.argv[1], sys.argv[2], runs, "f32", 2), measure(sys.argv[1], sys.argv[2], runs, "f32", 1)]
        )
    )
