# SPDX-License-Identifier: GPL-3.0-or-later
"""`srec simulate`, `send`, `receive` and `info` with coded layers."""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from PIL import Image

from sessions import press_ctrl_c, start

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SREC = os.environ["SREC_COMMAND"]
LAYERS = ("--coding", "layers")


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))


class Case(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name
        self.image = self.at("image.png")
        with Image.open(os.path.join(ROOT, "examples", "raccoon.webp")) as picture:
            self.sent = picture.convert("RGB").crop((320, 160, 704, 416))
        self.sent.save(self.image)

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def run_srec(self, *words, code=0, **options):
        command = [SREC, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def simulate(self, *words, code=0):
        """Returns the figures of a run, or the last line of its errors."""
        common = ("--image", self.image, "--out", self.at("out"), "--json", "-", "--no-sr")
        done = self.run_srec("simulate", *common, *words, code=code)
        return done.stderr.strip().splitlines()[-1] if code else json.loads(done.stdout)


class Simulate(Case):
    def test_layers_beat_features_by_4_dB_at_equal_channel_use(self):
        features = self.simulate("--snr", "4")
        layers = self.simulate("--snr", "4", *LAYERS, "--cbr", str(features["cbr"]))
        self.assertLessEqual(layers["cbr"], features["cbr"])
        self.assertGreater(layers["psnr_db"], features["psnr_db"] + 4)
        self.assertEqual((layers["packets_lost"], layers["layers_received"], layers["eve_psnr_db"]), (0, 1, None))
        self.assertEqual(set(layers), set(features))
        self.assertIsNone(layers["eta"])
        self.assertIsNone(features["code_rates"])

    def test_the_budget_is_kept_and_nearly_used(self):
        for cbr in (0.15, 0.6):
            figures = self.simulate("--snr", "6", *LAYERS, "--cbr", str(cbr))
            self.assertLessEqual(figures["cbr"], cbr)
            self.assertGreater(figures["cbr"], 0.9 * cbr)
            self.assertGreater(figures["cbr_burst"], figures["cbr"])
            self.assertAlmostEqual(figures["cbr_header"] + figures["cbr_payload"], figures["cbr"], 9)

    def test_each_layer_arrives_from_its_snr_on(self):
        found = []
        for snr in ("-0.5", "2", "6"):
            figures = self.simulate("--snr", snr, *LAYERS, "--layers", "-0.5,2,6", "--cbr", "0.5")
            found.append(figures["psnr_db"])
            self.assertEqual(figures["layers_received"], len(found))
        self.assertGreater(min(np.diff(found)), 1.5)

    def test_below_its_snr_a_layer_gives_no_image(self):
        line = self.simulate("--snr", "3", *LAYERS, "--layers", "6", code=1)
        self.assertRegex(line, "no image: all [0-9]+ packets were dropped .*is the SNR too low")

    def test_two_transmissions_add_up(self):
        options = ("--snr", "3", *LAYERS, "--layers", "6", "--cbr", "0.15")
        twice = self.simulate(*options, "--repeat", "2")
        self.assertEqual((twice["layers_received"], twice["pieces_received"]), (1, twice["pieces_sent"]))
        self.assertEqual(twice["packets_sent"], 2 * twice["pieces_sent"])
        self.assertEqual(twice["packets_combined"], twice["pieces_sent"])
        self.assertEqual(twice["packets_summed"], twice["packets_sent"])
        self.assertTrue(0.27 < twice["cbr"] <= 0.3)
        self.assertAlmostEqual(twice["cbr_header"] + twice["cbr_payload"], twice["cbr"], 9)
        self.assertIn("--repeat is for --coding layers", self.simulate("--repeat", "2", code=2))
        self.assertIn("--repeat 0 is not within", self.simulate(*options, "--repeat", "0", code=2))

    def test_the_wrong_key_gives_no_image(self):
        self.assertIn("is it the right key?", self.simulate("--wrong-key", *LAYERS, code=1))

    def test_parity_packets_replace_lost_ones(self):
        options = (*LAYERS, "--snr", "6", "--cbr", "0.6", "--loss", "0.25", "--parity", "5", "--seed", "3")
        figures = self.simulate(*options)
        self.assertGreater(figures["packets_lost"], 0)
        self.assertLess(figures["pieces_received"], figures["pieces_sent"])
        self.assertEqual(figures["layers_received"], 1)

    def test_in_clear_eve_sees_the_image(self):
        figures = self.simulate("--snr", "6", *LAYERS, "--no-encrypt")
        self.assertEqual(figures["eve_psnr_db"], figures["psnr_db"])
        self.assertEqual(figures["cipher"], "none")

    def test_half_size_and_fading(self):
        half = self.simulate("--snr", "6", *LAYERS, "--scale", "2")
        self.assertGreater(half["psnr_db"], 20)
        fading = self.simulate("--snr", "16", *LAYERS, "--channel", "rayleigh", "--cbr", "0.4", "--coherence", "64")
        self.assertGreater(fading["psnr_db"], 20)
        self.assertLessEqual(max(fading["code_rates"]), 0.67)

    def test_impossible_options_are_refused_in_one_line(self):
        for words, line in (
            ((*LAYERS, "--modulation", "pam256"), "does not go with pam256"),
            ((*LAYERS, "--eta", "0.2"), "--eta is for --coding features"),
            ((*LAYERS, "--hard"), "--hard is for --coding features"),
            ((*LAYERS, "--cipher", "xor"), "--cipher xor is for --coding features"),
            ((*LAYERS, "--layers", "4,4"), "each SNR must exceed the one before"),
            ((*LAYERS, "--layers", "4,2"), "each SNR must exceed the one before"),
            ((*LAYERS, "--layers", "1,2,3,4,5,6,7,8,9"), "9 layers; 8 at most"),
            ((*LAYERS, "--layers", "-2,4"), "--layers: layers over qpsk need -1 dB"),
            ((*LAYERS, "--layers", "nan"), "--layers: layers over qpsk need -1 dB"),
            ((*LAYERS, "--snr", "-3"), "--snr: layers over qpsk need -1 dB"),
            ((*LAYERS, "--layers", "0,x"), "is not a list of numbers like 0,4,8"),
            ((*LAYERS, "--layers", "0,4", "--shares", "1"), "1 shares for 2 layers"),
            ((*LAYERS, "--layers", "0,4", "--shares", "1,0"), "each share must be 1e-6 to 1e6"),
            ((*LAYERS, "--cbr", "0"), "--cbr 0 is not within"),
            ((*LAYERS, "--margin", "40"), "--margin 40 is not within"),
            ((*LAYERS, "--parity", "-1"), "--parity -1 is not within"),
            (("--cbr", "0.2"), "--cbr is for --coding layers"),
            (("--layers", "4"), "--layers is for --coding layers"),
            (("--shares", "1"), "--shares is for --coding layers"),
            (("--margin", "1"), "--margin is for --coding layers"),
            (("--parity", "1"), "--parity is for --coding layers"),
        ):
            with self.subTest(words):
                self.assertIn(line, self.simulate(*words, code=2))

    def test_a_layer_beyond_the_modulation_gets_a_warning(self):
        common = ("--image", self.image, "--out", self.at("out"), "--snr", "9")
        self.assertIn("qpsk carries no more than", self.run_srec("simulate", *common, *LAYERS).stderr)

    def test_a_budget_below_the_least_is_one_line_with_the_least(self):
        least = r"a cbr of 0\.001 is too small for these layers: 0\.[0-9]+ suffices"
        common = ("--image", self.image, *LAYERS, "--cbr", "0.001", "--snr", "6")
        done = self.run_srec("simulate", "--out", self.at("out"), *common, code=1)
        self.assertRegex(done.stderr, rf"^srec simulate: the image was not sent: .*{least}[^\n]*\n$")
        self.assertEqual(done.stdout, "")
        done = self.run_srec("send", "--key", "seed:5", "--device", "file:" + self.at("take"), *common, code=1)
        self.assertRegex(done.stderr, rf"srec send: .*image\.png: not sent: .*{least}")
        self.assertEqual(done.stdout, "")


class Link(Case):
    def test_a_recording_carries_layers_and_says_so(self):
        take, key = self.at("take"), ("--key", "seed:5")
        options = ("--layers", "0,5", "--cbr", "0.5", "--snr", "6", "--cfo", "2000")
        self.run_srec("send", "--image", self.image, *key, "--device", "file:" + take, *LAYERS, *options)
        text = self.run_srec("info", take).stdout
        self.assertRegex(text, r"coding +layers\n")
        self.assertRegex(text, r"layer_snr_db +0, 5\n")
        self.assertRegex(text, r"code_rates +0\.[0-9]+, 0\.[0-9]+\n")
        done = self.run_srec("receive", *key, "--device", "file:" + take, "--out", self.at("received"))
        self.assertIn("2 of 2 layers", done.stdout)
        with open(self.at("received", "picture0000.json"), encoding="utf-8") as file:
            metadata = json.load(file)
        self.assertEqual((metadata["coding"], metadata["layers_received"]), ("layers", 2))
        with Image.open(self.at("received", "picture0000.png")) as received:
            self.assertGreater(psnr(received, self.sent), 26)

    def test_two_transmissions_arrive_from_a_recording_where_one_does_not(self):
        """2.5 dB below the threshold: QPSK at rate 0.79."""
        image, take = os.path.join(self.two_images(), "a.png"), self.at("take")
        options = (*LAYERS, "--layers", "5", "--margin", "0", "--snr", "2.5", "--cbr", "0.5")
        for repeat, code in ((1, 1), (3, 0)):
            device = ("--device", "file:" + take, "--overwrite", "--json", self.at("sent.json"))
            sent = self.run_srec(
                "send", "--image", image, "--key", "seed:5", *device, *options, "--repeat", str(repeat)
            ).stdout.splitlines()
            found = self.receive("--device", "file:" + take, "--json", self.at("figures.json"), code=code)
            self.assertEqual(len(sent), repeat)
            if code:
                self.assertRegex(found, "no image: [0-9]+ packets had too many errors")
        self.assertIn("image 2: ", sent[2])
        self.assertIn("a.png, repeats image 0: ", sent[2])
        with open(self.at("sent.json"), encoding="utf-8") as file:
            figures = json.load(file)
        n = figures["packets"] // 3
        self.assertEqual((figures["pictures"], figures["repeats"]), (1, 2))
        self.assertIn(f", {n} from sums of {2 * n} transmissions, {n} repeated although received", found[-1])
        with open(self.at("figures.json"), encoding="utf-8") as file:
            figures = json.load(file)
        self.assertEqual((figures["combined"], figures["summed"], figures["duplicate"]), (n, 2 * n, n))
        self.assertEqual(self.metadata()["slices_lost"], 0)

    def test_an_image_is_repeated_until_a_signal_and_delivered_once(self):
        address, image = f"zmq:ipc://{self.at('air')}", os.path.join(self.two_images(), "a.png")
        command = ["send", "--key", "seed:5", "--image", image, "--device", address, *LAYERS, "--repeat"]
        sender = start(self, [SREC, *command])
        receiver = start(
            self,
            [SREC, "receive", "--key", "seed:5", "--out", self.at("received"), "--no-sr"]
            + ["--device", address, "--json", self.at("figures.json")],
        )
        self.assertTrue(any(line.startswith("image 0: ") for line in receiver.stdout), "no image")
        lines = [sender.stdout.readline() for _ in range(4)]
        self.assertRegex(lines[3], "image 3: .*a.png, repeats image 0: ")
        press_ctrl_c(receiver)
        receiver.communicate(timeout=300)
        press_ctrl_c(sender)
        self.assertRegex(sender.communicate(timeout=300)[1], "stopped after 1 image and [0-9]+ repeats")
        with open(self.at("figures.json"), encoding="utf-8") as file:
            figures = json.load(file)
        self.assertEqual(figures["pictures"], 1)

    def test_receive_says_that_its_transmitter_sent_nothing(self):
        line = self.receive("--device", "sim:" + self.image, *LAYERS, "--cbr", "0.001", code=1)
        self.assertRegex(line, r"the simulated transmitter sent none: .*0\.[0-9]+ suffices")

    def receive(self, *words, code=0, **options):
        """Returns the lines on standard output, or the last line of the errors, of `srec receive`."""
        command = ("receive", "--key", "seed:5", "--out", self.at("received"), "--no-sr", *words)
        done = self.run_srec(*command, code=code, **options)
        return done.stderr.strip().splitlines()[-1] if code else done.stdout.splitlines()

    def metadata(self, number=0):
        with open(self.at("received", f"picture{number:04d}.json"), encoding="utf-8") as file:
            return json.load(file)

    def two_images(self):
        """Returns a folder."""
        os.mkdir(self.at("images"))
        for name in ("a.png", "b.png"):
            self.sent.crop((0, 0, 192, 128)).save(self.at("images", name))
        return self.at("images")

    def test_receive_has_a_simulated_transmitter_of_layers(self):
        options = (*LAYERS, "--layers", "0,5", "--cbr", "0.5", "--snr", "6", "--cfo", "2000")
        lines = self.receive("--device", "sim:" + self.image, *options)
        self.assertRegex(lines[0], "384x256, 2 of 2 layers, ([0-9]+) of \\1 packets, SNR")
        with Image.open(self.at("received", "picture0000.png")) as received:
            self.assertGreater(psnr(received, self.sent), 26)

    def test_a_layer_of_which_no_packet_came_counts_as_layer_but_not_in_packets(self):
        options = (*LAYERS, "--layers", "0,5", "--cbr", "0.5", "--snr", "2", "--json", self.at("figures.json"))
        lines = self.receive("--device", "sim:" + self.image, *options)
        self.assertRegex(
            "\n".join(lines), r"1 of 2 layers, ([0-9]+) of \1 packets \(and those of 1 layer of which none came\)"
        )
        image = self.metadata()
        self.assertEqual((image["layers_sent"], image["layers_received"]), (2, 1))
        self.assertEqual(image["pieces_sent"], image["pieces_received"])
        self.assertEqual([rate is None for rate in image["code_rates"]], [False, True])
        with open(self.at("figures.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["pictures_partial"], 1)

    def test_below_all_layers_receive_names_the_snr(self):
        line = self.receive("--device", "sim:" + self.image, *LAYERS, "--layers", "6", "--snr", "3", code=1)
        self.assertRegex(line, "no image: [0-9]+ packets had too many errors: is the SNR below")

    def test_once_ends_after_one_image_and_runs_the_hook(self):
        hook = f"{sys.executable} -c 'import sys; print(sys.argv[1])'"
        lines = self.receive("--device", "sim:" + self.two_images(), *LAYERS, "--once", "--hook", hook)
        path = self.at("received", "picture0000.png")
        self.assertIn(path, lines)
        self.assertEqual(os.listdir(self.at("received")).count("picture0001.png"), 0)

    def test_what_receive_records_is_received_again(self):
        take = self.at("take")
        self.receive("--device", "sim:" + self.image, *LAYERS, "--snr", "7", "--record", take, "--format", "ci16_le")
        self.assertIn("1 of 1 layers", self.receive("--device", "file:" + take, "--model", "none")[0])
        with Image.open(self.at("received", "picture0000.png")) as first:
            with Image.open(self.at("received", "picture0001.png")) as second:
                self.assertEqual(first.tobytes(), second.tobytes())

    def test_zeromq_carries_layers(self):
        address = f"zmq:ipc://{self.at('air')}"
        command = ["send", "--key", "seed:5", "--image", self.two_images(), "--device", address, *LAYERS]
        sender = start(self, [SREC, *command])
        lines = self.receive("--device", address, "--once")
        self.assertIn("1 of 1 layers", lines[0])
        press_ctrl_c(sender)
        sender.communicate(timeout=300)

    def test_the_window_shows_layers(self):
        if importlib.util.find_spec("PyQt5") is None:
            self.skipTest("PyQt5 is not installed (python3-pyqt5)")
        environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", XDG_RUNTIME_DIR=self.folder)
        lines = self.receive("--device", "sim:" + self.two_images(), *LAYERS, "--view", env=environment)
        self.assertIn("2 images", lines[-1])

    def test_receive_refuses_the_options_of_its_transmitter_without_one(self):
        with open(self.at("samples"), "wb") as file:
            file.write(bytes(8))
        device = ("--device", "file:" + self.at("samples"), "--format", "cu8")
        for words in (LAYERS, ("--cbr", "0.2"), ("--layers", "4"), ("--eta", "0.1")):
            with self.subTest(words):
                self.assertIn(f"{words[0]} is for --device sim", self.receive(*device, *words, code=2))
        device = ("--device", "sim:" + self.image)
        self.assertIn("--hard is for --coding features", self.receive(*device, *LAYERS, "--hard", code=2))

    def test_a_simulated_device_receives_all_images(self):
        done = self.run_srec("send", "--image", self.image, "--key", "seed:5", "--device", "sim", *LAYERS, "--snr", "7")
        self.assertIn("sim: 1 of 1 images", done.stdout)


if __name__ == "__main__":
    unittest.main()
