# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate a grid of images, schemes, modulations and SNRs; write tables and curves with confidence intervals."""
from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Optional

from . import Failure, Usage
from ..text import printable

if TYPE_CHECKING:
    from ..sweep.config import Experiment
    from ..sweep.points import EnhancerFor
    from ..sweep.results import Appender

FORMATS = ("png", "pdf", "svg")  # of plots
SIZE_INCHES = 1.5, 60.0  # least and greatest width or height of a plot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", metavar="DIR", help="folder of images; --plot does not need it")
    parser.add_argument("--config", metavar="FILE", help="experiment file (TOML); --plan needs none")
    parser.add_argument(
        "--plan",
        action="store_true",
        help="measure the table of srec plan on the images, and write it to the file --out",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="folder for the results; finished points in it are not simulated again; with --plan a file",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="LABEL=FILE",
        help="file for a label in the experiment's [models] or [enhancers]",
    )
    parser.add_argument(
        "--pictures", type=int, default=0, metavar="N", help="use only the first N images (default: all; --plan: 24)"
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="number of local processes (default: one per core)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on the Dask cluster of this scheduler, host:port")
    parser.add_argument(
        "--list",
        action="store_true",
        help="print one command line for each unfinished job, for GNU parallel or Slurm, and end",
    )
    parser.add_argument("--job", type=int, metavar="N", help="run only job N of --list, and write a separate file")
    parser.add_argument(
        "--plot", action="store_true", help="no simulation: make tables and plots from the files in --out"
    )
    parser.add_argument("--grid", action="store_true", help="also make the image grids of the experiment's [grid]")
    parser.add_argument("--format", default="png", choices=FORMATS, help="file format of the plots (default png)")
    parser.add_argument(
        "--size",
        metavar="WxH",
        help="width and height of each plot in inches, for example 3.5x2.8 (default: by panels and legend)",
    )
    parser.add_argument("--separate-panels", action="store_true", help="write each panel of a plot to its own file")


def check(args: argparse.Namespace) -> list[list[str]]:
    if not args.plot and not args.images:
        raise Usage("--images is missing: a folder of images")
    if args.plan:
        check_plan(args)
    elif not args.config:
        raise Usage("--config is missing: an experiment file")
    for name, value in (("workers", args.workers), ("pictures", args.pictures)):
        if not 0 <= value <= 100000:
            raise Usage(f"--{name} {value} is not within 0 .. 100000")
    if args.scheduler and args.workers:
        raise Usage("--workers is for local processes; with --scheduler the cluster's workers count")
    if args.grid and args.plot:
        raise Usage("--grid simulates, --plot does not: leave one of them out")
    models = [m.split("=", 1) for m in args.model]
    for m in models:
        if len(m) != 2 or not all(m):
            raise Usage(f"--model {m[0]}: needs LABEL=FILE")
    return models


def check_plan(args: argparse.Namespace) -> None:
    for name in ("config", "model", "scheduler", "list", "job", "plot", "grid", "size", "separate_panels"):
        if getattr(args, name) not in (None, False, []):
            raise Usage(f"--plan does not go with --{name.replace('_', '-')}: it measures a grid of its own")
    if not args.out or os.path.isdir(args.out):
        raise Usage(f"--out '{args.out}': with --plan it names the file of the table")
    from ..plan.table import TableError, load

    folder = os.path.dirname(os.path.abspath(args.out))
    if not os.access(folder, os.W_OK):
        raise Failure(f"{folder}: " + ("cannot be written to" if os.path.isdir(folder) else "no such folder"))
    if os.path.exists(args.out):
        try:
            load(args.out)
        except TableError:
            raise Failure(f"{args.out}: exists and is not a plan table: move it away") from None


def size_of(text: Optional[str]) -> Optional[tuple[float, float]]:
    """Return (width, height) in inches of --size, or None."""
    if text is None:
        return None
    number = r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(rf"{number}x{number}", text)
    size = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    low, high = SIZE_INCHES
    if not all(low <= side <= high for side in size):
        raise Usage(f"--size {text}: needs WIDTHxHEIGHT, each {low:g} to {high:g} inches, for example 3.5x2.8")
    return size


def commit() -> Optional[str]:
    """Return the commit of the source tree that runs, if it is one."""
    here = os.path.dirname(os.path.realpath(__file__))
    try:
        done = subprocess.run(
            ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True
        )
        return done.stdout.strip() or None if done.returncode == 0 else None
    except OSError:
        return None


def command_line(args: argparse.Namespace, number: int) -> str:
    words = [
        "srec",
        "sweep",
        "--images",
        os.path.abspath(args.images),
        "--config",
        os.path.abspath(args.config),
        "--out",
        os.path.abspath(args.out),
    ]
    for model in args.model:
        label, file = model.split("=", 1)
        words += ["--model", f"{label}={os.path.abspath(file)}"]
    if args.pictures:
        words += ["--pictures", str(args.pictures)]
    return shlex.join(words + ["--job", str(number)])


def collect(rows: Iterable[dict], total: int, appender: Appender, quiet: bool) -> None:
    """Append rows as they arrive, and print a line from time to time."""
    revision, started, said = commit(), time.monotonic(), time.monotonic()
    for done, row in enumerate(rows, 1):
        appender.add(dict(row, commit=revision))
        now = time.monotonic()
        if not quiet and (now - said > 10 or done == total):
            said = now
            left = (total - done) * (now - started) / done
            print(f"srec sweep: {done} of {total} points, {left / 60:.1f} min left", file=sys.stderr)


def enhancers_of(experiment: Experiment, load: Callable[[str], Any]) -> EnhancerFor:
    """Return a function (scheme, scale) that gives the label of the scheme's enhancer for that scale, or None."""
    models = {label: load(file) for label, file in experiment.enhancers.items()}
    scales = {label: model.scale for label, model in models.items()}
    for scheme in experiment.schemes:
        coding = "layers" if scheme["scheme"] == "layers" else "features"
        for label in scheme["enhancers"]:
            if models[label].coding != coding:
                raise Usage(
                    f"{experiment.path}: enhancer {label} is for {models[label].coding}, and scheme {scheme['scheme']}"
                    f" sends {coding}: name another one"
                )

    def enhancer_for(scheme: dict, scale: int) -> Optional[str]:
        fitting = [label for label in scheme["enhancers"] if scales[label] == scale]
        if len(fitting) > 1 or (scheme["enhancers"] and not fitting):
            raise Usage(
                f"{experiment.path}: {len(fitting)} enhancers of scheme {scheme['scheme']} are for scale {scale}:"
                " name one"
            )
        return fitting[0] if fitting else None

    return enhancer_for


def check_images(rows: dict[str, dict], pictures: list[str], crop: tuple[int, ...]) -> None:
    """Check that no image has changed since its rows were made. Raises Failure otherwise."""
    from ..sweep import transmission

    hashes = {row["picture"]: row.get("picture_hash") for row in rows.values()}
    for path in pictures:
        name = os.path.basename(path)
        with contextlib.suppress(ValueError):  # unreadable: the simulation says so
            if hashes.get(name) not in (None, transmission.hash_of(transmission.picture(path, crop))):
                raise Failure(f"{path}: has changed since the results there were made: use another --out")


def report_others(rows: dict[str, dict], pictures: list[str]) -> None:
    """Print a line if the results there include images that are not asked for."""
    others = sorted({row["picture"] for row in rows.values()} - {os.path.basename(path) for path in pictures})
    if others:
        print(
            f"srec sweep: the results there include {len(others)} other image{'s' if len(others) > 1 else ''}"
            f" ({printable(others[0])}{', ...' if len(others) > 1 else ''}): tables and plots show them too",
            file=sys.stderr,
        )


class Sweep:
    """The request of a command line, and how much of it is done."""

    def __init__(self, args: argparse.Namespace, experiment: Experiment) -> None:
        from ..sweep import points, results

        experiment.check_tools()
        experiment.check_files()
        self.args, self.experiment = args, experiment
        self.appender: Optional[Appender] = None
        pictures = points.pictures_of(args.images)
        self.pictures = pictures[: args.pictures] if args.pictures else pictures
        self.enhancer_for, ids = self._models()
        os.makedirs(args.out, exist_ok=True)
        there = results.read(args.out)
        results.check_same(there, experiment, ids)
        if args.job is None:
            check_images(there, self.pictures, experiment.crop)
            report_others(there, self.pictures)
        jobs = points.jobs_of(experiment, self.pictures, self.enhancer_for)
        self.n_jobs, self.n_points = len(jobs), sum(len(job["points"]) for job in jobs)
        self.todo = {}  # number of a job: the job with its remaining points
        for number, job in enumerate(jobs):
            left = [point for point in job["points"] if points.point_id(point) not in there]
            if left:
                self.todo[number] = dict(job, points=left)

    def _models(self) -> tuple[EnhancerFor, dict[tuple[str, str], str]]:
        from ..sweep import transmission

        experiment = self.experiment
        try:
            enhancer_for = enhancers_of(experiment, transmission.enhancer)
            ids = {("model", label): transmission.model(file).id for label, file in experiment.models.items()}
            ids |= {("enhancer", label): transmission.enhancer(file).id for label, file in experiment.enhancers.items()}
        except RuntimeError as error:
            raise Failure(str(error)) from None
        return enhancer_for, ids

    def points_left(self) -> int:
        return sum(len(job["points"]) for job in self.todo.values())

    def simulate(self) -> None:
        """Simulate everything that is left, or what is left of job N."""
        from ..sweep import results, runner

        args, name = self.args, "results.jsonl"
        if args.job is not None:
            if not 0 <= args.job < self.n_jobs:
                raise Usage(f"--job {args.job} is not within 0 .. {self.n_jobs - 1}")
            self.todo = {number: job for number, job in self.todo.items() if number == args.job}
            name = f"results.job-{args.job}.jsonl"
        else:
            print(
                f"srec sweep: {self.n_points} points of {len(self.pictures)} images, {self.points_left()} to do",
                file=sys.stderr,
            )
        self.appender = results.Appender(os.path.join(args.out, name))
        jobs = list(self.todo.values())
        try:
            if jobs:
                if args.scheduler:
                    rows = runner.dask(jobs, args.scheduler)
                else:
                    rows = runner.local("rows", jobs, self.workers())
                with contextlib.closing(rows):
                    collect(rows, self.points_left(), self.appender, args.job is not None)
        finally:
            self.appender.close()

    def workers(self) -> int:
        return 1 if self.args.job is not None else self.args.workers or len(os.sched_getaffinity(0))

    def draw_grids(self) -> None:
        from ..sweep import grid, runner

        jobs = grid.jobs(self.experiment, self.pictures, self.enhancer_for)
        with contextlib.closing(runner.local("cells", jobs, self.workers())) as cells:
            grid.write(self.experiment, jobs, list(cells), self.args.out)

    def stopped(self) -> str:
        """Return one line for a user who has pressed Ctrl-C."""
        if not self.appender:
            return "stopped before anything was simulated"
        left = self.points_left() - self.appender.added
        return (
            f"stopped: {self.appender.added} points were simulated and are kept in {self.appender.path}, "
            f"{left} are left; the same command {'resumes the sweep' if left else 'makes tables and plots'}"
        )


def work(args: argparse.Namespace, models: list[list[str]]) -> int:
    """Run the command and return the exit code."""
    from ..sweep import plan_table, plots, report
    from ..sweep.config import Experiment

    if args.plan:
        plan_table.write(args.images, args.out, args.pictures, args.workers or len(os.sched_getaffinity(0)))
        return 0
    options = plots.Options(args.format, size_of(args.size), args.separate_panels)
    if args.plot:
        report.write(Experiment(args.config), args.out, options)
        return 0
    experiment = Experiment(args.config, models)
    if args.grid and not experiment.grid:
        raise Failure(f"{experiment.path} has no [grid]")
    sweep = Sweep(args, experiment)
    if args.list:
        for number in sweep.todo:
            print(command_line(args, number))
        return 0
    try:
        sweep.simulate()
        if args.job is None:
            report.write(experiment, args.out, options)
            if args.grid:
                sweep.draw_grids()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(sweep.stopped()) from None
    return 0


def run(args: argparse.Namespace) -> int:
    models = check(args)
    stopped_by: signal.Signals = signal.SIGINT

    def terminate(*_: Any) -> None:
        nonlocal stopped_by
        stopped_by = signal.SIGTERM
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGTERM, terminate)
    try:
        return work(args, models)
    except KeyboardInterrupt as stop:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second signal would only cut off the line
            signal.signal(number, signal.SIG_IGN)
        print(f"srec sweep: {str(stop) or 'stopped'}", file=sys.stderr)
        return 128 + stopped_by
    finally:
        signal.signal(signal.SIGTERM, old)
