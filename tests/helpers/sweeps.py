# SPDX-License-Identifier: GPL-3.0-or-later
"""`srec sweep` in the test's own process, and results without a simulation: rows for every point of an experiment."""
import argparse
import contextlib
import io
import json
import logging
import os
import warnings
import zlib

from gnuradio.srec.commands import Failure, Usage, sweep
from gnuradio.srec.sweep import points

GREY_DB = 12.0
BITS = {"bpsk": 1, "qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8, "pam256": 16}


def here(*args):
    """Run `srec sweep` in this process, which is quicker. Return the exit code and what it would print on stderr."""
    parser = argparse.ArgumentParser()
    sweep.add_arguments(parser)
    errors = io.StringIO()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns while it builds its font cache
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries
        try:
            code = sweep.run(parser.parse_args(args))
        except (Usage, Failure) as error:
            return 2 if isinstance(error, Usage) else 1, errors.getvalue() + str(error)
        except SystemExit as error:  # argparse
            code = error.code
    return code, errors.getvalue()


def first_enhancer(scheme, scale):
    return (scheme["enhancers"] or [None])[0]


def psnr_of(point):
    """A PSNR that rises with SNR and eta, is above another in the order of the schemes, and differs by image."""
    if point.get("scheme") == "eavesdropper":
        return 8.0
    kind = {"ntscc-clear": 1, "ntscc-encrypted": 0, "srec": 2, "layers": 6, "jpeg": 3, "webp": 5, "hevc": 7}
    psnr = 20 + kind[point.get("scheme") or point["codec"]] + 0.5 * min(point["snr_db"], 12) + 20 * point["eta"]
    psnr += {"hard": -3, "ldpc": -1, "ccsds": -2}.get(point.get("decisions") or point.get("code"), 0)
    return psnr - BITS[point["modulation"]] / 4 + zlib.crc32(point["picture"].encode()) % 100 / 50 + point["trial"] / 10


def rows_of(experiment, n_pictures, change=lambda row: {}):
    """Return rows for all points. change: function row -> dict of the keys that differ."""
    pictures = [f"/pictures/{i}.png" for i in range(n_pictures)]
    rows = []
    for job in points.jobs_of(experiment, pictures, first_enhancer):
        for point in job["points"]:
            psnr = psnr_of(point)
            row = dict(
                point,
                id=points.point_id(point),
                seed=points.point_seed(point),
                model_id="id-of-" + point["model"],
                model_file=os.path.basename(experiment.models[point["model"]]) or "installed.safetensors",
                width=768,
                height=512,
                picture_hash=point["picture"],
                version="1",
                psnr_db=psnr,
                ms_ssim=1 - 10 ** (-psnr / 20),
                lost=False,
                cbr=point["eta"] / BITS[point["modulation"]],
            )
            if "codec" in point:
                row.update(grey_psnr_db=GREY_DB)
            else:
                enhancer = point["enhancer"]
                row.update(psnr_before_sr_db=psnr - 0.5, enhancer_id=enhancer and "id-of-" + enhancer)
                row.update(enhancer_file=enhancer and os.path.basename(experiment.enhancers[enhancer]))
            if point.get("scheme") == "layers":
                row.update(grey_psnr_db=GREY_DB)
            rows.append({**row, **change(row)})
    return rows


def write(folder, rows, name="results.jsonl"):
    """Write rows as `srec sweep` does."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(row) + "\n" for row in rows)
