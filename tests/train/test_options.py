# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of srec-train that make no sense, and files that are not replaced: one line each."""
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

if not importlib.util.find_spec("torch"):
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)


class Options(unittest.TestCase):
    def setUp(self):
        keep = tempfile.TemporaryDirectory()
        self.addCleanup(keep.cleanup)
        self.folder = keep.name

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def run_stage(self, *words):
        return subprocess.run([os.environ["SREC_TRAIN"], *words], capture_output=True, text=True)

    def refused(self, says, *words):
        done = self.run_stage(*words)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn(says, done.stderr)

    def test_numbers_outside_their_range_are_refused(self):
        self.refused("--count -3 is not within 1", "cards", "--out", self.at("cards"), "--count", "-3")
        self.refused("--seed -1 is not within 0", "cards", "--out", self.at("cards"), "--seed", "-1")
        pairs = ("pairs", "--coding", "layers", "--pictures", self.folder, "--out", self.at("pairs"))
        for option, value in (("count", "-2"), ("reduced", "nan"), ("reduced", "2"), ("hard", "7"), ("threads", "-1")):
            self.refused(f"--{option} {value}", *pairs, f"--{option}", value)

    def test_cards_replace_only_cards_of_their_seed(self):
        words = ("cards", "--out", self.at("cards"), "--count", "2")
        for _ in range(2):
            done = self.run_stage(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.refused("exists and is no card of this seed", *words, "--seed", "3")
        Image.new("RGB", (8, 8)).save(self.at("cards", "page_0000.png"))
        self.refused("exists and is no card of this seed", *words)

    def test_damaged_notes_of_pairs_are_named(self):
        os.mkdir(self.at("images"))
        Image.new("RGB", (64, 48), "red").save(self.at("images", "a.png"))
        words = (
            "pairs",
            "--coding",
            "layers",
            "--pictures",
            self.at("images"),
            "--out",
            self.at("pairs"),
            "--count",
            "1",
        )
        done = self.run_stage(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.at("pairs", "pairs.csv"), encoding="utf-8") as f:
            good = f.read()
        with open(self.at("pairs", "pairs.csv"), "w", encoding="utf-8") as f:
            f.write(good.replace("\n0,", "\nzero,"))
        self.refused("a line is damaged: number 'zero'", *words)
        with open(self.at("pairs", "pairs.json"), "w", encoding="utf-8") as f:
            f.write("{")
        self.refused("pairs.json is damaged", *words)


if __name__ == "__main__":
    unittest.main()
