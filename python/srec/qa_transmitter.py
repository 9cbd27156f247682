#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""transmitter: symbols of unit power with tags, the end mark, two info ports, setters, sessions, refusals."""

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from gnuradio.srec.image_source import picture_pdu
from gnuradio.srec.modulations import MODULATIONS

from qa_common import wait_for


def texture(height=96, width=128, seed=1):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    wave = 128 + 70 * np.sin(x / 9)[..., None] * np.cos(y / 7)[..., None] * np.array([1, 0.7, 0.5])
    return (wave + rng.normal(0, 5, (height, width, 3))).clip(0, 255).astype(np.uint8)


END = pmt.cons(pmt.dict_add(pmt.make_dict(), pmt.intern("eof"), pmt.PMT_T), pmt.init_u8vector(0, []))


def symbols_of(*args, **named):
    """Return a transmitter that gives bare symbols."""
    return srec.transmitter(*args, samples_per_symbol=0, **named)


class qa_transmitter(gr_unittest.TestCase):
    def send(self, transmitter, pdus):
        """Send images. Return (symbols, tags, info dicts, encoder info dicts) once the end mark has passed."""
        top, sink = gr.top_block(), blocks.vector_sink_c()
        info, encoder_info = blocks.message_debug(False), blocks.message_debug(False)
        top.msg_connect(transmitter, "info", info, "store")
        top.msg_connect(transmitter, "encoder_info", encoder_info, "store")
        top.connect(transmitter, sink)
        top.start()
        for pdu in pdus:
            transmitter.encoder.to_basic_block()._post(pmt.intern("pdus"), pdu)

        def seen():
            """Return whether each encoded image and the end have been reported. Messages may follow the samples."""
            events = [pmt.to_python(encoder_info.get_message(i))["event"] for i in range(encoder_info.num_messages())]
            return "eof" in events and info.num_messages() >= events.count("picture")

        wait_for(lambda: seen() and any(pmt.symbol_to_string(t.key) == "srec_eof" for t in sink.tags()), "the end mark")
        top.stop()
        top.wait()
        dicts = [[pmt.to_python(d.get_message(i)) for i in range(d.num_messages())] for d in (info, encoder_info)]
        return np.array(sink.data(), np.complex64), sink.tags(), *dicts

    def frames(self, tags, key="packet_len"):
        return [(t.offset, pmt.to_long(t.value)) for t in tags if pmt.symbol_to_string(t.key) == key]

    def test_symbols_have_unit_power_and_tags_cover_them(self):
        for modulation in MODULATIONS:
            symbols, tags, info, _ = self.send(
                symbols_of("seed:1", modulation, frame_bytes=4000), [picture_pdu(texture(), 0), END]
            )
            # In a small image, short coded fields have uneven power.
            self.assertAlmostEqual(np.mean(abs(symbols[:-1]) ** 2), 1, delta=0.08, msg=modulation)
            at = 0
            for offset, length in self.frames(tags):
                self.assertEqual(offset, at)
                at += length
            self.assertEqual(at, len(symbols) - 1)  # then follows the item of the end mark
            self.assertEqual([t.offset for t in tags if pmt.symbol_to_string(t.key) == "srec_eof"], [at])
            self.assertEqual(
                [(i["event"], i["n_symbols"], i["packets_sent"]) for i in info],
                [("picture", at, len(self.frames(tags)))],
            )

    def test_frames_keep_to_their_length_and_tag_key(self):
        _, tags, _, _ = self.send(
            symbols_of("seed:1", frame_bytes=2000, len_tag_key="burst"), [picture_pdu(texture(256, 256), 0), END]
        )
        lengths = [n for _, n in self.frames(tags, "burst")]
        self.assertGreater(len(lengths), 2)
        self.assertLessEqual(max(lengths), 2000 * 4)

    def test_both_info_ports_number_the_pictures(self):
        bad = pmt.cons(pmt.car(picture_pdu(texture(), 6)), pmt.init_u8vector(3, [1, 2, 3]))
        _, _, info, encoder = self.send(
            symbols_of("seed:1"), [picture_pdu(texture(), 5), bad, picture_pdu(texture(), 7), END]
        )
        self.assertEqual([(i["event"], i["picture"]) for i in info], [("picture", 5), ("picture", 7)])
        self.assertEqual(
            [(i["event"], i.get("picture")) for i in encoder],
            [("picture", 5), ("dropped", 6), ("picture", 7), ("eof", None)],
        )

    def test_eta_and_encryption_change_while_running(self):
        transmitter = symbols_of("seed:1", eta=0.1)
        few = self.send(transmitter, [picture_pdu(texture(), 0), END])[3][0]["n_features"]
        transmitter.set_eta(0.4)
        self.assertAlmostEqual(transmitter.encoder.eta(), 0.4, places=6)
        transmitter.set_encrypt(False)
        self.assertFalse(transmitter.scrambler.encrypt())
        more = self.send(symbols_of("seed:1", eta=0.4), [picture_pdu(texture(), 0), END])[3][0]["n_features"]
        self.assertGreater(more, 2 * few)
        with self.assertRaises(ValueError):
            transmitter.set_eta(0)

    def test_equal_sessions_give_equal_symbols_and_random_ones_never(self):
        one, two = (
            self.send(symbols_of("seed:1", session=2**64 - 1), [picture_pdu(texture(), 0), END])[0] for _ in range(2)
        )
        np.testing.assert_array_equal(one, two)
        sessions = {symbols_of("seed:1").session() for _ in range(8)}
        self.assertEqual(len(sessions), 8)
        self.assertEqual(symbols_of("seed:1", session=2**64 - 1).session(), 2**64 - 1)

    def test_keyed_and_clear_symbols_differ(self):
        keyed, clear = (
            self.send(symbols_of("seed:1", encrypt=e, session=1), [picture_pdu(texture(), 0), END])[0]
            for e in (True, False)
        )
        self.assertEqual(len(keyed), len(clear))
        self.assertGreater(np.mean(keyed != clear), 0.2)

    def test_by_default_bursts_of_four_samples_a_symbol_come(self):
        def samples(transmitter):
            return self.send(transmitter, [picture_pdu(texture(), 0), END])[0]

        default, four, two = (
            samples(srec.transmitter("seed:1", session=3, **named))
            for named in ({}, {"samples_per_symbol": 4}, {"samples_per_symbol": 2})
        )
        np.testing.assert_array_equal(default, four)
        self.assertAlmostEqual(len(default) / len(two), 2, delta=0.01)

    def test_impossible_parameters_are_refused_with_a_word(self):
        for word, arguments in (
            ("modulation", {"modulation": "8psk"}),
            ("eta", {"eta": -1}),
            ("frame_bytes", {"frame_bytes": 100}),
            ("precision", {"precision": "f8"}),
            ("/none", {"model": "/none"}),
            ("cipher xor does not go with pam256", {"modulation": "pam256", "cipher": "xor"}),
            ("seed", {"key": "seed:x"}),
            ("/nokey", {"key": "/nokey"}),
        ):
            with self.assertRaisesRegex((ValueError, RuntimeError), word):
                symbols_of(**{"key": "seed:1", **arguments})


if __name__ == "__main__":
    gr_unittest.run(qa_transmitter)
