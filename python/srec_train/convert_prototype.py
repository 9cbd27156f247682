# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the prototype's state dict (safetensors) into a model file: scales and normalisations folded into the weights.

    python3 -m srec_train.convert_prototype codec.safetensors srec-codec-v0.safetensors --note "how it was trained"
"""
import argparse
import json

import numpy as np

from . import safetensors
from .graph import Graph

STEPS = [2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192]
LATENT_UNIT = 8.0                          # byte-like steps per latent unit of the entropy model
LEVELS = {"bits": 16.0, "amplitude": 40.0}
N_TABLES = 32


def prior_tables(levels):
    """Half Gaussian, half Laplace, deviations 2^-4 .. 2^3.75 in quarter octaves -> (32, 256)"""
    v = (np.arange(256.0) - 128)[None] / levels / (2.0 ** (np.arange(N_TABLES) / 4 - 4))[:, None]

    def softmax(x):
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    return ((softmax(-0.5 * v * v) + softmax(-np.sqrt(2) * np.abs(v))) / 2).astype(np.float32)


def convert(p):
    """p: the prototype's arrays -> (tensors, graphs, codec)"""
    p = {k: np.asarray(v, np.float64) for k, v in p.items()}
    tensors, graphs = {}, {}
    channels = p["ntc.ga.w"].shape[0]

    def layer(name):
        return p[name + ".weight"], p[name + ".bias"]

    def block(g, x, name):
        return g.residual(x, layer(name + ".a"), layer(name + ".b"))

    def finish(g, x):
        g.output(x)
        graphs[g.name] = g.json()

    # ga: deep * sqrt(cs) + linear, in units of the channel deviation cs
    cs = p["ntc.ga.cs"].reshape(-1)
    g = Graph("ga", tensors, image=3)
    x = g.conv(g.unshuffle("image", 2), *layer("ntc.ga.deep.1"), relu=True)
    x = block(g, g.conv(x, *layer("ntc.ga.deep.3"), stride=2), "ntc.ga.deep.4")
    x = g.conv(x, *layer("ntc.ga.deep.5"), stride=2)
    x = block(g, block(g, x, "ntc.ga.deep.6"), "ntc.ga.deep.7")
    x = block(g, g.conv(x, *layer("ntc.ga.deep.8"), stride=2), "ntc.ga.deep.9")
    w, b = layer("ntc.ga.deep.10")
    deep = g.conv(x, w / np.sqrt(cs)[:, None, None, None], b / np.sqrt(cs))
    linear = (p["ntc.ga.w"] / cs[:, None, None, None]).reshape(channels, 768, 1, 1)   # the 16x16 blocks, unshuffled
    finish(g, g.conv(g.unshuffle("image", 16), linear, add=deep))
    tensors["entropy.scale"] = (cs * LATENT_UNIT).astype(np.float32)

    g = Graph("ha", tensors, latent=channels)
    x = g.conv("latent", *layer("ntc.ha.0"), relu=True)
    x = g.conv(x, *layer("ntc.ha.2"), stride=2, relu=True)
    finish(g, g.conv(x, *layer("ntc.ha.4"), stride=2))

    g = Graph("hs", tensors, hyper=p["ntc.ha.4.weight"].shape[0])
    x = g.shuffle(g.conv("hyper", *layer("ntc.hs.0.0"), relu=True), 2)   # ReLU commutes with the shuffle
    x = g.shuffle(g.conv(x, *layer("ntc.hs.2.0"), relu=True), 2)
    finish(g, g.conv(x, *layer("ntc.hs.4")))

    g = Graph("fe", tensors, latent=channels, bits=channels, token=channels)
    x = g.conv(g.concat("latent", "bits"), *layer("inp"), add="latent")
    x = block(g, block(g, g.add(x, "token"), "enc.0"), "enc.1")
    finish(g, x)
    tensors["fe.token"] = p["token_e"].astype(np.float32)

    g = Graph("fd", tensors, feature=channels)
    finish(g, block(g, block(g, "feature", "dec.0"), "dec.1"))

    # gs: the linear 16x16 path as a 1x1 convolution, shuffled by 8 to the deep path's 12 channels at half size, then both by 2
    cs = p["ntc.gs.cs"].reshape(-1)
    g = Graph("gs", tensors, latent=channels)
    w = p["ntc.gs.w"] * cs[:, None, None, None]                                   # (C, 3, 16, 16)
    w = w.reshape(channels, 3, 8, 2, 8, 2).transpose(1, 3, 5, 2, 4, 0)             # (3, di, dj, i8, j8, C)
    linear = g.shuffle(g.conv("latent", w.reshape(768, channels, 1, 1)), 8)
    x = block(g, g.conv("latent", *layer("ntc.gs.deep.0")), "ntc.gs.deep.1")
    x = g.shuffle(g.conv(x, *layer("ntc.gs.deep.2.0")), 2)
    x = block(g, block(g, x, "ntc.gs.deep.3"), "ntc.gs.deep.4")
    x = g.shuffle(g.conv(x, *layer("ntc.gs.deep.5.0")), 2)
    x = block(g, block(g, x, "ntc.gs.deep.6"), "ntc.gs.deep.7")
    x = g.shuffle(g.conv(x, *layer("ntc.gs.deep.8.0"), relu=True), 2)
    finish(g, g.shuffle(g.conv(x, *layer("ntc.gs.deep.10"), add=linear), 2))

    # linear maps with the features' normalisation to unit power
    deviation = np.sqrt(p["var"] + 1e-6) * np.sqrt(p["power"])
    for r, k in enumerate(STEPS):
        scale = deviation[r, :k]
        tensors[f"fe.linear.{r}.weight"] = (p["We"][r][:, :k].T / scale[:, None]).astype(np.float32)
        tensors[f"fe.linear.{r}.bias"] = (-p["mean"][r, :k] / scale).astype(np.float32)
        tensors[f"fd.linear.{r}.weight"] = (p["Wd"][r][:k].T * scale[None]).astype(np.float32)
        tensors[f"fd.linear.{r}.deviation"] = p["Wv"][r][:k].T.astype(np.float32)
        tensors[f"fd.linear.{r}.bias"] = (p["mean"][r, :k] @ p["Wd"][r][:k] + p["token_d"][r]).astype(np.float32)

    index = np.clip(np.rint(4 * np.log2(p["sig"]) + 16), 0, N_TABLES - 1).astype(np.uint8)
    for r, k in enumerate(STEPS):
        index[r, k:] = 0
    for name, levels in LEVELS.items():
        tensors[f"prior.{name}.tables"] = prior_tables(levels)
        tensors[f"prior.{name}.index"] = index

    codec = {"patch": 16, "multiple": 64, "latent_channels": channels, "ladder": STEPS, "mean": [0.5, 0.5, 0.5],
             "entropy": {"floor": 0.11}, "bits_max": 12, "bits_scale": 0.25,
             "formats": {k: {"levels": v} for k, v in LEVELS.items()}}
    return tensors, graphs, codec


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("prototype")
    parser.add_argument("model")
    parser.add_argument("--name", default="srec-codec-v0")
    parser.add_argument("--note", default="", help="how the weights were trained")
    parser.add_argument("--data", default="", help="what they were trained on, and its licence")
    parser.add_argument("--date", default="")
    args = parser.parse_args()
    arrays, _ = safetensors.load(args.prototype)
    tensors, graphs, codec = convert(arrays)
    safetensors.save(args.model, tensors, {
        "format": "srec-model", "format_version": "1", "kind": "codec", "name": args.name, "training": args.note,
        "data": args.data, "date": args.date, "licence": "GPL-3.0-or-later",
        "graph": json.dumps(graphs, separators=(",", ":")), "codec": json.dumps(codec, separators=(",", ":"))})
    print(args.model, len(tensors), "tensors", sum(t.size for t in tensors.values()), "values")


if __name__ == "__main__":
    main()
