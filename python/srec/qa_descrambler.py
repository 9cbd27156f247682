#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block descrambler: posterior mean and deviation by Bayes' rule, hard decisions, keys, sessions, bad input."""
import numpy as np
from gnuradio import gr_unittest, srec

from qa_common import (
    BAD_SLICE_KEYS,
    KEY,
    LADDER,
    MODEL_ID,
    MODULATIONS,
    NOT_A_PDU,
    OTHER_KEY,
    PAM_STEP,
    BlockCase,
    captured_log,
    data_of,
    dropped_so_far,
    in_order,
    keystream,
    meta_of,
    model_priors,
    pdu,
    slice_pdu,
    soft_values,
    with_meta,
)


def soft_slice(modulation="qpsk", soft=None, **fields):
    """Return a scrambled slice from the packet decoder as (PDU, plain bytes).

    It has no errors unless soft values are given.
    """
    fields = {"steps": 6, "fmt": int(modulation == "pam256"), **fields}
    msg, plain = slice_pdu(**fields)
    meta = meta_of(msg)
    key = (
        np.zeros(plain.size, np.uint8)
        if meta["cipher"] == "none"
        else keystream(1, meta["session"], meta["packet"], plain.size)
    )
    if soft is None:
        soft = soft_values(modulation, plain + key)
    sent = in_order(np.reshape(soft, (plain.size, -1)), 1, meta["session"], meta["packet"])
    return pdu({**meta, "modulation": modulation}, sent.astype(np.float32).ravel()), plain


def bayes(log_likelihood, key, prior, levels):
    """Apply Bayes' rule over the 256 values of a byte. Return means, deviations.

    log_likelihood: (n, 256), of the scrambled byte.
    """
    plain = np.arange(256)
    weight = np.log(np.maximum(prior, 1e-300)) + np.stack(
        [row[(plain + k) % 256] for row, k in zip(log_likelihood, key.astype(int))]
    )
    p = np.exp(weight - weight.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    value = (plain - 128) / levels
    mean = p @ value
    return mean, np.sqrt(np.maximum(p @ value**2 - mean**2, 0))


def predictions(covariance, mean, deviation, given, step):
    """Predict each feature of a patch from the others, by least squares without it. Return means, variances.

    given: means and variances of the previous priors.
    """
    size = (3 + np.sum(mean**2 + deviation**2)) / (3 + np.trace(covariance))
    covariance = covariance * size
    known = np.minimum(deviation**2 + step, given[1] * 100 / 101)
    noise = known * given[1] / (given[1] - known)
    observed = (mean * given[1] - given[0] * known) / (given[1] - known)
    out = []
    for i in range(len(mean)):
        others = np.arange(len(mean)) != i
        weight = np.linalg.solve(covariance[np.ix_(others, others)] + np.diag(noise[others]), covariance[others, i])
        out.append((weight @ observed[others], max(covariance[i, i] - weight @ covariance[others, i], step)))
    return np.array(out).T


def posterior(log_likelihood, key, meta):
    """Estimate each byte separately, then the uncertain ones again around the prediction from the rest of their patch.

    Returns means, deviations.
    """
    levels, tables, index, covariances = model_priors(meta["format"])
    prior = tables[np.concatenate([index[step, : LADDER[step]] for step in meta["rate_map"]])]
    log_likelihood = log_likelihood - log_likelihood.max(1, keepdims=True)
    mean, deviation = bayes(log_likelihood, key, prior, levels)
    step, at, value = 1 / (12 * levels**2), 0, np.arange(256) - 128
    for r in meta["rate_map"]:
        mine = slice(at, at + LADDER[r])
        at += LADDER[r]
        given = np.array([np.zeros(LADDER[r]), np.diag(covariances[r])])
        for _ in range(1 if LADDER[r] < 64 else 2):
            new = predictions(covariances[r], mean[mine], deviation[mine], given, step)
            for i in np.flatnonzero(deviation[mine] * levels > 0.25):
                given[:, i] = m, v = new[:, i]
                m = np.rint(np.clip(m * levels, -127, 127)) / levels
                spread = levels * 2 ** (np.clip(np.rint(2 * np.log2(v)), -28, 12) / 4)  # deviations in quarter octaves
                away, around = np.abs(value - m * levels) / spread, np.abs(value) / spread
                table = sum(
                    0.5 * np.exp(-f(away)) / np.exp(-f(around)).sum()
                    for f in (lambda x: x**2 / 2, lambda x: np.sqrt(2) * x)
                )
                table[(value - m * levels < -128) | (value - m * levels > 127)] = 0
                j = mine.start + i
                if table @ np.exp(log_likelihood[j, (np.arange(256) + int(key[j])) % 256]) > 1e-24:
                    (mean[j],), (deviation[j],) = bayes(log_likelihood[j : j + 1], key[j : j + 1], table[None], levels)
    return mean, deviation


class qa_descrambler(BlockCase):
    def run_block(self, messages, key=KEY, soft=True, block=None):
        return self.through(block or srec.descrambler(key, "", soft), messages)

    def split(self, msg):
        data = data_of(msg)
        return data[: data.size // 2], data[data.size // 2 :]

    def assert_close(self, got, mean, deviation):
        np.testing.assert_allclose(got[0], mean, atol=2e-3)
        np.testing.assert_allclose(got[1], deviation, atol=5e-3)

    def test_mean_and_deviation_of_llrs_are_those_of_bayes_rule(self):
        rng = np.random.default_rng(13)
        for scale in (0.5, 3.0, 12.0):
            msg, plain = soft_slice("16qam")
            llr = rng.normal(0, scale, (plain.size, 8))
            (out,), _ = self.run_block([soft_slice("16qam", soft=llr.ravel())[0]])
            one = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(float)
            likelihood = -np.logaddexp(0, -llr) @ (1 - one).T - np.logaddexp(0, llr) @ one.T
            mean, deviation = posterior(likelihood, keystream(1, 1, 0, plain.size), meta_of(msg))
            self.assert_close(self.split(out), mean, deviation)

    def test_mean_and_deviation_of_amplitudes_are_those_of_bayes_rule(self):
        rng = np.random.default_rng(14)
        msg, plain = soft_slice("pam256")
        amplitude, variance = rng.normal(0, 0.7, plain.size), rng.uniform(0.01, 0.3, plain.size)
        (out,), _ = self.run_block([soft_slice("pam256", soft=np.stack([amplitude, variance], 1).ravel())[0]])
        likelihood = -((amplitude[:, None] - (np.arange(256) - 127.5) * PAM_STEP) ** 2) / (2 * variance[:, None])
        mean, deviation = posterior(likelihood, keystream(1, 1, 0, plain.size), meta_of(msg))
        self.assert_close(self.split(out), mean, deviation)

    def test_hard_decisions_undo_the_scrambler_for_every_modulation(self):
        for modulation in MODULATIONS:
            msg, plain = soft_slice(modulation)
            (out,), _ = self.run_block([msg], soft=False)
            mean, deviation = self.split(out)
            np.testing.assert_allclose(
                mean,
                (plain.astype(float) - 128) / model_priors(modulation == "pam256")[0],
                atol=1e-6,
                err_msg=modulation,
            )
            np.testing.assert_array_equal(deviation, 0)

    def test_certain_bits_give_the_sent_value_with_no_deviation(self):
        levels = model_priors(0)[0]
        msg, plain = soft_slice()
        (out,), _ = self.run_block([msg])
        mean, deviation = self.split(out)
        likely = np.abs(plain.astype(float) - 128) < 1.5 * levels  # values whose prior cannot outweigh LLRs of 20
        self.assertGreater(likely.sum(), 20)
        np.testing.assert_allclose(mean[likely], (plain[likely].astype(float) - 128) / levels, atol=2e-2)
        self.assertLess(deviation[likely].max(), 0.1)

    def test_undoes_the_scrambler_block(self):
        msg, plain = slice_pdu()
        for encrypt in (True, False):
            (scrambled,), _ = self.through(srec.scrambler(KEY, encrypt), [msg])
            received = pdu({**meta_of(scrambled), "modulation": "bpsk"}, soft_values("bpsk", data_of(scrambled)))
            (out,), _ = self.run_block([received], soft=False)
            np.testing.assert_allclose(self.split(out)[0], (plain.astype(float) - 128) / 16, atol=1e-6)

    def test_metadata_pass(self):
        msg, plain = soft_slice()
        (out,), _ = self.run_block([msg])
        sent, got = meta_of(msg), meta_of(out)
        np.testing.assert_array_equal(sent.pop("rate_map"), got.pop("rate_map"))
        self.assertEqual(got.pop("damage")["features"], plain.size)
        self.assertEqual(sent, got)
        self.assertEqual(data_of(out).size, 2 * plain.size)

    def test_the_damage_figures_of_the_header_pass_and_those_of_the_features_are_added(self):
        msg, plain = soft_slice()
        (out,), _ = self.run_block(
            [with_meta(msg, damage={"header_bits": 800.0, "header_errors": 90.0, "header_errors_tolerated": 10.0})]
        )
        damage = meta_of(out)["damage"]
        self.assertEqual(
            [damage[key] for key in ("header_bits", "header_errors", "header_errors_tolerated")], [800, 90, 10]
        )
        self.assertTrue(damage["suspect"])
        self.assertGreater(damage["within_expected"], 0)
        for broken in (7, "x", {"header_errors": "many"}):
            (out,), _ = self.run_block([with_meta(msg, damage=broken)])
            self.assertFalse(meta_of(out)["damage"]["suspect"])

    def test_packets_and_sessions_in_any_order_have_their_own_keystream(self):
        order = ((1, 1), (1, 0), (2, 0), (1, 0), (1, 1))
        sent = [soft_slice(session=s, packet=p, steps=2) for s, p in order]
        out, _ = self.run_block([m for m, _ in sent], soft=False)
        for msg, (_, plain) in zip(out, sent):
            np.testing.assert_allclose(self.split(msg)[0], (plain.astype(float) - 128) / 16, atol=1e-6)

    def test_wrong_key_gives_nothing_of_the_features(self):
        msg, plain = soft_slice()
        value = (plain.astype(float) - 128) / 16
        hard = self.split(self.run_block([msg], OTHER_KEY, False)[0][0])[0]
        self.assertLess(abs(np.corrcoef(hard, value)[0, 1]), 4 / np.sqrt(plain.size))
        soft = self.split(self.run_block([msg], OTHER_KEY, True)[0][0])[0]
        self.assertLess(abs(np.corrcoef(soft, value)[0, 1]), 4 / np.sqrt(plain.size))

    def test_payload_in_clear_keeps_its_order_from_those_without_the_key(self):
        msg, plain = soft_slice(cipher="none")
        value = (plain.astype(float) - 128) / 16
        (out,), _ = self.run_block([msg], OTHER_KEY, False)
        np.testing.assert_allclose(np.sort(self.split(out)[0]), np.sort(value), atol=1e-6)
        self.assertLess(abs(np.corrcoef(self.split(out)[0], value)[0, 1]), 4 / np.sqrt(plain.size))
        (out,), _ = self.run_block([msg], block=srec.descrambler(OTHER_KEY, "", False, clear_key=KEY))
        np.testing.assert_allclose(self.split(out)[0], value, atol=1e-6)

    def test_exclusive_or_gives_what_clear_gives_for_the_same_noise(self):
        rng = np.random.default_rng(15)
        llr = rng.normal(0, 3, 8 * soft_slice()[1].size)
        clear, plain = soft_slice(cipher="none", soft=llr)
        flip = 1 - 2.0 * np.unpackbits(keystream(1, 1, 0, plain.size))
        xor, _ = soft_slice(cipher="xor", soft=llr * flip)
        (first,), _ = self.run_block([clear])
        (second,), _ = self.run_block([xor])
        np.testing.assert_allclose(data_of(second), data_of(first), atol=1e-6)
        out, info = self.run_block([soft_slice("pam256", cipher="xor")[0], soft_slice(cipher="rot13")[0]])
        self.assertEqual(len(out), 0)
        self.assertEqual(dropped_so_far(info), [1, 2])

    def test_set_soft_works_at_run_time(self):
        block = srec.descrambler(KEY)
        self.assertTrue(block.soft())
        soft = self.split(self.run_block([soft_slice()[0]], block=block)[0][0])
        block.set_soft(False)
        self.assertFalse(block.soft())
        hard = self.split(self.run_block([soft_slice()[0]], block=block)[0][0])
        np.testing.assert_array_equal(hard[1], 0)
        self.assertGreater(soft[1].max(), 0)

    def test_without_information_the_prior_remains(self):
        msg, plain = soft_slice()
        mean, deviation = posterior(np.zeros((plain.size, 256)), keystream(1, 1, 0, plain.size), meta_of(msg))
        for nothing in (0.0, np.nan):
            got = self.split(self.run_block([soft_slice(soft=np.full(8 * plain.size, nothing))[0]])[0][0])
            np.testing.assert_allclose(got[0], mean, atol=2e-3)
            np.testing.assert_allclose(got[1], deviation, atol=5e-3)

    def test_infinite_soft_values_give_finite_estimates(self):
        _, plain = soft_slice()
        for soft in (np.full(8 * plain.size, np.inf), np.tile([np.inf, -np.inf, np.nan, 0], 2 * plain.size)):
            self.assertTrue(np.isfinite(data_of(self.run_block([soft_slice(soft=soft)[0]])[0][0])).all())

    def test_bad_messages_are_dropped_counted_and_warned_of_once_per_kind(self):
        good, plain = soft_slice()
        soft = data_of(good).astype(np.float32)
        no_slice = [*NOT_A_PDU, *(with_meta(good, **change) for change in BAD_SLICE_KEYS), pdu(meta_of(good), plain)]
        no_fit = [
            pdu(meta_of(good), soft[:-1]),
            pdu(meta_of(good), soft[:0]),
            with_meta(good, modulation="pam256"),
            with_meta(good, modulation=None),
            with_meta(good, modulation="8psk"),
            with_meta(good, rate_map=np.full(16, 16)),
            with_meta(good, rate_map=np.zeros(0)),
        ]
        no_number = [with_meta(good, session=None), with_meta(good, packet=None), with_meta(good, session="one")]
        foreign = [with_meta(good, model=MODEL_ID ^ 1)] * 2
        bad = [*no_slice, *no_fit, *no_number, *foreign]
        with captured_log() as log:
            out, info = self.run_block([*bad, good])
        self.assertEqual(len(out), 1)
        self.assertEqual(dropped_so_far(info), list(range(1, len(bad) + 1)))
        self.assertEqual(log.count("dropped"), 4, log.text)

    def test_constructor_says_what_is_wrong(self):
        self.assert_refused(["/no/such/key"], srec.descrambler, "/no/such/key")
        self.assert_refused(["/no/such/model"], srec.descrambler, KEY, "/no/such/model")

    def test_stops_promptly_with_hundreds_of_slices_waiting(self):
        msg, _ = slice_pdu()
        full = pdu(
            {**meta_of(msg), "rate_map": np.full(16, 15), "modulation": "qpsk"}, np.ones(16 * 192 * 8, np.float32)
        )
        self.assert_stops_under_load(srec.descrambler(KEY), [full] * 800, "in")


if __name__ == "__main__":
    gr_unittest.run(qa_descrambler)
