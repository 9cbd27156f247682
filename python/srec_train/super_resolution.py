# SPDX-License-Identifier: GPL-3.0-or-later
"""The super-resolution network (SREC eq. 11 to 24) and its model file.

    I_norm = I - mean                                          (11)  here and in the C core outside the graph
    W      = sigmoid(UNet(I_norm))                             (12)  strided convolutions down, pixel shuffles up (four
                                                                     each by default), skips by concat
    I_0    = shuffle(conv(I_norm))                             (13)
    F_0    = conv(conv(I_norm))                                (14)
    F_d    = RDB_d(F_d-1)                                      (15 to 18)  dense 3x3 convolutions with ReLU, 1x1
                                                                     fusion, local residual
    F_GF   = conv(sum over d of the 1x1 convolutions of F_d)   (19)  a 1x1 convolution of their concatenation,
                                                                     summed step by step
    F_A    = F_GF * W                                          (20)
    I_up   = shuffle(conv(F_A))                                (21)
    I_GRL  = I_0 + I_up                                        (22)
    out    = conv(I_GRL) + plain(I_norm) + mean                (23, 24)

Differences from the paper: two additional input planes show how reliable the decoder's features are (deviation). The
image itself bypasses the network (plain: unchanged at scale 1, by cubic interpolation at scale 2). The last convolution
starts at zero, so training starts at "do nothing", and a good image can remain unchanged. Scale 1 runs on the image
unshuffled by 2: the same network at a quarter of the positions.

With the size `proportional`, the correction is multiplied by the deviation (by 1 where the deviation is unknown): (23)
becomes conv(I_GRL) * deviation + plain(I_norm) + mean. The correction vanishes as an image gets better. It needs
scale 1, and suits layers, whose deviation is the measured RMS error of the whole image.
"""
import json
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import safetensors
from .graph import Graph

MEAN = (0.44, 0.43, 0.39)  # of photographs; the exact value does not matter
DEVIATION_PLANES = 2  # mean posterior deviation, or 0 if unknown; 1 where unknown (hard decisions), else 0
SIZES: dict[str, Any] = {  # the default network; all of it is data
    "base": 48,  # channels of the features F
    "growth": 32,  # channels that each dense convolution adds
    "layers": 3,  # dense convolutions of a block
    "blocks": 4,  # residual dense blocks
    "unet": [16, 24, 32, 48, 64],  # channels at 1, 1/2, 1/4, 1/8, 1/16; fewer levels have a smaller halo
    "image": 8,  # channels of I_0 and I_up
    "proportional": 0,  # 1: the correction is multiplied by the deviation
}
TYPICAL_DEVIATION = 1 / 8  # of images in layers: the RMS error is 4 of 255


def cubic_phases() -> np.ndarray:
    """Return weights (12, 3, 5, 5) that double an image by a convolution before a pixel shuffle.

    This is Keys' cubic convolution, a = -1/2. Output samples lie a quarter of an input sample left and right of (above
    and below) each input sample.
    """

    def keys(x):
        x = abs(x)
        return 1.5 * x**3 - 2.5 * x**2 + 1 if x < 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    taps = np.array([[keys(k - 2 - phase) for k in range(5)] for phase in (-0.25, 0.25)])
    w = np.zeros((3, 2, 2, 3, 5, 5), np.float32)
    for c in range(3):
        for dy in range(2):
            for dx in range(2):
                w[c, dy, dx, c] = np.outer(taps[dy], taps[dx])
    return w.reshape(12, 3, 5, 5)


def conv(fin: int, fout: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(fin, fout, kernel, stride, kernel // 2 if kernel % 2 else 0)


class UNet(nn.Module):
    def __init__(self, fin: int, fout: int, widths: list[int]) -> None:
        super().__init__()
        self.stem = conv(fin, widths[0])
        self.down = nn.ModuleList(conv(a, b, 2, 2) for a, b in zip(widths, widths[1:]))
        self.inner = nn.ModuleList(conv(b, b) for b in widths[1:])
        # 1x1 before each shuffle and one 3x3 after each skip: the halo is small, so tiles overlap little
        self.up = nn.ModuleList(conv(b, 4 * a, 1) for a, b in zip(widths, widths[1:]))
        self.fuse = nn.ModuleList(conv(2 * a, a if i else fout) for i, a in enumerate(widths[:-1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = [F.relu(self.stem(x))]
        for down, inner in zip(self.down, self.inner):
            skips.append(F.relu(inner(F.relu(down(skips[-1])))))
        y = skips.pop()
        for i in reversed(range(len(self.up))):
            y = self.fuse[i](torch.cat([F.pixel_shuffle(self.up[i](y), 2), skips.pop()], 1))
            y = F.relu(y) if i else torch.sigmoid(y)
        return y

    def write(self, g: Graph, x: str) -> str:
        skips = [g.conv(x, *pair(self.stem), relu=True)]
        for down, inner in zip(self.down, self.inner):
            t = g.conv(skips[-1], *pair(down), stride=2, pad=0, relu=True)
            skips.append(g.conv(t, *pair(inner), relu=True))
        y = skips.pop()
        for i in reversed(range(len(self.up))):
            y = g.concat(g.shuffle(g.conv(y, *pair(self.up[i])), 2), skips.pop())
            y = g.conv(y, *pair(self.fuse[i]), relu=True) if i else g.sigmoid(g.conv(y, *pair(self.fuse[i])))
        return y


class DenseBlock(nn.Module):
    def __init__(self, base: int, growth: int, layers: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(conv(base + i * growth, growth) for i in range(layers))
        self.fusion = conv(base + layers * growth, base, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for layer in self.dense:
            y = torch.cat([y, F.relu(layer(y))], 1)
        return x + self.fusion(y)

    def write(self, g: Graph, x: str) -> str:
        y = x
        for layer in self.dense:
            y = g.concat(y, g.conv(y, *pair(layer), relu=True))
        return g.conv(y, *pair(self.fusion), add=x)


def pair(layer: nn.Conv2d) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().float().cpu().numpy(), layer.bias.detach().float().cpu().numpy()


class Enhancer(nn.Module):
    """The super-resolution network.

    It maps an image (N, 3, H, W) in 0..1 minus MEAN and deviation planes (N, 2, H, W) to (N, 3, scale H, scale W) in
    0..1 minus MEAN. H and W are multiples of granule.
    """

    def __init__(self, scale: int, **sizes: Any) -> None:
        super().__init__()
        if scale not in (1, 2):
            raise ValueError("scale must be 1 or 2")
        self.scale, self.sizes = scale, {**SIZES, **sizes}
        base, growth, layers, blocks, widths, image = (
            self.sizes[k] for k in ("base", "growth", "layers", "blocks", "unet", "image")
        )
        if not 2 <= len(widths) <= 5:
            raise ValueError("unet: two to five widths, for one to four steps down and up")
        if self.sizes["proportional"] and scale != 1:
            raise ValueError("proportional: the scale must be 1")
        fin = (3 + DEVIATION_PLANES) * (4 if scale == 1 else 1)
        self.granule = 2 ** (len(widths) - 1) * (2 if scale == 1 else 1)
        # keeps the zero padding of the convolution away from the cubic interpolation
        self.margin = 0 if scale == 1 else 2
        self.unet = UNet(fin, base, widths)
        self.initial = conv(fin, 4 * image)
        self.shallow = nn.ModuleList([conv(fin, base), conv(base, base)])
        self.blocks = nn.ModuleList(DenseBlock(base, growth, layers) for _ in range(blocks))
        self.fusion = nn.ModuleList(nn.Conv2d(base, base, 1, bias=i == 0) for i in range(blocks))
        self.global_fusion = conv(base, base)
        self.up = conv(base, 4 * image)
        self.last = conv(image, 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("cubic", torch.from_numpy(cubic_phases()), persistent=False)

    def plain(self, image: torch.Tensor) -> torch.Tensor:
        return image if self.scale == 1 else F.pixel_shuffle(F.conv2d(image, self.cubic.to(image.dtype), padding=2), 2)

    def forward(self, image: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
        x = torch.cat([image, deviation], 1)
        if self.scale == 1:
            x = F.pixel_unshuffle(x, 2)
        f, fused = self.shallow[1](self.shallow[0](x)), 0
        for block, fusion in zip(self.blocks, self.fusion):
            f = block(f)
            fused = fused + fusion(f)
        attended = self.global_fusion(fused) * self.unet(x)
        y = F.pixel_shuffle(self.initial(x), 2) + F.pixel_shuffle(self.up(attended), 2)
        correction = self.last(y)
        if self.sizes["proportional"]:
            correction = correction * deviation.sum(1, keepdim=True)
        return self.plain(image) + correction

    def graph(self, tensors: dict[str, np.ndarray], dtype: type = np.float16) -> dict:
        """Return the graph (docs/model-format.md), and add its weights to tensors, as `dtype`."""
        g = Graph("enhancer", tensors, dtype, image=3, deviation=DEVIATION_PLANES)
        x = g.concat("image", "deviation")
        if self.scale == 1:
            x = g.unshuffle(x, 2)
        f = g.conv(g.conv(x, *pair(self.shallow[0])), *pair(self.shallow[1]))
        fused = ""  # the sum of the fusions so far
        for i, (block, fusion) in enumerate(zip(self.blocks, self.fusion)):
            f = block.write(g, f)
            weight = fusion.weight.detach().float().cpu().numpy()
            fused = g.conv(f, weight, pair(fusion)[1] if i == 0 else None, add=fused or None)
        attended = g.mul(g.conv(fused, *pair(self.global_fusion)), self.unet.write(g, x))
        y = g.add(g.shuffle(g.conv(x, *pair(self.initial)), 2), g.shuffle(g.conv(attended, *pair(self.up)), 2))
        plain = "image" if self.scale == 1 else g.shuffle(g.conv("image", self.cubic.float().cpu().numpy()), 2)
        if self.sizes["proportional"]:
            sums = np.ones((3, DEVIATION_PLANES, 1, 1))
            correction = g.mul(g.conv(y, *pair(self.last)), g.conv("deviation", sums))
            g.output(g.add(correction, plain))
        else:
            g.output(g.conv(y, *pair(self.last), add=plain))
        return g.json()

    def macs_per_pixel(self) -> float:
        """Multiply-accumulates per output pixel."""
        tensors: dict[str, np.ndarray] = {}
        nodes = self.graph(tensors)["nodes"]
        area, total = {"image": 1.0, "deviation": 1.0}, 0.0
        for n in nodes:
            a = area[n["in"][0]]
            if n["op"] == "conv":
                a /= n["stride"] ** 2
                total += a * tensors[n["weight"]].size
            elif n["op"] in ("pixel_shuffle", "pixel_unshuffle"):
                a *= n["factor"] ** 2 if n["op"] == "pixel_shuffle" else 1 / n["factor"] ** 2
            area[n["out"]] = a
        return total / self.scale**2


def start_from(net: Enhancer, path: str) -> None:
    """Copy the weights of a model file to a network of the same scale and sizes. Raises OSError, ValueError.

    A network with `proportional` also starts from a model without it.
    """
    stored, metadata = safetensors.load(path)
    sizes = json.loads(metadata.get("enhancer", "{}")).get("sizes", {})
    own: dict[str, np.ndarray] = {}
    net.graph(own, np.float32)  # arrays that share the memory of the parameters
    becomes_proportional = bool(net.sizes["proportional"] and not sizes.get("proportional"))
    if becomes_proportional:
        own.popitem()  # the last convolution of the graph adds the deviation planes, and has no parameters
    if {name: a.shape for name, a in own.items()} != {name: a.shape for name, a in stored.items()}:
        raise ValueError("a model of another kind, scale or size")
    for name, array in own.items():
        np.copyto(array, stored[name])
    net.cubic.copy_(torch.from_numpy(cubic_phases()))  # model files have it in half precision
    if becomes_proportional:
        with torch.no_grad():
            net.last.weight.div_(TYPICAL_DEVIATION)
            net.last.bias.div_(TYPICAL_DEVIATION)


def save(
    net: Enhancer,
    path: str,
    halo: int | None = None,
    coding: str = "features",
    least_deviation: float = 0.0,
    **card: object,
) -> None:
    """Write the model file.

    halo: overlap of tiles in input samples, a multiple of the granule. None: the exact halo of the layers.
    coding: features or layers: what carried the images that the network was trained on.
    least_deviation: images with less pass unchanged.
    card: metadata (name, training, data, licence, ...), all text.
    """
    tensors: dict[str, np.ndarray] = {}
    graph = {"enhancer": net.graph(tensors)}
    numbers = {"scale": net.scale, "mean": list(MEAN), "margin": net.margin, "sizes": net.sizes, "coding": coding}
    if halo is not None:
        numbers["halo"] = halo
    if least_deviation:
        numbers["least_deviation"] = least_deviation
    metadata = {
        "format": "srec-model",
        "format_version": "1",
        "kind": "enhancer",
        "graph": json.dumps(graph, separators=(",", ":")),
        "enhancer": json.dumps(numbers, separators=(",", ":")),
        **{k: str(v) for k, v in card.items()},
    }
    safetensors.save(path, tensors, metadata)
