#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block impairments: defaults without effect, each parameter reaches the core, the end passes.

tests/core tests the effects themselves.
"""
import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import BlockCase


class qa_impairments(BlockCase):
    def through(self, samples, end=False, **parameters):
        tags = []
        if end:
            t = gr.tag_t()
            t.offset, t.key, t.value = len(samples) - 1, pmt.intern("srec_eof"), pmt.PMT_T
            tags = [t]
        top, sink = gr.top_block(), blocks.vector_sink_c()
        top.connect(blocks.vector_source_c(samples, False, 1, tags), srec.impairments(**parameters), sink)
        top.run()
        return np.array(sink.data()), [t.offset for t in sink.tags() if pmt.symbol_to_string(t.key) == "srec_eof"]

    @staticmethod
    def tone(n, f):
        return np.exp(2j * np.pi * f * np.arange(n))

    def test_by_default_samples_pass_and_the_end_mark_comes_last(self):
        x = self.tone(5000, 0.01)
        got, end = self.through(x, True)
        self.assertEqual(end, [got.size - 1])
        self.assertGreaterEqual(got.size, x.size)
        np.testing.assert_allclose(got[40 : x.size - 40], x[40:-40], atol=1e-3)

    def test_delay_is_silence_and_a_fraction(self):
        x = self.tone(3000, 0.01)
        for delay in (7, 1000.25, 12345.5):
            got, _ = self.through(x, True, delay=delay)
            whole = int(delay)
            np.testing.assert_allclose(got[: max(whole - 32, 0)], 0, atol=1e-6)
            at = np.arange(whole + 100, whole + 2500)
            np.testing.assert_allclose(got[at], np.exp(2j * np.pi * 0.01 * (at - delay)), atol=2e-3)

    def test_carrier_gain_and_clip_reach_the_samples(self):
        got, _ = self.through(np.ones(4000), True, cfo=0.05, gain_db=-20)
        np.testing.assert_allclose(got[100:3900], 0.1 * self.tone(got.size, 0.05)[100:3900], atol=1e-4)
        got, _ = self.through(self.tone(4000, 0.01), clip=0.5)
        self.assertLessEqual(max(np.abs(got.real).max(), np.abs(got.imag).max()), 0.5)

    def test_noise_has_its_power_and_its_seed(self):
        a, b, c = (self.through(np.zeros(100000), noise_power=0.25, seed=s)[0] for s in (1, 1, 2))
        self.assertAlmostEqual(np.mean(np.abs(a) ** 2), 0.25, delta=0.005)
        np.testing.assert_array_equal(a, b)
        self.assertLess(abs(np.vdot(a, c)) / np.vdot(a, a).real, 0.02)

    def test_the_clock_makes_samples_fewer_or_more(self):
        for ppm in (1000, -1000):
            got, _ = self.through(self.tone(200000, 0.01), clock_ppm=ppm)
            self.assertAlmostEqual(got.size - 200000, 200000 * ppm * 1e-6, delta=20)

    def test_bad_parameters_are_refused(self):
        for bad in (
            dict(noise_power=-1),
            dict(cfo=0.6),
            dict(clock_ppm=2000),
            dict(delay=-1),
            dict(delay=float("nan")),
            dict(echo_delay=-1),
            dict(echo_delay=5000),
            dict(bits=17),
            dict(bits=-1),
            dict(clip=-1),
            dict(doppler=0.1),
            dict(gain_db=500),
        ):
            self.assert_refused(["impairments"], srec.impairments, **bad)


if __name__ == "__main__":
    gr_unittest.run(qa_impairments)
