# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports from the result files alone: OUT/table.md and OUT/*.png."""
import math
import os
import sys

from ..io import output
from ..commands import Failure
from . import results

SCHEMES = {
    "ntscc-clear": "NTSCC, in clear",
    "ntscc-encrypted": "NTSCC, encrypted",
    "eavesdropper": "Eavesdropper",
    "srec": "SREC",
}
_CODECS = {"jpeg": "JPEG", "webp": "WebP", "hevc": "HEVC-intra"}
_CODES = {"ideal": "ideal code", "ccsds": "RS + K = 7 code"}
_COLOURS = {
    "ntscc-clear": "tab:blue",
    "ntscc-encrypted": "tab:orange",
    "eavesdropper": "tab:red",
    "srec": "tab:green",
    "jpeg": "tab:grey",
    "webp": "tab:brown",
    "hevc": "black",
}
_MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256")
_LEGEND = dict(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))  # next to the curves
_STYLES = ("-", "--", "-.", ":")


def _asked_for(experiment):
    """Return a function row -> bool: whether the row is a point of the experiment in its present form."""
    sides = {
        "crop": [list(experiment.crop)],
        "channel": [experiment.channel],
        "coherence": [experiment.coherence],
        "modulation": experiment.modulations,
        "snr_db": experiment.snrs,
        "eta": experiment.etas,
        "scale": experiment.scales,
        "trial": range(experiment.trials),
    }
    kinds = {
        (s["scheme"], s["decisions"], s["cipher"], s["model"], e)
        for s in experiment.schemes
        for e in (*s["enhancers"], None)
    }
    kinds |= {(r["codec"], r["code"], None, r["model"], None) for r in experiment.references}

    def asked(row):
        kind = (
            row.get("scheme") or row.get("codec"),
            row.get("decisions") or row.get("code"),
            row.get("cipher"),
            row["model"],
            row.get("enhancer"),
        )
        return kind in kinds and all(row[k] in values for k, values in sides.items())

    return asked


def _load(experiment, folder):
    every = results.read(folder)
    results.check_same(every, experiment, {})
    rows = list(filter(_asked_for(experiment), every.values()))
    if not rows:
        raise Failure(f"{folder}: no results there yet" + (f" of what {experiment.path} asks for now" if every else ""))
    if len(rows) < len(every):
        print(
            f"srec sweep: {len(every) - len(rows)} results of an earlier {experiment.path} are left out",
            file=sys.stderr,
        )
    for row in rows:
        row.setdefault("scheme", None)
    return rows


def _cipher(cipher):
    return "" if cipher in ("auto", "none") else f", {cipher}"


def _name(row, several):
    """Return the legend of a curve.

    several: keys of a row that differ between curves.
    """
    model = f", {row['model']}" if "model" in several else ""
    if row.get("enhancer"):
        model += f" + {row['enhancer']}"
    if "scale" in several:
        model += f", scale {row['scale']}"
    if row.get("codec"):
        return f"{_CODECS[row['codec']]}, {_CODES[row['code']]}{model}"
    return f"{SCHEMES[row['scheme']]}, {row['decisions']}{_cipher(row['cipher'])}{model}"


def _curves(rows, drop):
    """Return {name: {dropped part of the key, e.g. the SNR: mean}} in a fixed order."""
    several = {key for key in ("model", "scale") if len({r[key] for r in rows if r["scheme"]}) > 1}

    def order(r):
        kind = list(SCHEMES).index(r["scheme"]) if r["scheme"] else r["codec"]
        rest = [r.get(k) or "" for k in ("code", "decisions", "enhancer", "cipher")]
        return not r["scheme"], kind, r["model"], *rest, r["scale"]

    curves = {}
    for row in sorted(rows, key=order):
        curves.setdefault((_name(row, several), results.key_of(row, drop)), []).append(row)
    return curves


def _published(p):
    return p["name"] + (": " + p["note"] if p["note"] else "")


def _text(mean):
    return f"{mean['mean']:.2f}" + ("" if math.isnan(mean["half"]) else f" ± {mean['half']:.2f}")


def _modulations(rows):
    return [m for m in _MODULATIONS if any(r["modulation"] == m for r in rows)]


def _snr_tables(rows, lines):
    for eta in sorted({r["eta"] for r in rows}):
        for modulation in _modulations(rows):
            here = [r for r in rows if r["modulation"] == modulation and r["eta"] == eta]
            if not here:
                continue
            snrs = sorted({r["snr_db"] for r in here})
            lines += [
                f"### {modulation}, eta {eta:g}",
                "",
                "| PSNR in dB at Es/N0 of | cbr | " + " | ".join(f"{s:g} dB" for s in snrs) + " |",
                "| --- " * (len(snrs) + 2) + "|",
            ]
            for (name, _), group in _curves(here, ("snr_db",)).items():
                at = {key[-1]: mean for key, mean in results.means(group).items()}
                cbr = sum(m["cbr"] for m in at.values()) / len(at)
                lines.append(
                    f"| {name} | {cbr:.3f} | " + " | ".join(_text(at[s]) if s in at else "" for s in snrs) + " |"
                )
            lines.append("")


# The columns of the table of gains differ in these.
PROFILE = ("model", "decisions", "cipher", "enhancer", "eta", "scale")


def _profile_name(profile, several):
    p = dict(zip(PROFILE, profile))
    name = f"{p['model']}, {p['decisions']}{_cipher(p['cipher'])}"
    if p["enhancer"]:
        name += f" + {p['enhancer']}"
    return name + "".join(f", {key} {p[key]:g}" for key in several)


def _counterparts(rows, profile):
    """Return the rows of another scheme that are the baseline for gains of this profile.

    A scheme in clear has no cipher; one without super-resolution has no enhancer.
    """
    p = dict(zip(PROFILE, profile))
    same = [k for k in PROFILE if k not in ("cipher", "enhancer")]
    rows = [r for r in rows if all(r[k] == p[k] for k in same) and r["cipher"] in (p["cipher"], "none")]
    return [r for r in rows if r["enhancer"] == p["enhancer"]] or [r for r in rows if not r["enhancer"]]


def _gains_table(experiment, rows, lines):
    gains = experiment.gains
    at = [r for r in rows if r["snr_db"] == gains["snr_db"] and r["scheme"]]
    ours = [r for r in at if r["scheme"] == gains["scheme"]]
    profiles = sorted({tuple(r[k] for k in PROFILE) for r in ours}, key=lambda p: [(v is not None, v) for v in p])
    if not profiles:
        return
    several = [key for key in ("eta", "scale") if len({r[key] for r in ours}) > 1]
    heads = [_profile_name(profile, several) for profile in profiles]
    lines += [
        f"## Gain of {SCHEMES[gains['scheme']]} at {gains['snr_db']:g} dB",
        "",
        "Difference in PSNR, dB, paired by picture, same keys and noise, with the 95 % interval over pictures.",
        "",
        "| over | modulation | paper | " + " | ".join(heads) + " |",
        "| --- " * (3 + len(profiles)) + "|",
    ]
    for other in gains["over"]:
        for modulation in _modulations(ours):
            cells = []
            for profile in profiles:
                mine = [r for r in ours if r["modulation"] == modulation and tuple(r[k] for k in PROFILE) == profile]
                theirs = [r for r in at if r["modulation"] == modulation and r["scheme"] == other["scheme"]]
                d = results.difference(mine, _counterparts(theirs, profile))
                cells.append("" if d is None else f"{d[0]:+.2f}" + ("" if math.isnan(d[1]) else f" ± {d[1]:.2f}"))
            paper = other["paper"].get(modulation)
            cells = [SCHEMES[other["scheme"]], modulation, "" if paper is None else f"{paper:+.1f}", *cells]
            lines.append("| " + " | ".join(cells) + " |")
    if not all(r["enhancer"] for r in ours):
        lines += [
            "",
            (
                "SREC without an enhancer's name is without super-resolution, for want of an enhancer: it then equals"
                " NTSCC, encrypted."
            ),
        ]
    lines.append("")


def _broadcast(group):
    """Return (text, mean PSNR over images and SNRs) of one transmission received at every SNR of the grid.

    Semantic features, and a code of one rate, are a single transmission. For the ideal code, the rate is the capacity
    at the SNR that gives the best mean over all SNRs.
    """
    if group[0].get("code") != "ideal":
        return "", sum(r["psnr_db"] for r in group) / len(group)
    snrs = sorted({r["snr_db"] for r in group})
    best = None
    for made_for in snrs:
        at = [r for r in group if r["snr_db"] == made_for]
        heard = sum(s >= made_for for s in snrs)
        mean = sum((heard * r["psnr_db"] + (len(snrs) - heard) * r["grey_psnr_db"]) / len(snrs) for r in at) / len(at)
        if best is None or mean > best[1]:
            best = f" (made for {made_for:g} dB)", mean
    return best


def _ranges(better):
    """Describe in words at which SNRs a condition holds.

    better: {SNR in ascending order: bool}.
    """
    if not any(better.values()) or all(better.values()):
        return "everywhere" if any(better.values()) else "nowhere"
    runs, last = [], False
    for snr, yes in better.items():
        if yes and not last:
            runs.append([snr, snr])
        elif yes:
            runs[-1][1] = snr
        last = yes
    return ", ".join(f"{a:g}" if a == b else f"{a:g} to {b:g}" for a, b in runs) + " dB"


def _against_table(rows, lines):
    """Write at which SNRs the references are better, and what one transmission gives to receivers at all SNRs."""
    if not any(r.get("codec") for r in rows) or len({r["snr_db"] for r in rows}) < 2:
        return
    lines += [
        "## Against classical references",
        "",
        (
            "At equal channel use. For each reference the SNRs of the grid at which its mean PSNR is above SREC's; and"
            " the mean PSNR over all SNRs of the grid when one transmission serves receivers at each of them (an ideal"
            " code then has one rate, the best one). A lost picture counts as mid-grey, which has a higher PSNR than"
            " the noise that hard decisions leave."
        ),
        "",
    ]
    for eta in sorted({r["eta"] for r in rows}):
        for modulation in _modulations(rows):
            here = [r for r in rows if r["modulation"] == modulation and r["eta"] == eta]
            curves = _curves(here, ("snr_db",))
            ours = {name: group for (name, _), group in curves.items() if group[0]["scheme"] == "srec"}
            if not ours or not any(r.get("codec") for r in here):
                continue
            heads = [f"{modulation}, eta {eta:g}", "one transmission, dB", *(f"better than {name} at" for name in ours)]
            lines += [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
            for (name, _), group in curves.items():
                if not (group[0].get("codec") or group[0]["scheme"] == "srec"):
                    continue
                made_for, one = _broadcast(group)
                cells = []
                for our in ours.values():
                    if not group[0].get("codec"):
                        cells.append("")
                        continue
                    theirs, mine = ({key[-1]: m["mean"] for key, m in results.means(g).items()} for g in (group, our))
                    cells.append(_ranges({snr: theirs[snr] > mine[snr] for snr in sorted(set(theirs) & set(mine))}))
                lines.append(f"| {name} | {one:.2f}{made_for} | " + " | ".join(cells) + " |")
            lines.append("")


def _sr_table(rows, lines):
    """Write the PSNR gain of super-resolution, where there is an enhancer."""
    with_sr = [r for r in rows if r.get("enhancer") and r["scheme"] == "srec"]
    if not with_sr:
        return
    snrs = sorted({r["snr_db"] for r in with_sr})
    lines += [
        "## What super-resolution adds, dB",
        "",
        "| | " + " | ".join(f"{s:g} dB" for s in snrs) + " |",
        "| --- " * (len(snrs) + 1) + "|",
    ]
    for eta in sorted({r["eta"] for r in with_sr}):
        for modulation in _modulations(with_sr):
            here = [r for r in with_sr if r["modulation"] == modulation and r["eta"] == eta]
            for (name, _), group in _curves(here, ("snr_db",)).items():
                cells = []
                for snr in snrs:
                    at = [r for r in group if r["snr_db"] == snr]
                    before = [dict(r, psnr_db=r["psnr_before_sr_db"]) for r in at]
                    d = results.difference(at, before) if at else None
                    cells.append("" if d is None else f"{d[0]:+.2f}")
                lines.append(f"| {name}, {modulation}, eta {eta:g} | " + " | ".join(cells) + " |")
    lines.append("")


def _head(experiment, rows):
    pictures = {(r["picture"], r["picture_hash"]) for r in rows}
    sizes = sorted({f"{r['width']}x{r['height']}" for r in rows})
    models = sorted({(r[k], r[k + "_id"]) for r in rows for k in ("model", "enhancer") if r.get(k)})
    return [
        f"# {experiment.title}",
        "",
        (
            f"{len(rows)} points: {len(pictures)} pictures ({', '.join(sizes)}),"
            f" {len({r['trial'] for r in rows})} trial(s) each. Mean PSNR in dB over the pictures ± half the 95 %"
            " interval (Student's t over pictures; over trials if there is one picture). SNR is Es/N0 for each complex"
            " symbol. A picture that did not arrive counts as mid-grey."
        ),
        "",
        "Models: "
        + ", ".join(f"{label} = {model_id}" for label, model_id in models)
        + f". libsrec {', '.join(sorted({r['version'] for r in rows}))}"
        f", commit {', '.join(sorted({r.get('commit') or 'unknown' for r in rows}))}.",
        "",
    ]


def write(experiment, folder):
    """Write OUT/table.md, and OUT/curves*.png if Matplotlib is installed."""
    rows = _load(experiment, folder)
    lines = _head(experiment, rows)
    if experiment.gains:
        _gains_table(experiment, rows, lines)
    _sr_table(rows, lines)
    if experiment.plot == "snr":
        _against_table(rows, lines)
    _snr_tables(rows, lines)
    if experiment.published:
        lines += ["### Published figures", "", "| | cbr | PSNR, dB |", "| --- | --- | --- |"]
        lines += [
            f"| {_published(p)} | {c:g} | {v:g} |" for p in experiment.published for c, v in zip(p["cbr"], p["psnr_db"])
        ]
        lines.append("")
    path = os.path.join(folder, "table.md")
    output.write(path, "\n".join(lines))
    print(path)
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("srec sweep: no plots: apt install python3-matplotlib", file=sys.stderr)
        return
    for path in {"snr": _plot_snr, "eta": _plot_eta, "cbr": _plot_cbr}[experiment.plot](experiment, rows, folder, plt):
        print(path)


def _draw(axis, xs, means, label, **style):
    axis.plot(xs, [m["mean"] for m in means], label=label, marker=style.pop("marker", "."), **style)
    if not any(math.isnan(m["half"]) for m in means):
        axis.fill_between(
            xs,
            [m["mean"] - m["half"] for m in means],
            [m["mean"] + m["half"] for m in means],
            color=style.get("color"),
            alpha=0.1,
            linewidth=0,
        )


def _save(figure, folder, name, plt):
    path = os.path.join(folder, name)
    heights = [y for axis in figure.axes for line in axis.lines for y in line.get_ydata()]
    figure.axes[0].set_ylim(
        min(heights) - 1, max(heights) + 1
    )  # by the curves: intervals of few images may be very wide
    figure.tight_layout()
    with output.NewFile(path, overwrite=True) as file:
        figure.savefig(file, format="png", dpi=100)
    plt.close(figure)
    return path


def _panels(count, plt, title):
    figure, axes = plt.subplots(1, count, figsize=(3.5 + 4.6 * count, 5.6), sharey=True, squeeze=False)
    figure.suptitle(title)
    return figure, axes[0]


def _style(row, seen):
    """Choose the colour by scheme or codec, and the line style by the other differences in order of appearance."""
    kind = row["scheme"] or row["codec"]
    rest = results.key_of(row, ("scheme", "codec", "modulation", "eta", "snr_db"))
    lines = seen.setdefault(kind, [])
    if rest not in lines:
        lines.append(rest)
    return dict(
        color=_COLOURS[kind],
        linestyle=_STYLES[lines.index(rest) % len(_STYLES)],
        marker="." if row["scheme"] else "",
        linewidth=1.8 if row["scheme"] else 1.1,
    )


def _plot_snr(experiment, rows, folder, plt):
    etas = sorted({r["eta"] for r in rows})
    for eta in etas:
        here = [r for r in rows if r["eta"] == eta]
        figure, axes = _panels(len(_modulations(here)), plt, f"{experiment.title}, eta {eta:g}")
        for axis, modulation in zip(axes, _modulations(here)):
            seen = {}
            for (name, _), group in _curves([r for r in here if r["modulation"] == modulation], ("snr_db",)).items():
                at = sorted((key[-1], mean) for key, mean in results.means(group).items())
                _draw(axis, [x for x, _ in at], [m for _, m in at], name, **_style(group[0], seen))
            axis.set(title=modulation, xlabel="Es/N0, dB")
            axis.grid(alpha=0.3)
        axes[0].set_ylabel("PSNR, dB")
        axes[-1].legend(**_LEGEND)
        yield _save(figure, folder, "curves.png" if len(etas) == 1 else f"curves-eta-{eta:g}.png", plt)


def _plot_eta(experiment, rows, folder, plt):
    rows = [r for r in rows if r["scheme"]]
    figure, axes = _panels(len(_modulations(rows)), plt, experiment.title)
    snrs = sorted({r["snr_db"] for r in rows})
    for axis, modulation in zip(axes, _modulations(rows)):
        for i, ((name, _), group) in enumerate(
            _curves([r for r in rows if r["modulation"] == modulation], ("snr_db", "eta")).items()
        ):
            for snr in snrs:
                at = sorted(
                    (key[results.CURVE.index("eta")], mean)
                    for key, mean in results.means([r for r in group if r["snr_db"] == snr]).items()
                )
                _draw(
                    axis,
                    [x for x, _ in at],
                    [m for _, m in at],
                    f"{name}, {snr:g} dB",
                    color=plt.cm.viridis(snrs.index(snr) / max(1, len(snrs) - 1) * 0.9),
                    linestyle=_STYLES[i % len(_STYLES)],
                )
        axis.set(title=modulation, xlabel="eta, features per bit")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("PSNR, dB")
    axes[-1].legend(**_LEGEND)
    yield _save(figure, folder, "curves.png", plt)


def _plot_cbr(experiment, rows, folder, plt):
    snrs = sorted({r["snr_db"] for r in rows})
    colours = {m: f"C{i}" for i, m in enumerate(_MODULATIONS)}
    for snr in snrs:
        figure, axis = plt.subplots(figsize=(11, 6.5))
        here = [r for r in rows if r["snr_db"] == snr]
        names = {}
        for (name, _), group in _curves(here, ("eta", "snr_db")).items():
            at = sorted(((mean["cbr"], mean) for mean in results.means(group).values()), key=lambda p: p[0])
            style = names.setdefault(name, _STYLES[len(names) % len(_STYLES)])
            row = group[0]
            _draw(
                axis,
                [x for x, _ in at],
                [m for _, m in at],
                f"{row['modulation']}: {name}",
                color=colours[row["modulation"]],
                linestyle=style,
                marker="." if row["scheme"] else "",
                linewidth=1.8 if row["scheme"] else 1.0,
            )
        for p, marker in zip([p for p in experiment.published if p["snr_db"] in (None, snr)], "o^sD"):
            axis.plot(p["cbr"], p["psnr_db"], marker, color="black", label=_published(p))
        axis.set(
            title=f"{experiment.title}, Es/N0 {snr:g} dB",
            xlabel="complex symbols per sample of the picture (cbr)",
            ylabel="PSNR, dB",
            xscale="log",
        )
        axis.grid(alpha=0.3, which="both")
        axis.legend(**_LEGEND)
        yield _save(figure, folder, "curves.png" if len(snrs) == 1 else f"curves-{snr:g}dB.png", plt)
