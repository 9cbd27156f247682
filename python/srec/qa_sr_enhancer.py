#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block sr_enhancer, with tiny networks of random weights: sizes, deviations, bypass, queue, bad input."""
import os
import resource
import tempfile
import time
from unittest import mock

import numpy as np
import pmt
from gnuradio import gr, gr_unittest, srec

from qa_common import (
    END,
    MODEL,
    NOT_A_PDU,
    ROOT,
    BlockCase,
    Collector,
    captured_log,
    data_of,
    enhancer_for_layers,
    is_end,
    meta_of,
    pdu,
    picture,
    post,
    wait_for,
    with_meta,
)

MODELS = {scale: os.path.join(ROOT, "tests", "golden", f"enhancer-x{scale}.safetensors") for scale in (1, 2)}


def with_deviation(msg, values):
    return pmt.cons(
        pmt.dict_add(
            pmt.car(msg), pmt.intern("deviation"), pmt.init_f32vector(len(values), [float(v) for v in values])
        ),
        pmt.cdr(msg),
    )


def pixels(msg):
    m = meta_of(msg)
    return data_of(msg).astype(np.uint8).reshape(m["height"], m["width"], m["channels"])


class qa_sr_enhancer(BlockCase):
    def enhance(self, messages, scale=1, block=None, **parameters):
        """Enhance messages. Return (images, infos)."""
        return self.through(
            block or srec.sr_enhancer(MODELS[scale], scale, **{"threads": 1, **parameters}), messages, "pdus", "pdus"
        )

    def test_pictures_of_any_size_come_out_scaled_with_their_figures(self):
        for scale in (1, 2):
            for width, height, channels in ((64, 48, 3), (1, 1, 3), (33, 70, 1)):
                msg, array = picture(5, width, height, channels)
                (out,), info = self.enhance([with_meta(msg, mean_deviation=0.25)], scale)
                m = meta_of(out)
                self.assertEqual(
                    (m["picture"], m["width"], m["height"], m["channels"]), (5, scale * width, scale * height, channels)
                )
                self.assertEqual((m["scale"], m["enhanced"]), (scale, True))
                self.assertGreater(m["enhance_s"], 0)
                self.assertEqual([i["event"] for i in info], ["picture", "eof"])
                self.assertEqual({**m, "event": "picture", "dropped": 0, "passed": 0, "queue": 0}, info[0])
                whole = np.repeat(np.repeat(array, scale, 0), scale, 1).astype(float)
                difference = np.abs(pixels(out) - whole)
                self.assertGreater(difference.max(), 1, "not the same image")
                self.assertLess(difference.mean(), 30, "not another one")

    def test_bypass_passes_pictures_and_changes_while_running(self):
        msg, array = picture(0, 50, 30)
        block = srec.sr_enhancer(MODELS[1], bypass=True, threads=1)
        self.assertTrue(block.bypass())
        (out,), info = self.enhance([msg], block=block)
        np.testing.assert_array_equal(pixels(out), array)
        self.assertEqual((meta_of(out)["enhanced"], info[0]["enhanced"]), (False, False))
        block.set_bypass(False)
        (out,), _ = self.enhance([msg], block=block)
        self.assertTrue(meta_of(out)["enhanced"])
        self.assertFalse(np.array_equal(pixels(out), array))
        (out,), _ = self.enhance([msg], 2, bypass=True)
        np.testing.assert_array_equal(pixels(out), srec.image_double(array))

    def test_deviations_are_heard_by_patch_or_for_the_whole_picture(self):
        msg, _ = picture(0, 64, 64)
        patches = with_deviation(msg, [0.75] * 16)
        sent = [
            with_meta(msg, mean_deviation=0.75),
            patches,
            with_deviation(msg, [0.0] * 16),
            msg,
            with_deviation(msg, [-1] * 16),
        ]
        (a, b, c, d, e), _ = self.enhance(sent, max_queue=9)
        np.testing.assert_array_equal(pixels(a), pixels(b))
        self.assertFalse(np.array_equal(pixels(b), pixels(c)))
        np.testing.assert_array_equal(pixels(d), pixels(e), "without a word it is not known")
        self.assertFalse(np.array_equal(pixels(c), pixels(d)))
        self.assertNotIn("deviation", meta_of(b))
        # Of the wrong number, so it is ignored.
        (f,), _ = self.enhance([with_deviation(with_meta(msg, mean_deviation=0.75), [0.0] * 3)])
        np.testing.assert_array_equal(pixels(f), pixels(a))

    def test_two_pictures_in_a_row_and_the_flowgraph_again(self):
        msg, _ = picture(0)
        block = srec.sr_enhancer(MODELS[1], threads=1)
        for _ in range(2):
            out, info = self.enhance([msg, with_meta(msg, picture=1)], block=block)
            self.assertEqual([meta_of(m)["picture"] for m in out], [0, 1])
            np.testing.assert_array_equal(data_of(out[0]), data_of(out[1]))

    def test_bad_messages_are_dropped_counted_and_warned_of_once_per_kind(self):
        good, array = picture(3)
        empty = np.zeros(0, np.uint8)
        changes = (
            {"width": None},
            {"width": 0},
            {"width": 63},
            {"height": 2**40},
            {"channels": 2},
            {"channels": 1},
            {"width": "wide"},
        )
        bad = [
            *NOT_A_PDU,
            pdu(meta_of(good), np.zeros(8, np.float32)),
            *(with_meta(good, **c) for c in changes),
            pdu(meta_of(good), empty),
        ]
        with captured_log() as log:
            out, info = self.enhance([*bad, good], max_queue=99)
        self.assertEqual([meta_of(m)["picture"] for m in out], [3])
        self.assertEqual(
            [(i["event"], i["dropped"]) for i in info[: len(bad)]], [("dropped", n + 1) for n in range(len(bad))]
        )
        self.assertEqual(info[-1]["dropped"], len(bad))
        self.assertEqual(log.count("dropped"), 3, log.text)
        too_wide = pdu({"width": 40000, "height": 1, "channels": 1}, np.zeros(40000, np.uint8))
        out, info = self.enhance([too_wide], 2)
        self.assertEqual((out, info[-1]["dropped"]), ([], 1))

    def test_deviations_that_are_not_finite_crash_nothing(self):
        msg, _ = picture()
        out, _ = self.enhance(
            [with_deviation(msg, [value] * 16) for value in (np.nan, np.inf, -np.inf, 1e30)], max_queue=9
        )
        self.assertEqual(len(out), 4)

    def test_queue_policies_keep_what_they_say_and_count_the_rest(self):
        msg, _ = picture()
        for policy, numbers in (("drop_oldest", [8, 9]), ("drop_newest", [0, 1])):
            block = srec.sr_enhancer(MODELS[1], threads=1, max_queue=2, policy=policy)
            kept, info, log = self.queued(block, [with_meta(msg, picture=n) for n in range(10)], "pdus", "pdus")
            self.assertEqual(log.count("dropped"), 1, log.text)
            self.assertEqual((kept, info["dropped"]), (numbers, 8))

    def test_pass_oldest_drops_nothing_and_enhances_the_newest(self):
        msg, array = picture()
        block = srec.sr_enhancer(MODELS[1], threads=1, max_queue=2, policy="pass_oldest")
        numbers, info, log = self.queued(block, [with_meta(msg, picture=n) for n in range(10)], "pdus", "pdus")
        self.assertEqual(log.count("faster"), 1, log.text)
        self.assertEqual((sorted(numbers), info["dropped"], info["passed"]), (list(range(10)), 0, 8))
        self.assertEqual(numbers[-2:], [8, 9], "the newest come last, enhanced")

    def test_an_image_without_enough_memory_is_dropped(self):
        large, small = np.zeros((4000, 4000, 3), np.uint8), picture(1, 32, 16)[0]
        meta = {"picture": 0, "width": 4000, "height": 4000, "channels": 3}
        message = pmt.cons(pmt.car(pdu(meta, np.zeros(1, np.uint8))), pmt.init_u8vector(large.size, bytearray(large)))
        with open("/proc/self/statm", encoding="ascii") as f:
            used = int(f.read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        block = srec.sr_enhancer("none", 2)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (used + 150 * 2**20, before[1]))
            out, info = self.enhance([message, small], block=block)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        self.assertEqual([meta_of(m)["width"] for m in out], [64])
        self.assertEqual([i.get("reason") for i in info if i["event"] == "dropped"], ["not enough memory for it"])

    def test_an_empty_environment_variable_counts_as_none(self):
        for name, default in (("SREC_ENHANCER", srec.default_enhancer), ("SREC_MODEL", srec.default_model)):
            with mock.patch.dict(os.environ):
                os.environ.pop(name, None)
                expected = default()
                os.environ[name] = ""
                self.assertEqual(default(), expected)

    def test_scale_0_follows_each_picture(self):
        was = os.environ.pop("SREC_ENHANCER", None)
        self.addCleanup(lambda: was is not None and os.environ.update(SREC_ENHANCER=was))
        msg, array = picture(0, 32, 16)
        sent = [msg, with_meta(msg, sent_scale=2), with_meta(msg, sent_scale=1)]
        with captured_log() as log:
            out, _ = self.enhance(sent, block=srec.sr_enhancer(MODELS[2], 0, threads=1))
        self.assertEqual(
            [(meta_of(m)["width"], meta_of(m)["enhanced"]) for m in out], [(32, False), (64, True), (32, False)]
        )
        np.testing.assert_array_equal(pixels(out[0]), array, "no model of scale 1: as it came")
        self.assertEqual(log.count("no super-resolution model of scale 1"), 1, log.text)
        if all(os.path.exists(srec.default_enhancer(scale)) for scale in (1, 2)):
            out, _ = self.enhance(sent, block=srec.sr_enhancer("", 0, threads=1))
            self.assertEqual(
                [(meta_of(m)["width"], meta_of(m)["enhanced"]) for m in out], [(32, True), (64, True), (32, True)]
            )
            self.assertEqual(meta_of(out[1])["enhancer"], srec.enhancer_info(srec.default_enhancer(2))["id"])

    def test_layers_have_a_network_of_their_own(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        model = enhancer_for_layers(folder.name)
        msg, array = picture(0, 40, 24)
        layers = with_meta(msg, coding="layers", rms_error=8.0)
        for path, enhanced in ((MODELS[1], [True, False, False]), (model, [False, True, True])):
            with captured_log() as log:
                out, _ = self.enhance([msg, layers, layers], block=srec.sr_enhancer(path, threads=1))
            self.assertEqual([meta_of(m)["enhanced"] for m in out], enhanced)
            self.assertEqual(log.count("no super-resolution model of scale 1 for"), 1, log.text)
        self.assertEqual(meta_of(out[1])["enhancer"], srec.enhancer_info(model)["id"])
        (expected,), _ = self.enhance([with_meta(msg, mean_deviation=0.25)])
        np.testing.assert_array_equal(pixels(out[1]), pixels(expected), "an RMS error of 8 counts as deviation 1/4")
        (unknown,), _ = self.enhance([with_meta(msg, coding="layers")], block=srec.sr_enhancer(model, threads=1))
        (expected,), _ = self.enhance([msg])
        np.testing.assert_array_equal(pixels(unknown), pixels(expected), "an unknown RMS error")

    def test_without_a_network_pictures_pass_at_their_full_size(self):
        msg, array = picture(0, 32, 16)
        out, _ = self.enhance([msg, with_meta(msg, sent_scale=2)], block=srec.sr_enhancer("none", 0))
        np.testing.assert_array_equal(pixels(out[0]), array)
        np.testing.assert_array_equal(pixels(out[1]), srec.image_double(array))
        self.assertEqual([meta_of(m)["enhanced"] for m in out], [False, False])

    def test_stops_promptly_with_pictures_waiting(self):
        large, _ = picture(0, 1024, 1024)
        block = srec.sr_enhancer(MODELS[1], threads=1, max_queue=300)
        self.assert_stops_under_load(block, [with_meta(large, picture=n) for n in range(100)], "pdus")

    def test_bypass_passes_the_picture_in_hand_too(self):
        large, array = picture(0, 4096, 4096)
        block = srec.sr_enhancer(MODELS[1], threads=1)
        tb = gr.top_block()
        out = Collector(tb, block, "pdus")
        tb.start()
        idle = time.process_time()
        post(block, "pdus", large)
        # the block reads the bypass once per image, before the network, which computes for seconds
        wait_for(lambda: time.process_time() - idle > 1, "the network to run")
        block.set_bypass(True)
        post(block, "pdus", END)
        wait_for(lambda: len(out) and is_end(out.messages()[-1]), "the end mark")
        tb.stop()
        tb.wait()
        passed = out.messages()[0]
        self.assertEqual((meta_of(passed)["enhanced"], meta_of(passed)["enhance_skipped"]), (False, True))
        np.testing.assert_array_equal(pixels(passed), array)

    def test_constructor_says_what_is_wrong(self):
        make = srec.sr_enhancer
        self.assert_refused(["/no/such/model"], make, "/no/such/model")
        self.assert_refused(["kind codec", "enhancer is needed"], make, MODEL)
        self.assert_refused(["scale 2", "scale 1"], make, MODELS[2], 1)
        self.assert_refused(["scale"], make, MODELS[1], 3)
        self.assert_refused(["threads"], make, MODELS[1], threads=-1)
        self.assert_refused(["max_queue"], make, MODELS[1], max_queue=0)
        self.assert_refused(["fp8", "f32", "bf16"], make, MODELS[1], precision="fp8")
        self.assert_refused(["drop_all", "drop_oldest", "drop_newest"], make, MODELS[1], policy="drop_all")

    def test_a_name_without_a_folder_is_an_installed_model(self):
        path = srec.default_enhancer(1, "layers")
        if not os.path.exists(path):
            self.skipTest("no super-resolution model is installed")
        name = os.path.basename(path)
        self.assertFalse(os.path.exists(name))
        self.assertEqual(srec.enhancer_info(name)["id"], srec.enhancer_info(path)["id"])
        self.assert_refused(["no-such-model"], srec.enhancer_info, "no-such-model.safetensors")

    def test_the_environment_names_the_default(self):
        was = os.environ.get("SREC_ENHANCER")
        os.environ["SREC_ENHANCER"] = MODELS[2]
        try:
            self.assertEqual(srec.default_enhancer(1), MODELS[2])
            msg, _ = picture()
            (out,), _ = self.through(srec.sr_enhancer(scale=2, threads=1), [msg], "pdus", "pdus")
            self.assertEqual(meta_of(out)["width"], 128)
        finally:
            del os.environ["SREC_ENHANCER"]
            if was is not None:
                os.environ["SREC_ENHANCER"] = was


if __name__ == "__main__":
    gr_unittest.run(qa_sr_enhancer)
