# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a sweep, as lines of Markdown and as CSV."""
import csv
import io
import math
from collections.abc import Iterable

from . import names, results
from .config import Experiment
from .points import WITHOUT_NOISE


def _table(heads: list[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table and an empty line."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(heads), "| --- " * len(heads) + "|", *map(line, rows), ""]


def _with_interval(mean: float, half: float, pattern: str) -> str:
    """Return "mean ± half"; pattern: format of the mean."""
    return format(mean, pattern) + ("" if math.isnan(half) else f" ± {format(half, pattern.lstrip('+'))}")


# --- what was simulated ------------------------------------------------------------------------------------------


def head(experiment: Experiment, rows: list[dict]) -> list[str]:
    """Return title, size of the experiment, and how to read its figures."""
    pictures = {(r["picture"], r["picture_hash"]) for r in rows}
    sizes = sorted({f"{r['width']}x{r['height']}" for r in rows})
    channel = "AWGN" if experiment.channel == "awgn" else "Rayleigh fading"
    return [
        f"# {experiment.title}",
        "",
        (
            f"{len(rows)} points: {len(pictures)} images ({', '.join(sizes)}),"
            f" {len({r['trial'] for r in rows})} trial(s) each, {channel}. Figures are means over the images ± half"
            " the 95 % interval (Student's t over images; over trials if there is one image). SNR is Es/N0 of each"
            " complex symbol. An image that did not arrive counts as mid-grey."
        ),
        "",
        (
            f"libsrec {', '.join(sorted({r['version'] for r in rows}))},"
            f" commit {', '.join(sorted({r.get('commit') or 'unknown' for r in rows}))}."
        ),
        "",
    ]


def _layers_kind(row: dict) -> str:
    """Describe the settings of coded layers."""
    snrs = "" if row["layers"] else " for the SNR of the channel"
    share = "" if row["max_cbr"] is not None else ", at the channel use of the model"
    return f"{names.layers_name(row)}{snrs}{share}"


def curves_table(rows: list[dict], legend: names.Legend) -> list[str]:
    """Return the table that says what each curve is."""
    cells = []
    for (name, _), group in names.curves(rows, legend, ("modulation", "eta", "snr_db")).items():
        row = group[0]
        enhancer = row.get("enhancer") or "none"
        if row.get("codec"):
            kind = f"{names.CODECS[row['codec']]}, {names.CODES[row['code']]}, at the channel use of the model"
            cells.append([name, kind, "", "", row["model"], "", str(row["scale"])])
        elif row["scheme"] == "layers":
            cells.append(
                [name, _layers_kind(row), "soft", names.CIPHERS["add"], row["model"], enhancer, str(row["scale"])]
            )
        else:
            cipher = names.CIPHERS[row["cipher"]]
            kind = names.SCHEMES[row["scheme"]]
            cells.append([name, kind, row["decisions"], cipher, row["model"], enhancer, str(row["scale"])])
    heads = ["curve", "scheme", "decisions", "cipher", "model", "enhancer", "scale"]
    return ["## Curves", "", *_table(heads, cells)]


def models_table(rows: list[dict]) -> list[str]:
    """Return the table that says which files the labels of models stand for."""
    kinds = {"model": "codec", "enhancer": "enhancer"}
    used = {
        (kinds[kind], r[kind], r.get(kind + "_file") or "", r[kind + "_id"])
        for kind in kinds
        for r in rows
        if r.get(kind)
    }
    cells = [[label, kind, file, model_id] for kind, label, file, model_id in sorted(used)]
    return ["## Models", "", *_table(["label", "kind", "file", "id"], cells)]


# --- means -------------------------------------------------------------------------------------------------------


def means_tables(rows: list[dict], legend: names.Legend, metric: results.Metric) -> list[str]:
    """Return a table of the metric over the SNR for each eta and modulation."""
    lines = []
    for eta in sorted({r["eta"] for r in rows}):
        for modulation in names.modulations_in(rows):
            here = [r for r in rows if r["modulation"] == modulation and r["eta"] == eta]
            snrs = sorted({r["snr_db"] for r in here})
            cells = []
            for (name, _), group in names.curves(here, legend, ("snr_db",)).items():
                at = {key[-1]: mean for key, mean in results.means(group, metric.key).items()}
                if at:
                    cbr = sum(m["cbr"] for m in at.values()) / len(at)
                    pattern = f".{metric.decimals}f"
                    values = [_with_interval(at[s]["mean"], at[s]["half"], pattern) if s in at else "" for s in snrs]
                    cells.append([name, f"{cbr:.3f}", *values])
            if cells:
                lines += [f"### {metric.axis}: {names.MODULATIONS[modulation]}, eta {eta:g}", ""]
                lines += _table(["Es/N0", "cbr", *(f"{s:g} dB" for s in snrs)], cells)
    return lines


def means_csv(rows: list[dict], legend: names.Legend) -> str:
    """Return all means with their 95 % intervals as CSV text, one line for each point of a curve."""
    ids = ("model_file", "model_id", "enhancer_file", "enhancer_id")
    heads = ["curve", *results.CURVE, *ids, "pictures", "trials", "cbr", "lost_share"]
    for metric in (results.PSNR, results.MS_SSIM):
        heads += [metric.key, metric.key + "_low", metric.key + "_high"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(heads)
    for (name, _), group in names.curves(rows, legend, ()).items():
        row = group[0]
        psnr = next(iter(results.means(group).values()))
        line = [name, *(row.get(k) for k in (*results.CURVE, *ids)), psnr["pictures"]]
        line += [len({r["trial"] for r in group}), f"{psnr['cbr']:.6g}", f"{psnr['lost']:.6g}"]
        for metric in (results.PSNR, results.MS_SSIM):
            mean = next(iter(results.means(group, metric.key).values()), None)
            ends = [] if mean is None else [mean["mean"], mean["mean"] - mean["half"], mean["mean"] + mean["half"]]
            line += ["" if math.isnan(end) else f"{end:.6g}" for end in ends or [math.nan] * 3]
        table.writerow(line)
    return text.getvalue()


# --- differences -------------------------------------------------------------------------------------------------

# The columns of the table of gains differ in these.
PROFILE = ("model", "decisions", "cipher", "enhancer", *results.OF_LAYERS, "eta", "scale")


def _counterparts(rows: list[dict], profile: tuple, of_layers: bool) -> list[dict]:
    """Return the rows of another scheme that are the baseline for gains of this profile.

    A scheme in clear has no cipher; one without super-resolution has no enhancer. of_layers: whether one of the two
    schemes is that of coded layers. Then the other one needs the same model, eta and scale, and must have one curve.
    """
    p = dict(zip(PROFILE, profile))
    if of_layers:
        rows = [r for r in rows if all(r[k] == p[k] for k in ("model", "eta", "scale"))]
        return rows if len({results.curve_of(r) for r in rows}) == 1 else []
    same = ("model", "decisions", "eta", "scale")
    rows = [r for r in rows if all(r[k] == p[k] for k in same) and r["cipher"] in (p["cipher"], "none")]
    return [r for r in rows if r["enhancer"] == p["enhancer"]] or [r for r in rows if not r["enhancer"]]


def gains_table(experiment: Experiment, rows: list[dict], legend: names.Legend) -> list[str]:
    """Return the table of [gains]: differences to other schemes at one SNR."""
    gains = experiment.gains
    at = [r for r in rows if r["snr_db"] == gains["snr_db"] and r["scheme"]]
    ours: dict[tuple, list[dict]] = {}
    for row in at:
        if row["scheme"] == gains["scheme"]:
            ours.setdefault(tuple(results.value_of(row, k) for k in PROFILE), []).append(row)
    if not ours:
        return []
    ours = dict(sorted(ours.items(), key=lambda item: [(v is not None, v) for v in item[0]]))
    several = len({group[0]["eta"] for group in ours.values()}) > 1
    heads = [legend(g[0]) + (f", eta {g[0]['eta']:g}" if several else "") for g in ours.values()]
    cells = []
    for other in gains["over"]:
        for modulation in names.modulations_in([r for group in ours.values() for r in group]):
            paper = other["paper"].get(modulation)
            line = [names.SCHEMES[other["scheme"]], names.MODULATIONS[modulation]]
            line.append("" if paper is None else f"{paper:+.1f}")
            theirs = [r for r in at if r["modulation"] == modulation and r["scheme"] == other["scheme"]]
            for profile, group in ours.items():
                mine = [r for r in group if r["modulation"] == modulation]
                of_layers = "layers" in (gains["scheme"], other["scheme"])
                d = results.difference(mine, _counterparts(theirs, profile, of_layers))
                line.append("" if d is None else _with_interval(d[0], d[1], "+.2f"))
            cells.append(line)
    lines = [
        f"## Gain of {names.SCHEMES[gains['scheme']]} at {gains['snr_db']:g} dB",
        "",
        "Difference in PSNR, dB, paired by image, same keys and noise, with the 95 % interval over images.",
        "",
        *_table(["over", "modulation", "paper", *heads], cells),
    ]
    if gains["scheme"] == "srec" and not all(profile[PROFILE.index("enhancer")] for profile in ours):
        lines += ["SREC without super-resolution, for lack of an enhancer, equals NTSCC, encrypted.", ""]
    return lines


def super_resolution_table(rows: list[dict], legend: names.Legend) -> list[str]:
    """Return the table of the PSNR gain of super-resolution, where there is an enhancer."""
    with_sr = [r for r in rows if r.get("enhancer") and r["scheme"] in ("srec", "layers")]
    if not with_sr:
        return []
    snrs, cells = sorted({r["snr_db"] for r in with_sr}), []
    for eta in sorted({r["eta"] for r in with_sr}):
        for modulation in names.modulations_in(with_sr):
            here = [r for r in with_sr if r["modulation"] == modulation and r["eta"] == eta]
            for (name, _), group in names.curves(here, legend, ("snr_db",)).items():
                line = [f"{name}, {names.MODULATIONS[modulation]}, eta {eta:g}"]
                for snr in snrs:
                    at = [r for r in group if r["snr_db"] == snr]
                    before = [dict(r, psnr_db=r["psnr_before_sr_db"]) for r in at]
                    d = results.difference(at, before) if at else None
                    line.append("" if d is None else f"{d[0]:+.2f}")
                cells.append(line)
    return ["## What super-resolution adds to the PSNR, dB", "", *_table(["", *(f"{s:g} dB" for s in snrs)], cells)]


# --- against classical references --------------------------------------------------------------------------------


def broadcast(group: list[dict]) -> tuple[str, float]:
    """Return (text, mean PSNR over images and SNRs) of one transmission received at every SNR of the grid.

    Semantic features, layers for SNRs of their own, and a code of one rate, are a single transmission. A code whose
    rate follows the SNR has the rate of that SNR which gives the best mean over all SNRs.
    """
    row = group[0]
    if row.get("code") not in WITHOUT_NOISE and (row.get("scheme") != "layers" or row["layers"]):
        return "", sum(r["psnr_db"] for r in group) / len(group)
    snrs = sorted({r["snr_db"] for r in group})
    best = "", -math.inf
    for made_for in snrs:
        at = [r for r in group if r["snr_db"] == made_for]
        heard = sum(s >= made_for for s in snrs)
        mean = sum((heard * r["psnr_db"] + (len(snrs) - heard) * r["grey_psnr_db"]) / len(snrs) for r in at) / len(at)
        if mean > best[1]:
            best = f" (made for {made_for:g} dB)", mean
    return best


def ranges(better: dict[float, bool]) -> str:
    """Describe in words at which SNRs a condition holds.

    better: {SNR in ascending order: bool}.
    """
    if not any(better.values()) or all(better.values()):
        return "everywhere" if any(better.values()) else "nowhere"
    runs: list[list[float]] = []
    last = False
    for snr, yes in better.items():
        if yes and not last:
            runs.append([snr, snr])
        elif yes:
            runs[-1][1] = snr
        last = yes
    return ", ".join(f"{a:g}" if a == b else f"{a:g} to {b:g}" for a, b in runs) + " dB"


def _better_at(group: list[dict], ours: list[dict]) -> str:
    """Describe at which SNRs the mean PSNR of a reference is above that of a scheme."""
    theirs, mine = ({key[-1]: m["mean"] for key, m in results.means(g).items()} for g in (group, ours))
    return ranges({snr: theirs[snr] > mine[snr] for snr in sorted(set(theirs) & set(mine))})


def references_table(rows: list[dict], legend: names.Legend) -> list[str]:
    """Return at which SNRs the references are better, and what one transmission gives to receivers at all SNRs."""
    if not any(r.get("codec") for r in rows) or len({r["snr_db"] for r in rows}) < 2:
        return []
    lines = [
        "## Against classical references",
        "",
        (
            "At equal channel use. For each reference, and for layers: the SNRs of the grid at which its mean PSNR is"
            " above SREC's, and the mean PSNR over all SNRs of the grid if one transmission serves receivers at each of"
            " them (a code whose rate follows the SNR then has one rate, the best one). A lost image counts as"
            " mid-grey, which has a higher PSNR than the noise that hard decisions leave."
        ),
        "",
    ]
    for eta in sorted({r["eta"] for r in rows}):
        for modulation in names.modulations_in(rows):
            here = [r for r in rows if r["modulation"] == modulation and r["eta"] == eta]
            curves = names.curves(here, legend, ("snr_db",))
            ours = {name: group for (name, _), group in curves.items() if group[0]["scheme"] == "srec"}
            if not ours or not any(r.get("codec") for r in here):
                continue
            heads = [f"{names.MODULATIONS[modulation]}, eta {eta:g}", "one transmission, dB"]
            heads += [f"better than {name} at" for name in ours]
            cells = []
            for (name, _), group in curves.items():
                row = group[0]
                of_layers = row["scheme"] == "layers" and row["max_cbr"] is None
                if row.get("codec") or of_layers or row["scheme"] == "srec":
                    made_for, one = broadcast(group)
                    better = ["" if row["scheme"] == "srec" else _better_at(group, our) for our in ours.values()]
                    cells.append([name, f"{one:.2f}{made_for}", *better])
            lines += _table(heads, cells)
    return lines


def published_table(experiment: Experiment) -> list[str]:
    """Return the table of the experiment's published figures."""
    cells = [
        [names.published(p), f"{c:g}", f"{v:g}"] for p in experiment.published for c, v in zip(p["cbr"], p["psnr_db"])
    ]
    return ["### Published figures", "", *_table(["", "cbr", "PSNR, dB"], cells)] if cells else []
