# SPDX-License-Identifier: GPL-3.0-or-later
"""srec simulate with images of every size and kind: it works, or says in one line why not; it never crashes."""
import json
import os
import resource
import subprocess
import tempfile
import unittest

import numpy as np
from PIL import Image

SREC = os.environ["SREC_COMMAND"]
MEMORY_LIMIT = 8 << 30


def waves(height, width, channels=3):
    """A smooth image with edges, built in place: large ones fit into memory once."""
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
    edges = 30 * (((x // 480) + (y // 400)) % 2)
    picture = np.empty((height, width, channels), np.uint8)
    for c in range(channels):
        picture[..., c] = 127 + 60 * np.sin(x / (170 + 50 * c)) * np.cos(y / (230 - 40 * c)) + edges
    return picture


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    def path(self, name):
        return os.path.join(self.temp.name, name)

    def save(self, name, image):
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(self.path(name), compress_level=1)
        return self.path(name)

    def simulate(self, picture, *args, limit=None):
        self.out = tempfile.mkdtemp(dir=self.temp.name)
        command = [
            SREC,
            "simulate",
            "--no-sr",
            "--image",
            picture,
            "--out",
            self.out,
            "--snr",
            "14",
            *args,
        ]
        command += ["--json", os.path.join(self.out, "figures.json")]
        set_limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) if limit else None
        return subprocess.run(command, capture_output=True, text=True, timeout=3000, preexec_fn=set_limit)

    def passes(self, picture, psnr, *args):
        done = self.simulate(picture, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.out, "figures.json")) as f:
            figures = json.load(f)
        self.assertEqual((figures["packets_lost"], figures["patches_lost"]), (0, 0))
        self.assertGreater(figures["psnr_db"], psnr, picture)
        return np.array(Image.open(os.path.join(self.out, "received.png"))), figures

    def refused(self, picture, *words, limit=None):
        done = self.simulate(picture, limit=limit)
        self.assertEqual(done.returncode, 1, done.stderr)
        said = [
            line for line in done.stderr.splitlines() if ": working, " not in line
        ]  # which comes where an image takes long
        self.assertEqual(len(said), 1, done.stderr)
        for word in (picture, *words):
            self.assertIn(word, done.stderr)

    def test_35_million_pixels_pass(self):
        received, figures = self.passes(self.save("large.png", waves(5000, 7000)), 22, "--eta", "0.02")
        self.assertEqual(received.shape, (5000, 7000, 3))
        print(
            f"7000x5000: {figures['psnr_db']:.2f} dB, encode {figures['encode_s']:.0f} s, decode"
            f" {figures['decode_s']:.0f} s"
        )

    def test_400_million_pixels_are_refused_where_memory_ends(self):
        huge = self.save("huge.png", Image.new("1", (20000, 20000), 1))
        self.refused(huge, "20000x20000", "GB", "smaller image", limit=MEMORY_LIMIT)

    def test_a_side_beyond_16_bits_is_refused(self):
        self.refused(self.save("long.png", Image.new("1", (65536, 1))), "65536x1", "65535")

    def test_one_pixel_rows_and_columns_pass(self):
        for size in ((1, 1), (1, 300), (300, 1), (65535, 1)):
            received, _ = self.passes(self.save("thin.png", Image.new("RGB", size, (90, 140, 200))), 15)
            self.assertEqual(received.shape, (size[1], size[0], 3))

    def test_grey_transparent_and_16_bit_pictures_pass(self):
        grey = waves(150, 210)[..., 0]
        received, _ = self.passes(self.save("grey.png", grey), 28)
        self.assertEqual(received.shape, (150, 210))
        self.passes(self.save("deep.png", grey.astype(np.uint16) * 257), 28)
        transparent = np.dstack([waves(150, 210), np.full((150, 210), 255, np.uint8)])
        transparent[:75, :, 3] = 0
        received, _ = self.passes(self.save("transparent.png", transparent), 24)
        self.assertGreater(received[:60].mean(), 245)  # on white
        self.passes(self.save("grey_alpha.png", Image.fromarray(grey).convert("LA")), 28)
        self.passes(self.save("palette.png", Image.fromarray(waves(150, 210)).quantize(64)), 24)

    def test_what_is_no_picture_is_refused(self):
        with open(self.save("whole.png", waves(100, 100)), "rb") as f:
            start = f.read(900)
        for name, content, word in (
            ("empty.png", b"", "empty"),
            ("text.png", b"hello\n", "not a PNG"),
            ("cut.png", start, "cannot read"),
        ):
            with open(self.path(name), "wb") as f:
                f.write(content)
            self.refused(self.path(name), word)
        self.refused(self.path("none.png"), "No such file")
        self.refused(self.temp.name, "a folder")


if __name__ == "__main__":
    unittest.main()
