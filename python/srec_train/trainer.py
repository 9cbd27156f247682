# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by all stages of training: loop, schedule, moving average of weights, checkpoints, logs, several processes."""
import argparse
import csv
import errno
import io
import math
import os
import pickle
import pickletools
import re
import time
import zipfile
from typing import Callable, Iterable

import torch
import torch.distributed as distributed

from . import curves, device, stopping
from .muon import Muon

OPTIMISERS = {"adam": torch.optim.Adam, "muon": Muon}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", required=True, help="folder of the run: checkpoint, log, curves; an unfinished run in it is resumed")
    device.add_argument(parser)
    add("--steps", type=int, help="total number of optimiser steps; this or --minutes is needed")
    add("--minutes", type=float, help="total time of the training, interruptions excluded, instead of --steps")
    add("--stop-at", type=int, help="stop at this step; the same command without this option resumes the run")
    add("--batch", type=int, default=4, help="crops per step and process")
    add("--rate", type=float, default=6e-4, help="learning rate")
    add("--optimiser", choices=OPTIMISERS, default="adam", help="adam, or muon, which needs fewer steps for enhancers")
    add(
        "--decay",
        type=float,
        default=0.5,
        help="share of the steps or minutes, at the end, over which the learning rate falls to 0 along a cosine",
    )
    add(
        "--average",
        type=float,
        default=0.999,
        help="factor of the moving average of the weights, which is evaluated and exported",
    )
    add("--seed", type=int, default=1, help="seed of all random choices")
    add(
        "--processes",
        type=int,
        default=1,
        help="training processes on this machine (for several machines, see docs/training.md)",
    )
    add("--threads", type=int, default=0, help="threads of each process; 0: cores divided by --processes")
    add("--every", type=int, default=100, help="steps between lines of the log")
    add("--save", type=int, default=500, help="steps between checkpoints")
    add("--validate", type=int, default=2000, help="steps between validations")


class PeerLost(Exception):
    """Another process of the training has ended."""


def world_size() -> int:
    """Return the number of processes of the training."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class Workers:
    """The processes of one training, from the environment variables of torch.distributed.

    These are WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT; without them the process is alone. Each process takes its own
    crops; gradients are averaged, by nccl on GPUs and by gloo on CPUs.
    """

    def __init__(self, where: torch.device = torch.device("cpu")) -> None:
        self.count = world_size()
        self.rank = int(os.environ.get("RANK", "0"))
        self.lead = self.rank == 0  # writes the run's folder
        if self.count > 1:
            os.environ.setdefault("USE_LIBUV", "0")  # Debian 13's PyTorch defaults to libuv but is built without it
            distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")

    def average(self, parameters: list[torch.nn.Parameter], lead_value: float = 0.0) -> float:
        """Replace gradients by their mean over the processes, in one message. Return the lead's lead_value."""
        if self.count == 1:
            return lead_value
        grads = [p.grad for p in parameters if p.grad is not None]
        shared = grads[0].new_tensor([self.count * lead_value if self.lead else 0.0])  # its mean is lead_value
        flat = torch.cat([*(g.reshape(-1) for g in grads), shared])
        try:
            distributed.all_reduce(flat)
        except RuntimeError as error:
            raise PeerLost(str(error).splitlines()[0]) from None
        flat /= self.count
        offset = 0
        for g in grads:
            g.copy_(flat[offset : offset + g.numel()].reshape(g.shape))
            offset += g.numel()
        return flat[-1].item()

    def close(self) -> None:
        """Leave the group of processes, at the end of a complete training."""
        if self.count > 1:
            distributed.destroy_process_group()


class Average:
    """Exponential moving average of a network's parameters. Buffers are copied."""

    def __init__(self, net: torch.nn.Module, decay: float) -> None:
        self.decay, self.values, self.swapped = decay, {k: v.detach().clone() for k, v in net.named_parameters()}, False

    def update(self, net: torch.nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        names, values = zip(*net.named_parameters())
        mine = [self.values[n] for n in names]
        torch._foreach_mul_(mine, decay)
        torch._foreach_add_(mine, [v.detach() for v in values], alpha=1 - decay)

    def swap(self, net: torch.nn.Module) -> None:
        """Exchange the average with the network's parameters. A second call undoes it."""
        with stopping.lock:
            for k, v in net.named_parameters():
                v.data, self.values[k] = self.values[k], v.data
            self.swapped = not self.swapped


def rate_at(step: int, done: float, rate: float, decay: float) -> float:
    """Return the learning rate: warm-up over 200 steps, constant, then a cosine to zero.

    done: the share of the training that is done, 0..1.
    """
    fall = 1.0 if done < 1 - decay else 0.5 * (1 + math.cos(math.pi * (min(done, 1.0) - 1 + decay) / decay))
    return rate * min(1.0, (step + 1) / 200) * fall


def read_figures(figures: dict[str, float | torch.Tensor]) -> dict[str, float]:
    """Convert tensors of one value to numbers. All of them are copied from the device at once."""
    names = [k for k, v in figures.items() if isinstance(v, torch.Tensor)]
    if not names:
        return figures  # type: ignore[return-value]
    values = torch.stack([figures[k].detach().float().reshape(()) for k in names]).tolist()  # type: ignore[union-attr]
    return {**figures, **dict(zip(names, values))}  # type: ignore[dict-item]


def mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, or NaN if all are."""
    values = [v for v in values if not math.isnan(v)]
    return sum(values) / len(values) if values else math.nan


class Table:
    """NAME.csv of a run, with one row per logged step."""

    def __init__(self, folder: str, name: str) -> None:
        self.path = os.path.join(folder, name + ".csv")

    def rows(self) -> list[dict[str, str]]:
        """Return the complete rows. A killed process may have left a partial one."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, newline="") as f:
            return [row for row in csv.DictReader(f) if None not in row and None not in row.values()]

    def append(self, row: dict[str, float]) -> None:
        fresh = not os.path.exists(self.path)
        with open(self.path, "a", newline="") as f:
            writer = csv.writer(f)
            if fresh:
                writer.writerow(row)
            writer.writerow(f"{v:.6g}" for v in row.values())

    def cut(self, step: int) -> None:
        """Remove the rows beyond a step, because those steps are repeated."""
        rows = self.rows()
        kept = [row for row in rows if float(row["step"]) <= step]
        if not os.path.exists(self.path):
            return
        with stopping.whole(self.path) as new, open(new, "w", newline="") as f:
            writer = csv.writer(f)
            if kept:
                writer.writerow(kept[0])
            writer.writerows(row.values() for row in kept)
        if not kept:
            os.remove(self.path)


def shown(row: dict[str, float]) -> str:
    return " ".join(f"{k} {v:.4g}" for k, v in row.items())


# (step, workers) -> (loss, figures); a figure is a number or a tensor of one value
LossOf = Callable[[int, Workers], tuple[torch.Tensor, dict[str, float | torch.Tensor]]]


class Run:
    """A training run in its folder. It keeps the content of the checkpoint after the last finished step.

    A forward pass may change buffers and the result of the network's memory(). `before` and `memory` hold their state
    before the pass, so that an unfinished step leaves no trace.
    """

    def __init__(
        self, args: argparse.Namespace, net: torch.nn.Module, groups: list[dict], state: dict, workers: Workers
    ) -> None:
        self.args, self.net, self.workers = args, net, workers
        self.state = {**state, "optimiser": args.optimiser}
        self.parameters = [p for g in groups for p in g["params"]]
        groups = [{"params": g["params"], "lr": 0.0, "factor": g.get("factor", 1.0)} for g in groups]
        self.optimiser = OPTIMISERS[args.optimiser](groups, betas=(0.9, 0.99))
        self.average = Average(net, args.average)
        self.checkpoint = os.path.join(args.out, "checkpoint.pt")
        self.train, self.validation = Table(args.out, "train"), Table(args.out, "validate")
        self.step = 0  # finished steps
        self.done = 0.0  # share of the training, of its steps or minutes; the same in all processes
        self.saved_step: int | None = None  # how many of them the checkpoint contains
        self.hours, self.started = 0.0, time.time()
        # over the steps since the last row of train.csv
        self.sums: dict[str, list[float]] = {}
        self.since, self.steps_since = time.time(), 0
        kept = net.state_dict()
        self.buffers = {name: buffer for name, buffer in net.named_buffers() if name in kept}
        self.before = {name: buffer.clone() for name, buffer in self.buffers.items()}
        self.memory: dict = {}

    def resume(self) -> None:
        """Resume from the checkpoint of the run's folder, if there is one."""
        if not os.path.exists(self.checkpoint):
            if self.workers.lead:
                self.train.cut(0)
                self.validation.cut(0)
            return
        saved = read_checkpoint(self.checkpoint)
        check_same_run(self.args, {"optimiser": "adam", **saved["state"]}, self.state)  # the only one at first
        try:
            self.net.load_state_dict(saved["net"])
            self.optimiser.load_state_dict(saved["optimiser"])
            where = {name: p.device for name, p in self.net.named_parameters()}
            self.average.values = {name: v.to(where[name]) for name, v in saved["average"].items()}
            self.step, self.hours = saved["step"], saved["hours"]
            self.done = self.share(self.hours)
            if saved.get("memory"):
                self.net.recall(saved["memory"])
        except (RuntimeError, ValueError, KeyError) as error:
            why = str(error).splitlines()[0]
            raise SystemExit(f"srec-train: {self.checkpoint} has other options ({why}): name another --out")
        self.saved_step = self.step
        of = f" of {self.args.steps}" if self.args.steps else ""
        print(f"resuming at step {self.step}{of}, {self.hours:.2f} hours in", flush=True)
        if self.workers.lead:
            self.train.cut(self.step)
            self.validation.cut(self.step)

    def elapsed(self) -> float:
        """Return the hours of the training, interruptions excluded."""
        return self.hours + (time.time() - self.started) / 3600

    def share(self, hours: float) -> float:
        """Return the share of the steps or minutes that is done."""
        return self.step / self.args.steps if self.args.steps else 60 * hours / self.args.minutes

    def progress(self) -> str:
        return f"{self.step} of {self.args.steps} steps" if self.args.steps else f"{self.step} steps"

    def is_complete(self) -> bool:
        return self.done >= 1

    def must_stop(self) -> bool:
        return self.is_complete() or (self.args.stop_at is not None and self.step >= self.args.stop_at)

    def remember(self) -> None:
        """Save the state that a forward pass changes."""
        for name, buffer in self.buffers.items():
            self.before[name].copy_(buffer)
        if hasattr(self.net, "memory"):
            self.memory = self.net.memory()

    def save(self) -> None:
        with stopping.lock:
            parameters = self.average.values if self.average.swapped else dict(self.net.named_parameters())
            average = dict(self.net.named_parameters()) if self.average.swapped else self.average.values
            content = {
                "net": {**parameters, **self.before},
                "average": average,
                "optimiser": self.optimiser.state_dict(),
                "memory": self.memory,
                "step": self.step,
                "hours": self.elapsed(),
                "state": self.state,
                "args": vars(self.args),
            }
            write_checkpoint(self.checkpoint, device.on_cpu(content))
            self.saved_step = self.step

    def keep(self) -> str:
        """Save the run. stopping calls this."""
        if not self.workers.lead:
            return "the process of rank 0 keeps the run"
        if self.step != self.saved_step and self.step:
            self.log()
            self.save()
        if not self.step:
            return f"no step was finished, so nothing is kept in {self.args.out}"
        return f"{self.progress()} are saved in {self.checkpoint}: the same command resumes the training"

    def advance(self, loss_of: LossOf) -> None:
        """Run one step. The state to keep changes only at its end."""
        step = self.step
        self.net.train()
        torch.manual_seed(self.args.seed * 1_000_003 + step * self.workers.count + self.workers.rank)
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * rate_at(step, self.done, self.args.rate, self.args.decay)
        loss, tensors = loss_of(step, self.workers)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        done = self.workers.average(self.parameters, self.share(self.elapsed()))
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        figures = read_figures({"loss": loss, **tensors, "skipped": ~torch.isfinite(norm)})  # waits for the device
        with stopping.lock:
            if not figures["skipped"]:
                self.optimiser.step()
            self.average.update(self.net, step)
            self.remember()
            self.step += 1
            self.done = self.share(0.0) if self.args.steps else done
            self.steps_since += 1
            for k, v in figures.items():
                self.sums.setdefault(k, []).append(v)

    def figures(self) -> dict[str, float]:
        pace = (time.time() - self.since) / max(1, self.steps_since)
        return {"step": self.step, "seconds_a_step": pace, **{k: mean(v) for k, v in self.sums.items()}}

    def show(self) -> None:
        row, args = self.figures(), self.args
        if args.steps:
            left = (args.steps - self.step) * row["seconds_a_step"] / 3600
        else:
            left = max(0.0, args.minutes / 60 - self.elapsed())
        print(shown(row), f"ETA {left:.2f} h", flush=True)

    def log(self) -> None:
        """Write a row of train.csv over the steps since the last one."""
        with stopping.lock:
            if self.steps_since:
                self.train.append(self.figures())
            self.sums, self.since, self.steps_since = {}, time.time(), 0

    def validate(self, figures_of: Callable[[], dict[str, float]]) -> None:
        """Validate with the averaged weights."""
        self.average.swap(self.net)
        self.net.eval()
        with torch.no_grad():
            row: dict[str, float] = {"step": self.step, **figures_of()}
        self.average.swap(self.net)
        with stopping.lock:
            self.validation.append(row)
        print("VALIDATION", shown(row), flush=True)
        curves.draw(self.args.out)
        self.since = time.time()

    def is_validated(self) -> bool:
        return any(float(row["step"]) == self.step for row in self.validation.rows())

    def validation_due(self) -> bool:
        return self.step > 0 and (self.step % self.args.validate == 0 or self.is_complete())


def start(args: argparse.Namespace) -> torch.device:
    """Check the options of a training, seed it, and return its device."""
    if (args.steps is None) == (args.minutes is None):
        raise SystemExit("srec-train: name either --steps or --minutes, the length of the training")
    for name, value in (("steps", args.steps), ("minutes", args.minutes)):
        if value is not None and not 0 < value < math.inf:
            raise SystemExit(f"srec-train: --{name} {value:g}: must be above 0")
    torch.manual_seed(args.seed)
    return device.choose(args)


def run(
    args: argparse.Namespace,
    net: torch.nn.Module,
    groups: list[dict],
    loss_of: LossOf,
    validate: Callable[[], dict[str, float]],
    state: dict,
) -> None:
    """Train `net`, on the device of its parameters, until args.steps or args.minutes.

    groups: [{"params": [...], "factor": 1.0}, ...]: parameters to learn, and a factor for their learning rate.
    loss_of: (step, worker) -> (loss, {figure: float}) for one batch. The log has the averages of the figures.
    validate: () -> {figure: float}, called with the averaged weights.
    state: stored in the checkpoint under "state": stage, sizes, and other settings that a continued run must share.

    The state of a network with memory() and recall(memory) is in the checkpoint too.
    """
    torch.set_num_threads(args.threads or max(1, os.cpu_count() // args.processes))
    workers = Workers(next(net.parameters()).device)
    os.makedirs(args.out, exist_ok=True)
    this = Run(args, net, groups, state, workers)
    this.resume()
    this.remember()
    stopping.on_stop(this.keep)
    begin, this.since = this.step, time.time()
    if workers.lead and this.validation_due() and not this.is_validated():
        this.validate(validate)  # the validation was interrupted
    if this.must_stop():
        print(f"nothing left to do: {this.progress()} are done", flush=True)
    while not this.must_stop():
        try:
            this.advance(loss_of)
        except PeerLost as error:
            if stopping.LAUNCHER in os.environ and not workers.lead:
                raise SystemExit(1)  # the launcher or rank 0 reports it
            with stopping.lock:
                raise SystemExit(f"srec-train: another process of this training has ended ({error}); {this.keep()}")
        except torch.cuda.OutOfMemoryError:
            with stopping.lock:
                raise SystemExit(f"srec-train: no memory left on the GPU, a smaller --batch needs less; {this.keep()}")
        if not workers.lead:
            continue
        logged = this.step % args.every == 0 or this.must_stop()
        if logged or this.step == begin + 1:  # the first row shows how long training will take
            this.show()
        if logged:
            this.log()
        if this.step % args.save == 0 or this.must_stop():
            this.save()
        if this.validation_due():
            this.validate(validate)
    workers.close()


# What the pickle of a checkpoint may name in addition to storages. torch.save() imports only by the opcode GLOBAL.
_PLAIN = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2"}
_IMPORTS = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}


def check_plain(content: bytes) -> None:
    """Check that a checkpoint from elsewhere runs no code: its pickles name only tensors and plain values.

    content: bytes of the file.
    PyTorch 1.13 cannot do this: weights_only reads no floats, and pickle_module is ignored. Raises
    pickle.UnpicklingError.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name.lower() for name in archive.namelist()]  # PyTorch's reader ignores case
        if len(set(names)) < len(names) or any(name.endswith("constants.pkl") for name in names):
            raise pickle.UnpicklingError("not an archive as torch.save() writes it")
        for name in archive.namelist():
            if name.lower().endswith(".pkl"):
                check_pickle(archive.read(name))


def check_pickle(content: bytes) -> None:
    """Raise pickle.UnpicklingError if a pickle names anything but tensors and plain values."""
    for code, argument, _ in pickletools.genops(content):
        storage = code.name == "GLOBAL" and re.fullmatch(r"torch \w+Storage", str(argument))
        if code.name in _IMPORTS or (code.name == "GLOBAL" and argument not in _PLAIN and not storage):
            raise pickle.UnpicklingError(f"it names {argument or code.name}")


def tensor_bytes(value: object) -> int:
    """Return the bytes of all tensors in nested dicts and lists."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(tensor_bytes, parts))


def write_checkpoint(path: str, content: dict) -> None:
    """Write a checkpoint. Raises OSError."""
    disk = os.statvfs(os.path.dirname(path) or ".")
    # Check the free space first, because PyTorch's writer aborts the process on a full disk.
    if disk.f_bavail * disk.f_frsize < tensor_bytes(content) + 2**20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    with stopping.whole(path) as new:
        torch.save(content, new)


def read_checkpoint(path: str) -> dict:
    """Read a checkpoint of Run.save()."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        check_plain(content)
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
        if not isinstance(saved["state"]["stage"], str):
            raise TypeError("no stage")
        kinds = {"net": dict, "average": dict, "optimiser": dict, "args": dict, "step": int, "hours": float}
        return {**saved, **{key: kind(saved[key]) for key, kind in kinds.items()}}
    except OSError as error:
        raise SystemExit(f"srec-train: {path} is no checkpoint of a training run ({error.strerror or error})")
    except Exception as error:  # the unpickler may raise anything for other files
        why = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise SystemExit(f"srec-train: {path} is no checkpoint of a training run ({why})")


def plain(value: object) -> object:
    """Convert tuples to lists, recursively, because a checkpoint may have either."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def check_same_run(args: argparse.Namespace, there: dict, now: dict) -> None:
    """End the program if the run in args.out is a different one.

    there, now: the state of that run and of this one.
    """
    for key in ("stage", *(key for key in now if key not in ("stage", "start"))):
        if key in there and plain(there[key]) != plain(now[key]):
            short = isinstance(now[key], (str, int))
            what = f"of {key} {there[key]}, and this is {key} {now[key]}" if short else f"with other {key}"
            raise SystemExit(f"srec-train: {args.out} holds a run {what}: name another --out")


def load(path: str, *stages: str) -> tuple[dict, dict]:
    """Return (averaged state dict, content) of a checkpoint or a run's folder of one of these stages."""
    path = os.path.join(path, "checkpoint.pt") if os.path.isdir(path) else path
    saved = read_checkpoint(path)
    if saved["state"]["stage"] not in stages:
        stage = saved["state"]["stage"]
        raise SystemExit(f"srec-train: {path} is of stage {stage}; stage {' or '.join(stages)} is needed")
    return {**saved["net"], **saved["average"]}, saved
