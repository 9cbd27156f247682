# SPDX-License-Identifier: GPL-3.0-or-later
"""srec info: what it says of models, and of files that are none."""
import json
import os
import struct
import subprocess
import tempfile
import unittest

SREC, MODEL = os.environ["SREC_COMMAND"], os.environ["SREC_MODEL"]
ENHANCER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "enhancer-x2.safetensors")


class Info(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.temp.cleanup()

    def info(self, *args):
        return subprocess.run([SREC, "info", *args], capture_output=True, text=True, timeout=300)

    def file(self, name, content):
        path = os.path.join(self.temp.name, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def refused(self, path, *words):
        done = self.info(path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in (path, *words):
            self.assertIn(word, done.stderr)

    def test_a_card_is_shown_line_by_line(self):
        with open(MODEL, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            header, data = json.loads(f.read(length)), f.read()
        header["__metadata__"]["card"] = "fails on text\nand on gradients"
        text = json.dumps(header).encode()
        done = self.info(self.file("card.safetensors", struct.pack("<Q", len(text)) + text + data))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith("  | fails on text\n  | and on gradients\n"), done.stdout)

    def test_a_model_file_cannot_command_the_terminal(self):
        with open(MODEL, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            header, data = json.loads(f.read(length)), f.read()
        header["__metadata__"].update(
            {"name": "a\x1b]0;owned\x07\nb", "card": "first\x1b[2J\n\x9b31msecond \u202e", "\x1bkey": 5000 * "v"}
        )
        text = json.dumps(header).encode()
        done = self.info(self.file("escape\x1b[1m\n.safetensors", struct.pack("<Q", len(text)) + text + data))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(all(line.isprintable() and len(line) < 1000 for line in done.stdout.splitlines()), done.stdout)
        for word in (
            "a\\x1b]0;owned\\x07\\x0ab",
            "| first\\x1b[2J",
            "| \\x9b31msecond \\u202e",
            "escape\\x1b[1m\\x0a.safetensors: srec model",
        ):
            self.assertIn(word, done.stdout)
        done = self.info(self.file("broken\x1b[1m.safetensors", struct.pack("<Q", len(text)) + text))
        self.assertEqual(
            (done.returncode, done.stderr.strip().isprintable(), len(done.stderr.splitlines())),
            (1, True, 1),
            done.stderr,
        )

    def test_metadata_of_a_recording_cannot_command_the_terminal(self):
        path = os.path.join(self.temp.name, "take")
        self.file("take.sigmf-data", bytes(80))
        meta = {
            "global": {
                "core:datatype": "cf32_le",
                "core:sample_rate": 1e6,
                "core:author": "\x1b[31mred\x07\ud800",
                "core:recorder": [[[]]],
                "srec:model": "m\x1b[0m",
            },
            "captures": [{"core:datetime": "now\n\x9b1m"}],
        }
        self.file("take.sigmf-meta", json.dumps(meta).encode())
        done = self.info(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(all(line.isprintable() for line in done.stdout.splitlines()), done.stdout)
        for word in ("\\x1b[31mred\\x07\\ud800", "m\\x1b[0m", "now \\x9b1m"):
            self.assertIn(word, done.stdout)

    def test_a_model_tells_its_ladder_size_and_cost(self):
        named, default = self.info(MODEL), self.info()
        self.assertEqual((named.returncode, named.stderr), (0, ""))
        self.assertEqual(named.stdout, default.stdout)
        for word in ("srec model, id ", "million parameters", "features a patch", "kMAC per pixel"):
            self.assertIn(word, named.stdout)

    def test_an_enhancer_tells_its_scale_size_and_cost(self):
        done = self.info(ENHANCER)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in (
            "srec enhancer, id ",
            "million parameters",
            "scale           2",
            "kMAC per pixel",
            "tiny enhancer x2",
        ):
            self.assertIn(word, done.stdout)

    def test_an_installed_model_needs_no_folder(self):
        done = self.info("srec-enhancer-layers-x1-fast-v1.safetensors")
        self.assertIn("srec enhancer, id ", done.stdout, done.stderr)
        self.assertIn("srec-enhancer-layers-x1-fast-v1", done.stdout)
        self.refused("no-such-model.safetensors", "No such file")

    def test_other_files_are_told_which_kinds_are_known(self):
        others = {
            "text": b"hello, world",
            "short": b"\x89PNG",
            "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
            "frame": bytes(range(256)) * 9,
        }
        for name, content in others.items():
            self.refused(self.file(name, content), "not a file of gr-srec", "knows model files", "no packet files")
        self.refused(self.file("key", bytes(32)), "key file", "knows model files")
        self.refused(self.file("empty", b""), "empty", "knows model files")

    def test_models_that_are_damaged_or_absent_say_so(self):
        with open(MODEL, "rb") as f:
            start = f.read(100000)
        self.refused(self.file("cut.safetensors", start))
        self.refused(self.file("foreign.safetensors", b"\x02" + bytes(7) + b"{}"))
        self.refused(os.path.join(self.temp.name, "none"), "No such file")
        self.refused(self.temp.name, "directory")


if __name__ == "__main__":
    unittest.main()
