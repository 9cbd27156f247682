# SPDX-License-Identifier: GPL-3.0-or-later
"""What every stage of training shares: the loop, its schedule, moving average of weights, checkpoints, logs, several processes."""
import csv
import math
import os
import socket
import subprocess
import sys
import time

import torch
import torch.distributed as distributed


def add_arguments(parser):
    add = parser.add_argument
    add("--out", required=True, help="folder of the run: checkpoint, log, curves; an unfinished run in it goes on")
    add("--steps", type=int, required=True, help="optimiser steps in all")
    add("--stop-at", type=int, default=0, help="stop there for now; the same command without it goes on")
    add("--batch", type=int, default=4, help="crops a step and process")
    add("--rate", type=float, default=6e-4, help="learning rate")
    add("--decay", type=float, default=0.5, help="share of the steps at the end over which the rate falls to 0 along a cosine")
    add("--average", type=float, default=0.999, help="moving average of weights, the one that is evaluated and exported")
    add("--seed", type=int, default=1)
    add("--processes", type=int, default=1, help="training processes on this machine (docs/training.md: several machines)")
    add("--threads", type=int, default=0, help="of each process; 0: the cores divided by --processes")
    add("--every", type=int, default=100, help="steps between lines of the log")
    add("--save", type=int, default=500, help="steps between checkpoints")
    add("--validate", type=int, default=2000, help="steps between validations")


def launch(count):
    """This very command as `count` processes of one training; -> exit code. PyTorch 1.13's torchrun fails with Python 3.11."""
    if "RANK" in os.environ:
        raise RuntimeError("a process of a training starts no others")
    with socket.socket() as s:  # a port that is free now
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    common = {"OPENBLAS_NUM_THREADS": "1", **os.environ,  # its threads are none of torch.set_num_threads(), and spin as they wait
              "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env={**common, "RANK": str(rank)}) for rank in range(count)]
    codes = []
    try:
        while started:
            for process in [p for p in started if p.poll() is not None]:
                started.remove(process)
                codes.append(process.returncode)
                if process.returncode:  # the others would wait for it
                    for other in started:
                        other.terminate()
            time.sleep(0.2)
    finally:
        for process in started:
            process.kill()
    return max(codes, key=abs)


class Workers:
    """The processes of one training, as torch.distributed's environment variables (WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT) name them;
    alone without these. Each takes its own crops; gradients are averaged (gloo)."""

    def __init__(self):
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.count > 1:
            distributed.init_process_group("gloo")

    def average(self, parameters):
        """Gradients to their mean over the processes, in one message."""
        if self.count == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in grads])
        distributed.all_reduce(flat)
        flat /= self.count
        offset = 0
        for g in grads:
            g.copy_(flat[offset:offset + g.numel()].reshape(g.shape))
            offset += g.numel()


class Average:
    """Exponential moving average of a network's parameters; buffers are taken as they are."""

    def __init__(self, net, decay):
        self.decay, self.values = decay, {k: v.detach().clone() for k, v in net.named_parameters()}

    def update(self, net, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        names, values = zip(*net.named_parameters())
        mine = [self.values[n] for n in names]
        torch._foreach_mul_(mine, decay)
        torch._foreach_add_(mine, [v.detach() for v in values], alpha=1 - decay)

    def swap(self, net):
        """Exchange with the network's parameters: call again to undo."""
        for k, v in net.named_parameters():
            v.data, self.values[k] = self.values[k], v.data


def rate_at(step, steps, rate, decay):
    """Warm-up over 200 steps, flat, then a cosine to zero."""
    done = step / steps
    fall = 1.0 if done < 1 - decay else 0.5 * (1 + math.cos(math.pi * (done - 1 + decay) / decay))
    return rate * min(1.0, (step + 1) / 200) * fall


def mean(values):
    """Of the values that are numbers; NaN if none is."""
    values = [v for v in values if not math.isnan(v)]
    return sum(values) / len(values) if values else math.nan


def run(args, net, groups, loss_of, validate, state=None):
    """Train `net` until args.steps.

    groups    [{"params": [...], "factor": 1.0}, ...]: parameters that learn, and what multiplies their rate
    loss_of   (step, worker) -> (loss, {figure: float}) for one batch; averages of the figures go to the log
    validate  () -> {figure: float}, called with the averaged weights
    state     kept in the checkpoint under "state" (sizes, stage)
    """
    torch.set_num_threads(args.threads or max(1, os.cpu_count() // args.processes))
    workers = Workers()
    lead = workers.rank == 0
    os.makedirs(args.out, exist_ok=True)
    parameters = [p for g in groups for p in g["params"]]
    optimiser = torch.optim.Adam([{"params": g["params"], "lr": 0.0, "factor": g.get("factor", 1.0)} for g in groups], betas=(0.9, 0.99))
    average, begin, hours = Average(net, args.average), 0, 0.0
    checkpoint = os.path.join(args.out, "checkpoint.pt")
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint, map_location="cpu")
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        average.values, begin, hours = saved["average"], saved["step"], saved["hours"]
        print(f"going on at step {begin} of {args.steps}, {hours:.2f} hours in", flush=True)

    def save(step):
        torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "average": average.values, "step": step,
                    "hours": hours + (time.time() - start) / 3600, "state": state, "args": vars(args)}, checkpoint + ".new")
        os.replace(checkpoint + ".new", checkpoint)

    def log(name, row):
        path = os.path.join(args.out, name + ".csv")
        fresh = not os.path.exists(path)
        with open(path, "a", newline="") as f:
            writer = csv.writer(f)
            if fresh:
                writer.writerow(row)
            writer.writerow(f"{v:.6g}" for v in row.values())

    sums, since, start = {}, time.time(), time.time()
    last = min(args.steps, args.stop_at or args.steps)
    for step in range(begin, last):
        net.train()
        torch.manual_seed(args.seed * 1_000_003 + step * workers.count + workers.rank)
        for group in optimiser.param_groups:
            group["lr"] = group["factor"] * rate_at(step, args.steps, args.rate, args.decay)
        loss, figures = loss_of(step, workers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        workers.average(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        if torch.isfinite(norm):
            optimiser.step()
        average.update(net, step)
        for k, v in {"loss": loss.item(), **figures, "skipped": float(not torch.isfinite(norm))}.items():
            sums.setdefault(k, []).append(v)
        if not lead:
            continue
        done = step + 1
        if done % args.every == 0 or done == last:
            pace = (time.time() - since) / min(args.every, done - begin)
            row = {"step": done, "seconds_a_step": pace, **{k: mean(v) for k, v in sums.items()}}
            log("train", row)
            print(" ".join(f"{k} {v:.4g}" for k, v in row.items()), f"ETA {(args.steps - done) * pace / 3600:.2f} h", flush=True)
            sums, since = {}, time.time()
        if done % args.save == 0 or done == last:
            save(done)
        if done % args.validate == 0 or done == args.steps:
            average.swap(net)
            net.eval()
            with torch.no_grad():
                row = {"step": done, **validate()}
            average.swap(net)
            log("validate", row)
            print("VALIDATION", " ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
            curves(args.out)
            since = time.time()


def curves(folder):
    """validate.csv and the loss of train.csv as curves.png; nothing without Matplotlib."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.5))
    for axis, name, columns in ((axes[0], "train", ("loss",)), (axes[1], "validate", None)):
        path = os.path.join(folder, name + ".csv")
        if not os.path.exists(path):
            continue
        with open(path) as f:
            rows = list(csv.DictReader(f))
        for column in columns or [c for c in rows[0] if c != "step"]:
            axis.plot([float(r["step"]) for r in rows], [float(r[column]) for r in rows], label=column)
        axis.set_xlabel("step")
        axis.set_title(name)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(os.path.join(folder, "curves.png"), dpi=90)
    plt.close(figure)


def load(path):
    """-> (averaged state dict, state) of a checkpoint, or of the one in a run's folder"""
    path = os.path.join(path, "checkpoint.pt") if os.path.isdir(path) else path
    try:
        saved = torch.load(path, map_location="cpu")
        return {**saved["net"], **saved["average"]}, saved
    except (OSError, KeyError, RuntimeError, EOFError) as error:
        raise SystemExit(f"srec-train: {path} is no checkpoint of a training run ({error})")
