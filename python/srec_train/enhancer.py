# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage (c): the super-resolution network, from pairs of received and original images (srec-train pairs).

    --loss log          mean over crops of 10 log10(mean squared error)
    --loss image        mean over crops of 4.34 times the mean squared error / that of the whole image as received
    --loss charbonnier  mean of sqrt(error^2 + 0.001^2)

The gain of an image in dB follows from its total squared error, in which textured areas count most. "image" trains for
this: its derivative is that of the negative gain in dB of the whole image, at a gain of 0. "log" counts the gain of
each crop alike.

--export writes the model file of a run instead of training. It tries overlaps, and writes the smallest overlap of tiles
that the weights need.
"""
import argparse
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

from . import device, trainer
from .layer_pairs import GRID, Layers
from .pairs import Pairs
from .super_resolution import MEAN, SIZES, Enhancer, save, start_from

MEANINGS = {
    "base": "channels of the features",
    "growth": "channels that each dense convolution adds",
    "layers": "dense convolutions of a block",
    "blocks": "residual dense blocks",
    "image": "channels of the two images that are added",
    "proportional": "1 multiplies the correction by the deviation (scale 1; for layers), 0 does not",
}
LEAST_ERROR = 1e-6  # mean squared error of pixels in 0..1; better images count as if they had this error
SEAM_DB = 70.0  # minimum PSNR between the result of a tile and that of the whole image for a sufficient halo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    trainer.add_arguments(parser)
    add = parser.add_argument
    add("--train", required=True, help="folder of pairs; their scale is the scale of the network")
    add("--valid", required=True, help="another folder of pairs, made with --grid")
    add("--valid-count", type=int, default=60, help="number of validation pairs, evenly spaced")
    add("--side", type=int, default=128, help="side of a crop in pixels of the result, a multiple of 32")
    add(
        "--loss",
        choices=("log", "image", "charbonnier"),
        default="log",
        help="loss; docs/enhancer.md describes the choices",
    )
    for name, meaning in MEANINGS.items():
        add(f"--{name}", type=int, default=SIZES[name], help=f"size of the network: {meaning}")
    add(
        "--unet",
        type=int,
        nargs="+",
        default=SIZES["unet"],
        help="channels of the attention UNet, finest level first, for two to five levels",
    )
    add("--start", default="", metavar="FILE", help="model file whose weights a new run starts from")
    add("--export", default="", metavar="FILE", help="write the model file of the run in --out, and end")
    add(
        "--least-deviation",
        type=float,
        default=0.0,
        help="with --export: images with a smaller deviation (of layers: RMS error / 32) pass unchanged",
    )
    add("--name", default="srec-enhancer", help="name of the model, for its card")
    add("--data", default="", help="training data and their licence, for the card")


def planes(picture: np.ndarray, deviation: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Convert images and deviation planes to the inputs of the network, channels last.

    image: (N, h, w, 3) u8.
    deviation: (N, h, w, 2) f32.
    """
    x, d = torch.from_numpy(np.array(picture)), torch.from_numpy(deviation)
    return normal(x), d.permute(0, 3, 1, 2)


def normal(picture: torch.Tensor) -> torch.Tensor:
    """Convert (N, h, w, 3) u8 to (N, 3, h, w) in 0..1 minus MEAN, channels last, on its device."""
    return picture.permute(0, 3, 1, 2).float().div_(255.0) - mean_of(picture.device)


def mean_of(where: torch.device) -> torch.Tensor:
    return torch.tensor(MEAN, device=where).reshape(1, 3, 1, 1)


class Crops:
    """Random crops of random pairs, half of them mirrored and a quarter transposed.

    The random choices depend only on seed and step. Threads may call it.
    """

    def __init__(self, pairs: Pairs, side: int, seed: int, errors: bool = True) -> None:
        """errors: return the errors of the whole images, which are measured once. Otherwise they are 0."""
        self.with_errors = errors
        self.pairs, self.side, self.scale, self.seed = pairs, side, pairs.what["scale"], seed
        self.fit = [i for i, row in enumerate(pairs.rows) if min(row["height"], row["width"]) >= side]
        if not self.fit:
            raise SystemExit(f"srec-train: no pair has {side} pixels each way")
        self.plain = Enhancer(self.scale).plain
        self.errors: dict[int, float] = {}

    def error(self, i: int) -> float:
        """Return the mean squared error (pixels in 0..1) of the whole image of pair i before the network."""
        if i not in self.errors:
            original, received = (normal(torch.from_numpy(p[None].copy())) for p in self.pairs.planes(i)[:2])
            self.errors[i] = max(((self.plain(received) - original) ** 2).mean().item(), LEAST_ERROR)
        return self.errors[i]

    def __call__(self, step: int, count: int) -> tuple[np.ndarray, ...]:
        """Return crops for a step.

        They are original (N, side, side, 3) u8, received (N, side / scale, ...) u8, deviation planes (N, side / scale,
        side / scale, 2) f32, and the errors of their whole images (N) f32.
        """
        random, scale, small = np.random.default_rng((self.seed, step)), self.scale, self.side // self.scale
        out = []
        chosen = random.choice(self.fit, count)
        for i in chosen:
            original, received, d = self.pairs.planes(i)
            y, x = (
                int(random.integers(n - small + 1)) for n in (original.shape[0] // scale, original.shape[1] // scale)
            )
            part = [
                original[scale * y : scale * (y + small), scale * x : scale * (x + small)],
                received[y : y + small, x : x + small],
                d[np.arange(y, y + small)[:, None] // 16, np.arange(x, x + small) // 16],
            ]
            if random.random() < 0.5:
                part = [p[:, ::-1] for p in part]
            if random.random() < 0.25:
                part = [p.transpose(1, 0, 2) for p in part]
            out.append(part)
        errors = np.array([self.error(i) if self.with_errors else 0 for i in chosen], np.float32)
        return (*(np.stack([np.ascontiguousarray(p) for p in group]) for group in zip(*out)), errors)


def whole(net: Enhancer, received: np.ndarray, d: np.ndarray, fast: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a whole image as the C core does: widened by edge replication, then cropped.

    fast: compute in bfloat16.
    Returns enhanced and plain image, each (1, 3, H, W) in 0..1.
    """
    h, w = received.shape[:2]
    d = d[np.arange(h)[:, None] // 16, np.arange(w) // 16]
    m, g = net.margin, net.granule
    pad = (m, -(w + 2 * m) % g + m, m, -(h + 2 * m) % g + m)
    where = net.cubic.device
    image, deviation = (F.pad(p.to(where), pad, mode="replicate") for p in planes(received[None], d[None]))
    with device.autocast(where, fast):
        y = net(image, deviation)
    s, mean = net.scale, mean_of(where)

    def crop(p: torch.Tensor) -> torch.Tensor:
        return (p[:, :, s * m : s * (m + h), s * m : s * (m + w)].float() + mean).clamp(0, 1)

    return crop(y), crop(net.plain(image))


def psnr(a: torch.Tensor, original: np.ndarray) -> float:
    b = torch.from_numpy(np.array(original)).to(a.device).permute(2, 0, 1)[None].float() / 255
    return -10 * math.log10(max(((a - b) ** 2).mean().item(), 1e-10))


def point_of(row: dict) -> str:
    """Return the point of a validation grid: modulation and SNR, or bits per pixel."""
    if row["layers"]:
        return f"layers_{min(GRID, key=lambda rate: abs(rate - row['bits_per_pixel'])):g}"
    return f"{row['modulation']}_{row['snr_db']:g}"


def validation(net: Enhancer, pairs: Pairs, count: int) -> dict[str, float]:
    """Return mean PSNR before and after, mean gain at each point of the grid, and the worst gain of any pair."""
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int))
    before, after, worst = [], [], math.inf
    gains: dict[str, list[float]] = {}
    for i in chosen:
        original, received, d = pairs.planes(i)
        enhanced, plain = whole(net, received, d)
        before.append(psnr(plain, original))
        after.append(psnr(enhanced, original))
        row = pairs.rows[i]
        gains.setdefault(point_of(row), []).append(after[-1] - before[-1])
        worst = min(worst, after[-1] - before[-1])
    return {
        "before": float(np.mean(before)),
        "after": float(np.mean(after)),
        "gain": float(np.mean(after) - np.mean(before)),
        "worst": worst,
        **{k: float(np.mean(v)) for k, v in sorted(gains.items())},
    }


@torch.no_grad()
def find_halo(net: Enhancer, pairs: Pairs, count: int = 3) -> tuple[int | None, dict[int, float]]:
    """Find the smallest halo, in input samples, with which windows give the result of whole images to within SEAM_DB.

    Returns (halo, {halo: worst PSNR in dB}). halo is None if only the exact halo of the layers suffices.
    """
    net, g, s = net.float(), net.granule, net.scale
    part, reach = 64 // s, 128 // s  # the layers of the default network reach 128 pixels of the result
    table = {halo: math.inf for halo in range(0, reach, g)}
    for i in range(0, len(pairs), max(1, len(pairs) // count)):
        _, received, d = pairs.planes(i)
        h, w = (min(n // g * g, part + 2 * reach) for n in received.shape[:2])
        image, deviation = planes(
            np.array(received[None, :h, :w]), d[np.arange(h)[:, None] // 16, np.arange(w) // 16][None]
        )
        whole_picture = net(image, deviation)
        y, x = ((n - part) // 2 // g * g for n in (h, w))
        for halo in table:
            top, left = max(0, y - halo), max(0, x - halo)
            window = net(
                image[:, :, top : y + part + halo, left : x + part + halo],
                deviation[:, :, top : y + part + halo, left : x + part + halo],
            )
            inner = window[:, :, s * (y - top) : s * (y - top + part), s * (x - left) : s * (x - left + part)]
            error = inner - whole_picture[:, :, s * y : s * (y + part), s * x : s * (x + part)]
            # over small areas, so that a seam is not averaged out
            worst = F.avg_pool2d(error**2, 8 * s, 2 * s).max().item()
            table[halo] = min(table[halo], -10 * math.log10(max(worst, 1e-12)))
    table = {halo: round(worst, 1) for halo, worst in table.items()}
    return next((halo for halo, worst in table.items() if worst >= SEAM_DB), None), table


def export(args: argparse.Namespace, net: Enhancer) -> None:
    state, saved = trainer.load(args.out, "enhancer")
    trainer.check_same_run(args, saved["state"], state_of(net, args))
    net.load_state_dict(state)
    net.eval()
    pairs = Pairs(args.valid)
    with torch.no_grad():
        row = validation(net, pairs, args.valid_count)
    halo, table = find_halo(net.cpu(), pairs)
    print("halo", halo, table)
    save(
        net,
        args.export,
        halo,
        "layers" if pairs.what["model"] == Layers.id else "features",
        args.least_deviation,
        name=args.name,
        licence="GPL-3.0-or-later",
        data=args.data,
        codec=pairs.what["model"],
        training=(
            f"srec-train enhancer: {saved['step']} steps in {saved['hours']:.1f} h, batch {saved['args']['batch']}, "
            f"crops of {saved['args']['side']}, loss {saved['args']['loss']}, "
            f"optimiser {saved['args'].get('optimiser', 'adam')}"
        ),
        validation=" ".join(f"{k} {v:.2f}" for k, v in row.items()),
        cost=f"{net.macs_per_pixel() / 1e3:.1f} kMAC per pixel",
        seams=f"halo: PSNR of tiles against the whole, dB: {table}",
        limits="images unlike those of the training data may lose",
    )
    print(args.export, os.path.getsize(args.export), "bytes")


def state_of(net: Enhancer, args: argparse.Namespace) -> dict:
    return {"stage": "enhancer", "scale": net.scale, "sizes": {k: getattr(args, k) for k in SIZES}}


def network_of(args: argparse.Namespace, scale: int) -> Enhancer:
    """Return the network of the options, with the weights of --start."""
    net = Enhancer(scale, **{k: getattr(args, k) for k in SIZES})
    if args.start:
        try:
            start_from(net, args.start)
        except ValueError as error:
            raise SystemExit(f"srec-train: --start {args.start}: {error}; a model of these sizes is needed") from None
    return net


def loss_over(kind: str, error: torch.Tensor, mse: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Return the loss of a batch.

    kind: of --loss.
    error: squared error of each sample, (N, 3, H, W).
    mse: its mean over each crop, (N).
    before: mean squared error of the whole image of each crop before the network, (N).
    """
    if kind == "image":
        return 10 / math.log(10) * (mse / before).mean()
    return 10 * torch.log10(mse + 1e-6).mean() if kind == "log" else torch.sqrt(error + 1e-6).mean()


def main(args: argparse.Namespace) -> None:
    where = device.choose(args) if args.export else trainer.start(args)
    pairs, valid = Pairs(args.train), Pairs(args.valid)
    if pairs.what["scale"] != valid.what["scale"]:
        raise SystemExit("srec-train: the pairs for training and for validation are of different scales")
    if args.side % 32:
        raise SystemExit("srec-train: --side must be a multiple of 32")
    net = network_of(args, pairs.what["scale"]).to(where, memory_format=torch.channels_last)
    count = sum(p.numel() for p in net.parameters())
    print(
        (
            f"scale {net.scale}, {net.macs_per_pixel() / 1e3:.1f} kMAC per pixel, {count / 1e6:.2f} million parameters,"
            f" {len(pairs)} pairs"
        ),
        flush=True,
    )
    if args.export:
        export(args, net)
        return
    crops = Crops(pairs, args.side, args.seed, args.loss == "image")
    batches = device.Batches(lambda number: crops(number, args.batch), where, trainer.world_size())

    def loss_of(step, workers):
        original, received, d, before = batches(1 + step * workers.count + workers.rank)
        image, deviation = (
            p.contiguous(memory_format=torch.channels_last) for p in (normal(received), d.permute(0, 3, 1, 2))
        )
        target = normal(original)
        with device.autocast(where):
            y = net(image, deviation)
        error = (y.float() - target) ** 2
        mse = error.mean((1, 2, 3))
        with torch.no_grad():
            plain = ((net.plain(image) - target) ** 2).mean((1, 2, 3))
            gain = 10 * torch.log10((plain + 1e-7) / (mse + 1e-7))
        return loss_over(args.loss, error, mse, before), {"gain": gain.mean(), "worst": gain.min()}

    trainer.run(
        args,
        net,
        [{"params": list(net.parameters())}],
        loss_of,
        lambda: validation(net, valid, args.valid_count),
        state_of(net, args),
    )
