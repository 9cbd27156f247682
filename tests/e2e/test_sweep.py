# SPDX-License-Identifier: GPL-3.0-or-later
"""srec sweep: its points are those of the flowgraph, whoever computes them, and files say what was asked."""
import argparse
import contextlib
import glob
import io
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import numpy as np
import sessions
import srec_core as core
import sweeps
from gnuradio.srec.commands import Usage, simulate, sweep
from gnuradio.srec.sweep import capacity, grid, points, reference, transmission
from gnuradio.srec.sweep.config import Experiment
from gnuradio.srec.sweep.rows import rows_of
from layer_model import enhancer_for_layers
from PIL import Image
from sweeps import here
from waiting import wait_for

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SREC = os.environ["SREC_COMMAND"]
GOLDEN_ENHANCER = os.path.join(ROOT, "tests", "golden", "enhancer-x1.safetensors")
RACCOON = os.path.join(ROOT, "examples", "raccoon.jpg")
GRID = """
experiment = "test"
modulation = ["qpsk", "16qam"]
snr_db = { from = 2, to = 10, step = 8 }
crop = [160, 96]
trials = 2
[[scheme]]
name = "ntscc-clear"
decisions = ["hard", "soft"]
[[scheme]]
name = "eavesdropper"
[[scheme]]
name = "srec"
[[reference]]
codec = "jpeg"
code = ["ideal", "ccsds"]
[gains]
snr_db = 10
[[gains.over]]
scheme = "ntscc-clear"
paper = { qpsk = 3.0 }
"""
SMALL = """
experiment = "small"
modulation = ["bpsk", "qpsk"]
snr_db = 6
crop = [96, 64]
trials = 2
[[scheme]]
name = "srec"
[[scheme]]
name = "ntscc-clear"
decisions = "hard"
[[reference]]
codec = "webp"
code = ["ideal", "ccsds"]
"""
SMALL_POINTS = 2 * 2 * (2 * 2 + 1 + 2)  # images, modulations; schemes and the real code in two trials
TINY = """
experiment = "tiny"
modulation = "qpsk"
snr_db = 6
crop = [96, 64]
[[scheme]]
name = "ntscc-clear"
decisions = "hard"
"""
# Stands for libheif's programs: while the file HOLD exists it never ends, else it copies.
FAKE_CODEC = """#!/bin/sh
if [ -e HOLD ]; then echo $$ >BEGUN.new; mv BEGUN.new BEGUN; exec sleep 600; fi
case $0 in *heif-convert) cp "$1" "$2" ;; *) for a; do b=$c; c=$a; done; cp "$c" "$b" ;; esac
"""


def srec(*args, **options):
    return subprocess.run([SREC, *args], capture_output=True, text=True, timeout=600, **options)


def rows_in(folder):
    """Rows, sorted: the order tells who was quicker. Without the commit, which may change while tests run."""
    rows = []
    for path in glob.glob(os.path.join(folder, "results*.jsonl")):
        with open(path) as f:
            rows += [json.loads(line) for line in f]
    return sorted(({k: v for k, v in r.items() if k != "commit"} for r in rows), key=lambda r: r["id"])


def simulated(config, picture):
    """Return the rows of an experiment for one image, computed in this process."""
    experiment = Experiment(config)
    jobs = points.jobs_of(experiment, [picture], sweep.enhancers_of(experiment, transmission.enhancer))
    return [row for job in jobs for row in rows_of(job)]


class Case(unittest.TestCase):
    """Two small images, and the results of SMALL from one process, which all tests share."""

    @classmethod
    def setUpClass(cls):
        keep = tempfile.TemporaryDirectory()
        cls.addClassCleanup(keep.cleanup)
        cls.images = os.path.join(keep.name, "images")
        os.mkdir(cls.images)
        with Image.open(RACCOON) as raccoon:
            raccoon.crop((200, 100, 400, 240)).save(os.path.join(cls.images, "a.png"))
            raccoon.crop((300, 300, 460, 396)).save(os.path.join(cls.images, "b.png"))

    def setUp(self):
        keep = tempfile.TemporaryDirectory()
        self.addCleanup(keep.cleanup)
        self.folder = keep.name

    def config(self, text=GRID, name="grid.toml"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def command(self, out, *args, config=None):
        config = config or self.config()
        out = os.path.join(self.folder, out)
        return [SREC, "sweep", "--images", self.images, "--config", config, "--out", out, *args]

    def sweep(self, out, *args, config=None, **options):
        command = self.command(out, *args, config=config)
        return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)

    def done(self, out, *args, **options):
        done = self.sweep(out, *args, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return rows_in(os.path.join(self.folder, out))

    _small = None

    def small(self):
        """Return the rows of SMALL, and the text of their file."""
        if Case._small is None:
            rows = self.done("shared", "--workers", "1", config=self.config(SMALL, "small.toml"))
            self.assertEqual(len(rows), SMALL_POINTS)
            with open(os.path.join(self.folder, "shared", "results.jsonl")) as f:
                Case._small = rows, f.read()
        return Case._small

    def copy_of_small(self, out):
        """Write a folder with the results of SMALL, and return its path."""
        folder = os.path.join(self.folder, out)
        os.mkdir(folder)
        with open(os.path.join(folder, "results.jsonl"), "w") as f:
            f.write(self.small()[1])
        return folder


class Sweep(Case):
    def flowgraph(self, picture, row, *options):
        """Return the figures of `srec simulate`, in this process, for the point of a row."""
        file = os.path.join(self.folder, "one.json")
        arguments = ["--image", picture, "--out", self.folder, "--json", file, "--seed", str(row["seed"])]
        arguments += ["--snr", str(row["snr_db"]), "--modulation", row["modulation"], "--precision", "f32", *options]
        arguments += ["--hard"] if row["decisions"] == "hard" else []
        parser = argparse.ArgumentParser()
        simulate.add_arguments(parser)
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(simulate.run(parser.parse_args(arguments)), 0)
        with open(file) as f:
            return json.load(f)

    def test_points_are_those_of_the_flowgraph(self):
        several = [
            ("srec", "soft", "add"),
            ("ntscc-clear", "hard", "add"),
            ("ntscc-encrypted", "hard", "add"),
            ("eavesdropper", "soft", "xor"),
        ]
        cases = {
            "qpsk": (4, several, "awgn"),
            "16qam": (9, [("srec", "soft", "xor")], "rayleigh"),
            "pam256": (12, [("srec", "soft", "add"), ("eavesdropper", "soft", "add")], "awgn"),
        }
        for modulation, (snr, schemes, channel) in cases.items():
            text = (
                f'experiment = "{modulation}"\nmodulation = "{modulation}"\nsnr_db = {snr}\ncrop = [160, 96]\nchannel ='
                f' "{channel}"\n'
            )
            text += "".join(f'[[scheme]]\nname = "{s}"\ndecisions = "{d}"\ncipher = "{c}"\n' for s, d, c in schemes)
            picture = os.path.join(self.images, "a.png")
            rows = simulated(self.config(text), picture)
            self.assertEqual(len(rows), len(schemes))
            cropped = os.path.join(self.folder, "cropped.png")
            Image.fromarray(transmission.picture(picture, (160, 96))).save(cropped)
            for row in rows:
                options = ["--no-encrypt"] if row["cipher"] == "none" else ["--cipher", row["cipher"]]
                flowgraph = self.flowgraph(cropped, row, "--no-sr", "--channel", channel, *options)
                eve = row["scheme"] == "eavesdropper"
                with self.subTest(modulation=modulation, scheme=row["scheme"]):
                    self.assertAlmostEqual(row["psnr_db"], flowgraph["eve_psnr_db" if eve else "psnr_db"], 6)
                    for key in ("n_symbols", "n_features", "packets_sent", "packets_lost", "cbr", "cbr_header") + (
                        () if eve else ("patches_lost",)
                    ):
                        self.assertEqual(row[key], flowgraph[key], key)
                    if not eve:
                        self.assertAlmostEqual(row["ms_ssim"], flowgraph["ms_ssim"], 6)
                        self.assertAlmostEqual(row["mean_deviation"], flowgraph["mean_deviation"], 6)

    def test_points_with_super_resolution_are_those_of_the_flowgraph(self):
        text = (
            'experiment = "sr"\nmodulation = "qpsk"\nsnr_db = 7\nscale = [1, 2]\n[enhancers]\ndefault = ""\ntwo ='
            ' ""\n[[scheme]]\nname = "ntscc-encrypted"\n'
        )
        text += '[[scheme]]\nname = "srec"\ndecisions = ["soft", "hard"]\nenhancer = ["default", "two"]\n'
        text += '[[scheme]]\nname = "eavesdropper"\nenhancer = ["default", "two"]\n'
        files = {s: os.path.join(ROOT, "tests", "golden", f"enhancer-x{s}.safetensors") for s in (1, 2)}
        text = text.replace('default = ""', f'default = "{files[1]}"').replace('two = ""', f'two = "{files[2]}"')
        picture = os.path.join(self.folder, "odd.png")
        with Image.open(RACCOON) as raccoon:
            raccoon.crop((300, 300, 427, 396)).save(picture)  # an odd width
        rows = simulated(self.config(text), picture)
        self.assertEqual(len(rows), 8)
        for row in rows:
            enhancer = ["--enhancer", files[row["scale"]]] if row["enhancer"] else ["--no-sr"]
            flowgraph = self.flowgraph(picture, row, "--scale", str(row["scale"]), *enhancer)
            with self.subTest(scheme=row["scheme"], scale=row["scale"], decisions=row["decisions"]):
                if row["scheme"] == "eavesdropper":
                    self.assertAlmostEqual(row["psnr_db"], flowgraph["eve_psnr_db"], 6)
                else:
                    self.assertAlmostEqual(row["psnr_db"], flowgraph["psnr_db"], 6)
                    self.assertAlmostEqual(
                        row["psnr_before_sr_db"] or row["psnr_db"], flowgraph["psnr_before_sr_db"], 6
                    )
                    self.assertEqual(row["cbr"], flowgraph["cbr"])
                self.assertEqual(row["enhancer_id"], flowgraph["enhancer"])

    def layers(self, *schemes, head='modulation = "qpsk"\nsnr_db = 4\n'):
        """Return the rows of layers with the keys given, for image b."""
        text = f'experiment = "layers"\ncrop = [160, 96]\n{head}'
        text += "".join(f'[[scheme]]\nname = "layers"\n{keys}\n' for keys in schemes)
        return simulated(self.config(text), os.path.join(self.images, "b.png"))

    def test_points_of_layers_are_those_of_the_flowgraph(self):
        rows = self.layers("", "layers = [0, 3, 6]\nshares = [2, 1, 1]\nmargin = 1\nparity = 1\ncbr = 2.5")
        enhancer = enhancer_for_layers(self.folder)
        rows += self.layers(
            'enhancer = ["own"]', head=f'modulation = "qpsk"\nsnr_db = 4\n[enhancers]\nown = "{enhancer}"\n'
        )
        rows += self.layers("cbr = 0.9", head='modulation = "16qam"\nsnr_db = 20\nchannel = "rayleigh"\nscale = 2\n')
        self.assertEqual([row["layers_received"] for row in rows], [1, 2, 1, 1])
        cropped = os.path.join(self.folder, "cropped.png")
        Image.fromarray(transmission.picture(os.path.join(self.images, "b.png"), (160, 96))).save(cropped)
        for row in rows:
            options = ["--coding", "layers", "--cbr", repr(row["budget_cbr"]), "--margin", str(row["margin"])]
            options += ["--layers=" + ",".join(map(str, row["layer_snr_db"])), "--scale", str(row["scale"])]
            options += ["--enhancer", enhancer] if row["enhancer"] else ["--no-sr"]
            options += ["--shares", ",".join(map(str, row["shares"])), "--parity", "1"] if row["shares"] else []
            flowgraph = self.flowgraph(cropped, row, "--channel", row["channel"], *options)
            with self.subTest(snrs=row["layer_snr_db"], channel=row["channel"]):
                for key in ("psnr_db", "ms_ssim", "cbr", "cbr_header", "bits_per_pixel", "rms_error"):
                    self.assertAlmostEqual(row[key], flowgraph[key], 6, key)
                if row["enhancer"]:
                    self.assertAlmostEqual(row["psnr_before_sr_db"], flowgraph["psnr_before_sr_db"], 6)
                self.assertEqual(row["enhancer_id"], flowgraph["enhancer"])
                for key in ("n_symbols", "packets_sent", "packets_lost", "packets_uncorrected", "packets_bad_tag"):
                    self.assertEqual(row[key], flowgraph[key], key)
                for key in ("duplicates", "layers_sent", "layers_received", "pieces_sent", "pieces_received"):
                    self.assertEqual(row[key], flowgraph[key], key)
                self.assertEqual(
                    (row["layer_snr_db"], row["code_rates"]), (flowgraph["layer_snr_db"], flowgraph["code_rates"])
                )

    def test_layers_have_the_channel_use_of_the_features_and_beat_them(self):
        head = 'modulation = "qpsk"\nsnr_db = 4\n[[scheme]]\nname = "srec"\n'
        features, layers, fixed = self.layers("", "cbr = 1.5", head=head)
        self.assertEqual(features["seed"], layers["seed"])
        self.assertEqual((layers["budget_cbr"], fixed["budget_cbr"]), (features["cbr"], 1.5))
        for row in (layers, fixed):
            self.assertLessEqual(row["cbr"], row["budget_cbr"])
            self.assertGreater(row["cbr"], 0.75 * row["budget_cbr"])
        self.assertGreater(layers["psnr_db"], features["psnr_db"] + 1)
        self.assertGreater(fixed["psnr_db"], layers["psnr_db"] + 1)

    def test_layers_arrive_from_their_snr_on_and_nothing_below(self):
        head = 'modulation = "qpsk"\nsnr_db = [-3, 0, 4, 8]\n'
        rows = self.layers("layers = [0, 4]\ncbr = 2.5", head=head)
        self.assertEqual([row["layers_received"] for row in rows], [0, 1, 2, 2])
        self.assertEqual([row["lost"] for row in rows], [True, False, False, False])
        self.assertEqual(rows[0]["psnr_db"], rows[0]["grey_psnr_db"])
        self.assertEqual(rows[0]["packets_lost"], rows[0]["packets_sent"])
        self.assertGreater(rows[2]["psnr_db"], rows[1]["psnr_db"] + 1)
        self.assertEqual(rows[3]["psnr_db"], rows[2]["psnr_db"])

    def test_a_point_that_layers_cannot_serve_is_lost_and_says_why(self):
        low, small = (
            self.layers(keys, head=f'modulation = "qpsk"\nsnr_db = {snr}\n')[0]
            for keys, snr in (("", -4), ("cbr = 0.01", 4))
        )
        for row, why in ((low, "-4"), (small, "suffices")):
            self.assertTrue(row["lost"])
            self.assertIn(why, row["why"])
            self.assertEqual((row["packets_sent"], row["n_symbols"], row["psnr_db"]), (0, 0, row["grey_psnr_db"]))

    def test_an_enhancer_of_the_other_coding_is_refused(self):
        for name, file, says in (
            ("layers", GOLDEN_ENHANCER, "enhancer own is for features, and scheme layers sends layers"),
            ("srec", enhancer_for_layers(self.folder), "enhancer own is for layers, and scheme srec sends features"),
        ):
            text = f'experiment = "x"\nmodulation = "qpsk"\nsnr_db = 4\n[enhancers]\nown = "{file}"\n'
            text += f'[[scheme]]\nname = "{name}"\nenhancer = ["own"]\n'
            with self.assertRaises(Usage) as raised:
                simulated(self.config(text), os.path.join(self.images, "b.png"))
            self.assertIn(says, str(raised.exception))

    def test_what_is_wrong_with_layers_is_one_line(self):
        for keys, says in (
            ('decisions = "hard"', "layers has soft decisions only"),
            ('cipher = "xor"', "layers has no cipher xor"),
            ("layers = []", "layers is empty, or names a value twice"),
            ("layers = [4, 4]", "layers is empty, or names a value twice"),
            ("layers = [4, 2]", "each SNR of layers must exceed the one before"),
            ("layers = [-2, 4]", "an SNR of layers for qpsk: -2 is not within -1 .. 100"),
            ("layers = [1, 2, 3, 4, 5, 6, 7, 8, 9]", "9 layers; 8 at most"),
            ('layers = ["a"]', "layers must be a number, not 'a'"),
            ("layers = [0, 4]\nshares = [1]", "1 shares for 2 layers"),
            ("layers = [0, 4]\nshares = 1", "shares must be a list"),
            ("layers = [0, 4]\nshares = [1, 0]", "each share must be 1e-6 to 1e6"),
            ("margin = 40", "margin 40 is not within -10 .. 30"),
            ("parity = -1", "parity -1 is not within 0 .. 200"),
            ("cbr = 0", "cbr 0 is not within 1e-06 .. 100"),
            ("eta = 0.2", "unknown key 'eta'; known are name, decisions, cipher, model, enhancer, label, layers"),
            ('[[scheme]]\nname = "srec"\nlayers = [4]', "unknown key 'layers'; known are name"),
            ('[[scheme]]\nname = "layers"', "the same scheme twice"),
        ):
            with self.subTest(keys), self.assertRaises(Usage) as raised:
                self.layers(keys)
            self.assertIn(says, str(raised.exception))
            self.assertNotIn("\n", str(raised.exception))
        with self.assertRaisesRegex(Usage, "layers needs a modulation of bits, not pam256"):
            self.layers("", head='modulation = ["qpsk", "pam256"]\nsnr_db = 4\n')

    def test_results_do_not_depend_on_who_computes_them(self):
        one, config = self.small()[0], self.config(SMALL)
        self.assertEqual(one, self.done("two", "--workers", "2", config=config))
        by_id = sorted(
            (row for name in ("a", "b") for row in simulated(config, os.path.join(self.images, name + ".png"))),
            key=lambda row: row["id"],
        )
        self.assertEqual(one, json.loads(json.dumps(by_id)))
        self.assertEqual(len({r["seed"] for r in one}), 2 * 2 * 2)  # images, modulations, trials
        self.assertEqual(len({r["psnr_db"] for r in one if r.get("scheme") == "srec"}), 8, "trials must differ")

    def test_listed_jobs_give_the_same_results(self):
        config = self.config(SMALL)
        listed = self.sweep("list", "--list", config=config)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        lines = listed.stdout.splitlines()
        self.assertEqual(len(lines), 2 * (2 + 1))  # images; modulations and a codec
        words = shlex.split(lines[-1])
        self.assertEqual(words[:2], ["srec", "sweep"])
        job = srec(*words[1:])
        self.assertEqual((job.returncode, job.stderr, job.stdout), (0, "", ""))
        for line in reversed(lines[:-1]):  # the same in this process, which is quicker
            self.assertEqual(here(*shlex.split(line)[2:]), (0, ""))
        self.assertEqual(self.small()[0], rows_in(os.path.join(self.folder, "list")))
        self.assertEqual(self.sweep("list", "--list", config=config).stdout, "", "a job that is finished is listed")

    def test_a_dask_cluster_gives_the_same_results(self):
        try:
            from distributed import LocalCluster
        except ImportError:
            self.skipTest("no dask.distributed: apt install python3-distributed")
        config = self.config(SMALL)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            rows = self.done("cluster", "--scheduler", cluster.scheduler_address, config=config)
        self.assertEqual(self.small()[0], rows)

    def test_no_dask_scheduler_is_one_line(self):
        try:
            import distributed  # noqa: F401
        except ImportError:
            self.skipTest("no dask.distributed: apt install python3-distributed")
        done = self.sweep("none", "--scheduler", "nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no Dask scheduler answers", done.stderr.splitlines()[-1])
        self.assertNotIn("Traceback", done.stderr)

    def test_finished_points_are_not_done_again(self):
        config, folder = self.config(SMALL), self.copy_of_small("out")
        path = os.path.join(folder, "results.jsonl")
        lines = self.small()[1].splitlines(keepends=True)
        untouched = self.sweep("out", "--workers", "1", config=config)
        self.assertIn(", 0 to do", untouched.stderr)
        with open(path) as f:
            self.assertEqual(lines, f.readlines())
        with open(path, "w") as f:  # as after a kill: some are missing, one is half written
            f.write("".join(lines[:3]) + lines[3][:40])
        again = self.sweep("out", "--workers", "1", config=config)
        self.assertIn(f", {len(lines) - 3} to do", again.stderr)
        with open(path) as f:
            self.assertEqual(f.readlines()[:3], lines[:3])
        self.assertEqual(rows_in(folder), self.small()[0])

    def test_a_killed_worker_is_one_line_and_nothing_is_lost(self):
        config = self.config(SMALL)
        command = self.command("out", "--workers", "2", config=config)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:

            def worker():
                self.assertIsNone(process.poll(), "no worker process was seen")
                with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
                    for child in f.read().split():
                        try:
                            with open(f"/proc/{child}/cmdline") as c:
                                if "sweep.worker" in c.read():
                                    return int(child)
                        except OSError:
                            pass
                return None

            os.kill(wait_for(worker, "the start of a worker"), signal.SIGKILL)
            _, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 1)
        self.assertIn("a worker process was killed", errors.splitlines()[-1])
        self.assertNotIn("Traceback", errors)
        self.assertEqual(self.done("out", "--workers", "1", config=config), self.small()[0])

    def test_a_larger_eta_gives_a_better_picture(self):
        text = 'experiment = "e"\nmodulation = "qpsk"\nsnr_db = 10\neta = [0.05, 0.2]\ncrop = [160, 96]\n'
        rows = simulated(self.config(text + '[[scheme]]\nname = "srec"\n'), os.path.join(self.images, "b.png"))
        self.assertEqual([r["eta"] for r in rows], [0.05, 0.2])
        self.assertGreater(rows[1]["psnr_db"], rows[0]["psnr_db"] + 1)
        self.assertGreater(rows[1]["ms_ssim"], rows[0]["ms_ssim"])

    def test_a_lost_picture_counts_as_grey_in_both_metrics(self):
        text = 'experiment = "e"\nmodulation = "qpsk"\nsnr_db = -15\ncrop = [160, 96]\n'
        text += '[[scheme]]\nname = "srec"\n[[reference]]\ncodec = "jpeg"\ncode = "ccsds"\n'
        picture = os.path.join(self.images, "b.png")
        original = transmission.picture(picture, (160, 96))
        grey = np.full_like(original, 128)
        for row in simulated(self.config(text), picture):
            self.assertTrue(row["lost"])
            self.assertEqual(row["psnr_db"], core.psnr(original, grey))
            self.assertEqual(row["ms_ssim"], core.ms_ssim(original, grey))

    def test_a_grid_shows_each_scheme_under_its_own_name(self):
        text = 'experiment = "g"\nmodulation = "qpsk"\nsnr_db = 3\ncrop = [160, 96]\n'
        text += f'[enhancers]\none = "{GOLDEN_ENHANCER}"\n[grid]\npicture = "a"\nsnr_db = [9, 3]\n'
        text += "".join(f'[[scheme]]\nname = "ntscc-encrypted"\ncipher = "{cipher}"\n' for cipher in ("auto", "add"))
        text += '[[scheme]]\nname = "srec"\n[[scheme]]\nname = "srec"\nenhancer = ["one"]\n'
        text += '[[scheme]]\nname = "layers"\nlayers = 3\n'
        config = self.config(text)
        rows = self.done("out", "--grid", "--pictures", "1", config=config)
        self.assertEqual(len(rows), 5)
        self.assertEqual(len({r["psnr_db"] for r in rows}), 4, "srec without an enhancer is ntscc-encrypted, auto")
        self.assertEqual(
            {"curves.png", "curves-ms-ssim.png", "grid-qpsk.png", "means.csv", "results.jsonl", "table.md"},
            set(os.listdir(os.path.join(self.folder, "out"))),
        )
        with Image.open(os.path.join(self.folder, "out", "grid-qpsk.png")) as file:
            sheet = file.copy()
        picture, experiment = os.path.join(self.images, "a.png"), Experiment(config)
        jobs = grid.jobs(experiment, [picture], sweep.enhancers_of(experiment, transmission.enhancer))
        height = grid._shrunk(transmission.picture(picture, (160, 96))).height
        shown = set()
        for i, (point, cell, _) in enumerate(cell for job in jobs for cell in grid.cells_of(job)):
            column, row = divmod(i, 5)  # points of an SNR follow each other in the order of the schemes
            x = grid.SIDE + column * (grid.WIDTH + grid.MARGIN)
            y = (row + 1) * (height + grid.TITLE + grid.MARGIN) + grid.MARGIN + grid.TITLE
            there = sheet.crop((x, y, x + grid.WIDTH, y + height))
            np.testing.assert_array_equal(np.asarray(there), np.asarray(cell), str(point))
            shown.add(grid._side_text(point, 1))
        self.assertEqual((i + 1, len(shown)), (2 * 5, 5), shown)

    def test_one_label_may_name_a_codec_and_an_enhancer(self):
        text = (
            'experiment = "labels"\nmodulation = "qpsk"\nsnr_db = 6\ncrop = [96, 64]\n'
            '[models]\nrobust = "srec-codec-v3.safetensors"\n[enhancers]\nrobust = "srec-enhancer-x1-v3.safetensors"\n'
            '[[scheme]]\nname = "srec"\nenhancer = ["robust"]\n'
        )
        config = self.config(text)
        own_codec, own_enhancer = (os.path.join(ROOT, "models", name) for name in re.findall('"(srec-.*)"', text))
        codec = os.path.join(ROOT, "models", "srec-codec-paper-v2.safetensors")
        for given, used in (
            ([], (own_codec, own_enhancer)),
            ([codec], (codec, own_enhancer)),
            ([GOLDEN_ENHANCER], (own_codec, GOLDEN_ENHANCER)),
            ([GOLDEN_ENHANCER, codec], (codec, GOLDEN_ENHANCER)),
        ):
            experiment = Experiment(config, [("robust", file) for file in given])
            for kind, file in zip((experiment.models, experiment.enhancers), used):
                self.assertTrue(os.path.samefile(kind["robust"], file), given)
        models = [f"--model=robust={file}" for file in given]
        (row,) = self.done("out", "--workers", "1", "--pictures", "1", *models, config=config)
        self.assertEqual(row["model_id"], transmission.model(codec).id)
        self.assertEqual(row["enhancer_id"], transmission.enhancer(GOLDEN_ENHANCER).id)
        names = os.path.basename(codec), os.path.basename(GOLDEN_ENHANCER)
        self.assertEqual((row["model_file"], row["enhancer_file"]), names)

    def test_a_model_that_is_not_there_is_one_line_with_its_whole_path(self):
        far = os.path.join("folder" * 10, "folder" * 20, "folder" * 20, "none.safetensors")
        for table in ("models", "enhancers"):
            text = SMALL.replace("[[scheme]]", f'[{table}]\nfar = "{far}"\n[[scheme]]', 1)
            done = self.sweep("bad", "--workers", "1", config=self.config(text))
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
            for words in (os.path.join(self.folder, far) + ": no such file", f"{table}.far", "--model far=FILE"):
                self.assertIn(words, done.stderr)

    def test_what_is_wrong_with_a_configuration_is_one_line(self):
        for old, new, says in (
            (
                '"srec"',
                '"sreck"',
                "unknown scheme 'sreck'; known are ntscc-clear, ntscc-encrypted, eavesdropper, srec, ",
            ),
            ("snr_db = {", "snr_db = [", "no valid TOML"),
            ('["qpsk", "16qam"]', '"8psk"', "unknown modulation '8psk'"),
            ("trials = 2", "trails = 2", "unknown key 'trails'"),
            ("trials = 2", 'trials = "2"', "trials must be a number, not '2'"),
            ("trials = 2", "trials = 0", "trials 0 is not within 1"),
            ("step = 8", "step = 0", "step must be above 0"),
            ('experiment = "test"', "", "the key 'experiment' is missing"),
            ("[160, 96]", "[160]", "crop must be [width, height]"),
            ('["hard", "soft"]', '["hard", "hard"]', "names a value twice"),
            ('["hard", "soft"]', '"medium"', "unknown decisions 'medium'"),
            ('"jpeg"', '"jpeg2000"', "unknown codec 'jpeg2000'"),
            ("to = 10", "to = 300", "snr_db 106 is not within -50 .. 100"),
            ('["qpsk", "16qam"]', '"pam256"', "code ccsds needs a modulation of bits"),
            ("trials = 2", "eta = []", "eta is empty"),
            ("trials = 2", "eta = [nan]", "eta nan is not within"),
            ("trials = 2", "models = 3", "models must be a table"),
        ):
            text = GRID.replace(old, new)
            self.assertNotEqual(text, GRID)
            with self.subTest(new=new):
                code, said = here(
                    "--images", self.images, "--config", self.config(text), "--out", os.path.join(self.folder, "bad")
                )
                self.assertEqual((code, len(said.splitlines())), (2, 1), said)
                self.assertIn(says, said)
        done = self.sweep("bad", config=self.config(text))
        self.assertEqual((done.returncode, done.stderr, done.stdout), (2, f"srec sweep: {said}\n", ""))

    def test_other_mistakes_are_one_line(self):
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        grid = self.config()
        broken = os.path.join(self.folder, "broken.safetensors")
        with open(broken, "wb") as f:
            f.write(b"no model")
        rows = sweeps.rows_of(Experiment(grid), 1, lambda row: {"model_id": transmission.model("").id})
        sweeps.write(os.path.join(self.folder, "out"), rows)
        other = self.config(GRID.replace('"test"', '"another"'), "other.toml")
        for code, says, *args in (
            (1, "no images in this folder", "--images", empty, "--config", grid),
            (1, "no such folder", "--images", empty + "x", "--config", grid),
            (1, "No such file", "--images", self.images, "--config", grid + "x"),
            (2, "--images is missing", "--config", grid),
            (2, "LABEL=FILE", "--images", self.images, "--config", grid, "--model", "default"),
            (2, "has no model 'paper'", "--images", self.images, "--config", grid, "--model", "paper=x"),
            (1, broken, "--images", self.images, "--config", grid, "--model", "default=" + broken),
            (2, "--job 999 is not within 0 ..", "--images", self.images, "--config", grid, "--job", "999"),
            (1, "results there are of the experiment 'test'", "--images", self.images, "--config", other),
            (2, "--workers -1 is not within", "--images", self.images, "--config", grid, "--workers", "-1"),
        ):
            with self.subTest(says=says):
                got, said = here("--out", os.path.join(self.folder, "out"), *args)
                self.assertEqual((got, len(said.splitlines())), (code, 1), said)
                self.assertIn(says, said)
        nothing = srec("sweep", "--plot", "--config", grid, "--out", empty)
        self.assertEqual((nothing.returncode, nothing.stderr), (1, f"srec sweep: {empty}: no results there yet\n"))

    def test_a_grid_that_is_not_described_is_one_line_before_anything_is_simulated(self):
        out = os.path.join(self.folder, "out")
        code, said = here("--images", self.images, "--config", self.config(), "--out", out, "--grid")
        self.assertEqual((code, said), (1, f"{self.config()} has no [grid]"))
        self.assertFalse(os.path.exists(out))

    def test_an_unreadable_picture_ends_the_sweep_with_one_line(self):
        images = os.path.join(self.folder, "images")
        shutil.copytree(self.images, images)
        with open(os.path.join(images, "c.png"), "wb") as f:
            f.write(b"\x89PNG no more")
        done = self.sweep("out", "--images", images, config=self.config(SMALL))
        self.assertEqual(done.returncode, 1)
        self.assertIn("c.png: not a PNG", done.stderr.splitlines()[-1])
        self.assertNotIn("Traceback", done.stderr)


class Stopping(Case):
    """Ctrl-C and SIGTERM."""

    def setUp(self):
        super().setUp()
        self.hold, self.begun, folder = (os.path.join(self.folder, name) for name in ("hold", "begun", "bin"))
        os.mkdir(folder)
        for name in ("heif-enc", "heif-convert"):
            with open(os.path.join(folder, name), "w") as f:
                f.write(FAKE_CODEC.replace("HOLD", self.hold).replace("BEGUN", self.begun))
            os.chmod(os.path.join(folder, name), 0o755)
        with open(self.hold, "w"):
            pass
        self.env = dict(os.environ, PATH=folder + ":" + os.environ["PATH"], TMPDIR=self.folder)

    def rows(self, out):
        path = os.path.join(self.folder, out, "results.jsonl")
        if not os.path.exists(path):
            return 0
        with open(path, encoding="utf-8") as f:
            return f.read().count("\n")

    def assert_stopped(self, process, code=130, seconds=20):
        """By itself, saying how to go on, and with nothing left. -> what it said"""
        begin = time.monotonic()
        _, said = process.communicate(timeout=120)
        self.assertLess(time.monotonic() - begin, seconds)  # 2 s where nothing else runs
        self.assertEqual(process.returncode, code, said)
        sessions.wait_for_end(process)
        self.assertNotIn("Traceback", said)
        self.assertIn("srec sweep: stopped: ", said.splitlines()[-1])
        return said

    def start(self, out, *args, text):
        """Start a sweep that has hevc too, so it cannot end. Return the process."""
        config = self.config(text + '[[reference]]\ncodec = "hevc"\n', "hevc.toml")
        return sessions.start(self, self.command(out, *args, config=config), env=self.env)

    def in_heif(self, out, *args):
        """Start a sweep whose job is in heif-enc. Return the process."""
        process = self.start(out, *args, text=TINY)
        wait_for(lambda: os.path.exists(self.begun) or process.poll() is not None, "heif-enc")
        return process

    def test_a_stopped_sweep_keeps_what_is_finished_and_goes_on(self):
        whole = SMALL_POINTS + 2 * 2  # hevc: images, modulations
        for out, workers, stop, code in (
            ("once", "2", sessions.press_ctrl_c, 130),
            ("term", "1", subprocess.Popen.terminate, 143),
            ("twice", "2", lambda p: sessions.press_ctrl_c(p, 2), 130),
        ):
            process = self.start(out, "--workers", workers, text=SMALL)
            wait_for(lambda: self.rows(out) >= 3, "the first rows")
            stop(process)
            said = self.assert_stopped(process, code)
            kept = self.rows(out)
            self.assertTrue(3 <= kept < whole, kept)
            self.assertIn(f"{kept} points were simulated and are kept in", said)
            self.assertIn(f"{whole - kept} are left; the same command resumes the sweep", said)
        os.remove(self.hold)
        rows = self.done("twice", config=os.path.join(self.folder, "hevc.toml"), env=self.env)
        self.assertEqual(len(rows), whole)
        self.assertEqual([r for r in rows if r.get("codec") != "hevc"], self.small()[0])

    def test_a_job_in_progress_does_not_hold_it_up_nor_leave_its_programs(self):
        process = self.in_heif("out", "--workers", "1")
        self.assertGreaterEqual(len(sessions.members(process.pid)), 3)
        sessions.press_ctrl_c(process)
        self.assert_stopped(process)
        self.assertFalse(glob.glob(os.path.join(self.folder, "srec-sweep-*")), "temporary files are left")

    def test_workers_do_not_outlive_a_killed_sweep(self):
        process = self.in_heif("out", "--workers", "2")
        process.kill()
        process.communicate(timeout=60)
        sessions.wait_for_end(process)

    def test_a_listed_job_stops_too(self):
        process = self.in_heif("out", "--job", "1")  # the reference of the first image
        process.terminate()
        self.assert_stopped(process, 143)

    def test_a_sweep_on_a_cluster_stops_too(self):
        try:
            from distributed import LocalCluster
        except ImportError:
            self.skipTest("no dask.distributed: apt install python3-distributed")
        self.addCleanup(os.environ.__setitem__, "PATH", os.environ["PATH"])
        os.environ["PATH"] = self.env["PATH"]
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
            process = self.in_heif("out", "--scheduler", cluster.scheduler_address)
            sessions.press_ctrl_c(process)
            self.assert_stopped(process)
        with open(self.begun, encoding="utf-8") as f:
            os.kill(int(f.read()), signal.SIGKILL)  # of the cluster, which is the test's


class Changed(Case):
    """Results of other images than those of the command."""

    TEXT = 'experiment = "c"\nmodulation = "qpsk"\nsnr_db = 9\n[[scheme]]\nname = "layers"\nlayers = 9\ncbr = 1\n'

    def test_results_of_images_that_are_not_asked_for_are_named(self):
        config = self.config(self.TEXT)
        self.assertEqual(len(self.done("out", config=config)), 2)
        done = self.sweep("out", "--pictures", "1", config=config)
        self.assertEqual(done.returncode, 0)
        self.assertIn("include 1 other image (b.png): tables and plots show them too", done.stderr)

    def test_an_image_that_has_changed_has_no_results(self):
        config = self.config(self.TEXT)
        self.assertTrue(self.done("out", "--pictures", "1", config=config))
        path = os.path.join(self.images, "a.png")
        with Image.open(path) as image:
            image.rotate(180).save(path)
        done = self.sweep("out", "--pictures", "1", config=config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a.png: has changed since the results there were made", done.stderr)


class TableFile(Case):
    def test_the_table_replaces_no_other_file(self):
        for out, says in (
            (os.path.join(self.images, "a.png"), "is not a plan table"),
            (os.path.join(self.folder, "none", "table.json"), "none: no such folder"),
            ("", "names the file of the table"),
        ):
            code, said = sweeps.here("--plan", "--images", self.images, "--out", out)
            self.assertIn(says, said)
            self.assertNotEqual(code, 0)


class Seeds(unittest.TestCase):
    POINT = dict(
        experiment="e",
        picture="a.png",
        modulation="qpsk",
        snr_db=4.0,
        eta=0.2,
        scale=1,
        trial=0,
        scheme="srec",
        decisions="soft",
        cipher="add",
        model="m",
    )

    def test_schemes_meet_the_same_noise_and_all_else_another(self):
        seed = points.point_seed(self.POINT)
        self.assertTrue(0 <= seed < 2**48)
        for key, value in (("scheme", "ntscc-clear"), ("decisions", "hard"), ("cipher", "none"), ("model", "n")):
            self.assertEqual(points.point_seed(dict(self.POINT, **{key: value})), seed)
        others = {
            points.point_seed(dict(self.POINT, **{key: value}))
            for key, value in (
                ("experiment", "f"),
                ("picture", "b.png"),
                ("modulation", "bpsk"),
                ("snr_db", 5.0),
                ("eta", 0.1),
                ("scale", 2),
                ("trial", 1),
            )
        }
        self.assertEqual(len(others - {seed}), 7)


class Capacity(unittest.TestCase):
    @staticmethod
    def by_hermite(constellation, snr_db, order=40):
        """The textbook's double sum over a complex constellation, the noise by Gauss-Hermite quadrature in two
        dimensions."""
        x, w = np.polynomial.hermite.hermgauss(order)
        n0 = 10 ** (-snr_db / 10)
        noise = np.sqrt(n0) * (x[:, None] + 1j * x[None, :]).ravel()
        weight = (w[:, None] * w[None, :]).ravel() / np.pi
        lost = 0.0
        for a in constellation:
            total = sum(np.exp(-(np.abs(a - b + noise) ** 2 - np.abs(noise) ** 2) / n0) for b in constellation)
            lost += np.sum(weight * np.log2(total))
        return np.log2(len(constellation)) - lost / len(constellation)

    def test_known_values(self):
        self.assertAlmostEqual(
            capacity.capacity("bpsk", 0.187 + 10 * math.log10(0.5)), 0.5, 3
        )  # rate 1/2 is possible from Eb/N0 = 0.187 dB on
        self.assertAlmostEqual(capacity.capacity("qpsk", 0), 0.972, 3)
        for modulation in ("bpsk", "qpsk", "16qam", "64qam", "256qam"):
            self.assertAlmostEqual(capacity.capacity(modulation, 45), core.bits_per_symbol(modulation), 4)

    def test_independent_integration_agrees(self):
        pam = np.array([-3, -1, 1, 3]) / np.sqrt(10)
        points_of = {
            "bpsk": np.array([1, -1]),
            "qpsk": np.array([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j]) / np.sqrt(2),
            "16qam": (pam[:, None] + 1j * pam[None, :]).ravel(),
        }
        for modulation, constellation in points_of.items():
            self.assertAlmostEqual(np.mean(np.abs(constellation) ** 2), 1)
            for snr in (-5, 0, 4, 8, 12):
                self.assertAlmostEqual(
                    capacity.capacity(modulation, snr), self.by_hermite(constellation, snr), 3, f"{modulation} {snr}"
                )

    def test_it_rises_with_the_snr_and_stays_below_shannons(self):
        for modulation in capacity._LEVELS:
            values = [capacity.capacity(modulation, snr) for snr in range(-10, 31)]
            self.assertGreater(min(np.diff(values)), -1e-9)
            self.assertGreater(values[15], values[5] + 0.2)
            for snr, value in zip(range(-10, 31), values):
                self.assertLess(value, math.log2(1 + 10 ** (snr / 10)) + 1e-6)
        self.assertGreater(
            capacity.capacity("pam256", 20), math.log2(101) - 2 * 0.2546
        )  # the shaping loss of a square: 1.53 dB, 0.254 bit an axis


class References(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keep = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.keep.name, "p.png")
        Image.open(RACCOON).crop((200, 100, 456, 292)).save(cls.path)

    @classmethod
    def tearDownClass(cls):
        cls.keep.cleanup()

    def test_a_larger_budget_gives_a_better_picture_and_is_kept(self):
        codecs = ["jpeg", "webp"] + (["hevc"] if shutil.which("heif-enc") and shutil.which("heif-convert") else [])
        for codec in codecs:
            last = 0.0
            for budget in (3000, 20000) if codec == "hevc" else (3000, 8000, 20000):
                size, psnr, ms_ssim = reference.best_within(codec, budget, self.path, ())
                self.assertLessEqual(size, budget)
                self.assertGreater(size, 0.6 * budget, codec)
                self.assertGreater(psnr, last + 1, codec)
                self.assertTrue(0.8 < ms_ssim < 1, codec)
                last = psnr
            self.assertIsNone(reference.best_within(codec, 50, self.path, ()))
        if "hevc" not in codecs:
            self.skipTest("hevc not tried: apt install libheif-examples")

    def test_the_block_code_corrects_what_it_promises(self):
        data = bytes(np.random.Generator(np.random.Philox(1)).integers(0, 256, reference.FRAME_BYTES, np.uint8))
        bits = reference.ccsds_encode(data)
        self.assertEqual(len(bits), reference.FRAME_BITS)
        self.assertEqual(reference.ccsds_decode(4.0 * (1 - 2.0 * bits)), data)
        for burst, corrected in (
            (70, True),
            (110, False),
        ):  # bytes in error in a row, spread by the depth over 5 words: up to 16 each
            llr = 4.0 * (1 - 2.0 * bits)
            wrong = np.random.Generator(np.random.Philox(2)).choice([-4.0, 4.0], 16 * burst)
            llr[4000 : 4000 + len(wrong)] = wrong
            self.assertEqual(reference.ccsds_decode(llr) == data, corrected, burst)

    def test_the_convolutional_code_is_as_good_as_published(self):
        # distance spectrum of (133, 171): 36, 211, 1404, 11633 wrong bits at distance 10, 12, 14, 16. The first term
        # alone and the sum hold it in between
        q = lambda d: 0.5 * math.erfc(
            math.sqrt(d * 0.5 * 10**0.3)
        )  # noqa: E731  soft decisions, rate 1/2, Eb/N0 3 dB
        low, high = 36 * q(10), 36 * q(10) + 211 * q(12) + 1404 * q(14) + 11633 * q(16)
        n = 400000
        bits = np.random.Generator(np.random.Philox(3)).integers(0, 2, n, np.uint8)
        coded = reference.convolutional_encode(np.concatenate([bits, np.zeros(reference.TAIL, np.uint8)]))
        coded = np.concatenate([coded, np.zeros(-len(coded) % 8, np.uint8)])
        symbols, _ = core.channel(core.map_bytes("bpsk", np.packbits(coded)), "awgn", 3 - 10 * math.log10(2), 4)
        decided = np.unpackbits(reference.viterbi(core.demap("bpsk", symbols, 3 - 10 * math.log10(2)), n))
        rate = np.mean(decided != bits)
        print(f"K = 7, rate 1/2, Eb/N0 3 dB: bit error rate {rate:.1e}, bounds {low:.1e} .. {high:.1e}")
        self.assertTrue(low < rate < high, rate)

    def test_the_ldpc_code_corrects_everything_at_its_rate(self):
        random = np.random.Generator(np.random.Philox(7))
        coded_bytes = 30000
        for modulation, snr_db in (("bpsk", -2.0), ("qpsk", 4.0), ("16qam", 9.0), ("64qam", 14.1)):
            rate = core.ldpc_code_rate(modulation, snr_db - reference.LDPC_MARGIN_DB)
            info = random.integers(0, 256, int(rate * coded_bytes), np.uint8)
            bits = core.ldpc_encode(info, coded_bytes)
            sent = core.map_bytes(modulation, np.packbits(bits))
            for margin_db, arrives in ((0.0, True), (reference.LDPC_MARGIN_DB + 1.0, False)):
                symbols, _ = core.channel(sent, "awgn", snr_db - margin_db, 8)
                got = core.ldpc_decode(core.demap(modulation, symbols, snr_db - margin_db)[: len(bits)], len(info))
                self.assertEqual(got is not None and np.array_equal(got, info), arrives, (modulation, margin_db))

    def test_an_ldpc_code_carries_less_than_an_ideal_one_and_more_than_nothing(self):
        for modulation in ("bpsk", "qpsk", "16qam", "64qam", "256qam"):
            least, last = None, 0.0
            for snr_db in np.arange(-25.0, 40.0, 0.5):
                ideal, real = (reference.bits_a_symbol(code, modulation, snr_db) for code in ("ideal", "ldpc"))
                self.assertLess(real, ideal)
                self.assertGreaterEqual(real, last)
                least, last = snr_db if real and least is None else least, real
            self.assertLess(-20, least)
            self.assertAlmostEqual(last, core.bits_per_symbol(modulation) * 8 / 9, 6)
        with self.assertRaises(ValueError):
            core.ldpc_code_rate("pam256", 10)

    def test_references_rank_as_their_codes_do(self):
        text = 'experiment = "e"\nmodulation = "qpsk"\nsnr_db = [3, -30]\n[[scheme]]\nname = "srec"\n'
        text += '[[reference]]\ncodec = "webp"\ncode = ["ideal", "ldpc", "ccsds"]\n'
        config = os.path.join(self.keep.name, "codes.toml")
        with open(config, "w") as f:
            f.write(text)
        rows = {(r["code"], r["snr_db"]): r for r in simulated(config, self.path) if r.get("codec")}
        self.assertGreater(rows["ideal", 3]["psnr_db"], rows["ldpc", 3]["psnr_db"] + 0.5)
        self.assertGreater(rows["ldpc", 3]["psnr_db"], rows["ccsds", 3]["psnr_db"] + 0.5)
        row = rows["ldpc", 3]
        rate = core.ldpc_code_rate("qpsk", 3 - reference.LDPC_MARGIN_DB)
        self.assertEqual(row["budget_bytes"], int(row["n_symbols"] * 2 * rate / 8))
        self.assertTrue(rows["ldpc", -30]["lost"])

    def test_the_whole_code_has_its_cliff_where_it_is_known_to_be(self):
        # Eb/N0 2.4 to 2.5 dB in the literature
        rate = 8 * reference.FRAME_BYTES / reference.FRAME_BITS
        for ebn0, arrives in ((2.9, True), (1.5, False)):
            for modulation in ("bpsk", "qpsk"):
                snr = ebn0 + 10 * math.log10(rate * core.bits_per_symbol(modulation))
                self.assertEqual(
                    reference.ccsds_arrives(10 * reference.FRAME_BYTES, modulation, snr, 5), arrives, (ebn0, modulation)
                )
        self.assertTrue(reference.ccsds_arrives(reference.FRAME_BYTES, "64qam", 25, 6))


if __name__ == "__main__":
    unittest.main()
