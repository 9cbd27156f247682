#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block scrambler: addition mod 256 (SREC eq. 10), exclusive or, secret order, packet numbers, sessions."""
import os
import tempfile

import numpy as np
from gnuradio import gr_unittest, srec

from qa_common import (
    KEY,
    NOT_A_PDU,
    OTHER_KEY,
    BlockCase,
    captured_log,
    data_of,
    dropped_so_far,
    in_order,
    keystream,
    meta_of,
    pdu,
)

SESSION = 1  # of the known answers
PLAIN = np.random.default_rng(1).integers(0, 256, 300).astype(np.uint8)


def added(plain, seed=1, packet=0):
    """Return what is sent for plain bytes with the cipher add."""
    return in_order((plain.astype(int) + keystream(seed, SESSION, packet, plain.size)) % 256, seed, SESSION, packet)


class qa_scrambler(BlockCase):
    def test_adds_the_known_keystream_modulo_256_in_the_known_order(self):
        (out,), _ = self.through(srec.scrambler(KEY, True, SESSION, "add"), [pdu({}, PLAIN)])
        np.testing.assert_array_equal(data_of(out), added(PLAIN))
        self.assertGreater(
            np.count_nonzero(PLAIN.astype(int) + keystream(1, SESSION, 0, 300) > 255),
            50,
            "the sum must wrap for this to prove anything",
        )

    def test_second_packet_has_the_next_number_its_own_keystream_and_order(self):
        (first, second), _ = self.through(srec.scrambler(KEY, True, SESSION, "add"), [pdu({}, PLAIN[:64])] * 2)
        self.assertEqual([meta_of(m)["packet"] for m in (first, second)], [0, 1])
        np.testing.assert_array_equal(data_of(second), added(PLAIN[:64], packet=1))
        self.assertTrue((data_of(first) != data_of(second)).any())

    def test_repeated_pieces_name_their_origin_and_the_next_redundancy_version(self):
        def piece(index, picture, **more):
            return pdu({"coding": "layers", "layer": 0, "piece": index, "picture": picture, **more}, PLAIN)

        first, second = [piece(i, 4) for i in range(2)], [piece(i, 5, first_picture=4) for i in range(2)]
        unknown = piece(0, 9, first_picture=8)
        scrambler = srec.scrambler(KEY, True, SESSION)
        out, _ = self.through(scrambler, [*first, *second, pdu({}, PLAIN), *second, unknown])
        found = [(m["packet"], m.get("origin"), m.get("redundancy_version")) for m in map(meta_of, out)]
        self.assertEqual(
            found, [(0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1), (4, None, None), (5, 0, 2), (6, 1, 2), (7, 7, 0)]
        )
        scrambler.set_encrypt(False)  # another payload on the air
        out, _ = self.through(scrambler, second)
        self.assertEqual([(m["origin"], m["redundancy_version"]) for m in map(meta_of, out)], [(8, 0), (9, 0)])

    def test_an_origin_may_be_4096_packets_old(self):
        def piece(index, picture, **more):
            return pdu({"coding": "layers", "layer": 0, "piece": index, "picture": picture, **more}, PLAIN[:1])

        others = [piece(i, 1) for i in range(4095)]
        out, _ = self.through(srec.scrambler(KEY), [piece(0, 0), *others, piece(0, 2, first_picture=0)])
        self.assertEqual(meta_of(out[-1])["origin"], 0)
        out, _ = self.through(srec.scrambler(KEY), [piece(0, 0), *others, piece(9, 1), piece(0, 2, first_picture=0)])
        self.assertEqual((meta_of(out[-1])["origin"], meta_of(out[-1])["redundancy_version"]), (4097, 0))

    def test_another_key_gives_unrelated_bytes(self):
        (out,), _ = self.through(srec.scrambler(OTHER_KEY, True, SESSION, "add"), [pdu({}, PLAIN[:64])])
        np.testing.assert_array_equal(data_of(out), added(PLAIN[:64], seed=2))
        self.assertLess(
            np.count_nonzero(data_of(out) == added(PLAIN[:64])), 8, "64 bytes agree by chance in 0.25 places"
        )

    def test_key_file_hex_digits_and_seed_name_the_same_key(self):
        # "master 1" of the known answers.
        key = bytes.fromhex("afbc1c053c2f278e3cbd4409c1c094f184aa459dd2f7fca96d6077730ab9ffe3")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            with open(path, "wb") as file:
                file.write(key)
            results = [
                data_of(self.through(srec.scrambler(k, True, SESSION), [pdu({}, PLAIN)])[0][0])
                for k in (KEY, key.hex(), path)
            ]
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])

    def test_metadata_passes_and_gains_session_packet_cipher(self):
        (out,), _ = self.through(srec.scrambler(KEY, True, SESSION), [pdu({"picture": 7, "slice": 3}, PLAIN)])
        self.assertEqual(meta_of(out), {"picture": 7, "slice": 3, "session": SESSION, "packet": 0, "cipher": "xor"})

    def test_without_encryption_only_the_order_changes_and_the_packet_says_so(self):
        block = srec.scrambler(KEY, False, SESSION)
        self.assertFalse(block.encrypt())
        (out,), _ = self.through(block, [pdu({}, PLAIN)])
        np.testing.assert_array_equal(data_of(out), in_order(PLAIN, 1, SESSION, 0))
        self.assertEqual(meta_of(out)["cipher"], "none")

    def test_set_encrypt_works_at_run_time_and_packet_numbers_go_on(self):
        block = srec.scrambler(KEY, True, SESSION)
        first = self.through(block, [pdu({}, PLAIN[:64])])[0][0]
        block.set_encrypt(False)
        second = self.through(block, [pdu({}, PLAIN[:64])])[0][0]
        self.assertEqual([meta_of(m)["cipher"] for m in (first, second)], ["xor", "none"])
        self.assertEqual(meta_of(second)["packet"], 1)
        np.testing.assert_array_equal(data_of(second), in_order(PLAIN[:64], 1, SESSION, 1))

    def test_exclusive_or_is_what_the_packet_says(self):
        block = srec.scrambler(KEY, True, SESSION, "xor")
        self.assertEqual(block.cipher(), "xor")
        first = self.through(block, [pdu({}, PLAIN)])[0][0]
        self.assertEqual(meta_of(first)["cipher"], "xor")
        np.testing.assert_array_equal(data_of(first), in_order(PLAIN ^ keystream(1, SESSION, 0, 300), 1, SESSION, 0))
        block.set_cipher("add")
        self.assertEqual(block.cipher(), "add")
        self.assertEqual(meta_of(self.through(block, [pdu({}, PLAIN)])[0][0])["cipher"], "add")
        for bad in ("none", "rot13", ""):
            with self.assertRaisesRegex(ValueError, "auto, add or xor"):
                block.set_cipher(bad)

    def test_by_itself_it_takes_exclusive_or_but_adds_to_amplitudes(self):
        block = srec.scrambler(KEY, True, SESSION)
        self.assertEqual(block.cipher(), "auto")
        out, _ = self.through(block, [pdu({"format": fmt}, PLAIN) for fmt in (0, 1)])
        self.assertEqual([meta_of(m)["cipher"] for m in out], ["xor", "add"])

    def test_sessions_are_random_unless_given(self):
        sessions = {srec.scrambler(KEY).session() for _ in range(8)}
        self.assertEqual(len(sessions), 8)
        self.assertNotIn(0, sessions)
        self.assertEqual(srec.scrambler(KEY, True, 2**64 - 1).session(), 2**64 - 1)

    def test_slice_without_bytes_passes_without_bytes(self):
        (out, second), _ = self.through(
            srec.scrambler(KEY, True, SESSION, "add"), [pdu({}, np.zeros(0, np.uint8)), pdu({}, PLAIN[:64])]
        )
        self.assertEqual(data_of(out).size, 0)
        np.testing.assert_array_equal(data_of(second), added(PLAIN[:64], packet=1))

    def test_bad_messages_are_dropped_counted_and_warned_of_once_per_kind(self):
        bad = [*NOT_A_PDU, pdu({}, np.zeros(4, np.float32)), pdu({}, np.zeros(30001, np.uint8))]
        with captured_log() as log:
            out, info = self.through(srec.scrambler(KEY, True, SESSION), [*bad, pdu({}, PLAIN)])
        self.assertEqual(len(out), 1)
        self.assertEqual(meta_of(out[0])["packet"], 0, "a dropped message uses up no packet number")
        self.assertEqual(dropped_so_far(info), list(range(1, len(bad) + 1)))
        self.assertEqual(log.count("dropped"), 2, log.text)

    def test_constructor_says_what_is_wrong_with_the_key(self):
        with tempfile.TemporaryDirectory() as folder:
            missing, short = os.path.join(folder, "missing"), os.path.join(folder, "short")
            with open(short, "wb") as file:
                file.write(b"x" * 31)
            self.assert_refused([missing], srec.scrambler, missing)
            self.assert_refused([short, "32"], srec.scrambler, short)
        self.assert_refused(["key"], srec.scrambler, "")
        for seed in ("seed:", "seed:x", "seed:1x", "seed:-1", "seed: 1", "seed:18446744073709551616"):
            self.assert_refused([seed, "number"], srec.scrambler, seed)

    def test_stops_promptly_with_hundreds_of_slices_waiting(self):
        big = pdu({}, np.zeros(30000, np.uint8))
        self.assert_stops_under_load(srec.scrambler(KEY, True, SESSION), [big] * 800, "in")


if __name__ == "__main__":
    gr_unittest.run(qa_scrambler)
