# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and plots of srec sweep, from rows made by hand: nothing is simulated."""
import csv
import math
import os
import re
import tempfile
import unittest

import numpy as np
import sweeps
from gnuradio.srec.commands import Usage
from gnuradio.srec.sweep import names, plots, report, results, tables
from gnuradio.srec.sweep.config import Experiment
from PIL import Image
from scipy import stats

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    plt = None

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "experiments")
TEXT = """
experiment = "made"
title = "Made up"
modulation = ["16qam", "qpsk"]
snr_db = [0, 4, 8]
crop = [768, 512]
[enhancers]
one = "enhancer-x1.safetensors"
[[scheme]]
name = "ntscc-clear"
[[scheme]]
name = "srec"
enhancer = "one"
[[reference]]
codec = "jpeg"
"""


class Report(unittest.TestCase):
    def setUp(self):
        keep = tempfile.TemporaryDirectory()
        self.addCleanup(keep.cleanup)
        self.folder = keep.name
        self.out = os.path.join(self.folder, "out")

    def experiment(self, text=TEXT):
        self.config = os.path.join(self.folder, "made.toml")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)
        return Experiment(self.config)

    def rows(self, text=TEXT, n_pictures=5, change=lambda row: {}):
        """Return an experiment and its rows, which are in self.out too."""
        experiment = self.experiment(text)
        sweeps.write(self.out, sweeps.rows_of(experiment, n_pictures, change))
        return experiment, report.load(experiment, self.out)

    def figures(self, *args, **options):
        experiment, rows = self.rows(*args, **options)
        return list(plots.figures_of(experiment, rows, names.Legend(experiment, rows)))

    def markdown(self, *args, **options):
        experiment, rows = self.rows(*args, **options)
        return report.markdown(experiment, rows, names.Legend(experiment, rows))

    def plot(self, *args):
        """Run `srec sweep --plot` and return the exit code and the message."""
        return sweeps.here("--plot", "--config", self.config, "--out", self.out, *args)


class Names(Report):
    def legends(self, text):
        experiment, rows = self.rows(text, 1)
        return [name for name, _ in names.curves(rows, names.Legend(experiment, rows), ("modulation", "snr_db", "eta"))]

    def test_without_labels_names_have_only_what_distinguishes_curves(self):
        self.assertEqual(self.legends(TEXT), ["NTSCC, in clear, soft", "SREC, soft", "JPEG, ideal code"])
        several = (
            TEXT + '[models]\na = ""\nb = ""\n[[scheme]]\nname = "ntscc-encrypted"\ncipher = ["add", "xor"]\n'
        ).replace('cipher = ["add", "xor"]', 'cipher = "add"\n[[scheme]]\nname = "ntscc-encrypted"\ncipher = "xor"')
        several += '[[scheme]]\nname = "srec"\nmodel = "b"\n'
        self.assertEqual(
            self.legends(several),
            [
                "NTSCC, in clear, soft, a",
                "NTSCC, encrypted, soft, a, addition",
                "NTSCC, encrypted, soft, a, exclusive or",
                "SREC, soft, a",
                "SREC, soft, b, no super-resolution",
                "JPEG, ideal code",
            ],
        )

    def test_layers_have_the_settings_that_are_not_the_defaults(self):
        text = TEXT + "".join(
            f'[[scheme]]\nname = "layers"\n{keys}'
            for keys in (
                "",
                "layers = [0.5, 4, 8]\nshares = [2, 1, 1]\n",
                "margin = 1\nparity = 0\n",
                "layers = 4\ncbr = 0.3\n",
                "margin = 0.5\nparity = 3\nlabel = 'ours'\n",
            )
        )
        self.assertEqual(
            self.legends(text)[2:-1],
            [
                "Layers",
                "ours",
                "Layers, margin 1 dB, parity 0",
                "Layers for 0.5, 4, 8 dB, shares 2:1:1",
                "Layers for 4 dB, cbr 0.3",
            ],
        )
        self.assertEqual(self.plot()[0], 0)
        with open(os.path.join(self.out, "table.md"), encoding="utf-8") as f:
            table = f.read()
        self.assertIn("| Layers | Layers for the SNR of the channel, at the channel use of the model | soft |", table)
        self.assertIn("| Layers for 4 dB, cbr 0.3 | Layers for 4 dB, cbr 0.3 | soft | addition |", table)
        with open(os.path.join(self.out, "means.csv"), encoding="utf-8", newline="") as f:
            lines = {line["curve"]: line for line in csv.DictReader(f)}
        self.assertEqual(lines["Layers for 0.5, 4, 8 dB, shares 2:1:1"]["layers"], "[0.5, 4.0, 8.0]")
        self.assertEqual((lines["ours"]["parity"], lines["Layers"]["parity"]), ("3", ""))

    def test_a_label_names_its_curve_in_tables_csv_and_plots(self):
        text = TEXT.replace('enhancer = "one"', 'enhancer = "one"\nlabel = "Ours | proposed"')
        text = text.replace('codec = "jpeg"', 'codec = "jpeg"\nlabel = "JPEG at capacity"')
        self.assertEqual(self.legends(text), ["NTSCC, in clear, soft", "Ours | proposed", "JPEG at capacity"])
        self.assertEqual(self.plot("--format", "svg"), (0, ""))
        for name, label in (
            ("table.md", "| Ours \\| proposed |"),
            ("means.csv", "\nOurs | proposed,srec,"),
            *([("curves.svg", ">Ours | proposed<"), ("curves.svg", ">JPEG at capacity<")] if plt else []),
        ):
            with open(os.path.join(self.out, name), encoding="utf-8") as f:
                self.assertIn(label, f.read(), name)

    def test_a_label_that_fits_no_single_curve_is_one_line(self):
        scheme = TEXT.replace('name = "ntscc-clear"', 'name = "ntscc-clear"\nlabel = "x"')
        for text, says in (
            (scheme.replace('"x"', '"x"\ndecisions = ["hard", "soft"]'), "label 'x' would name 2 curves"),
            (scheme.replace('enhancer = "one"', 'enhancer = "one"\nlabel = "x"'), "label 'x' is there twice"),
            (scheme.replace('"x"', '""'), "label must be 1 to 80 printable characters, not ''"),
            (scheme.replace('"x"', '"a\\nb"'), "label must be 1 to 80 printable characters"),
            (scheme.replace('"x"', '"' + 81 * "x" + '"'), "label must be 1 to 80 printable characters"),
            (scheme.replace('"x"', "3"), "label must be text, not 3"),
            (
                TEXT.replace('"jpeg"', '["jpeg", "webp"]\nlabel = "x"'),
                "give each value of codec and code its own table",
            ),
        ):
            with self.subTest(says=says), self.assertRaises(Usage) as raised:
                self.experiment(text)
            self.assertIn(says, str(raised.exception))
            self.assertNotIn("\n", str(raised.exception))


class Tables(Report):
    def test_they_say_which_model_is_what(self):
        table = self.markdown()
        self.assertIn("| SREC, soft | SREC | soft | auto | default | one | 1 |", table)
        self.assertIn("| NTSCC, in clear, soft | NTSCC, in clear | soft | none | default | none | 1 |", table)
        self.assertIn("| default | codec | installed.safetensors | id-of-default |", table)
        self.assertIn("| one | enhancer | enhancer-x1.safetensors | id-of-one |", table)

    def test_they_name_the_enhancer_of_layers(self):
        text = TEXT + '[[scheme]]\nname = "layers"\n[[scheme]]\nname = "layers"\nenhancer = "one"\n'
        layers = re.findall(r"(?m)^\| Layers.*\| Layers.*\| (\w+) \| 1 \|$", self.markdown(text))
        self.assertEqual(sorted(layers), ["none", "one"])

    def test_they_have_the_mean_and_the_interval_of_each_metric(self):
        experiment, rows = self.rows()
        table = report.markdown(experiment, rows, names.Legend(experiment, rows))
        for key, head, decimals in (("psnr_db", "### PSNR, dB: QPSK, eta 0.2", 2), ("ms_ssim", "### MS-SSIM: QPSK", 4)):
            values = [r[key] for r in rows if (r["scheme"], r["modulation"], r["snr_db"]) == ("srec", "qpsk", 0)]
            half = stats.sem(values) * stats.t.ppf(0.975, 4)
            cell = f"| SREC, soft | 0.100 | {np.mean(values):.{decimals}f} ± {half:.{decimals}f} |"
            self.assertIn(head, table)
            self.assertIn(cell, table[table.index(head) :])

    def test_the_csv_has_means_and_intervals_of_every_point(self):
        _, rows = self.rows()
        self.assertEqual(self.plot()[0], 0)
        with open(os.path.join(self.out, "means.csv"), encoding="utf-8", newline="") as f:
            lines = list(csv.DictReader(f))
        self.assertEqual(len(lines), 2 * 3 * 3)  # modulations, SNRs, curves
        for line in lines:
            for key in ("psnr_db", "ms_ssim"):
                values = [
                    r[key]
                    for r in rows
                    if (r["scheme"] or r["codec"], r["modulation"], r["snr_db"])
                    == (line["scheme"] or line["codec"], line["modulation"], float(line["snr_db"]))
                ]
                low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
                self.assertAlmostEqual(float(line[key]), np.mean(values), 3)
                self.assertAlmostEqual(float(line[key + "_low"]), low, 3)
                self.assertAlmostEqual(float(line[key + "_high"]), high, 3)
            self.assertEqual((line["pictures"], line["trials"], line["lost_share"]), ("5", "1", "0"))
        self.assertEqual({line["enhancer_file"] for line in lines}, {"", "enhancer-x1.safetensors"})

    def test_one_value_has_no_interval(self):
        self.rows(n_pictures=1)
        self.assertEqual(self.plot()[0], 0)
        with open(os.path.join(self.out, "means.csv"), encoding="utf-8", newline="") as f:
            self.assertEqual({(r["psnr_db_low"], r["ms_ssim_high"]) for r in csv.DictReader(f)}, {("", "")})

    def test_points_with_a_missing_ms_ssim_have_none(self):
        # results of earlier releases: no MS-SSIM of references, nor of lost images
        def earlier(row):
            if row.get("codec") or (row["snr_db"], row["picture"]) == (0, "2.png"):
                return {"ms_ssim": None}
            return {}

        table = self.markdown(change=earlier)
        table = table[table.index("### MS-SSIM: QPSK") :]
        self.assertNotIn("JPEG", table)
        self.assertRegex(table, r"\| SREC, soft \| 0.100 \|  \| 0\.\d{4} ± 0\.\d{4} \|")
        for figure in self.figures(change=earlier):
            if figure.metric is results.MS_SSIM:
                for panel in figure.panels:
                    self.assertEqual([c.label for c in panel.curves], ["NTSCC, in clear, soft", "SREC, soft"])
                    self.assertEqual(panel.curves[0].x, [4, 8])

    def test_gains_are_of_one_eta_each(self):
        text = TEXT.replace("crop", "eta = [0.05, 0.2]\ncrop", 1)
        text += '[gains]\nsnr_db = 4\n[[gains.over]]\nscheme = "ntscc-clear"\npaper = { qpsk = 3.0 }\n'
        gain = {0.05: 2.5, 0.2: 4.25}
        table = self.markdown(
            text,
            change=lambda row: {"psnr_db": 20 + gain[row["eta"]]} if row.get("scheme") == "srec" else {"psnr_db": 20.0},
        )
        self.assertIn("| over | modulation | paper | SREC, soft, eta 0.05 | SREC, soft, eta 0.2 |", table)
        self.assertIn("| NTSCC, in clear | QPSK | +3.0 | +2.50 ± 0.00 | +4.25 ± 0.00 |", table)
        self.assertIn("| NTSCC, in clear | 16QAM |  | +2.50 ± 0.00 | +4.25 ± 0.00 |", table)

    def test_gains_of_layers_are_over_the_only_curve_of_another_scheme(self):
        text = TEXT + '[[scheme]]\nname = "layers"\n[gains]\nsnr_db = 4\nscheme = "layers"\n'
        text += '[[gains.over]]\nscheme = "srec"\n[[gains.over]]\nscheme = "ntscc-clear"\n'
        table = self.markdown(text)
        self.assertIn("## Gain of Layers at 4 dB", table)
        self.assertIn("| SREC | QPSK |  | +4.00 ± 0.00 |", table)
        self.assertIn("| NTSCC, in clear | QPSK |  | +5.00 ± 0.00 |", table)
        several = text.replace("[gains]", '[[scheme]]\nname = "srec"\n[gains]')
        self.assertIn("| SREC | QPSK |  |  |", self.markdown(several))

    def test_layers_for_the_snr_of_the_channel_have_one_rate_in_a_broadcast(self):
        text = TEXT + '[[scheme]]\nname = "layers"\n[[scheme]]\nname = "layers"\nlayers = [0.5, 8]\n'
        psnr = {0: 20.0, 4: 25.0, 8: 40.0}
        table = self.markdown(
            text, change=lambda row: {"psnr_db": psnr[row["snr_db"]]} if row.get("scheme") == "layers" else {}
        )
        made_for = (40.0 + 2 * 12) / 3  # 12 dB: the grey image
        self.assertIn(f"| Layers | {max(20, (25 * 2 + 12) / 3, made_for):.2f} (made for 8 dB) | 8 dB |", table)
        self.assertIn(f"| Layers for 0.5, 8 dB | {(20 + 25 + 40) / 3:.2f} | 8 dB |", table)

    def test_a_code_whose_rate_follows_the_snr_has_one_rate_in_a_broadcast(self):
        psnr = {0: 20.0, 4: 25.0, 8: 40.0}
        table = self.markdown(change=lambda row: {"psnr_db": psnr[row["snr_db"]]} if row.get("codec") else {})
        made_for = {0: 20.0, 4: (25.0 * 2 + 12) / 3, 8: (40.0 + 2 * 12) / 3}  # 12 dB: the grey image
        self.assertIn(f"| JPEG, ideal code | {max(made_for.values()):.2f} (made for 8 dB) | 8 dB |", table)

    def test_results_of_an_earlier_experiment_are_left_out(self):
        self.rows()
        self.experiment(TEXT.replace("[0, 4, 8]", "4"))
        code, said = self.plot()
        self.assertEqual(code, 0)
        self.assertRegex(said, r"^srec sweep: 60 results of an earlier .*made\.toml are left out\n$")
        with open(os.path.join(self.out, "table.md"), encoding="utf-8") as f:
            self.assertNotIn("8 dB |", f.read())

    def test_ranges_are_put_into_words(self):
        for better, words in (
            ([1, 1, 1], "everywhere"),
            ([0, 0, 0], "nowhere"),
            ([0, 1, 1], "2 to 4 dB"),
            ([1, 0, 1], "0, 4 dB"),
            ([1, 1, 0], "0 to 2 dB"),
        ):
            self.assertEqual(tables.ranges(dict(zip((0.0, 2.0, 4.0), map(bool, better)))), words)


class Intervals(unittest.TestCase):
    def rows(self, values, **more):
        return [
            dict(picture=p, trial=t, model="m", psnr_db=v, cbr=0.1, lost=False, **more) for (p, t), v in values.items()
        ]

    def test_the_interval_is_students_over_pictures(self):
        mean = results.means(self.rows({("a", 0): 0.0, ("a", 1): 2.0, ("b", 0): 2.0, ("c", 0): 3.0}))
        (only,) = mean.values()
        self.assertAlmostEqual(only["mean"], 2.0)
        self.assertAlmostEqual(
            only["half"], 4.302653 / math.sqrt(3), 5
        )  # t at 0.975 with 2 degrees of freedom, deviation 1
        self.assertEqual((only["n"], only["pictures"]), (3, 3))

    def test_one_picture_has_its_trials_as_sample_and_one_value_no_interval(self):
        (only,) = results.means(self.rows({("a", 0): 1.0, ("a", 1): 3.0})).values()
        self.assertAlmostEqual(only["half"], 12.706205 * math.sqrt(2) / math.sqrt(2), 5)
        self.assertEqual((only["n"], only["pictures"]), (2, 1))
        (single,) = results.means(self.rows({("a", 0): 1.0})).values()
        self.assertTrue(math.isnan(single["half"]))

    def test_differences_are_paired(self):
        a, b = self.rows({("a", 0): 10.0, ("b", 0): 30.0, ("c", 0): 5.0}), self.rows({("a", 0): 9.0, ("b", 0): 29.0})
        self.assertEqual(results.difference(a, b)[0::2], (1.0, 2))
        self.assertAlmostEqual(results.difference(a, b)[1], 0.0)
        self.assertIsNone(results.difference(a, []))

    def test_results_that_no_key_tells_apart_are_not_averaged(self):
        rows = self.rows({("a", 0): 1.0}) + self.rows({("a", 0): 2.0})
        with self.assertRaises(ValueError):
            results.means(rows)


class Figures(Report):
    """What plots show, before Matplotlib draws them."""

    def test_confidence_bands_need_five_pictures(self):
        for n_pictures, trials, banded in ((4, 1, False), (5, 1, True), (1, 6, False)):
            figures = self.figures(TEXT.replace("crop", f"trials = {trials}\ncrop"), n_pictures)
            bands = [curve.band is not None for f in figures for panel in f.panels for curve in panel.curves]
            self.assertEqual(len(bands), 2 * 2 * 3)  # metrics, modulations, curves
            self.assertEqual(set(bands), {banded}, (n_pictures, trials))

    def test_each_plot_has_every_metric(self):
        for plot in ("snr", "eta", "cbr"):
            figures = self.figures(TEXT.replace("crop", f'plot = "{plot}"\neta = [0.1, 0.2]\ncrop'), 2)
            by_metric = {
                metric: [f for f in figures if f.metric is metric] for metric in (results.PSNR, results.MS_SSIM)
            }
            count = {"snr": 2, "eta": 1, "cbr": 3}[plot]  # etas; one; SNRs
            self.assertEqual([len(f) for f in by_metric.values()], [count, count], plot)
            for psnr, ms_ssim in zip(*by_metric.values()):
                self.assertEqual(ms_ssim.parts, [*psnr.parts, "ms-ssim"])
                self.assertTrue(all(0 < y < 1 for p in ms_ssim.panels for c in p.curves for y in c.y))

    def test_titles_do_not_repeat_themselves(self):
        one = TEXT.replace('"Made up"', '"PSNR over SNR, eta 0.2"')
        self.assertEqual(
            [f.title for f in self.figures(one, 1)], ["PSNR over SNR, eta 0.2", "MS-SSIM over SNR, eta 0.2"]
        )
        several = self.figures(TEXT.replace("crop", "eta = [0.1, 0.2]\ncrop"), 1)
        self.assertEqual([f.title for f in several], 2 * ["Made up, eta 0.1", "Made up, eta 0.2"])
        for name in ("fig3", "fig5", "layers", "rate"):
            experiment = Experiment(os.path.join(DOCS, name + ".toml"))
            rows = sweeps.rows_of(experiment, 1)
            for row in rows:
                row.setdefault("scheme", None)
            for figure in plots.figures_of(experiment, rows, names.Legend(experiment, rows)):
                phrases = re.split(r", |: ", figure.title)
                self.assertEqual(len(phrases), len(set(phrases)), figure.title)
                self.assertEqual("MS-SSIM" in figure.title, figure.metric is results.MS_SSIM)

    def test_curves_of_a_panel_look_different_and_alike_in_all_panels(self):
        for name in ("fig3", "fig5", "layers", "rate"):
            experiment = Experiment(os.path.join(DOCS, name + ".toml"))
            rows = sweeps.rows_of(experiment, 1)
            for row in rows:
                row.setdefault("scheme", None)
            rows = [r for r in rows if r["modulation"] != "qpsk" or r["scheme"] != "srec" or r["decisions"] != "hard"]
            for figure in plots.figures_of(experiment, rows, names.Legend(experiment, rows)):
                looks = {}
                for panel in figure.panels:
                    here = [tuple(str(c.style[k]) for k in ("color", "linestyle", "marker")) for c in panel.curves]
                    self.assertEqual(len(here), len(set(here)), (name, panel.title))
                    for curve, look in zip(panel.curves, here):
                        self.assertEqual(looks.setdefault(curve.label, look), look)


@unittest.skipIf(plt is None, "no Matplotlib: apt install python3-matplotlib")
class Plots(Report):
    def test_lines_in_the_legend_show_two_periods_of_their_dashes(self):
        figure = self.figures(n_pictures=1)[0]
        for size in ((2.5, 3), (4, 3), None):
            canvas = plots._draw(figure, figure.panels, figure.title, plots.Options(size=size), plt)
            self.addCleanup(plt.close, canvas)
            (legend,) = canvas.legends
            width = max(line.get_linewidth() for line in legend.get_lines())
            for line in plots._LINES[1:]:
                period = sum(line[1]) * width  # dashes grow with the width of the line
                self.assertGreaterEqual(legend.handlelength * legend.get_texts()[0].get_fontsize(), 2 * period)
        self.assertEqual(
            [t.get_text() for t in legend.get_texts()], ["NTSCC, in clear, soft", "SREC, soft", "JPEG, ideal code"]
        )

    def test_formats_and_sizes_are_those_asked_for(self):
        self.rows(n_pictures=1)
        self.assertEqual(self.plot("--size", "5x3.5"), (0, ""))
        with Image.open(os.path.join(self.out, "curves.png")) as image:
            self.assertEqual(image.size, (5 * plots.DPI, 3.5 * plots.DPI))
        self.assertEqual(self.plot("--size", "5x3.5", "--format", "svg"), (0, ""))
        with open(os.path.join(self.out, "curves.svg"), encoding="utf-8") as f:
            self.assertRegex(f.read(), 'width="360pt" height="252pt"')
        self.assertEqual(self.plot("--size", "5x3.5", "--format", "pdf"), (0, ""))
        with open(os.path.join(self.out, "curves.pdf"), "rb") as f:
            pdf = f.read()
        self.assertRegex(pdf, rb"/MediaBox \[ 0 0 360 252 \]")
        self.assertNotIn(b"/Type3", pdf)

    def test_each_panel_has_its_own_file_on_request(self):
        self.rows(n_pictures=1)
        self.assertEqual(self.plot("--separate-panels", "--format", "svg"), (0, ""))
        self.assertEqual(
            {f for f in os.listdir(self.out) if f.startswith("curves")},
            {"curves-16qam.svg", "curves-qpsk.svg", "curves-16qam-ms-ssim.svg", "curves-qpsk-ms-ssim.svg"},
        )
        with open(os.path.join(self.out, "curves-qpsk.svg"), encoding="utf-8") as f:
            text = f.read()
        self.assertIn(">QPSK<", text)
        self.assertNotIn("16QAM", text)
        self.assertIn(">SREC, soft<", text)

    def test_equal_results_give_equal_files(self):
        self.rows(n_pictures=1)
        for kind in ("svg", "pdf"):
            files = []
            for _ in range(2):
                self.assertEqual(self.plot("--format", kind), (0, ""))
                with open(os.path.join(self.out, "curves." + kind), "rb") as f:
                    files.append(f.read())
            self.assertEqual(*files)

    def test_text_is_shown_literally(self):
        text = TEXT.replace('"Made up"', '"costs $5, $x_{"').replace("crop", 'plot = "cbr"\ncrop', 1)
        text = text.replace('enhancer = "one"', 'enhancer = "one"\nlabel = "_ours $1"')
        text += '[[published]]\nname = "$\\\\frac{ theirs"\ncbr = [0.1]\npsnr_db = [30]\n'
        self.rows(text, 1)
        self.assertEqual(self.plot("--format", "svg"), (0, ""))
        with open(os.path.join(self.out, "curves-4dB.svg"), encoding="utf-8") as f:
            svg = f.read()
        for words in ("costs $5, $x_{", "QPSK: _ours $1", "$\\frac{ theirs"):
            self.assertIn(words, svg)

    def test_a_legend_that_leaves_no_room_is_one_line(self):
        text = TEXT.replace('enhancer = "one"', f'enhancer = "one"\nlabel = "{80 * "w"}"')
        self.rows(text, 1)
        code, said = self.plot("--size", "1.5x1.5")
        self.assertEqual((code, len(set(said.splitlines()))), (0, 1), said)
        self.assertIn("the legend does not fit: use a larger --size or shorter labels", said)

    def test_what_is_wrong_with_an_option_is_one_line(self):
        self.rows(n_pictures=1)
        for size in ("5", "5x", "0x5", "1e9x5", "61x5", "-5x5", "5x5x5", "5 x 5", "nanx5"):
            code, said = self.plot(f"--size={size}")
            self.assertEqual((code, len(said.splitlines())), (2, 1), said)
            self.assertIn(f"--size {size}: needs WIDTHxHEIGHT, each 1.5 to 60 inches", said)
        code, said = self.plot("--format", "eps")
        self.assertEqual(code, 2)
        self.assertIn("invalid choice: 'eps'", said)


if __name__ == "__main__":
    unittest.main()
