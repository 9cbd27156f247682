# SPDX-License-Identifier: GPL-3.0-or-later
"""What bfloat16 costs in each network: mean PSNR over images against that of f32, with the same noise.

    python3 tests/bench/precision.py IMAGES [COUNT]   COUNT images of a folder (default 6), evenly spaced
"""
import os
import statistics
import sys

from gnuradio import gr, srec
from gnuradio.srec.io.picture_file import load_picture, pictures_of

LINKS = (("qpsk", 0.0), ("qpsk", 4.0), ("qpsk", 10.0), ("16qam", 16.0), ("pam256", 20.0))
F32, BF16 = "f32", "bf16"
WAYS = {  # precision of encoder, decoder and enhancer
    "f32": (F32, F32, F32),
    "encoder": (BF16, F32, F32),
    "decoder": (F32, BF16, F32),
    "enhancer": (F32, F32, BF16),
    "all": (BF16, BF16, BF16),
}


def received(path, coding, modulation, snr_db, precisions):
    """Return the PSNR of an image after a simulated link."""
    encoder, decoder, enhancer = precisions
    options = dict(coding="layers", layers=[snr_db], cbr=0.2) if coding == "layers" else dict(precision=encoder)
    top = gr.top_block("precision")
    source, sink = srec.image_source(path, in_flight=1), srec.image_sink()
    sender = srec.transmitter("seed:1", modulation, session=1, samples_per_symbol=0, **options)
    channel = srec.channel("awgn", snr_db, 1)
    receiver = srec.receiver("seed:1", modulation, snr_db, precision=decoder, samples_per_symbol=0)
    better = srec.sr_enhancer(precision=enhancer)
    top.msg_connect(source, "pdus", sender, "pdus")
    top.msg_connect(sender, "info", source, "next")
    top.connect(sender, channel, receiver)
    top.msg_connect(receiver, "pdus", better, "pdus")
    top.msg_connect(better, "pdus", sink, "pdus")
    top.run()
    return srec.psnr(load_picture(path), sink.pictures[0][0])


def main():
    paths = pictures_of(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    paths = paths[:: max(1, len(paths) // count)][:count]
    print(f"{len(paths)} images of {os.path.basename(os.path.abspath(sys.argv[1]))}; loss of mean PSNR by bf16, dB")
    for coding, modulation, snr_db in [("features", *link) for link in LINKS] + [("layers", "qpsk", 4.0)]:
        ways = {w: WAYS[w] for w in (("f32", "enhancer") if coding == "layers" else WAYS)}
        mean = {
            way: statistics.fmean(received(path, coding, modulation, snr_db, precisions) for path in paths)
            for way, precisions in ways.items()
        }
        losses = ", ".join(f"{way} {mean['f32'] - value:.3f}" for way, value in mean.items() if way != "f32")
        print(f"{coding} {modulation} {snr_db:g} dB: f32 {mean['f32']:.2f} dB; {losses}", flush=True)


if __name__ == "__main__":
    main()
