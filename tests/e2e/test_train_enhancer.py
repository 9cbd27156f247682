# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the enhancer: the C core does what PyTorch does with a whole image, pairs go on where they ended, a run
ends in a model."""
import csv
import filecmp
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import pmt
from gnuradio import srec
from PIL import Image

try:
    import torch
except ImportError:
    torch = None

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "srec"))
from qa_common import BlockCase, data_of, meta_of, pdu  # noqa: E402

TINY = {"base": 6, "growth": 4, "layers": 2, "blocks": 2, "unet": [4, 4, 4, 4, 4], "image": 2}
PROPORTIONAL = {**TINY, "unet": [4, 4, 4], "proportional": 1}
OPTIONS = [f"--{k}={v}" for k, v in TINY.items() if k != "unet"] + ["--unet", *map(str, TINY["unet"])]


def waves(height, width, seed=0):
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(seed)
    picture = np.stack([127 + 70 * np.sin(x / (9 + 5 * c + seed)) * np.cos(y / (13 - 2 * c)) for c in range(3)], 2)
    return (picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


@unittest.skipIf(torch is None, "PyTorch (python3-torch) is not installed")
class Enhancer(BlockCase):
    def setUp(self):
        super().setUp()
        self.temp = tempfile.TemporaryDirectory()

    def tearDown(self):
        super().tearDown()
        self.temp.cleanup()

    def path(self, *names):
        return os.path.join(self.temp.name, *names)

    def train(self, *args, code=0):
        threads = [] if args[0] == "cards" else ["--threads", "1"]
        done = subprocess.run(
            [sys.executable, "-m", "srec_train", *args, *threads], capture_output=True, text=True, timeout=600
        )
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout + done.stderr

    def test_the_core_does_what_pytorch_does_with_a_whole_picture(self):
        from srec_train import enhancer, super_resolution

        rng = np.random.default_rng(3)
        for scale, sizes in ((1, TINY), (2, TINY), (1, PROPORTIONAL)):
            torch.manual_seed(scale)
            net = super_resolution.Enhancer(scale, **sizes).half().float()  # the file holds half precision
            torch.nn.init.normal_(net.last.weight, std=0.0625)
            net.last.weight.data = net.last.weight.data.half().float()
            super_resolution.save(net, self.path("model"))
            for height, width in ((70, 100), (1, 1), (64, 33)):
                picture, rows, cols = waves(height, width), (height + 63) // 64 * 4, (width + 63) // 64 * 4
                d = rng.uniform(0, 1, (rows, cols)).astype(np.float32)
                d[0, ::3], d[0, 1::3] = -1, 1
                known = d >= 0
                planes = np.stack([np.where(known, d, 0), ~known], 2).astype(np.float32)
                with torch.no_grad():
                    expected, _ = enhancer.whole(net, picture, planes, fast=False)
                expected = (expected[0].permute(1, 2, 0).numpy() * 255).round()
                msg = pdu({"width": width, "height": height, "channels": 3, "picture": 0}, picture)
                msg = pmt.cons(
                    pmt.dict_add(pmt.car(msg), pmt.intern("deviation"), pmt.init_f32vector(d.size, d.ravel().tolist())),
                    pmt.cdr(msg),
                )
                (out,), _ = self.through(srec.sr_enhancer(self.path("model"), scale, threads=1), [msg], "pdus", "pdus")
                m = meta_of(out)
                got = data_of(out).reshape(m["height"], m["width"], 3)
                self.assertLessEqual(np.abs(got - expected).max(), 1, f"scale {scale}, {width}x{height}, {sizes}")

    def test_a_proportional_network_starts_from_either_kind(self):
        from srec_train import super_resolution

        torch.manual_seed(5)
        plain = super_resolution.Enhancer(1, **{**PROPORTIONAL, "proportional": 0})
        torch.nn.init.normal_(plain.last.weight, std=0.0625)
        super_resolution.save(plain, self.path("plain"))
        first = super_resolution.Enhancer(1, **PROPORTIONAL)
        super_resolution.start_from(first, self.path("plain"))
        super_resolution.save(first, self.path("proportional"))
        second = super_resolution.Enhancer(1, **PROPORTIONAL)
        super_resolution.start_from(second, self.path("proportional"))
        self.assertRaises(ValueError, super_resolution.start_from, plain, self.path("proportional"))
        image = torch.rand(1, 3, 16, 16)
        for deviation, share in ((super_resolution.TYPICAL_DEVIATION, 1.0), (0.0, 0.0)):
            planes = torch.zeros(1, 2, 16, 16)
            planes[:, 0] = deviation
            with torch.no_grad():
                expected = image + share * (plain(image, planes) - image)
                for net in (first, second):
                    self.assertLess((net(image, planes) - expected).abs().max(), 2e-3)

    def test_pairs_go_on_where_they_ended_and_a_run_ends_in_a_model(self):
        os.mkdir(self.path("pictures"))
        for seed in range(3):
            Image.fromarray(waves(96 + 32 * seed, 130, seed)).save(self.path("pictures", f"{seed}.png"))
        for scale in (1, 2):
            common = ("--pictures", self.path("pictures"), "--model", os.environ["SREC_MODEL"], "--scale", str(scale))
            once, twice, grid = (self.path(f"{name}{scale}") for name in ("once", "twice", "grid"))
            self.train("pairs", *common, "--out", once, "--count", "5")
            self.train("pairs", *common, "--out", twice, "--count", "2")
            self.train("pairs", *common, "--out", twice, "--count", "5")
            for name in ("pairs.csv", "pairs.u8"):
                self.assertTrue(filecmp.cmp(os.path.join(once, name), os.path.join(twice, name), shallow=False), name)
            self.assertIn("another", self.train("pairs", *common, "--out", once, "--count", "5", "--seed", "2", code=1))
            self.train("pairs", *common, "--out", grid, "--count", "1", "--grid")
            paper = self.path(f"paper{scale}")
            self.train("pairs", *common, "--out", paper, "--count", "5", "--profile", "paper")
            with open(os.path.join(paper, "pairs.csv"), newline="") as f:
                for row in csv.DictReader(f):
                    self.assertIn(row["modulation"], ("bpsk", "qpsk", "16qam"))
                    self.assertEqual((row["hard"], row["cipher"], float(row["loss"])), ("1", "add", 0), row)
            run = (
                "enhancer",
                "--train",
                once,
                "--valid",
                grid,
                "--out",
                self.path(f"run{scale}"),
                "--steps",
                "3",
                "--batch",
                "2",
                "--side",
                "64",
                *OPTIONS,
            )
            self.assertIn("VALIDATION", self.train(*run))
            model = self.path(f"model{scale}.safetensors")
            self.train(*run, "--export", model, "--name", "test")
            info = srec.enhancer_info(model)
            self.assertEqual((info["scale"], info["metadata"]["name"]), (scale, "test"))
            self.assertIn("3 steps", info["metadata"]["training"])

    def test_a_run_for_layers_starts_from_a_model_and_ends_in_one_for_layers(self):
        self.train("cards", "--out", self.path("cards"), "--count", "5", "--seed", "2")
        self.train("cards", "--out", self.path("again"), "--count", "5", "--seed", "2")
        names = sorted(os.listdir(self.path("cards")))
        self.assertEqual(len(names), 5)
        self.assertEqual(filecmp.cmpfiles(self.path("cards"), self.path("again"), names, False)[0], names)
        common = ("pairs", "--coding", "layers", "--pictures", self.path("cards"))
        self.train(*common, "--out", self.path("pairs"), "--count", "1")
        self.train(*common, "--out", self.path("pairs"), "--count", "2")
        self.train(*common, "--out", self.path("grid"), "--count", "1", "--grid")
        with open(self.path("grid", "pairs.csv"), newline="") as f:
            rates = [float(row["bits_per_pixel"]) for row in csv.DictReader(f)]
        self.assertEqual(rates, sorted(rates))
        self.assert_errors_are_of_whole_images(self.path("grid"))
        run = ("enhancer", "--train", self.path("pairs"), "--valid", self.path("grid"), "--out", self.path("run"))
        run += ("--steps", "1", "--batch", "1", "--side", "64", "--loss", "image", *OPTIONS)
        self.train(*run)
        model, grown = self.path("layers.safetensors"), self.path("grown")
        self.train(*run, "--export", model)
        self.assertEqual(srec.enhancer_info(model)["coding"], "layers")
        self.assertIn("layers_0.25", srec.enhancer_info(model)["metadata"]["validation"])
        again = [grown if word == self.path("run") else word for word in run]
        self.train(*again, "--start", model)
        said = self.train(*again[:-1], "8", "--start", model, code=1)
        self.assertIn("a model of these sizes is needed", said)

    def assert_errors_are_of_whole_images(self, folder):
        """Check what --loss image divides by."""
        from srec_train.enhancer import Crops
        from srec_train.pairs import Pairs

        pairs = Pairs(folder)
        crops = Crops(pairs, 64, 0)
        psnr = [-10 * np.log10(crops.error(i)) for i in range(len(pairs))]
        np.testing.assert_allclose(psnr, [min(row["psnr"], 60) for row in pairs.rows], atol=2e-3)
        _, _, _, errors = crops(0, 3)
        self.assertTrue(set(errors) <= {np.float32(crops.error(i)) for i in range(len(pairs))})

    def test_what_is_missing_is_one_line(self):
        said = self.train(
            "enhancer",
            "--train",
            self.path("none"),
            "--valid",
            self.path("none"),
            "--out",
            self.path("run"),
            "--steps",
            "1",
            code=1,
        )
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertIn("make pairs first", said)


if __name__ == "__main__":
    unittest.main()
