# SPDX-License-Identifier: GPL-3.0-or-later
"""srec send and srec receive through the real usrp_sink and usrp_source of GNU Radio, against UHD's simulated E320.
Skips (exit code 77) where
that is not installed. The simulator has no channel: what was transmitted is kept in a file, and received from it
afterwards."""
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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import simulator  # noqa: E402

SREC = os.environ["SREC_COMMAND"]
ADDRESS = "addr=127.0.0.1,mgmt_addr=127.0.0.1"
RADIO = ("--device", "uhd:" + ADDRESS, "--frequency", "915e6", "--rate", "250e3", "--status", "1")
TIMEOUT = 120
ATTEMPTS = 5
NOT_STARTED = "No CHDR connection available"  # from UHD, when the simulator does not answer in time


class Simulator:
    """Runs while used as a context."""

    def __init__(self, transmitted, received):
        self._command = [
            sys.executable,
            os.path.join(os.path.dirname(os.path.abspath(__file__)), "simulator.py"),
            transmitted,
            received,
        ]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for line in self._process.stdout:
            if line in (b"ready\n", b"failed\n"):
                break
        if line != b"ready\n":
            self.__exit__()
            raise AssertionError(f"the simulator did not start: {line}")
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=60)


class Uhd(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.key, self.picture, self.air, self.silence = map(
            self.path, ("link.key", "picture.png", "air.sc16", "silence.sc16")
        )
        srec.key_generate(self.key)
        y, x = np.mgrid[0:64, 0:96]
        Image.fromarray((127 + 80 * np.sin(x / 9) * np.cos(y / 13)).astype(np.uint8)).save(self.picture)
        np.zeros(100000, np.int16).tofile(self.silence)

    def tearDown(self):
        self.temp.cleanup()

    def path(self, name):
        return os.path.join(self.temp.name, name)

    def srec(self, *args):
        return subprocess.run(
            [SREC, *args, "--key", self.key],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
        )

    def simulated(self, transmitted, received, *args):
        """Runs srec with a new simulator: it takes one client after the other badly, and now and then none at all."""
        for _ in range(ATTEMPTS):
            with Simulator(transmitted, received):
                done = self.srec(*args)
            if NOT_STARTED not in done.stderr:
                break
        return done

    def test_a_picture_goes_through_usrp_sink_and_usrp_source(self):
        done = self.simulated(self.air, self.silence, "send", "--image", self.picture, *RADIO, "--gain", "10")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("image 0", done.stdout)
        out = self.path("out")
        done = self.simulated(
            self.path("unused.sc16"),
            self.air,
            "receive",
            "--out",
            out,
            *RADIO,
            "--gain",
            "10",
            "--once",
            "--timeout",
            "120",
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, "picture0000.json")) as f:
            told = json.load(f)
        quality = srec.psnr(
            np.array(Image.open(self.picture)), np.array(Image.open(os.path.join(out, "picture0000.png")))
        )
        print(
            f"over UHD: {quality:.2f} dB, SNR {told['snr_db']:.1f} dB, level {told['level_db']:.2f} dBFS, CFO"
            f" {told['cfo_hz']:.1f} Hz"
        )
        self.assertGreater(quality, 25)
        self.assertEqual((told["frequency"], told["rate"], told["patches_lost"]), (915e6, 250e3, 0))
        self.assertAlmostEqual(told["level_db"], -12, delta=0.5)

    def refused(self, done, word):
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = [
            line for line in done.stderr.splitlines() if line.startswith("srec ")
        ]  # the simulator's own log comes in between
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("srec receive: uhd:"), lines)
        self.assertIn(word, lines[0])
        self.assertNotIn("Traceback", done.stderr)

    def test_what_the_radio_cannot_do_is_one_line(self):
        receive = ("receive", "--out", self.path("refused"), *RADIO)
        for word, option, value in (
            ("no antenna X9; --antenna may be", "--antenna", "X9"),
            ("a gain of 150 dB is out of reach", "--gain", "150"),
        ):
            self.refused(self.simulated(self.path("unused.sc16"), self.silence, *receive, option, value), word)
        self.refused(self.srec(*receive), "no such device")

    def test_a_second_user_is_told_that_the_device_is_busy(self):
        receive = ("receive", *RADIO, "--out", self.path("refused"))
        for _ in range(ATTEMPTS):
            with Simulator(self.path("unused.sc16"), self.silence):
                user = subprocess.Popen(
                    [SREC, *receive, "--key", self.key],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                try:
                    runs = any(b"images 0" in line for line in user.stderr)
                    if runs:
                        self.refused(self.srec(*receive), "the device is busy")
                finally:
                    user.send_signal(signal.SIGTERM)
                    user.communicate(timeout=TIMEOUT)
            if runs:
                break
        self.assertTrue(runs)
        self.assertEqual(user.returncode, 0)


if __name__ == "__main__":
    lacking = simulator.missing()
    if lacking:
        print("skip: UHD's simulator needs " + " ".join(lacking))
        sys.exit(77)
    unittest.main()
