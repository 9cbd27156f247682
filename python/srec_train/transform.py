# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage (a): transform and entropy model, trained for rate and distortion, starting from the KLT of training patches.

    loss = bits per pixel + lambda * 255^2 * mean squared error

Half of each batch is decoded from quantised latents, as in a digital codec. The other half is decoded from only the
first latents of each patch, as many as its rate map gives. So the latents learn the order in which a link takes them.
"""
import argparse
import dataclasses
import random

import torch

from . import device, pictures, trainer
from .networks import TRANSFORM, Codec, Sizes, psnr

ETAS = (0.2, 0.2, 0.12, 0.06)  # of the half that is decoded from its first latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    trainer.add_arguments(parser)
    parser.add_argument("--train", required=True, help="folder of images")
    parser.add_argument("--valid", required=True, help="another folder of images, for validation")
    parser.add_argument("--valid-count", type=int, default=8, help="number of validation images, evenly spaced")
    parser.add_argument("--side", type=int, default=192, help="side of a crop in pixels, a multiple of 64")
    parser.add_argument(
        "--lambda", dest="weight", type=float, default=0.03, help="weight of the distortion; more gives more bits"
    )
    parser.add_argument("--cache", default="cache", help="folder for decoded images")


def validation_pictures(folder: str, count: int, where: torch.device) -> list[torch.Tensor]:
    """Return evenly spaced images of a folder on a device, cropped to multiples of 64: [(1, 3, H, W)]."""
    paths = pictures.find(folder)
    paths = paths[:: max(1, len(paths) // count)][:count]
    out = []
    for path, p in pictures.each(paths):
        if min(p.shape[:2]) < 64:
            pictures.warn(f"{path}: less than 64 pixels wide or high")
            continue
        out.append(
            pictures.tensor(p[: p.shape[0] // 64 * 64, : p.shape[1] // 64 * 64]).to(
                where, memory_format=torch.channels_last
            )
        )
    if not out:
        raise SystemExit(f"srec-train: no image of {folder} has 64 pixels each way")
    return out


def main(args: argparse.Namespace) -> None:
    where = trainer.start(args)
    crops = pictures.Crops(args.train, args.side, args.cache, args.seed)
    net = Codec(Sizes())
    patches = (
        torch.nn.functional.unfold(pictures.tensor(crops(0, 240)) - 0.5, 16, stride=16)
        .transpose(1, 2)
        .reshape(-1, 3, 16, 16)
    )
    net.start_at_klt(patches)
    net = net.to(where, memory_format=torch.channels_last)
    valid = validation_pictures(args.valid, args.valid_count, where)
    batches = device.Batches(lambda number: (crops(number, args.batch),), where, trainer.world_size())

    def loss_of(step, workers):
        x = pictures.tensor(*batches(1 + step * workers.count + workers.rank))
        with device.autocast(where):
            y, by, bz = net.transform(x, noise=True, eta=random.Random(f"{args.seed} {step}").choice(ETAS))
        error = (y - x) ** 2
        mse = error.mean()
        bpp = (by.sum() + bz.sum()) / (x.shape[0] * x.shape[2] * x.shape[3])
        return bpp + args.weight * 65025 * mse, {
            "bpp": bpp,
            "psnr": -10 * torch.log10(error[: len(x) // 2].mean()),
            "psnr_kept": -10 * torch.log10(error[len(x) // 2 :].mean()),
        }

    def validate():
        quality, kept, rate = [], [], []
        for x in valid:
            with device.autocast(where):
                y, by, bz = net.transform(torch.cat([x, x]), noise=False, eta=0.2)
            quality.append(psnr(y[:1], x))
            kept.append(psnr(y[1:], x))
            rate.append((by.sum() + bz.sum()).item() / (2 * x.shape[2] * x.shape[3]))
        return {"psnr": sum(quality) / len(valid), "psnr_kept": sum(kept) / len(valid), "bpp": sum(rate) / len(valid)}

    learn = [p for n, p in net.named_parameters() if n.startswith(TRANSFORM)]
    trainer.run(
        args,
        net,
        [{"params": learn}],
        loss_of,
        validate,
        {"stage": "transform", "sizes": dataclasses.asdict(net.sizes)},
    )
