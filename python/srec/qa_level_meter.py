#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block level_meter: its figures, its messages, bad input."""
import math

import numpy as np
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import BlockCase, Collector, meta_of


class qa_level_meter(BlockCase):
    def measure(self, samples, **parameters):
        top, meter = gr.top_block(), srec.level_meter(**parameters)
        top.connect(blocks.vector_source_c(samples), meter)
        top.run()
        return meter

    def test_figures_are_those_of_the_samples_and_start_over_when_read(self):
        meter = self.measure(0.5 * np.exp(0.1j * np.arange(10000)))
        given = meter.read()
        self.assertEqual((given["samples"], given["clipped"]), (10000, 0))
        self.assertAlmostEqual(given["level_db"], -6.02, delta=0.01)
        self.assertAlmostEqual(given["peak_db"], -6.02, delta=0.01)
        self.assertEqual(meter.read()["samples"], 0)

    def test_clipped_samples_are_a_share_of_full_scale(self):
        samples = np.full(1000, 100 + 0j)
        samples[:30] = 128j
        given = self.measure(samples, full_scale=128).read()
        self.assertAlmostEqual(given["clipped"], 0.03)
        self.assertAlmostEqual(given["peak_db"], 0)

    def test_silence_has_no_level(self):
        self.assertEqual(self.measure(np.zeros(10)).read()["level_db"], -math.inf)

    def test_a_message_comes_every_period(self):
        meter = srec.level_meter(period=1000)
        info = Collector(self.tb, meter, "info")
        self.tb.connect(blocks.vector_source_c(np.concatenate([np.full(1000, 0.1), np.full(1500, 1.0)])), meter)
        self.tb.start()
        self.assert_ends_by_itself(self.tb, info)
        first, second = map(meta_of, info.messages())
        self.assertEqual((first["event"], first["samples"], second["samples"]), ("level", 1000, 1000))
        self.assertAlmostEqual(first["level_db"], -20, delta=0.01)
        self.assertEqual((first["clipped"], second["clipped"]), (0, 1))

    def test_bad_parameters_are_refused(self):
        for bad in (dict(full_scale=0), dict(full_scale=float("nan")), dict(period=-1)):
            self.assert_refused(["full_scale"], srec.level_meter, **bad)


if __name__ == "__main__":
    gr_unittest.run(qa_level_meter)
