#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_seeds.py OUT: inputs that the fuzzers start from, in OUT/packet, OUT/model, OUT/safetensors, OUT/sync,
OUT/layers. Needs the standard library only."""
import hashlib
import json
import os
import struct
import sys

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1}


def safetensors(tensors, metadata=None):
    """tensors: {name: (dtype, shape, bytes)}"""
    header, data = {}, b""
    for name, (dtype, shape, blob) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    if metadata is not None:
        header["__metadata__"] = dict(metadata, checksum=hashlib.blake2b(data, digest_size=32).hexdigest())
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, *shape, value=b""):
    count = 1
    for side in shape:
        count *= side
    return dtype, list(shape), (value or b"\0" * SIZES[dtype]) * count


def conv(source, out, weight, **more):
    return dict({"op": "conv", "in": [source], "out": out, "weight": weight}, **more)


def model_tensors():
    tensors = {
        "ga.w": tensor("F16", 2, 3, 1, 1),
        "ha.w": tensor("BF16", 1, 2, 1, 1),
        "hs.w": tensor("F16", 64, 1, 1, 1),
        "fe.w": tensor("F16", 2, 6, 1, 1),
        "fd.w": tensor("F32", 2, 2, 1, 1),
        "fd.b": tensor("F32", 2),
        "gs.w": tensor("F16", 16, 2, 1, 1),
        "gs.v": tensor("F16", 48, 1, 3, 3),
        "entropy.scale": tensor("F16", 2),
        "fe.token": tensor("F16", 2, 2),
    }
    for step, k in enumerate((1, 2)):
        tensors[f"fe.linear.{step}.weight"] = tensor("F16", k, 2)
        tensors[f"fe.linear.{step}.bias"] = tensor("F16", k)
        tensors[f"fd.linear.{step}.weight"] = tensor("F16", 2, k)
        tensors[f"fd.linear.{step}.deviation"] = tensor("F16", 2, k)
        tensors[f"fd.linear.{step}.bias"] = tensor("F16", 2)
    for name in ("bits", "amplitude"):
        tensors[f"prior.{name}.tables"] = tensor("F16", 1, 256, value=struct.pack("<e", 1 / 256))
        tensors[f"prior.{name}.index"] = tensor("U8", 2, 2)
    return tensors


def net(inputs, nodes):
    """inputs: [(name, channels)]"""
    return {
        "inputs": [{"name": n, "channels": c} for n, c in inputs],
        "outputs": [nodes[-1]["out"]],
        "nodes": nodes,
    }


def model_graph():
    return {
        "ga": net(
            [("image", 3)],
            [conv("image", "t", "ga.w", stride=16, relu=True), {"op": "add", "in": ["t", "t"], "out": "latent"}],
        ),
        "ha": net([("latent", 2)], [conv("latent", "hyper", "ha.w", stride=4)]),
        "hs": net(
            [("hyper", 1)],
            [conv("hyper", "t", "hs.w"), {"op": "pixel_shuffle", "in": ["t"], "out": "params", "factor": 4}],
        ),
        "fe": net(
            [("latent", 2), ("bits", 2), ("token", 2)],
            [
                {"op": "concat", "in": ["latent", "bits", "token"], "out": "t"},
                conv("t", "feature", "fe.w", add="latent"),
            ],
        ),
        "fd": net(
            [("feature", 2)],
            [conv("feature", "t", "fd.w", bias="fd.b"), {"op": "sigmoid", "in": ["t"], "out": "latent"}],
        ),
        "gs": net(
            [("latent", 2)],
            [
                conv("latent", "t", "gs.w"),
                {"op": "pixel_shuffle", "in": ["t"], "out": "u", "factor": 4},
                conv("u", "v", "gs.v", pad=1),
                {"op": "pixel_shuffle", "in": ["v"], "out": "image", "factor": 4},
            ],
        ),
    }


def model():
    """The smallest codec: two latent channels, a ladder of two steps."""
    codec = {
        "patch": 16,
        "multiple": 64,
        "latent_channels": 2,
        "ladder": [1, 2],
        "mean": [0.5, 0.5, 0.5],
        "entropy": {"floor": 0.11},
        "bits_max": 12,
        "bits_scale": 0.25,
        "formats": {"bits": {"levels": 16}, "amplitude": {"levels": 40}},
    }
    return safetensors(
        model_tensors(),
        {
            "format": "srec-model",
            "format_version": "1",
            "kind": "codec",
            "name": "seed",
            "graph": json.dumps(model_graph(), separators=(",", ":")),
            "codec": json.dumps(codec, separators=(",", ":")),
        },
    )


def enhancer(scale):
    """The smallest enhancer: one convolution beside the image."""
    nodes = [
        {"op": "concat", "in": ["image", "deviation"], "out": "t"},
        conv("t", "u", "w", bias="b", pad=1, stride=1, relu=True),
    ]
    plain = "image"
    if scale == 2:
        nodes.append(conv("image", "p", "p", pad=0))
        nodes.append({"op": "pixel_shuffle", "in": ["p"], "out": "q", "factor": 2})
        nodes.append({"op": "pixel_shuffle", "in": ["u"], "out": "v", "factor": 2})
        plain = "q"
    nodes.append(conv("v" if scale == 2 else "u", "y", "v", add=plain, pad=1))
    width = 1 if scale == 2 else 4
    tensors = {
        "w": tensor("F16", 4, 5, 3, 3),
        "b": tensor("F32", 4),
        "v": tensor("F16", 3, width, 3, 3),
        "p": tensor("F16", 12, 3, 1, 1),
    }
    graph = {
        "enhancer": {
            "inputs": [{"name": "image", "channels": 3}, {"name": "deviation", "channels": 2}],
            "outputs": ["y"],
            "nodes": nodes,
        }
    }
    numbers = {"scale": scale, "mean": [0.5, 0.5, 0.5], "margin": 2, "halo": 1}
    return safetensors(
        tensors,
        {
            "format": "srec-model",
            "format_version": "1",
            "kind": "enhancer",
            "name": "seed",
            "graph": json.dumps(graph, separators=(",", ":")),
            "enhancer": json.dumps(numbers, separators=(",", ":")),
        },
    )


def packets():
    """See fuzz_packet.c."""
    for modulation in range(6):
        yield f"noise{modulation}", bytes([modulation]) + bytes((i * 37 + 11) & 255 for i in range(1600))
        yield f"mutate{modulation}", bytes([6 + modulation]) + b"".join(
            struct.pack("<Hb", 97 * i, -100) for i in range(20)
        )
        form = 1 if modulation == 5 else 0
        scale = 1 + modulation % 2
        header = (
            struct.pack("<QIHHB", 99, 1, 64, 48, 3 | scale - 1 << 2 | form << 4) + b"\1\0\0" + b"\2\0\0" + b"\10\0\0"
        )
        yield f"forge{modulation}", bytes([12 + modulation]) + bytes(4) + header + b"\0"
    yield "untouched", bytes([7])
    yield "foreign", bytes([128 + 12]) + bytes(4 + 40)


NOISE, BURST, HEAD, RAW, CONSTANT, CHIRPS, CLICKS, REPEAT = range(8)
UNIT, QUIET, HUGE, INFINITE, NOT_A_NUMBER = 128, 108, 253, 254, 255  # levels


def streams():
    """See fuzz_sync.c."""
    for modulation in range(6):
        yield f"burst{modulation}", bytes(
            [modulation, 2, 20, NOISE, 10, QUIET, 0, BURST, 1, UNIT, 0, NOISE, 10, QUIET, 0]
        )
        yield f"checked{modulation}", bytes(
            [6 + modulation, 0, 255, HEAD, 30, UNIT, 0, 128 + HEAD, 60, UNIT, 0, BURST, 0, UNIT, 0]
        )
    yield "inverted", bytes([1, 2, 9, BURST, 1, UNIT, 1, BURST, 1, UNIT, 1 + 2 * 9])
    yield "carrier", bytes([1, 1, 9, BURST, 1, UNIT, 2 * 25, BURST, 1, UNIT, 2 * 50])
    yield "stopped", bytes([13, 2, 2, BURST, 1, UNIT, 0, BURST, 1, UNIT, 0])
    yield "one_by_one", bytes([1, 0, 0, BURST, 1, UNIT, 0])
    for level in (HUGE, INFINITE, NOT_A_NUMBER, 188, 0):
        yield f"wild{level}", bytes(
            [1, 2, 40, BURST, 1, UNIT, 0, NOISE, 100, level, 0, CONSTANT, 50, level, 1, CLICKS, 99, level, 30]
        )
    yield "chirps", bytes([7, 2, 40, CHIRPS, 255, UNIT, 0, CHIRPS, 255, UNIT, 1, REPEAT, 200, UNIT, 0])
    floats = struct.pack("<8f", 1e18, -1e18, 3e38, 1e-42, float("inf"), float("nan"), 1e10, -1)
    yield "raw", bytes([1, 2, 40, RAW, 4, UNIT, 0]) + floats + bytes([REPEAT, 255, UNIT, 0, BURST, 1, UNIT, 0])
    bytes_of_receiver = bytes(127 + (i * i * 7 + i // 3) % 11 - 5 for i in range(8 * 200))
    yield "cu8", bytes([1, 2, 40, RAW, 200, UNIT, 0]) + bytes_of_receiver + bytes([REPEAT, 255, UNIT, 0])


def piece(layer, index, n_data, n_parity, content, first=0, count=0, offset=0, flags=0):
    description = first.to_bytes(3, "little") + count.to_bytes(2, "little") + offset.to_bytes(3, "little")
    size = len(content).to_bytes(2, "little")
    return bytes([layer, index, n_data, n_parity]) + description + bytes([flags]) + size + size + content


def layers():
    """Pieces of empty units; fuzz_layers.c's regressions hold real ones."""
    open_end, listed, copies = 1, 2, 4
    grey = bytes([19, 9, 0])
    yield "run", grey + piece(0, 0, 1, 0, bytes([50] + 4 * [0]), 0, 4)
    yield "listed", grey + piece(0, 0, 1, 0, bytes([50, 1, 1, 0, 0]), 4, 2, 0, listed)
    yield "copies", grey + piece(0, 1, 2, 0, bytes([50, 2, 0, 0, 0, 0, 1, 1, 0, 0]), 0, 0, 0, copies)
    beginning = piece(0, 0, 2, 0, bytes([50, 3, 128, 1, 2]), 0, 1, 0, listed | open_end)
    yield "cut", grey + beginning + piece(0, 1, 2, 0, bytes([50, 2, 1, 7, 7, 0]), 0, 2, 3, listed)
    yield "parity", grey + piece(0, 0, 2, 1, bytes([50, 0, 0]), 0, 2) + piece(0, 2, 2, 1, bytes([50, 0, 0]), 2, 2)
    one_each = (piece(n, 0, 1, 0, bytes([50 - n, 0]), 18 * n, 1) for n in range(3))
    yield "three_layers", bytes([99, 99, 1 | 2 << 1 | 16]) + b"".join(one_each)


def main(out):
    seeds = {
        "packet": dict(packets()),
        "sync": dict(streams()),
        "layers": dict(layers()),
        "model": {"smallest": model(), "enhancer1": enhancer(1), "enhancer2": enhancer(2)},
        "safetensors": {
            "smallest": safetensors({}),
            "kinds": safetensors(
                {
                    "a": tensor("F32", 2, 3),
                    "half": tensor("F16", 5),
                    "brain": tensor("BF16", 1, 1, 1),
                    "bytes": tensor("U8", 7),
                }
            ),
            "metadata": safetensors({"a": tensor("F32"), "b": tensor("U8", 1)}, {"format": "srec-model", "name": "x"}),
        },
    }
    for topic, files in seeds.items():
        os.makedirs(os.path.join(out, topic), exist_ok=True)
        for name, content in files.items():
            with open(os.path.join(out, topic, name), "wb") as f:
                f.write(content)


main(sys.argv[1])
