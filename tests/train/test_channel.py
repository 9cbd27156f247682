# SPDX-License-Identifier: GPL-3.0-or-later
"""The link as PyTorch operations (srec_train.channel) gives what the C core gives, with the core's draws."""
import ctypes
import os
import sys
import unittest

import numpy as np
import srec_core

try:
    import torch
except ImportError:
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)

from srec_train import channel  # noqa: E402

torch.set_num_threads(1)
CIPHERS = {"add": 0, "none": 1, "xor": 2}  # srec_cipher
KEY = bytes(range(32))
LADDER = (3, 16, 64, 80)
LEVELS = {"bits": 16.0, "amplitude": 56.0}
PACKET = 30000  # SREC_PAYLOAD_MAX
# The last SNR of each leaves no doubt; the first one leaves much.
SNRS = {
    "bpsk": (-2, 4, 12),
    "qpsk": (0, 6, 14),
    "16qam": (4, 12, 24),
    "64qam": (8, 16, 30),
    "256qam": (12, 22, 36),
    "pam256": (4, 14, 40),
}
NEAR = 1e-4
CLOSE = 1e-3  # of the deviations: those of the core lose digits where they are small


class Core:
    """The scrambler of the C core: keystream and secret order of packets."""

    def __init__(self, session):
        self.lib = ctypes.CDLL(os.environ["SREC_LIBRARY"])
        self.scrambler, create = ctypes.c_void_p(), self.lib.srec_scrambler_create
        create.argtypes = (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)
        if create(KEY, session, ctypes.byref(self.scrambler), None):
            raise RuntimeError("no scrambler")

    def close(self):
        free = self.lib.srec_scrambler_free
        free.argtypes = (ctypes.c_void_p,)
        free(self.scrambler)

    def keystream(self, packet, n):
        out, make = np.empty(n, np.uint8), self.lib.srec_scrambler_keystream
        make.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t)
        if make(self.scrambler, packet, 0, out.ctypes.data, n):
            raise RuntimeError("no keystream")
        return out

    def order(self, packet, n):
        """-> (n,) place of each byte: the bytes of its number are scrambled in clear"""
        scramble = self.lib.srec_scrambler_scramble
        scramble.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, *2 * (ctypes.c_void_p,), ctypes.c_size_t)
        inverse = np.zeros(n, int)
        for shift in (0, 8):
            part, out = (np.arange(n) >> shift).astype(np.uint8), np.empty(n, np.uint8)
            if scramble(self.scrambler, packet, CIPHERS["none"], part.ctypes.data, out.ctypes.data, n):
                raise RuntimeError("no order")
            inverse += out.astype(int) << shift
        return np.argsort(inverse)


def packets_of(rate_map):
    """-> number of features of each packet, as the core cuts them"""
    sizes = [0]
    for k in np.array(LADDER)[rate_map]:
        if sizes[-1] + k > PACKET:
            sizes.append(0)
        sizes[-1] += int(k)
    return sizes


def draws_of(rate_map, link, snr_db, seed):
    """-> the draws of srec_core.send_features"""
    keys, places, at, packets = [], [], 0, packets_of(rate_map)
    core = Core(seed | 1)
    for packet, n in enumerate(packets):
        keys.append(core.keystream(packet, n))
        places.append(at + core.order(packet, n))
        at += (n + link.granule - 1) // link.granule * link.granule
    core.close()
    quiet = np.zeros(at // link.granule * link.symbols_per_granule, np.complex64)
    noise, _ = srec_core.channel(quiet, "awgn", snr_db, seed)
    noise = torch.from_numpy(np.stack([noise.real, noise.imag], 1)) / (0.5 * 10 ** (-0.1 * snr_db)) ** 0.5
    keystream, place = (torch.from_numpy(np.concatenate(p).astype(np.int64)) for p in (keys, places))
    return channel.Draws(keystream, place, at, noise)


def tables_of(levels):
    x = (np.arange(256) - 128) / levels
    tables = np.exp(-0.5 * (x / np.reshape((0.5, 1.0, 1.4), (-1, 1))) ** 2) + 1e-6
    return (tables / tables.sum(1, keepdims=True)).astype(np.float32)


def covariance_of(rng, k):
    """-> (k, k), diagonal 1: strong correlations, as a linear code of few latents gives them"""
    mix = rng.normal(0, 1, (k, max(1, k // 3)))
    c = mix @ mix.T / mix.shape[1] + 0.1 * np.eye(k)
    scale = np.sqrt(np.diag(c))
    return (c / scale / scale[:, None]).astype(np.float32)


class Case:
    """Features of some patches, sorted by step, and their priors."""

    def __init__(self, kind, patches, seed):
        rng = np.random.default_rng(seed)
        self.rate_map = np.sort(rng.integers(0, len(LADDER), patches)).astype(np.uint8)
        covariance = [covariance_of(rng, k) for k in LADDER]
        levels = LEVELS[kind]
        values = [rng.multivariate_normal(np.zeros(LADDER[r]), covariance[r]) for r in self.rate_map]
        self.byte = (128 + levels * np.concatenate(values)).round().clip(0, 255).astype(np.uint8)
        self.tables = np.ones(len(self.byte), np.uint8)
        self.priors = (kind, levels, tables_of(levels)), covariance

    def core(self, correlated, link):
        covariance = self.priors[1] if correlated else []
        kind, levels, tables = self.priors[0]
        priors = srec_core.Priors(kind, levels, tables, LADDER, covariance)
        return srec_core.send_features(priors, self.byte, self.tables, self.rate_map, link)

    def torch(self, correlated, link, seed, draws):
        covariance = [torch.from_numpy(c) for c in self.priors[1]] if correlated else []
        kind, levels, tables = self.priors[0]
        priors = channel.Priors(kind, levels, torch.from_numpy(tables), covariance)
        groups = [(r, k, int((self.rate_map == r).sum())) for r, k in enumerate(LADDER) if (self.rate_map == r).any()]
        image = torch.zeros(len(self.byte), dtype=torch.int64)
        features = channel.Features(torch.from_numpy(self.byte), torch.from_numpy(self.tables).long(), image, groups)
        return [t.numpy() for t in channel.send(features, priors, link, seed, draws)]


class Channel(unittest.TestCase):
    def both(self, case, modulation, snr_db, cipher, hard, correlated, seed=11):
        here = channel.Link(modulation, torch.tensor([float(snr_db)]), cipher, hard)
        draws = draws_of(case.rate_map, here, snr_db, seed)
        link = srec_core.Link(modulation, snr_db, KEY, seed, cipher, hard)
        return case.core(correlated, link), case.torch(correlated, here, seed, draws)

    def links(self):
        for modulation, snrs in SNRS.items():
            kind = "amplitude" if modulation == "pam256" else "bits"
            for cipher in ("add", "none") if modulation == "pam256" else ("add", "none", "xor"):
                for snr_db in snrs:
                    yield kind, modulation, snr_db, cipher

    def test_each_byte_alone_is_estimated_as_by_the_core(self):
        cases = {kind: Case(kind, 24, seed=1) for kind in LEVELS}
        for kind, *link in self.links():
            for hard in (False, True):
                (mean, deviation), (found, found_deviation) = self.both(cases[kind], *link, hard, correlated=False)
                np.testing.assert_allclose(found, mean, atol=NEAR, err_msg=f"{link} {hard}")
                np.testing.assert_allclose(found_deviation, deviation, atol=CLOSE, err_msg=f"{link} {hard}")

    def test_features_are_weighted_again_as_by_the_core(self):
        cases, errors, count = {kind: Case(kind, 24, seed=2) for kind in LEVELS}, [], 0
        for kind, *link in self.links():
            (mean, deviation), (found, found_deviation) = self.both(cases[kind], *link, False, correlated=True)
            wrong = np.abs(found - mean) > NEAR
            errors.extend(np.abs(found - mean)[wrong])
            count += len(mean)
            np.testing.assert_allclose(found_deviation[~wrong], deviation[~wrong], atol=CLOSE, err_msg=str(link))
        # a prediction between two widths or two byte values may be rounded to the other one
        print(f"{len(errors)} of {count} features differ by up to {max(errors, default=0):.4f}")
        self.assertLess(len(errors), count / 200)
        self.assertLess(max(errors, default=0), 0.1)

    def test_bytes_of_several_images_and_granules_arrive(self):
        image = torch.tensor([0] * 7 + [1] * 12 + [2] * 5)
        byte = torch.arange(24).mul(11).to(torch.uint8)
        for modulation in SNRS:
            link = channel.Link(modulation, torch.full((3,), 60.0), "add")
            draws = channel.draw(image, link, seed=5)
            self.assertEqual(len(torch.unique(draws.place)), 24)
            granules = draws.place // link.granule
            for i in range(3):  # no symbol carries bytes of two images
                self.assertFalse(np.isin(granules[image == i], granules[image != i]).any())
            soft = channel.over_the_air(channel.Features(byte, byte.long(), image, []), link, draws)
            decided = channel.decide(soft, draws.keystream, 1.0)
            np.testing.assert_array_equal(decided.numpy(), byte.numpy().astype(float) - 128, err_msg=modulation)

    def test_each_image_has_its_own_noise(self):
        image, snrs = torch.arange(2).repeat_interleave(4000), torch.tensor([2.0, 12.0])
        byte = torch.zeros(8000, dtype=torch.uint8)
        link = channel.Link("pam256", snrs, "none")
        features = channel.Features(byte, byte.long(), image, [])
        soft = channel.over_the_air(features, link, channel.draw(image, link, seed=6))
        for i, snr_db in enumerate(snrs.tolist()):
            amplitude, variance = soft[image == i].unbind(1)
            noise = (amplitude + 127.5 * channel.PAM256_STEP).square().mean().item()
            self.assertAlmostEqual(variance[0].item() * 2 * 10 ** (0.1 * snr_db), 1.0, places=4)
            self.assertAlmostEqual(noise / variance[0].item(), 1.0, delta=0.1)

    def test_the_draws_depend_only_on_the_seed(self):
        image = torch.arange(3).repeat_interleave(50)
        link = channel.Link("64qam", torch.zeros(3))
        a, b, c = (channel.draw(image, link, seed) for seed in (1, 1, 2))
        for name in ("keystream", "place", "noise"):
            self.assertTrue(torch.equal(getattr(a, name), getattr(b, name)), name)
            self.assertFalse(torch.equal(getattr(a, name), getattr(c, name)), name)

    def test_bad_links_are_refused(self):
        snr = torch.zeros(1)
        for modulation, cipher in (("8psk", "add"), ("qpsk", "rot13"), ("pam256", "xor")):
            with self.assertRaises(ValueError):
                channel.Link(modulation, snr, cipher)
        features = channel.Features(torch.zeros(1, dtype=torch.uint8), torch.zeros(1).long(), torch.zeros(1).long(), [])
        priors = channel.Priors("bits", 16.0, torch.full((1, 256), 1 / 256))
        with self.assertRaises(ValueError):
            channel.send(features, priors, channel.Link("pam256", snr), 1)


if __name__ == "__main__":
    unittest.main()
