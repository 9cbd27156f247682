# SPDX-License-Identifier: GPL-3.0-or-later
"""srec-train from images to a model file that the C core runs. A few steps on small images: quality is not the
point."""
import argparse
import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
import zipfile
from unittest import mock

import numpy as np
from PIL import Image

try:
    import torch
except ImportError:
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
AVERAGE = """
import os
import sys
import torch
from srec_train import launcher, trainer
if "RANK" not in os.environ:
    sys.exit(launcher.launch(2))
workers = trainer.Workers()
a, b = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2, 2))
a.grad, b.grad = torch.full((3,), 1.0 + workers.rank), torch.arange(4.0).reshape(2, 2) * (1 + 2 * workers.rank)
workers.average([a, b])
assert workers.count == 2 and torch.equal(a.grad, torch.full((3,), 1.5)) and torch.equal(b.grad,
torch.arange(4.0).reshape(2, 2) * 2)
"""


class Train(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.folder = cls.temp.name
        random = np.random.default_rng(1)
        for name in ("a", "b", "c"):  # smooth waves and an edge
            y, x = np.mgrid[0:256, 0:320] / 40
            waves = sum(
                np.sin(random.normal(0, 1) * x + random.normal(0, 1) * y + random.uniform(0, 6)) for _ in range(6)
            )
            picture = 128 + 15 * waves + 40 * (x > random.uniform(2, 6))
            colour = random.uniform(0.6, 1, 3)
            os.makedirs(os.path.join(cls.folder, "pictures"), exist_ok=True)
            Image.fromarray((picture[..., None] * colour).clip(0, 255).astype(np.uint8)).save(
                os.path.join(cls.folder, "pictures", name + ".png")
            )

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def train(self, stage, run, *args, code=0):
        command = [
            sys.executable,
            "-B",
            os.environ["SREC_TRAIN"],
            stage,
            "--out",
            self.at(run),
            "--train",
            self.at("pictures"),
            "--valid",
            self.at("pictures"),
            "--valid-count",
            "1",
            "--side",
            "64",
            "--batch",
            "2",
            "--every",
            "1",
            "--cache",
            self.at("cache"),
            *args,
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_1_a_resumed_run_equals_an_uninterrupted_one(self):
        self.train("transform", "whole", "--steps", "6", "--validate", "6")
        self.train("transform", "parts", "--steps", "6", "--stop-at", "3", "--validate", "6")
        done = self.train("transform", "parts", "--steps", "6", "--validate", "6")
        self.assertIn("resuming at step 3 of 6", done.stdout)
        whole, parts = (torch.load(self.at(run, "checkpoint.pt")) for run in ("whole", "parts"))
        for name, value in whole["average"].items():
            self.assertLess((value - parts["average"][name]).abs().max().item(), 1e-5, name)
        with open(self.at("parts", "train.csv")) as f:
            self.assertEqual([int(float(row["step"])) for row in csv.DictReader(f)], [1, 2, 3, 4, 5, 6])

    def test_2_what_was_trained_runs_in_the_core_as_in_pytorch(self):
        self.train(
            "link", "latent", "--start", self.at("whole"), "--domain", "latent", "--steps", "4", "--validate", "4"
        )
        self.train(
            "link", "picture", "--start", self.at("latent"), "--domain", "picture", "--steps", "2", "--validate", "2"
        )
        model = self.at("model.safetensors")
        done = subprocess.run(
            [sys.executable, "-B", os.environ["SREC_TRAIN"], "export", self.at("picture"), model, "--data", "waves"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        from srec_train import pictures, trainer
        from srec_train.networks import Codec, Sizes, Way, psnr

        state, saved = trainer.load(self.at("picture"), "link")
        net = Codec(Sizes(**saved["state"]["sizes"]))
        net.load_state_dict(state)
        net.eval()
        x = pictures.tensor(pictures.load(self.at("pictures", "a.png")))
        for modulation, snr in (("qpsk", 20), ("pam256", 35)):
            with torch.no_grad():
                u = net.ga(x - 0.5)
                by = net.entropy(u, noise=False)[0]
                y = net.gs(net.link(u, by, net.rate_map(by, 0.2), Way(modulation, torch.tensor([float(snr)]), 1))) + 0.5
            file = self.at("result.json")
            done = subprocess.run(
                [
                    os.environ["SREC_COMMAND"],
                    "simulate",
                    "--no-sr",
                    "--precision",
                    "f32",
                    "--image",
                    self.at("pictures", "a.png"),
                    "--out",
                    self.at("o"),
                    "--modulation",
                    modulation,
                    "--snr",
                    str(snr),
                    "--model",
                    model,
                    "--json",
                    file,
                ],
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(file) as f:
                core = json.load(f)["psnr_db"]
            quantised = (y.clamp(0, 1) * 255).round() / 255
            print(f"{modulation} {snr} dB: core {core:.3f} dB, PyTorch {psnr(quantised, x):.3f} dB")
            self.assertAlmostEqual(core, psnr(quantised, x), delta=0.1)
            net.recall({f: {**m, "tables": m["tables"].clone()} for f, m in net.memory().items()})
            net.core_channel, net.links = False, {}
            with torch.no_grad():
                y = net.gs(net.link(u, by, net.rate_map(by, 0.2), Way(modulation, torch.tensor([float(snr)]), 1))) + 0.5
            quantised = (y.clamp(0, 1) * 255).round() / 255
            self.assertAlmostEqual(core, psnr(quantised, x), delta=0.3, msg="the link in PyTorch")
            net.core_channel, net.links = True, {}

    def test_3_training_goes_on_from_a_model_file(self):
        from srec_train import export, safetensors

        model = self.at("model.safetensors")
        tensors, _ = safetensors.load(model)
        net = export.load(model)
        again = export.tensors_of(net)
        export.graphs_of(net, again)
        self.assertEqual(sorted(tensors), sorted(again))
        for name, value in tensors.items():
            if not name.endswith("tables"):  # a shape is mixed in
                np.testing.assert_allclose(
                    value.astype(float),
                    again[name].astype(float),
                    atol=2e-3 * max(1e-3, np.abs(value).max()),
                    err_msg=name,
                )
        self.assertIn("prior.bits.covariance.3", tensors)
        self.train(
            "link", "anew", "--start", model, "--new-coder", "--domain", "latent", "--steps", "2", "--validate", "2"
        )
        self.train("link", "more", "--start", model, "--domain", "picture", "--steps", "2", "--validate", "2")
        with open(self.at("more", "validate.csv")) as f, open(self.at("picture", "validate.csv")) as g:
            for (name, value), before in zip(list(csv.DictReader(f))[-1].items(), list(csv.DictReader(g))[-1].values()):
                self.assertAlmostEqual(
                    float(value), float(before), delta=3, msg=name
                )  # each session puts the noise on other features

    def test_4_processes_average_their_gradients(self):
        script = self.at("average.py")
        with open(script, "w") as f:
            f.write(AVERAGE)
        done = subprocess.run([sys.executable, "-B", script], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.train("transform", "two", "--steps", "2", "--validate", "2", "--processes", "2")
        with open(self.at("two", "train.csv")) as f:
            self.assertEqual([int(float(row["step"])) for row in csv.DictReader(f)], [1, 2])

    def test_5_the_command_runs_by_its_name(self):
        done = subprocess.run([os.environ["SREC_TRAIN"], "--help"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("transform", done.stdout)

    def test_5_each_option_has_a_help_text_and_shows_its_default(self):
        from srec_train.__main__ import parser

        stages = next(action for action in parser()._actions if action.dest == "stage").choices
        self.assertEqual(sorted(stages), ["average", "cards", "enhancer", "export", "link", "pairs", "transform"])
        for stage, sub in stages.items():
            shown = "".join(sub.format_help().split())  # lines break anywhere
            for action in sub._actions:
                self.assertTrue(action.help, f"{stage}: {action.dest} has no help text")
                if action.option_strings and action.default not in (None, False, "", argparse.SUPPRESS):
                    self.assertIn(f"(default: {action.default})".replace(" ", ""), shown, f"{stage} {action.dest}")
        shown = "".join(stages["enhancer"].format_help().split())
        self.assertIn("dividedby--processes(default:0)", shown)

    def test_5_the_options_of_the_documentation_are_those_of_the_command(self):
        from srec_train.__main__ import parser

        with open(os.path.join(ROOT, "docs", "training.md")) as f:
            rows = re.findall(r"(?m)^\| `(--[\w-]+)` \| ([^|]*) \| ([^|]*) \|", f.read())
        self.assertGreater(len(rows), 30)
        stages = next(action for action in parser()._actions if action.dest == "stage").choices
        documented = {(stage, option): default for option, names, default in rows for stage in names.split(", ")}
        present = {}
        for stage, sub in stages.items():
            for action in sub._actions:
                if action.option_strings and action.dest != "help":
                    none = action.required or action.default in (None, "") or action.default is False
                    value = " ".join(map(str, action.default)) if isinstance(action.default, list) else action.default
                    present[stage, action.option_strings[0]] = (
                        "required" if action.required else "" if none else str(value)
                    )
        self.assertEqual(documented, present)

    def test_5_idle_threads_wait_passively_unless_the_user_says_otherwise(self):
        for given, used in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
            env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | {"OMP_DISPLAY_ENV": "TRUE"}
            if given:
                env["OMP_WAIT_POLICY"] = given
            done = subprocess.run([os.environ["SREC_TRAIN"], "--help"], capture_output=True, text=True, env=env)
            self.assertIn(f"OMP_WAIT_POLICY = '{used}'", done.stderr)  # as libgomp has read it

    def assert_one_line(self, done, *words):
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def written(self, name, data):
        with open(self.at(name), "wb") as f:
            f.write(data)
        return self.at(name)

    def test_6_bad_input_gets_one_line(self):
        code = ("cposix\nsystem\n(S'touch " + self.at("executed") + "'\ntR.").encode()  # what a hostile pickle does
        torch.save({"weights": torch.zeros(3)}, self.at("other.pt"))
        starts = {
            self.at("nothing"): "is no checkpoint of a training run .No such file",
            self.at("pictures", "a.png"): "is no codec",
            self.at("other.pt"): "is no checkpoint",
            self.at("pictures"): "is no checkpoint",
            self.written("empty", b""): "is no codec",
            self.written("text.safetensors", b"I am a text file, and a long one"): "is no codec",
            self.written("code.pt", code): "is no codec",
            os.path.join(ROOT, "tests", "golden", "enhancer-x1.safetensors"): "is no codec",
        }
        with zipfile.ZipFile(self.at("code.zip"), "w") as z:
            z.writestr("archive/data.pkl", code)
            z.writestr("archive/version", "3\n")
        starts[self.at("code.zip")] = "is no checkpoint"
        with zipfile.ZipFile(self.at("twice.zip"), "w") as z, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of zipfile, about the second entry of a name
            z.writestr("archive/data.pkl", code)
            z.writestr("archive/version", "3\n")
            z.writestr("archive/data.pkl", b"N.")
        starts[self.at("twice.zip")] = "is no checkpoint"
        with open(self.at("whole", "checkpoint.pt"), "rb") as f:
            starts[self.written("cut.pt", f.read()[:100000])] = "is no codec"
        from srec_train import feature_coder

        for start, text in starts.items():
            with self.subTest(start=start), self.assertRaises(SystemExit) as end:
                feature_coder.start_of(start)
            self.assertRegex(str(end.exception), f"^srec-train: {re.escape(start)}.*{text}[^\n]*$")
        self.assertFalse(os.path.exists(self.at("executed")))
        done = self.train("link", "bad", "--start", start, "--domain", "latent", "--steps", "1", code=1)
        self.assert_one_line(done, str(end.exception))
        self.assert_one_line(self.train("transform", "pictures/a.png", "--steps", "1", code=1), "a.png: ")
        none = subprocess.run(
            [
                sys.executable,
                os.environ["SREC_TRAIN"],
                "transform",
                "--out",
                self.at("bad"),
                "--steps",
                "1",
                "--train",
                self.at("none"),
                "--valid",
                "x",
            ],
            capture_output=True,
            text=True,
        )
        self.assert_one_line(none, self.at("none"))

    def test_7_a_folder_with_another_run_is_refused(self):
        link = ("--start", self.at("whole"), "--steps", "4")
        done = self.train("link", "whole", *link, "--domain", "latent", code=1)
        self.assert_one_line(done, self.at("whole"), "of stage transform", "is stage link", "name another --out")
        done = self.train("link", "latent", *link, "--domain", "picture", code=1)
        self.assert_one_line(done, self.at("latent"), "of domain latent", "is domain picture", "name another --out")
        done = self.train("transform", "latent", "--steps", "6", code=1)
        self.assert_one_line(done, self.at("latent"), "of stage link", "is stage transform", "name another --out")
        export = [sys.executable, "-B", os.environ["SREC_TRAIN"], "export", self.at("whole"), self.at("no.safetensors")]
        done = subprocess.run(export, capture_output=True, text=True)
        self.assert_one_line(done, self.at("whole"), "is of stage transform; stage link is needed")
        self.assertFalse(os.path.exists(self.at("no.safetensors")))

    def test_8_a_broken_picture_is_passed_over_with_a_warning(self):
        os.mkdir(self.at("some"))
        for name in ("a", "b"):
            shutil.copy(self.at("pictures", name + ".png"), self.at("some"))
        with open(self.at("pictures", "c.png"), "rb") as f:
            content = f.read()
        os.rename(self.at("some", "b.png"), os.fsencode(self.at("some")) + b"/b\xe9.png")  # a name that is not UTF-8
        Image.fromarray(np.full((300, 300), 40000, np.uint16)).save(self.at("some", "deep.png"))
        eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n"  # which Pillow would hand to Ghostscript
        for name, data in (("cut.png", content[:2000]), ("empty.jpg", b""), ("eps.png", eps)):
            self.written(os.path.join("some", name), data)
        broken = ("cut.png", "empty.jpg", "eps.png", "deep.png")

        def assert_warned(done):
            named = [os.path.basename(line.split(": ")[2]) for line in done.stderr.splitlines()]
            self.assertEqual(sorted(named), sorted(broken), done.stderr)
            self.assertEqual(done.stderr.count("; skipped\n"), len(broken), done.stderr)

        some = ("--train", self.at("some"), "--steps", "1", "--validate", "1")
        assert_warned(self.train("transform", "some1", *some))
        assert_warned(self.train("link", "some2", *some, "--start", self.at("whole"), "--domain", "latent"))
        pairs = [
            sys.executable,
            "-B",
            os.environ["SREC_TRAIN"],
            "pairs",
            "--pictures",
            self.at("some"),
            "--model",
            os.environ["SREC_MODEL"],
            "--out",
            self.at("pairs"),
            "--count",
            "4",
            "--grid",
        ]
        done = subprocess.run(pairs, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        assert_warned(done)
        for name in (b"a.png", b"b\xe9.png"):
            os.remove(os.path.join(os.fsencode(self.at("some")), name))
        done = self.train("transform", "some3", *some, code=1)
        self.assertIn(f"none of 4 images in {self.at('some')} can be read", done.stderr.splitlines()[-1])
        self.assertNotIn("Traceback", done.stderr)

    def test_9_minutes_limit_a_training_and_its_learning_rate(self):
        from srec_train import trainer

        parser, clock, net = argparse.ArgumentParser(), [1000.0], torch.nn.Linear(1, 1)
        trainer.add_arguments(parser)
        timed = ["--out", self.at("timed"), "--minutes", "0.16", "--rate", "1", "--threads", "1", "--device", "cpu"]

        def loss_of(step, workers):
            clock[0] += 1.0  # a step takes one second
            return net(torch.ones(1, 1)).square().sum(), {}

        with mock.patch.object(trainer.time, "time", lambda: clock[0]):
            for more, steps in ((["--stop-at", "4"], 4), ([], 10), ([], 10)):  # 9.6 s
                groups = [{"params": list(net.parameters())}]
                trainer.run(
                    parser.parse_args(timed + more), net, groups, loss_of, lambda: {"x": 1.0}, {"stage": "timed"}
                )
                saved = trainer.read_checkpoint(self.at("timed", "checkpoint.pt"))
                self.assertEqual(saved["step"], steps)
                clock[0] += 1000.0  # interruptions do not count
        done = 9 / 9.6  # at the begin of the last step
        rate = 10 / 200 * 0.5 * (1 + math.cos(math.pi * (done - 0.5) / 0.5))
        self.assertAlmostEqual(saved["optimiser"]["param_groups"][0]["lr"], rate, places=6)

    def test_9_a_training_needs_one_length_and_a_device_that_exists(self):
        for length in ((), ("--steps", "1", "--minutes", "1")):
            self.assert_one_line(self.train("transform", "bad", *length, code=1), "--steps or --minutes")
        self.assert_one_line(self.train("transform", "bad", "--minutes", "-1", code=1), "--minutes -1: must be above 0")
        if torch.cuda.is_available():
            self.skipTest("this machine has a GPU")
        for more in ((), ("--processes", "2")):
            done = self.train("transform", "bad", "--steps", "1", "--device", "cuda", *more, code=1)
            self.assert_one_line(done, "--device cuda", "no GPU with CUDA", "--device cpu")
        self.assertFalse(os.path.exists(self.at("bad")))


if __name__ == "__main__":
    unittest.main()
