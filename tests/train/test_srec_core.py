# SPDX-License-Identifier: GPL-3.0-or-later
"""srec_core, the C core in Python. These tests need neither PyTorch nor GNU Radio."""
import os
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import srec_core as core

WITHOUT_GNURADIO = """
import sys
sys.modules["gnuradio"] = None  # import gnuradio raises ImportError
import srec_core
with open("/proc/self/maps") as maps:
    assert "gnuradio" not in maps.read().replace(sys.argv[1], "")
print(srec_core.version())
"""
LADDER = [3, 16, 64]
LEVELS = 16.0
KEY = bytes(range(32))
MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256")
CLEAN_DB = 60.0


def gaussian_tables(deviations=(0.5, 1.0, 2.0)):
    """Priors of features of these deviations: (len(deviations), 256)."""
    x = (np.arange(256) - 128) / LEVELS
    tables = np.exp(-0.5 * (x / np.reshape(deviations, (-1, 1))) ** 2)
    return (tables / tables.sum(1, keepdims=True)).astype(np.float32)


def priors(modulation="qpsk", covariance=()):
    kind = "amplitude" if modulation == "pam256" else "bits"
    return core.Priors(kind, LEVELS, gaussian_tables(), LADDER, covariance)


def features_of(n_patches, seed):
    """Return (features, prior tables, rate map)."""
    rng = np.random.default_rng(seed)
    rate_map = rng.integers(0, len(LADDER), n_patches).astype(np.uint8)
    n = int(np.array(LADDER)[rate_map].sum())
    features = rng.normal(128, LEVELS, n).round().clip(0, 255).astype(np.uint8)
    return features, np.ones(n, np.uint8), rate_map


def waves(height, width):
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 70 * np.sin(x / (7 + 4 * c)) * np.cos(y / (11 - 2 * c)) for c in range(3)]
    return np.stack(planes, 2).round().astype(np.uint8)


class Module(unittest.TestCase):
    def test_it_imports_without_gnu_radio(self):
        folder = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
        done = subprocess.run(
            [sys.executable, "-B", "-c", WITHOUT_GNURADIO, folder], capture_output=True, text=True, timeout=120
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^\d+\.\d+")


class Features(unittest.TestCase):
    def test_features_arrive_unchanged_without_noise(self):
        features, tables, rate_map = features_of(50, seed=1)
        sent = (features.astype(np.float32) - 128) / LEVELS
        for modulation in MODULATIONS:
            for cipher in ("add", "none") if modulation == "pam256" else ("add", "xor", "none"):
                for hard in (False, True):
                    link = core.Link(modulation, CLEAN_DB, KEY, 5, cipher, hard)
                    mean, deviation = core.send_features(priors(modulation), features, tables, rate_map, link)
                    np.testing.assert_allclose(mean, sent, atol=1e-3, err_msg=f"{modulation} {cipher} {hard}")
                    self.assertLess(deviation.max(), 0.05, modulation)

    def test_features_beyond_one_packet_arrive_too(self):
        features, tables, rate_map = features_of(1500, seed=2)
        self.assertGreater(len(features), 30000)
        covariance = [np.eye(k, dtype=np.float32) for k in LADDER]
        for modulation in ("64qam", "pam256"):
            link = core.Link(modulation, CLEAN_DB, KEY, 6)
            mean, _ = core.send_features(priors(modulation, covariance), features, tables, rate_map, link)
            np.testing.assert_allclose(mean, (features.astype(np.float32) - 128) / LEVELS, atol=1e-3)

    def test_noise_adds_the_error_that_the_deviation_states(self):
        features, tables, rate_map = features_of(300, seed=3)
        mean, deviation = core.send_features(priors(), features, tables, rate_map, core.Link("qpsk", 6.0, KEY, 7))
        error = mean - (features.astype(np.float32) - 128) / LEVELS
        ratio = np.mean(error**2) / np.mean(deviation**2)
        print(f"error power over stated variance: {ratio:.2f}")
        self.assertTrue(0.8 < ratio < 1.25, ratio)

    def test_threads_give_what_one_thread_gives(self):
        shared = priors()
        jobs = [(*features_of(80, seed), core.Link("16qam", 8.0, KEY, seed)) for seed in range(12)]
        alone = [core.send_features(priors(), *job) for job in jobs]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda job: core.send_features(shared, *job), jobs))
        for (mean, deviation), (mean_alone, deviation_alone) in zip(together, alone):
            np.testing.assert_array_equal(mean, mean_alone)
            np.testing.assert_array_equal(deviation, deviation_alone)

    def test_what_does_not_fit_is_refused(self):
        features, tables, rate_map = features_of(9, seed=4)
        link = core.Link("qpsk", 6.0, KEY, 8)
        beyond = rate_map.copy()
        beyond[4] = len(LADDER)
        for arguments in (
            (features[:-1], tables, rate_map, link),
            (features[:-1], tables[:-1], rate_map, link),
            (features, tables, rate_map[:-1], link),
            (features, tables, beyond, link),
            (features, tables + 2, rate_map, link),
            (features, tables, rate_map, core.Link("pam256", 6.0, KEY, 8)),
        ):
            with self.assertRaises(ValueError):
                core.send_features(priors(), *arguments)

    def test_bad_links_and_priors_are_refused(self):
        for link in (("8psk", 6.0, KEY, 1), ("qpsk", 6.0, KEY[1:], 1), ("qpsk", 6.0, KEY, 1, "rot13")):
            with self.assertRaises(ValueError):
                core.Link(*link)
        tables = gaussian_tables()
        eyes = [np.eye(k, dtype=np.float32) for k in LADDER]
        for bad in (
            ("words", LEVELS, tables, LADDER),
            ("bits", 0.0, tables, LADDER),
            ("bits", LEVELS, tables[:, :255], LADDER),
            ("bits", LEVELS, 2 * tables, LADDER),
            ("bits", LEVELS, np.full_like(tables, np.nan), LADDER),
            ("bits", LEVELS, tables, LADDER, eyes[:2]),
            ("bits", LEVELS, tables, LADDER, eyes[::-1]),
            ("bits", LEVELS, tables, LADDER, [np.nan * c for c in eyes]),
        ):
            with self.assertRaises(ValueError):
                core.Priors(*bad)


class Codec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = core.Model(os.environ["SREC_MODEL"])
        cls.picture = waves(128, 192)

    def received(self, slices, modulation="qpsk", snr_db=10.0, hard=False):
        return [
            (s, *core.send_slice(self.model, s, core.Link(modulation, snr_db, KEY, 20 + i, hard=hard)))
            for i, s in enumerate(slices)
        ]

    def test_slices_hold_all_features_within_their_bound(self):
        coded = core.encode(self.model, self.picture, 0.2, "qpsk")
        slices = core.cut(self.model, coded, 1000)
        self.assertGreater(len(slices), 1)
        self.assertEqual(sum(s.n_features for s in slices), coded.n_features)
        self.assertLessEqual(max(s.n_features for s in slices), 1000)

    def test_a_picture_arrives_and_lost_slices_are_concealed(self):
        for modulation, snr_db in (("qpsk", 10.0), ("pam256", 20.0)):
            slices = core.cut(self.model, core.encode(self.model, self.picture, 0.2, modulation), 600)
            got = self.received(slices, modulation, snr_db)
            whole, deviation = core.decode(self.model, got)
            self.assertEqual((whole.shape, deviation.shape), (self.picture.shape, (8, 12)))
            self.assertGreater(core.psnr(self.picture, whole), 28)
            part, deviation = core.decode(self.model, got[1:])
            self.assertLess(core.psnr(self.picture, part), core.psnr(self.picture, whole))
            self.assertGreater(np.count_nonzero(deviation == 1), 0)  # the patches of the lost slice

    def test_hard_decisions_state_no_deviation(self):
        slices = core.cut(self.model, core.encode(self.model, self.picture, 0.1, "qpsk"), 3000)
        got = self.received(slices, hard=True)
        self.assertTrue(all(deviation is None for _, _, deviation in got))
        _, deviation = core.decode(self.model, got)
        self.assertLess(deviation.max(), 0)

    def test_what_does_not_fit_is_refused(self):
        coded = core.encode(self.model, self.picture, 0.2, "qpsk")
        (first, *_), mean = core.cut(self.model, coded, 3000), np.zeros(7, np.float32)
        for call in (
            lambda: core.cut(self.model, coded, 1),
            lambda: core.decode(self.model, []),
            lambda: core.decode(self.model, [(first, mean, None)]),
            lambda: core.decode(self.model, [(first, mean)]),
            lambda: core.send_slice(self.model, first, core.Link("pam256", 6.0, KEY, 1)),
        ):
            with self.assertRaises(ValueError):
                call()


class ReferenceCode(unittest.TestCase):
    def test_reed_solomon_corrects_sixteen_errors_and_reports_more(self):
        rng = np.random.default_rng(9)
        data = rng.integers(0, 256, 223, np.uint8)
        word = core.rs_ccsds_encode(data)
        np.testing.assert_array_equal(word[:223], data)
        for errors in (0, 16, 17):
            wrong = word.copy()
            wrong[rng.choice(255, errors, replace=False)] ^= 0x5A
            decoded = core.rs_ccsds_decode(wrong)
            if errors <= 16:
                np.testing.assert_array_equal(decoded, data)
            else:
                self.assertIsNone(decoded)

    def test_other_lengths_are_refused(self):
        for call, length in (
            (core.rs_ccsds_encode, 222),
            (core.rs_ccsds_decode, 254),
            (core.viterbi27, 0),
            (core.viterbi27, 12),
            (core.viterbi27, 29),
            (core.viterbi27, 30),
        ):
            with self.assertRaises(ValueError):
                call(np.zeros(length, np.uint8))


if __name__ == "__main__":
    unittest.main()
