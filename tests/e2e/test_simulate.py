# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `srec simulate` as a user runs it: what Bob and Eve get, and what bad input gets."""
import json
import os
import subprocess
import tempfile
import unittest

import numpy as np
from PIL import Image

SREC = os.environ["SREC_COMMAND"]
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
ENHANCER = {
    scale: os.path.join(GOLDEN, f"enhancer-x{scale}.safetensors") for scale in (1, 2)
}  # tiny, of random weights


def srec(*args, timeout=300):
    return subprocess.run([SREC, *args], capture_output=True, text=True, timeout=timeout)


class Simulate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.folder = cls.temp.name
        y, x = np.mgrid[0:256, 0:384]
        picture = np.stack(
            [
                127 + 70 * np.sin(x / (17 + 5 * c)) * np.cos(y / (23 - 4 * c)) + 40 * ((x // 48 + y // 40) % 2)
                for c in range(3)
            ],
            2,
        )
        cls.picture = cls.save("picture.png", picture.clip(0, 255))

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    @classmethod
    def save(cls, name, array):
        path = os.path.join(cls.folder, name)
        Image.fromarray(np.asarray(array, np.uint8)).save(path)
        return path

    def simulate(self, *args, picture=None):
        out = tempfile.mkdtemp(dir=self.folder)
        file = os.path.join(out, "result.json")
        sr = () if "--enhancer" in args else ("--no-sr",)
        done = srec("simulate", *sr, "--image", picture or self.picture, "--out", out, "--json", file, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(file) as f:
            result = json.load(f)
        self.assertTrue(os.path.exists(os.path.join(out, "comparison.png")))
        self.assertEqual(os.path.exists(os.path.join(out, "enhanced.png")), result["enhancer"] is not None)
        self.out = out
        return result

    def pixels(self, name):
        return np.array(Image.open(os.path.join(self.out, name)))

    def refused(self, code, word, *args):
        done = srec("simulate", "--out", os.path.join(self.folder, "refused"), *args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(word, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_soft_beats_hard_by_several_db_and_eve_sees_noise(self):
        for snr, gain in (("4", 6), ("10", 1)):
            soft, hard = self.simulate("--snr", snr), self.simulate("--snr", snr, "--hard")
            print(
                f"QPSK {snr} dB: soft {soft['psnr_db']:.2f}, hard {hard['psnr_db']:.2f}, Eve"
                f" {soft['eve_psnr_db']:.2f} dB"
            )
            self.assertGreater(soft["psnr_db"], hard["psnr_db"] + gain)
            self.assertLess(soft["eve_psnr_db"], 12)

    def test_encryption_costs_little_at_10_db(self):
        cost = self.simulate("--snr", "10", "--no-encrypt")["psnr_db"] - self.simulate("--snr", "10")["psnr_db"]
        print(f"encryption costs {cost:.2f} dB at QPSK 10 dB")
        self.assertLess(cost, 0.3)

    def test_encryption_costs_nothing_at_4_db_and_addition_hides_as_well(self):
        clear, xor, add = (
            self.simulate("--snr", "4", *options) for options in (("--no-encrypt",), (), ("--cipher", "add"))
        )
        print(
            f"QPSK 4 dB: clear {clear['psnr_db']:.2f}, xor {xor['psnr_db']:.2f}, add {add['psnr_db']:.2f}, Eve"
            f" {add['eve_psnr_db']:.2f} dB"
        )
        self.assertEqual(xor["cipher"], "xor")
        self.assertLess(clear["psnr_db"] - xor["psnr_db"], 0.2)
        self.assertLess(add["eve_psnr_db"], 12)
        self.assertLess(xor["eve_psnr_db"], 12)
        self.assertEqual(self.simulate("--modulation", "pam256", "--snr", "20")["cipher"], "add")
        self.refused(2, "pam256", "--image", self.picture, "--cipher", "xor", "--modulation", "pam256")

    def test_every_modulation_carries_a_picture_and_channel_use_is_right(self):
        use = {}
        for modulation, snr in (
            ("bpsk", 8),
            ("qpsk", 12),
            ("16qam", 18),
            ("64qam", 24),
            ("256qam", 30),
            ("pam256", 30),
        ):
            result = self.simulate("--modulation", modulation, "--snr", str(snr))
            self.assertGreater(result["psnr_db"], 20, modulation)
            self.assertEqual(result["packets_lost"], 0)
            use[modulation] = result["cbr"] - result["cbr_header"]
        self.assertAlmostEqual(use["bpsk"] / use["qpsk"], 2, delta=0.02)
        self.assertAlmostEqual(use["qpsk"] / use["pam256"], 8, delta=0.2)

    def test_equal_seeds_give_equal_results_and_rayleigh_works(self):
        args = ("--channel", "rayleigh", "--snr", "15", "--seed", "9")
        self.assertEqual(self.simulate(*args)["psnr_db"], self.simulate(*args)["psnr_db"])

    def test_lost_packets_are_concealed_and_counted(self):
        result = self.simulate("--frame-bytes", "3000", "--loss", "0.1", "--seed", "4")
        self.assertGreater(result["packets_lost"], 0)
        self.assertLess(result["packets_lost"], result["packets_sent"] / 2)
        self.assertGreater(result["patches_lost"], 0)
        self.assertGreater(result["psnr_db"], 15)

    def test_the_wrong_key_gives_no_picture(self):
        self.refused(1, "failed authentication", "--no-sr", "--image", self.picture, "--wrong-key")

    def test_bad_input_gets_one_line(self):
        empty = os.path.join(self.folder, "empty.png")
        open(empty, "w").close()
        self.refused(1, "empty", "--image", empty)
        self.refused(1, "nothing.png", "--image", os.path.join(self.folder, "nothing.png"))
        self.refused(2, "--snr", "--image", self.picture, "--snr", "1000")
        self.refused(2, "--eta", "--image", self.picture, "--eta", "nan")
        short = os.path.join(self.folder, "short.safetensors")
        with open(os.environ["SREC_MODEL"], "rb") as f, open(short, "wb") as g:
            g.write(f.read(1000000))
        self.refused(1, "cut short", "--image", self.picture, "--model", short)

    def test_super_resolution_gives_another_picture_and_its_figures(self):
        result = self.simulate("--enhancer", ENHANCER[1])
        plain = self.simulate()
        self.assertEqual(result["psnr_before_sr_db"], plain["psnr_db"])
        self.assertEqual((plain["psnr_before_sr_db"], plain["enhance_s"]), (plain["psnr_db"], None))
        self.assertGreater(result["enhance_s"], 0)
        self.simulate("--enhancer", ENHANCER[1])
        received, enhanced, sent = (
            self.pixels(name + ".png").astype(float) for name in ("received", "enhanced", "sent")
        )
        self.assertGreater(np.abs(received - enhanced).max(), 3)
        for picture, key in ((received, "psnr_before_sr_db"), (enhanced, "psnr_db")):
            self.assertAlmostEqual(result[key], 10 * np.log10(255**2 / np.mean((picture - sent) ** 2)), places=3)

    def test_scale_2_sends_a_quarter_and_gives_back_the_full_size(self):
        odd = self.save("odd.png", np.array(Image.open(self.picture))[:255, :383])
        full, half = self.simulate("--snr", "14", picture=odd), self.simulate(
            "--snr", "14", "--scale", "2", picture=odd
        )
        self.assertEqual(self.pixels("received.png").shape, (255, 383, 3))
        for name, result in (("whole", full), ("half size, interpolated", half)):
            print(f"QPSK 14 dB, {name}: {result['psnr_db']:.2f} dB with {result['n_features']} features")
        self.assertLess(half["n_features"], 0.6 * full["n_features"])
        self.assertGreater(half["psnr_db"], 20)
        enhanced = self.simulate("--snr", "14", "--scale", "2", "--enhancer", ENHANCER[2], picture=odd)
        self.assertEqual(self.pixels("enhanced.png").shape, (255, 383, 3))
        self.assertEqual(enhanced["psnr_before_sr_db"], half["psnr_db"])
        self.simulate("--scale", "2", "--enhancer", ENHANCER[2], picture=self.save("dot.png", np.full((1, 1, 3), 200)))
        self.assertEqual(self.pixels("enhanced.png").shape, (1, 1, 3))

    def test_enhancers_that_do_not_fit_get_one_line(self):
        self.refused(1, "--no-sr", "--image", self.picture, "--scale", "2", "--enhancer", ENHANCER[1])
        self.refused(1, "an enhancer is needed", "--image", self.picture, "--enhancer", os.environ["SREC_MODEL"])
        self.refused(
            1,
            "nothing.safetensors",
            "--image",
            self.picture,
            "--enhancer",
            os.path.join(self.folder, "nothing.safetensors"),
        )

    def test_one_pixel_and_grey_pictures_pass(self):
        self.simulate(picture=self.save("pixel.png", np.full((1, 1, 3), 200)))
        self.simulate(picture=self.save("grey.png", np.add.outer(np.arange(70), np.arange(90))))

    def test_kodak_figures(self):
        images = os.environ.get("SREC_TEST_IMAGES")
        if not images:
            self.skipTest("SREC_TEST_IMAGES names no folder of images")
        result = self.simulate("--snr", "14", picture=os.path.join(images, "kodak", "05.png"))
        print(f"Kodak 5, QPSK 14 dB: {result['psnr_db']:.2f} dB")
        self.assertAlmostEqual(result["psnr_db"], 30.3, delta=0.2)


class Keys(unittest.TestCase):
    def test_a_key_is_made_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            self.assertEqual(srec("keygen", path).returncode, 0)
            self.assertEqual(os.stat(path).st_size, 32)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            again = srec("keygen", path)
            self.assertEqual(again.returncode, 1)
            self.assertNotIn("Traceback", again.stderr)

    def test_info_and_doctor_speak(self):
        self.assertIn("features a patch", srec("info").stdout)
        self.assertEqual(srec("info", "/dev/null").returncode, 1)
        self.assertIn("gnuradio.srec", srec("doctor").stdout)


if __name__ == "__main__":
    unittest.main()
