#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan: the choice from a tiny table, what an image adds, requests and tables that are refused."""
import copy
import itertools
import json
import math
import os
import tempfile
import unittest
from unittest import mock

import numpy as np
import srec_core as core
from gnuradio import gr_unittest, srec
from gnuradio.srec.io.picture_file import load_picture
from gnuradio.srec.plan import enhancement
from gnuradio.srec.plan.choice import choose, transmitter_choice
from gnuradio.srec.plan.curves import Picture
from gnuradio.srec.plan.losses import expected_psnr, parity_candidates, probability_complete
from gnuradio.srec.plan.request import Impossible, Request
from gnuradio.srec.plan.source import Average, Measured
from gnuradio.srec.plan.table import FORMAT, VERSION, Table, TableError, load, parse
from gnuradio.srec.sweep import plan_table
from PIL import Image

BITS = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
WIDTH, HEIGHT = 768, 512
DEMO = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "raccoon.webp")


def content():
    """Return a table: layers gain 3 dB for each doubling of the bits, features reach 20 dB from -6 dB on."""
    layers = [20.0 + 3 * i for i in range(len(BITS))]
    return {
        "format": FORMAT,
        "version": VERSION,
        "models": {},
        "grey_psnr_db": 12.0,
        "features_slope": 0.5,
        "layers": {
            "1": {"bits_per_pixel": BITS, "psnr_db": layers, "super_resolution_gain_db": None},
            "2": {"bits_per_pixel": BITS, "psnr_db": [19.0] * len(BITS), "super_resolution_gain_db": None},
        },
        "features": {
            "1": {
                "bpsk": {
                    "eta": [0.01, 0.1, 0.4],
                    "cbr": [0.05, 0.4, 1.6],
                    "snr_db": [-6, 0],
                    "psnr_db": [[16.0, 18.0, 20.0], [18.0, 22.0, 25.0]],
                    "psnr_before_sr_db": [[16.5, 17.5, 19.0], [17.5, 21.0, 24.0]],
                }
            }
        },
    }


def best(snrs, cbr=0.2, table=None, **request):
    source = Average(Table(table or content()), WIDTH, HEIGHT)
    return choose(source, Request(tuple(snrs), cbr, **request))[0]


def texture(height=256, width=320):
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:height, 0:width]
    wave = 128 + 60 * np.sin(x / 9)[..., None] * np.cos(y / 7)[..., None] * np.array([1, 0.7, 0.5])
    return (wave + rng.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)


class qa_plan(gr_unittest.TestCase):
    def test_the_modulation_follows_the_snr(self):
        for snr, modulation in ((-3, "bpsk"), (3, "qpsk"), (9, "16qam"), (16, "64qam"), (22, "256qam")):
            choice = best([snr])
            self.assertEqual((choice.coding, choice.modulation, choice.scale), ("layers", modulation, 1))
            self.assertEqual(choice.layers, (snr,))

    def test_the_psnr_is_that_of_the_table_at_the_bits_of_the_plan(self):
        choice = best([4], bursts=False)
        plan = core.plan_layers(WIDTH, HEIGHT, 3, "qpsk", [4], 0.2, parity=0, frame_symbols=10**6)[0]
        bits = 8 * plan["data_bytes"] / (WIDTH * HEIGHT)
        self.assertAlmostEqual(choice.psnr[0], 20 + 3 * math.log2(bits / 0.05), delta=0.01)
        self.assertAlmostEqual(choice.rates[0], plan["code_rate"])
        self.assertAlmostEqual(choice.thresholds[0], 3.5, delta=0.01)  # the margin is 0.5 dB
        self.assertLess(best([4], bursts=True).psnr[0], choice.psnr[0])  # pilots take symbols
        self.assertLess(best([4], margin=2, bursts=False).psnr[0], choice.psnr[0])

    def test_a_lossy_channel_gets_parity(self):
        choices = [best([4], 0.4, bursts=False, loss=loss) for loss in (0, 0.03, 0.1, 0.3)]
        parity = [choice.parity for choice in choices]
        self.assertEqual((parity[0], parity), (0, sorted(parity)))
        self.assertGreater(parity[-1], 1)
        expected = [choice.mean_expected for choice in choices]
        self.assertEqual(expected, sorted(expected, reverse=True))
        for choice in choices:
            self.assertGreater(choice.complete, 0.8)
            self.assertLess(choice.mean_expected, choice.mean_psnr)

    def test_many_packets_get_all_the_parity_that_the_loss_needs(self):
        source = Average(Table(content()), 8000, 6000)
        for loss in (0.05, 0.1, 0.3):
            self.assertGreater(choose(source, Request((4,), 0.2, loss=loss))[0].complete, 0.85, loss)
        self.assertEqual(parity_candidates(1, 0.3), [0, 1])
        self.assertEqual(parity_candidates(12, 1e-4), [0, 1])

    def test_the_expected_psnr_is_the_mean_over_lost_packets(self):
        np.testing.assert_allclose(expected_psnr([30.0, 36.0], 10.0, [(8, 0), (8, 0)], 1e-12), [30.0, 36.0])
        (value,) = expected_psnr([30.0], 10.0, [(1, 0)], 0.1)  # nothing comes of an image in one packet that is lost
        self.assertAlmostEqual(value, 28.0)
        first, second = expected_psnr([30.0, 36.0], 10.0, [(1, 0), (1, 0)], 0.1)
        self.assertAlmostEqual(second, 0.1 * 10 + 0.9 * (0.9 * 36 + 0.1 * 30))
        self.assertAlmostEqual(first, 28.0)
        protected = expected_psnr([30.0], 10.0, [(8, 2)], 0.05)[0]
        self.assertTrue(expected_psnr([30.0], 10.0, [(8, 0)], 0.05)[0] < protected < 30.0)

    def test_parity_and_packet_length_can_be_given(self):
        free = best([4], 0.4, bursts=False)
        choice = best([4], 0.4, bursts=False, parity=2, frame_symbols=20000)
        self.assertEqual((choice.parity, choice.frame_symbols), (2, 20000))
        self.assertLess(choice.mean_psnr, free.mean_psnr - 0.2)
        words = choice.options(Request((4,), 0.4))
        self.assertEqual(words[words.index("--parity") :], ["--parity", "2", "--frame-symbols", "20000"])

    def test_the_probability_of_a_complete_layer_is_that_of_draws(self):
        rng = np.random.default_rng(5)
        for data, parity, loss in ((1, 0, 0.1), (6, 0, 0.05), (11, 1, 0.1), (13, 3, 0.2), (1, 1, 0.4), (300, 40, 0.1)):
            lost = rng.random((20000, data + parity)) < loss
            share = np.mean(lost.sum(1) <= parity)
            self.assertAlmostEqual(probability_complete((data, parity), loss), share, delta=0.012)

    def test_layers_for_several_receivers_beat_one_layer_for_any_of_them(self):
        snrs = (0, 6, 12)
        choice = best(snrs, 0.3)
        self.assertEqual(choice.coding, "layers")
        self.assertGreater(len(choice.layers), 1)
        self.assertEqual(len(choice.shares), len(choice.layers))
        self.assertEqual(list(choice.psnr), sorted(choice.psnr))
        for snr in snrs:
            alone = best([snr], 0.3)
            served = [alone.psnr[0] if at >= snr else 12.0 for at in snrs]
            self.assertGreaterEqual(choice.mean_psnr, sum(served) / 3)

    def test_a_layer_that_cannot_pay_gets_no_share(self):
        flat = content()
        flat["layers"]["1"]["psnr_db"] = [30.0] * len(BITS)  # more bits add nothing
        self.assertEqual(best([0, 6], table=flat).layers, (0,))

    def test_half_size_is_chosen_where_the_table_has_it_better(self):
        small = content()
        small["layers"]["2"]["psnr_db"] = [35.0] * len(BITS)
        self.assertEqual(best([4], 0.05, small).scale, 2)
        self.assertIn("--scale", best([4], 0.05, small).options(Request((4,), 0.05)))

    def test_super_resolution_counts_if_the_table_has_it(self):
        without, plus = best([4]), content()
        plus["layers"]["1"]["super_resolution_gain_db"] = [0.6] * len(BITS)
        enhanced = best([4], table=plus)
        self.assertEqual((without.enhanced, enhanced.enhanced), (False, True))
        self.assertAlmostEqual(enhanced.psnr[0] - without.psnr[0], 0.6)
        plus["layers"]["2"].update(psnr_db=[30.0] * len(BITS), super_resolution_gain_db=[5.0] * len(BITS))
        self.assertEqual(best([4], 0.1, plus).scale, 2)

    def test_features_are_chosen_below_the_least_snr_of_layers(self):
        choice = best([-5], 0.4)
        self.assertEqual((choice.coding, choice.modulation), ("features", "bpsk"))
        self.assertLessEqual(choice.cbr, 0.4)
        self.assertGreater(choice.cbr, 0.35)
        self.assertTrue(16 < choice.psnr[0] < 22)
        self.assertEqual(choice.options(Request((-5,), 0.4))[:4], ["--coding", "features", "--modulation", "bpsk"])

    def test_features_without_super_resolution_are_chosen_where_it_harms(self):
        choice = best([-6], 0.055)  # the least eta: 16.5 dB without
        self.assertFalse(choice.enhanced)
        self.assertTrue(best([0], 0.4, modulations=("pam256", "bpsk")).psnr)

    def test_what_cannot_be_sent_names_the_least_budget(self):
        with self.assertRaisesRegex(Impossible, r"below the least for these SNRs, about 0\.0\d+: allow") as caught:
            best([4], 0.001)
        least = float(str(caught.exception).split("about ")[1].split(":")[0])
        self.assertEqual(best([4], 1.02 * least).coding, "layers")
        with self.assertRaisesRegex(Impossible, "nothing arrives at -15 dB"):
            best([-15])

    def test_an_image_with_a_generous_budget_takes_no_more_than_it_has_to_send(self):
        image = texture(64, 96)
        source = Measured(Table(content()), Picture(image))
        choice = choose(source, Request((20,), 100.0, modulations=("16qam",), enhance=False))[0]
        self.assertTrue(choice.exact)
        self.assertLess(choice.cbr, 10)
        self.assertLess(sum(map(sum, choice.packets)), 30)

    def test_where_only_features_arrive_too_small_a_budget_is_named(self):
        with self.assertRaisesRegex(Impossible, "cbr 0.001 is below the least for these SNRs, about 0.05"):
            best([-5], 0.001)
        with self.assertRaisesRegex(Impossible, "nothing arrives at -15 dB"):
            best([-15], 1.0)

    def test_bad_requests_are_refused(self):
        for word, snrs, request in (
            ("0 SNRs", (), {}),
            ("9 SNRs", range(9), {}),
            ("4 dB before 4 dB", (4, 4), {}),
            ("4 dB before 0 dB", (4, 0), {}),
            ("nan", (math.nan,), {}),
            ("inf", (math.inf,), {}),
            ("not within -20", (-50,), {}),
            ("cbr nan", (4,), {"cbr": math.nan}),
            ("cbr 0", (4,), {"cbr": 0}),
            ("margin 50", (4,), {"margin": 50}),
            ("loss 0.6", (4,), {"loss": 0.6}),
            ("loss nan", (4,), {"loss": math.nan}),
            ("parity 201", (4,), {"parity": 201}),
            ("parity -2", (4,), {"parity": -2}),
            ("frame_symbols 10 ", (4,), {"frame_symbols": 10}),
        ):
            with self.assertRaisesRegex(ValueError, word):
                best(snrs, **request)

    def test_the_plan_of_an_image_is_exact(self):
        image = texture()
        source = Measured(Table(content()), Picture(image))
        for snrs, cbr in (((5,), 0.3), ((0, 8), 0.5)):
            choice = choose(source, Request(snrs, cbr, bursts=False))[0]
            self.assertTrue(choice.exact)
            sent = core.halve(image) if choice.scale == 2 else image
            coded = core.encode_layers(
                sent,
                choice.modulation,
                list(choice.layers),
                cbr,
                original_pixels=256 * 320,
                shares=list(choice.shares) if len(choice.shares) > 1 else [],
                parity=choice.parity,
                frame_symbols=choice.frame_symbols,
            )
            symbols = core.transmit_layers(coded, 1, 2, True, choice.scale)
            for snr, psnr in zip(snrs, choice.psnr):
                noisy, _ = core.channel(symbols.symbols, "awgn", snr, 1)
                got = core.receive_layers(symbols, noisy, None, snr, 1)
                if choice.enhanced:
                    model = core.EnhancerModel(srec.default_enhancer(choice.scale, "layers"))
                    shown = core.enhance_layers(model, got["picture"], got["rms_error"], 256, 320)
                else:
                    shown = got["picture"] if choice.scale == 1 else core.double(got["picture"], 256, 320)
                # packets carry the RMS error with few bits
                self.assertAlmostEqual(core.psnr(image, shown), psnr, delta=0.03)

    def test_super_resolution_is_not_chosen_where_it_harms_the_image(self):
        source = Measured(Table(content()), Picture(texture()))
        request = Request((5,), 0.3, modulations=("qpsk",), bursts=False)
        for psnr, expected in ((10.0, False), (99.0, True), (None, False)):
            with mock.patch("gnuradio.srec.plan.layers.enhanced_psnr", return_value=psnr):
                self.assertEqual(choose(source, request)[0].enhanced, expected)

    @unittest.skipUnless(os.path.exists(srec.default_enhancer(1, "layers")), "no enhancer of layers")
    def test_parts_of_a_large_image_show_the_gain_of_super_resolution(self):
        image = load_picture(DEMO)
        self.assertGreater(image.size / 3, enhancement.PIXELS)
        for scale in (1, 2):
            sent = core.halve(image) if scale == 2 else image
            coded = core.layers_of_bytes(sent, [40000])
            decoded, rms_error = coded.decoded(1), coded.rms_errors[0]
            plain = core.psnr(image, decoded if scale == 1 else core.double(decoded, *image.shape[:2]))
            estimated = enhancement.enhanced_psnr(image, decoded, plain, rms_error, scale)
            with mock.patch.object(enhancement, "PIXELS", 10**6):
                exact = enhancement.enhanced_psnr(image, decoded, plain, rms_error, scale)
            self.assertGreater(exact, plain + 0.2)
            self.assertAlmostEqual(estimated, exact, delta=0.1)

    def test_parts_lie_within_the_image_and_apart(self):
        for size in (1, 7, 239, 240, 241, 479, 480, 719, 720, 721, 5001):
            side = enhancement._Side(size)
            self.assertGreaterEqual(side.starts[0], 0)
            self.assertLessEqual(side.starts[-1] + side.length, size)
            self.assertTrue(all(b - a >= side.length for a, b in zip(side.starts, side.starts[1:])), size)
            kept = side.cut(np.arange(size), 0)[side.counted]
            self.assertEqual(len(set(kept)), len(kept))
            halves = side.cut(np.arange((size + 1) // 2), 0, 2)
            self.assertEqual(len(halves), len(side.starts) * ((side.length + 1) // 2))

    def test_a_tiny_image_has_a_plan(self):
        for shape in ((1, 1, 3), (7, 5), (40, 30, 3)):
            source = Measured(Table(content()), Picture(np.full(shape, 90, np.uint8)))
            self.assertEqual(choose(source, Request((6,), 1e4))[0].coding, "layers", shape)

    def test_bad_tables_are_refused_with_a_line(self):
        def changed(change):
            bad = copy.deepcopy(content())
            change(bad)
            return json.dumps(bad)

        for word, text in (
            ("not JSON", "{"),
            ("not a plan table", "[]"),
            ("not a plan table", "{}"),
            ("version 99; this release reads version 1", changed(lambda t: t.update(version=99))),
            ("layers.1", changed(lambda t: t["layers"].pop("1"))),
            ("'layers'", changed(lambda t: t.pop("layers"))),
            ("7 numbers", changed(lambda t: t["layers"]["1"]["psnr_db"].pop())),
            ("numbers", changed(lambda t: t["layers"]["1"]["psnr_db"].__setitem__(0, math.nan))),
            ("ascend", changed(lambda t: t["layers"]["1"]["bits_per_pixel"].reverse())),
            ("above 0", changed(lambda t: t["layers"]["1"]["bits_per_pixel"].__setitem__(0, -1))),
            ("2 lists", changed(lambda t: t["features"]["1"]["bpsk"]["psnr_db"].pop())),
            ("features_slope", changed(lambda t: t.update(features_slope="x"))),
            ("kind", changed(lambda t: t.update(features=7))),
        ):
            with self.assertRaisesRegex(TableError, word) as caught:
                parse(text)
            self.assertNotIn("\n", str(caught.exception))

    def test_a_missing_table_names_file_and_cure(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "none.json")
            with self.assertRaisesRegex(TableError, r"none\.json: No such file.*srec sweep --plan"):
                load(path)

    def test_a_measured_table_can_be_read(self):
        """The means of rows, as `srec sweep --plan` collects them: two images, 2 dB apart, features 1 dB."""
        rows = []
        for better in (-1.0, 1.0):
            curve = [20 + 3 * i + better for i in range(len(plan_table.bits_axis()))]
            for scale in plan_table.SCALES:
                gains = [(0.1, 0.2 + better), (1.0, 0.6 + better)]
                rows.append({"kind": "layers", "scale": scale, "psnr": curve, "gains": gains, "grey": 12 + better})
                for modulation, snrs in plan_table.SNRS.items():
                    for at in itertools.product((scale,), (modulation,), snrs, plan_table.ETAS):
                        psnr = 30 + 0.1 * at[2] + better / 2
                        row = {"kind": "features", "at": at, "psnr": psnr, "before": psnr - 1, "cbr": at[3]}
                        rows.append({**row, "curve": curve})
        table = parse(json.dumps(plan_table.content_of(rows, 2)))
        self.assertAlmostEqual(table.slope, 0.5, places=2)
        self.assertAlmostEqual(table.grey_psnr, 12)
        self.assertAlmostEqual(table.layers[1].psnr_at(plan_table.bits_axis()[3]), 29)
        self.assertAlmostEqual(table.layers[2].gain_at(2.0), 0.6)
        features = table.features[1, "qpsk"]
        self.assertAlmostEqual(features.psnr_at(5, 0.2, True), 30.5)
        self.assertAlmostEqual(features.psnr_at(3.5, 0.2, False), 29.35)
        self.assertIsNone(features.psnr_at(-1.5, 0.2, True))
        self.assertAlmostEqual(features.eta_for(0.2), 0.2)
        self.assertIsNone(features.eta_for(0.0005))

    def test_the_layers_of_an_image_are_measured_for_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "texture.png")
            Image.fromarray(texture(192, 256)).save(path)
            jobs = plan_table.jobs_of([path])
            self.assertEqual([job["scale"] for job in jobs], [1, 2, 0])
            rows = list(plan_table.rows_of(jobs[2]))
        self.assertEqual([row["scale"] for row in rows], [1, 2])
        for row in rows:
            self.assertEqual(len(row["psnr"]), len(plan_table.bits_axis()))
            self.assertTrue(all(a <= b + 0.3 for a, b in zip(row["psnr"], row["psnr"][1:])), row["psnr"])
        self.assertGreater(rows[0]["psnr"][-1], rows[1]["psnr"][-1] + 3)  # half size loses detail for good

    def test_the_installed_table_is_of_the_installed_models(self):
        models = load().models
        self.assertEqual(models["codec"], srec.model_info()["id"])
        for coding, scale in itertools.product(("features", "layers"), (1, 2)):
            path = srec.default_enhancer(scale, coding)
            expected = srec.enhancer_info(path)["id"] if os.path.exists(path) else None
            self.assertEqual(models[f"enhancer-{coding}-x{scale}"], expected)

    def test_the_transmitter_takes_what_the_plan_chooses(self):
        choice = transmitter_choice([4], 0.2, "qpsk", margin=0.5, bursts=False)
        self.assertEqual(choice.coding, "layers")
        transmitter = srec.transmitter("seed:1", "qpsk", cbr=0.2, plan=[4], samples_per_symbol=0)
        self.assertEqual(transmitter.coding, "layers")
        self.assertRegex(transmitter.planned, r"^layers, qpsk, for 4 dB: an average photograph has [\d.]+ dB at 4 dB$")
        weak = srec.transmitter("seed:1", "qpsk", plan=[-3, 4], samples_per_symbol=0)
        self.assertIn("; no image at -3 dB", weak.planned)
        with self.assertRaisesRegex(ValueError, "plan: a list of SNRs"):
            srec.transmitter("seed:1", plan=4)
        self.assertEqual(srec.transmitter("seed:1", "bpsk", cbr=0.3, plan=[-5.5]).coding, "features")
        with self.assertRaisesRegex(ValueError, "plan: 4 dB before 0 dB"):
            srec.transmitter("seed:1", plan=[4, 0])
        with self.assertRaisesRegex(ValueError, "plan: nothing arrives"):
            srec.transmitter("seed:1", "256qam", plan=[-5])
        with self.assertRaisesRegex(ValueError, "plan: frame_symbols -3 is not within 1000 .. 1000000"):
            srec.transmitter("seed:1", plan=[4], frame_symbols=-3)
        with self.assertRaisesRegex(ValueError, "plan: no layer arrives .* at -5.5 dB"):
            srec.transmitter("seed:1", "bpsk", plan=[-5.5], parity=1)  # features have no parity


if __name__ == "__main__":
    gr_unittest.run(qa_plan)
