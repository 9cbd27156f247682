#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the recordings in this folder, one of each datatype: ./dev run python3 tests/e2e/recordings/make.py.
test_link.py replays them. The session
number is random, so the bytes differ each time."""
import os
import subprocess
import tempfile

from PIL import Image

FOLDER = os.path.dirname(os.path.abspath(__file__))
KEY = "seed:7"  # anyone can guess it: for tests only
OPTIONS = {
    "--modulation": "16qam",
    "--eta": "0.1",
    "--sps": "2",
    "--rate": "500e3",
    "--frequency": "433.92e6",
    "--snr": "18",
    "--cfo": "2000",
    "--ppm": "10",
    "--delay": "500.5",
    "--level": "-12",
}


def picture(path):
    """The image that was sent: the project's sample, 64x64"""
    Image.open(os.path.join(FOLDER, "..", "..", "..", "examples", "raccoon.jpg")).resize(
        (64, 64), Image.Resampling.LANCZOS
    ).save(path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temp:
        picture(os.path.join(temp, "raccoon.png"))
        for datatype in ("cf32_le", "ci16_le", "cu8"):
            device = "file:" + os.path.join(FOLDER, datatype)
            subprocess.run(
                [
                    "srec",
                    "send",
                    "--image",
                    os.path.join(temp, "raccoon.png"),
                    "--key",
                    KEY,
                    "--device",
                    device,
                    "--format",
                    datatype,
                    *(word for pair in OPTIONS.items() for word in pair),
                ],
                check=True,
            )
