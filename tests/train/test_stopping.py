# SPDX-License-Identifier: GPL-3.0-or-later
"""srec-train stops at once, keeps what it has, and goes on from there as if it had never stopped."""
import csv
import glob
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import sessions
from PIL import Image
from waiting import wait_for

try:
    import torch
except ImportError:
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)

TRAIN = os.environ["SREC_TRAIN"]
# A training of one number. A step that its environment names never ends, in C, where no signal interrupts it.
ONE_NUMBER = """
import argparse, ctypes, os, sys, torch
from srec_train import launcher, stopping, trainer
parser = argparse.ArgumentParser()
trainer.add_arguments(parser)
args = parser.parse_args()
if args.processes > 1 and "RANK" not in os.environ:
    sys.exit(launcher.launch(args.processes))
stopping.watch()
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("seen", torch.zeros(1))
net = Net()
def loss_of(step, workers):
    net.seen += 1
    if step + 1 == int(os.environ.get("LONG_STEP", "0")):
        print("in C", flush=True)
        mutex = ctypes.create_string_buffer(64)
        for _ in range(2):
            ctypes.CDLL(None).pthread_mutex_lock(mutex)
    return (net.weight - 3).square().sum(), {}
trainer.run(args, net, [{"params": [net.weight]}], loss_of, lambda: {"x": 1.0}, {"stage": "test"})
stopping.settle()
"""
WITHOUT_END = ("--steps", "10000000", "--validate", "10000000", "--save", "10000000", "--every", "1")


def waves(height, width, seed):
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([127 + 70 * np.sin(x / (9 + 5 * c + seed)) * np.cos(y / (13 - 2 * c)) for c in range(3)], 2)
    return (picture + np.random.default_rng(seed).normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


class Stopping(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name
        os.mkdir(self.at("pictures"))
        for seed in range(2):
            Image.fromarray(waves(256, 272, seed)).save(self.at("pictures", f"{seed}.png"))
        with open(self.at("one_number.py"), "w", encoding="utf-8") as f:
            f.write(ONE_NUMBER)

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def command(self, stage, run, *args):
        return [
            sys.executable,
            "-B",
            TRAIN,
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
            "--threads",
            "1",
            "--cache",
            self.at("cache"),
            *args,
        ]

    def one_number(self, run, *args):
        return [sys.executable, "-B", self.at("one_number.py"), "--out", self.at(run), "--threads", "1", *args]

    def done(self, command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def started(self, command, text, **options):
        """Once a line with `text` has come. -> process, in a session of its own"""
        process = sessions.start(self, command, **options)
        for line in process.stdout:
            if text in line:
                return process
        self.fail(f"no '{text}': " + process.communicate()[1])

    def assert_stopped(self, process, seconds=20):
        """With nothing left. -> what it said"""
        begin = time.monotonic()
        _, said = process.communicate(timeout=120)
        self.assertLess(time.monotonic() - begin, seconds)  # 2 s where nothing else runs
        self.assertEqual(process.returncode, 130, said)
        sessions.wait_for_end(process)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("srec-train: stopped; ", said)
        self.assertFalse(glob.glob(self.at("**", "*.new"), recursive=True), "an unfinished file is left")
        return said

    def rows(self, run, name="train.csv"):
        with open(self.at(run, name)) as f:
            return list(csv.DictReader(f))

    def steps(self, run, name="train.csv"):
        return [int(float(row["step"])) for row in self.rows(run, name)]

    def checkpoint(self, run):
        from srec_train import trainer

        return trainer.read_checkpoint(self.at(run, "checkpoint.pt"))

    def assert_equal_runs(self, a, b):
        a, b = self.checkpoint(a), self.checkpoint(b)
        self.assertEqual(a["step"], b["step"])
        for part in ("net", "average"):
            for name, value in a[part].items():
                self.assertTrue(torch.allclose(value.float(), b[part][name].float(), rtol=1e-4, atol=1e-5), name)

    def test_a_stopped_run_goes_on_as_if_it_had_not_been(self):
        stops = (("step 3 ", sessions.press_ctrl_c), ("step 7 ", subprocess.Popen.terminate))
        link = ("--start", self.at("transform-whole"), "--domain", "latent")
        for stage, more, stops in (("transform", (), stops), ("link", link, stops[1:])):
            options = (*more, "--steps", "12", "--validate", "100", "--every", "1", "--save", "100")
            whole, parts = stage + "-whole", stage + "-parts"
            self.done(self.command(stage, whole, *options))
            for text, stop in stops:
                process = self.started(self.command(stage, parts, *options), text)
                stop(process)
                said = self.assert_stopped(process)
                step = self.checkpoint(parts)["step"]
                checkpoint = self.at(parts, "checkpoint.pt")
                self.assertIn(
                    f"{step} of 12 steps are saved in {checkpoint}: the same command resumes the training", said
                )
                self.assertGreaterEqual(step, int(text.split()[1]))
                self.assertLess(step, 12)
                self.assertEqual(self.steps(parts), list(range(1, step + 1)))
            self.assertIn(f"resuming at step {step} of 12", self.done(self.command(stage, parts, *options)).stdout)
            self.assertEqual(self.steps(parts), list(range(1, 13)))
            self.assert_equal_runs(whole, parts)

    def test_a_step_without_end_does_not_hold_it_up(self):
        for signals in ((signal.SIGINT,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGHUP,)):
            process = self.started(self.one_number("run", "--steps", "5"), "in C", env=dict(os.environ, LONG_STEP="3"))
            for number in signals:
                os.killpg(process.pid, number)
            self.assertIn("2 of 5 steps are saved", self.assert_stopped(process))
            saved = self.checkpoint("run")
            self.assertEqual(saved["step"], 2)
            self.assertEqual(float(saved["net"]["seen"]), 2, "a step that was broken off left a trace")

    def test_rows_beyond_the_checkpoint_are_dropped_and_nothing_half_done_is_kept(self):
        command = self.one_number("run", "--steps", "8", "--validate", "100", "--every", "1", "--save", "3")
        process = self.started(command, "in C", env=dict(os.environ, LONG_STEP="6"))
        process.kill()
        process.communicate()
        self.assertEqual(self.steps("run"), list(range(1, 6)))
        with open(self.at("run", "train.csv"), "a", encoding="utf-8") as f:
            f.write("6,0.1,0.2")  # as if cut off
        self.assertEqual(self.checkpoint("run")["step"], 3)
        self.assertIn("resuming at step 3 of 8", self.done(command).stdout)
        self.assertEqual(self.steps("run"), list(range(1, 9)))
        os.remove(self.at("run", "checkpoint.pt"))
        self.done(command)
        self.assertEqual(self.steps("run"), list(range(1, 9)))

    def test_a_validation_that_was_broken_off_is_done_when_the_run_goes_on(self):
        command = self.one_number("run", "--steps", "2", "--validate", "2")
        self.assertIn("VALIDATION", self.done(command).stdout)
        again = self.done(command)
        self.assertIn("nothing left to do: 2 of 2 steps are done", again.stdout)
        self.assertNotIn("VALIDATION", again.stdout)
        os.remove(self.at("run", "validate.csv"))
        self.assertIn("VALIDATION", self.done(command).stdout)
        self.assertEqual(self.steps("run", "validate.csv"), [2])

    def test_the_first_step_is_shown_at_once(self):
        done = self.done(self.one_number("run", "--steps", "3", "--validate", "100", "--every", "3"))
        shown = [line for line in done.stdout.splitlines() if line.startswith("step ")]
        self.assertEqual([line.split()[1] for line in shown], ["1", "3"])
        self.assertTrue(all("seconds_a_step" in line and "ETA" in line for line in shown), shown)
        self.assertEqual(self.steps("run"), [3])

    def test_several_processes_stop_together(self):
        command = self.one_number("two", *WITHOUT_END, "--processes", "2")
        process = self.started(command, "step 2 ")
        sessions.press_ctrl_c(process, 2)
        self.assertIn("of 10000000 steps are saved", self.assert_stopped(process))
        step = self.checkpoint("two")["step"]
        self.assertEqual(self.steps("two"), list(range(1, step + 1)))
        process = self.started(command, f"step {step + 1} ")
        process.kill()  # the launcher: its processes save and end by themselves
        process.communicate()
        sessions.wait_for_end(process)
        self.assertGreater(self.checkpoint("two")["step"], step)

    def test_a_process_on_another_machine_that_ends_is_one_line_and_the_run_is_saved(self):
        command = self.one_number("run", *WITHOUT_END)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        common = dict(os.environ, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        other = subprocess.Popen(
            command, env=dict(common, RANK="1"), text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        lead = self.started(command, "step 2 ", env=dict(common, RANK="0"))
        other.terminate()
        self.assertIn("the process of rank 0 keeps the run", other.communicate(timeout=60)[1])
        self.assertEqual(other.returncode, 130)
        _, said = lead.communicate(timeout=60)
        self.assertEqual((lead.returncode, said.count("\n")), (1, 1), said)
        self.assertIn("another process of this training has ended", said)
        self.assertGreaterEqual(self.checkpoint("run")["step"], 2)

    def test_pairs_that_are_finished_are_kept(self):
        command = [
            sys.executable,
            "-B",
            TRAIN,
            "pairs",
            "--pictures",
            self.at("pictures"),
            "--model",
            os.environ["SREC_MODEL"],
            "--threads",
            "1",
            "--out",
        ]
        process = self.started([*command, self.at("stopped"), "--count", "2000"], "20 of 2000 pairs")
        sessions.press_ctrl_c(process)
        said = self.assert_stopped(process)
        count = len(self.rows("stopped", "pairs.csv"))
        self.assertIn(f"{count} of 2000 pairs are in {self.at('stopped')}: the same command resumes it", said)
        with open(self.at("stopped", "pairs.csv"), "a") as f:
            f.write(f"{count},half of")  # as if killed
        for run in ("stopped", "whole"):
            self.done([*command, self.at(run), "--count", str(count + 2)])
        for name in ("pairs.csv", "pairs.u8"):
            with open(self.at("stopped", name), "rb") as f, open(self.at("whole", name), "rb") as g:
                self.assertEqual(f.read(), g.read(), name)

    def test_it_stops_while_pictures_are_decoded_and_leaves_no_cache(self):
        for name in range(400):
            os.link(self.at("pictures", "0.png"), self.at("pictures", f"more{name}.png"))
        process = sessions.start(self, self.command("transform", "run", "--steps", "2"))
        wait_for(lambda: glob.glob(self.at("cache", "*.new")), "a cache of images")
        process.terminate()
        self.assert_stopped(process)
        self.assertFalse(os.listdir(self.at("cache")))


if __name__ == "__main__":
    unittest.main()
