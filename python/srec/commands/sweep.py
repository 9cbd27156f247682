# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate a grid of pictures, schemes, modulations and SNRs; tables and curves with confidence intervals."""
import os
import shlex
import subprocess
import sys
import time

from . import Failure, Usage


def add_arguments(parser):
    parser.add_argument("--images", metavar="DIR", help="folder of pictures; not needed by --plot")
    parser.add_argument("--config", required=True, metavar="FILE", help="experiment, a TOML file")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; finished points found there are not done again")
    parser.add_argument("--model", action="append", default=[], metavar="LABEL=FILE", help="file for a label of the experiment's [models] or [enhancers]")
    parser.add_argument("--pictures", type=int, default=0, metavar="N", help="only the first N pictures (default: all)")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="local processes (default: one for each core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="work on the Dask cluster of this scheduler, host:port")
    parser.add_argument("--list", action="store_true", help="print one command line for each job that is not finished, for GNU parallel or Slurm, and end")
    parser.add_argument("--job", type=int, metavar="N", help="do job N of --list only, into a file of its own")
    parser.add_argument("--plot", action="store_true", help="no simulation: tables and plots from the files in --out only")
    parser.add_argument("--grid", action="store_true", help="make the picture grids of the experiment's [grid] too")


def check(args):
    if not args.plot and not args.images:
        raise Usage("--images is missing: a folder of pictures")
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


def commit():
    """Of the source tree that runs, if it is one."""
    here = os.path.dirname(os.path.realpath(__file__))
    try:
        done = subprocess.run(["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True)
        return done.stdout.strip() or None if done.returncode == 0 else None
    except OSError:
        return None


def command_line(args, number):
    words = ["srec", "sweep", "--images", os.path.abspath(args.images), "--config", os.path.abspath(args.config), "--out", os.path.abspath(args.out)]
    for model in args.model:
        label, file = model.split("=", 1)
        words += ["--model", f"{label}={os.path.abspath(file)}"]
    if args.pictures:
        words += ["--pictures", str(args.pictures)]
    return shlex.join(words + ["--job", str(number)])


def finish(rows_of, jobs, total, appender, quiet):
    """Append rows as they come, with a word now and then."""
    revision, done, started, said = commit(), 0, time.monotonic(), time.monotonic()
    for rows in rows_of(jobs):
        appender.add([dict(row, commit=revision) for row in rows])
        done += len(rows)
        now = time.monotonic()
        if not quiet and (now - said > 10 or done == total):
            said = now
            left = (total - done) * (now - started) / done
            print(f"srec sweep: {done} of {total} points, {left / 60:.1f} min left", file=sys.stderr)
    return done


def enhancers_of(experiment, load):
    """-> function (scheme, scale) -> label of the scheme's enhancer for that scale, None if there is none"""
    scales = {label: load(file).scale for label, file in experiment.enhancers.items()}

    def enhancer_for(scheme, scale):
        fitting = [label for label in scheme["enhancers"] if scales[label] == scale]
        if len(fitting) > 1 or (scheme["enhancers"] and not fitting):
            raise Usage(f"{experiment.path}: {len(fitting)} enhancers of scheme {scheme['scheme']} are for scale {scale}: name one")
        return fitting[0] if fitting else None

    return enhancer_for


def run(args):
    models = check(args)
    from ..sweep import link, points, report, results, runner
    from ..sweep.config import Experiment

    experiment = Experiment(args.config, models)
    if args.plot:
        report.write(experiment, args.out)
        return 0
    experiment.check_tools()
    pictures = points.pictures_of(args.images)
    pictures = pictures[:args.pictures] if args.pictures else pictures
    try:
        enhancer_for = enhancers_of(experiment, link.enhancer)
        ids = {("model", label): link.model(file).id for label, file in experiment.models.items()}
        ids.update((("enhancer", label), link.enhancer(file).id) for label, file in experiment.enhancers.items())
    except RuntimeError as error:
        raise Failure(str(error)) from None
    os.makedirs(args.out, exist_ok=True)
    there = results.read(args.out)
    results.check_same(there, experiment, ids)
    jobs = points.jobs_of(experiment, pictures, enhancer_for)
    todo = {number: dict(job, points=[p for p in job["points"] if points.point_id(p) not in there]) for number, job in enumerate(jobs)}
    todo = {number: job for number, job in todo.items() if job["points"]}
    if args.list:
        for number in todo:
            print(command_line(args, number))
        return 0
    if args.job is not None:
        if not 0 <= args.job < len(jobs):
            raise Usage(f"--job {args.job} is not within 0 .. {len(jobs) - 1}")
        todo = {args.job: todo[args.job]} if args.job in todo else {}
    total, every = sum(len(job["points"]) for job in todo.values()), sum(len(job["points"]) for job in jobs)
    if args.job is None:
        print(f"srec sweep: {every} points of {len(pictures)} pictures, {total} to do", file=sys.stderr)
    workers = 1 if args.job is not None else args.workers or len(os.sched_getaffinity(0))
    appender = results.Appender(os.path.join(args.out, "results.jsonl" if args.job is None else f"results.job-{args.job}.jsonl"))
    try:
        if todo:
            finish((lambda j: runner.dask(j, args.scheduler)) if args.scheduler else lambda j: runner.local(j, min(workers, len(todo))),
                   list(todo.values()), total, appender, args.job is not None)
    except (RuntimeError, ValueError) as error:
        raise Failure(str(error)) from None
    finally:
        appender.close()
    if args.job is not None:
        return 0
    report.write(experiment, args.out)
    if args.grid:
        report.write_grids(experiment, pictures, args.out, enhancer_for)
    return 0
