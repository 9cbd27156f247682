# SPDX-License-Identifier: GPL-3.0-or-later
"""`srec plan`, and `--plan` of simulate and send: text, JSON, the PSNR that comes of it, bad input."""
import argparse
import importlib
import json
import os
import re
import shlex
import subprocess
import tempfile
import unittest

import numpy as np
from PIL import Image

from gnuradio.srec.commands import Failure, Usage
from gnuradio.srec.commands.plan_option import CHOSEN

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SREC = os.environ["SREC_COMMAND"]
DEMO = os.path.join(ROOT, "examples", "raccoon.webp")
TOLERANCE_DB = 0.7
CHOSEN_VALUES = {
    "coding": "layers",
    "modulation": "qpsk",
    "layers": "4",
    "shares": "1",
    "eta": "0.1",
    "scale": "2",
}


def srec(*args):
    return subprocess.run([SREC, *args], capture_output=True, text=True, timeout=300)


class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.folder = cls.temp.name
        cls.noise = os.path.join(cls.folder, "noise.png")
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)).save(cls.noise)

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    def good(self, *args):
        done = srec(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, code, word, command, *args):
        """Run a command in this process: most of the time of a program of its own would be its start."""
        module = importlib.import_module("gnuradio.srec.commands." + command)
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        with self.assertRaisesRegex({1: Failure, 2: Usage}[code], word, msg=args) as caught:
            module.run(parser.parse_args(args))
        self.assertNotIn("\n", str(caught.exception))

    def test_a_program_ends_with_one_line_and_the_exit_code(self):
        for code, snr in ((2, "4,0"), (1, "-15")):
            done = srec("plan", "--snr", snr)
            self.assertEqual((done.returncode, done.stdout), (code, ""))
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_the_command_that_a_plan_prints_gives_the_psnr_that_it_promises(self):
        text = self.good("plan", "--image", DEMO, "--snr", "4", "--cbr", "0.05", "--bare").stdout
        self.assertRegex(text, r"(?m)^best: coded layers, qpsk, .*PSNR [\d.]+ dB; \d+ symbols, [\d.]+ s$")
        self.assertEqual(len(re.findall("(?m)^next: ", text)), 2)
        self.assertRegex(text, r"layer for 4 dB: code rate 0\.\d+, threshold 3\.\d+ dB, margin 0\.\d+ dB")
        self.assertRegex(text, r"layers are [\d.]+ dB better than the best features")
        (line,) = re.findall(r"(?m)^ +srec (simulate .*)$", text)
        words = shlex.split(line.replace("--out DIR", "--out " + self.folder))
        figures = json.loads(self.good(*words, "--no-sr", "--json", "-").stdout)
        promised = float(re.search(r"best: .*PSNR ([\d.]+) dB", text)[1])
        self.assertAlmostEqual(figures["psnr_db"], promised, delta=TOLERANCE_DB)
        self.assertLessEqual(figures["cbr"], 0.05)

    def test_features_are_planned_where_layers_do_not_reach(self):
        text = self.good("plan", "--snr=-5", "--cbr", "0.4").stdout
        self.assertRegex(text, r"(?m)^best: features, bpsk, eta [\d.]+, .*PSNR [\d.]+ dB; \d+ symbols, [\d.]+ s$")
        self.assertRegex(text, r"(?m)^ +srec send .*--coding features --modulation bpsk --eta [\d.]+")
        self.assertIn("layers do not reach these SNRs", text)

    def test_simulate_with_a_plan_gives_each_receiver_what_the_plan_says(self):
        request = ("--cbr", "0.08")
        plan = json.loads(self.good("plan", "--image", DEMO, "--snr", "-2,6", *request, "--bare", "--json", "-").stdout)
        best = plan["choices"][0]
        self.assertEqual(plan["snr_db"], [-2, 6])
        self.assertEqual(len(best["psnr_db"]), 2)
        for snr, psnr in zip(plan["snr_db"], best["psnr_db"]):
            done = self.good(
                *("simulate", "--image", DEMO, "--out", self.folder, "--plan", "-2,6", *request),
                *(f"--snr={snr}", "--no-sr", "--json", "-"),
            )
            self.assertIn("srec simulate: plan: coded layers", done.stderr)
            figures = json.loads(done.stdout)
            self.assertEqual(figures["modulation"], best["modulation"])
            self.assertAlmostEqual(figures["psnr_db"], psnr, delta=TOLERANCE_DB)

    def test_simulate_with_a_plan_takes_its_first_snr(self):
        words = ("simulate", "--image", DEMO, "--out", self.folder, "--plan", "-2,6", "--cbr", "0.03", "--no-sr")
        self.assertEqual(json.loads(self.good(*words, "--json", "-").stdout)["snr_db"], -2)
        text = self.good("plan", "--snr", "-2,6", "--cbr", "0.05", "--bare").stdout
        self.assertRegex(text, r"(?m)^ +srec simulate .* --snr=-2 ")

    def test_a_file_that_is_no_plan_is_not_replaced(self):
        path = os.path.join(self.folder, "package.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write('{"name": "mine", "snr_db": [4]}')
        self.refused(1, "package.json: exists and does not hold figures", "plan", "--snr", "4", "--json", path)
        self.good("plan", "--snr", "4", "--json", path, "--overwrite")
        self.good("plan", "--snr", "5", "--json", path)  # it holds a plan now

    def test_a_receiver_without_an_image_is_named(self):
        image = os.path.join(self.folder, "small.png")
        Image.open(DEMO).resize((192, 128)).save(image)
        request = ("--plan=-1,12,18", "--cbr", "0.3")
        done = self.good("simulate", "--image", image, "--out", self.folder, *request, "--snr", "12", "--no-sr")
        self.assertIn("srec simulate: plan: no image at -1 dB with this choice", done.stderr)

    def test_a_budget_of_symbols_is_for_images_of_one_size(self):
        folder = os.path.join(self.folder, "album")
        os.mkdir(folder)
        for name, size in (("a.png", (64, 48)), ("b.png", (96, 64))):
            Image.new("RGB", size).save(os.path.join(folder, name))
        words = ("--image", folder, "--key", "seed:1", "--device", "sim", "--plan", "4")
        self.refused(2, "differ in size, from 3072 to 6144 pixels", "send", *words, "--symbols", "9000")

    def test_small_images_take_the_head_of_a_packet(self):
        self.refused(1, "allow more symbols", "plan", "--snr", "4", "--size", "1x1", "--cbr", "0.2")
        self.refused(2, "margin -1 is not within 0 .. 30", "plan", "--snr", "4", "--margin=-1")

    def test_the_json_has_the_documented_keys_and_the_choices_descend(self):
        path = os.path.join(self.folder, "plan.json")
        self.good("plan", "--snr", "10", "--seconds", "0.5", "--rate", "2e6", "--size", "640x480", "--json", path)
        with open(path, encoding="utf-8") as f:
            plan = json.load(f)
        with open(os.path.join(ROOT, "docs", "command-line.md"), encoding="utf-8") as f:
            section = f.read().split("## srec plan", 1)[1].split("Keys of the JSON", 1)[1].split("## srec", 1)[0]
        keys = set(plan) | set(plan["choices"][0])
        self.assertEqual(set(re.findall(r"`(\w+)`", section)) - {"send"}, keys)
        self.assertEqual((plan["width"], plan["height"], plan["symbol_rate"]), (640, 480, 5e5))
        self.assertAlmostEqual(plan["n_symbols"], 0.5 * 5e5, delta=1)
        values = [choice["expected_psnr_db"] for choice in plan["choices"]]
        self.assertEqual(values, sorted(values, reverse=True))
        self.assertEqual({choice["coding"] for choice in plan["choices"]}, {"features", "layers"})

    def test_send_keeps_to_the_airtime(self):
        path = os.path.join(self.folder, "send.json")
        done = self.good(
            *("send", "--image", DEMO, "--key", "seed:1", "--device", "sim", "--snr", "5", "--plan", "4"),
            *("--seconds", "0.2", "--json", path),
        )
        self.assertIn("1 of 1 images", done.stdout)
        with open(path, encoding="utf-8") as f:
            figures = json.load(f)
        self.assertEqual((figures["coding"], figures["modulation"]), ("layers", "qpsk"))
        seconds = figures["samples"] / figures["rate"]
        self.assertLessEqual(seconds, 0.2 + 0.01)  # guards and filter tails of the bursts
        self.assertGreater(seconds, 0.17)

    def test_the_options_that_a_plan_chooses_are_refused(self):
        self.assertEqual(set(CHOSEN_VALUES), set(CHOSEN))
        simulate = ("simulate", "--image", self.noise, "--out", self.folder)
        send = ("send", "--image", self.noise, "--key", "seed:1", "--device", "sim")
        for name, value in CHOSEN_VALUES.items():
            self.refused(
                2, f"--{name} does not go with --plan, which chooses it", *simulate, "--plan", "4", f"--{name}", value
            )
        self.refused(2, "--modulation does not go with --plan", *send, "--plan", "4", "--modulation", "bpsk")
        self.refused(2, "--symbols is for --plan", *simulate, "--symbols", "1000")
        self.refused(2, "--seconds is for --plan", *send, "--seconds", "1")
        self.refused(2, "both budgets", *simulate, "--plan", "4", "--symbols", "1e5", "--cbr", "0.1")
        self.refused(2, "--hard does not go with --plan", *simulate, "--plan", "4", "--hard")
        self.refused(2, "--loss is for --plan", *send, "--loss", "0.1")
        self.refused(2, "--loss 0.6 is not within 0 .. 0.5", *simulate, "--plan", "4", "--loss", "0.6")
        self.refused(
            2, "--frame-symbols 999 is not within 1000 .. 1000000", *send, "--plan", "4", "--frame-symbols", "999"
        )
        self.refused(2, "rayleigh", *simulate, "--plan", "4", "--channel", "rayleigh")
        self.refused(2, "4 dB before 0 dB", *simulate, "--plan", "4,0")

    def test_bad_input_gets_a_line(self):
        table = os.path.join(self.folder, "table.json")
        with open(table, "w", encoding="utf-8") as f:
            json.dump({"format": "srec plan table", "version": 2}, f)
        for code, word, args in (
            (2, "4 dB before 4 dB", ("--snr", "4,4")),
            (2, "nan", ("--snr", "nan")),
            (2, "9 SNRs", ("--snr", "1,2,3,4,5,6,7,8,9")),
            (2, "--size 7: needs WIDTHxHEIGHT", ("--snr", "4", "--size", "7")),
            (2, "--size 0x5", ("--snr", "4", "--size", "0x5")),
            (2, "--image or --size", ("--snr", "4", "--size", "8x8", "--image", self.noise)),
            (2, "--cbr and --seconds", ("--snr", "4", "--cbr", "0.1", "--seconds", "1")),
            (2, "--symbols -3", ("--snr", "4", "--symbols=-3")),
            (2, "--seconds nan", ("--snr", "4", "--seconds", "nan")),
            (2, "--sps 1 ", ("--snr", "4", "--sps", "1")),
            (2, "margin 99", ("--snr", "4", "--margin", "99")),
            (1, r"below the least for these SNRs, about 0\.0", ("--snr", "4", "--symbols", "100")),
            (1, "nothing arrives at -15 dB", ("--snr=-15",)),
            (1, r"none\.json: No such file.*srec sweep --plan", ("--snr", "4", "--table", "none.json")),
            (1, r"version 2; this release reads version 1.*sweep --plan", ("--snr", "4", "--table", table)),
            (1, "not a plan table|not JSON|not text", ("--snr", "4", "--table", DEMO)),
            (1, r"none\.png", ("--snr", "4", "--image", "none.png")),
        ):
            self.refused(code, word, "plan", *args)
        self.refused(2, "--config is missing", "sweep", "--images", self.folder, "--out", self.folder)
        sweep = ("sweep", "--plan", "--images", self.folder, "--out")
        self.refused(2, "with --plan it names the file of the table", *sweep, self.folder)
        self.refused(2, "--plan does not go with --grid", *sweep, table, "--grid")


if __name__ == "__main__":
    unittest.main()
