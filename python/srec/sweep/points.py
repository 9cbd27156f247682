# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of an experiment.

A point is a dict of everything that decides its result. A job is a list of points that share the coded image; one
process computes it. The numbers of jobs depend only on the TOML file and the images.
"""
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, Optional

from ..commands import Failure
from ..io.picture_file import SUFFIXES, pictures_of as files_of
from .config import Experiment

EnhancerFor = Callable[[dict, int], Optional[str]]  # (scheme, scale): label of the enhancer, or None

# The random part of a point. All schemes of one (image, modulation, SNR, eta, scale, trial) meet the same keys and
# noise, so their differences are exact.
RANDOM = ("experiment", "picture", "modulation", "snr_db", "eta", "scale", "trial")
WITHOUT_NOISE = ("ideal", "ldpc")  # codes that are not simulated, so one trial suffices


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def point_id(point: dict) -> str:
    """Return 16 hex digits that identify the point: the hash of all its keys."""
    return _hash(point)


def point_seed(point: dict) -> int:
    """Return the seed of channel and keys, 0 .. 2^48 - 1.

    It is the hash of the keys in RANDOM, so no result depends on who computes it, or when.
    """
    return int(_hash([point[k] for k in RANDOM])[:12], 16)


def pictures_of(folder: str) -> list[str]:
    """Return the sorted paths of the images in a folder. Raises Failure if there are none."""
    if not os.path.isdir(folder):
        raise Failure(f"{folder}: no such folder; --images takes a folder of images")
    files = files_of(folder)
    if not files:
        raise Failure(f"{folder}: no images in this folder ({' '.join(SUFFIXES)})")
    return [os.path.abspath(f) for f in files]


def _scheme_points(experiment: Experiment, common: dict, enhancer_for: EnhancerFor) -> Iterator[list[dict]]:
    """Yield the points of each job of the schemes: those with one coded image and one model."""
    for eta, scale, modulation, model in itertools.product(
        experiment.etas, experiment.scales, experiment.modulations, experiment.models
    ):
        schemes = [
            {**{k: v for k, v in scheme.items() if k != "enhancers"}, "enhancer": enhancer_for(scheme, scale)}
            for scheme in experiment.schemes
            if scheme["model"] == model
        ]
        here = dict(common, eta=eta, scale=scale, modulation=modulation)
        yield [
            dict(here, snr_db=snr, trial=trial, **scheme)
            for snr in experiment.snrs
            for trial in range(experiment.trials)
            for scheme in schemes
        ]


def _reference_points(experiment: Experiment, common: dict) -> Iterator[list[dict]]:
    """Yield the points of each job of the references: those with one source codec."""
    for codec in dict.fromkeys(r["codec"] for r in experiment.references):
        yield [
            dict(common, eta=eta, scale=scale, modulation=modulation, snr_db=snr, trial=trial, **reference)
            for reference in experiment.references
            if reference["codec"] == codec
            for eta in experiment.etas
            for scale in experiment.scales
            for modulation in experiment.modulations
            for snr in experiment.snrs
            for trial in range(1 if reference["code"] in WITHOUT_NOISE else experiment.trials)
        ]


def _job(experiment: Experiment, picture: str, points: list[dict]) -> dict:
    models, enhancers = ({p.get(kind) for p in points} for kind in ("model", "enhancer"))
    return dict(
        image=picture,
        crop=list(experiment.crop),
        models={m: f for m, f in experiment.models.items() if m in models},
        enhancers={e: f for e, f in experiment.enhancers.items() if e in enhancers},
        points=points,
    )


def jobs_of(
    experiment: Experiment, pictures: list[str], enhancer_for: EnhancerFor = lambda scheme, scale: None
) -> list[dict]:
    """Return a list of jobs {image, crop, models, enhancers, points}.

    enhancer_for: function (scheme dict, scale) that gives a label or None.
    """
    jobs: list[dict] = []
    for picture in pictures:
        common = dict(
            experiment=experiment.name,
            picture=os.path.basename(picture),
            crop=list(experiment.crop),
            channel=experiment.channel,
            coherence=experiment.coherence,
        )
        groups = [*_scheme_points(experiment, common, enhancer_for), *_reference_points(experiment, common)]
        jobs += [_job(experiment, picture, points) for points in groups if points]
    return jobs
