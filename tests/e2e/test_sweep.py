# SPDX-License-Identifier: GPL-3.0-or-later
"""srec sweep: its points are those of the flowgraph, whoever computes them, and files say what was asked."""
import argparse
import glob
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import sessions
from gnuradio.srec import srec_core as core
from gnuradio.srec.commands import Failure, Usage, sweep
from gnuradio.srec.sweep import capacity, grid, points, reference, report, results, transmission
from gnuradio.srec.sweep.config import Experiment
from PIL import Image
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
[[scheme]]
name = "srec"
[[scheme]]
name = "ntscc-clear"
decisions = "hard"
[[reference]]
codec = "webp"
"""


def here(*args):
    """The command in this process, quicker: -> (exit code, what it would say)"""
    parser = argparse.ArgumentParser()
    sweep.add_arguments(parser)
    try:
        return sweep.run(parser.parse_args(args)), ""
    except (Usage, Failure) as error:
        return 2 if isinstance(error, Usage) else 1, str(error)


def srec(*args, **options):
    return subprocess.run([sys.executable, SREC, *args], capture_output=True, text=True, timeout=600, **options)


def rows_in(folder):
    """Rows, sorted: the order tells who was quicker. Without the commit, which may change while tests run."""
    rows = []
    for path in glob.glob(os.path.join(folder, "results*.jsonl")):
        with open(path) as f:
            rows += [json.loads(line) for line in f]
    return sorted(({k: v for k, v in r.items() if k != "commit"} for r in rows), key=lambda r: r["id"])


class Sweep(unittest.TestCase):
    def setUp(self):
        keep = tempfile.TemporaryDirectory()
        self.addCleanup(keep.cleanup)
        self.folder = keep.name
        self.images = os.path.join(self.folder, "images")
        os.mkdir(self.images)
        raccoon = Image.open(RACCOON)
        raccoon.crop((200, 100, 400, 240)).save(os.path.join(self.images, "a.png"))
        raccoon.crop((300, 300, 460, 396)).save(os.path.join(self.images, "b.png"))

    def config(self, text=GRID, name="grid.toml"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def sweep(self, out, *args, config=None, **options):
        return srec(
            "sweep",
            "--images",
            self.images,
            "--config",
            config or self.config(),
            "--out",
            os.path.join(self.folder, out),
            *args,
            **options,
        )

    def done(self, out, *args, **options):
        done = self.sweep(out, *args, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return rows_in(os.path.join(self.folder, out))

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
            rows = self.done(modulation, "--workers", "1", "--pictures", "1", config=self.config(text))
            self.assertEqual(len(rows), len(schemes))
            cropped = os.path.join(self.folder, "cropped.png")
            Image.fromarray(transmission.picture(os.path.join(self.images, "a.png"), (160, 96))).save(cropped)
            for row in rows:
                file = os.path.join(self.folder, "one.json")
                options = [
                    "--modulation",
                    modulation,
                    "--snr",
                    str(snr),
                    "--seed",
                    str(row["seed"]),
                    "--channel",
                    channel,
                    "--json",
                    file,
                ]
                options += ["--no-encrypt"] if row["cipher"] == "none" else ["--cipher", row["cipher"]]
                options += ["--hard"] if row["decisions"] == "hard" else []
                one = srec("simulate", "--no-sr", "--image", cropped, "--out", self.folder, *options)
                self.assertEqual(one.returncode, 0, one.stderr)
                with open(file) as f:
                    flowgraph = json.load(f)
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
        os.remove(os.path.join(self.images, "a.png"))
        Image.open(RACCOON).crop((300, 300, 427, 396)).save(os.path.join(self.images, "b.png"))  # an odd width
        rows = self.done("sr", "--workers", "1", config=self.config(text))
        self.assertEqual(len(rows), 8)
        again = self.done(
            "sr", "--workers", "1", config=self.config(text)
        )  # a codec and an enhancer may have one label
        self.assertEqual(again, rows)
        for row in rows:
            file = os.path.join(self.folder, "one.json")
            options = ["--enhancer", files[row["scale"]]] if row["enhancer"] else ["--no-sr"]
            options += ["--hard"] if row["decisions"] == "hard" else []
            one = srec(
                "simulate",
                "--image",
                os.path.join(self.images, "b.png"),
                "--out",
                self.folder,
                "--snr",
                "7",
                "--seed",
                str(row["seed"]),
                "--json",
                file,
                "--scale",
                str(row["scale"]),
                *options,
            )
            self.assertEqual(one.returncode, 0, one.stderr)
            with open(file) as f:
                flowgraph = json.load(f)
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
        with open(os.path.join(self.folder, "sr", "table.md")) as f:
            self.assertIn("What super-resolution adds", f.read())

    def test_results_do_not_depend_on_who_computes_them(self):
        one = self.done("one", "--workers", "1")
        self.assertEqual(
            len(one), 2 * 2 * 2 * (2 * 4 + 1 + 2)
        )  # pictures, modulations, SNRs; schemes and the real code in two trials
        self.assertEqual(one, self.done("two", "--workers", "2"))
        listed = self.sweep("list", "--list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        for line in reversed(listed.stdout.splitlines()):
            words = shlex.split(line)
            self.assertEqual(words[:2], ["srec", "sweep"])
            job = srec(*words[1:])
            self.assertEqual((job.returncode, job.stderr, job.stdout), (0, "", ""))
        self.assertEqual(one, rows_in(os.path.join(self.folder, "list")))
        self.assertEqual(self.sweep("list", "--list").stdout, "", "a job that is finished is listed")
        self.assertEqual(len({r["seed"] for r in one}), 16)  # pictures, modulations, SNRs, trials
        self.assertEqual(len({r["psnr_db"] for r in one if r.get("scheme") == "srec"}), 16, "trials must differ")

    def test_a_dask_cluster_gives_the_same_results(self):
        try:
            from distributed import LocalCluster
        except ImportError:
            self.skipTest("no dask.distributed: apt install python3-distributed")
        grid = self.config(SMALL)
        local = self.done("local", "--workers", "1", config=grid)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            self.assertEqual(local, self.done("cluster", "--scheduler", cluster.scheduler_address, config=grid))

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
        grid = self.config(SMALL)
        first = self.done("out", "--workers", "1", config=grid)
        path = os.path.join(self.folder, "out", "results.jsonl")
        with open(path) as f:
            lines = f.readlines()
        untouched = self.sweep("out", "--workers", "1", config=grid)
        self.assertIn(", 0 to do", untouched.stderr)
        with open(path) as f:
            self.assertEqual(lines, f.readlines())
        with open(path, "w") as f:  # as after a kill: some are missing, one is half written
            f.write("".join(lines[:3]) + lines[3][:40])
        again = self.sweep("out", "--workers", "1", config=grid)
        self.assertIn(f", {len(lines) - 3} to do", again.stderr)
        with open(path) as f:
            self.assertEqual(f.readlines()[:3], lines[:3])
        self.assertEqual(rows_in(os.path.join(self.folder, "out")), first)

    def test_a_killed_worker_is_one_line_and_nothing_is_lost(self):
        grid = self.config(SMALL)
        command = [
            sys.executable,
            SREC,
            "sweep",
            "--images",
            self.images,
            "--config",
            grid,
            "--out",
            os.path.join(self.folder, "out"),
            "--workers",
            "2",
        ]
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
        self.assertEqual(
            self.done("out", "--workers", "1", config=grid), self.done("whole", "--workers", "1", config=grid)
        )

    def test_tables_and_plots_come_from_the_files_alone(self):
        rows = self.done("out", "--workers", "2")
        out = os.path.join(self.folder, "out")
        with open(os.path.join(out, "table.md")) as f:
            table = f.read()
        for name in os.listdir(self.images):
            os.remove(os.path.join(self.images, name))
        os.remove(os.path.join(out, "table.md"))
        os.remove(os.path.join(out, "curves.png"))
        again = srec("sweep", "--plot", "--config", self.config(), "--out", out)
        self.assertEqual(again.returncode, 0, again.stderr)
        with open(os.path.join(out, "table.md")) as f:
            self.assertEqual(f.read(), table)
        self.assertGreater(Image.open(os.path.join(out, "curves.png")).size[0], 500)
        pick = lambda scheme, snr: [
            r["psnr_db"]
            for r in rows
            if r.get("scheme") == scheme
            and r["snr_db"] == snr
            and r["modulation"] == "qpsk"  # noqa: E731
            and r["decisions"] == "soft"
        ]
        self.assertIn(
            (
                f"| SREC, soft | {np.mean([r['cbr'] for r in rows if r['modulation'] == 'qpsk']):.3f} |"
                f" {np.mean(pick('srec', 2)):.2f} ±"
            ),
            table,
        )
        gain = np.mean(pick("srec", 10)) - np.mean(pick("ntscc-clear", 10))
        self.assertIn(f"| NTSCC, in clear | qpsk | +3.0 | {gain:+.2f} ±", table)
        jpeg = {
            snr: [r for r in rows if r.get("code") == "ideal" and r["snr_db"] == snr and r["modulation"] == "qpsk"]
            for snr in (2, 10)
        }
        one = {
            2: np.mean([r["psnr_db"] for r in jpeg[2]]),
            10: np.mean([(r["psnr_db"] + r["grey_psnr_db"]) / 2 for r in jpeg[10]]),
        }
        best = max(one, key=one.get)  # a rate for 2 dB serves both receivers, one for 10 dB only the better
        self.assertIn(f"| JPEG, ideal code | {one[best]:.2f} (made for {best} dB) |", table)
        fewer = srec(
            "sweep",
            "--plot",
            "--config",
            self.config(GRID.replace("snr_db = { from = 2, to = 10, step = 8 }", "snr_db = 10")),
            "--out",
            out,
        )
        self.assertEqual(fewer.returncode, 0, fewer.stderr)
        self.assertIn("results of an earlier", fewer.stderr)
        with open(os.path.join(out, "table.md")) as f:
            self.assertNotIn("2 dB |", f.read())

    def test_grids_and_the_other_plots_are_made(self):
        text = (
            'experiment = "e"\nplot = "eta"\nmodulation = "qpsk"\nsnr_db = [4, 10]\neta = [0.05, 0.2]\ncrop = [160,'
            ' 96]\n[[scheme]]\nname = "srec"\n'
        )
        grid = '[grid]\npicture = "b"\nsnr_db = 10\neta = [0.05, 0.2]\n'
        rows = self.done("eta", "--grid", "--workers", "1", config=self.config(text + grid))
        self.assertEqual(
            {"curves.png", "grid-qpsk.png", "results.jsonl", "table.md"},
            set(os.listdir(os.path.join(self.folder, "eta"))),
        )
        by_eta = [np.mean([r["psnr_db"] for r in rows if r["eta"] == eta and r["snr_db"] == 10]) for eta in (0.05, 0.2)]
        self.assertGreater(by_eta[1], by_eta[0] + 1)
        published = '[[published]]\nname = "NTSCC"\ncbr = [0.02]\npsnr_db = [29.2]\n'
        self.done("cbr", "--workers", "1", config=self.config(text.replace('"eta"', '"cbr"') + published))
        self.assertEqual(
            {"curves-10dB.png", "curves-4dB.png", "results.jsonl", "table.md"},
            set(os.listdir(os.path.join(self.folder, "cbr"))),
        )

    def test_a_grid_shows_each_scheme_under_its_own_name(self):
        text = 'experiment = "g"\nmodulation = "qpsk"\nsnr_db = 3\ncrop = [160, 96]\n'
        text += f'[enhancers]\none = "{GOLDEN_ENHANCER}"\n[grid]\npicture = "a"\nsnr_db = [9, 3]\n'
        text += "".join(f'[[scheme]]\nname = "ntscc-encrypted"\ncipher = "{cipher}"\n' for cipher in ("auto", "add"))
        text += '[[scheme]]\nname = "srec"\n[[scheme]]\nname = "srec"\nenhancer = ["one"]\n'
        config = self.config(text)
        rows = self.done("out", "--grid", "--pictures", "1", config=config)
        self.assertEqual(len(rows), 4)
        self.assertEqual(len({r["psnr_db"] for r in rows}), 3, "srec without an enhancer is ntscc-encrypted, auto")
        sheet = Image.open(os.path.join(self.folder, "out", "grid-qpsk.png"))
        picture, experiment = os.path.join(self.images, "a.png"), Experiment(config)
        jobs = grid.jobs(experiment, [picture], sweep.enhancers_of(experiment, transmission.enhancer))
        height = grid._shrunk(transmission.picture(picture, (160, 96))).height
        shown = set()
        for i, (point, cell, _) in enumerate(cell for job in jobs for cell in grid.cells_of(job)):
            column, row = divmod(i, 4)  # points of an SNR follow each other in the order of the schemes
            x = grid.SIDE + column * (grid.WIDTH + grid.MARGIN)
            y = (row + 1) * (height + grid.TITLE + grid.MARGIN) + grid.MARGIN + grid.TITLE
            there = sheet.crop((x, y, x + grid.WIDTH, y + height))
            np.testing.assert_array_equal(np.asarray(there), np.asarray(cell), str(point))
            shown.add(grid._side_text(point, 1))
        self.assertEqual((i + 1, len(shown)), (2 * 4, 4), shown)

    def test_gains_are_of_one_eta_each(self):
        text = SMALL + '[gains]\nsnr_db = 6\n[[gains.over]]\nscheme = "ntscc-clear"\n'
        text = text.replace("snr_db = 6\n", "snr_db = 6\neta = [0.05, 0.2]\n", 1).replace('decisions = "hard"\n', "")
        rows = self.done("out", config=self.config(text))
        with open(os.path.join(self.folder, "out", "table.md"), encoding="utf-8") as f:
            table = f.read()
        self.assertIn("| over | modulation | paper | default, soft, eta 0.05 | default, soft, eta 0.2 |", table)

        def gain(modulation, eta):
            here = [r for r in rows if r["modulation"] == modulation and r["eta"] == eta]
            mean = {
                scheme: np.mean([r["psnr_db"] for r in here if r.get("scheme") == scheme])
                for scheme in ("srec", "ntscc-clear")
            }
            return f"{mean['srec'] - mean['ntscc-clear']:+.2f}"

        for modulation in ("bpsk", "qpsk"):
            cells = [re.escape(gain(modulation, eta)) + " ± [^|]*" for eta in (0.05, 0.2)]
            self.assertRegex(table, re.escape(f"| NTSCC, in clear | {modulation} |  | ") + r"\| ".join(cells))

    def test_one_label_may_name_a_codec_and_an_enhancer(self):
        text = (
            'experiment = "labels"\nmodulation = "qpsk"\nsnr_db = 6\ncrop = [96, 64]\n'
            '[models]\nrobust = "srec-codec-v3.safetensors"\n[enhancers]\nrobust = "srec-enhancer-x1-v3.safetensors"\n'
            '[[scheme]]\nname = "srec"\nenhancer = ["robust"]\n'
        )
        config = self.config(text)
        own_codec, own_enhancer = (os.path.join(ROOT, "models", name) for name in re.findall('"(srec-.*)"', text))
        codec = os.path.join(ROOT, "models", "srec-codec-paper-v2.safetensors")
        for name, given, used in (
            ("none", [], (own_codec, own_enhancer)),
            ("codec", [codec], (codec, own_enhancer)),
            ("enhancer", [GOLDEN_ENHANCER], (own_codec, GOLDEN_ENHANCER)),
            ("both", [GOLDEN_ENHANCER, codec], (codec, GOLDEN_ENHANCER)),
        ):
            models = [f"--model=robust={file}" for file in given]
            (row,) = self.done(name, "--workers", "1", "--pictures", "1", *models, config=config)
            self.assertEqual(
                (row["model_id"], row["enhancer_id"]),
                (transmission.model(used[0]).id, transmission.enhancer(used[1]).id),
                name,
            )

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
            ('"srec"', '"sreck"', "unknown scheme 'sreck'; known are ntscc-clear, ntscc-encrypted, eavesdropper, srec"),
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
        self.done("out", "--workers", "1", "--pictures", "1", config=self.config(SMALL.replace('"small"', '"test"')))
        other = self.config(GRID.replace('"test"', '"another"'), "other.toml")
        for code, says, *args in (
            (1, "no pictures in this folder", "--images", empty, "--config", grid),
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
        with open(os.path.join(self.images, "c.png"), "wb") as f:
            f.write(b"\x89PNG no more")
        for workers in ("1", "2"):
            done = self.sweep("out" + workers, "--workers", workers, config=self.config(SMALL))
            self.assertEqual(done.returncode, 1)
            self.assertIn("c.png: not a PNG", done.stderr.splitlines()[-1])
            self.assertNotIn("Traceback", done.stderr)


class Stopping(unittest.TestCase):
    """Ctrl-C and SIGTERM."""

    setUp, config, done, sweep = Sweep.setUp, Sweep.config, Sweep.done, Sweep.sweep

    def command(self, out, *args, config):
        return [
            sys.executable,
            SREC,
            "sweep",
            "--images",
            self.images,
            "--config",
            config,
            "--out",
            os.path.join(self.folder, out),
            *args,
        ]

    def rows(self, out):
        path = os.path.join(self.folder, out, "results.jsonl")
        if not os.path.exists(path):
            return 0
        with open(path, encoding="utf-8") as f:
            return f.read().count("\n")

    def assert_stopped(self, process, seconds=20):
        """By itself, saying how to go on, and with nothing left. -> what it said"""
        begin = time.monotonic()
        _, said = process.communicate(timeout=120)
        self.assertLess(time.monotonic() - begin, seconds)  # 2 s where nothing else runs
        self.assertEqual(process.returncode, 130, said)
        sessions.wait_for_end(process)
        self.assertNotIn("Traceback", said)
        self.assertIn("srec sweep: stopped: ", said.splitlines()[-1])
        return said

    def test_a_stopped_sweep_keeps_what_is_finished_and_goes_on(self):
        config = self.config(SMALL.replace("snr_db = 6", "snr_db = { from = 0, to = 15, step = 0.5 }"))
        whole = self.done("whole", config=config)
        for out, workers, stop in (
            ("once", "2", sessions.press_ctrl_c),
            ("term", "1", subprocess.Popen.terminate),
            ("twice", "2", lambda p: sessions.press_ctrl_c(p, 2)),
        ):
            process = sessions.start(self, self.command(out, "--workers", workers, config=config))
            wait_for(lambda: self.rows(out) >= 3, "the first rows")
            stop(process)
            said = self.assert_stopped(process)
            kept = self.rows(out)
            self.assertGreaterEqual(kept, 3)
            self.assertLess(kept, len(whole), "stopped too late to show anything")
            self.assertIn(f"{kept} points were simulated and are kept in", said)
            self.assertIn(f"{len(whole) - kept} are left; the same command goes on", said)
        self.assertEqual(self.done("twice", config=config), whole)

    def stub(self):
        """-> environment in which heif-enc never ends; `self.begun` has its process id once it runs"""
        folder, self.begun = (os.path.join(self.folder, name) for name in ("bin", "begun"))
        os.mkdir(folder)
        for name in ("heif-enc", "heif-convert"):
            with open(os.path.join(folder, name), "w") as f:
                f.write(f"#!/bin/sh\necho $$ >{self.begun}.new; mv {self.begun}.new {self.begun}\nexec sleep 600\n")
            os.chmod(os.path.join(folder, name), 0o755)
        return dict(os.environ, PATH=folder + ":" + os.environ["PATH"], TMPDIR=self.folder)

    def in_heif(self, *args, env):
        """A sweep whose job is in heif-enc. -> process"""
        config = self.config(SMALL.replace('"webp"', '"hevc"'))
        process = sessions.start(self, self.command("out", *args, config=config), env=env)
        wait_for(lambda: os.path.exists(self.begun) or process.poll() is not None, "heif-enc")
        return process

    def test_a_job_in_progress_does_not_hold_it_up_nor_leave_its_programs(self):
        process = self.in_heif("--workers", "1", env=self.stub())
        self.assertGreaterEqual(len(sessions.members(process.pid)), 3)
        sessions.press_ctrl_c(process)
        self.assert_stopped(process)
        self.assertFalse(glob.glob(os.path.join(self.folder, "srec-sweep-*")), "temporary files are left")

    def test_workers_do_not_outlive_a_killed_sweep(self):
        process = self.in_heif("--workers", "2", env=self.stub())
        process.kill()
        process.communicate(timeout=60)
        sessions.wait_for_end(process)

    def test_a_listed_job_stops_too(self):
        stub = self.stub()
        config = self.config(SMALL.replace('"webp"', '"hevc"'))
        listed = subprocess.run(self.command("out", "--list", config=config), env=stub, capture_output=True, text=True)
        last = len(listed.stdout.splitlines()) - 1  # a reference
        process = self.in_heif("--job", str(last), env=stub)
        process.terminate()
        self.assert_stopped(process)

    def test_a_sweep_on_a_cluster_stops_too(self):
        try:
            from distributed import LocalCluster
        except ImportError:
            self.skipTest("no dask.distributed: apt install python3-distributed")
        stub, path = self.stub(), os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        os.environ["PATH"] = stub["PATH"]
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
            process = self.in_heif("--scheduler", cluster.scheduler_address, env=stub)
            sessions.press_ctrl_c(process)
            self.assert_stopped(process)
        with open(self.begun, encoding="utf-8") as f:
            os.kill(int(f.read()), signal.SIGKILL)  # of the cluster, which is the test's


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


class Intervals(unittest.TestCase):
    def rows(self, values, **more):
        return [dict(picture=p, trial=t, psnr_db=v, cbr=0.1, lost=False, **more) for (p, t), v in values.items()]

    def test_the_interval_is_students_over_pictures(self):
        mean = results.means(self.rows({("a", 0): 0.0, ("a", 1): 2.0, ("b", 0): 2.0, ("c", 0): 3.0}))
        (only,) = mean.values()
        self.assertAlmostEqual(only["mean"], 2.0)
        self.assertAlmostEqual(
            only["half"], 4.302653 / math.sqrt(3), 5
        )  # t at 0.975 with 2 degrees of freedom, deviation 1
        self.assertEqual(only["n"], 3)

    def test_one_picture_has_its_trials_as_sample_and_one_value_no_interval(self):
        (only,) = results.means(self.rows({("a", 0): 1.0, ("a", 1): 3.0})).values()
        self.assertAlmostEqual(only["half"], 12.706205 * math.sqrt(2) / math.sqrt(2), 5)
        (single,) = results.means(self.rows({("a", 0): 1.0})).values()
        self.assertTrue(math.isnan(single["half"]))

    def test_differences_are_paired(self):
        a, b = self.rows({("a", 0): 10.0, ("b", 0): 30.0, ("c", 0): 5.0}), self.rows({("a", 0): 9.0, ("b", 0): 29.0})
        self.assertEqual(results.difference(a, b)[0::2], (1.0, 2))
        self.assertAlmostEqual(results.difference(a, b)[1], 0.0)
        self.assertIsNone(results.difference(a, []))

    def test_results_that_no_key_tells_apart_are_not_averaged(self):
        rows = self.rows({("a", 0): 1.0}) + self.rows({("a", 0): 2.0})
        with self.assertRaises(ValueError):
            results.means(rows)

    def test_ranges_are_put_into_words(self):
        for better, words in (
            ([1, 1, 1], "everywhere"),
            ([0, 0, 0], "nowhere"),
            ([0, 1, 1], "2 to 4 dB"),
            ([1, 0, 1], "0, 4 dB"),
            ([1, 1, 0], "0 to 2 dB"),
        ):
            self.assertEqual(report._ranges(dict(zip((0.0, 2.0, 4.0), map(bool, better)))), words)


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
            for budget in (3000, 8000, 20000):
                size, psnr = reference.best_within(codec, budget, self.path, ())
                self.assertLessEqual(size, budget)
                self.assertGreater(size, 0.6 * budget, codec)
                self.assertGreater(psnr, last + 1, codec)
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
