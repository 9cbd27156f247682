# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive images from a radio, a recording, a ZeroMQ socket or a pipe."""
import os
import queue
import re
import sys
import time

from . import Failure, Usage
from . import enhancement, options, outputs
from .hooks import Hooks, hook_command
from .state import State
from ..view.window import Window
from ..guard import describe
from ..text import printable

PROGRESS_S = 0.2  # between partial images in the window
FOREVER_S = 1e6  # an image from a file may take any time
FINISH_S = 120  # for the current image when the window is closed
GRACE_S = 5  # for the last files after the flowgraph has ended by itself
BUSY_S = 0.1  # a block that works longer on one message is mentioned in the status


def add_arguments(parser):
    parser.add_argument("--out", required=True, help="folder for the images, created if missing")
    options.add_link_arguments(parser)
    parser.add_argument("--view", action="store_true", help="show the images in a window as their packets arrive")
    parser.add_argument("--once", action="store_true", help="end after the first image")
    parser.add_argument(
        "--hook",
        metavar="COMMAND",
        help="run COMMAND for each image, with the path of the image as last argument; no shell",
    )
    parser.add_argument("--hard", action="store_true", help="hard decisions, as in the paper")
    enhancement.add_arguments(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="deliver an incomplete image after this many seconds without a packet (default 5)",
    )
    parser.add_argument(
        "--max-pixels",
        type=float,
        default=64e6,
        metavar="N",
        help="drop images of more than N pixels; 0: no limit (default 64e6)",
    )
    parser.add_argument("--prefix", default="picture", help="prefix of the file names (default picture)")
    parser.add_argument("--record", metavar="PATH", help="also record the samples, as a SigMF recording in --format")
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="file that stores the newest packet numbers, so that recordings are refused even after a restart",
    )
    parser.add_argument(
        "--eta", type=float, default=0.2, help="eta of the simulated transmitter of --device sim (default 0.2)"
    )
    parser.add_argument(
        "--level", type=float, default=-12.0, metavar="DBFS", help="level of the simulated transmitter (default -12)"
    )
    options.add_impairment_arguments(parser)


def complete_from(args, source, path):
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
    if args.modulation not in (None, *options.MODULATIONS):
        raise Failure(f"{path}: a modulation {args.modulation[:20]!r}, which this release does not know")
    if args.frequency is None:
        args.frequency = source.frequency


def check(args, kind, argument):
    from ..io import sigmf

    args.recording = None
    if kind == "file" and sigmf.is_recording(argument):
        if args.format and not args.record:
            raise Usage("--format: a recording says itself what it holds")
        try:
            args.recording = sigmf.Recording(argument)
        except sigmf.Fault as error:
            raise Failure(str(error)) from None
        complete_from(args, args.recording, args.recording.meta)
    elif kind == "file" and not args.format and os.path.exists(argument):
        raise Failure(
            f"{argument}: no {os.path.basename(sigmf.paths(argument)[0])} beside it: of bare samples say what they are"
            " by --format"
        )
    args.modulation = args.modulation or "qpsk"
    args.sps = 4 if args.sps is None else args.sps
    args.rolloff = 0.25 if args.rolloff is None else args.rolloff
    args.rate = 1e6 if args.rate is None else args.rate
    args.datatype, args.repeat = args.format or "cf32_le", False
    options.check_link(args, kind)
    options.check_impairments(args)
    options.check_cfo(args)
    if not 0.1 <= args.timeout <= FOREVER_S:
        raise Usage(f"--timeout {args.timeout:g} is not within 0.1 .. {FOREVER_S:g}")
    if not 0 <= args.max_pixels < float("inf"):
        raise Usage(f"--max-pixels {args.max_pixels:g}: 0 (no limit) or more")
    if os.path.basename(args.prefix) != args.prefix or not args.prefix:
        raise Usage("--prefix: a file name's beginning, without folders; those belong into --out")
    if options.impaired(args) and kind != "sim":
        raise Usage("--snr, --cfo, --ppm and --delay are for --device sim; srec send has them too")
    if kind == "sim" and not argument:
        raise Usage("--device sim:PICTURE: name a picture or a folder that the simulated transmitter sends")
    if args.format and kind in ("zmq", "uhd", "soapy", "sim") and not args.record:
        raise Usage("--format is for files, pipes and --record")
    outputs.check_figures(args.json, args.overwrite)
    check_files(args, kind, argument)


def check_files(args, kind, argument):
    reads = [("--key", [args.key]), ("--model", [args.model]), ("--enhancer", [args.enhancer])]
    if kind == "file":
        reads.append(("--device", [argument, *outputs.recording(argument)]))
    elif kind == "sim":
        reads.append(("--device", outputs.pictures(argument)))
    outputs.refuse_collisions(
        reads, [("--record", outputs.recording(args.record)), ("--json", [args.json]), ("--state", [args.state])]
    )


def first_number(folder, prefix):
    """Return a number above those of the images that an earlier run has left."""
    found = (re.fullmatch(re.escape(prefix) + r"([0-9]{1,18})\.(?:png|json)", name) for name in os.listdir(folder))
    return max((int(m.group(1)) + 1 for m in found if m), default=0)


class Receiver:
    """The flowgraph: device, receiver, files, meter, recording."""

    def __init__(self, args, kind, argument, view=None):
        """Build the flowgraph.

        view: an image_view, or None.
        """
        from gnuradio import gr, srec
        from ..io import devices
        from ..io.recording import RecordingWriter
        from ..io.sample_io import sample_sink
        from .blocks import Annotator, Found

        self.top = gr.top_block("srec receive")
        if kind == "sim":
            self.source = None
            device = self._simulated(args, argument, view)
        else:
            device = self.source = devices.open_source(kind, argument, args)
        self.receiver = srec.receiver(
            args.key,
            args.modulation,
            soft=not args.hard,
            model=args.model,
            threads=args.threads,
            timeout=FOREVER_S if kind in ("file", "sim") else args.timeout,
            samples_per_symbol=args.sps,
            rolloff=args.rolloff,
            progress=PROGRESS_S if view else 0,
            max_pixels=args.max_pixels,
            precision=args.precision,
            enhancer=enhancement.find(args, "srec receive", (1, 2)) or "installed",
        )
        self.state = State(args.state, self.receiver.packet_decoder) if args.state else None
        self.annotator = Annotator(args)
        os.makedirs(args.out, exist_ok=True)
        self.sink = srec.image_sink(
            args.out, args.prefix, 1 if args.once else 0, first=first_number(args.out, args.prefix)
        )
        self.meter = srec.level_meter()
        self.collector = Found()
        self.top.connect(device, self.receiver)
        self.top.connect(device, self.meter)
        self.record = None
        if args.record:
            parameters = {
                "modulation": args.modulation,
                "samples_per_symbol": args.sps,
                "rolloff": args.rolloff,
                "symbol_rate": args.rate / args.sps,
            }
            writer = RecordingWriter(args.record, args.datatype, args.rate, args.frequency, parameters, args.overwrite)
            self.record = sample_sink(writer, "recording_sink", optional=True, stay_open=True)
            self.top.connect(device, self.record)
        self.top.msg_connect(self.receiver, "pdus", self.annotator, "in")
        self.top.msg_connect(self.annotator, "out", self.sink, "pdus")
        self.top.msg_connect(self.sink, "info", self.collector, "info")
        if view:
            for port, to in (("pdus", "bob"), ("progress", "bob"), ("packet_info", "info"), ("burst_info", "info")):
                self.top.msg_connect(self.receiver, port, view, to)

    def _simulated(self, args, picture, view):
        """Return the last block of a transmitter and its simulated channel."""
        from gnuradio import srec

        source = srec.image_source(picture, in_flight=2)
        transmitter = srec.transmitter(
            args.key,
            args.modulation,
            args.eta,
            True,
            args.model,
            threads=args.threads,
            samples_per_symbol=args.sps,
            rolloff=args.rolloff,
            amplitude=10 ** (0.05 * args.level),
        )
        self.transmitter = source, transmitter  # GNU Radio does not keep Python blocks alive
        self.top.msg_connect(source, "pdus", transmitter, "pdus")
        if view:
            self.top.msg_connect(source, "pdus", view, "original")
        self.top.msg_connect(transmitter, "info", source, "next")
        self.top.msg_connect(transmitter, "encoder_info", source, "next")
        if not options.impaired(args):
            return transmitter
        channel = options.impairments(args)
        self.top.connect(transmitter, channel)
        return channel

    def finish(self):
        """Deliver the current image, then the end mark."""
        if hasattr(self.source, "finish"):
            self.source.finish()
        else:
            self.receiver.finish()

    def error(self):
        return getattr(self.source, "error", None)

    def waiting_for(self):
        """Return the reason for a period without samples, or None."""
        from gnuradio import srec

        if srec.busy_s(self.receiver.decoder) > BUSY_S:
            return "decoding a picture"
        if srec.busy_s(self.receiver.enhancer) > BUSY_S:
            return "enhancing a picture"
        if getattr(self.source, "ended", False):
            return "all samples are read"
        if getattr(getattr(self.source, "reader", None), "lost", 0):
            return "no samples: the sender has gone, or sends longer messages than are taken"
        return None

    def counters(self):
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


class Summary:
    """Figures of the images so far."""

    def __init__(self):
        self.pictures = self.partial = self.in_clear = self.suspect = self.lost = self.enhanced = self.passed = 0
        self.header_errors = self.header_errors_expected = 0.0
        self._sums = {}

    def add(self, image):
        self.pictures += 1
        self.partial += image.get("patches_lost", 0) > 0
        self.in_clear += image.get("cipher") == "none"
        self.suspect += image.get("suspect", False)
        self.header_errors += image.get("header_errors", 0)
        self.header_errors_expected += image.get("header_errors_expected", 0)
        self.lost += image.get("slices_lost", 0)
        self.enhanced += image.get("enhanced", False)
        self.passed += image.get("enhance_skipped", False)
        for key in (
            "enhance_s",
            "random_percent",
            "relation",
            "snr_db",
            "cfo_hz",
            "drift_hz_s",
            "clock_ppm",
            "level_db",
            "evm_percent",
        ):
            if key in image:
                n, total = self._sums.get(key, (0, 0.0))
                self._sums[key] = (n + 1, total + image[key])

    def mean(self, key):
        n, total = self._sums.get(key, (0, 0.0))
        return options.number(total / n) if n else None


def picture_line(image):
    """Format the metadata of an image."""
    packets = f"{image['slices'] - image['slices_lost']} of {image['slices']} packets" if "slices" in image else ""
    text = (
        f"picture {image['number']}: {printable(image.get('path', ''))} {image['width']}x{image['height']}, {packets}"
    )
    if image.get("patches_lost"):
        text += f", {image['patches_lost']} of {image['patches']} patches concealed"
    if "snr_db" in image:
        text += (
            f", SNR {image['snr_db']:.1f} dB, EVM {image['evm_percent']:.1f} %, CFO {round(image['cfo_hz'])} Hz, clock"
            f" {image['clock_ppm']:.1f} ppm, level {image['level_db']:.1f} dBFS"
        )
    if image.get("enhanced"):
        text += f", enhanced in {image['enhance_s']:.2f} s"
    if image.get("cipher") == "none":
        text += ", sent in clear"
    return text


def suspicion(image):
    """Format the reasons why an image is suspect."""
    text = (
        f"picture {image['number']}: payload tampered or channel worse than measured:"
        f" {image['header_errors']:.0f} header bits wrong, {image['header_errors_expected']:.1f} expected"
    )
    if "random_percent" in image:
        text += f"; {image['random_percent']:.0f} % of the features look random"
    if "relation" in image:
        text += f"; relation {image['relation']:.2f}, 1 expected"
    return text


def why_none(counters, samples):
    """Return a text that says what arrived instead of an image."""
    if not samples:
        return "not one sample came: is the other end running?"
    if counters["forged"]:
        return f"{counters['forged']} packets failed authentication: is it the right key?"
    if counters["foreign_model"]:
        return f"{counters['foreign_model']} packets were made with another model: both ends need the same model file"
    if counters["too_large"]:
        return (
            f"{counters['too_large']} packets were of pictures larger than --max-pixels allows: raise it if you trust"
            " the sender"
        )
    if counters["findings"]:
        return "; ".join(counters["findings"].values())
    if counters["unreadable"] or counters["damaged"]:
        return (
            f"{counters['unreadable'] + counters['damaged']} bursts were not readable: is the modulation right, and the"
            " SNR high enough?"
        )
    if counters["replayed"] or counters["unsupported"]:
        return f"{counters['replayed']} packets were replays, {counters['unsupported']} of another release"
    return (
        "no burst was found: is the sender on, on this frequency and strong enough, and are --sps and --rate those of"
        " the sender?"
    )


class Reception:
    """Everything outside the flowgraph: lines and hooks for the images, the status, the end."""

    def __init__(self, args, link_, kind, hooks, window):
        self.args, self.link, self.hooks, self.window = args, link_, hooks, window
        self.radio = link_.source is not None and kind in ("uhd", "soapy")
        self.levels, self.summary = options.Levels(link_.meter), Summary()
        self.finishing = None  # time.monotonic() of the request to end
        self._said = self._moved = time.monotonic()
        self._samples = 0
        self._record_reported = self._state_reported = False

    def report(self, wait):
        """Print a line and queue the hook for the next image that was written.

        wait: longest time in seconds to wait for it.
        Returns whether there was one.
        """
        found = self.link.collector.found
        try:
            image = (
                self.window.get(found, wait) if self.window else found.get(timeout=wait) if wait else found.get_nowait()
            )
        except queue.Empty:
            return False
        if image.get("event") == "picture":
            self.summary.add(image)
            print(picture_line(image), flush=True)
            if image.get("suspect"):
                print(f"srec receive: {suspicion(image)}", file=sys.stderr)
            if self.hooks and image.get("path"):
                # Not the path of the metadata, which is text: a file name need not be text.
                self.hooks.put(self.link.sink.path(image["number"]))
        return True

    def _status(self):
        counters, level = self.link.counters(), self.levels.read()
        lost = sum(
            counters[key] for key in ("forged", "damaged", "truncated", "foreign_model", "unsupported", "unreadable")
        )
        instead = None if level["samples"] else self.link.waiting_for()
        return (
            f"{options.meter_line(level, instead)}; bursts {counters['bursts']}, packets {counters['accepted']},"
            f" dropped {lost}, pictures {self.summary.pictures}"
        )

    def _watch(self):
        """Print the status, and watch recording and radio. Raises Failure if the radio delivers no samples."""
        now, samples = time.monotonic(), self.levels.samples()
        if self.args.status and now - self._said >= self.args.status:
            self._said = now
            print(f"srec receive: {self._status()}", file=sys.stderr)
        if self.link.record and self.link.record.error and not self._record_reported:
            self._record_reported = True
            print(
                (
                    f"srec receive: the recording ends after {self.link.record.writer.n_samples} samples, the reception"
                    f" goes on: {describe(self.link.record.error)}"
                ),
                file=sys.stderr,
            )
        self.save_state(self.link.state and self.link.state.save_in_time)
        if samples != self._samples or not self.radio or self.finishing:
            self._samples, self._moved = samples, now
        elif now - self._moved > options.SILENT_S:
            raise Failure(
                f"{self.args.device}: the device gives no samples: is another program using it, or was it unplugged?"
            )

    def save_state(self, save):
        """Save the state. Reception continues if the file cannot be written.

        save: State.save, State.save_in_time, or None.
        """
        try:
            if save:
                save()
        except OSError as error:
            if not self._state_reported:
                self._state_reported = True
                print(f"srec receive: --state: {describe(error)}; the reception goes on", file=sys.stderr)

    def _left(self, stop):
        """Return the seconds that the current image may still take."""
        return stop.left(options.FINISH_S) if stop else self.finishing + FINISH_S - time.monotonic()

    def follow(self, running, stop):
        """Wait until the last image is written or its time is over. Return whether it was written."""
        ended = None
        while not self.link.sink.wait(0):
            self.report(0.1)
            self._watch()
            if self.finishing is None and (stop or self.window and self.window.closed()):
                self.finishing = time.monotonic()
                self.link.finish()
            if stop and self._left(stop) < options.FINISH_S / 2:
                self.link.receiver.set_bypass(True)  # rather without enhancement than lost
            if self.finishing is not None and self._left(stop) <= 0:
                return False
            if running.ended():  # the last files are still being written
                ended = ended or time.monotonic()
                if time.monotonic() - ended > GRACE_S:
                    return True
        until = time.monotonic() + FINISH_S
        while (
            self.summary.pictures < self.link.sink.count - self.link.sink.dropped
            and time.monotonic() < until
            and not (stop and self._left(stop) <= 0)
        ):
            self.report(0.1)
        return True


def receive(reception, stop):
    """Run the flowgraph. Raises Failure, OSError."""
    record = reception.link.record
    if record:
        record.writer.open()
    try:
        with options.Run("srec receive", reception.link.top, stop) as running:
            if not reception.follow(running, stop):
                print("srec receive: stopped in the middle of a picture, which is lost", file=sys.stderr)
            elif reception.window:
                reception.window.hold(stop)
    finally:
        reception.save_state(reception.link.state and reception.link.state.save)
        if record:
            record.writer.commit()
    while reception.report(0.0):
        pass
    reception._watch()
    if reception.hooks:
        reception.hooks.close(stop, options.STOP_S - options.EXIT_S)


def figures(reception):
    args, link_, hooks, summary = reception.args, reception.link, reception.hooks, reception.summary
    level, counters = reception.levels.figures(), link_.counters()
    return {
        "pictures": summary.pictures,
        "pictures_partial": summary.partial,
        "pictures_in_clear": summary.in_clear,
        "pictures_suspect": summary.suspect,
        "header_errors": round(summary.header_errors),
        "header_errors_expected": options.number(summary.header_errors_expected),
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
        "samples_recorded": link_.record.writer.n_samples if link_.record else None,
        "hooks_failed": hooks.failed if hooks else 0,
        "files_failed": link_.sink.dropped,
        "device": args.device,
        "modulation": args.modulation,
        "sps": args.sps,
        "rate": args.rate,
        "frequency": args.frequency,
    }


def run(args):
    from ..io import devices

    try:
        kind, argument = devices.parse(args.device)
    except ValueError as error:
        raise Usage(str(error)) from None
    check(args, kind, argument)
    stdout = options.take_stdout() if args.json == "-" else 1
    args.key = options.read_key(args.key, "srec receive", kind == "-")
    command = hook_command(args.hook) if args.hook else None
    try:
        window = Window(f"srec receive --device {args.device}") if args.view else None
        link_ = Receiver(args, kind, argument, window and window.view)
    except (devices.DeviceError, ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(describe(error)) from None
    reception = Reception(args, link_, kind, Hooks(command) if command else None, window)
    with options.Stop() as stop:
        receive(reception, stop)
    result = figures(reception)
    if args.json:
        options.write_json(args.json, result, stdout)
    if link_.error():
        raise Failure(f"{args.device}: {describe(link_.error())}")
    if link_.sink.dropped:
        raise Failure(
            f"{link_.sink.dropped} picture{'s' * (link_.sink.dropped != 1)} could not be written; the log above"
            " says why"
        )
    if not result["pictures"] and not stop and reception.finishing is None:
        raise Failure(f"no picture: {why_none(result, result['samples'])}")
    if reception.summary.passed:
        print(
            (
                f"srec receive: {reception.summary.passed} of {result['pictures']} pictures came faster than"
                " super-resolution takes and were not enhanced: --no-sr, --precision bf16 or longer intervals help"
            ),
            file=sys.stderr,
        )
    print(
        (
            f"{result['pictures']} picture{'s' * (result['pictures'] != 1)}, {result['packets']} packets,"
            f" {result['packets_lost']} lost"
        ),
        flush=True,
    )
    return 0
