# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example compiles with grcc and leaves an image like the one sent; those without display end by themselves."""
import glob
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import yaml
from gnuradio import srec
from PIL import Image
from waiting import wait_for

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
SAMPLE = os.path.join(EXAMPLES, "raccoon.jpg")
HANG = 300  # seconds after which a program is said to hang: no measure of speed


HAVE_QT = importlib.util.find_spec("PyQt5") is not None
HAVE_OPENCV = importlib.util.find_spec("cv2") is not None
FLOWGRAPHS = sorted(os.path.splitext(os.path.basename(f))[0] for f in glob.glob(os.path.join(EXAMPLES, "*.grc")))
PAIRS = ("eavesdropper", "file_record_replay", "layers", "loopback", "ota_rx", "ota_tx", "video", "zmq_rx", "zmq_tx")


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """All are compiled once."""
        cls.programs = tempfile.TemporaryDirectory()
        files = [os.path.join(EXAMPLES, name + ".grc") for name in FLOWGRAPHS]
        cls.compiler = subprocess.run(
            ["grcc", "-o", cls.programs.name, *files], capture_output=True, text=True, timeout=600
        )

    @classmethod
    def tearDownClass(cls):
        cls.programs.cleanup()

    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = self.temp.name
        self.out = os.path.join(self.folder, "out")
        self.small = os.path.join(self.folder, "small.png")
        Image.open(SAMPLE).resize((192, 144)).save(self.small)

    def tearDown(self):
        self.temp.cleanup()

    def program(self, name):
        """-> path"""
        path = os.path.join(self.programs.name, name + ".py")
        self.assertTrue(os.path.exists(path), self.compiler.stdout + self.compiler.stderr)
        return path

    def command(self, name, *args):
        return [sys.executable, "-u", self.program(name), *args]

    def end(self, name, *args):
        """Runs it until it ends by itself. -> its standard output"""
        done = subprocess.run(self.command(name, *args), capture_output=True, text=True, timeout=HANG, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout

    def run_to_end(self, name, *args, picture=SAMPLE):
        said = self.end(name, "-i", picture, "-o", self.out, *args)
        images = sorted(f for f in os.listdir(self.out) if f.endswith(".png"))
        for image in images:
            self.assertIn("wrote " + os.path.join(self.out, image), said)
        return images

    def run_until(self, done, *commands, seconds=HANG):
        """Programs that do not end by themselves, with no display: until done(their output so far), then interrupted.
        -> their output"""
        environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", XDG_RUNTIME_DIR=self.folder)
        with open(os.path.join(self.folder, "log"), "w+") as log:

            def text():
                log.seek(0)
                return log.read()

            running = [
                subprocess.Popen(c, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=self.folder)
                for c in commands
            ]
            try:
                wait_for(
                    lambda: done(text()) or any(p.poll() is not None for p in running),
                    f"the aim of {commands}",
                    seconds,
                )
                for process in running:
                    process.send_signal(signal.SIGINT)
                codes = [process.wait(HANG) for process in running]
            finally:
                for process in running:
                    process.kill()
            said = text()
        self.assertEqual(codes, [0] * len(commands), said)
        self.assertNotIn("Traceback", said)
        self.assertTrue(done(said), said)
        return said

    def has(self, *names):
        """-> condition for run_until: these files are in the folder of results"""
        return lambda _: all(os.path.exists(os.path.join(self.out, name)) for name in names)

    def needs_qt(self):
        if not HAVE_QT:
            self.skipTest("PyQt5 is not installed")

    def frames(self, n):
        """-> folder of n images of 160x120, each a little further to the right"""
        if not HAVE_OPENCV:
            self.skipTest("OpenCV for Python is not installed (python3-opencv)")
        folder = os.path.join(self.folder, "frames")
        os.mkdir(folder)
        for i in range(n):
            Image.open(SAMPLE).crop((4 * i, 0, 4 * i + 320, 240)).resize((160, 120)).save(
                os.path.join(folder, f"{i:03d}.png")
            )
        return folder

    def psnr(self, name="picture0000.png", picture=SAMPLE):
        value = srec.psnr(
            np.array(Image.open(picture).convert("RGB")), np.array(Image.open(os.path.join(self.out, name)))
        )
        print(f"{self.id().split('.')[-1]}: {value:.2f} dB")
        return value

    def test_every_example_compiles(self):
        self.assertLessEqual(
            {name + end for name in PAIRS for end in ("", "_nogui")} | {"digital_modulation"}, set(FLOWGRAPHS)
        )
        self.assertEqual(self.compiler.returncode, 0, self.compiler.stdout + self.compiler.stderr)
        for name in FLOWGRAPHS:
            self.program(name)

    def test_every_example_is_in_the_list_and_says_what_it_is(self):
        with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as f:
            listed = f.read()
        for name in FLOWGRAPHS:
            self.assertIn(f"`{name}.grc`", listed)
            with open(os.path.join(EXAMPLES, name + ".grc"), encoding="utf-8") as f:
                options = yaml.safe_load(f)["options"]["parameters"]
            self.assertEqual(options["id"], name)
            self.assertGreater(len(options["description"]), 20, name)
            self.assertEqual(
                options["generate_options"],
                "no_gui" if "_nogui" in name or name == "digital_modulation" else "qt_gui",
                name,
            )

    def test_the_headless_loopback_ends_with_a_picture(self):
        self.assertEqual(self.run_to_end("loopback_nogui"), ["picture0000.png"])
        self.assertGreater(self.psnr(), 27)

    def run_python(self, name, *args):
        """-> lines of an example in Python"""
        done = subprocess.run(
            [sys.executable, "-u", os.path.join(EXAMPLES, name), *args],
            capture_output=True,
            text=True,
            timeout=HANG,
            cwd=self.folder,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.splitlines()

    def test_the_loopback_in_python_prints_a_better_psnr_at_each_higher_snr(self):
        lines = [line for line in self.run_python("loopback.py", self.small) if line.startswith("SNR")]
        psnrs = [float(re.search(r"PSNR (\S+) dB", line)[1]) for line in lines]
        self.assertEqual(len(psnrs), 3)
        self.assertEqual(psnrs, sorted(psnrs))
        self.assertGreater(psnrs[-1], psnrs[0] + 2)

    def test_the_video_in_python_ends_after_its_frames(self):
        frames = os.path.join(self.folder, "frames")
        os.mkdir(frames)
        for i in range(3):
            shutil.copy(self.small, os.path.join(frames, f"{i}.png"))
        for options in ((), ("--coding", "layers", "--size", "192x144")):
            self.assertRegex(self.run_python("video.py", frames, "3", *options)[-1], "^3 images.*; lost 0")

    def test_frames_cross_gnu_radios_own_modulation_and_channel(self):
        self.assertEqual(self.run_to_end("digital_modulation", "-s", "12"), ["picture0000.png"])
        by_stock_blocks = self.psnr()
        self.assertGreater(by_stock_blocks, 27)
        own = srec.image_sink()
        self.assertAlmostEqual(by_stock_blocks, self.own_link(own), delta=0.2)

    def own_link(self, sink, snr_db=12.0):
        """PSNR over SREC's own mapper and channel, at the same frame length"""
        from gnuradio import gr

        top, source = gr.top_block(), srec.image_source(SAMPLE)
        transmitter = srec.transmitter("seed:1", frame_bytes=4000, samples_per_symbol=0)
        receiver = srec.receiver("seed:1", snr_db=snr_db, samples_per_symbol=0, timeout=HANG)
        channel = srec.channel("awgn", snr_db, 1)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.connect(transmitter, channel, receiver)
        top.msg_connect(receiver, "pdus", sink, "pdus")
        top.start()
        self.assertTrue(sink.wait(HANG))
        top.stop()
        top.wait()
        return srec.psnr(np.array(Image.open(SAMPLE).convert("RGB")), sink.pictures[0][0])

    def test_a_folder_crosses_it_one_picture_after_the_other(self):
        pictures = os.path.join(self.folder, "pictures")
        os.mkdir(pictures)
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            shutil.copy(SAMPLE, os.path.join(pictures, name))
        self.assertEqual(
            self.run_to_end("digital_modulation", "-n", "3", picture=pictures),
            ["picture0000.png", "picture0001.png", "picture0002.png"],
        )

    def test_the_graphical_loopback_runs_and_makes_pictures(self):
        self.needs_qt()
        with open(self.program("loopback")) as f:
            text = f.read()
        for call in (
            "transmitter.set_encrypt",
            "transmitter.set_eta",
            "channel.set_snr_db",
            "receiver.set_snr_db",
            "receiver.set_soft",
            "view.set_snr_db",
        ):
            self.assertIn(f"self.{call}(", text)  # sliders and boxes act while it runs
        self.run_until(self.has("picture0001.json"), self.command("loopback", "-i", self.small, "-o", self.out))
        self.assertGreater(self.psnr("picture0001.png", self.small), 20)

    def test_bob_sees_the_picture_and_eve_does_not(self):
        self.assertEqual(self.run_to_end("eavesdropper_nogui", picture=self.small), ["bob0000.png", "eve0000.png"])
        self.assertGreater(self.psnr("bob0000.png", self.small), 23)
        self.assertLess(self.psnr("eve0000.png", self.small), 10)

    def test_the_same_in_a_window(self):
        self.needs_qt()
        self.run_until(
            self.has("bob0000.json", "eve0000.json"), self.command("eavesdropper", "-i", self.small, "-o", self.out)
        )
        self.assertGreater(self.psnr("bob0000.png", self.small), 23)
        self.assertLess(self.psnr("eve0000.png", self.small), 10)

    def test_each_receiver_of_layers_gets_what_its_snr_allows(self):
        names = ["low_0000.png", "middle_0000.png", "high_0000.png"]
        self.assertEqual(self.run_to_end("layers_nogui"), sorted(names))
        quality = [self.psnr(name) for name in names]
        self.assertGreater(min(np.diff(quality)), 0.8)
        for layers, name in enumerate(names, 1):
            with open(os.path.join(self.out, name.replace("png", "json")), encoding="utf-8") as f:
                self.assertEqual(json.load(f)["layers_received"], layers)

    def test_their_pictures_stand_side_by_side_in_a_window(self):
        self.needs_qt()
        self.run_until(
            self.has("low_0000.json", "middle_0000.json", "high_0000.json"),
            self.command("layers", "-i", self.small, "-o", self.out),
        )
        self.assertGreater(self.psnr("high_0000.png", self.small), self.psnr("low_0000.png", self.small))

    def test_a_recording_is_played_again(self):
        recording = os.path.join(self.folder, "link.cf32")
        self.end("file_record_replay_nogui", "-i", self.small, "-o", self.out, "-r", recording)
        self.assertFalse(os.listdir(self.out), "nothing is received while recording")
        samples = np.fromfile(recording, np.complex64)
        self.assertGreater(samples.size, 4 * 192 * 144 / 10)
        self.assertEqual(
            self.run_to_end("file_record_replay_nogui", "-p", recording, picture=self.small), ["picture0000.png"]
        )
        self.assertGreater(self.psnr(picture=self.small), 23)
        if HAVE_QT:
            self.run_until(
                self.has("picture0001.json"),
                self.command("file_record_replay", "-i", self.small, "-o", self.out, "-p", recording),
            )

    def test_two_programs_over_zeromq(self):
        address = f"ipc://{self.folder}/air"
        send = self.command("zmq_tx_nogui", "-i", self.small, "-a", address)
        self.run_until(lambda _: self.run_to_end_once(address), send)
        self.assertGreater(self.psnr("picture0001.png", self.small), 23)

    def test_coded_layers_over_zeromq(self):
        address = f"ipc://{self.folder}/air"
        send = self.command("zmq_tx_nogui", "-i", self.small, "-a", address, "-c", "layers")
        self.run_until(lambda _: self.run_to_end_once(address), send)
        with open(os.path.join(self.out, "picture0001.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["coding"], "layers")
        self.assertGreater(self.psnr("picture0001.png", self.small), 23)

    def run_to_end_once(self, address):
        """The receiver, which ends by itself after two images"""
        if not os.path.exists(self.out):
            self.end("zmq_rx_nogui", "-o", self.out, "-a", address, "-n", "2")
        return True

    def test_two_programs_with_windows_over_zeromq(self):
        self.needs_qt()
        address = f"ipc://{self.folder}/air"
        self.run_until(
            self.has("picture0001.json"),
            self.command("zmq_tx", "-i", self.small, "-a", address),
            self.command("zmq_rx", "-o", self.out, "-a", address),
        )
        self.assertGreater(self.psnr("picture0001.png", self.small), 23)

    def test_video_reports_rate_latency_and_drops(self):
        said = self.end(
            "video_nogui", "-v", self.frames(6), "-r", "0", "-o", self.out
        )  # without a rate none is left out
        self.assertRegex(
            said,
            r"(?m)^6 images; [\d.]+ a second; latency \d+ ms, at most \d+ ms; PSNR [\d.]+ dB; "
            r"lost 0; frames dropped at the source 0$",
        )
        with open(os.path.join(self.out, "picture0005.json"), encoding="utf-8") as f:
            meta = json.load(f)
        self.assertEqual((meta["width"], meta["height"]), (320, 240))
        self.assertGreater(meta["psnr_db"], 23)
        self.assertGreater(meta["latency_s"], 0)

    def test_video_as_coded_layers(self):
        self.end("video_nogui", "-v", self.frames(2), "-r", "0", "-o", self.out, "-c", "layers", "-y", "144")
        with open(os.path.join(self.out, "picture0001.json"), encoding="utf-8") as f:
            meta = json.load(f)
        self.assertEqual((meta["coding"], meta["width"], meta["layers_received"]), ("layers", 192, 1))
        self.assertGreater(meta["psnr_db"], 23)

    def test_video_in_a_window(self):
        self.needs_qt()
        self.run_until(
            lambda text: "; lost " in text, self.command("video", "-v", self.frames(3), "-r", "50", "-n", "5")
        )

    def test_over_the_air(self):
        device = os.environ.get("SREC_TEST_USRP")
        if device is None:
            self.skipTest(
                "no radio: set SREC_TEST_USRP to UHD's device arguments (the test transmits at 433.92 MHz, gain 0)"
            )
        key = os.path.join(self.folder, "link.key")
        srec.key_generate(key)
        self.end("ota_tx_nogui", "-d", device, "-k", key, "-i", self.small, "-g", "0")


if __name__ == "__main__":
    unittest.main()
