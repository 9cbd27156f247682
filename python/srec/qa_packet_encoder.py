#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block packet_encoder: the frame as specified in include/srec/packet.h, refusals, sessions and packet numbers."""
import binascii
import math
import struct

import numpy as np
from gnuradio import gr_unittest, srec

from qa_common import (
    BAD_SLICE_KEYS,
    GRANULE,
    KEY,
    MODULATIONS,
    NOT_A_PDU,
    OTHER_KEY,
    BlockCase,
    captured_log,
    data_of,
    dropped_so_far,
    meta_of,
    pdu,
    picture,
    slice_pdu,
    with_meta,
)

REPEAT = {"bpsk": 2, "qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8, "pam256": 1}
CIPHERS = ("add", "none", "xor")
POLYNOMIALS = (0x1ED, 0x19B, 0x127)  # K = 9, rate 1/3


def coded_field(modulation, data):
    """Return the coded, interleaved, repeated bytes of a field (packet.h)."""
    bits = np.concatenate([np.unpackbits(np.frombuffer(data, np.uint8)), np.zeros(8, np.uint8)])
    state, code = 0, []
    for bit in bits:
        state = (state << 1 | int(bit)) & 0x1FF
        code += [bin(state & p).count("1") & 1 for p in POLYNOMIALS]
    register = [1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]  # energy dispersal: x^15 + x^14 + 1
    for i in range(len(code)):
        register = [register[13] ^ register[14]] + register[:14]
        code[i] ^= register[0]
    n, repeat = len(code), REPEAT[modulation]
    stride = next(s for s in range(25, 10**6, 24) if s * s >= n and math.gcd(s, n) == 1)
    order = np.concatenate([(r * (n // repeat + 1) + stride * np.arange(n)) % n for r in range(repeat)])
    sent = np.array(code, np.uint8)[order]
    if modulation == "pam256":
        return np.append(np.where(sent, 54, 201), [128] * (n * repeat % 2))
    return np.packbits(np.pad(sent, (0, -sent.size % 24)))


def signal_field(modulation, header_bytes, payload_bytes, session, packet, cipher):
    field = struct.pack(
        "<BBHHQQ",
        0x20,
        MODULATIONS.index(modulation) | CIPHERS.index(cipher) << 4,
        header_bytes,
        payload_bytes,
        session,
        packet,
    )
    return field + struct.pack("<H", binascii.crc_hqx(field, 0xFFFF))


def field_bytes(modulation, n):
    bits = 3 * (8 * n + 8) * REPEAT[modulation]
    return (bits + 1) // 2 * 2 if modulation == "pam256" else (bits + 23) // 24 * 3


class qa_packet_encoder(BlockCase):
    def encode(self, slices, modulation="qpsk", key=KEY):
        return self.through(srec.packet_encoder(key, modulation), slices)

    def test_a_repeated_piece_travels_as_other_bits_of_the_same_payload_only(self):
        encoder = srec.layer_encoder(cbr=0.9, threads=1, bursts=False)
        (piece, *_), _ = self.through(encoder, [picture(0, 96, 96)[0]], "pdus")
        first = with_meta(piece, session=1, packet=0, cipher="add", origin=0, redundancy_version=0)
        repeats = [with_meta(first, packet=i, redundancy_version=i) for i in (1, 2)]
        other = pdu(meta_of(repeats[1]), data_of(piece) ^ 1)
        lost = with_meta(repeats[1], packet=9, origin=7)  # which was never sent
        with captured_log():
            frames, info = self.encode([first, repeats[0], other, repeats[1], lost])
        self.assertEqual([meta_of(m)["packet"] for m in frames], [0, 1, 2])
        self.assertEqual(len({data_of(m).tobytes()[-200:] for m in frames}), 3)
        reasons = [i["reason"] for i in info if i["event"] == "dropped"]
        self.assertEqual([reason.split(": ")[1] for reason in reasons], ["its payload is another one"] * 2)

    def header_bytes(self, modulation, frame_bytes, payload_bytes):
        rest = (
            frame_bytes - field_bytes(modulation, 24) - -(-payload_bytes // GRANULE[modulation]) * GRANULE[modulation]
        )
        found = [h for h in range(26 + 16, 500) if field_bytes(modulation, h) == rest]
        self.assertTrue(found, f"{modulation}: no header is coded in {rest} bytes")
        return found

    def test_signal_field_is_coded_as_documented_for_every_modulation(self):
        for modulation in MODULATIONS:
            for cipher in CIPHERS[:2] if modulation == "pam256" else CIPHERS:
                msg, payload = slice_pdu(session=0x0123456789ABCDEF, packet=77, cipher=cipher)
                (out,), _ = self.encode([msg], modulation)
                frame = data_of(out)
                expected = [
                    coded_field(modulation, signal_field(modulation, h, payload.size, 0x0123456789ABCDEF, 77, cipher))
                    for h in self.header_bytes(modulation, frame.size, payload.size)
                ]
                self.assertTrue(any((frame[: e.size] == e).all() for e in expected), modulation)

    def test_payload_ends_the_frame_in_importance_order(self):
        msg, payload = slice_pdu()
        for modulation in ("bpsk", "qpsk", "256qam"):  # for these the order of a byte is already that of importance
            np.testing.assert_array_equal(
                data_of(self.encode([msg], modulation)[0][0])[-payload.size :], payload, modulation
            )
        bits = np.unpackbits(payload).reshape(-1, 8)
        np.testing.assert_array_equal(
            data_of(self.encode([msg], "16qam")[0][0])[-payload.size :],
            np.packbits(bits[:, [0, 1, 4, 5, 2, 3, 6, 7]], axis=1).ravel(),
            "16QAM: bits 7..4 are the signs of two symbols",
        )

    def test_frames_fill_whole_symbols_for_every_payload_length(self):
        for modulation in ("64qam", "pam256"):
            for seed in range(6):
                msg, _ = slice_pdu(seed=seed)
                odd = pdu({**meta_of(msg), "rate_map": np.zeros(16)}, np.zeros(30 + seed, np.uint8))
                self.assertEqual(data_of(self.encode([odd], modulation)[0][0]).size % GRANULE[modulation], 0)

    def test_metadata_says_what_the_mapper_needs(self):
        msg, payload = slice_pdu(number=9, packet=4, session=6, part=1, parts=2)
        (out,), _ = self.encode([msg], "16qam")
        self.assertEqual(
            meta_of(out),
            {
                "modulation": "16qam",
                "session": 6,
                "packet": 4,
                "picture": 9,
                "slice": 1,
                "slices": 2,
                "payload_bytes": payload.size,
            },
        )

    def test_rate_map_and_sizes_do_not_travel_in_clear(self):
        a, payload = slice_pdu()
        b = with_meta(a, picture=1)
        frames = [data_of(self.encode([m])[0][0]) for m in (a, b)]
        other_key = data_of(self.encode([a], key=OTHER_KEY)[0][0])
        header = slice(field_bytes("qpsk", 24), -payload.size)
        np.testing.assert_array_equal(frames[0][:150], other_key[:150], "the signal field needs no key")
        differing = np.mean(np.unpackbits(frames[0][header]) != np.unpackbits(other_key[header]))
        self.assertAlmostEqual(differing, 0.5, delta=0.1, msg="another key, another header")
        self.assertTrue((frames[0][header] != frames[1][header]).any())

    def test_two_packets_in_a_row_and_a_second_session(self):
        out, info = self.encode([slice_pdu(packet=0)[0], slice_pdu(packet=1)[0], slice_pdu(packet=0, session=2)[0]])
        self.assertEqual([(meta_of(m)["session"], meta_of(m)["packet"]) for m in out], [(1, 0), (1, 1), (2, 0)])
        self.assertEqual(info, [{"event": "eof", "dropped": 0}])

    def test_packet_number_used_before_is_refused(self):
        with captured_log() as log:
            out, info = self.encode(
                [slice_pdu(packet=3)[0], slice_pdu(packet=3)[0], slice_pdu(packet=2)[0], slice_pdu(packet=4)[0]]
            )
        self.assertEqual([meta_of(m)["packet"] for m in out], [3, 4])
        self.assertEqual(dropped_so_far(info), [1, 2])
        self.assertIn("packet number 3 was used already", log.text)
        self.assertEqual(log.count("dropped"), 1, "packet number 2 is no other kind of trouble")

    def test_sessions_remembered_are_bounded(self):
        slices = [slice_pdu(session=n + 1, steps=1)[0] for n in range(1026)]
        with captured_log() as log:
            out, info = self.encode([*slices, with_meta(slices[0], packet=1)])
        self.assertEqual([meta_of(m)["session"] for m in out], [*range(1, 1025), 1])
        self.assertEqual(info[-1]["dropped"], 2)
        self.assertIn("too many sessions", log.text)

    def test_packet_number_used_before_is_refused_after_another_session_too(self):
        out, _ = self.encode([slice_pdu(packet=0)[0], slice_pdu(packet=0, session=2)[0], slice_pdu(packet=0)[0]])
        self.assertEqual([meta_of(m)["session"] for m in out], [1, 2], "a (key, nonce) pair would repeat")

    def test_slice_that_no_scrambler_numbered_is_refused(self):
        msg = slice_pdu()[0]
        with captured_log() as log:
            out, info = self.encode([with_meta(msg, session=None), with_meta(msg, packet=None)])
        self.assertEqual((len(out), info[-1]["dropped"]), (0, 2))
        self.assertIn("scrambler", log.text)

    def test_bad_messages_are_dropped_counted_and_warned_of_once(self):
        msg, _ = slice_pdu()
        bad = [
            *NOT_A_PDU,
            *(with_meta(msg, **change) for change in BAD_SLICE_KEYS),
            pdu(meta_of(msg), np.zeros(8, np.float32)),
        ]
        with captured_log() as log:
            out, info = self.encode([*bad, msg])
        self.assertEqual(len(out), 1)
        self.assertEqual(dropped_so_far(info), list(range(1, len(bad) + 1)))
        self.assertEqual(log.count("dropped"), 1, log.text)

    def test_a_rate_map_beyond_every_ladder_is_dropped(self):
        msg, _ = slice_pdu()
        with captured_log() as log:
            out, info = self.encode([*(with_meta(msg, rate_map=[0] * 15 + [step]) for step in (16, 255)), msg])
        self.assertEqual((len(out), info[-1]["dropped"]), (1, 2))
        self.assertIn("rate map", log.text)

    def test_slices_without_bytes_or_beyond_a_frame_are_dropped(self):
        meta = meta_of(slice_pdu()[0])
        with captured_log() as log:
            out, info = self.encode([pdu(meta, np.zeros(n, np.uint8)) for n in (0, 29900, 30001, 70000)])
        self.assertEqual((len(out), info[-1]["dropped"]), (0, 4))
        self.assertIn("use more slices", log.text)

    def test_constructor_says_what_is_wrong(self):
        self.assert_refused(["8psk", "qpsk"], srec.packet_encoder, KEY, "8psk")
        self.assert_refused(["/no/such/key"], srec.packet_encoder, "/no/such/key")

    def test_stops_promptly_with_hundreds_of_slices_waiting(self):
        meta = meta_of(slice_pdu()[0])
        messages = [pdu({**meta, "packet": n}, np.zeros(20000, np.uint8)) for n in range(500)]
        self.assert_stops_under_load(srec.packet_encoder(KEY, "qpsk"), messages, "in")


if __name__ == "__main__":
    gr_unittest.run(qa_packet_encoder)
