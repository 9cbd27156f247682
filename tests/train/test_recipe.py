# SPDX-License-Identifier: GPL-3.0-or-later
"""gpu_recipe.sh makes models of a folder of images, on the CPU with tiny sizes. Quality is not the point."""
import glob
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import srec_core
from PIL import Image

try:
    import torch  # noqa: F401
except ImportError:
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)

RECIPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "srec_train", "gpu_recipe.sh")
STAGES = ("transform", "latent", "codec", "pairs", "enhancer-x1", "enhancer-x2", "enhancer-layers")
TINY = (
    *("--minutes", "0.2", "--device", "cpu", "--batch", "2", "--side", "64", "--pairs", "8"),
    *("--enhancer", "--base 6 --growth 4 --layers 2 --blocks 2 --image 2 --unet 4 4 4 4 4 --valid-count 2"),
)


def waves(seed):
    y, x = np.mgrid[0:256, 0:272]
    picture = np.stack([127 + 70 * np.sin(x / (9 + 5 * c + seed)) * np.cos(y / (13 - 2 * c)) for c in range(3)], 2)
    return (picture + np.random.default_rng(seed).normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


class Recipe(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name
        os.mkdir(self.at("images"))

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def run_recipe(self, *args, code=0):
        done = subprocess.run(["bash", RECIPE, *args], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_one_command_makes_all_models(self):
        for seed in range(3):
            Image.fromarray(waves(seed)).save(self.at("images", f"an image {seed}.png"))
        done = self.run_recipe(self.at("images"), self.at("out"), *TINY, "--data", "waves")
        names = sorted(os.path.basename(p) for p in glob.glob(self.at("out", "models", "*")))
        kinds = ("codec", "enhancer-layers", "enhancer-x1", "enhancer-x2")
        self.assertEqual(names, [f"{kind}.safetensors" for kind in kinds])
        srec_core.Model(self.at("out", "models", "codec.safetensors").encode())
        found = [line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("== ")]
        self.assertEqual(found, [*STAGES, "complete"])
        self.assertEqual(len(os.listdir(self.at("out", "images", "valid"))), 1)
        again = self.run_recipe(self.at("images"), self.at("out"), *TINY, "--data", "waves")
        self.assertEqual(again.stdout.count("== "), 1, again.stdout)  # nothing is left to do
        os.remove(self.at("out", "stages", "enhancer-x1.done"))  # as if it had been interrupted
        again = self.run_recipe(self.at("images"), self.at("out"), *TINY, "--data", "waves")
        self.assertIn("nothing left to do", again.stdout)

    def test_bad_arguments_get_one_line(self):
        images, out = self.at("images"), self.at("out")
        for args, code, text in (
            ((), 2, "FOLDER and OUT are missing"),
            ((images, out), 2, "--minutes needs a number"),
            ((images, out, "--minutes", "0"), 2, "--minutes needs a number"),
            ((images, out, "--minutes"), 2, "--minutes needs a value"),
            ((images, out, "more", "--minutes", "1"), 2, "too many arguments"),
            ((images, out, "--minutes", "1", "--side", "100"), 2, "multiple of 64"),
            ((images, out, "--minutes", "1", "--pairs", "many"), 2, "whole number"),
            ((images, out, "--speed", "1"), 2, "unknown option --speed"),
            ((images, out, "--minutes", "1"), 1, "holds 0 images"),
            ((self.at("nothing"), out, "--minutes", "1"), 1, "is no folder of images"),
        ):
            done = self.run_recipe(*args, code=code)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(text, done.stderr)
        self.assertIn("--minutes N", self.run_recipe("--help").stdout)


if __name__ == "__main__":
    unittest.main()
