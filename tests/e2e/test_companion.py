# SPDX-License-Identifier: GPL-3.0-or-later
"""The first steps in GNU Radio Companion: blocks with nothing but defaults, connected, show an image; the window
opens, blocks are found in the order of use, and examples are clear to read, open large and run in any folder."""
import glob
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from gnuradio import srec  # noqa: E402
from PIL import Image  # noqa: E402
from waiting import wait_for  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
EXAMPLES = os.path.join(ROOT, "examples")
SAMPLE = os.path.join(EXAMPLES, "raccoon.jpg")
HERE = os.path.dirname(os.path.abspath(__file__))
HANG = 300  # seconds after which a program is said to hang: no measure of speed
NOBODY = 65534
ORDER = ["1 Sources", "2 Transmit", "3 Channel", "4 Receive", "5 View and save"]


def flowgraph(name, blocks, connections):
    """-> text of a .grc with these blocks, {name: (id, parameters)}; all other parameters as Companion has them"""

    def states(i):
        return {"coordinate": [50 + 250 * i, 200], "rotation": 0, "state": "enabled"}

    options = {"id": name, "title": name, "generate_options": "qt_gui", "output_language": "python"}
    return yaml.safe_dump(
        {
            "options": {"parameters": options, "states": states(0)},
            "blocks": [
                {"name": block, "id": kind, "parameters": parameters, "states": states(i)}
                for i, (block, (kind, parameters)) in enumerate(blocks.items())
            ],
            "connections": connections,
            "metadata": {"file_format": 1},
        }
    )


def load(path):
    """-> the module of a program that grcc made"""
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Case(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = self.temp.name
        os.environ["XDG_RUNTIME_DIR"] = self.folder

    def tearDown(self):
        self.temp.cleanup()

    def compile(self, *sources):
        """-> paths of the programs"""
        done = subprocess.run(["grcc", "-o", self.folder, *sources], capture_output=True, text=True, timeout=HANG)
        paths = [os.path.join(self.folder, os.path.splitext(os.path.basename(s))[0] + ".py") for s in sources]
        self.assertTrue(done.returncode == 0 and all(map(os.path.exists, paths)), done.stdout + done.stderr)
        return paths

    def needs_qt(self):
        if not importlib.util.find_spec("PyQt5"):
            self.skipTest("PyQt5 is not installed")

    def show(self, top, done):
        """Runs a flowgraph with a window until done(), and stops it."""
        from gnuradio.srec.image_view import application

        Case.qt, top = application(), top()  # windows end with their QApplication
        top.start()
        top.show()

        def shown():
            Case.qt.processEvents()
            return done(top)

        try:
            wait_for(shown, "an image in the window")
        finally:
            top.stop()
            top.wait()
        return top


class FirstFlowgraph(Case):
    def test_blocks_with_their_defaults_show_the_example_picture_over_gnu_radios_channel_model(self):
        self.needs_qt()
        source, sink = os.path.join(self.folder, "default_link.grc"), srec.image_sink()
        with open(source, "w", encoding="utf-8") as file:
            kinds = {
                "source": "srec_image_source",
                "transmitter": "srec_transmitter",
                "channel": "channels_channel_model",
                "receiver": "srec_receiver",
                "view": "srec_image_view",
            }
            file.write(
                flowgraph(
                    "default_link",
                    {name: (kind, {}) for name, kind in kinds.items()},
                    [
                        ["source", "pdus", "transmitter", "pdus"],
                        ["transmitter", "0", "channel", "0"],
                        ["channel", "0", "receiver", "0"],
                        ["receiver", "pdus", "view", "bob"],
                    ],
                )
            )
        program = load(*self.compile(source)).default_link

        def top():
            made = program()
            made.msg_connect(made.receiver, "pdus", sink, "pdus")
            return made

        shown = self.show(top, lambda top: top.view.pictures and sink.count)
        view = shown.view
        self.assertEqual(view.parts()["bob"], 1.0)
        self.assertRegex(view.captions()["status"], r"images 1, missed 0 .*lost 0, refused 0")
        self.assertGreater(srec.psnr(np.array(Image.open(SAMPLE)), sink.pictures[0][0]), 28)
        self.assertGreater(view.grab().astype(float).std(), 30, "the window is empty")


class Examples(Case):
    def test_pictures_fill_the_larger_part_of_a_large_window(self):
        self.needs_qt()
        small = os.path.join(self.folder, "small.png")
        Image.open(SAMPLE).resize((192, 144)).save(small)
        loopback, eavesdropper = self.compile(*(f"{EXAMPLES}/{name}.grc" for name in ("loopback", "eavesdropper")))
        home = os.path.join(self.folder, "home")  # holds no window size of an earlier run
        os.mkdir(home)
        for path, least in ((loopback, 0.5), (eavesdropper, 0.8)):
            module = load(path)
            with mock.patch.dict(os.environ, HOME=home):

                def top():
                    made = getattr(module, os.path.basename(path)[:-3])(image=small, out="")
                    module.snippets_main_after_init(made)
                    return made

                top = self.show(top, lambda top: top.view.pictures)
            window, view = top.size(), top.view.qwidget().size()
            self.assertGreaterEqual((window.width(), window.height()), (1000, 800), path)
            self.assertGreater(view.width() * view.height() / (window.width() * window.height()), least, path)

    def test_examples_run_in_a_folder_that_cannot_be_written_and_find_their_picture(self):
        (program,) = self.compile(os.path.join(EXAMPLES, "loopback_nogui.grc"))
        closed, home = (os.path.join(self.folder, name) for name in ("closed", "home"))
        os.mkdir(home)
        os.mkdir(closed, 0o555)
        os.chmod(self.folder, 0o755)
        user = {}
        if os.getuid() == 0:  # root can write anywhere
            os.chown(home, NOBODY, NOBODY)
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
            if subprocess.run(["test", "-r", os.path.realpath(srec.__file__)], check=False, **user).returncode:
                self.skipTest("another user than root cannot read this build")
        done = subprocess.run(
            [sys.executable, "-B", program],
            cwd=closed,
            capture_output=True,
            text=True,
            timeout=HANG,
            env={**os.environ, "HOME": home},
            **user,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        path = os.path.join(home, "received", "picture0000.png")
        self.assertIn(os.path.dirname(path), done.stderr)
        self.assertGreater(srec.psnr(np.array(Image.open(SAMPLE)), np.array(Image.open(path))), 27)


def crossings(drawn):
    """-> (wire, block) for each wire that runs behind a block"""
    found = set()
    for wire in drawn["wires"]:
        for name, (left, top, width, height) in drawn["blocks"].items():
            if any(left < x < left + width and top < y < top + height for x, y in wire["points"]):
                found.add((f"{wire['from']} -> {wire['to']}", name))
    return sorted(found)


def overlaps(drawn):
    """-> pairs of blocks that lie on each other"""
    boxes = list(drawn["blocks"].items())
    return [
        (a, b)
        for i, (a, p) in enumerate(boxes)
        for b, q in boxes[:i]
        if p[0] < q[0] + q[2] and q[0] < p[0] + p[2] and p[1] < q[1] + q[3] and q[1] < p[1] + p[3]
    ]


class Window(Case):
    """GNU Radio Companion's own window, on a virtual display."""

    def setUp(self):
        super().setUp()
        if not shutil.which("xvfb-run") or not shutil.which("gnuradio-companion"):
            self.skipTest("xvfb or gnuradio-companion is not installed")
        # Python buffers what it writes into a file
        self.environment = {**os.environ, "HOME": self.folder, "GDK_BACKEND": "x11", "PYTHONUNBUFFERED": "1"}
        self.environment.pop("WAYLAND_DISPLAY", None)

    def on_display(self, *command):
        return ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]

    def test_gnuradio_companion_starts_and_loads_the_loopback_example(self):
        log = os.path.join(self.folder, "log")
        with open(log, "w+", encoding="utf-8") as file:
            program = os.path.join(HERE, "companion_start.py")
            command = self.on_display(sys.executable, program, os.path.join(EXAMPLES, "loopback.grc"))
            started = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=self.environment, start_new_session=True
            )
            try:

                def loaded():
                    file.seek(0)
                    text = file.read()
                    self.assertIsNone(started.poll(), text)
                    return "loopback.grc" in text and ">>> Done" in text

                wait_for(loaded, "the load of the example")
            finally:
                os.killpg(started.pid, signal.SIGTERM)
                started.wait(HANG)

    def test_blocks_stand_in_the_order_of_use_and_no_wire_of_an_example_runs_behind_a_block(self):
        examples = sorted(glob.glob(os.path.join(EXAMPLES, "*.grc")))
        command = self.on_display(sys.executable, os.path.join(HERE, "companion_window.py"), self.folder, *examples)
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * HANG, env=self.environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(self.folder, "tree.json"), encoding="utf-8") as file:
            groups = dict(json.load(file))["srec"]
        self.assertEqual([name for name, _ in groups], ORDER)
        for (_, blocks), first in zip(groups, ("Image Source", "SREC Transmitter", None, "SREC Receiver", None)):
            self.assertIn(first, (blocks[0][0], None))
        for example in examples:
            name = os.path.splitext(os.path.basename(example))[0]
            with open(os.path.join(self.folder, name + ".json"), encoding="utf-8") as file:
                drawn = json.load(file)
            self.assertEqual((drawn["errors"], crossings(drawn), overlaps(drawn)), ([], [], []), name)
            if name in ("layers", "loopback"):  # a transmitter shows the parameters of its coding
                shown = [key for key in ("eta", "cbr") if key not in drawn["hidden"]["transmitter"]]
                self.assertEqual(shown, ["cbr" if name == "layers" else "eta"], name)


if __name__ == "__main__":
    unittest.main()
