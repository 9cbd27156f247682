# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: one bad image is passed over, a block that fails ends the command with one line, and signals end
it in time whatever it does."""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

import pmt
from gnuradio import gr, srec
from gnuradio.srec.io import sigmf
from PIL import Image

from test_link import SPS, Case, wait_for

SREC = os.environ["SREC_COMMAND"]
END_S = 5.0  # from a signal to the end, as documented
LOADED = 2.0  # what a machine with other work may add
SIDE = 8000
FAULT = """
import importlib, os, runpy, sys
def fail(*arguments, **named):
    raise LookupError("made by the test")
setattr(eval("importlib.import_module('gnuradio.srec.{module}')" "{attribute}"), "{name}", fail)
sys.argv = ["srec"] + sys.argv[1:]
runpy.run_path({srec!r}, run_name="__main__")
"""


class StopCase(Case):
    def start(self, *args, code=(SREC,), **options):
        process = subprocess.Popen([*code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def ends(self, process, number, code):
        """It ends in time after the signal, with this exit code. -> text of standard error"""
        begun = time.monotonic()
        process.send_signal(number)
        _, text = process.communicate(timeout=120)
        seconds = time.monotonic() - begun
        print(f"{signal.Signals(number).name}: {seconds:.1f} s")
        self.assertEqual(process.returncode, code, text.decode())
        self.assertLess(seconds, END_S + LOADED, text.decode())
        return text.decode()

    def says(self, process, word):
        """Reads standard error until a line has the word."""
        while word not in (line := process.stderr.readline().decode()):
            self.assertTrue(line, f"it ended without {word!r}")

    def album(self, *names):
        folder = self.folder()
        for name in names:
            shutil.copy(self.picture, os.path.join(folder, name))
        return folder


class OneBadPicture(StopCase):
    def test_a_folder_goes_on_behind_pictures_that_cannot_be_read(self):
        album = self.album("a.png", "c.png")
        for name, data in (
            ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(40)),
            ("b.jpg", b"\xff\xd8\xff"),
            ("b.tif", b"II*\0\x08\0\0\0\xff\xff"),
            ("b.bmp", b"BM" + b"\xff" * 60),
            ("b.webp", b"RIFF\xff\xff\xff\xffWEBPVP8 "),
        ):
            with open(os.path.join(album, name), "wb") as f:
                f.write(data)
        os.mkdir(os.path.join(album, "d.png"))
        done = self.send("file:" + self.path("album"), "--snr", "15", "--json", self.path("album.json"), image=album)
        for name in ("b.png", "b.jpg", "b.tif", "b.bmp", "b.webp", "d.png"):
            self.assertEqual(sum(name in line for line in (done.stdout + done.stderr).decode().splitlines()), 1, name)
        with open(self.path("album.json")) as f:
            figures = json.load(f)
        self.assertEqual((figures["pictures"], figures["pictures_skipped"]), (2, 6))

    def test_names_that_look_like_numbers_do_not_disturb_the_numbering(self):
        self.send("file:" + self.path("numbered"), "--snr", "15")
        out = self.folder()
        for name in (
            "picture\u0667.png",
            "picture99999999999999999999.png",
            "picture18446744073709551615.json",
            "picture-3.png",
            "picture7.txt",
            "other0009.png",
            "picture\xb2.png",
        ):
            open(os.path.join(out, name), "w").close()
        self.passes("receive", "--key", self.key, "--device", "file:" + self.path("numbered"), "--out", out)
        self.assertIn("picture0000.png", os.listdir(out))
        open(os.path.join(out, "picture0041.json"), "w").close()
        self.passes("receive", "--key", self.key, "--device", "file:" + self.path("numbered"), "--out", out)
        self.assertIn("picture0042.png", os.listdir(out))


class Faults(StopCase):
    """A fault is made inside the command; it ends with one line and exit code 1."""

    def fails(self, module, attribute, name, *args):
        program = FAULT.format(module=module, attribute=attribute, name=name, srec=SREC)
        process = self.start(*args, code=(sys.executable, "-c", program))
        _, text = process.communicate(timeout=300)
        text = text.decode()
        self.assertEqual(process.returncode, 1, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertIn("made by the test", text)

    def test_a_fault_of_the_source_ends_send_and_simulate(self):
        for args in (
            ("send", "--key", self.key, "--device", "file:" + self.path("fault"), "--status", "0"),
            ("simulate", "--out", self.folder(), "--no-sr"),
        ):
            self.fails("image_source", "", "picture_pdu", *args, "--image", self.picture)
        self.assertFalse(os.path.exists(self.path("fault") + sigmf.DATA))

    def test_a_fault_of_the_sink_or_on_the_way_to_it_ends_receive(self):
        self.send("file:" + self.path("whole"), "--snr", "15")
        receive = (
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.path("whole"),
            "--status",
            "0",
            "--out",
            self.folder(),
        )
        self.fails("image_sink", ".image_sink", "_write", *receive)
        self.fails("commands.blocks", ".Annotator", "_handle", *receive)
        self.fails("io.sample_io", ".FileReader", "read", *receive)

    def test_a_fault_of_the_device_ends_send(self):
        self.fails(
            "io.recording",
            ".RecordingWriter",
            "write",
            "send",
            "--image",
            self.picture,
            "--key",
            self.key,
            "--status",
            "0",
            "--device",
            "file:" + self.path("device"),
        )


class Signals(StopCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.huge = cls.path("huge.png")
        Image.new("RGB", (SIDE, SIDE), (90, 120, 60)).save(cls.huge)

    def test_send_and_simulate_end_while_a_huge_picture_is_encoded(self):
        for number, args, code in (
            (signal.SIGINT, ("send", "--key", self.key, "--device", "sim", "--status", "0.2"), 0),
            (
                signal.SIGTERM,
                ("send", "--key", self.key, "--device", "file:" + self.path("never"), "--status", "0.2"),
                0,
            ),
        ):
            process = self.start(*args, "--image", self.huge)
            self.says(process, "encoding")
            self.ends(process, number, code)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("simulate", "--image", self.huge, "--out", self.folder(), "--no-sr")
            self.says(process, "working")
            self.assertIn("stopped", self.ends(process, number, 128 + number))

    def test_receive_ends_while_a_huge_picture_is_decoded(self):
        self.one_packet_of_a_huge_picture(self.path("one"))
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start(
                "receive",
                "--key",
                self.key,
                "--device",
                "file:" + self.path("one"),
                "--out",
                self.folder(),
                "--status",
                "0.2",
            )
            self.says(process, "decoding")
            self.assertIn("stopped", self.ends(process, number, 0))

    def one_packet_of_a_huge_picture(self, path):
        """What a sender may demand: one packet that claims to be a small part of a very large image."""
        slices = ((SIDE + 15) // 16) ** 2  # of one patch each
        model = int(srec.model_info()["id"], 16)
        meta = {
            "model": model,
            "picture": 0,
            "width": SIDE,
            "height": SIDE,
            "channels": 3,
            "format": 0,
            "slice": 0,
            "slices": slices,
        }
        slice_ = pmt.make_dict()
        for key, value in meta.items():
            slice_ = pmt.dict_add(slice_, pmt.intern(key), pmt.from_uint64(value))
        slice_ = pmt.dict_add(slice_, pmt.intern("rate_map"), pmt.init_u8vector(1, [1]))
        features = srec.model_info()["ladder"][1]

        class Sender(gr.basic_block):
            def __init__(self):
                gr.basic_block.__init__(self, "sender", None, None)
                self.message_port_register_out(pmt.intern("out"))

        top, sender, scrambler, packets, mapper = (
            gr.top_block(),
            Sender(),
            srec.scrambler(self.key),
            srec.packet_encoder(self.key),
            srec.mapper(),
        )
        told = {"modulation": "qpsk", "samples_per_symbol": SPS, "rolloff": 0.25}
        sink = srec.recording_sink(path, metadata=told)
        top.msg_connect(sender, "out", scrambler, "in")
        top.msg_connect(scrambler, "out", packets, "in")
        top.msg_connect(packets, "out", mapper, "in")
        top.connect(mapper, srec.burst_shaper(SPS), sink)
        top.start()
        sender.message_port_pub(pmt.intern("out"), pmt.cons(slice_, pmt.init_u8vector(features, [128] * features)))
        sender.message_port_pub(pmt.intern("out"), pmt.cons(pmt.to_pmt({"eof": True}), pmt.init_u8vector(0, [])))
        srec.end_block(sender.to_basic_block())
        top.wait()

    def test_receive_ends_while_it_waits_for_samples(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: self.held.append(open(pipe, "wb")), daemon=True)
        self.held = []
        writer.start()
        for device, more, options in (
            ("-", (), {"stdin": subprocess.PIPE}),
            ("zmq:tcp://127.0.0.1:9", (), {}),
            ("file:" + pipe, ("--format", "cu8"), {}),
        ):
            process = self.start(
                "receive",
                "--key",
                self.key,
                "--device",
                device,
                "--out",
                self.folder(),
                "--status",
                "0.2",
                *more,
                **options,
            )
            self.says(process, "no samples")
            self.ends(process, signal.SIGTERM, 0)
        writer.join()
        self.held[0].close()

    def test_send_ends_while_nobody_takes_its_samples(self):
        process = self.start(
            "send", "--image", self.picture, "--key", self.key, "--device", "zmq:tcp://127.0.0.1:*", "--status", "0.2"
        )
        self.says(process, "no receiver")
        self.ends(process, signal.SIGINT, 0)
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        process = subprocess.Popen(
            [
                SREC,
                "send",
                "--image",
                self.large,
                "--key",
                self.key,
                "--device",
                "-",
                "--status",
                "0.2",
            ],
            stdout=write,
            stderr=subprocess.PIPE,
        )
        os.close(write)
        self.says(process, "level")
        self.ends(process, signal.SIGTERM, 0)

    def test_receive_ends_while_a_hook_runs(self):
        self.send("file:" + self.path("hooked"), "--snr", "15")
        ran = self.path("ran")
        process = self.start(
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.path("hooked"),
            "--out",
            self.folder(),
            "--hook",
            f"sh -c 'touch {ran}; exec sleep 30 >/dev/null 2>&1'",
        )
        wait_for(lambda: os.path.exists(ran), "the hook")
        self.assertIn("hook", self.ends(process, signal.SIGTERM, 0))

    def test_a_second_signal_ends_it_at_once(self):
        self.send("file:" + self.path("twice"), "--snr", "15")
        ran = self.path("ran twice")
        process = self.start(
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.path("twice"),
            "--out",
            self.folder(),
            "--hook",
            f"sh -c 'touch \"{ran}\"; exec sleep 30 >/dev/null 2>&1'",
        )
        wait_for(lambda: os.path.exists(ran), "the hook")
        process.send_signal(signal.SIGINT)
        self.says(process, "stopping")
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, 128 + signal.SIGINT)
        self.assertLess(time.monotonic() - begun, 1 + LOADED)


class Home(StopCase):
    def test_a_home_that_is_missing_or_cannot_be_written_is_no_obstacle(self):
        for home in ("/nonexistent", "/proc", None):
            environment = {
                key: value for key, value in os.environ.items() if key != "HOME" and not key.startswith("XDG_")
            }
            if home:
                environment["HOME"] = home
            process = self.start(
                "send",
                "--image",
                self.picture,
                "--key",
                self.key,
                "--device",
                "sim",
                "--snr",
                "15",
                "--status",
                "0",
                env=environment,
            )
            out, text = process.communicate(timeout=300)
            self.assertEqual((process.returncode, text.decode()), (0, ""), home)
            self.assertIn(b"1 of 1 images", out)


if __name__ == "__main__":
    unittest.main()
