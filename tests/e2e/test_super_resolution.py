# SPDX-License-Identifier: GPL-3.0-or-later
"""Super-resolution over the air path: srec receive improves images by default and follows the scale that the packets
name."""
import os
import unittest

import numpy as np
from gnuradio import srec
from PIL import Image

from test_link import Case

RACCOON = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "raccoon.jpg")


class SuperResolution(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.photo = cls.path("photo.png")
        Image.open(RACCOON).convert("RGB").crop((100, 60, 356, 252)).save(cls.photo)

    def received(self, device, *args):
        """-> (PSNR, metadata of the image, figures of the run)"""
        out, figures = self.receive("file:" + device, *args)
        with Image.open(os.path.join(out, "picture0000.png")) as image:
            quality = srec.psnr(np.array(Image.open(self.photo)), np.array(image))
        return quality, self.metadata(out)[0], figures

    def test_receive_enhances_by_default_and_no_sr_does_not(self):
        self.send("file:" + self.path("noisy"), "--snr", "5", image=self.photo)
        plain, meta, figures = self.received(self.path("noisy"), "--no-sr")
        self.assertEqual((meta["enhanced"], "enhancer" in meta, figures["pictures_enhanced"]), (False, False, 0))
        better, meta, figures = self.received(self.path("noisy"))
        print(f"QPSK 5 dB: {plain:.2f} dB, with super-resolution {better:.2f} dB")
        self.assertGreater(better, plain + 0.1)
        self.assertEqual(
            (meta["enhanced"], meta["enhancer"]), (True, srec.enhancer_info(srec.default_enhancer(1))["id"])
        )
        self.assertGreater(meta["enhance_s"], 0)
        self.assertEqual((figures["pictures_enhanced"], figures["pictures_not_enhanced_in_time"]), (1, 0))

    def test_the_packets_say_at_which_scale_a_picture_was_sent(self):
        self.send("file:" + self.path("half"), "--scale", "2", "--snr", "12", image=self.photo)
        cubic, meta, _ = self.received(self.path("half"), "--no-sr")
        self.assertEqual((meta["width"], meta["height"], meta["sent_scale"], meta["enhanced"]), (256, 192, 2, False))
        better, meta, _ = self.received(self.path("half"))
        print(f"scale 2, QPSK 12 dB: by cubic interpolation {cubic:.2f} dB, with super-resolution {better:.2f} dB")
        self.assertGreater(better, cubic + 0.08)
        self.assertEqual((meta["width"], meta["enhancer"]), (256, srec.enhancer_info(srec.default_enhancer(2))["id"]))

    def test_layers_have_an_enhancer_of_their_own(self):
        layers = ("--coding", "layers", "--layers", "4", "--cbr", "0.15")
        self.send("file:" + self.path("layers"), *layers, image=self.photo)
        plain, _, _ = self.received(self.path("layers"), "--no-sr")
        better, meta, figures = self.received(self.path("layers"))
        print(f"layers: {plain:.2f} dB, with super-resolution {better:.2f} dB")
        self.assertGreater(better, plain + 0.05)
        self.assertEqual(meta["enhancer"], srec.enhancer_info(srec.default_enhancer(1, "layers"))["id"])
        self.assertEqual((meta["enhanced"], figures["pictures_enhanced"]), (True, 1))

    def test_an_enhancer_of_another_kind_is_refused(self):
        self.send("file:" + self.path("one"), image=self.photo)
        for model in (srec.default_model(), self.photo, self.path("none.safetensors")):
            out, done = self.folder(), None
            done = self.run_receive(self.path("one"), out, "--enhancer", model)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)

    def run_receive(self, device, out, *args):
        from test_link import run

        return run("receive", "--key", self.key, "--device", "file:" + device, "--out", out, "--status", "0", *args)


if __name__ == "__main__":
    unittest.main()
