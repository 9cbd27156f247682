# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the mean of the weights of several models of one network, such as those of successive runs from one start.

It is often better than each of them, because it removes the noise of the last steps.
"""
import argparse
import os
import sys

import numpy as np

from . import safetensors

OF_WEIGHTS = ("checksum", "name", "training", "validation", "seams")  # metadata that may differ between the models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", help="model file to write")
    add("models", nargs="+", help="model files of one network, at least two")
    add("--name", default="", help="name of the weights; without it that of the first model")


def _load(path: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        return safetensors.load(path)
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"srec-train: {path} is no model file: {error}")


def average(loaded: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the mean of each tensor, in its type. Tensors of bytes must be equal. Raises ValueError."""
    first, means = loaded[0], {}
    if any(other.keys() != first.keys() for other in loaded):
        raise ValueError("the models have tensors of different names")
    for name, tensor in first.items():
        if any(other[name].shape != tensor.shape for other in loaded):
            raise ValueError(f"the models have different tensors {name}")
        if tensor.dtype == np.uint8 and any((other[name] != tensor).any() for other in loaded):
            raise ValueError(f"the models have different bytes in {name}")
        means[name] = np.mean([other[name].astype(np.float64) for other in loaded], axis=0).astype(tensor.dtype)
    return means


def main(args: argparse.Namespace) -> None:
    if len(args.models) < 2:
        sys.exit("srec-train: a mean needs at least two models")
    if os.path.exists(args.model):
        if any(os.path.exists(path) and os.path.samefile(args.model, path) for path in args.models):
            sys.exit(f"srec-train: {args.model} is one of the models; write the mean to another file")
        _load(args.model)  # no other file is replaced
    loaded = [_load(path) for path in args.models]
    metadata = loaded[0][1]
    for path, (_, other) in zip(args.models, loaded):
        keys = sorted((metadata.keys() | other.keys()) - set(OF_WEIGHTS))
        differing = [key for key in keys if metadata.get(key) != other.get(key)]
        if differing:
            sys.exit(f"srec-train: {path} and {args.models[0]} differ in {', '.join(differing)}")
    try:
        means = average([tensors for tensors, _ in loaded])
    except ValueError as error:
        sys.exit(f"srec-train: {error}")
    known = {key: value for key, value in metadata.items() if key not in ("checksum", "validation", "seams")}
    trainings = [other.get("training", "not known") for _, other in loaded]
    known |= {
        "name": args.name or metadata.get("name", ""),
        "training": "mean of the weights of: " + "; ".join(trainings),
    }
    safetensors.save(args.model, means, known)
