# SPDX-License-Identifier: GPL-3.0-or-later
"""srec receive --view: with a window that nobody sees, and where there can be none."""
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from gnuradio import srec
from PIL import Image

SREC = os.environ["SREC_COMMAND"]
HAVE_QT = importlib.util.find_spec("PyQt5") is not None
HANG = 300  # seconds after which a program is said to hang: no measure of speed


class View(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = self.temp.name
        self.key, self.picture, self.out = (
            os.path.join(self.folder, name) for name in ("link.key", "picture.png", "out")
        )
        srec.key_generate(self.key)
        y, x = np.mgrid[0:96, 0:128]
        self.array = np.stack(
            [127 + 70 * np.sin(x / (17 + 5 * c)) * np.cos(y / (23 - 4 * c)) for c in range(3)], 2
        ).astype(np.uint8)
        Image.fromarray(self.array).save(self.picture)

    def tearDown(self):
        self.temp.cleanup()

    def command(self, *args):
        return [SREC, "receive", "--view", "--key", self.key, "--out", self.out, *args]

    def run_it(self, *args, **environment):
        environment = {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": self.folder, **environment}
        return subprocess.run(
            self.command(*args), capture_output=True, text=True, timeout=HANG, env={**os.environ, **environment}
        )

    def refused(self, done, *words):
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in ("srec receive: ", *words):
            self.assertIn(word, done.stderr)

    def test_a_simulated_reception_ends_by_itself(self):
        if not HAVE_QT:
            self.skipTest("PyQt5 is not installed (python3-pyqt5)")
        done = self.run_it("--device", f"sim:{self.picture}", "--snr", "12", "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(json.loads(done.stdout)["pictures"], 1)
        got = np.array(Image.open(os.path.join(self.out, "picture0000.png")))
        self.assertGreater(srec.psnr(self.array, got), 25)

    def test_a_window_without_reception_ends_by_a_signal(self):
        if not HAVE_QT:
            self.skipTest("PyQt5 is not installed (python3-pyqt5)")
        environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", XDG_RUNTIME_DIR=self.folder)
        process = subprocess.Popen(
            self.command("--device", f"zmq:ipc://{self.folder}/air", "--status", "0.2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for line in process.stderr:  # it runs
            if "no samples" in line:
                break
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=HANG)
        self.assertEqual(process.returncode, 0, text)
        self.assertNotIn("Traceback", text)

    def test_closing_the_window_ends_the_reception(self):
        if not HAVE_QT:
            self.skipTest("PyQt5 is not installed (python3-pyqt5)")
        program = """if True:
            import argparse
            from gnuradio.srec.commands import receive
            from gnuradio.srec.view import window

            class Closing(window.Window):
                turns = 0

                def turn(self):
                    self.turns += 1
                    if self.turns == 20:  # as the user would
                        self.view.qwidget().close()
                    super().turn()

            receive.Window = Closing
            parser = argparse.ArgumentParser()
            receive.add_arguments(parser)
            raise SystemExit(receive.run(parser.parse_args()))
            """
        environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", XDG_RUNTIME_DIR=self.folder)
        done = subprocess.run(
            [sys.executable, "-c", program, *self.command("--device", f"zmq:ipc://{self.folder}/air")[2:]],
            capture_output=True,
            text=True,
            timeout=HANG,
            env=environment,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("0 images, 0 packets, 0 lost", done.stdout)

    def test_what_a_window_needs_is_said_in_one_line(self):
        hidden = os.path.join(self.folder, "PyQt5")
        os.mkdir(hidden)
        with open(os.path.join(hidden, "__init__.py"), "w") as f:
            f.write("raise ImportError('hidden')\n")
        device = ("--device", f"sim:{self.picture}")
        path = os.environ.get("PYTHONPATH", "")
        self.refused(
            self.run_it(*device, PYTHONPATH=f"{self.folder}:{path}"),
            "a window needs PyQt5",
            "apt install python3-pyqt5",
        )
        if HAVE_QT:
            self.refused(
                self.run_it(*device, QT_QPA_PLATFORM="", DISPLAY="", WAYLAND_DISPLAY=""), "no display for a window"
            )
            self.refused(
                self.run_it(*device, QT_QPA_PLATFORM="", DISPLAY=":4711", WAYLAND_DISPLAY=""),
                "no window can be opened on display ':4711'",
            )
        self.assertFalse(os.path.exists(self.out), "nothing was begun")


if __name__ == "__main__":
    unittest.main()
