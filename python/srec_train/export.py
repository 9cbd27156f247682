# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the averaged weights of a training run as a model file for the C core (docs/model-format.md), with its card.

It also reads a model file, so that training can continue from it.
"""
import argparse
import dataclasses
import json
import os
from typing import Iterable

import numpy as np
import torch

from . import safetensors, trainer
from .feature_link import FORMATS
from .graph import Graph
from .networks import BITS_MAX, BITS_SCALE, COVARIANCE_START, DEVIATION_FLOOR, PATCH, Codec, Residual, Sizes

COUNTED = 1e5  # number of bytes that a prior table of a model file counts for when training continues
COUNTED_PATCHES = 1e3  # number of patches that a covariance counts for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", help="run folder or checkpoint of stage link")
    add("model", help="model file to write")
    add("--name", default="", help="name of the weights; without it the name of the file")
    add("--training", default="", help="free text: how the weights were trained")
    add("--data", default="", help="training data and their licence")
    add("--date", default="", help="date of the training, for the card")
    add("--card", help="text file with data, training hours, figures and limits; srec info prints it")
    add("--licence", default="GPL-3.0-or-later", help="licence of the weights")


def layer(conv: torch.nn.Conv2d) -> tuple[np.ndarray, np.ndarray]:
    return conv.weight.detach().numpy(), conv.bias.detach().numpy()


def residual(g: Graph, x: str, block: Residual) -> str:
    return g.residual(x, layer(block.a), layer(block.b))


def sequence(g: Graph, x: str, modules: Iterable[torch.nn.Module]) -> str:
    """Write Residual, Up and convolutions in order. A ReLU that follows a convolution is fused with it."""
    from torch.nn import ReLU

    from .networks import Up

    modules = list(modules)
    for i, module in enumerate(modules):
        if isinstance(module, Residual):
            x = residual(g, x, module)
        elif isinstance(module, Up):  # ReLU commutes with the shuffle
            kernel = module.conv.kernel_size[0]
            x = g.shuffle(g.conv(x, *layer(module.conv), relu=module.relu, pad=kernel // 2), 2)
        elif not isinstance(module, ReLU):
            relu = i + 1 < len(modules) and isinstance(modules[i + 1], ReLU)
            x = g.conv(x, *layer(module), stride=module.stride[0], relu=relu)
    return x


def blocks_of(linear: np.ndarray, n: int) -> np.ndarray:
    """Split gs's linear map (768, n) for a pixel shuffle by 16 into a convolution and two shuffles.

    Returns the weights (768, n, 1, 1) of the convolution for a shuffle by 8 followed by one by 2.
    """
    return linear.reshape(3, 8, 2, 8, 2, n).transpose(0, 2, 4, 1, 3, 5).reshape(768, n, 1, 1)


def linear_of(blocks: np.ndarray, n: int) -> np.ndarray:
    """Inverse of blocks_of()."""
    return blocks.reshape(3, 2, 2, 8, 8, n).transpose(0, 3, 1, 4, 2, 5).reshape(768, n)


def graphs_of(net: Codec, tensors: dict[str, np.ndarray], dtype: type = np.float16) -> dict[str, dict]:
    """Convert a Codec to {name: graph}, and add the weights to `tensors`.

    As float32 they are views of the parameters, except gs.0.weight.
    """
    n = net.sizes.latent
    out = {}

    def finish(g, x):
        g.output(x)
        out[g.name] = g.json()

    g = Graph("ga", tensors, dtype, image=3)
    x = sequence(g, g.conv(g.unshuffle("image", 2), *layer(net.ga.head), relu=True), net.ga.body)
    linear = net.ga.linear.detach().numpy()[:, :, None, None]
    finish(g, g.conv(g.unshuffle("image", PATCH), linear, add=g.conv(x, *layer(net.ga.tail))))

    g = Graph("ha", tensors, dtype, latent=n)
    finish(g, sequence(g, "latent", net.ha))
    g = Graph("hs", tensors, dtype, hyper=net.sizes.hyper)
    finish(g, sequence(g, "hyper", net.hs))

    g = Graph("fe", tensors, dtype, latent=n, bits=n, token=n)
    x = g.conv(g.concat("latent", "bits"), *layer(net.fe_in), add="latent")
    finish(g, sequence(g, g.add(x, "token"), net.fe))
    g = Graph("fd", tensors, dtype, feature=n)
    finish(g, sequence(g, "feature", net.fd))

    # gs: the linear path is shuffled by 8 to the deep path's 12 channels at half size, then both are shuffled by 2
    g = Graph("gs", tensors, dtype, latent=n)
    linear = g.shuffle(g.conv("latent", blocks_of(net.gs.linear.detach().numpy(), n)), 8)
    finish(g, g.shuffle(g.conv(sequence(g, "latent", net.gs.body), *layer(net.gs.tail), add=linear), 2))
    return out


def tensors_of(net: Codec) -> dict[str, np.ndarray]:
    """Return all tensors except the weights of the graphs."""
    p = {k: v.detach().double().numpy() for k, v in net.state_dict().items()}
    tensors = {"entropy.scale": net.scale.reshape(-1).numpy().astype(np.float32)}
    longest = net.sizes.ladder[-1]
    for f, name in enumerate(FORMATS):
        prefix = "" if name == "bits" else name + "."
        tensors[prefix + "fe.token"] = p["token_e"][f].astype(np.float16)
        deviation = np.sqrt(p["feature_var"][f] + 1e-6) * np.sqrt(p["feature_power"][f])
        mean = p["feature_mean"][f]
        for r, k in enumerate(net.sizes.ladder):
            d, m = deviation[r, :k], mean[r, :k]
            tensors[f"{prefix}fe.linear.{r}.weight"] = (p["weight_e"][f, r, :k] / d[:, None]).astype(np.float16)
            tensors[f"{prefix}fe.linear.{r}.bias"] = (-m / d).astype(np.float32)
            weight = p["weight_d"][f, r, :, :k]
            tensors[f"{prefix}fd.linear.{r}.weight"] = (weight * d[None]).astype(np.float16)
            tensors[f"{prefix}fd.linear.{r}.deviation"] = p["weight_v"][f, r, :, :k].astype(np.float16)
            tensors[f"{prefix}fd.linear.{r}.bias"] = (weight @ m + p["token_d"][f, r]).astype(np.float32)
        tensors[f"prior.{name}.tables"] = net.prior_tables(f).numpy().astype(np.float32)
        index = net.prior_class(f).numpy().astype(np.uint8)
        for r, k in enumerate(net.sizes.ladder):
            index[r, k:] = 0
        for r, c in enumerate(net.covariance(f)):
            tensors[f"prior.{name}.covariance.{r}"] = c.numpy().astype(np.float16)
        tensors[f"prior.{name}.index"] = index.reshape(len(net.sizes.ladder), longest)
    return tensors


def codec_of(sizes: Sizes) -> dict:
    formats = {
        name: {"levels": sizes.levels[f], **({"bound": sizes.bound[f]} if sizes.bound[f] else {})}
        for f, name in enumerate(FORMATS)
    }
    return {
        "patch": PATCH,
        "multiple": 64,
        "latent_channels": sizes.latent,
        "ladder": list(sizes.ladder),
        "mean": [0.5, 0.5, 0.5],
        "entropy": {"floor": DEVIATION_FLOOR},
        "bits_max": BITS_MAX,
        "bits_scale": BITS_SCALE,
        "formats": formats,
    }


def load(path: str) -> Codec:
    """Load a model file as Codec.

    The linear maps then include the features' means and deviations; the priors count as COUNTED bytes.
    """
    try:
        tensors, metadata = safetensors.load(path)
        net = Codec(Sizes(**json.loads(metadata["sizes"])))
        fill(net, tensors)
    except OSError as error:
        raise SystemExit(f"srec-train: {path}: {error.strerror or error}")
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError) as error:
        what = f"without {error}" if isinstance(error, KeyError) else (str(error) or "empty").splitlines()[0]
        raise SystemExit(f"srec-train: {path} is no codec that srec-train exported ({what})")
    return net


def fill(net: Codec, tensors: dict[str, np.ndarray]) -> None:
    """Copy the tensors of a model file to the parameters of a Codec of its sizes.

    Raises KeyError, ValueError or RuntimeError if they do not fit.
    """
    views: dict[str, np.ndarray] = {}
    graphs_of(net, views, np.float32)
    for name, view in views.items():
        view[...] = tensors[name]

    def put(parameter, value):
        parameter.data.copy_(torch.from_numpy(np.array(value, np.float32)))

    n = net.sizes.latent
    put(net.gs.linear, linear_of(tensors["gs.0.weight"], n))
    put(net.deviation, tensors["entropy.scale"] / net.sizes.latent_unit)
    for f, name in enumerate(FORMATS):
        prefix = "" if name == "bits" else name + "."
        put(net.token_e[f], tensors[prefix + "fe.token"])
        put(net.histogram[f], COUNTED * tensors[f"prior.{name}.tables"])
        for r, k in enumerate(net.sizes.ladder):
            mean = -tensors[f"{prefix}fe.linear.{r}.bias"]
            weight = tensors[f"{prefix}fd.linear.{r}.weight"].astype(np.float32)
            put(net.weight_e[f, r, :k], tensors[f"{prefix}fe.linear.{r}.weight"])
            put(net.weight_d[f, r, :, :k], weight)
            put(net.weight_v[f, r, :, :k], tensors[f"{prefix}fd.linear.{r}.deviation"])
            put(net.token_d[f, r], tensors[f"{prefix}fd.linear.{r}.bias"] - weight @ mean)
            put(net.feature_mean[f, r, :k], mean)
            if f"prior.{name}.covariance.{r}" in tensors:
                c = tensors[f"prior.{name}.covariance.{r}"].astype(np.float32)  # subtracts the artificial patches again
                put(
                    net.moment[f, r, :k, :k],
                    (COUNTED_PATCHES + COVARIANCE_START) * c - COVARIANCE_START * np.diag(np.diag(c)),
                )
                net.moment_patches[f, r] = COUNTED_PATCHES
            put(
                net.feature_sigma[f, r, :k],
                2.0
                ** ((tensors[f"prior.{name}.index"].reshape(len(net.sizes.ladder), -1)[r, :k].astype(float) - 16) / 4),
            )


def main(args: argparse.Namespace) -> None:
    state, saved = trainer.load(args.run, "link")
    net = Codec(Sizes(**saved["state"]["sizes"]))
    net.load_state_dict(state)
    net.eval()
    tensors = tensors_of(net)
    graphs = graphs_of(net, tensors)
    run = saved["args"]
    steps = f"{saved['step']} steps of {run['batch']} crops, {saved['hours']:.1f} hours"
    training = args.training or f"profile {run['profile']}, domain {run['domain']}, {steps}"
    card = {}
    if args.card:
        with open(args.card, encoding="utf-8") as f:
            card["card"] = f.read().strip()
    safetensors.save(
        args.model,
        tensors,
        {
            **card,
            "format": "srec-model",
            "format_version": "1",
            "kind": "codec",
            "name": args.name or os.path.splitext(os.path.basename(args.model))[0],
            "profile": run["profile"],
            "sizes": json.dumps(dataclasses.asdict(net.sizes)),
            "training": training,
            "data": args.data,
            "date": args.date,
            "licence": args.licence,
            "graph": json.dumps(graphs, separators=(",", ":")),
            "codec": json.dumps(codec_of(net.sizes), separators=(",", ":")),
        },
    )
    print(
        args.model,
        len(tensors),
        "tensors",
        sum(t.size for t in tensors.values()),
        "values",
        os.path.getsize(args.model),
        "bytes",
    )
