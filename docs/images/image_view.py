# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes docs/images/image_view.png: image_view in the middle of an image, with no display.

    ./dev run python3 docs/images/image_view.py examples/raccoon.jpg docs/images/image_view.png
"""
import os
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from gnuradio import blocks, gr, srec  # noqa: E402
from gnuradio.srec.image_view import application  # noqa: E402
from PIL import Image  # noqa: E402

SYMBOLS_PER_S, SNR_DB, LOSS = 60e3, 10.0, 0.05
PART = 0.6  # of the packets


def main(picture, path):
    app = application()
    top = gr.top_block()
    source = srec.image_source(picture, repeat=True, in_flight=1)
    transmitter, channel = srec.transmitter("seed:1", frame_bytes=2000, samples_per_symbol=0), srec.channel(
        "awgn", SNR_DB, 1, loss=LOSS
    )
    air = blocks.throttle(gr.sizeof_gr_complex, SYMBOLS_PER_S)
    receivers = {
        "bob": srec.receiver("seed:1", snr_db=SNR_DB, progress=0.1, samples_per_symbol=0),
        "eve": srec.receiver("seed:1", snr_db=SNR_DB, progress=0.1, samples_per_symbol=0, payload_key="seed:2"),
    }
    view = srec.image_view(snr_db=SNR_DB)
    view.qwidget().resize(1100, 360)
    view.qwidget().show()
    top.connect(transmitter, air, channel)
    top.msg_connect(source, "pdus", transmitter, "pdus")
    top.msg_connect(source, "pdus", view, "original")
    for port in ("info", "encoder_info"):
        top.msg_connect(transmitter, port, source, "next")
    for name, receiver in receivers.items():
        top.connect(channel, receiver)
        for port in ("pdus", "progress"):
            top.msg_connect(receiver, port, view, name)
    top.msg_connect(receivers["bob"], "packet_info", view, "info")
    top.start()
    while not all(PART <= view.parts()[name] < 1 for name in receivers):  # on a busy machine it may take a few images
        app.processEvents()
        time.sleep(0.01)
    Image.fromarray(view.grab()).quantize(200).save(path, optimize=True)
    print(view.captions())
    top.stop()
    top.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
