# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of an experiment.

A point is a dict of everything that decides its result. A job is a list of points that share the coded image; one
process computes it. The numbers of jobs depend only on the TOML file and the images.
"""
import hashlib
import json
import os

from ..commands import Failure
from ..io.picture_file import SUFFIXES, pictures_of as files_of

# The random part of a point. All schemes of one (picture, modulation, SNR, eta, scale, trial) meet the same keys and
# noise, so their differences are exact.
RANDOM = ("experiment", "picture", "modulation", "snr_db", "eta", "scale", "trial")


def _hash(value):
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def point_id(point):
    """Return 16 hex digits that identify the point: the hash of all its keys."""
    return _hash(point)


def point_seed(point):
    """Return the seed of channel and keys, 0 .. 2^48 - 1.

    It is the hash of the keys in RANDOM, so no result depends on who computes it, or when.
    """
    return int(_hash([point[k] for k in RANDOM])[:12], 16)


def pictures_of(folder):
    """Return the sorted paths of the images in a folder. Raises Failure if there are none."""
    if not os.path.isdir(folder):
        raise Failure(f"{folder}: no such folder; --images takes a folder of pictures")
    files = files_of(folder)
    if not files:
        raise Failure(f"{folder}: no pictures in this folder ({' '.join(SUFFIXES)})")
    return [os.path.abspath(f) for f in files]


def jobs_of(experiment, pictures, enhancer_for=lambda scheme, scale: None):
    """Return a list of jobs {image, crop, models, enhancers, points}.

    enhancer_for: function (scheme dict, scale) that gives a label or None.
    """
    jobs = []

    def add(picture, points):
        used = {p["model"] for p in points}
        helpers = {p.get("enhancer") for p in points}
        jobs.append(
            dict(
                image=picture,
                crop=list(experiment.crop),
                models={m: f for m, f in experiment.models.items() if m in used},
                enhancers={e: f for e, f in experiment.enhancers.items() if e in helpers},
                points=points,
            )
        )

    for picture in pictures:
        common = dict(
            experiment=experiment.name,
            picture=os.path.basename(picture),
            crop=list(experiment.crop),
            channel=experiment.channel,
            coherence=experiment.coherence,
        )
        for eta in experiment.etas:
            for scale in experiment.scales:
                for modulation in experiment.modulations:
                    here = dict(common, eta=eta, scale=scale, modulation=modulation)
                    for model in experiment.models:
                        schemes = [
                            dict(scheme, enhancer=enhancer_for(scheme, scale))
                            for scheme in experiment.schemes
                            if scheme["model"] == model
                        ]
                        for scheme in schemes:
                            del scheme["enhancers"]
                        points = [
                            dict(here, snr_db=snr, trial=trial, **scheme)
                            for snr in experiment.snrs
                            for trial in range(experiment.trials)
                            for scheme in schemes
                        ]
                        if points:
                            add(picture, points)
        for codec in dict.fromkeys(r["codec"] for r in experiment.references):
            add(
                picture,
                [
                    dict(common, eta=eta, scale=scale, modulation=modulation, snr_db=snr, trial=trial, **reference)
                    for reference in experiment.references
                    if reference["codec"] == codec
                    for eta in experiment.etas
                    for scale in experiment.scales
                    for modulation in experiment.modulations
                    for snr in experiment.snrs
                    for trial in range(experiment.trials if reference["code"] != "ideal" else 1)
                ],
            )
    return jobs
