# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages (b): the feature coder, trained through the channel.

Bytes, keys, mapping, noise, soft values and posterior means come from the C core, or on a GPU from channel.py.

    --domain latent    only fe and fd, on the latents of whole images; a step is ten times cheaper
    --domain picture   also gs, end to end; the entropy model stays fixed
    --learn-ga         also ga, with constant bits: otherwise the encoder would enlarge its latents, and so the rate,
                       to beat the noise
    --profile paper    NTSCC as trained in the paper: AWGN at 10 dB on features in clear, no bytes

    loss = mean over images of 10 log10(mean squared error): no SNR dominates the others
"""
import argparse
import copy
import dataclasses
import math
import os
import random
import zipfile
from typing import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from . import device, export, pictures, trainer
from .networks import TRANSFORM, Codec, Sizes, Way, psnr
from .transform import validation_pictures

# modulation: odds, lowest SNR in dB, span in dB
ROBUST = {
    "bpsk": (0.10, -2, 14),
    "qpsk": (0.40, 0, 18),
    "16qam": (0.22, 4, 18),
    "64qam": (0.05, 8, 16),
    "pam256": (0.23, 4, 20),
}
ANCHOR = 100.0  # loss in dB for an image whose bits have doubled
# SNR of a feature for which the linear start is optimal, dB: bits, amplitudes.
FEATURE_SNR = {
    "robust": (16.0, 10.0),
    "paper": (10.0, 10.0),
}
LEVELS = {"robust": 16.0, "paper": 40.0}  # of bytes, for bits; hard decisions need the whole range of a byte
ETAS = (0.2, 0.2, 0.2, 0.16, 0.12, 0.08, 0.04)
VALIDATION = {
    "robust": (
        ("qpsk", 4, 0.2),
        ("qpsk", 14, 0.2),
        ("bpsk", 4, 0.2),
        ("16qam", 4, 0.2),
        ("16qam", 14, 0.2),
        ("pam256", 10, 0.2),
        ("qpsk", 10, 0.08),
    ),
    "paper": (("analog", 10, 0.2), ("qpsk", 4, 0.2), ("qpsk", 14, 0.2)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    trainer.add_arguments(parser)
    add = parser.add_argument
    add("--train", required=True, help="folder of images")
    add("--valid", required=True, help="another folder of images, for validation")
    add("--valid-count", type=int, default=6, help="number of validation images, evenly spaced")
    add("--side", type=int, default=192, help="side of a crop in pixels, a multiple of 64")
    add("--start", required=True, help="run folder, checkpoint or model file to start from, of stage transform or link")
    add(
        "--domain",
        choices=("latent", "picture"),
        required=True,
        help="what the loss compares: latents (a quick start), or images, which also trains gs",
    )
    add(
        "--new-coder",
        action="store_true",
        help="take only the transform and the entropy model from --start, as from stage transform",
    )
    add("--learn-ga", action="store_true", help="also train the encoder's transform (--domain picture)")
    add(
        "--profile",
        choices=("robust", "paper"),
        default="robust",
        help="robust: many modulations and SNRs; paper: AWGN at 10 dB on features in clear",
    )
    add(
        "--latent-unit",
        type=float,
        default=10.0,
        help=(
            "quantiser steps of the entropy model; more steps give more bits, so more features at an eta (with a"
            " --start of stage transform)"
        ),
    )
    add(
        "--channel",
        choices=("auto", "core", "torch"),
        default="auto",
        help="what carries the features: the C core, on the CPU, or PyTorch on --device; auto: core on the CPU",
    )
    add("--cache", default="cache", help="folder for decoded images")


def draw(args: argparse.Namespace, step: int, count: int) -> tuple[Way, float]:
    """Draw modulation and SNRs of a step's images, and their eta. They depend only on the seed and the step."""
    rng = random.Random(f"{args.seed} {step}")
    if args.profile == "paper":
        return Way("analog", torch.full((count,), 10.0), step), 0.2
    names = list(ROBUST)
    modulation = rng.choices(names, [ROBUST[n][0] for n in names])[0]
    _, low, span = ROBUST[modulation]
    snr = torch.tensor([low + span * rng.random() for _ in range(count)])
    return Way(modulation, snr, step, "add" if modulation == "pam256" else rng.choice(("add", "xor"))), rng.choice(ETAS)


def lose(latents: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Conceal lost patches like the decoder: by the mean of known neighbours, with double weight across a side."""
    n, c, h, w = latents.shape
    kept = (torch.from_numpy(rng.random((n, 1, h, w))) > 0.1).float().to(latents.device)
    kernel = torch.tensor([[1.0, 2, 1], [2, 0, 2], [1, 2, 1]], device=latents.device)
    weight = F.conv2d(kept, kernel[None, None], padding=1)
    mean = F.conv2d(latents * kept, kernel.expand(c, 1, 3, 3), padding=1, groups=c) / weight.clamp_min(1)
    return latents * kept + mean * (1 - kept)


class Latents:
    """Random windows of the latents, and their bits, of whole images in the memory of the device."""

    def __init__(self, net: Codec, folder: str, where: torch.device) -> None:
        self.all = []
        with torch.no_grad(), device.autocast(where):
            for _, p in pictures.each(pictures.find(folder)):
                x = pictures.tensor(p[: p.shape[0] // 64 * 64, : p.shape[1] // 64 * 64]).to(
                    where, memory_format=torch.channels_last
                )
                if min(x.shape[2:]) >= 256:
                    u = net.ga(x - 0.5)
                    self.all.append((u[0].half(), net.entropy(u, noise=False)[0][0].half()))
        if not self.all:
            raise SystemExit(f"srec-train: no image of {folder} has 256 pixels each way")
        self.odds = [float(u.shape[1] * u.shape[2]) ** 0.5 for u, _ in self.all]

    def __call__(self, rng: random.Random, count: int, side: int) -> Iterator[torch.Tensor]:
        out = []
        for u, by in rng.choices(self.all, self.odds, k=count):
            y, x = (rng.randrange(n - side + 1) for n in u.shape[1:])
            out.append((u[:, y : y + side, x : x + side], by[:, y : y + side, x : x + side]))
        return (torch.stack([v.float() for v in t]).contiguous(memory_format=torch.channels_last) for t in zip(*out))


def validator(net: Codec, valid: list[torch.Tensor], profile: str) -> Callable[[], dict[str, float]]:
    """Return a function that gives the PSNR over `valid` for each row of VALIDATION and the mean number of features."""

    def validate():
        row, links, net.links = {}, net.links, {}  # training continues with its own links
        for modulation, snr, eta in VALIDATION[profile]:
            quality, features = [], []
            for i, x in enumerate(valid):
                with device.autocast(x.device):
                    u = net.ga(x - 0.5)
                    by = net.entropy(u, noise=False)[0]
                    rate = net.rate_map(by, eta)
                    way = Way(modulation, torch.full((1,), float(snr)), 77 + i, hard=profile == "paper")
                    y = net.gs(net.link(u, by, rate, way)) + 0.5
                quality.append(psnr(y, x))
                features.append(net.ladder[rate].float().mean().item())
            row[f"{modulation}@{snr}/{eta}"] = sum(quality) / len(valid)
            row["features"] = max(row.get("features", 0), sum(features) / len(valid))
        net.links = links
        return row

    return validate


@torch.no_grad()
def start_linear(net: Codec, batch: Callable, args: argparse.Namespace) -> None:
    """Divide the power among the latents, then measure mean and variance of the features of each format.

    batch: function step -> (image or None, latents, bits).
    """
    sizes, where = net.sizes, net.deviation.device
    with device.autocast(where):
        power, patches = (torch.zeros(len(sizes.ladder), n, device=where) for n in (sizes.latent, 1))
        for i in range(80):
            _, u, by = batch(i)
            steps = net.rate_map(by, ETAS[i % len(ETAS)]).reshape(-1)
            square = (
                (u.float() * net.deviation.reshape(1, -1, 1, 1)).square().permute(0, 2, 3, 1).reshape(-1, sizes.latent)
            )
            power.index_add_(0, steps, square)
            patches.index_add_(0, steps, torch.ones(len(steps), 1, device=where))
        common = power.sum(0) / patches.sum()
        power = (power + 10 * common) / (patches + 10)  # for steps with few patches
        for f, snr_db in enumerate(FEATURE_SNR[args.profile]):
            net.spread_features(f, power, snr_db)
        net.measure = True
        for i in range(80):
            _, u, by = batch(i)
            way = Way("pam256" if i % 2 and args.profile == "robust" else "analog", torch.full((args.batch,), 30.0), i)
            net.link(u, by, net.rate_map(by, ETAS[i // 2 % len(ETAS)]), way)
        net.measure = False


def start_of(path: str) -> tuple[dict, Sizes, bool]:
    """Read --start. Return state dict, sizes, and whether it is of stage transform."""
    if os.path.isfile(path) and not zipfile.is_zipfile(path):  # PyTorch's checkpoints are zip files
        net = export.load(path)
        return net.state_dict(), net.sizes, False
    state, saved = trainer.load(path, "transform", "link")
    return state, Sizes(**saved["state"]["sizes"]), saved["state"]["stage"] == "transform"


class Stage:
    """One run of this stage: its network, its source of batches, its loss."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.latent, self.where = args, args.domain == "latent", trainer.start(args)
        if args.learn_ga and self.latent:
            raise SystemExit("srec-train: --learn-ga needs --domain picture: ga sees images")
        state, sizes, transform = start_of(args.start)
        self.fresh = transform or args.new_coder  # the feature coder starts from its linear start
        if transform:
            sizes.latent_unit = args.latent_unit
        if self.fresh:
            sizes.levels = (LEVELS[args.profile], sizes.levels[1])
        self.sizes, self.net = sizes, Codec(sizes)
        kept = {
            k: v for k, v in state.items() if not self.fresh or k.startswith(TRANSFORM) or k == "deviation"
        }  # everything, or only the transform and the entropy model
        self.net.load_state_dict(kept, strict=not self.fresh)
        self.net = self.net.to(self.where, memory_format=torch.channels_last)
        self.net.core_channel = args.channel == "core" or (args.channel == "auto" and self.where.type == "cpu")
        self.valid = validation_pictures(args.valid, args.valid_count, self.where)
        self.fixed = copy.deepcopy(self.net.ga).requires_grad_(False) if args.learn_ga else None
        for name, p in self.net.named_parameters():
            if name.startswith(TRANSFORM) and not name.startswith(("ga.", "gs.") if args.learn_ga else "gs."):
                p.requires_grad_(False)
        self.source: Callable
        if self.latent:
            self.source = Latents(self.net, args.train, self.where)
        else:
            crops = pictures.Crops(args.train, args.side, args.cache, args.seed)
            self.source = device.Batches(lambda n: (crops(n, args.batch),), self.where, trainer.world_size())

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return latents and their bits."""
        with torch.set_grad_enabled(self.args.learn_ga and torch.is_grad_enabled()):
            u = self.net.ga(x - 0.5)
        with torch.no_grad():
            by = self.net.entropy(u, noise=False)[0]
        return u, by

    def bits(self, u: torch.Tensor) -> torch.Tensor:
        """Return the bits of each image's latents, (N,), differentiable."""
        return self.net.entropy(u, noise=True)[0].sum((1, 2, 3))

    def batch(self, step: int) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """Return (image or None, latents, bits)."""
        args = self.args
        if self.latent:
            u, by = self.source(random.Random(f"latents {args.seed} {step}"), args.batch, args.side // 16)
            return None, u, by
        x = pictures.tensor(*self.source(step))
        with device.autocast(self.where):
            return x, *self.encode(x)

    def loss_of(self, step: int, workers: trainer.Workers) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of a step, and the PSNR for its modulation."""
        args, net = self.args, self.net
        number = step * workers.count + workers.rank
        x, u, by = self.batch(1000 + number)
        way, eta = draw(args, number, args.batch)
        with device.autocast(self.where):
            received = net.link(u, by, net.rate_map(by, eta), way, fresh=step % 50 == 0)
            if args.profile == "robust" and step % 10 == 9:
                received = lose(received, np.random.default_rng(number))
            y = net.gs(received) + 0.5 if not self.latent else None
        if self.latent:  # the KLT is orthonormal, so the error in latents is nearly that in pixels
            mse = ((received - u) ** 2 * net.deviation.reshape(1, -1, 1, 1) ** 2).sum(1).mean((1, 2)) / 768
        else:
            mse = ((y - x) ** 2).mean((1, 2, 3))
        loss = quality = 10 * torch.log10(mse + 1e-7).mean()
        if self.fixed:
            loss = quality + ANCHOR * self.change_of_bits(self.fixed, x, u)
        return loss, {
            "psnr_" + name: -quality if name == way.modulation else math.nan
            for name in (ROBUST if args.profile == "robust" else ("analog",))
        }

    def change_of_bits(self, fixed: torch.nn.Module, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """Return the mean square of the relative change of an image's bits, against the transform `fixed`."""
        with device.autocast(self.where):
            with torch.no_grad():
                had = self.bits(fixed(x - 0.5))
            return (self.bits(u) / had - 1).square().mean()

    def groups(self) -> list[dict]:
        """Return the parameters to learn, with factors for their learning rates."""
        net = self.net
        ids = {id(p) for n, p in net.named_parameters() if n.startswith(("ga.", "gs."))}
        groups: list[dict] = [{"params": [p for p in net.parameters() if p.requires_grad and id(p) not in ids]}]
        if not self.latent:
            groups.append({"params": list(net.gs.parameters()), "factor": 0.5})
        if self.args.learn_ga:
            groups.append({"params": list(net.ga.parameters()), "factor": 0.5})
        return groups

    def state(self) -> dict:
        """Return what a continued run must share."""
        args = self.args
        sizes = dataclasses.asdict(self.sizes)
        return {"stage": "link", "domain": args.domain, "profile": args.profile, "sizes": sizes, "start": args.start}


def main(args: argparse.Namespace) -> None:
    stage = Stage(args)
    if stage.fresh:
        start_linear(stage.net, stage.batch, args)
    validate = validator(stage.net, stage.valid, args.profile)
    trainer.run(args, stage.net, stage.groups(), stage.loss_of, validate, stage.state())
