# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording with carrier and clock offset at 6 dB gives the image that perfect synchronisation gives: srec send and
srec receive against
srec simulate, which hands the receiver the symbols themselves. The project's sample image at full size, a minute or
two."""
import json
import os
import subprocess
import tempfile
import unittest

import numpy as np
from gnuradio import srec
from PIL import Image

SREC = os.environ["SREC_COMMAND"]
RACCOON = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "raccoon.webp")
LOSS_MAX_DB = 0.5


class PerfectSync(unittest.TestCase):
    def run_srec(self, *args):
        done = subprocess.run([SREC, *args], capture_output=True, text=True, timeout=1500)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_offsets_cost_less_than_half_a_decibel_of_psnr(self):
        with tempfile.TemporaryDirectory() as folder:

            def path(name):
                return os.path.join(folder, name)

            picture = np.array(Image.open(RACCOON).convert("RGB"))
            common = ("--image", RACCOON, "--key", "seed:1", "--snr", "6")
            self.run_srec("simulate", "--no-sr", *common, "--out", path("simulated"), "--json", path("simulated.json"))
            with open(path("simulated.json")) as f:
                perfect = json.load(f)["psnr_db"]
            for rate in ("4e6", "1e6"):  # 4 samples per symbol: 5 kHz are 0.5 % and 2 % of the symbol rate
                self.run_srec(
                    "send",
                    *common,
                    "--device",
                    "file:" + path("take"),
                    "--rate",
                    rate,
                    "--cfo",
                    "5000",
                    "--ppm",
                    "20",
                    "--level",
                    "-20",
                    "--delay",
                    "777.7",
                    "--overwrite",
                )
                self.run_srec(
                    "receive",
                    "--no-sr",
                    "--key",
                    "seed:1",
                    "--device",
                    "file:" + path("take"),
                    "--out",
                    path("out" + rate),
                    "--json",
                    path("received.json"),
                )
                with open(path("received.json")) as f:
                    figures = json.load(f)
                received = srec.psnr(picture, np.array(Image.open(path(f"out{rate}/picture0000.png"))))
                print(
                    f"{float(rate) / 4e3:.0f} ksym/s: perfect synchronisation {perfect:.2f} dB, received"
                    f" {received:.2f} dB; SNR {figures['snr_db']:.2f} dB, CFO {figures['cfo_hz']:.1f} Hz, clock"
                    f" {figures['clock_ppm']:.1f} ppm, level {figures['burst_level_dbfs']:.2f} dBFS, packets lost"
                    f" {figures['packets_lost']} of {figures['packets']}"
                )
                self.assertEqual((figures["pictures"], figures["packets_lost"]), (1, 0))
                self.assertGreater(received, perfect - LOSS_MAX_DB)
                self.assertAlmostEqual(figures["cfo_hz"], 5000, delta=10)
                self.assertAlmostEqual(figures["clock_ppm"], 20, delta=2)
                self.assertAlmostEqual(figures["burst_level_dbfs"], -20, delta=0.2)


if __name__ == "__main__":
    unittest.main()
