#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks burst_shaper and burst_sync: frames through samples and back, tags, silence, keys, findings, bad input."""

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import KEY, OTHER_KEY, BlockCase, captured_log, data_of, slice_pdu, wait_for

PREAMBLE, GUARD, DATA, PILOTS, SPS = 256, 32, 248, 8, 4


def tag(offset, key, value):
    t = gr.tag_t()
    t.offset, t.key, t.value = offset, pmt.intern(key), value
    return t


def length_tag(offset, length):
    return tag(offset, "packet_len", pmt.from_long(length))


class Capture:
    """Records the items and tags of a stream."""

    def __init__(self, sink):
        self.items = np.array(sink.data())
        self.tags = [(t.offset, pmt.symbol_to_string(t.key), pmt.to_python(t.value)) for t in sink.tags()]

    def of(self, key):
        return [(offset, value) for offset, name, value in self.tags if name == key]


class qa_burst(BlockCase):
    def frames(self, n, key=KEY):
        """Return the symbols of n consecutive QPSK frames, and their lengths."""
        pdus = [slice_pdu(packet=i, seed=i)[0] for i in range(n)]
        frames = [data_of(p) for p in self.through(srec.packet_encoder(key, "qpsk"), pdus)[0]]
        bits = np.concatenate([np.unpackbits(f.astype(np.uint8)) for f in frames]).reshape(-1, 2)
        return ((1 - 2.0 * bits[:, 0]) + 1j * (1 - 2.0 * bits[:, 1])) * np.sqrt(0.5), [f.size * 4 for f in frames]

    def shape(self, symbols, tags, shaper=None):
        top, sink = gr.top_block(), blocks.vector_sink_c()
        top.connect(blocks.vector_source_c(symbols, False, 1, tags), shaper or srec.burst_shaper(SPS), sink)
        top.run()
        return Capture(sink)

    def bursts(self, n, key=KEY):
        """Return the samples of n consecutive bursts."""
        symbols, lengths = self.frames(n, key)
        return self.shape(
            symbols, [length_tag(o, length) for o, length in zip(np.cumsum([0] + lengths[:-1]), lengths)]
        ).items

    def synchronise(self, samples, modulation="qpsk", sps=SPS, **options):
        """Run burst_sync. Return symbols, gains and the block; self.info has what it published."""
        top, symbols, gains, block = (
            gr.top_block(),
            blocks.vector_sink_c(),
            blocks.vector_sink_c(),
            srec.burst_sync(modulation, sps, **options),
        )
        info = blocks.message_debug(False)
        top.msg_connect(block, "info", info, "store")
        top.connect(
            blocks.vector_source_c(samples, False, 1, [tag(len(samples) - 1, "srec_eof", pmt.PMT_T)]), block, symbols
        )
        top.connect((block, 1), gains)
        top.run()
        wait_for(lambda: any(i["event"] == "eof" for i in self.stored(info)), "the end on the info port")
        self.info = self.stored(info)
        return Capture(symbols), Capture(gains), block

    def stored(self, debug):
        return [pmt.to_python(debug.get_message(i)) for i in range(debug.num_messages())]

    def test_bursts_have_unit_power_the_promised_length_and_tags(self):
        symbols, lengths = self.frames(2)
        got = self.shape(symbols, [length_tag(0, lengths[0]), length_tag(lengths[0], lengths[1])])
        expected = [(PREAMBLE + n + -(-n // DATA) * PILOTS + 2 * GUARD) * SPS for n in lengths]
        self.assertEqual(got.items.size, sum(expected))
        self.assertEqual(got.of("packet_len"), [(0, expected[0]), (expected[0], expected[1])])
        self.assertEqual([o for o, _ in got.of("tx_sob")], [0, expected[0]])
        self.assertEqual([o for o, _ in got.of("tx_eob")], [expected[0] - 1, sum(expected) - 1])
        body = got.items[GUARD * SPS : expected[0] - GUARD * SPS]
        self.assertAlmostEqual(np.mean(np.abs(body) ** 2), 1, delta=0.02)

    def test_amplitude_scales_and_can_be_set(self):
        symbols, lengths = self.frames(1)
        shaper = srec.burst_shaper(SPS, amplitude=0.25)
        one = self.shape(symbols, [length_tag(0, lengths[0])]).items
        np.testing.assert_allclose(
            self.shape(symbols, [length_tag(0, lengths[0])], shaper).items, 0.25 * one, atol=1e-5
        )
        shaper.set_amplitude(0.5)
        self.assertEqual(shaper.amplitude(), 0.5)
        np.testing.assert_allclose(self.shape(symbols, [length_tag(0, lengths[0])], shaper).items, 0.5 * one, atol=1e-5)

    def test_silence_follows_the_end_mark_where_it_is_asked_for(self):
        symbols, lengths = self.frames(1)
        tags = [length_tag(0, lengths[0]), tag(lengths[0], "srec_eof", pmt.PMT_T)]
        got = self.shape(np.append(symbols, 0), tags, srec.burst_shaper(SPS, tail=5000))
        burst = self.shape(symbols, tags[:1]).items
        self.assertEqual(got.items.size, burst.size + 5001)
        self.assertEqual([o for o, _ in got.of("srec_eof")], [got.items.size - 1])
        np.testing.assert_array_equal(got.items[burst.size :], 0)

    def test_symbols_outside_frames_and_cut_frames_are_dropped(self):
        symbols, lengths = self.frames(1)
        stray = np.concatenate([np.ones(100), symbols[:500], symbols])
        got = self.shape(stray, [length_tag(100, lengths[0]), length_tag(600, lengths[0])])
        self.assertEqual(len(got.of("tx_sob")), 1)

    def test_frames_come_back_through_offset_level_and_noise(self):
        symbols, lengths = self.frames(3)
        samples = self.shape(symbols, [length_tag(o, n) for o, n in zip(np.cumsum([0] + lengths[:-1]), lengths)]).items
        rng = np.random.default_rng(5)
        samples = np.concatenate([np.zeros(3000), samples, np.zeros(3000)])
        noise = rng.normal(0, np.sqrt(SPS / 2 * 10**-1.5), (samples.size, 2)) @ [1, 1j]
        samples = 0.01 * (samples * np.exp(0.1j * np.arange(samples.size)) + noise)
        out, gains, block = self.synchronise(samples)
        self.assertEqual(block.bursts(), 3)
        self.assertEqual([n for _, n in out.of("packet_len")], lengths)
        self.assertEqual(out.items.size, symbols.size + 1)  # and the symbol of the end mark
        self.assertEqual([o for o, _ in out.of("srec_eof")], [symbols.size])
        error = np.mean(np.abs(out.items[:-1] - gains.items[:-1] * symbols) ** 2)
        self.assertAlmostEqual(10 * np.log10(error), -15, delta=0.5)
        for _, n0 in out.of("n0"):
            self.assertAlmostEqual(10 * np.log10(n0), -15, delta=0.5)
        self.assertEqual(len(out.of("burst")), 3)
        for _, given in out.of("burst"):
            self.assertAlmostEqual(given["snr_db"], 15, delta=0.5)
            self.assertAlmostEqual(given["cfo"], 0.1 * SPS / (2 * np.pi), delta=1e-5)
            self.assertAlmostEqual(given["level_db"], -40, delta=0.3)
        # the demapper passes the tags of both ports on, so each tag must arrive only once
        self.assertEqual(gains.tags, [])
        self.assertEqual(block.counters()["bursts"], 3)

    def test_noise_gives_nothing_and_the_end_comes_through(self):
        rng = np.random.default_rng(6)
        out, _, block = self.synchronise(rng.normal(0, 1, (200000, 2)) @ [1, 1j])
        self.assertEqual(block.bursts(), 0)
        self.assertEqual(block.findings(), {})
        self.assertEqual(out.items.size, 1)
        self.assertEqual(len(out.of("srec_eof")), 1)

    def test_with_a_key_only_its_bursts_pass_and_others_hide_none(self):
        own, other = self.bursts(2), self.bursts(3, OTHER_KEY)
        # A forgery: only the signal field.
        head = self.bursts(1, OTHER_KEY)[: (GUARD + PREAMBLE + 3 * (DATA + PILOTS)) * SPS]
        out, _, block = self.synchronise(np.concatenate([other, head, own]), key=KEY)
        self.assertEqual(len(out.of("packet_len")), 2)
        self.assertEqual((block.counters()["bursts"], block.counters()["foreign"]), (2, 4))
        self.assertEqual([i["foreign"] for i in self.info if i["event"] == "rejected"][-1], 4)
        self.assertEqual(len(self.synchronise(other)[0].of("packet_len")), 3)  # without a key

    def test_another_key_is_named_once_in_the_log_and_on_info(self):
        with captured_log() as log:
            _, _, block = self.synchronise(self.bursts(5), key=OTHER_KEY)
        self.assertEqual(block.findings(), {"key": "5 bursts failed authentication: is it the right key?"})
        self.assertEqual(log.count("failed authentication"), 1, log.text)
        self.assertEqual([i["kind"] for i in self.info if i["event"] == "finding"], ["key"])

    def test_what_keeps_bursts_from_being_received_is_measured(self):
        for kind, words, options in (
            ("modulation", "modulation qpsk: the receiver is set to 16qam", {"modulation": "16qam"}),
            ("symbol_rate", "4.0 samples per symbol", {"sps": 8}),
        ):
            with captured_log() as log:
                _, _, block = self.synchronise(self.bursts(6), **options)
            self.assertEqual(list(block.findings()), [kind], log.text)
            self.assertEqual(log.count(words), 1, log.text)

    def test_an_inverted_spectrum_is_set_right_and_told(self):
        symbols, lengths = self.frames(1)
        out, gains, block = self.synchronise(np.conj(self.shape(symbols, [length_tag(0, lengths[0])]).items))
        self.assertLess(np.mean(np.abs(out.items[:-1] - gains.items[:-1] * symbols) ** 2), 0.01)
        self.assertIs(out.of("burst")[0][1]["inverted"], True)
        self.assertEqual(list(block.findings()), ["inverted"])

    def test_samples_of_another_format_are_named(self):
        rng = np.random.default_rng(7)
        wrong = np.clip(127.5 + 20 * rng.standard_normal(8 * 50000), 0, 255).astype(np.uint8).view(np.complex64)
        _, _, block = self.synchronise(wrong)
        self.assertIn("--format", block.findings()["format"])

    def test_demapper_takes_the_noise_power_that_is_told(self):
        symbols, lengths = self.frames(1)
        top, sink = gr.top_block(), blocks.vector_sink_f()
        source = blocks.vector_source_c(
            symbols, False, 1, [length_tag(0, lengths[0]), tag(0, "n0", pmt.from_double(0.25))]
        )
        top.connect(source, srec.soft_demapper("qpsk", float("nan")), sink)
        top.run()
        # LLR = 2 sqrt(2) Re y / N0.
        np.testing.assert_allclose(np.abs(sink.data()), 2 * np.sqrt(2) * np.sqrt(0.5) / 0.25, rtol=1e-3)

    def test_bad_parameters_are_refused(self):
        for name, value in (
            ("samples_per_symbol", 1),
            ("samples_per_symbol", 17),
            ("samples_per_symbol", -3),
            ("rolloff", 0.0),
            ("amplitude", 0.0),
            ("idle", -1),
            ("tail", -1),
        ):
            with self.assertRaisesRegex(ValueError, rf"^{name}\b"):
                srec.burst_shaper(**{name: value})
        with self.assertRaisesRegex(ValueError, "^samples_per_symbol -3: "):
            srec.burst_sync("qpsk", -3)
        with self.assertRaisesRegex(ValueError, "^rolloff"):
            srec.burst_sync("qpsk", 4, 2.0)
        with self.assertRaisesRegex(ValueError, "qpqk"):
            srec.burst_sync("qpqk")
        with self.assertRaisesRegex(RuntimeError, "/none"):
            srec.burst_sync("qpsk", key="/none")

    def test_silence_is_sent_while_no_frame_waits(self):
        top, sink = gr.top_block(), blocks.vector_sink_c()
        mapper = srec.mapper("qpsk")
        top.connect(mapper, srec.burst_shaper(SPS, idle=1000), blocks.head(gr.sizeof_gr_complex, 5000), sink)
        top.start()
        wait_for(lambda: len(sink.data()) == 5000, "the silence")
        top.stop()
        top.wait()
        np.testing.assert_array_equal(sink.data(), np.zeros(5000))


if __name__ == "__main__":
    gr_unittest.run(qa_burst)
