# SPDX-License-Identifier: GPL-3.0-or-later
"""The device that computes: its choice, its mixed precision, and batches that are made while it computes.

PyTorch 1.13 and 2.x have all calls of this module without a warning.
"""
import argparse
import collections
import os
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable

import numpy as np
import torch

BF16_FROM = (8, 0)  # compute capability of the first GPUs with bfloat16 (Ampere)
AHEAD = 4  # batches that are made in advance for a GPU


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the networks compute; auto: on a GPU with CUDA if PyTorch finds one",
    )


def check(name: str, processes: int) -> None:
    """Exit with one line if this machine does not have the GPUs that --device and --processes need."""
    if name == "cpu":
        return
    with warnings.catch_warnings():  # of a driver that is too old, for example
        warnings.simplefilter("ignore")
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and not found:
        raise SystemExit(
            f"srec-train: --device cuda: PyTorch {torch.__version__} finds no GPU with CUDA; use --device cpu, or"
            " install NVIDIA's driver and a PyTorch with CUDA"
        )
    if 0 < found < processes:
        raise SystemExit(
            f"srec-train: --processes {processes} needs as many GPUs, and this machine has {found}; use fewer"
            " processes, or --device cpu"
        )


def choose(args: argparse.Namespace) -> torch.device:
    """Return the device of this process. On a machine with several GPUs, LOCAL_RANK selects one."""
    local = int(os.environ.get("LOCAL_RANK", "0"))
    check(args.device, max(args.processes, local + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if args.device == "cpu" or not torch.cuda.is_available():
            return torch.device("cpu")
    torch.cuda.set_device(local)
    torch.backends.cudnn.benchmark = True  # crops have one size
    return torch.device("cuda", local)


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """Context in which layers compute in bfloat16, which needs no scaling of the loss.

    GPUs without bfloat16 compute in float32.
    """
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < BF16_FROM:
        enabled = False
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def on_cpu(value: object) -> object:
    """Copy all tensors in nested dicts and lists to the CPU; those of the CPU stay as they are."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {k: on_cpu(v) for k, v in value.items()}
    return [on_cpu(v) for v in value] if isinstance(value, (list, tuple)) else value


Arrays = tuple[np.ndarray, ...]


class Batches:
    """Batches of a training on its device.

    For a GPU, threads make the batches of the next steps, in pinned memory, so that a copy does not wait.

    make: number -> arrays of the batch with this number. It depends on nothing else. Several threads call it.
    stride: from the number of one step to that of the next, the number of processes.
    """

    def __init__(self, make: Callable[[int], Arrays], device: torch.device, stride: int) -> None:
        self.make, self.device, self.stride = make, device, stride
        self.pool = ThreadPoolExecutor(AHEAD) if device.type == "cuda" else None
        self.coming: collections.OrderedDict[int, Future] = collections.OrderedDict()

    def _tensors(self, number):
        tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in self.make(number)]
        return [t.pin_memory() for t in tensors] if self.pool else tensors

    def __call__(self, number: int) -> list[torch.Tensor]:
        """Return the tensors of a batch, of the arrays' types."""
        if not self.pool:
            return self._tensors(number)
        wanted = [number + i * self.stride for i in range(AHEAD + 1)]
        self.coming = collections.OrderedDict(
            (n, self.coming.get(n) or self.pool.submit(self._tensors, n)) for n in wanted
        )
        return [t.to(self.device, non_blocking=True) for t in self.coming.pop(number).result()]
