# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden tensors: inputs and PyTorch's f32 outputs of every network of the shipped model, planes as (height, width,
channels).

    PYTHONPATH=python python3 tests/golden/make_networks.py models/srec-codec-v3.safetensors
    tests/golden/networks.safetensors
"""
import json
import sys

import numpy as np
import torch

from srec_train import safetensors
from srec_train.graph import Runner

SIDES = {"ga": (64, 64), "ha": (4, 8), "hs": (1, 2), "fe": (4, 4), "fd": (4, 4), "gs": (3, 4)}


def main():
    tensors, metadata = safetensors.load(sys.argv[1])
    random = np.random.default_rng(1)
    golden = {}
    for name, graph in json.loads(metadata["graph"]).items():
        height, width = SIDES[name]
        inputs = []
        for i, port in enumerate(graph["inputs"]):
            x = (
                random.normal(0, 0.3 if name == "ga" else 1, (height, width, port["channels"]))
                .astype(np.float16)
                .astype(np.float32)
            )
            golden[f"{name}.in{i}"] = x.astype(np.float16)
            inputs.append(torch.from_numpy(x).permute(2, 0, 1)[None])
        with torch.no_grad():
            (y,) = Runner(graph, tensors)(*inputs)
        golden[f"{name}.out"] = y[0].permute(1, 2, 0).numpy()
    safetensors.save(sys.argv[2], golden, {"made_by": "tests/golden/make_networks.py"})


main()
