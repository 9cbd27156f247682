#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""picture_meter: PSNR against the original of the same number, latency, lost images, figures of the run, bad input."""
import contextlib
import io
import time

import numpy as np
import pmt
from gnuradio import gr_unittest, srec

from qa_common import (
    END,
    HANG,
    NOT_A_PDU,
    BlockCase,
    Collector,
    data_of,
    is_end,
    meta_of,
    pdu,
    picture,
    sender,
    wait_for,
    with_meta,
)


def sent(number, seed=0, **more):
    """Return an image that was sent, as (PDU, array)."""
    msg, array = picture(number, seed=seed)
    for key, value in more.items():
        msg = pmt.cons(pmt.dict_add(pmt.car(msg), pmt.intern(key), pmt.to_pmt(value)), pmt.cdr(msg))
    return msg, array


class qa_picture_meter(BlockCase):
    def begin(self, **parameters):
        self.meter = srec.picture_meter(**parameters)
        self.originals, self.received = sender(), sender()
        self.tb.msg_connect(self.originals, "out", self.meter, "original")
        self.tb.msg_connect(self.received, "out", self.meter, "pdus")
        self.out, self.info = Collector(self.tb, self.meter, "pdus"), Collector(self.tb, self.meter, "info")
        self.tb.start()

    def give(self, msg):
        """Send an original, and wait until it has arrived, because it has its own thread."""
        self.originals.send(msg)
        number = meta_of(msg)["picture"]
        wait_for(lambda: self.meter._originals.last == number, "the original")

    def wait_infos(self, n):
        wait_for(lambda: len(self.info) >= n, "the report")
        for collector in (self.out, self.info):  # an image goes out before its report, but to another thread
            collector.flush()
        return [meta_of(m) for m in self.info.messages()]

    def test_figures_of_each_picture(self):
        self.begin()
        truth = []
        for n in range(3):
            msg, array = sent(n, seed=n, time=time.time() - 5.0, frames_dropped=n)
            self.give(msg)
            noisy = np.clip(array.astype(int) + n + 1, 0, 255).astype(np.uint8)
            truth.append(srec.psnr(array, noisy))
            self.received.send(pdu({"width": 64, "height": 64, "channels": 3, "picture": n, "slices": 4}, noisy))
        infos = self.wait_infos(3)
        np.testing.assert_allclose([i["psnr_db"] for i in infos], truth)
        for i in infos:
            self.assertTrue(5.0 <= i["latency_s"] < 5.0 + HANG)
        self.assertEqual(
            [(i["event"], i["picture"], i["pictures"], i["lost"]) for i in infos],
            [("picture", n, n + 1, 0) for n in range(3)],
        )
        out = self.out.messages()
        self.assertEqual([meta_of(m)["slices"] for m in out], [4, 4, 4], "what was known stays")
        np.testing.assert_allclose([meta_of(m)["psnr_db"] for m in out], truth)
        np.testing.assert_array_equal(data_of(out[2]).astype(np.uint8), noisy.ravel())
        f = self.meter.figures()
        self.assertEqual((f["pictures"], f["lost"], f["frames_dropped"]), (3, 0, 2))
        self.assertAlmostEqual(f["psnr_median_db"], sorted(truth)[1])
        self.assertEqual(f["latency_max_s"], max(i["latency_s"] for i in infos))
        self.assertGreater(f["rate_hz"], 0)

    def test_missing_numbers_are_lost_pictures(self):
        self.begin()
        for n in range(6):
            self.give(sent(n)[0])
        self.received.send(sent(1)[0], sent(2)[0], sent(4)[0], END)
        infos = self.wait_infos(4)
        self.assertEqual([i.get("lost") for i in infos], [1, 1, 2, 3], "image 5 never came")
        self.assertTrue(is_end(self.out.messages()[-1]))
        self.assertEqual((infos[-1]["event"], infos[-1]["pictures"]), ("eof", 3))

    def test_without_originals_there_are_counts_only(self):
        self.begin()
        self.received.send(sent(7)[0], sent(9)[0], END)
        infos = self.wait_infos(3)
        self.assertNotIn("psnr_db", infos[0])
        self.assertNotIn("latency_s", infos[0])
        self.assertEqual([i.get("lost") for i in infos], [0, 1, 1])
        self.assertIsNone(infos[-1]["latency_median_s"])

    def test_a_picture_of_another_size_has_no_psnr(self):
        self.begin()
        self.give(sent(0)[0])
        self.received.send(picture(0, 32, 32)[0])
        self.assertNotIn("psnr_db", self.wait_infos(1)[0])

    def test_bad_messages_are_counted(self):
        self.begin()
        self.originals.send(*NOT_A_PDU)
        wait_for(lambda: self.meter.dropped == len(NOT_A_PDU), "the count")
        text = with_meta(sent(0)[0], picture="cat.png")
        self.received.send(*NOT_A_PDU, pdu({"width": 3}, np.zeros(3, np.uint8)), text, sent(0)[0])
        self.assertEqual(self.wait_infos(1)[0]["dropped"], 2 * len(NOT_A_PDU) + 2)

    def test_the_run_ends_with_a_line(self):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            self.begin(report=3600)
            self.give(sent(0, time=time.time(), frames_dropped=4)[0])
            self.received.send(sent(0)[0], END)
            wait_for(lambda: len(self.out) == 2, "the end mark")
            wait_for(lambda: text.getvalue().endswith("\n"), "the line")
        self.assertEqual(len(text.getvalue().splitlines()), 1)
        for words in ("1 images", "latency", "PSNR 100.0 dB", "lost 0", "frames dropped at the source 4"):
            self.assertIn(words, text.getvalue())

    def test_impossible_periods_are_refused(self):
        for report in (-1.0, float("nan"), float("inf")):
            self.assert_refused(["report"], srec.picture_meter, report)


if __name__ == "__main__":
    gr_unittest.run(qa_picture_meter)
