# SPDX-License-Identifier: GPL-3.0-or-later
"""srec receive: recordings of what was received before a restart are refused (--state); tampered payloads are
reported."""
import json
import os
import signal
import stat
import subprocess
import unittest

from gnuradio import blocks, gr, srec
from gnuradio.srec.io import sigmf
from waiting import wait_for

from test_link import SPS, SREC, TIMEOUT, Case, run

RACCOON = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "raccoon.webp")
EMPTY = 38  # bytes of a state without sessions


class State(Case):
    def setUp(self):
        self.take, self.state = self.path(f"take-{self.id()}"), self.path(f"state-{self.id()}")
        self.send("file:" + self.take, "--snr", "15")

    def refused(self, *args, code=1):
        done = run(
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.take,
            "--out",
            self.folder(),
            "--status",
            "0",
            *args,
        )
        self.assertEqual(done.returncode, code)
        text = done.stderr.decode().strip()
        self.assertEqual(text.count("\n"), 0, text)
        return text

    def test_a_recording_is_refused_after_a_restart_and_a_new_transmission_is_not(self):
        out, figures = self.receive("file:" + self.take, "--state", self.state)
        self.assertEqual((figures["pictures"], figures["replayed"]), (1, 0))
        self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o600)
        self.assertGreater(os.path.getsize(self.state), EMPTY)
        _, figures = self.receive("file:" + self.take, "--state", self.state, code=1)
        self.assertEqual((figures["pictures"], figures["packets"]), (0, 0))
        self.assertGreater(figures["replayed"], 0)
        self.assertIn("replay", self.refused("--state", self.state))
        self.send("file:" + self.take, "--snr", "15", "--overwrite")
        self.assertEqual(self.receive("file:" + self.take, "--state", self.state)[1]["pictures"], 1)
        self.assertEqual(os.listdir(os.path.dirname(self.state)).count(os.path.basename(self.state)), 1)
        self.assertEqual([name for name in os.listdir(os.path.dirname(self.state)) if name.startswith(".srec-")], [])

    def test_without_a_state_a_restarted_receiver_takes_the_recording_again(self):
        for _ in range(2):
            self.assertEqual(self.receive("file:" + self.take)[1]["pictures"], 1)

    def test_a_killed_receiver_remembers_all_but_its_last_seconds(self):
        with open(sigmf.Recording(self.take).data, "rb") as file:
            samples = file.read()
        receiver = subprocess.Popen(
            [
                SREC,
                "receive",
                "--key",
                self.key,
                "--device",
                "-",
                "--out",
                self.folder(),
                "--state",
                self.state,
                "--status",
                "0",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(lambda: (receiver.poll() is None and receiver.kill(), receiver.wait(TIMEOUT)))
        receiver.stdin.write(samples)
        receiver.stdin.write(bytes(8 * 20000))  # silence, so that the burst is done
        receiver.stdin.flush()
        wait_for(lambda: os.path.exists(self.state) and os.path.getsize(self.state) > EMPTY, "the saved state")
        receiver.send_signal(signal.SIGKILL)
        receiver.wait(TIMEOUT)
        receiver.stdin.close()
        self.assertIn("replay", self.refused("--state", self.state))

    def test_a_damaged_state_and_one_of_another_key_get_one_line(self):
        self.receive("file:" + self.take, "--state", self.state)
        with open(self.state, "rb") as file:
            good = file.read()
        other = run(
            "receive",
            "--key",
            self.other_key,
            "--device",
            "file:" + self.take,
            "--out",
            self.folder(),
            "--state",
            self.state,
        )
        self.assertEqual(other.returncode, 1)
        self.assertIn("another key", other.stderr.decode())
        for content, says in (
            (good[:-1], "damaged"),
            (good[:30] + bytes([good[30] ^ 1]) + good[31:], "damaged"),
            (b"", "not a receiver's state"),
            (bytes(1000), "not a receiver's state"),
            (good[:8] + b"\x09\x00" + good[10:], "version 9"),
        ):
            with open(self.state, "wb") as file:
                file.write(content)
            text = self.refused("--state", self.state)
            self.assertIn(says, text)
            self.assertIn(self.state, text)
            with open(self.state, "rb") as file:
                self.assertEqual(file.read(), content, "a state that is refused is left alone")

    def test_a_place_that_cannot_be_written_and_the_key_file_itself_are_refused(self):
        self.assertIn("/no/such/folder", self.refused("--state", "/no/such/folder/state"))
        self.assertIn("--key", self.refused("--state", self.key, code=2))


class Damage(Case):
    def transmit(self, path, payload_key):
        """Bursts to a file of samples: headers under self.key, payloads as scrambled with payload_key."""
        top = gr.top_block()
        source, encoder = srec.image_source(RACCOON), srec.semantic_encoder()
        scrambler, packer, mapper = srec.scrambler(payload_key, session=7), srec.packet_encoder(self.key), srec.mapper()
        shaper, channel = srec.burst_shaper(SPS, tail=20000), srec.impairments(noise_power=0.02)
        for before, after, port in (
            (source, encoder, "pdus"),
            (encoder, scrambler, "in"),
            (scrambler, packer, "in"),
            (packer, mapper, "in"),
        ):
            top.msg_connect(before, "pdus" if before is source else "out", after, port)
        top.msg_connect(mapper, "info", source, "next")
        top.msg_connect(encoder, "info", source, "next")
        top.connect(mapper, shaper, channel, blocks.file_sink(gr.sizeof_gr_complex, path))
        top.run()

    def test_a_payload_that_is_not_the_senders_is_reported_in_one_line_and_in_the_figures(self):
        for payload_key, suspect in ((self.key, 0), (self.other_key, 1)):
            path, out, figures = self.path(f"samples{suspect}"), self.folder(), self.path(f"figures{suspect}")
            self.transmit(path, payload_key)
            done = self.passes(
                "receive",
                "--key",
                self.key,
                "--device",
                "file:" + path,
                "--format",
                "cf32_le",
                "--out",
                out,
                "--status",
                "0",
                "--json",
                figures,
            )
            with open(figures, encoding="utf-8") as file:
                told = json.load(file)
            print({key: told[key] for key in ("header_errors", "header_errors_expected", "random_percent", "relation")})
            self.assertEqual((told["pictures"], told["pictures_suspect"]), (1, suspect))
            self.assertEqual(done.stderr.decode().count("payload tampered or channel worse than measured"), suspect)
            self.assertEqual(self.metadata(out)[0]["suspect"], bool(suspect))


if __name__ == "__main__":
    unittest.main()
