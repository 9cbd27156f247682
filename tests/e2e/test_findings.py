# SPDX-License-Identifier: GPL-3.0-or-later
"""srec receive says why nothing comes: mismatched settings, recordings that radios distorted, forged bursts, samples of
another format."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import numpy as np
from PIL import Image

SREC = os.environ["SREC_COMMAND"]
TIMEOUT = 300
# The width is an estimate, over a session that differs from run to run.
WIDTH = r"as wide as (3\.9|4\.0|4\.1) samples per symbol make it; the receiver is set to "
SPS, BURST = 4, (32 + 256 + 3 * 256) * 4  # guard, preamble, three units: a signal field


def run(*args):
    return subprocess.run([SREC, *args], capture_output=True, text=True, timeout=TIMEOUT)


class Findings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        y, x = np.mgrid[0:256, 0:320]
        waves = np.stack([127 + 70 * np.sin(x / (17 + 5 * c)) * np.cos(y / (23 - 4 * c)) for c in range(3)], 2)
        cls.picture = cls.path("picture.png")
        Image.fromarray(waves.clip(0, 255).astype(np.uint8)).save(cls.picture)
        cls.samples = cls.send("clean", "seed:1", "--snr", "15", "--frame-bytes", "4000")

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.temp.name, name)

    @classmethod
    def send(cls, name, key, *args):
        """-> samples of the recording"""
        done = run(
            "send", "--image", cls.picture, "--key", key, "--device", "file:" + cls.path(name), "--status", "0", *args
        )
        assert done.returncode == 0, done.stderr
        return np.fromfile(cls.path(name) + ".sigmf-data", np.complex64)

    def receive(self, samples, *args, key="seed:1", code=0):
        """-> (last line of standard error, all of it, figures)"""
        samples.astype(np.complex64).tofile(self.path("bare.cf32"))
        out = tempfile.mkdtemp(dir=self.temp.name)
        done = run(
            "receive",
            "--key",
            key,
            "--device",
            "file:" + self.path("bare.cf32"),
            "--format",
            "cf32_le",
            "--out",
            out,
            "--status",
            "0",
            "--json",
            os.path.join(out, "figures"),
            *args
        )
        self.assertEqual(done.returncode, code, done.stderr)
        with open(os.path.join(out, "figures")) as f:
            return done.stderr.strip().split("\n")[-1], done.stdout + done.stderr, json.load(f)

    def test_settings_that_differ_from_the_senders_are_named(self):
        for words, kind, args in (
            ("modulation qpsk: the receiver is set to 16qam", "modulation", ["--modulation", "16qam"]),
            (WIDTH + "8", "symbol_rate", ["--sps", "8"]),
            (WIDTH + "2", "symbol_rate", ["--sps", "2"]),
        ):
            last, text, figures = self.receive(self.samples, *args, code=1)
            self.assertRegex(last, words)
            self.assertEqual(len(re.findall(words, text)), 2, text)  # in the log when it is found, and at the end
            self.assertEqual(list(figures["findings"]), [kind])

    def test_an_inverted_spectrum_is_received_and_told(self):
        _, text, figures = self.receive(np.conj(self.samples))
        self.assertEqual((figures["pictures"], figures["packets_lost"]), (1, 0))
        self.assertEqual(figures["bursts_inverted"], figures["bursts"])
        self.assertEqual(text.count("inverted spectrum"), 1, text)

    def test_offsets_beyond_the_range_are_measured(self):
        turn = np.exp(2j * np.pi * 0.14 / SPS * np.arange(len(self.samples)))
        _, text, figures = self.receive(self.samples * turn)
        self.assertEqual(figures["pictures"], 1)
        self.assertIn("carrier offset +0.140 of the symbol rate", text)
        last, _, _ = self.receive(self.samples * turn**5, code=1)
        self.assertIn("+0.70 of the symbol rate off", last)

    def test_direct_current_that_drowns_the_bursts_is_measured(self):
        last, _, _ = self.receive(self.samples + 10 * np.abs(self.samples).max(), code=1)
        self.assertIn("DC or the receiver's own oscillator", last)

    def test_bytes_read_as_floats_are_named(self):
        rng = np.random.default_rng(0)
        last, _, _ = self.receive(
            np.clip(127.5 + 10 * rng.standard_normal(800000), 0, 255).astype(np.uint8).view(np.complex64), code=1
        )
        self.assertIn("looks like cu8 or ci16; see --format", last)

    def test_a_working_link_and_noise_raise_no_finding(self):
        rng = np.random.default_rng(1)
        noise = rng.standard_normal((600000, 2)) @ [1, 1j]
        self.assertEqual(self.receive(self.samples)[2]["findings"], {})
        weak = self.samples + np.sqrt(np.mean(np.abs(self.samples) ** 2) * SPS / 2) * noise[: len(self.samples)]  # 0 dB
        self.assertEqual(self.receive(weak)[2]["findings"], {})
        last, _, figures = self.receive(noise, code=1)
        self.assertEqual(figures["findings"], {})
        self.assertIn("no burst was found", last)

    def test_forged_and_recorded_heads_cost_no_packet(self):
        whole = self.receive(self.samples)[2]["packets"]
        forged = self.send("forged", "seed:2", "--snr", "15", "--frame-bytes", "30000")[:BURST]
        recorded = self.samples[: 2 * BURST]
        for kind, before, counts in (("forged", [forged] * 3, 3), ("recorded", [recorded], 0)):
            _, _, figures = self.receive(np.concatenate([*before, self.samples]))
            self.assertEqual((figures["packets"], figures["packets_lost"], figures["forged"]), (whole, 0, counts), kind)

    def test_another_key_is_asked_for(self):
        last, _, figures = self.receive(self.samples, key="seed:3", code=1)
        self.assertRegex(last, r"\d+ packets failed authentication: is it the right key\?")
        self.assertEqual(figures["forged"], figures["bursts"])
        self.assertGreater(figures["bursts"], 2)


if __name__ == "__main__":
    unittest.main()
