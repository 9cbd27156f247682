#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block soft_demapper: exact LLRs (by brute force over the constellation), channel gain, noise estimate, tags."""
import math

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import MODULATIONS, PAM_STEP, BlockCase, captured_log, llrs, modulate, stops, wait_for

NAN = float("nan")


def noise(rng, n, n0):
    return (rng.normal(size=n) + 1j * rng.normal(size=n)) * np.sqrt(n0 / 2)


def length_tag(offset, key="packet_len", value=2000):
    t = gr.tag_t()
    t.offset, t.key, t.value = int(offset), pmt.intern(key), pmt.from_long(int(value))
    return t


class trickle(gr.sync_block):
    """Gives out a stream in pieces, each once everything before it has reached the sink."""

    def __init__(self, items, tags_at, ends, reached):
        gr.sync_block.__init__(self, "trickle", None, [np.complex64])
        self.items, self.tags_at, self.ends, self.reached = (
            np.asarray(items, np.complex64),
            tags_at,
            [*ends, len(items)],
            reached,
        )
        self.at = 0

    def work(self, _, output_items):
        if self.at == len(self.items):
            return -1
        wait_for(lambda: self.reached() >= self.at, "the arrival of a piece")
        end = min(next(e for e in self.ends if e > self.at), self.at + len(output_items[0]))
        output_items[0][: end - self.at] = self.items[self.at : end]
        for offset in self.tags_at:
            if self.at <= offset < end:
                self.add_item_tag(0, offset, pmt.intern("packet_len"), pmt.from_long(2000))
        self.at, n = end, end - self.at
        return n


class qa_soft_demapper(BlockCase):
    def demap(self, modulation, symbols, snr_db, gain=None, tags=(), cuts=(), block=None, gain_tags=()):
        tb = gr.top_block()
        block = block or srec.soft_demapper(modulation, snr_db)
        sink = blocks.vector_sink_f()
        source = blocks.vector_source_c(list(map(complex, symbols)), False, 1, list(tags))
        if cuts:
            source = trickle(
                symbols, [t.offset for t in tags], cuts, lambda: sink.nitems_read(0) // srec.bits_per_symbol(modulation)
            )
        tb.connect(source, block, sink)
        if gain is not None:
            tb.connect(blocks.vector_source_c(list(map(complex, gain)), False, 1, list(gain_tags)), (block, 1))
        tb.start()
        self.assert_ends_by_itself(tb)
        self.tags = sink.tags()
        return np.array(sink.data())

    def assert_llrs(self, got, expected, label=""):
        """Compare LLRs. Where the core saturates (16QAM and above: near +-80), check sign and minimum magnitude."""
        self.assertEqual(got.shape, expected.shape)
        small = np.abs(expected) < 60
        np.testing.assert_allclose(got[small], expected[small], rtol=1e-3, atol=2e-3, err_msg=label)
        self.assertTrue(
            (np.sign(got[~small]) == np.sign(expected[~small])).all() and (np.abs(got[~small]) > 59).all(), label
        )

    def test_llrs_are_exact_for_every_modulation(self):
        rng = np.random.default_rng(4)
        for modulation in MODULATIONS[:5]:
            for snr_db in (-3.0, 4.0, 15.0):
                n0 = 10 ** (-snr_db / 10)
                symbols = modulate(modulation, rng.integers(0, 256, 300))
                symbols = (symbols + noise(rng, symbols.size, n0)).astype(np.complex64)
                self.assert_llrs(
                    self.demap(modulation, symbols, snr_db), llrs(modulation, symbols, n0), f"{modulation} {snr_db} dB"
                )

    def test_pam256_gives_amplitude_and_noise_variance(self):
        symbols = modulate("pam256", np.arange(256))
        soft = self.demap("pam256", symbols, 10.0).reshape(-1, 2)
        np.testing.assert_allclose(soft[:, 0], (np.arange(256) - 127.5) * PAM_STEP, atol=1e-6)
        np.testing.assert_allclose(soft[:, 1], 0.05, rtol=1e-5)  # N0 / 2

    def test_undoes_the_mapper(self):
        data = np.random.default_rng(5).integers(0, 256, 3000).astype(np.uint8)
        for modulation in MODULATIONS[:5]:
            soft = self.demap(modulation, modulate(modulation, data), 30.0)
            np.testing.assert_array_equal(np.packbits(soft < 0), data, modulation)

    def test_llrs_tell_the_probability_of_error(self):
        rng = np.random.default_rng(6)
        data = rng.integers(0, 256, 15000).astype(np.uint8)
        for modulation, snr_db in (("qpsk", 4.0), ("16qam", 8.0)):
            symbols = modulate(modulation, data)
            soft = self.demap(modulation, symbols + noise(rng, symbols.size, 10 ** (-snr_db / 10)), snr_db)
            wrong = (soft < 0) != np.unpackbits(data).astype(bool)
            for low, high in ((0, 1), (1, 2), (2, 3), (3, 5)):
                some = (np.abs(soft) >= low) & (np.abs(soft) < high)
                expected = np.mean(1 / (1 + np.exp(np.abs(soft[some]))))
                self.assertAlmostEqual(
                    np.mean(wrong[some]),
                    expected,
                    delta=5 * math.sqrt(expected / some.sum()),
                    msg=f"{modulation}, |LLR| {low}..{high}",
                )

    def test_gain_input_enters_the_llrs(self):
        rng = np.random.default_rng(7)
        for modulation in MODULATIONS[:5]:
            x = modulate(modulation, rng.integers(0, 256, 300))
            gain = noise(rng, x.size, 1.0).astype(np.complex64)
            y = (gain * x + noise(rng, x.size, 0.1)).astype(np.complex64)
            self.assert_llrs(self.demap(modulation, y, 10.0, gain), llrs(modulation, y, 0.1, gain), modulation)

    def test_gain_of_zero_and_values_that_are_not_finite_give_zero(self):
        symbols = np.array([1 + 1j, NAN, complex(0, math.inf), 0.7 + 0.7j])
        soft = self.demap("qpsk", symbols, 10.0, [0, 1, 1, 1]).reshape(-1, 2)
        np.testing.assert_array_equal(soft[:3], 0)
        self.assertTrue((soft[3] > 1).all())

    def test_set_snr_db_works_at_run_time(self):
        block = srec.soft_demapper("bpsk", 0.0)
        first = self.demap("bpsk", [1.0] * 8, None, block=block)
        np.testing.assert_allclose(first, 4.0, rtol=1e-5)  # LLR = 4 y / N0
        block.set_snr_db(10.0)
        self.assertEqual(block.snr_db(), 10.0)
        np.testing.assert_allclose(self.demap("bpsk", [1.0] * 8, None, block=block), 40.0, rtol=1e-5)
        for bad in (-51.0, 101.0, math.inf):
            self.assert_refused(["snr_db", "-50 .. 100"], block.set_snr_db, bad)
        self.assertEqual(block.snr_db(), 10.0)

    def test_tags_of_the_gain_do_not_come_a_second_time(self):
        tags = lambda: [length_tag(0), length_tag(150), length_tag(399, "srec_eof")]  # noqa: E731
        for snr_db in (10.0, NAN):
            self.demap(
                "16qam", np.ones(400), snr_db, np.ones(400), tags=tags(), gain_tags=[*tags(), length_tag(77, "other")]
            )
            self.assertEqual(
                [(t.offset, pmt.symbol_to_string(t.key)) for t in self.tags],
                [(0, "packet_len"), (600, "packet_len"), (1596, "srec_eof")],
            )

    def test_length_tags_move_to_the_first_soft_value_of_the_frame(self):
        for modulation, factor in (("bpsk", 1), ("64qam", 6)):
            self.demap(modulation, np.ones(400), 10.0, tags=[length_tag(0), length_tag(100), length_tag(301)])
            self.assertEqual([t.offset for t in self.tags], [0, 100 * factor, 301 * factor])

    def estimated_db(self, modulation, symbols, soft, gain=None):
        """Return the SNR that explains BPSK or QPSK soft values, which are proportional to 1 / N0."""
        scale = llrs(modulation, symbols, 1.0, 1.0 if gain is None else gain)
        return 10 * np.log10(np.sum(soft * scale) / np.sum(scale**2))

    def test_estimates_the_noise_of_each_frame(self):
        rng = np.random.default_rng(8)
        levels, parts = (3.0, 12.0, 7.0), []
        for snr_db in levels:
            x = modulate("qpsk", rng.integers(0, 256, 500))
            parts.append(x + noise(rng, x.size, 10 ** (-snr_db / 10)))
        tags = [length_tag(2000 * k) for k in range(3)]
        for cuts in ((), (1, 1990, 2003, 3999, 4001), range(333, 6000, 333)):
            soft = self.demap("qpsk", np.concatenate(parts), NAN, tags=tags, cuts=cuts)
            for k, snr_db in enumerate(levels):
                tail = slice(1000, 2000)  # whatever the pieces, the estimate is complete here
                got = self.estimated_db(
                    "qpsk", parts[k][tail], soft[4000 * k : 4000 * (k + 1)].reshape(-1, 2)[tail].ravel()
                )
                self.assertAlmostEqual(got, snr_db, delta=0.7, msg=f"frame {k}, cut at {cuts}")

    def test_estimate_holds_however_little_of_the_frame_comes_at_first(self):
        rng = np.random.default_rng(9)
        x = modulate("qpsk", rng.integers(0, 256, 1000))
        symbols = x + noise(rng, x.size, 10 ** (-0.4))
        for cuts in ((1,), (10,), (20,), range(1, 100), range(50, 4000, 50)):
            soft = self.demap("qpsk", symbols, NAN, tags=[length_tag(0)], cuts=cuts)
            got = self.estimated_db("qpsk", symbols[2000:], soft[4000:])
            self.assertAlmostEqual(got, 4.0, delta=0.7, msg=f"cut at {cuts}")

    def test_estimate_takes_the_gain_into_account(self):
        rng = np.random.default_rng(10)
        x = modulate("qpsk", rng.integers(0, 256, 1000))
        for g in (0.3 + 0.4j, 2j):
            gain = np.full(x.size, g)
            y = gain * x + noise(rng, x.size, 0.02)
            soft = self.demap("qpsk", y, NAN, gain, tags=[length_tag(0)])
            self.assertAlmostEqual(
                self.estimated_db("qpsk", y, soft, gain), -10 * np.log10(0.02), delta=0.7, msg=str(g)
            )

    def test_estimate_ends_with_the_frame_that_its_tag_measures(self):
        rng = np.random.default_rng(11)
        x = modulate("qpsk", rng.integers(0, 256, 75))
        frame = x + noise(rng, 300, 0.01)
        soft = self.demap("qpsk", np.concatenate([frame, noise(rng, 2000, 10.0)]), NAN, tags=[length_tag(0, value=300)])
        self.assertAlmostEqual(self.estimated_db("qpsk", frame, soft[:600]), 20.0, delta=0.7)

    def test_tags_that_never_come_are_missed_in_one_line_where_they_matter(self):
        symbols = np.full(140000, np.sqrt(0.5) * (1 + 1j))
        for snr_db, key, lines in (
            (float("nan"), "frame_len", 1),
            (float("nan"), "packet_len", 0),
            (10, "frame_len", 0),
        ):
            with captured_log() as log:
                self.demap("qpsk", symbols, snr_db, tags=[length_tag(0, key)])
            self.assertEqual(log.count("no tag packet_len"), lines, log.text)

    def test_a_noise_tag_that_is_no_power_is_ignored(self):
        rng = np.random.default_rng(8)
        symbols = modulate("qpsk", rng.integers(0, 256, 500)) + noise(rng, 2000, 0.1)
        expected = self.demap("qpsk", symbols, NAN, tags=[length_tag(0)])
        for value in (math.inf, NAN, 0.0, -1.0, 1e300, 1e-60):
            given = length_tag(0, "n0")
            given.value = pmt.from_double(value)
            np.testing.assert_array_equal(
                self.demap("qpsk", symbols, NAN, tags=[length_tag(0), given]), expected, str(value)
            )

    def test_empty_stream_gives_an_empty_stream(self):
        self.assertEqual(self.demap("qpsk", [], 10.0).size, 0)
        self.assertEqual(self.demap("qpsk", [], NAN).size, 0)

    def test_constructor_says_what_is_wrong(self):
        self.assert_refused(["8psk", "qpsk"], srec.soft_demapper, "8psk")
        for bad in (-51.0, 101.0, math.inf):
            self.assert_refused(["snr_db", "-50 .. 100"], srec.soft_demapper, "qpsk", bad)

    def test_stops_promptly_under_endless_input(self):
        for snr_db in (10.0, NAN):
            tb, sink = gr.top_block(), blocks.null_sink(gr.sizeof_float)
            tb.connect(
                blocks.vector_source_c([1.0] * 5000, True, 1, [length_tag(0)]),
                srec.soft_demapper("256qam", snr_db),
                sink,
            )
            tb.start()
            wait_for(lambda: sink.nitems_read(0) > 1e5, "the soft values")
            self.assertTrue(stops(tb))


if __name__ == "__main__":
    gr_unittest.run(qa_soft_demapper)
