# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command that the pages on experiments and training show is run, small: images of 64 to 256 pixels, fewer
points,
a few steps.

SREC_DOCS names the folder of the pages (default: the source tree's): the installed ones are tried with the installed
programs.
"""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from PIL import Image
from waiting import wait_for

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DOCS = os.path.abspath(os.environ.get("SREC_DOCS", os.path.join(ROOT, "docs")))
PROGRAMS = {"srec": os.environ["SREC_COMMAND"], "srec-train": os.environ["SREC_TRAIN"]}
PAGES = ("experiments/README.md", "experiments/sweep.sbatch", "training.md", "enhancer.md", "plan.md")

SWEEP = "srec sweep --config docs/experiments/"
FIG3 = SWEEP + "fig3.toml --images PICTURES --out results/fig3"
LINK = "srec-train link --out runs/"
LEARN = " --train PICTURES --valid OTHERS --steps "
ENHANCER = "srec-train enhancer --train pairs --valid valid --out runs/enhancer --steps 40000"
CARD = ' --data "whose images, under what licence"'
# Test -> the commands that it runs, as the pages have them.
COMMANDS = {
    "figures": [
        FIG3 + " --grid",
        SWEEP + "fig5.toml --images PICTURES --out results/fig5 --grid",
        SWEEP + "rate.toml --images PICTURES --out results/rate",
        SWEEP + "layers.toml --images PICTURES --out results/layers",
        SWEEP + "codings.toml --images PICTURES --out results/codings",
        SWEEP + "codings-rate.toml --images PICTURES --out results/codings-rate",
        "srec sweep --plot --config docs/experiments/fig3.toml --out results/fig3",
        (
            "srec sweep --plot --config docs/experiments/fig3.toml --out results/fig3 --format pdf --size 3.5x2.8"
            " --separate-panels"
        ),
    ],
    "list": [FIG3 + " --list | parallel -j 2", FIG3 + " --plot"],
    "slurm": [
        FIG3 + " --list > jobs.txt",
        "sbatch --array=1-$(wc -l < jobs.txt) docs/experiments/sweep.sbatch jobs.txt",
        SWEEP + "fig3.toml --out results/fig3 --plot",
    ],
    "dask": ["dask-scheduler", "dask-worker HOST:8786 --nthreads 1 --nworkers 8", FIG3 + " --scheduler HOST:8786"],
    "plan": [
        "srec plan --image photo.jpg --snr 4 --seconds 1",
        "srec sweep --plan --images PICTURES --out table.json",
        "srec plan --table table.json --snr 4",
    ],
    "help": ["./dev run srec-train --help", "srec-train --help"],
    "codec": [
        "srec-train transform --out runs/transform" + LEARN + "20000",
        LINK + "latent --start runs/transform --domain latent --batch 16 --rate 3e-4" + LEARN + "10000",
        LINK + "picture --start runs/latent --domain picture --rate 2e-4" + LEARN + "20000",
        "srec-train export runs/picture my-codec.safetensors" + CARD,
    ],
    "enhancer": [
        "srec-train pairs --pictures PICTURES --model CODEC --out pairs --count 5000",
        "srec-train pairs --pictures OTHERS --model CODEC --out valid --grid --count 24",
        ENHANCER,
        ENHANCER + " --export enhancer.safetensors" + CARD,
    ],
    "enhancer_for_layers": [
        "srec-train cards --out cards --count 120",
        "srec-train pairs --coding layers --pictures PICTURES --out pairs --count 5000",
        "srec-train pairs --coding layers --pictures OTHERS --out valid --grid --count 24",
        (
            "srec-train enhancer --train pairs --valid valid --out runs/layers --proportional 1 --unet 16 24 32"
            " --loss image --optimiser muon --rate 1e-3 --steps 20000"
        ),
    ],
}
CURVES = {name: ["curves-4dB.png", "curves-8dB.png"] for name in ("rate", "codings-rate")}
CURVES["codings"] = ["curves-eta-0.04.png", "curves-eta-0.2.png"]


def commands_of(page):
    """Lines of code blocks and code in tables and text that are whole commands, without their comments."""
    with open(os.path.join(DOCS, page), encoding="utf-8") as f:
        text = f.read()
    if page.endswith(".sbatch"):
        found = re.findall(r"(?m)^#   (\w.*)$", text)
    else:
        blocks = re.findall(r"(?ms)^```\n(.*?)^```", text)
        inline = re.findall(r"`((?:srec|srec-train) [^`]*--out [^`]*)`", re.sub(r"(?ms)^```.*?^```", "", text))
        found = [line for block in blocks for line in block.splitlines()] + inline
    found = [re.sub(r"\s{2,}#.*", "", line).strip() for line in found]
    return [line for line in found if re.match(r"(srec|srec-train|\./dev|dask-\w+|sbatch) ?", line)]


def waves(height, width, seed):
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([127 + 70 * np.sin(x / (9 + 5 * c + seed)) * np.cos(y / (13 - 2 * c)) for c in range(3)], 2)
    return (picture + np.random.default_rng(seed).normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


class Documented(unittest.TestCase):
    """In a folder that holds the pages' docs/experiments, with the programs on PATH."""

    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name
        self.env = dict(os.environ, PATH=os.path.join(self.folder, "bin") + ":" + os.environ["PATH"])
        os.mkdir(self.at("bin"))
        for name, path in PROGRAMS.items():
            self.program(name, f'exec "{sys.executable}" -B "{path}" "$@"')
        self.experiments()

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def program(self, name, line):
        with open(self.at("bin", name), "w") as f:
            f.write(f"#!/bin/sh\n{line}\n")
        os.chmod(self.at("bin", name), 0o755)

    def experiments(self):
        """The files of the page, with fewer points; without HEVC where its programs are missing."""
        shutil.copytree(os.path.join(DOCS, "experiments"), self.at("docs", "experiments"))
        hevc = shutil.which("heif-enc") and shutil.which("heif-convert")
        for path in glob.glob(self.at("docs", "experiments", "*.toml")):
            with open(path) as f:
                text = f.read()
            text = re.sub(r"(?m)^snr_db = (\{.*\}|\[.*\])", "snr_db = [4, 8]", text)
            text = re.sub(r"(?m)^eta = (\{.*\}|\[.*\])", "eta = [0.04, 0.2]", text)
            text = re.sub(r"(?m)^modulation = .*", 'modulation = ["qpsk", "bpsk"]', text)
            if not hevc:
                text = text.replace(', "hevc"', "")
            with open(path, "w") as f:
                f.write(text)

    def pictures(self, name, side, count=2):
        os.mkdir(self.at(name))
        for seed in range(count):
            Image.fromarray(waves(side, side + 16, seed)).save(self.at(name, f"{seed}.png"))

    def run_line(self, line, *more, **replaced):
        """A documented line with other words for some of its words and with more options. -> its output"""
        for old, new in {"PICTURES": self.at("pictures"), "OTHERS": self.at("others"), **replaced}.items():
            line = line.replace(old, new)
        command, pipe, rest = line.partition(" |") if " |" in line else line.partition(" >")
        line = " ".join([command, *more]) + pipe + rest
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=900,
        )
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout + done.stderr

    def assert_files(self, folder, *names):
        for name in names:
            self.assertGreater(os.path.getsize(self.at(folder, name)), 100, name)

    def table(self, name):
        with open(self.at("results", name, "table.md")) as f:
            return f.read()

    def need_training(self):
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("no PyTorch: apt install python3-torch")

    def test_every_command_of_the_pages_is_run_here(self):
        shown = {command for page in PAGES for command in commands_of(page)}
        self.assertEqual(shown, {command for commands in COMMANDS.values() for command in commands})

    def test_figures(self):
        self.pictures("pictures", 64)
        for line, name in zip(COMMANDS["figures"], ("fig3", "fig5", "rate", "layers", "codings", "codings-rate")):
            said = self.run_line(line)
            self.assertNotIn("results of an earlier", said)
            grids = ["grid-qpsk.png", "grid-bpsk.png"] if "--grid" in line else []
            curves = CURVES.get(name, ["curves.png"])
            self.assert_files(f"results/{name}", "table.md", "means.csv", "results.jsonl", *curves, *grids)
        before = self.table("fig3")
        for words in ("SREC, hard, paper", "SREC, soft, robust", "Gain of SREC at 4 dB"):
            self.assertIn(words, before)
        self.assertIn("Gain of Layers at 4 dB", self.table("layers"))
        os.remove(self.at("results", "fig3", "table.md"))
        self.run_line(COMMANDS["figures"][-2])
        self.assertEqual(self.table("fig3"), before)
        self.run_line(COMMANDS["figures"][-1])
        panels = [f"curves-{m}{metric}.pdf" for m in ("qpsk", "bpsk") for metric in ("", "-ms-ssim")]
        self.assert_files("results/fig3", *panels)

    def test_plan(self):
        self.pictures("pictures", 96, 1)
        shown, measure, from_table = COMMANDS["plan"]
        self.assertIn("best: coded layers", self.run_line(shown, **{"photo.jpg": self.at("pictures", "0.png")}))
        self.run_line(measure)
        self.assertIn("best: coded layers", self.run_line(from_table))

    def test_list(self):
        self.pictures("pictures", 64, 1)
        if not shutil.which("parallel"):
            self.program("parallel", "exec sh")
        self.run_line(COMMANDS["list"][0])
        self.run_line(COMMANDS["list"][1])
        self.assertIn("SREC, soft, robust", self.table("fig3"))

    def test_slurm(self):
        self.pictures("pictures", 64, 1)
        self.program(
            "sbatch",
            """last=${1##*-}
shift
for i in $(seq 1 "$last"); do
    SLURM_ARRAY_TASK_ID=$i bash "$@"
done""",
        )
        self.run_line(COMMANDS["slurm"][0])
        with open(self.at("jobs.txt")) as f:
            jobs = f.readlines()
        with open(self.at("jobs.txt"), "w") as f:
            f.writelines(jobs[:2])  # they are all alike
        for line in COMMANDS["slurm"][1:]:
            self.run_line(line)
        self.assertEqual(len(glob.glob(self.at("results", "fig3", "results.job-*.jsonl"))), 2)

    def test_dask(self):
        if not shutil.which("dask-scheduler"):
            self.skipTest("no Dask: apt install python3-distributed")
        self.pictures("pictures", 64, 1)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{s.getsockname()[1]}"
        scheduler, worker, sweep = (line.replace("HOST:8786", address) for line in COMMANDS["dask"])
        port = address.split(":")[1]
        worker = worker.replace("--nworkers 8", "--nworkers 2")
        for line in (f"{scheduler} --host 127.0.0.1 --port {port} --no-dashboard", f"{worker} --no-dashboard"):
            process = subprocess.Popen(
                line.split(),
                cwd=self.folder,
                env=self.env,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(self.end, process)
        line = sweep.replace("PICTURES", self.at("pictures")).split()

        def swept():
            done = subprocess.run(line, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=900)
            if done.returncode:
                self.assertRegex(done.stderr, "no Dask scheduler answers|has no workers")
            return done.returncode == 0

        wait_for(swept, "the start of the cluster")
        self.assertIn("SREC, soft, robust", self.table("fig3"))

    def end(self, process):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def test_help(self):
        self.need_training()
        self.assertIn("transform", self.run_line(COMMANDS["help"][1]))

    def test_codec(self):
        self.need_training()
        self.pictures("pictures", 256)
        self.pictures("others", 64, 1)
        transform, latent, picture, export = COMMANDS["codec"]
        small = ["--side 64", "--valid-count 1", "--threads 1"]
        self.run_line(transform, *small, **{"--steps 20000": "--steps 2"})
        self.run_line(latent, *small, **{"--steps 10000": "--steps 2", "--batch 16": "--batch 2"})
        self.run_line(picture, *small, **{"--steps 20000": "--steps 1"})
        self.run_line(export)
        self.assertIn("whose images, under what licence", self.run_line("srec info my-codec.safetensors"))

    def test_enhancer(self):
        self.need_training()
        self.pictures("pictures", 160)
        self.pictures("others", 64, 1)
        pairs, grid, train, export = COMMANDS["enhancer"]
        codec = {"CODEC": '"$SREC_MODEL"'}
        self.run_line(pairs, **codec, **{"--count 5000": "--count 4"})
        self.run_line(grid, **codec)
        tiny = [
            "--side 64",
            "--valid-count 2",
            "--batch 2",
            "--threads 1",
            "--base 6",
            "--growth 4",
            "--layers 2",
            "--blocks 2",
            "--image 2",
            "--unet 4 4 4 4 4",
        ]
        self.run_line(train, *tiny, **{"--steps 40000": "--steps 2"})
        self.run_line(export, *tiny, **{"--steps 40000": "--steps 2"})
        self.assertIn("whose images, under what licence", self.run_line("srec info enhancer.safetensors"))

    def test_enhancer_for_layers(self):
        self.need_training()
        self.pictures("pictures", 160)
        self.pictures("others", 64, 1)
        cards, pairs, grid, train = COMMANDS["enhancer_for_layers"]
        self.run_line(cards, **{"--count 120": "--count 2"})
        self.run_line(pairs, **{"--count 5000": "--count 3"})
        self.run_line(grid)
        said = self.run_line(
            train, "--side 64", "--batch 1", "--valid-count 1", "--threads 1", **{"--steps 20000": "--steps 1"}
        )
        self.assertIn("VALIDATION", said)


if __name__ == "__main__":
    unittest.main()
