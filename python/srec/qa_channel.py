#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block channel: noise and fading against theory, seeds, erased frames, changes at run time."""
import math

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import BlockCase, modulate, stops, wait_for

N = 100000


def tag(offset, key="packet_len"):
    t = gr.tag_t()
    t.offset, t.key, t.value = int(offset), pmt.intern(key), pmt.from_long(100)
    return t


class qa_channel(BlockCase):
    def send(self, block, symbols, tags=(), gain=False, chunk=0):
        """Send symbols through the block. Return the received symbols, or (received, gain)."""
        tb = gr.top_block()
        sinks = [blocks.vector_sink_c() for _ in range(1 + gain)]
        tb.connect(blocks.vector_source_c(list(map(complex, symbols)), False, 1, list(tags)), block)
        for k, sink in enumerate(sinks):
            tb.connect((block, k), sink)
        if chunk:
            block.set_max_noutput_items(chunk)
        tb.start()
        self.assert_ends_by_itself(tb)
        self.tags, *self.gain_tags = (
            [(t.offset, pmt.symbol_to_string(t.key), pmt.to_python(t.value)) for t in sink.tags()] for sink in sinks
        )
        received = [np.array(s.data()) for s in sinks]
        return received if gain else received[0]

    def test_noise_is_circular_gaussian_of_the_stated_power(self):
        for snr_db in (-10.0, 4.0, 30.0):
            n0 = 10 ** (-snr_db / 10)
            x = np.ones(N)
            noise = self.send(srec.channel("awgn", snr_db, 1), x) - x
            deviation = n0 / math.sqrt(N)  # of the power estimate
            self.assertAlmostEqual(np.mean(np.abs(noise) ** 2), n0, delta=5 * deviation)
            self.assertAlmostEqual(np.var(noise.real), n0 / 2, delta=5 * deviation)
            self.assertLess(abs(np.mean(noise)), 5 * math.sqrt(n0 / N))
            self.assertLess(abs(np.mean(noise.real * noise.imag)), 5 * deviation)
            self.assertLess(abs(np.mean(noise[1:] * noise[:-1].conj())), 5 * deviation, "white")
            for k in (1, 2, 3):  # tails: share of samples beyond k standard deviations
                p = math.erfc(k / math.sqrt(2))
                beyond = np.mean(np.abs(noise.real) > k * math.sqrt(n0 / 2))
                self.assertAlmostEqual(beyond, p, delta=5 * math.sqrt(p / N))

    def test_bit_error_rate_of_qpsk_is_that_of_theory(self):
        data = np.random.default_rng(12).integers(0, 256, N // 4).astype(np.uint8)
        for snr_db in (4.0, 7.0):
            received = self.send(srec.channel("awgn", snr_db, 2), modulate("qpsk", data))
            bits = np.stack([received.real < 0, received.imag < 0], 1).ravel()
            p = 0.5 * math.erfc(math.sqrt(10 ** (snr_db / 10) / 2))
            errors = np.mean(bits != np.unpackbits(data).astype(bool))
            self.assertAlmostEqual(errors, p, delta=5 * math.sqrt(p / bits.size))

    def test_at_100_db_the_signal_passes(self):
        x = np.exp(1j * np.arange(1000))
        np.testing.assert_allclose(self.send(srec.channel("awgn", 100.0, 3), x), x, atol=1e-4)

    def test_same_seed_same_noise_another_seed_another(self):
        for kind in ("awgn", "rayleigh"):
            a, b, c = (self.send(srec.channel(kind, 10.0, seed), np.ones(5000)) for seed in (5, 5, 6))
            np.testing.assert_array_equal(a, b)
            self.assertLess(np.mean(a == c), 0.001)

    def test_result_does_not_depend_on_how_the_stream_is_cut(self):
        tags = [tag(k) for k in range(0, 5000, 500)]
        for kind in ("awgn", "rayleigh"):
            whole = self.send(srec.channel(kind, 10.0, 5, 300, 0.5), np.ones(5000), tags)
            for chunk in (1, 77):
                np.testing.assert_array_equal(
                    self.send(srec.channel(kind, 10.0, 5, 300, 0.5), np.ones(5000), tags, chunk=chunk), whole
                )

    def test_rayleigh_gain_is_constant_over_the_coherence_and_of_unit_mean_power(self):
        received, gain = self.send(srec.channel("rayleigh", 100.0, 7, coherence=20), np.ones(N), gain=True)
        np.testing.assert_allclose(received, gain, atol=1e-4)
        blocks_of_gain = gain.reshape(-1, 20)
        np.testing.assert_array_equal(blocks_of_gain, blocks_of_gain[:, :1].repeat(20, 1))
        self.assertEqual(len(np.unique(blocks_of_gain[:, 0])), N // 20)
        power = np.abs(blocks_of_gain[:, 0]) ** 2  # exponential: mean and standard deviation 1
        self.assertAlmostEqual(power.mean(), 1.0, delta=5 / math.sqrt(N / 20))
        self.assertAlmostEqual(np.mean(power < 0.1), 1 - math.exp(-0.1), delta=5 * math.sqrt(0.095 / (N / 20)))

    def test_rayleigh_noise_has_the_stated_power(self):
        received, gain = self.send(srec.channel("rayleigh", 10.0, 8, 100), np.ones(N), gain=True)
        self.assertAlmostEqual(np.mean(np.abs(received - gain) ** 2), 0.1, delta=5 * 0.1 / math.sqrt(N))

    def test_awgn_reports_a_gain_of_one(self):
        np.testing.assert_array_equal(self.send(srec.channel("awgn", 0.0), np.ones(500), gain=True)[1], 1)

    def test_erased_frames_are_noise_alone_at_the_stated_rate(self):
        frames, length = 1000, 20
        x = np.ones(frames * length)
        received = self.send(
            srec.channel("awgn", 60.0, 9, loss=0.3), x, [tag(k * length) for k in range(frames)]
        ).reshape(frames, length)
        there = np.round(received.real)
        np.testing.assert_allclose(received, there, atol=0.01)
        self.assertTrue((there == there[:, :1]).all(), "a frame is erased whole or not at all")
        self.assertAlmostEqual(1 - there[:, 0].mean(), 0.3, delta=5 * math.sqrt(0.21 / frames))

    def test_the_end_mark_ends_an_erased_frame(self):
        received = self.send(srec.channel("awgn", 60.0, 9, loss=1.0), np.ones(30), [tag(10), tag(20, "srec_eof")])
        np.testing.assert_allclose(received, [1] * 10 + [0] * 10 + [1] * 10, atol=0.01)
        self.assertEqual(self.tags, [(10, "packet_len", 100), (20, "srec_eof", 100)], "tags pass")

    def test_tags_go_with_the_symbols_and_not_with_the_gain(self):
        sent = [tag(7, "note"), tag(7), tag(2500), tag(4999, "srec_eof")]
        for kind in ("awgn", "rayleigh"):
            self.send(srec.channel(kind, 20.0, 5), np.ones(5000), sent, gain=True, chunk=64)
            self.assertEqual(sorted(self.tags), sorted((t.offset, pmt.symbol_to_string(t.key), 100) for t in sent))
            self.assertEqual(self.gain_tags, [[]])

    def test_other_tags_erase_nothing_and_the_key_is_a_parameter(self):
        received = self.send(
            srec.channel("awgn", 60.0, 9, loss=1.0, len_tag_key="burst"), np.ones(30), [tag(10), tag(20, "burst")]
        )
        np.testing.assert_allclose(received, [1] * 20 + [0] * 10, atol=0.01)

    def test_set_snr_db_works_at_run_time(self):
        block = srec.channel("awgn", 0.0, 10)
        for snr_db in (0.0, 20.0):
            block.set_snr_db(snr_db)
            self.assertEqual(block.snr_db(), snr_db)
            noise = self.send(block, np.ones(20000)) - 1
            self.assertAlmostEqual(-10 * np.log10(np.mean(np.abs(noise) ** 2)), snr_db, delta=0.2)
        for bad in (-51.0, 101.0, math.inf, math.nan):
            self.assert_refused(["snr_db", "-50 .. 100"], block.set_snr_db, bad)
        self.assertEqual(block.snr_db(), 20.0)

    def test_set_loss_works_at_run_time(self):
        block = srec.channel("awgn", 60.0, 10)
        for loss in (0.0, 1.0, 0.0):
            block.set_loss(loss)
            self.assertEqual(block.loss(), loss)
            np.testing.assert_allclose(self.send(block, np.ones(100), [tag(0)]), 1 - loss, atol=0.01)
        for bad in (-0.01, 1.01, math.nan):
            self.assert_refused(["loss", "0 .. 1"], block.set_loss, bad)
        self.assertEqual(block.loss(), 0.0)

    def test_empty_stream_gives_an_empty_stream(self):
        self.assertEqual(self.send(srec.channel(), []).size, 0)

    def test_values_that_are_not_finite_harm_no_others(self):
        received = self.send(srec.channel("awgn", 60.0), [1, math.nan, math.inf, 1])
        np.testing.assert_allclose(received[[0, 3]], 1, atol=0.01)

    def test_constructor_says_what_is_wrong(self):
        self.assert_refused(["rician", "awgn", "rayleigh"], srec.channel, "rician")
        for bad in (-51.0, 101.0, math.nan):
            self.assert_refused(["snr_db", "-50 to 100"], srec.channel, "awgn", bad)
        self.assert_refused(["coherence"], srec.channel, "rayleigh", 10.0, 0, 0)
        self.assert_refused(["loss", "0 .. 1"], srec.channel, "awgn", 10.0, 0, 1024, 1.5)

    def test_stops_promptly_under_endless_input(self):
        sink = blocks.null_sink(gr.sizeof_gr_complex)
        self.tb.connect(blocks.null_source(gr.sizeof_gr_complex), srec.channel("rayleigh", 4.0), sink)
        self.tb.start()
        wait_for(lambda: sink.nitems_read(0) > 1e5, "the samples")
        self.assertTrue(stops(self.tb))


if __name__ == "__main__":
    gr_unittest.run(qa_channel)
