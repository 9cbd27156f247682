# SPDX-License-Identifier: GPL-3.0-or-later
"""The first steps in GNU Radio Companion: blocks with nothing but defaults, connected, show a picture."""
import importlib.util
import os
import subprocess
import tempfile
import time
import unittest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from gnuradio import srec  # noqa: E402
from PIL import Image  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SAMPLE = os.path.join(ROOT, "examples", "raccoon.jpg")
HANG = 300  # seconds after which a program is said to hang: no measure of speed


def flowgraph(name, blocks, connections):
    """-> text of a .grc with these blocks, {name: (id, parameters)}; all other parameters as Companion has them"""
    def states(i):
        return {"coordinate": [50 + 250 * i, 200], "rotation": 0, "state": "enabled"}

    options = {"id": name, "title": name, "generate_options": "qt_gui", "output_language": "python"}
    return yaml.safe_dump({
        "options": {"parameters": options, "states": states(0)},
        "blocks": [{"name": block, "id": kind, "parameters": parameters, "states": states(i)}
                   for i, (block, (kind, parameters)) in enumerate(blocks.items())],
        "connections": connections, "metadata": {"file_format": 1}})


class FirstFlowgraph(unittest.TestCase):
    def setUp(self):
        if not importlib.util.find_spec("PyQt5"):
            self.skipTest("PyQt5 is not installed")
        self.temp = tempfile.TemporaryDirectory()
        self.folder = self.temp.name

    def tearDown(self):
        self.temp.cleanup()

    def program(self, name, blocks, connections):
        """Compiles it. -> its class"""
        source = os.path.join(self.folder, name + ".grc")
        with open(source, "w", encoding="utf-8") as file:
            file.write(flowgraph(name, blocks, connections))
        done = subprocess.run(["grcc", "-o", self.folder, source], capture_output=True, text=True, timeout=HANG)
        path = os.path.join(self.folder, name + ".py")
        self.assertTrue(done.returncode == 0 and os.path.exists(path), done.stdout + done.stderr)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return getattr(module, name)

    def test_blocks_with_their_defaults_show_the_example_picture_over_gnu_radios_channel_model(self):
        os.environ["XDG_RUNTIME_DIR"] = self.folder
        program = self.program("default_link", {
            "source": ("srec_image_source", {}), "transmitter": ("srec_transmitter", {}),
            "channel": ("channels_channel_model", {}), "receiver": ("srec_receiver", {}), "view": ("srec_image_view", {})},
            [["source", "pdus", "transmitter", "pdus"], ["transmitter", "0", "channel", "0"],
             ["channel", "0", "receiver", "0"], ["receiver", "pdus", "view", "bob"]])
        from gnuradio.srec.image_view import application
        qt = application()
        top, sink = program(), srec.image_sink()
        top.msg_connect(top.receiver, "pdus", sink, "pdus")
        top.start()
        top.show()
        until = time.monotonic() + HANG
        while not (top.view.pictures and sink.count) and time.monotonic() < until:
            qt.processEvents()
            sink.wait(0.02)
        top.stop()
        top.wait()
        self.assertEqual(top.view.parts()["bob"], 1.0, "no whole picture is shown")
        self.assertRegex(top.view.captions()["status"], r"pictures 1, missed 0 .*lost 0, refused 0")
        self.assertGreater(srec.psnr(np.array(Image.open(SAMPLE)), sink.pictures[0][0]), 28)
        self.assertGreater(top.view.grab().astype(float).std(), 30, "the window is empty")


if __name__ == "__main__":
    unittest.main()
