#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known answers of key.c and scrambler.c: python3 make_crypto_vectors.py > crypto_vectors.txt

Written from the documents, not from the library: BLAKE2b is Python's own, ChaCha20 is RFC 8439 section 2.3 below and
first checks itself against the RFC's example. Lines: what, decimal arguments, answer in hexadecimal."""
import hashlib
import math
import struct


def block(key, counter, nonce):
    """64 bytes of ChaCha20 keystream (RFC 8439, 2.3)"""
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    x = start[:]

    def quarter(a, b, c, d):
        for i, j, k, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[i] = (x[i] + x[j]) & 0xFFFFFFFF
            v = x[k] ^ x[i]
            x[k] = (v << turn | v >> (32 - turn)) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, start)))


def master(seed):
    """srec_key_from_seed(): unkeyed BLAKE2b of the seed, little endian, padded to 32 bytes"""
    return hashlib.blake2b(struct.pack("<Q", seed) + bytes(24), digest_size=32).digest()


def derive(seed, session, context):
    """libsodium's crypto_kdf: keyed BLAKE2b, salt = subkey number, personalisation = context"""
    return hashlib.blake2b(
        b"", digest_size=32, key=master(seed), salt=struct.pack("<Q", session) + bytes(8), person=context + bytes(8)
    ).digest()


def keystream(seed, session, packet, offset, n):
    key, nonce = derive(seed, session, b"srecpayl"), bytes(4) + struct.pack("<Q", packet)
    first = offset // 64
    blocks = b"".join(block(key, c, nonce) for c in range(first, (offset + n + 63) // 64))
    return blocks[offset - 64 * first :][:n]


def order(seed, session, packet, n):
    """At which place of a packet each byte of the slice travels (docs/packet-format.md): Fisher-Yates, indices drawn in
    batches of four"""
    key, nonce = derive(seed, session, b"srecpayl"), bytes(4) + struct.pack("<Q", packet)
    words = (word for counter in range(2**31, 2**32) for word in struct.unpack("<8Q", block(key, counter, nonce)))
    table = []
    while len(table) < n:
        bounds = range(len(table) + 1, min(len(table) + 4, n) + 1)
        while True:
            rest, drawn = next(words), []
            for bound in bounds:
                drawn.append(rest * bound >> 64)
                rest = rest * bound % 2**64
            if rest >= 2**64 % math.prod(bounds):
                break
        for i, j in zip(range(len(table), n), drawn):
            table.append(table[j] if j < i else i)
            table[j] = i
    return table


def poly1305(one_time_key, message):
    """RFC 8439, 2.5"""
    r = int.from_bytes(one_time_key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(one_time_key[16:32], "little")) % 2**128).to_bytes(16, "little")


def sealed_piece(seed, session, origin, cipher, n):
    """A piece of coded layers, encrypted, and its tag (include/srec/layer_packet.h).

    Image 7 of 640x480 pixels in RGB, layer 2 of 3, piece 4 of 5 and 1, description 1 .. 11, bytes 7 i + 3."""
    key, nonce = derive(seed, session, b"sreclayr"), bytes(4) + struct.pack("<Q", origin)
    piece = bytes((7 * i + 3) % 256 for i in range(n))
    stream = b"".join(block(key, 1 + c, nonce) for c in range((n + 63) // 64)) if cipher == 0 else bytes(n)
    c = bytes((p + k) % 256 for p, k in zip(piece, stream))
    header = struct.pack("<IHHBBBH", 7, 640, 480, 3, 1 | 2 << 4, 6, n + 16)
    header += struct.pack("<HHH", 4, 5, 1) + bytes(range(1, 12))
    data = struct.pack("<QQB", session, origin, cipher) + header + c
    padded = data + bytes(-len(data) % 16) + struct.pack("<QQ", len(data), 0)  # RFC 8439, 2.8: no message
    return c + poly1305(block(key, 0, nonce)[:32], padded)


def main():
    example = block(bytes(range(32)), 1, bytes.fromhex("000000090000004a00000000"))
    assert example.hex().startswith(
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
    ), "RFC 8439 2.3.2"
    tag = poly1305(
        bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
        b"Cryptographic Forum Research Group",
    )
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9", "RFC 8439 2.5.2"
    for seed in (0, 1, 0xFEDCBA9876543210):
        print("master", seed, master(seed).hex())
        for session in (1, 0x0123456789ABCDEF, 2**64 - 1):
            print("payload", seed, session, derive(seed, session, b"srecpayl").hex())
            print("header", seed, session, derive(seed, session, b"srechead").hex())
            print("layer", seed, session, derive(seed, session, b"sreclayr").hex())
    for seed, session, packet, offset, n in (
        (1, 1, 0, 0, 300),
        (1, 1, 1, 0, 64),
        (1, 2, 0, 0, 64),
        (2, 1, 0, 0, 64),
        (3, 2**64 - 1, 2**64 - 1, 61, 70),
        (4, 77, 0x0102030405060708, 8190, 130),
        (5, 5, 5, 2**32 - 10, 80),
        (6, 6, 6, 2**37 - 33, 33),
    ):
        print("keystream", seed, session, packet, offset, keystream(seed, session, packet, offset, n).hex())
    for seed, session, packet, n in (
        (1, 1, 0, 1),
        (1, 1, 0, 2),
        (1, 1, 0, 7),
        (1, 1, 1, 100),
        (2, 2**64 - 1, 2**64 - 1, 257),
        (3, 9, 12345, 30000),
    ):
        print(
            "order",
            seed,
            session,
            packet,
            n,
            (
                struct.pack(f"<{n}H", *order(seed, session, packet, n)).hex()
                if n < 1000
                else hashlib.blake2b(
                    struct.pack(f"<{n}H", *order(seed, session, packet, n)), digest_size=32
                ).hexdigest()
            ),
        )
    for seed, session, origin, cipher, n in (
        (1, 1, 0, 0, 300),
        (1, 1, 1, 0, 64),
        (2, 1, 1, 0, 64),
        (1, 2, 1, 0, 64),
        (3, 2**64 - 1, 2**64 - 2, 0, 1),
        (4, 77, 0x0102030405060708, 0, 9000),
        (1, 1, 1, 1, 64),
    ):
        sealed = sealed_piece(seed, session, origin, cipher, n)
        print("sealed_piece", seed, session, origin, cipher, n, sealed.hex())


if __name__ == "__main__":
    main()
