#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""receiver: images of a link and their figures, keys, soft and hard decisions, fading, lost ends, refusals."""
import os
import tempfile

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from PIL import Image

from qa_common import HANG, wait_for


ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def texture(height=128, width=192):
    y, x = np.mgrid[0:height, 0:width]
    return (
        (128 + 70 * np.sin(x / 19)[..., None] * np.cos(y / 17)[..., None] * np.array([1, 0.7, 0.5]))
        .clip(0, 255)
        .astype(np.uint8)
    )


def symbols_in(*args, **named):
    """Return a receiver of bare symbols."""
    return srec.receiver(*args, samples_per_symbol=0, **named)


class qa_receiver(gr_unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.picture = texture()
        self.path = os.path.join(self.temp.name, "picture.png")
        Image.fromarray(self.picture).save(self.path)

    def tearDown(self):
        self.temp.cleanup()

    def link(self, receiver, snr_db=12.0, kind="awgn", pictures=1, stop_after=0, ends=True, gain=False, **options):
        """Run a link until the last image. Return (image_sink, info dicts, packet info dicts).

        ends: False cuts the end mark off.
        gain: the receiver gets the gain of the channel.
        """
        top = gr.top_block()
        source = srec.image_source([self.path] * pictures, in_flight=pictures)
        transmitter = srec.transmitter("seed:1", session=2**63 + 1, samples_per_symbol=0, **options)
        channel, sink = srec.channel(kind, snr_db, 3, coherence=256), srec.image_sink(stop_after=stop_after)
        info, packet_info = blocks.message_debug(False), blocks.message_debug(False)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        if ends:
            top.connect(transmitter, channel)
        else:
            gate = blocks.tag_gate(gr.sizeof_gr_complex, False)
            gate.set_single_key("srec_eof")
            top.connect(transmitter, gate, channel)
        top.connect(channel, receiver)
        if gain:
            top.connect((channel, 1), (receiver, 1))
        top.msg_connect(receiver, "pdus", sink, "pdus")
        top.msg_connect(receiver, "info", info, "store")
        top.msg_connect(receiver, "packet_info", packet_info, "store")
        top.start()
        try:
            self.assertTrue(sink.wait(HANG), "no end")
            if ends:
                wait_for(lambda: all(self.ended(m) for m in (info, packet_info)), "the report of the end")
        finally:
            top.stop()
            top.wait()
        return sink, *([pmt.to_python(d) for d in self.stored(m)] for m in (info, packet_info))

    def stored(self, debug):
        return [debug.get_message(i) for i in range(debug.num_messages())]

    def ended(self, debug):
        return any(pmt.to_python(d)["event"] == "eof" for d in self.stored(debug))

    def psnr(self, sink):
        return srec.psnr(self.picture, sink.pictures[-1][0])

    def test_pictures_arrive_with_their_figures(self):
        sink, info, packets = self.link(symbols_in("seed:1", snr_db=12), pictures=3)
        self.assertEqual([m["picture"] for _, m in sink.pictures], [0, 1, 2])
        self.assertGreater(self.psnr(sink), 28)
        self.assertEqual([i["event"] for i in info], ["picture"] * 3 + ["eof"])
        self.assertEqual((info[0]["session"], info[0]["patches_lost"], info[0]["slices_lost"]), (2**63 + 1, 0, 0))
        self.assertEqual(packets[-1]["accepted"], sum(i["slices"] for i in info[:3]))
        self.assertEqual(
            [packets[-1][k] for k in ("damaged", "forged", "replayed", "foreign_model", "unsupported", "truncated")],
            [0] * 6,
        )

    def test_every_modulation_arrives(self):
        for modulation, snr in (("bpsk", 8), ("16qam", 20), ("64qam", 26), ("256qam", 32), ("pam256", 40)):
            self.assertGreater(
                self.psnr(self.link(symbols_in("seed:1", modulation, snr), snr, modulation=modulation)[0]),
                26,
                modulation,
            )

    def test_the_wrong_key_gets_no_picture_and_counts_forgeries(self):
        sink, _, packets = self.link(symbols_in("seed:2", snr_db=12))
        self.assertEqual((sink.count, packets[-1]["accepted"]), (0, 0))
        self.assertGreater(packets[-1]["forged"], 0)

    def test_a_wrong_payload_key_gets_noise(self):
        sink, _, packets = self.link(symbols_in("seed:1", snr_db=12, payload_key="seed:2"))
        self.assertGreater(packets[-1]["accepted"], 0)
        self.assertLess(self.psnr(sink), 14)

    def test_a_replaced_payload_and_noise_measured_3_dB_too_low_are_suspect(self):
        self.path = os.path.join(ROOT, "examples", "raccoon.webp")
        for suspect, snr, named in (
            (False, 6, {"snr_db": 6}),
            (True, 6, {"snr_db": 9}),
            (True, 12, {"snr_db": 12, "payload_key": "seed:2"}),
        ):
            meta = self.link(symbols_in("seed:1", **named), snr)[0].pictures[-1][1]
            print(
                {
                    key: meta[key]
                    for key in ("header_errors", "header_errors_expected", "random_percent", "relation", "suspect")
                }
            )
            self.assertEqual(meta["suspect"], suspect)
            self.assertEqual(abs(meta["relation"]) < 0.1, "payload_key" in named)
        meta = self.link(symbols_in("seed:1", snr_db=12, soft=False))[0].pictures[-1][1]
        self.assertNotIn("random_percent", meta)
        self.assertFalse(meta["suspect"])

    def test_soft_decisions_beat_hard_ones_and_the_setter_holds(self):
        soft = self.psnr(self.link(symbols_in("seed:1", snr_db=5), 5)[0])
        receiver = symbols_in("seed:1", snr_db=5)
        receiver.set_soft(False)
        hard = self.psnr(self.link(receiver, 5)[0])
        print(f"QPSK 5 dB: soft {soft:.2f}, hard {hard:.2f} dB")
        self.assertGreater(soft, hard + 3)

    def test_a_wrong_snr_costs_quality_and_the_setter_mends_it(self):
        wrong = self.psnr(self.link(symbols_in("seed:1", snr_db=30), 4)[0])
        receiver = symbols_in("seed:1", snr_db=30)
        receiver.set_snr_db(4)
        right = self.psnr(self.link(receiver, 4)[0])
        estimated = self.psnr(self.link(symbols_in("seed:1"), 4)[0])
        print(f"QPSK 4 dB: set to 30 dB {wrong:.2f}, set to 4 dB {right:.2f}, estimated {estimated:.2f} dB")
        self.assertGreater(right, wrong + 2)
        self.assertGreater(estimated, right - 1.5)

    def test_super_resolution_gives_other_pictures_and_can_be_bypassed(self):
        enhancer = os.path.join(ROOT, "tests", "golden", "enhancer-x1.safetensors")
        plain = self.link(symbols_in("seed:1", snr_db=12))[0].pictures[-1][0]
        sink, _, _ = self.link(symbols_in("seed:1", snr_db=12, enhancer=enhancer))
        self.assertTrue(sink.pictures[-1][1]["enhanced"])
        self.assertFalse(np.array_equal(sink.pictures[-1][0], plain))
        passed, _, _ = self.link(symbols_in("seed:1", snr_db=12, enhancer=enhancer, bypass=True))
        np.testing.assert_array_equal(passed.pictures[-1][0], plain)
        receiver = symbols_in("seed:1", snr_db=12, enhancer=enhancer, bypass=True)
        receiver.set_bypass(False)
        again, _, _ = self.link(receiver)
        np.testing.assert_array_equal(again.pictures[-1][0], sink.pictures[-1][0])

    def test_scale_2_restores_the_size(self):
        enhancer = os.path.join(ROOT, "tests", "golden", "enhancer-x2.safetensors")
        sink, _, _ = self.link(symbols_in("seed:1", snr_db=12, enhancer=enhancer, scale=2, bypass=True), scale=2)
        self.assertEqual(sink.pictures[-1][0].shape, self.picture.shape)
        self.assertGreater(self.psnr(sink), 18)

    def test_the_gain_input_undoes_fading(self):
        sink, _, packets = self.link(symbols_in("seed:1", snr_db=20, gain_input=True), 20, "rayleigh", gain=True)
        self.assertGreater(packets[-1]["accepted"], 0)
        self.assertGreater(self.psnr(sink), 22)

    def test_frames_and_the_end_mark_come_once_with_the_gain_too(self):
        for kind in ("awgn", "rayleigh"):
            sink, info, packets = self.link(
                symbols_in("seed:1", snr_db=25, gain_input=True), 25, kind, pictures=2, gain=True
            )
            self.assertEqual(len(sink.pictures), 2)
            self.assertEqual([p["event"] for p in packets if p["event"] in ("eof", "truncated")], ["eof"], kind)
            self.assertEqual(packets[-1]["truncated"], 0)
            self.assertEqual([i["event"] for i in info].count("eof"), 1, kind)

    def test_without_end_mark_the_picture_comes_all_the_same(self):
        sink, _, _ = self.link(symbols_in("seed:1", snr_db=12, timeout=3), ends=False, stop_after=1)
        self.assertGreater(self.psnr(sink), 28)

    def test_pictures_so_far_come_while_packets_are_missing(self):
        top = gr.top_block()
        source, transmitter = srec.image_source(self.path, repeat=True, in_flight=1), srec.transmitter(
            "seed:1", frame_bytes=2000, samples_per_symbol=0
        )
        channel = srec.channel("awgn", 12.0, 3, loss=0.3)
        receiver = symbols_in("seed:1", snr_db=12.0, progress=3600.0, max_queue=100, timeout=1000)
        receiver.set_progress(1e-6)
        self.assertAlmostEqual(receiver.decoder.progress(), 1e-6)
        found = blocks.message_debug(False)
        top.connect(transmitter, channel, receiver)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        for port in ("info", "encoder_info"):
            top.msg_connect(transmitter, port, source, "next")
        top.msg_connect(receiver, "progress", found, "store")
        top.start()
        # Those with lost packets remain unfinished until the next one begins.
        wait_for(found.num_messages, "an image so far")
        top.stop()
        top.wait()
        meta = pmt.to_python(pmt.car(found.get_message(0)))
        self.assertIs(meta["partial"], True)
        self.assertTrue(0 < meta["slices_lost"] < meta["slices"])

    def test_both_ends_with_their_defaults_make_a_link_through_noise_and_offsets(self):
        top, sink = gr.top_block(), srec.image_sink(stop_after=1)
        source, transmitter, receiver = (
            srec.image_source(self.path),
            srec.transmitter("seed:1"),
            srec.receiver("seed:1"),
        )
        air = srec.impairments(noise_power=0.002, cfo=0.004, clock_ppm=-10, delay=1234.5, gain_db=-20)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.connect(transmitter, air, receiver)
        top.msg_connect(receiver, "pdus", sink, "pdus")
        top.start()
        try:
            self.assertTrue(sink.wait(HANG), "no image")
        finally:
            top.stop()
            top.wait()
        self.assertGreater(self.psnr(sink), 28)

    def test_the_gain_input_is_for_bare_symbols(self):
        with self.assertRaisesRegex(ValueError, "gain_input needs samples_per_symbol = 0"):
            srec.receiver("seed:1", gain_input=True)

    def test_impossible_parameters_are_refused_with_a_word(self):
        for word, arguments in (
            ("modulation", {"modulation": "8psk"}),
            ("snr_db", {"snr_db": 1000}),
            ("timeout", {"timeout": 0}),
            ("precision", {"precision": "f8"}),
            ("progress", {"progress": -1}),
            ("max_queue", {"max_queue": 0}),
            ("policy", {"policy": "none"}),
            ("/none", {"model": "/none"}),
            ("/none", {"enhancer": "/none"}),
            ("seed", {"key": "seed:x"}),
            ("/nokey", {"payload_key": "/nokey"}),
        ):
            with self.assertRaisesRegex((ValueError, RuntimeError), word):
                symbols_in(**{"key": "seed:1", **arguments})
        with self.assertRaises(ValueError):
            symbols_in("seed:1").set_snr_db(1000)


if __name__ == "__main__":
    gr_unittest.run(qa_receiver)
