# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive images from a radio, a recording, a ZeroMQ socket or a pipe."""
import argparse
import os
import queue
import re
import sys
import time
from typing import Any, Callable

from . import Failure, Usage
from . import coding, enhancement, figures, options, outputs, running
from .hooks import Hooks, hook_command
from .impairments import add_impairments_group, check_impairments, impaired, impairments
from .received import Summary, picture_line, suspicion, totals_line, why_none
from .state import State
from ..guard import describe
from ..io import sigmf
from ..modulations import MODULATIONS
from ..view.window import Window

PROGRESS_S = 0.2  # between partial images in the window
FOREVER_S = 1e6  # an image from a file may take any time
FINISH_S = 120  # for the current image when the window is closed
GRACE_S = 5  # for the last files after the flowgraph has ended by itself
BUSY_S = 0.1  # a block that works longer on one message is mentioned in the status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    image = parser.add_argument_group("image")
    image.add_argument("--out", required=True, help="folder for the images, created if missing")
    image.add_argument("--prefix", default="picture", help="prefix of the file names (default picture)")
    image.add_argument("--view", action="store_true", help="show the images in a window as their packets arrive")
    image.add_argument("--once", action="store_true", help="end after the first image")
    image.add_argument(
        "--hook",
        metavar="COMMAND",
        help="run COMMAND for each image, with the path of the image as last argument; no shell",
    )
    image.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="deliver an incomplete image after this many seconds without a packet (default 5)",
    )
    image.add_argument(
        "--max-pixels",
        type=float,
        default=64e6,
        metavar="N",
        help="drop images of more than N pixels; 0: no limit (default 64e6)",
    )
    encryption = parser.add_argument_group("encryption")
    options.add_key_argument(encryption)
    encryption.add_argument(
        "--state",
        metavar="FILE",
        help="file that stores the newest packet numbers, so that recordings are refused even after a restart",
    )
    first = "the recording's, else "
    device = options.add_device_group(parser, "sim:PICTURE", first)
    device.add_argument("--record", metavar="PATH", help="also record the samples, as a SigMF recording in --format")
    waveform = options.add_waveform_group(parser, first)
    waveform.add_argument("--hard", action="store_true", help="hard decisions, as in the paper")
    enhancement.add_arguments(parser)
    transmitter = parser.add_argument_group("simulated transmitter of --device sim")
    coding.add_simulated(transmitter)
    transmitter.add_argument(
        "--level", type=float, default=-12.0, metavar="DBFS", help="level of the simulated transmitter (default -12)"
    )
    add_impairments_group(parser)
    options.add_networks_group(parser)
    options.add_run_group(parser)


def complete_from(args: argparse.Namespace, source: sigmf.Recording, path: str) -> None:
    """Take missing options from the recording, and refuse options that contradict it."""
    known = {
        "rate": source.rate,
        "sps": source.srec.get("samples_per_symbol"),
        "rolloff": source.srec.get("rolloff"),
        "modulation": source.srec.get("modulation"),
    }
    for name, value in known.items():
        asked = getattr(args, name)
        if value is None:
            continue
        if asked is not None and asked != value:
            asked, value = (f"{asked:g}", f"{value:g}") if name == "rate" else (asked, value)
            raise Failure(f"{path}: the recording has --{name} {value}, not {asked}: leave the option out")
        setattr(args, name, value)
    if args.modulation not in (None, *MODULATIONS):
        raise Failure(f"{path}: a modulation {args.modulation[:20]!r}, which this release does not know")
    if args.frequency is None:
        args.frequency = source.frequency


def take_recording(args: argparse.Namespace, kind: str, argument: str) -> None:
    """Set args.recording, and the options that the recording knows. Raises Usage or Failure."""
    args.recording = None
    if kind == "file" and sigmf.is_recording(argument):
        if args.format and not args.record:
            raise Usage("--format: a recording names its own format")
        try:
            args.recording = sigmf.Recording(argument)
        except sigmf.Fault as error:
            raise Failure(str(error)) from None
        complete_from(args, args.recording, args.recording.meta)
    elif kind == "file" and not args.format and os.path.exists(argument):
        raise Failure(
            f"{argument}: no {os.path.basename(sigmf.paths(argument)[0])} next to it: name the format of bare samples"
            " by --format"
        )


def check(args: argparse.Namespace, kind: str, argument: str) -> None:
    take_recording(args, kind, argument)
    options.settle_waveform(args)
    args.repeat = False
    options.check_link(args, kind)
    check_impairments(args)
    coding.settle_simulated(args, "srec receive", kind == "sim")
    options.check_range("timeout", args.timeout, 0.1, FOREVER_S)
    if not 0 <= args.max_pixels < float("inf"):
        raise Usage(f"--max-pixels {args.max_pixels:g}: 0 (no limit) or more")
    if os.path.basename(args.prefix) != args.prefix or not args.prefix:
        raise Usage("--prefix: a file name's beginning, without folders; those belong into --out")
    if impaired(args) and kind != "sim":
        raise Usage("--snr, --cfo, --ppm and --delay are for --device sim; srec send has them too")
    if kind == "sim" and not argument:
        raise Usage("--device sim:PICTURE: name an image or a folder that the simulated transmitter sends")
    if args.format and kind in ("zmq", "uhd", "soapy", "sim") and not args.record:
        raise Usage("--format is for files, pipes and --record")
    outputs.check_figures(args.json, args.overwrite, {"pictures_suspect", "packets_lost"})
    check_files(args, kind, argument)


def check_files(args: argparse.Namespace, kind: str, argument: str) -> None:
    reads = [("--key", [args.key]), ("--model", [args.model]), ("--enhancer", [args.enhancer])]
    if kind == "file":
        reads.append(("--device", [argument, *outputs.recording(argument)]))
    elif kind == "sim":
        reads.append(("--device", outputs.pictures(argument)))
    outputs.refuse_collisions(
        reads, [("--record", outputs.recording(args.record)), ("--json", [args.json]), ("--state", [args.state])]
    )


def first_number(folder: str, prefix: str) -> int:
    """Return a number above those of the images that an earlier run has left."""
    found = (re.fullmatch(re.escape(prefix) + r"([0-9]{1,18})\.(?:png|json)", name) for name in os.listdir(folder))
    return max((int(m.group(1)) + 1 for m in found if m), default=0)


class Receiver:
    """The flowgraph: device, receiver, files, meter, recording.

    source: the block of the device; None for the device "sim".
    record: the sample_sink of --record, or None.
    state: the State of --state, or None.
    simulated: the Collector of the encoder of the device "sim".
    """

    def __init__(self, args: argparse.Namespace, kind: str, argument: str, view: Any = None):
        """Build the flowgraph.

        view: an image_view, or None.
        """
        from gnuradio import gr, srec
        from ..io import devices
        from .blocks import Annotator, Collector

        self.top = gr.top_block("srec receive")
        self.simulated = Collector()
        if kind == "sim":
            self.source: Any = None
            device = self._simulated(args, argument, view)
        else:
            device = self.source = devices.open_source(kind, argument, args)
        self.receiver = self._make_receiver(args, kind in ("file", "sim"), bool(view))
        self.state = State(args.state, self.receiver.packet_decoder) if args.state else None
        self._annotator = Annotator(args)
        os.makedirs(args.out, exist_ok=True)
        self.sink = srec.image_sink(
            args.out, args.prefix, 1 if args.once else 0, first=first_number(args.out, args.prefix)
        )
        self.sink.set_log_level("warn")  # the command names the files itself
        self.meter = srec.level_meter()
        self.collector = Collector()
        self.record = self._make_recorder(args) if args.record else None
        for taker in (self.receiver, self.meter, self.record):
            if taker:
                self.top.connect(device, taker)
        self.top.msg_connect(self.receiver, "pdus", self._annotator, "in")
        self.top.msg_connect(self._annotator, "out", self.sink, "pdus")
        self.top.msg_connect(self.sink, "info", self.collector, "info")
        if view:
            for port, to in (("pdus", "bob"), ("progress", "bob"), ("packet_info", "info"), ("burst_info", "info")):
                self.top.msg_connect(self.receiver, port, view, to)

    def _make_receiver(self, args: argparse.Namespace, complete: bool, progress: bool) -> Any:
        """Return the block.

        complete: no packet comes late.
        progress: deliver partial images.
        """
        from gnuradio import srec

        return srec.receiver(
            args.key,
            args.modulation,
            soft=not args.hard,
            model=args.model,
            threads=args.threads,
            timeout=FOREVER_S if complete else args.timeout,
            samples_per_symbol=args.sps,
            rolloff=args.rolloff,
            progress=PROGRESS_S if progress else 0,
            max_pixels=args.max_pixels,
            precision=args.precision,
            enhancer=enhancement.find(args, "srec receive", (1, 2)) or "installed",
        )

    def _make_recorder(self, args: argparse.Namespace) -> Any:
        from ..io.recording import RecordingWriter
        from ..io.sample_io import sample_sink

        parameters = {
            "modulation": args.modulation,
            "samples_per_symbol": args.sps,
            "rolloff": args.rolloff,
            "symbol_rate": args.rate / args.sps,
        }
        writer = RecordingWriter(args.record, args.datatype, args.rate, args.frequency, parameters, args.overwrite)
        return sample_sink(writer, "recording_sink", optional=True, stay_open=True)

    def _simulated(self, args: argparse.Namespace, picture: str, view: Any) -> Any:
        """Return the last block of a transmitter and its simulated channel."""
        from gnuradio import srec

        source = srec.image_source(picture, in_flight=2)
        transmitter = srec.transmitter(
            args.key,
            args.modulation,
            model=args.model,
            threads=args.threads,
            precision=args.precision,
            samples_per_symbol=args.sps,
            rolloff=args.rolloff,
            amplitude=10 ** (0.05 * args.level),
            **coding.parameters(args),
        )
        transmitter.encoder.set_log_level("off")  # what it drops, it also reports
        self._transmitter = source, transmitter  # GNU Radio does not keep Python blocks alive
        self.top.msg_connect(source, "pdus", transmitter, "pdus")
        if view:
            self.top.msg_connect(source, "pdus", view, "original")
        self.top.msg_connect(transmitter, "info", source, "next")
        self.top.msg_connect(transmitter, "encoder_info", source, "next")
        self.top.msg_connect(transmitter, "encoder_info", self.simulated, "info")
        if not impaired(args):
            return transmitter
        channel = impairments(args)
        self.top.connect(transmitter, channel)
        return channel

    def finish(self) -> None:
        """Deliver the current image, then the end mark."""
        if hasattr(self.source, "finish"):
            self.source.finish()
        else:
            self.receiver.finish()

    def error(self) -> Exception | None:
        return getattr(self.source, "error", None)

    def waiting_for(self) -> str | None:
        """Return the reason for a period without samples, or None."""
        from gnuradio import srec

        if srec.busy_s(self.receiver.decoder) > BUSY_S:
            return "decoding an image"
        if srec.busy_s(self.receiver.enhancer) > BUSY_S:
            return "enhancing an image"
        if getattr(self.source, "ended", False):
            return "all samples are read"
        if getattr(getattr(self.source, "reader", None), "lost", 0):
            return "no samples: the sender has gone, or sends longer messages than are taken"
        return None

    def counters(self) -> dict[str, Any]:
        """Return a dict of the counters of both stages that reject. Each burst or packet counts once."""
        bursts, packets = self.receiver.sync.counters(), self.receiver.packet_decoder.counters()
        packets["forged"] += bursts["foreign"]
        packets["unsupported"] += bursts["unsupported"]
        decoder = self.receiver.decoder_counters()
        return {
            **packets,
            "late": decoder["late"],
            "too_large": decoder["too_large"],
            "bursts": bursts["bursts"] + bursts["foreign"],
            "unreadable": bursts["unreadable"],
            "bursts_truncated": bursts["truncated"],
            "bursts_inverted": bursts["inverted"],
            "findings": self.receiver.sync.findings(),
        }


class Reception:
    """Everything outside the flowgraph: lines and hooks for the images, the status, the end."""

    def __init__(
        self, args: argparse.Namespace, flowgraph: Receiver, kind: str, hooks: Hooks | None, window: Window | None
    ):
        self.args, self.flowgraph, self.hooks, self.window = args, flowgraph, hooks, window
        self.radio = kind in ("uhd", "soapy")
        self.levels, self.summary = figures.Levels(flowgraph.meter), Summary()
        self.finishing: float | None = None  # time.monotonic() of the request to end
        self._said = self._moved = time.monotonic()
        self._samples = 0
        self._record_reported = self._state_reported = False

    def report(self, wait: float) -> bool:
        """Print a line and queue the hook for the next image that was written.

        wait: longest time in seconds to wait for it.
        Returns whether there was one.
        """
        collector = self.flowgraph.collector
        try:
            image = self.window.get(collector, wait) if self.window else collector.get(wait)
        except queue.Empty:
            return False
        if image.get("event") == "picture":
            self.summary.add(image)
            print(picture_line(image), flush=True)
            if image.get("suspect"):
                print(f"srec receive: {suspicion(image)}", file=sys.stderr)
            if self.hooks and image.get("path"):
                # Not the path of the metadata, which is text: a file name need not be text.
                self.hooks.put(self.flowgraph.sink.path(image["number"]))
        return True

    def _status(self) -> str:
        counters, level = self.flowgraph.counters(), self.levels.read()
        lost = sum(
            counters[key] for key in ("forged", "damaged", "truncated", "foreign_model", "unsupported", "unreadable")
        )
        instead = None if level["samples"] else self.flowgraph.waiting_for()
        return (
            f"{figures.meter_line(level, instead)}; bursts {counters['bursts']}, packets {counters['accepted']},"
            f" dropped {lost}, images {self.summary.pictures}"
        )

    def watch(self) -> None:
        """Print the status, and watch recording and radio. Raises Failure if the radio delivers no samples."""
        now, samples = time.monotonic(), self.levels.samples()
        if self.args.status and now - self._said >= self.args.status:
            self._said = now
            print(f"srec receive: {self._status()}", file=sys.stderr)
        record = self.flowgraph.record
        if record and record.error and not self._record_reported:
            self._record_reported = True
            print(
                (
                    f"srec receive: the recording ends after {record.writer.n_samples} samples, the reception"
                    f" goes on: {describe(record.error)}"
                ),
                file=sys.stderr,
            )
        if self.flowgraph.state:
            self.save_state(self.flowgraph.state.save_in_time)
        if samples != self._samples or not self.radio or self.finishing:
            self._samples, self._moved = samples, now
        elif now - self._moved > running.SILENT_S:
            raise Failure(
                f"{self.args.device}: the device gives no samples: is another program using it, or was it unplugged?"
            )

    def save_state(self, save: Callable[[], None]) -> None:
        """Save the state. Reception continues if the file cannot be written.

        save: State.save or State.save_in_time.
        """
        try:
            save()
        except OSError as error:
            if not self._state_reported:
                self._state_reported = True
                print(f"srec receive: --state: {describe(error)}; the reception goes on", file=sys.stderr)

    def _left(self, stop: running.Stop) -> float:
        """Return the seconds that the current image may still take."""
        if stop or self.finishing is None:
            return stop.left(running.FINISH_S)
        return self.finishing + FINISH_S - time.monotonic()

    def follow(self, run: running.Run, stop: running.Stop) -> bool:
        """Wait until the last image is written or its time is over. Return whether it was written."""
        ended = None
        while not self.flowgraph.sink.wait(0):
            self.report(0.1)
            self.watch()
            if self.finishing is None and (stop or self.window and self.window.closed()):
                self.finishing = time.monotonic()
                self.flowgraph.finish()
            if stop and self._left(stop) < running.FINISH_S / 2:
                self.flowgraph.receiver.set_bypass(True)  # rather without enhancement than lost
            if self.finishing is not None and self._left(stop) <= 0:
                return False
            if run.ended():  # the last files are still being written
                ended = ended or time.monotonic()
                if time.monotonic() - ended > GRACE_S:
                    return True
        until = time.monotonic() + FINISH_S
        while (
            self.summary.pictures < self.flowgraph.sink.count - self.flowgraph.sink.dropped
            and time.monotonic() < until
            and not (stop and self._left(stop) <= 0)
        ):
            self.report(0.1)
        return True


def receive(reception: Reception, stop: running.Stop) -> None:
    """Run the flowgraph. Raises Failure, OSError."""
    record, state = reception.flowgraph.record, reception.flowgraph.state
    if record:
        record.writer.open()
    try:
        with running.Run("srec receive", reception.flowgraph.top, stop) as run:
            if not reception.follow(run, stop):
                print("srec receive: stopped in the middle of an image, which is lost", file=sys.stderr)
            elif reception.window:
                reception.window.hold(stop)
    finally:
        if state:
            reception.save_state(state.save)
        if record:
            record.writer.commit()
    while reception.report(0.0):
        pass
    reception.watch()
    if reception.hooks:
        reception.hooks.close(stop, running.STOP_S - running.EXIT_S)


def figures_of(reception: Reception) -> dict[str, Any]:
    args, flowgraph, hooks, summary = reception.args, reception.flowgraph, reception.hooks, reception.summary
    level, counters = reception.levels.figures(), flowgraph.counters()
    return {
        "pictures": summary.pictures,
        "pictures_partial": summary.partial,
        "pictures_in_clear": summary.in_clear,
        "pictures_suspect": summary.suspect,
        "header_errors": round(summary.header_errors),
        "header_errors_expected": figures.number(summary.header_errors_expected),
        "random_percent": summary.mean("random_percent"),
        "relation": summary.mean("relation"),
        "pictures_enhanced": summary.enhanced,
        "pictures_not_enhanced_in_time": summary.passed,
        "enhance_s": summary.mean("enhance_s"),
        "packets": counters.pop("accepted"),
        "packets_lost": summary.lost,
        **counters,
        "snr_db": summary.mean("snr_db"),
        "evm_percent": summary.mean("evm_percent"),
        "cfo_hz": summary.mean("cfo_hz"),
        "drift_hz_s": summary.mean("drift_hz_s"),
        "clock_ppm": summary.mean("clock_ppm"),
        "burst_level_dbfs": summary.mean("level_db"),
        "samples": level["samples"],
        "level_dbfs": level["mean_dbfs"],
        "peak_dbfs": level["peak_dbfs"],
        "clipped": level["clipped"],
        "samples_recorded": flowgraph.record.writer.n_samples if flowgraph.record else None,
        "hooks_failed": hooks.failed if hooks else 0,
        "files_failed": flowgraph.sink.dropped,
        "device": args.device,
        "modulation": args.modulation,
        "sps": args.sps,
        "rate": args.rate,
        "frequency": args.frequency,
    }


def ending(reception: Reception, result: dict[str, Any], stop: running.Stop) -> None:
    """Print the last lines. Raises Failure if the run was not good."""
    flowgraph, args = reception.flowgraph, reception.args
    error = flowgraph.error()
    if error:
        raise Failure(f"{args.device}: {describe(error)}")
    refused = flowgraph.simulated.take("dropped")
    failed = flowgraph.sink.dropped
    if failed:
        raise Failure(f"{failed} image{'s' * (failed != 1)} could not be written; the log above says why")
    if not result["pictures"] and not stop and reception.finishing is None:
        if refused and not flowgraph.simulated.last("picture"):
            raise Failure(f"no image: the simulated transmitter sent none: {refused[-1]['reason']}")
        raise Failure(f"no image: {why_none(result, result['samples'])}")
    for image in refused:
        print(f"srec receive: an image was not sent: {image['reason']}", file=sys.stderr)
    if reception.summary.passed:
        print(
            (
                f"srec receive: {reception.summary.passed} of {result['pictures']} images came faster than"
                " super-resolution takes and were not enhanced: --no-sr, a faster --enhancer or longer intervals help"
            ),
            file=sys.stderr,
        )
    print(totals_line(result), flush=True)


def run(args: argparse.Namespace) -> int:
    from ..io import devices

    try:
        kind, argument = devices.parse(args.device)
    except ValueError as error:
        raise Usage(str(error)) from None
    check(args, kind, argument)
    stdout = figures.take_stdout() if args.json == "-" else 1
    args.key = options.read_key(args.key, "srec receive", kind == "-")
    command = hook_command(args.hook) if args.hook else None
    try:
        window = Window(f"srec receive --device {args.device}") if args.view else None
        flowgraph = Receiver(args, kind, argument, window and window.view)
    except (devices.DeviceError, ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(describe(error)) from None
    reception = Reception(args, flowgraph, kind, Hooks(command) if command else None, window)
    with running.Stop() as stop:
        receive(reception, stop)
    result = figures_of(reception)
    if args.json:
        figures.write_json(args.json, result, stdout)
    ending(reception, result, stop)
    return 0
