# SPDX-License-Identifier: GPL-3.0-or-later
"""srec send and srec receive through the real soapy sink and source of GNU Radio, against the driver in loopback.cpp:
two processes, one ring.
Skips (exit code 77) where the driver could not be built."""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from gnuradio import srec
from PIL import Image
from waiting import wait_for

SREC = os.environ["SREC_COMMAND"]
TIMEOUT = 300
TX_GAIN, LOSS_DB, CFO_HZ, LEVEL = 20, 40, 1500, -12  # as in loopback.cpp


class Soapy(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.key, self.picture = self.path("link.key"), self.path("picture.png")
        self.device = ("--device", "soapy:driver=srecloop,ring=" + self.path("ring"))
        srec.key_generate(self.key)
        y, x = np.mgrid[0:64, 0:96]
        Image.fromarray((127 + 80 * np.sin(x / 9) * np.cos(y / 13)).astype(np.uint8)).save(self.picture)
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.temp.cleanup()

    def path(self, name):
        return os.path.join(self.temp.name, name)

    def start(self, *args):
        self.processes.append(
            subprocess.Popen([SREC, *args, "--key", self.key], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )
        return self.processes[-1]

    def listening(self, process):
        """Waits for the first line of the level meter: the receiver runs."""
        for line in process.stderr:
            if b"bursts" in line:
                return
        self.fail("the receiver ended")

    def send(self, *args):
        done = self.start(
            "send",
            "--image",
            self.picture,
            *self.device,
            "--rate",
            "500e3",
            "--gain",
            str(TX_GAIN),
            "--status",
            "0",
            *args,
        )
        _, err = done.communicate(timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0, err.decode())

    def over_the_air(self, name, frequency, gain, tx_frequency=1e9):
        """-> (metadata of the images, exit code, folder), after one image was sent"""
        out = self.path(name)
        receiver = self.start(
            "receive",
            "--out",
            out,
            *self.device,
            "--frequency",
            f"{frequency:.9g}",
            "--rate",
            "500e3",
            "--gain",
            str(gain),
            "--status",
            "0.2",
            "--timeout",
            "120",
        )
        self.listening(receiver)
        self.send("--frequency", f"{tx_frequency:.9g}")
        if abs(frequency - tx_frequency) < 1e5:
            wait_for(lambda: glob.glob(os.path.join(out, "*.json")), "the image")
        receiver.send_signal(signal.SIGTERM)
        receiver.communicate(timeout=TIMEOUT)
        found = []
        for file in sorted(glob.glob(os.path.join(out, "*.json"))):
            with open(file) as f:
                found.append(json.load(f))
        return found, receiver.returncode, out

    def test_a_picture_goes_through_sink_and_source_and_gain_and_frequency_count(self):
        found, code, out = self.over_the_air("first", 1e9, 20)
        self.assertEqual((code, len(found)), (0, 1))
        told = found[0]
        quality = srec.psnr(
            np.array(Image.open(self.picture)), np.array(Image.open(os.path.join(out, "picture0000.png")))
        )
        print(
            f"over SoapySDR: {quality:.2f} dB, SNR {told['snr_db']:.1f} dB, level {told['level_db']:.2f} dBFS, CFO"
            f" {told['cfo_hz']:.1f} Hz"
        )
        self.assertGreater(quality, 25)
        self.assertAlmostEqual(told["cfo_hz"], CFO_HZ, delta=5)
        self.assertAlmostEqual(told["level_db"], LEVEL + TX_GAIN + 20 - LOSS_DB, delta=0.4)
        weaker, _, _ = self.over_the_air("weaker", 1e9 + 5e3, 5)
        self.assertAlmostEqual(weaker[0]["level_db"], told["level_db"] - 15, delta=0.4)
        self.assertAlmostEqual(weaker[0]["cfo_hz"], CFO_HZ - 5e3, delta=5)

    def test_another_frequency_is_not_heard_and_the_daemon_ends_cleanly(self):
        found, code, _ = self.over_the_air("elsewhere", 1.1e9, 20)
        self.assertEqual((found, code), ([], 0))

    def refused(self, code, word, *args):
        done = self.start("receive", "--out", self.path("refused"), *args)
        _, err = done.communicate(timeout=TIMEOUT)
        last = err.decode().splitlines()[-1]
        self.assertEqual(done.returncode, code, err.decode())
        self.assertIn(word, last)
        self.assertNotIn(b"Traceback", err)

    def test_what_the_radio_cannot_do_is_one_line(self):
        tuned = self.device + ("--frequency", "1e9")
        self.refused(1, "does not do a rate of 50000000", *tuned, "--rate", "50e6")
        self.refused(1, "out of reach", *self.device, "--frequency", "1e6")
        self.refused(1, "a gain of 99 dB", *tuned, "--gain", "99")
        self.refused(1, "no antenna TX2; --antenna may be RX, AUX", *tuned, "--antenna", "TX2")
        self.refused(1, "no such device", "--device", "soapy:driver=nothing", "--frequency", "1e9")
        port = ("--device", self.device[1] + ",port=rx", "--frequency", "1e9")
        user = self.start("receive", "--out", self.path("first"), *port, "--status", "0.2")
        self.listening(user)
        self.refused(1, "the device is busy", *port)
        self.refused(1, "gives no samples", "--device", self.device[1] + ",mute=1", "--frequency", "1e9")


if __name__ == "__main__":
    if not os.environ.get("SOAPY_SDR_PLUGIN_PATH"):
        print("skip: the loopback driver was not built: it needs libsoapysdr-dev")
        sys.exit(77)
    unittest.main()
