# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a sweep. figures_of() says what they show, write() draws them with Matplotlib."""
import dataclasses
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from ..io import output
from . import names, results
from .config import Experiment

BAND_PICTURES = 5  # an interval over fewer images says more about Student's t than about the scheme
DPI = 200  # of PNG files
PANEL_INCHES = 4.6, 4.2  # of a panel without the legend, if no size is given
HANDLE_POINTS = 40  # length of a line in the legend, at scale 1: two periods of the longest dash pattern
LEAST_SCALE = 0.6  # of lines, markers and fonts, in narrow panels
FONT_POINTS = (8, 7, 6, 5)  # of the legend: the largest that fits
LEGEND_SHARE = 0.45  # of the height of a figure of given size

# Lines: solid, then dash patterns in points for a line 1 point wide.
_LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
_COLOURS = {
    "ntscc-clear": "tab:blue",
    "ntscc-encrypted": "tab:orange",
    "eavesdropper": "tab:red",
    "srec": "tab:green",
    "layers": "tab:purple",
    "jpeg": "tab:grey",
    "webp": "tab:brown",
    "hevc": "black",
}
_MARKERS = {"ntscc-clear": "s", "ntscc-encrypted": "^", "eavesdropper": "x", "srec": "o", "layers": "v"}
_PUBLISHED = "D*Ph"
_SETTINGS: dict[str, Any] = {
    "pdf.fonttype": 42,  # TrueType: publishers refuse Matplotlib's default, Type 3
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "srec",  # equal results give equal files
}


@dataclasses.dataclass(frozen=True)
class Options:
    """How plots are written."""

    format: str = "png"
    # (width, height) of a file in inches; None: by number of panels and legend
    size: Optional[tuple[float, float]] = None
    separate: bool = False  # whether each panel has its own file


@dataclasses.dataclass
class Curve:
    """A line with its confidence band, or points."""

    label: str
    x: list[float]
    y: list[float]
    style: dict  # for Axes.plot()
    band: Optional[tuple[list[float], list[float]]] = None  # (lower ends, upper ends)


@dataclasses.dataclass
class Panel:
    """Axes with their curves."""

    title: str
    part: str  # of a file's name
    curves: list[Curve]


@dataclasses.dataclass
class Figure:
    """Panels side by side that share the y axis and the legend."""

    title: str
    parts: list[str]  # of the file's name
    x_label: str
    metric: results.Metric
    panels: list[Panel]
    log_x: bool = False


Figures = Iterator[Figure]


# --- what the figures show ---------------------------------------------------------------------------------------


def _curve(label: str, points: list[tuple[float, dict]], style: dict) -> Curve:
    """Return a curve. points: [(x, mean)], means as from results.means()."""
    points = sorted(points, key=lambda point: point[0])
    y = [m["mean"] for _, m in points]
    band = None
    if all(m["pictures"] >= BAND_PICTURES for _, m in points):
        half = [m["half"] for _, m in points]
        band = [a - b for a, b in zip(y, half)], [a + b for a, b in zip(y, half)]
    return Curve(label, [x for x, _ in points], y, style, band)


def _title(text: str, metric: results.Metric, several: str) -> str:
    """Return the title of a figure. several: the value of a quantity that differs between figures, or ""."""
    if metric is not results.PSNR:
        text = re.sub(rf"\b{results.PSNR.name}\b", metric.name, text)
    return f"{text}, {several}" if several and several not in text else text


class _Styles:
    """Colours by scheme or codec, lines by the other differences, in all panels of a figure alike."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple]] = {}

    def line(self, kind: str, profile: tuple) -> Any:
        profiles = self._seen.setdefault(kind, [])
        if profile not in profiles:
            profiles.append(profile)
        return _LINES[profiles.index(profile) % len(_LINES)]

    def of(self, row: dict) -> dict:
        kind = row["scheme"] or row["codec"]
        profile = results.key_of(row, ("scheme", "codec", "modulation", "eta", "snr_db"))
        return _style(row, _COLOURS[kind], self.line(kind, profile))


def _style(row: dict, colour: Any, line: Any) -> dict:
    marker = _MARKERS[row["scheme"]] if row["scheme"] else ""
    return dict(color=colour, linestyle=line, marker=marker, markersize=3.5, linewidth=1.6 if row["scheme"] else 1.1)


def _over_snr(experiment: Experiment, rows: list[dict], legend: names.Legend, metric: results.Metric) -> Figures:
    etas = sorted({r["eta"] for r in rows})
    for eta in etas:
        here, styles, panels = [r for r in rows if r["eta"] == eta], _Styles(), []
        for (_, _), group in names.curves(here, legend, ("modulation", "snr_db")).items():
            styles.of(group[0])  # in the order of the legend
        for modulation in names.modulations_in(here):
            groups = names.curves([r for r in here if r["modulation"] == modulation], legend, ("snr_db",))
            curves = [
                _curve(name, [(key[-1], m) for key, m in results.means(g, metric.key).items()], styles.of(g[0]))
                for (name, _), g in groups.items()
            ]
            panels.append(Panel(names.MODULATIONS[modulation], modulation, curves))
        several = f"eta {eta:g}" if len(etas) > 1 else ""
        parts = [several.replace(" ", "-")] if several else []
        yield Figure(_title(experiment.title, metric, several), parts, "Es/N0, dB", metric, panels)


def _over_eta(experiment: Experiment, rows: list[dict], legend: names.Legend, metric: results.Metric) -> Figures:
    rows = [r for r in rows if r["scheme"]]
    snrs = sorted({r["snr_db"] for r in rows})
    styles, panels, at = _Styles(), [], results.CURVE.index("eta")
    for modulation in names.modulations_in(rows):
        curves = []
        here = names.curves([r for r in rows if r["modulation"] == modulation], legend, ("snr_db", "eta"))
        for (name, key), group in here.items():
            line = styles.line("", results.key_of(group[0], ("modulation", "snr_db", "eta")))
            for i, snr in enumerate(snrs):
                means = results.means([r for r in group if r["snr_db"] == snr], metric.key)
                colour = i / max(1, len(snrs) - 1) * 0.9  # of a colour map
                points = [(key[at], m) for key, m in means.items()]
                curves.append(_curve(f"{name}, {snr:g} dB", points, _style(group[0], colour, line)))
        panels.append(Panel(names.MODULATIONS[modulation], modulation, curves))
    yield Figure(_title(experiment.title, metric, ""), [], "eta, features per bit", metric, panels)


def _over_cbr(experiment: Experiment, rows: list[dict], legend: names.Legend, metric: results.Metric) -> Figures:
    snrs = sorted({r["snr_db"] for r in rows})
    colours = {m: f"C{i}" for i, m in enumerate(names.MODULATIONS)}
    for snr in snrs:
        here, styles, curves = [r for r in rows if r["snr_db"] == snr], _Styles(), []
        for (name, _), group in names.curves(here, legend, ("eta", "snr_db")).items():
            row = group[0]
            line = styles.line("", results.key_of(row, ("modulation", "eta", "snr_db")))
            points = [(m["cbr"], m) for m in results.means(group, metric.key).values()]
            label = f"{names.MODULATIONS[row['modulation']]}: {name}"
            curves.append(_curve(label, points, _style(row, colours[row["modulation"]], line)))
        shown = [p for p in experiment.published if metric is results.PSNR and p["snr_db"] in (None, snr)]
        for p, marker in zip(shown, _PUBLISHED):
            style = dict(color="black", linestyle="", marker=marker)
            curves.append(Curve(names.published(p), p["cbr"], p["psnr_db"], style))
        several = f"Es/N0 {snr:g} dB" if len(snrs) > 1 else ""
        label = "complex symbols per sample of the image (cbr)"
        parts = [f"{snr:g}dB"] if several else []
        panels = [Panel("", "", curves)]
        yield Figure(_title(experiment.title, metric, several), parts, label, metric, panels, log_x=True)


_FIGURES = {"snr": _over_snr, "eta": _over_eta, "cbr": _over_cbr}


def figures_of(experiment: Experiment, rows: list[dict], legend: names.Legend) -> Iterator[Figure]:
    """Yield the figures of an experiment, for each metric that its rows have."""
    for metric in (results.PSNR, results.MS_SSIM):
        for figure in _FIGURES[experiment.plot](experiment, rows, legend, metric):
            for panel in figure.panels:
                panel.curves = [curve for curve in panel.curves if curve.x]
            figure.panels = [panel for panel in figure.panels if panel.curves]
            if metric is not results.PSNR:
                figure.parts.append(metric.name.lower())
            if figure.panels:
                yield figure


# --- how they are drawn ------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Return text as Matplotlib shows it literally: a dollar begins no formula, an underscore hides no legend."""
    text = text.replace("$", r"\$")
    return " " + text if text.startswith("_") else text


def _scale(options: Options, n_panels: int) -> float:
    """Return the scale of lines, markers and fonts."""
    return max(LEAST_SCALE, min(1.0, options.size[0] / n_panels / PANEL_INCHES[0])) if options.size else 1.0


def _scaled(style: dict, scale: float, plt: Any) -> dict:
    """Return the style of a curve at a scale, with its colour: a number is a place in the colour map."""
    colour = style["color"]
    sizes = {key: style[key] * scale for key in ("linewidth", "markersize") if key in style}
    return dict(style, color=plt.cm.viridis(colour) if isinstance(colour, float) else colour, **sizes)


def _draw_panel(axis: Any, panel: Panel, scale: float, plt: Any) -> None:
    for curve in panel.curves:
        style = _scaled(curve.style, scale, plt)
        axis.plot(curve.x, curve.y, label=_plain(curve.label), **style)
        if curve.band:
            axis.fill_between(curve.x, *curve.band, color=style["color"], alpha=0.1, linewidth=0)
    axis.set_title(panel.title, fontsize="medium")
    axis.grid(alpha=0.3, which="both")


def _log_ticks(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _add_legend(canvas: Any, axes: Iterable[Any], size: Optional[tuple[float, float]], scale: float) -> float:
    """Put the legend below the axes. Return its height in inches.

    size: as in Options. If it is None, the figure grows by the height of the legend.
    """
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    width, height = canvas.get_size_inches() * canvas.dpi
    legend = None
    for font in FONT_POINTS if size else FONT_POINTS[:1]:
        for columns in range(min(len(entries), 6), 0, -1):
            if legend:
                legend.remove()
            legend = canvas.legend(
                entries.values(),
                entries,
                loc="lower center",
                ncol=columns,
                fontsize=font,
                handlelength=HANDLE_POINTS * scale / font,
                columnspacing=1.2,
                frameon=False,
            )
            box = legend.get_window_extent(canvas.canvas.get_renderer())
            if box.width <= width and (not size or box.height <= LEGEND_SHARE * height):
                return box.height / canvas.dpi
    print(
        "srec sweep: the legend does not fit: use a larger --size or shorter labels (label = in the experiment file)",
        file=sys.stderr,
    )
    return min(box.height, LEGEND_SHARE * height) / canvas.dpi


def _limits(figure: Figure) -> tuple[float, float]:
    """Return the ends of the y axis, by the curves: intervals of few images may be very wide."""
    heights = [y for panel in figure.panels for curve in panel.curves for y in curve.y]
    return min(heights) - figure.metric.margin, max(heights) + figure.metric.margin


def _draw(figure: Figure, panels: list[Panel], title: str, options: Options, plt: Any) -> Any:
    """Draw panels of a figure and return a Matplotlib figure."""
    size = options.size or (max(6.4, PANEL_INCHES[0] * len(panels)), PANEL_INCHES[1])
    canvas, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    axes = axes[0]
    for axis, panel in zip(axes, panels):
        _draw_panel(axis, panel, _scale(options, len(panels)), plt)
        axis.set_xlabel(figure.x_label)
        if figure.log_x:
            _log_ticks(axis)
    axes[0].set_ylabel(figure.metric.axis)
    axes[0].set_ylim(*_limits(figure))
    if title:
        canvas.suptitle(_plain(title), fontsize="large")
    below = _add_legend(canvas, axes, options.size, _scale(options, len(panels)))
    if not options.size:
        canvas.set_size_inches(size[0], size[1] + below)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a figure too small for its text
        canvas.tight_layout(rect=(0, below / canvas.get_size_inches()[1], 1, 1))
    return canvas


def _save(canvas: Any, path: str, options: Options, plt: Any) -> str:
    metadata = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[options.format]
    with output.NewFile(path, overwrite=True) as file:
        canvas.savefig(file, format=options.format, dpi=DPI, metadata=metadata)
    plt.close(canvas)
    return path


def write(figures: Iterable[Figure], folder: str, options: Options) -> Iterator[str]:
    """Write OUT/curves*.FORMAT and yield their paths. Raises ImportError without Matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for figure in figures:
        sheets = [([panel], "", [panel.part]) for panel in figure.panels] if options.separate else []
        for panels, title, parts in sheets or [(figure.panels, figure.title, [])]:
            name = "-".join(filter(None, ["curves", *parts, *figure.parts]))
            path = os.path.join(folder, f"{name}.{options.format}")
            with matplotlib.rc_context({**_SETTINGS, "font.size": 10 * _scale(options, len(panels))}):
                yield _save(_draw(figure, panels, title, options, plt), path, options, plt)
