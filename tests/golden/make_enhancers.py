# SPDX-License-Identifier: GPL-3.0-or-later
"""Two tiny enhancers of random weights, for tests, and PyTorch's f32 outputs of them, planes as (height, width,
channels).

    PYTHONPATH=python python3 tests/golden/make_enhancers.py tests/golden
"""
import os
import sys

import numpy as np
import torch

from srec_train import safetensors
from srec_train.super_resolution import Enhancer, save

TINY = {"base": 6, "growth": 4, "layers": 2, "blocks": 2, "unet": [4, 4, 4, 4, 4], "image": 2}


def main(folder):
    random, golden = np.random.default_rng(1), {}
    for scale in (1, 2):
        torch.manual_seed(scale)
        net = Enhancer(scale, **TINY)
        torch.nn.init.normal_(net.last.weight, std=0.05)
        net.half().float()  # the file holds half precision
        for layer in net.modules():
            if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
                torch.nn.init.normal_(layer.bias, std=0.02)
        save(
            net,
            os.path.join(folder, f"enhancer-x{scale}.safetensors"),
            name=f"tiny enhancer x{scale}",
            licence="GPL-3.0-or-later",
            training="none: random weights, for tests",
        )
        height, width = 64 // scale, 64
        image = random.normal(0, 0.25, (height, width, 3)).astype(np.float16)
        deviation = random.uniform(0, 1, (height, width, 2)).astype(np.float16)
        planes = [torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1)[None] for p in (image, deviation)]
        with torch.no_grad():
            out = net(*planes)
        print(
            f"scale {scale}: {net.macs_per_pixel():.0f} MAC per pixel; changes the image by"
            f" {(out - net.plain(planes[0])).std():.3f}"
        )
        golden.update(
            {f"x{scale}.in0": image, f"x{scale}.in1": deviation, f"x{scale}.out": out[0].permute(1, 2, 0).numpy()}
        )
    safetensors.save(
        os.path.join(folder, "enhancers.safetensors"), golden, {"made_by": "tests/golden/make_enhancers.py"}
    )


main(sys.argv[1])
