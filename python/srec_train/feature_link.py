# SPDX-License-Identifier: GPL-3.0-or-later
"""Features over a link: cipher, mapping, noise, soft values and descrambler of the C core (srec_core)."""
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Iterable

import numpy as np

try:
    import srec_core
except ImportError as error:
    raise SystemExit(f"srec-train: {error}; install gr-srec, or add the folder of srec_core to PYTHONPATH")

FORMATS = ("bits", "amplitude")  # formats of features; pam256 sends amplitudes

_pool = ThreadPoolExecutor(os.cpu_count())


def link(modulation: str, snr_db: float, seed: int, cipher: str = "add", hard: bool = False) -> srec_core.Link:
    """Return a link over AWGN whose noise, session and key depend only on the seed. snr_db: Es/N0."""
    return srec_core.Link(modulation, snr_db, np.random.default_rng(seed).bytes(32), seed, cipher, hard)


def send_all(priors: srec_core.Priors, jobs: Iterable[tuple]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Send several groups of features in threads. Return mean and deviation of each group, in order.

    jobs: (features, prior tables, rate map, link), as srec_core.send_features takes them.
    """
    return list(_pool.map(lambda job: srec_core.send_features(priors, *job), jobs))
