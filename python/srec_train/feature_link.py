# SPDX-License-Identifier: GPL-3.0-or-later
"""Features over a link: cipher, mapping, noise, soft values and descrambler of the C core (srec_core)."""
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch

from . import channel

if TYPE_CHECKING:
    from .networks import Way

try:
    import srec_core
except ImportError as error:
    raise SystemExit(f"srec-train: {error}; install gr-srec, or add the folder of srec_core to PYTHONPATH")

FORMATS = ("bits", "amplitude")  # formats of features; pam256 sends amplitudes

_pool = ThreadPoolExecutor(os.cpu_count())


def link(modulation: str, snr_db: float, seed: int, cipher: str = "add", hard: bool = False) -> srec_core.Link:
    """Return a link over AWGN whose noise, session and key depend only on the seed. snr_db: Es/N0."""
    return srec_core.Link(modulation, snr_db, np.random.default_rng(seed).bytes(32), seed, cipher, hard)


def send_batch(priors: srec_core.Priors, features: channel.Features, way: "Way") -> tuple[torch.Tensor, torch.Tensor]:
    """Send the features of a batch in the C core, each image in a thread. Return mean and deviation of each, (M,)."""
    where, image = features.byte.device, features.image.cpu()
    patch_image, patch_step, at = [], [], 0
    for step, k, patches in features.groups:
        patch_image.append(image[at : at + patches * k : k])
        patch_step.append(torch.full((patches,), step, dtype=torch.uint8))
        at += patches * k
    of_patches, steps = torch.cat(patch_image), torch.cat(patch_step)
    byte, table = features.byte.cpu(), features.table.to("cpu", torch.uint8)
    rows, jobs = [], []
    for i, snr_db in enumerate(way.snr_db.tolist()):
        mine = torch.nonzero(image == i)[:, 0]
        seed = (way.seed * 1000 + i) & 0x7FFFFFFFFFFF
        rows.append(mine)
        arrays = (t.numpy() for t in (byte[mine], table[mine], steps[of_patches == i]))
        jobs.append((*arrays, link(way.modulation, snr_db, seed, way.cipher, way.hard)))
    mean, deviation = torch.empty(len(byte)), torch.empty(len(byte))
    for mine, received in zip(rows, _pool.map(lambda job: srec_core.send_features(priors, *job), jobs)):
        mean[mine], deviation[mine] = (torch.from_numpy(values) for values in received)
    return mean.to(where), deviation.to(where)
