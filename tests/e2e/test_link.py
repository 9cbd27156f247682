# SPDX-License-Identifier: GPL-3.0-or-later
"""srec send and srec receive as a user runs them, with no radio: recordings, pipes, two processes over ZeroMQ, late
join, other traffic, bad input."""
import glob
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from gnuradio import srec
from gnuradio.srec.io import sigmf
from PIL import Image
from waiting import wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "recordings"))
import make as recordings  # noqa: E402

SREC = os.environ["SREC_COMMAND"]
TIMEOUT = 300
SPS = 4


def run(*args, data=None, timeout=TIMEOUT):
    return subprocess.run([SREC, *args], capture_output=True, input=data, timeout=timeout)


def start(*args):
    return subprocess.Popen([SREC, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def waves(height, width, seed=0):
    y, x = np.mgrid[0:height, 0:width]
    return (
        np.stack(
            [
                127 + 70 * np.sin(x / (17 + 5 * c) + seed) * np.cos(y / (23 - 4 * c)) + 30 * ((x // 48 + y // 40) % 2)
                for c in range(3)
            ],
            2,
        )
        .clip(0, 255)
        .astype(np.uint8)
    )


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.key, cls.other_key = cls.path("link.key"), cls.path("other.key")
        for key in (cls.key, cls.other_key):
            srec.key_generate(key)
        cls.picture, cls.large = cls.path("picture.png"), cls.path("large.png")
        Image.fromarray(waves(96, 128)).save(cls.picture)
        Image.fromarray(waves(256, 320)).save(cls.large)

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.temp.name, name)

    def folder(self):
        return tempfile.mkdtemp(dir=self.temp.name)

    def passes(self, *args, data=None):
        done = run(*args, data=data)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done

    def send(self, device, *args, image=None, key=None):
        return self.passes(
            "send",
            "--image",
            image or self.picture,
            "--key",
            key or self.key,
            "--device",
            device,
            "--status",
            "0",
            *args,
        )

    def receive(self, device, *args, key=None, code=0):
        """-> (folder, figures)"""
        out = self.folder()
        done = run(
            "receive",
            "--key",
            key or self.key,
            "--device",
            device,
            "--out",
            out,
            "--status",
            "0",
            "--json",
            os.path.join(out, "run.figures"),
            *args,
        )
        self.assertEqual(done.returncode, code, done.stderr.decode())
        with open(os.path.join(out, "run.figures")) as f:
            return out, json.load(f)

    def metadata(self, out):
        found = []
        for name in sorted(glob.glob(os.path.join(out, "*.json"))):
            with open(name) as f:
                found.append(json.load(f))
        return found

    def psnr(self, out, number=0, image=None):
        return srec.psnr(
            np.array(Image.open(image or self.picture)),
            np.array(Image.open(os.path.join(out, f"picture{number:04d}.png"))),
        )


class Recordings(Case):
    def test_recordings_that_are_checked_in_replay(self):
        sent = self.path("raccoon.png")
        recordings.picture(sent)
        for datatype in ("cf32_le", "ci16_le", "cu8"):
            out, figures = self.receive("file:" + os.path.join(recordings.FOLDER, datatype), key=recordings.KEY)
            quality = self.psnr(out, image=sent)
            print(
                f"{datatype}: {quality:.2f} dB, SNR {figures['snr_db']:.2f} dB, CFO {figures['cfo_hz']:.1f} Hz, clock"
                f" {figures['clock_ppm']:.1f} ppm"
            )
            self.assertGreater(quality, 19)
            self.assertEqual(
                (figures["pictures"], figures["packets"], figures["packets_lost"], figures["modulation"]),
                (1, 1, 0, "16qam"),
            )
            self.assertAlmostEqual(figures["snr_db"], 18, delta=0.6)
            self.assertAlmostEqual(figures["cfo_hz"], 2000, delta=5)
            self.assertAlmostEqual(figures["clock_ppm"], 10, delta=8)
            self.assertAlmostEqual(figures["burst_level_dbfs"], -12, delta=0.4)
            self.assertEqual(self.metadata(out)[0]["frequency"], 433.92e6)

    def test_every_datatype_carries_a_picture_through_offsets(self):
        for datatype in ("cf32_le", "ci16_le", "cu8"):
            device = "file:" + self.path("sent_" + datatype)
            self.send(
                device,
                "--format",
                datatype,
                "--snr",
                "12",
                "--cfo",
                "5000",
                "--ppm",
                "20",
                "--level",
                "-20",
                "--delay",
                "1234.5",
            )
            recording = sigmf.Recording(self.path("sent_" + datatype))
            self.assertEqual((recording.datatype, recording.rate, recording.srec["snr_db"]), (datatype, 1e6, 12.0))
            with open(self.key, "rb") as f:
                key = f.read()
            with open(recording.meta, "rb") as f:
                self.assertNotIn(key.hex().encode(), f.read())
            out, figures = self.receive(device)
            self.assertGreater(self.psnr(out), 25)
            self.assertEqual((figures["pictures"], figures["pictures_partial"], figures["packets_lost"]), (1, 0, 0))
            self.assertAlmostEqual(figures["snr_db"], 12, delta=0.5)
            self.assertAlmostEqual(figures["evm_percent"], 25.1, delta=1.5)
            self.assertAlmostEqual(figures["cfo_hz"], 5000, delta=3)
            self.assertAlmostEqual(figures["clock_ppm"], 20, delta=8)
            self.assertAlmostEqual(figures["burst_level_dbfs"], -20, delta=0.3)
            told = self.metadata(out)[0]
            self.assertEqual((told["width"], told["height"], told["patches_lost"], told["rate"]), (128, 96, 0, 1e6))

    def test_what_comes_over_a_device_can_be_recorded_and_replayed(self):
        self.send("file:" + self.path("first"), "--snr", "15")
        out, _ = self.receive("file:" + self.path("first"), "--record", self.path("second"), "--format", "ci16_le")
        again, figures = self.receive("file:" + self.path("second"))
        self.assertEqual((sigmf.Recording(self.path("second")).datatype, figures["pictures"]), ("ci16_le", 1))
        self.assertAlmostEqual(self.psnr(out), self.psnr(again), delta=0.2)

    def test_info_tells_what_a_recording_is(self):
        text = self.passes("info", os.path.join(recordings.FOLDER, "cu8.sigmf-meta")).stdout.decode()
        for word in ("cu8", "500000", "433.92", "16qam", "samples_per_symbol", "model"):
            self.assertIn(word, text)

    def test_pictures_go_through_a_pipe_and_numbers_continue(self):
        out = self.folder()
        for number in (0, 1):
            sent = run(
                "send",
                "--image",
                self.picture,
                "--key",
                self.key,
                "--device",
                "-",
                "--format",
                "ci16_le",
                "--snr",
                "15",
            )
            self.assertEqual(sent.returncode, 0, sent.stderr.decode())
            self.assertIn(b"image 0", sent.stderr)
            self.passes(
                "receive",
                "--key",
                self.key,
                "--device",
                "-",
                "--format",
                "ci16_le",
                "--out",
                out,
                "--timeout",
                "60",
                data=sent.stdout,
            )
            self.assertGreater(self.psnr(out, number), 25)
        self.assertEqual([m["number"] for m in self.metadata(out)], [0, 1])

    def test_the_simulated_device_closes_the_loop(self):
        done = self.send("sim", "--snr", "10", "--cfo", "1000")
        self.assertIn(b"1 of 1 images", done.stdout)
        out, figures = self.receive("sim:" + self.picture, "--snr", "10", "--cfo", "-3000", "--level", "-30")
        self.assertGreater(self.psnr(out), 24)
        self.assertAlmostEqual(figures["cfo_hz"], -3000, delta=5)
        self.assertAlmostEqual(figures["burst_level_dbfs"], -30, delta=0.3)

    def test_a_folder_is_sent_picture_by_picture(self):
        folder = self.folder()
        for name, seed in (("a.png", 1), ("b.png", 2), ("c.png", 3)):
            Image.fromarray(waves(64, 64, seed)).save(os.path.join(folder, name))
        self.send("file:" + self.path("folder"), "--snr", "15", image=folder)
        out, figures = self.receive("file:" + self.path("folder"))
        self.assertEqual(figures["pictures"], 3)
        for number, name in enumerate(("a.png", "b.png", "c.png")):
            self.assertGreater(self.psnr(out, number, os.path.join(folder, name)), 20)
        _, figures = self.receive("file:" + self.path("folder"), "--once")
        self.assertEqual(figures["pictures"], 1)

    def test_the_json_keys_are_documented(self):
        with open(
            os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "command-line.md"),
            encoding="utf-8",
        ) as f:
            sections = dict(re.findall(r"(?ms)^## srec (\w+)\n(.*?)(?=^## |\Z)", f.read()))
        sent = json.loads(self.send("sim", "--snr", "15", "--json", "-").stdout)
        self.send("file:" + self.path("keys"), "--frequency", "1e9", "--snr", "15")
        out, received = self.receive("file:" + self.path("keys"))
        for section, keys in (
            ("send", sent),
            ("receive", received),
            ("receive", self.metadata(out)[0]),
            ("send", sigmf.Recording(self.path("keys")).srec),
        ):
            self.assertEqual([key for key in keys if f"`{key}`" not in sections[section]], [])


class Hooks(Case):
    def test_the_hook_gets_the_path_as_one_argument_and_no_shell(self):
        self.send("file:" + self.path("hooked"))
        script, told = self.path("hook.sh"), self.path("told")
        with open(script, "w") as f:
            f.write(f'#!/bin/sh\nprintf "%s|" "$#" "$@" >> "{told}"\n')
        os.chmod(script, 0o755)
        out = os.path.join(self.folder(), "a b; touch $(echo injected) `true`")
        self.passes(
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.path("hooked"),
            "--out",
            out,
            "--hook",
            f"'{script}' 'two words' $HOME",
        )
        with open(told) as f:
            self.assertEqual(f.read(), f"3|two words|$HOME|{os.path.join(out, 'picture0000.png')}|")

    def test_a_hook_that_fails_is_counted_and_the_picture_stays(self):
        self.send("file:" + self.path("failing"))
        out, figures = self.receive("file:" + self.path("failing"), "--hook", "false")
        self.assertEqual((figures["hooks_failed"], figures["pictures"]), (1, 1))
        self.assertTrue(os.path.exists(os.path.join(out, "picture0000.png")))


class Bursts(Case):
    """What happens on a channel: recordings cut and summed."""

    def samples(self, name):
        with open(self.path(name) + sigmf.DATA, "rb") as f:
            return np.frombuffer(f.read(), np.complex64)

    def write(self, name, samples):
        samples.astype(np.complex64).tofile(self.path(name) + sigmf.DATA)
        sigmf.write_meta(
            self.path(name), "cf32_le", 1e6, None, {"modulation": "qpsk", "samples_per_symbol": SPS, "rolloff": 0.25}
        )

    @staticmethod
    def bursts(samples):
        """Pieces that begin and end in silence (the guards between bursts are exact zeros without noise)"""
        quiet = np.convolve(np.abs(samples) > 0, np.ones(80), "same") == 0
        edges = np.flatnonzero(np.diff(np.concatenate([[1], quiet, [1]]).astype(int)))
        return [samples[a:b] for a, b in zip(edges[0::2], edges[1::2])]

    def noise(self, n, seed):
        return np.random.default_rng(seed).normal(0, 0.01, (n, 2)) @ [1, 1j]

    def test_a_receiver_that_joins_late_shows_what_it_gets_and_the_next_picture_whole(self):
        folder = self.folder()
        for name, seed in (("a.png", 1), ("b.png", 2)):
            Image.fromarray(waves(256, 320, seed)).save(os.path.join(folder, name))
        self.send("file:" + self.path("two"), "--frame-bytes", "2000", "--snr", "15", image=folder)
        samples = self.samples("two")
        self.write("late", samples[samples.size // 4 :])
        out, figures = self.receive("file:" + self.path("late"))
        first, second = self.metadata(out)
        print(
            f"late join: {first['patches_lost']} of {first['patches']} patches concealed,"
            f" {self.psnr(out, 0, os.path.join(folder, 'a.png')):.1f} dB, then"
            f" {self.psnr(out, 1, os.path.join(folder, 'b.png')):.1f} dB"
        )
        self.assertEqual((figures["pictures"], figures["pictures_partial"]), (2, 1))
        self.assertGreater(first["slices_lost"], first["slices"] // 3)
        self.assertLess(first["slices_lost"], first["slices"])
        self.assertGreater(self.psnr(out, 0, os.path.join(folder, "a.png")), 12)
        self.assertEqual((second["slices_lost"], second["patches_lost"]), (0, 0))
        self.assertGreater(self.psnr(out, 1, os.path.join(folder, "b.png")), 25)

    def test_two_transmitters_lose_only_what_collides(self):
        mine, theirs = self.path("mine.png"), self.path("theirs.png")
        Image.fromarray(waves(256, 320, 1)).save(mine)
        Image.fromarray(waves(256, 320, 5)).save(theirs)
        for name, image, key in (("mine", mine, self.key), ("theirs", theirs, self.other_key)):
            self.send("file:" + self.path(name), "--frame-bytes", "2000", image=image, key=key)
        mine_bursts, their_bursts = self.bursts(self.samples("mine")), self.bursts(self.samples("theirs"))
        n = min(len(mine_bursts), len(their_bursts))
        self.assertGreater(n, 8)
        line, at, collided = np.zeros(sum(map(len, mine_bursts + their_bursts)) + 4000 * 2 * n, complex), 1000, 3
        for i in range(max(len(mine_bursts), len(their_bursts))):
            for k, bursts in enumerate((mine_bursts, their_bursts)):
                if i < len(bursts):
                    offset = np.exp(2j * np.pi * (0.001, -0.003)[k] * np.arange(len(bursts[i])))
                    line[at : at + len(bursts[i])] += bursts[i] * offset
                    at += 1500 if i == collided and k == 0 else len(bursts[i]) + 1000  # one pair overlaps
        self.write("both", line[: at + 2000] + self.noise(at + 2000, 3))
        for image, key, bursts in ((mine, self.key, mine_bursts), (theirs, self.other_key, their_bursts)):
            out, figures = self.receive("file:" + self.path("both"), key=key)
            told = self.metadata(out)[0]
            print(
                f"two transmitters: {figures['packets']} of {len(bursts)} packets, {figures['forged']} of the other's,"
                f" {self.psnr(out, 0, image):.1f} dB"
            )
            self.assertEqual(figures["pictures"], 1)
            self.assertLessEqual(told["slices_lost"], 1)
            self.assertGreater(figures["forged"], n // 2)
            self.assertGreater(self.psnr(out, 0, image), 20)

    def test_stations_with_one_key_that_take_turns_are_both_received_whole(self):
        bursts = []
        for name, seed in (("left", 3), ("right", 8)):
            Image.fromarray(waves(160, 240, seed)).save(self.path(name + ".png"))
            self.send("file:" + self.path(name), "--frame-bytes", "2000", image=self.path(name + ".png"))
            bursts.append(self.bursts(self.samples(name)))
        left, right = bursts
        self.assertGreater(min(len(left), len(right)), 4)
        turns, mine, theirs = [], list(left), list(right)
        while mine or theirs:
            turns += mine[:2] + theirs[:1]
            del mine[:2], theirs[:1]
        gap = np.zeros(1000, np.complex64)
        self.write("turns", np.concatenate([gap, *(part for b in turns for part in (b, gap))]))
        out, figures = self.receive("file:" + self.path("turns"))
        self.assertEqual(
            (figures["pictures"], figures["pictures_partial"], figures["packets"], figures["late"]),
            (2, 0, len(left) + len(right), 0),
        )
        told = self.metadata(out)
        self.assertEqual([(m["slices_lost"], m["reason"]) for m in told], [(0, "complete")] * 2)
        self.assertNotEqual(told[0]["session"], told[1]["session"])
        quality = [
            max(self.psnr(out, number, self.path(name + ".png")) for number in (0, 1)) for name in ("left", "right")
        ]
        self.assertGreater(min(quality), 25)

    def test_max_pixels_bounds_the_pictures_that_a_sender_can_demand(self):
        self.send("file:" + self.path("sized"))  # 128x96
        out, figures = self.receive("file:" + self.path("sized"), "--max-pixels", "12287", code=1)
        self.assertEqual((figures["pictures"], figures["too_large"], self.metadata(out)), (0, figures["packets"], []))
        done = run(
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.path("sized"),
            "--out",
            out,
            "--status",
            "0",
            "--max-pixels",
            "12287",
        )
        self.assertIn("--max-pixels", done.stderr.decode().strip().splitlines()[-1])
        for allowed in ("12288", "0"):
            _, figures = self.receive("file:" + self.path("sized"), "--max-pixels", allowed)
            self.assertEqual((figures["pictures"], figures["too_large"]), (1, 0))
        for wrong in ("-1", "nan", "inf", "many"):
            done = run(
                "receive",
                "--key",
                self.key,
                "--device",
                "file:" + self.path("sized"),
                "--out",
                out,
                "--max-pixels",
                wrong,
            )
            self.assertEqual(done.returncode, 2, done.stderr.decode())

    def test_noise_gives_no_picture(self):
        self.write("noise", self.noise(2000000, 4))
        _, figures = self.receive("file:" + self.path("noise"), code=1)
        self.assertEqual((figures["pictures"], figures["bursts"]), (0, 0))


class Network(Case):
    def address(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return f"zmq:tcp://127.0.0.1:{s.getsockname()[1]}"

    def setUp(self):
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def start(self, *args):
        self.processes.append(start(*args))
        return self.processes[-1]

    def ends(self, process, code=0):
        out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, code, err.decode())
        return out.decode(), err.decode()

    def test_two_processes_over_zeromq(self):
        address, out = self.address(), self.folder()
        receiver = self.start(
            "receive", "--key", self.key, "--device", address, "--out", out, "--once", "--timeout", "120"
        )
        sender = self.start(
            "send", "--image", self.picture, "--key", self.key, "--device", address, "--snr", "12", "--cfo", "2000"
        )
        self.ends(sender)
        self.assertIn("image 0", self.ends(receiver)[0])
        self.assertGreater(self.psnr(out), 25)

    def test_gnu_radios_own_zeromq_blocks_are_understood(self):
        import zmq
        from gnuradio import gr, zeromq

        address = self.address()
        sender = self.start("send", "--image", self.picture, "--key", self.key, "--device", address, "--snr", "15")
        top, receiver, sink = (
            gr.top_block(),
            srec.receiver(self.key, samples_per_symbol=SPS, timeout=120),
            srec.image_sink(stop_after=1),
        )
        top.connect(zeromq.pull_source(gr.sizeof_gr_complex, 1, address[4:]), receiver)
        top.msg_connect(receiver, "pdus", sink, "pdus")
        top.start()
        self.ends(sender)
        self.assertTrue(sink.wait(TIMEOUT))
        top.stop()
        top.wait()
        self.assertGreater(srec.psnr(np.array(Image.open(self.picture)), sink.pictures[0][0]), 25)

        self.send("file:" + self.path("stock"), "--snr", "15")
        top, address, out = gr.top_block(), self.address(), self.folder()
        source = srec.recording_source(self.path("stock"), True)  # GNU Radio does not keep blocks in Python alive
        top.connect(source, zeromq.push_sink(gr.sizeof_gr_complex, 1, address[4:]))
        top.start()
        self.ends(
            self.start("receive", "--key", self.key, "--device", address, "--out", out, "--once", "--timeout", "120")
        )
        with zmq.Context() as context, context.socket(zmq.PULL) as another:
            another.connect(address[4:])  # GNU Radio's push_sink blocks for ever if its last receiver has gone
            top.stop()
            top.wait()
        self.assertGreater(self.psnr(out), 25)

    def test_a_receiver_killed_and_restarted_goes_on(self):
        address, first, second = self.address(), self.folder(), self.folder()
        sender = self.start(
            "send",
            "--image",
            self.large,
            "--key",
            self.key,
            "--device",
            address,
            "--snr",
            "14",
            "--repeat",
            "--frame-bytes",
            "3000",
        )
        command = ("receive", "--key", self.key, "--device", address, "--timeout", "120", "--out")
        receiver = self.start(*command, first)
        wait_for(lambda: glob.glob(os.path.join(first, "*.json")), "the first image")
        receiver.send_signal(signal.SIGKILL)
        receiver.communicate()
        receiver = self.start(*command, second)
        wait_for(lambda: len(glob.glob(os.path.join(second, "*.json"))) >= 2, "two images after the restart")
        receiver.send_signal(signal.SIGINT)
        self.ends(receiver)
        sender.send_signal(signal.SIGTERM)
        self.assertIn("stopped after", self.ends(sender)[1])
        whole = [m for m in self.metadata(second) if not m["patches_lost"]]
        self.assertTrue(whole, self.metadata(second))
        self.assertEqual(len({m["session"] for m in self.metadata(first) + self.metadata(second)}), 1)
        self.assertGreater(self.psnr(second, whole[0]["number"], self.large), 25)

    def test_a_daemon_gives_out_the_picture_in_hand_when_it_is_stopped(self):
        self.send("file:" + self.path("cut"), "--frame-bytes", "2000", image=self.large)
        with open(self.path("cut") + sigmf.DATA, "rb") as f:
            data = f.read()
        out = self.folder()
        receiver = subprocess.Popen(
            [
                SREC,
                "receive",
                "--key",
                self.key,
                "--device",
                "-",
                "--out",
                out,
                "--timeout",
                "600",
                "--status",
                "0.2",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.processes.append(receiver)
        receiver.stdin.write(data[: len(data) // 16 * 8])
        receiver.stdin.flush()
        while not re.search(rb"packets [1-9]", line := receiver.stderr.readline()):
            self.assertTrue(line, "it ended before a packet came")
        receiver.send_signal(signal.SIGTERM)
        text = receiver.stdout.read().decode()
        self.assertEqual(receiver.wait(TIMEOUT), 0)
        self.assertIn("patches concealed", text)
        self.assertEqual(len(self.metadata(out)), 1)

    def test_an_address_in_use_is_busy(self):
        address = self.address()
        with socket.socket() as s:
            s.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
            s.listen()
            done = run("send", "--image", self.picture, "--key", self.key, "--device", address)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn(b"busy", done.stderr)


class BadInput(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done = run("send", "--image", cls.picture, "--key", cls.key, "--device", "file:" + cls.path("good"))
        assert done.returncode == 0, done.stderr

    def refused(self, code, *words, command="receive", args=()):
        basic = ("--out", self.path("refused")) if command == "receive" else ("--image", self.picture)
        done = run(command, *basic, "--key", self.key, *args)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        for word in words:
            self.assertIn(word, text)

    def recording(self, name, change, data=b"\0" * 64):
        """A recording whose metadata are those of the good one, changed"""
        with open(self.path("good") + sigmf.META) as f:
            meta = json.load(f)
        change(meta)
        with open(self.path(name) + sigmf.META, "w") as f:
            json.dump(meta, f)
        with open(self.path(name) + sigmf.DATA, "wb") as f:
            f.write(data)
        return ("--device", "file:" + self.path(name))

    def test_devices_that_are_none(self):
        self.refused(2, "--device", args=("--device", "tape:1"))
        self.refused(2, "name is missing", args=("--device", "file:"))
        self.refused(1, "No such file", args=("--device", "file:" + self.path("nothing")))
        self.refused(1, "No such file", command="send", args=("--device", "file:" + self.path("no/such/folder")))
        self.refused(1, "no ZeroMQ address", args=("--device", "zmq:nonsense"))
        self.refused(2, "--frequency", args=("--device", "uhd:"))
        self.refused(2, "--gain", args=("--device", "file:" + self.path("good"), "--gain", "3"))

    def test_radios_that_are_not_there(self):
        self.refused(1, "no such device", args=("--device", "uhd:type=b200,serial=none", "--frequency", "1e9"))
        self.refused(1, "no such device", command="send", args=("--device", "soapy:driver=none", "--frequency", "1e9"))

    def test_recordings_that_cannot_be_used(self):
        def top(**changes):
            return lambda meta: meta["global"].update({k.replace("_", ":", 1): v for k, v in changes.items()})

        self.refused(1, "datatype 'rf32_le'", args=self.recording("type", top(core_datatype="rf32_le")))
        self.refused(1, "core:sample_rate", args=self.recording("rate", top(core_sample_rate=0)))
        self.refused(1, "core:sample_rate", args=self.recording("text", top(core_sample_rate="fast")))
        self.refused(1, "core:num_channels is 2", args=self.recording("channels", top(core_num_channels=2)))
        self.refused(1, "srec:samples_per_symbol", args=self.recording("sps", top(srec_samples_per_symbol="four")))
        self.refused(2, "--sps 99", args=self.recording("many", top(srec_samples_per_symbol=99)))
        self.refused(1, "8psk", args=self.recording("modulation", top(srec_modulation="8psk")))
        self.refused(1, "no sample", args=self.recording("empty", top(), b""))
        self.refused(1, "captures", args=self.recording("captures", lambda m: m.update(captures=3)))
        with open(self.path("json") + sigmf.META, "w") as f:
            f.write("{")
        with open(self.path("json") + sigmf.DATA, "wb") as f:
            f.write(bytes(8))
        self.refused(1, "not JSON", args=("--device", "file:" + self.path("json")))
        os.remove(self.recording("lost", top())[1][5:] + sigmf.DATA)
        self.refused(1, "No such file", args=("--device", "file:" + self.path("lost")))
        with open(self.path("bare"), "wb") as f:
            f.write(bytes(800))
        self.refused(1, "--format", args=("--device", "file:" + self.path("bare")))

    def test_options_that_contradict(self):
        good = ("--device", "file:" + self.path("good"))
        self.refused(1, "--rate 1e+06, not 2e+06", args=good + ("--rate", "2e6"))
        self.refused(1, "--modulation qpsk, not bpsk", args=good + ("--modulation", "bpsk"))
        self.refused(2, "--format", args=good + ("--format", "cu8"))
        self.refused(2, "--hook", args=good + ("--hook", "/no/such/program"))
        self.refused(2, "--snr", args=good + ("--snr", "5"))
        self.refused(2, "--repeat", command="send", args=("--device", "file:" + self.path("x"), "--repeat"))
        self.refused(2, "--cfo", command="send", args=("--device", "file:" + self.path("x"), "--cfo", "600e3"))
        self.refused(2, "--level", command="send", args=("--device", "file:" + self.path("x"), "--level", "nan"))
        self.refused(
            1,
            "nowhere.key",
            command="send",
            args=("--device", "file:" + self.path("x"), "--key", self.path("nowhere.key")),
        )

    def test_the_wrong_key_gives_no_picture_and_one_line(self):
        done = run(
            "receive",
            "--key",
            self.other_key,
            "--device",
            "file:" + self.path("good"),
            "--out",
            self.path("wrong"),
            "--json",
            "-",
        )
        self.assertEqual((done.returncode, os.listdir(self.path("wrong"))), (1, []))
        self.assertEqual(json.loads(done.stdout)["forged"], 1)  # no log lines in between
        self.assertIn(b"failed authentication: is it the right key?", done.stderr.splitlines()[-1])

    def test_a_recording_that_ends_within_a_burst_says_so(self):
        with open(self.path("good") + sigmf.DATA, "rb") as f:
            data = f.read()
        _, figures = self.receive(self.recording("half", lambda meta: None, data[: len(data) // 2 + 3])[1], code=1)
        self.assertEqual((figures["pictures"], figures["bursts_truncated"]), (0, 1))


if __name__ == "__main__":
    unittest.main()
