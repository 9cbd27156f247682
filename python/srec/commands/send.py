# SPDX-License-Identifier: GPL-3.0-or-later
"""Send images to a radio, a recording, a ZeroMQ socket or a pipe."""
import argparse
import math
import sys
import time
from typing import Any

from . import Failure, Usage
from . import coding, figures, options, outputs, plan_option, running
from .impairments import add_impairments_group, check_impairments, impaired, impairments
from ..guard import describe
from ..io.recording import RecordingWriter, part_of
from ..text import printable

IDLE = 4096  # samples of silence at a time for radios, while no burst waits
TAIL_S = 0.25  # silence after the last burst, so that the radio transmits its buffers before it is switched off
FIGURES_S = 60  # for the lines of the last images, on a machine under any load
CLIPPED = 1e-4  # share of the samples above full scale that deserves a warning; noise exceeds any level now and then
BUSY_S = 0.1  # a block that works longer on one message is mentioned in the status
IN_FLIGHT = 2  # images: one is encoded while the previous one is sent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    image = parser.add_argument_group("image")
    image.add_argument("--image", required=True, help="image to send, or a folder of images")
    image.add_argument(
        "--repeat",
        type=int,
        nargs="?",
        const=0,
        default=1,
        metavar="N",
        help=(
            "send each image N times; 0 or no number: until stopped (not into a file); the packets of layers add up"
            " (default 1)"
        ),
    )
    image.add_argument(
        "--interval",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="time between images (default: as fast as the device allows)",
    )
    coding.add_group(parser, f"{coding.LAYER_SNR_DB:g}")
    plan_option.add_plan(parser, seconds=True)
    encryption = parser.add_argument_group("encryption")
    options.add_key_argument(encryption)
    options.add_cipher_argument(encryption)
    encryption.add_argument(
        "--no-encrypt",
        action="store_true",
        help="send the image in clear, where encryption is forbidden; headers stay encrypted",
    )
    options.add_device_group(parser)
    waveform = options.add_waveform_group(parser)
    waveform.add_argument(
        "--level",
        type=float,
        default=-12.0,
        metavar="DBFS",
        help="mean power of the bursts relative to full scale (default -12)",
    )
    add_impairments_group(parser)
    options.add_networks_group(parser)
    options.add_run_group(parser)


def check(args: argparse.Namespace, kind: str) -> None:
    modulation = args.modulation
    options.settle_waveform(args)
    options.check_link(args, kind)
    check_impairments(args)
    args.modulation = modulation
    plan_option.apply(args, "srec send", True, args.rate / args.sps)
    coding.settle(args, "srec send", coding.LAYER_SNR_DB)
    options.check_range("interval", args.interval, 0, 1e6)
    outputs.check_figures(args.json, args.overwrite, {"pictures_dropped", "n_symbols"})
    options.check_range("repeat", args.repeat, 0, coding.MAX_REPEAT)
    if not args.repeat and kind in ("file", "sim"):
        raise Usage("--repeat without a number does not go with this device: it would never end")
    if args.format and kind not in ("file", "-"):
        raise Usage("--format is for files and pipes")
    if args.json == "-" and kind == "-":
        raise Usage("--json -: standard output carries the samples; name a file")
    if kind in ("uhd", "soapy") and impaired(args):
        raise Usage("--snr, --cfo, --ppm and --delay simulate a channel; a radio has a real one")


def check_files(args: argparse.Namespace, kind: str, argument: str) -> None:
    reads = [("--image", outputs.pictures(args.image)), ("--key", [args.key]), ("--model", [args.model])]
    outputs.refuse_collisions(
        reads, [("--device", outputs.recording(argument) if kind == "file" else []), ("--json", [args.json])]
    )


def recording_metadata(args: argparse.Namespace) -> dict[str, Any]:
    """Return the metadata of a recording in the namespace srec. The key is never part of it."""
    from gnuradio import srec

    parameters = {
        "model": srec.model_info(args.model)["id"] if args.coding == "features" else None,
        "modulation": args.modulation,
        "samples_per_symbol": args.sps,
        "rolloff": args.rolloff,
        "symbol_rate": args.rate / args.sps,
        "level_dbfs": args.level,
        "cipher": "none" if args.no_encrypt else args.cipher,
        "scale": args.scale,
        "repeat": args.repeat,
        **coding.metadata(args),
    }
    if impaired(args):
        parameters.update(snr_db=args.snr, cfo_hz=args.cfo, clock_ppm=args.ppm, delay=args.delay, seed=args.seed)
    return parameters


class Sender:
    """The flowgraph: source, transmitter, optional simulated channel, device.

    levels: figures of its level meter.
    radio: the device is a radio.
    receiver, sink: those of the device "sim", else None.
    """

    def __init__(self, args: argparse.Namespace, kind: str, argument: str, fd: int):
        """Build the flowgraph.

        fd: file descriptor for the device "-".
        """
        from gnuradio import gr, srec
        from ..io import devices
        from .blocks import Collector

        self.top = gr.top_block("srec send")
        # The device comes first: it fails most often, and loading the networks takes a second. A recording is created
        # only when everything else has succeeded.
        args.srec = recording_metadata(args) if kind == "file" else None
        self.device: Any = None if kind == "sim" else devices.open_sink(kind, argument, args, fd)
        self.source = srec.image_source(
            args.image, in_flight=IN_FLIGHT, interval=args.interval, **coding.repetition(args)
        )
        self.radio = kind in devices.RADIOS
        self.transmitter = self._make_transmitter(args)
        self._meter = srec.level_meter()
        self.levels = figures.Levels(self._meter)
        self.transmitter.encoder.set_log_level("off")  # what it drops, it also reports
        self.mapper, self.encoder, self.files = Collector(), Collector(), Collector()
        self.receiver = self._make_receiver(args) if kind == "sim" else None
        self.sink = srec.image_sink(keep=1) if kind == "sim" else None
        self._channel = impairments(args) if impaired(args) else None
        self._connect()

    def _make_transmitter(self, args: argparse.Namespace) -> Any:
        from gnuradio import srec

        return srec.transmitter(
            args.key,
            args.modulation,
            encrypt=not args.no_encrypt,
            model=args.model,
            frame_bytes=args.frame_bytes,
            threads=args.threads,
            precision=args.precision,
            cipher=args.cipher,
            scale=args.scale,
            samples_per_symbol=args.sps,
            rolloff=args.rolloff,
            amplitude=10 ** (0.05 * args.level),
            idle=IDLE if self.radio else 0,
            tail=math.ceil(TAIL_S * args.rate) if self.radio else 0,
            **coding.parameters(args),
        )

    def _make_receiver(self, args: argparse.Namespace) -> Any:
        from gnuradio import srec

        return srec.receiver(
            args.key,
            args.modulation,
            model=coding.receiver_model(args),
            timeout=1e6,
            threads=args.threads,
            precision=args.precision,
            samples_per_symbol=args.sps,
            rolloff=args.rolloff,
        )

    def _connect(self) -> None:
        self.top.msg_connect(self.source, "pdus", self.transmitter, "pdus")
        self.top.msg_connect(self.source, "info", self.files, "info")
        for port, collector in (("info", self.mapper), ("encoder_info", self.encoder)):
            self.top.msg_connect(self.transmitter, port, self.source, "next")
            self.top.msg_connect(self.transmitter, port, collector, "info")
        out = self.transmitter
        if self._channel:
            self.top.connect(out, self._channel)
            out = self._channel
        self.top.connect(out, self._meter)
        self.top.connect(out, self.receiver or self.device)
        if self.receiver:
            self.top.msg_connect(self.receiver, "pdus", self.sink, "pdus")

    def error(self) -> Exception | None:
        return getattr(self.device, "error", None)

    def encoding(self) -> bool:
        """Return whether the encoder works on an image."""
        from gnuradio import srec

        return srec.busy_s(self.transmitter.encoder) > BUSY_S

    def receivers(self) -> int | None:
        """Return the number of programs connected to a ZeroMQ socket, or None for another device."""
        return getattr(getattr(self.device, "writer", None), "peers", None)

    def open(self) -> None:
        """Create the recording, if the device is one. Raises OSError."""
        if self.device and hasattr(self.device, "writer"):
            self.device.writer.open()

    def abandon(self) -> None:
        """Discard what the other end has not taken."""
        if hasattr(self.device, "abandon"):
            self.device.abandon()

    def close(self, stop: running.Stop, good: bool) -> None:
        """Close the recording, if the device is one. Raises OSError.

        A complete recording gets its name. After a signal it keeps its temporary name. A bad one is removed.
        """
        writer = getattr(self.device, "writer", None)
        if not isinstance(writer, RecordingWriter):
            return
        if good and not self.error() and self.device.whole:
            writer.commit()
        elif good and stop and not self.error() and writer.n_samples:
            writer.leave()
            print(f"srec send: the recording is not whole: {part_of(writer.name)}", file=sys.stderr)
        else:
            writer.discard()


class Report:
    """Lines and sums of the images that have been sent.

    read, sent, dropped: transmissions of images.
    repeats: transmissions sent that repeat the packets of an image.
    """

    def __init__(self, args: argparse.Namespace, sender: Sender):
        self._args, self._sender = args, sender
        self._names: dict[int, str] = {}  # files of the images on their way
        self._repeated: dict[int, int] = {}  # images that they repeat
        self._shared = False
        self.read = self.sent = self.repeats = self.dropped = self.symbols = self.packets = 0

    def update(self) -> None:
        sender, args = self._sender, self._args
        found = sender.files.take("picture")
        self.read += len(found)
        self._names.update((image["picture"], image["filename"]) for image in found)
        for image in sender.mapper.take("picture"):
            self._add(image)
        for image in sender.encoder.take("dropped"):
            self.dropped += 1
            name = printable(self._names.pop(image.get("picture", -1), "?"))
            print(f"srec send: {name}: not sent: {image['reason']}", file=sys.stderr)
        self.dropped += len(sender.mapper.take("dropped"))
        if (sender.receivers() or 0) > 1 and not self._shared:
            self._shared = True
            print(
                (
                    f"srec send: {sender.receivers()} receivers are connected to {args.device}: ZeroMQ distributes"
                    " the samples among them, so none gets complete packets; one address is for one receiver"
                ),
                file=sys.stderr,
            )

    def _add(self, image: dict[str, Any]) -> None:
        """Count a transmission, and print its line."""
        self._repeated.update(
            (known["picture"], known["first_picture"])
            for known in self._sender.encoder.take("picture")
            if "first_picture" in known
        )
        first = self._repeated.pop(image["picture"], None)
        self.sent += 1
        self.repeats += first is not None
        self.symbols += image["n_symbols"]
        self.packets += image["packets_sent"]
        name = printable(self._names.pop(image["picture"], "?"))
        print(
            (
                f"image {image['picture']}: {name}{'' if first is None else f', repeats image {first}'}:"
                f" {image['packets_sent']} packets, {image['burst_symbols']} symbols on the air,"
                f" {image['burst_symbols'] * self._args.sps / self._args.rate:.2f} s"
            ),
            flush=True,
        )

    @property
    def images(self) -> int:
        """Images sent, each of which may have been transmitted several times."""
        return self.sent - self.repeats

    def skipped(self) -> int:
        return self._sender.source.skipped

    def settled(self) -> bool:
        """Return whether each image that was read has been sent or dropped."""
        return self.sent + self.dropped >= self.read


def status_line(sender: Sender, level: figures.Level) -> str:
    if level["samples"]:
        return figures.meter_line(level)
    if sender.receivers() == 0:
        return "no receiver is connected"
    return figures.meter_line(level, "encoding an image" if sender.encoding() else None)


def follow(args: argparse.Namespace, sender: Sender, run: running.Run, stop: running.Stop, report: Report) -> None:
    """Wait until the flowgraph has ended or a signal has arrived. Raises Failure if the radio takes no samples."""
    said = moved = time.monotonic()
    samples = 0
    while not stop and not run.ended(0.1) and not (sender.sink and sender.sink.wait(0)):
        report.update()
        now = time.monotonic()
        if args.status and now - said >= args.status:
            said = now
            print(f"srec send: {status_line(sender, sender.levels.read())}", file=sys.stderr)
        if sender.levels.samples() != samples or not sender.radio:
            samples, moved = sender.levels.samples(), now
        elif now - moved > running.SILENT_S:
            raise Failure(f"{args.device}: the device has taken no samples for {running.SILENT_S} s: was it unplugged?")
    until = time.monotonic() + FIGURES_S
    report.update()
    while sender.receiver and not stop and not report.settled() and time.monotonic() < until:
        time.sleep(0.02)
        report.update()
    if stop:
        sender.abandon()


def send(args: argparse.Namespace, sender: Sender, report: Report) -> running.Stop:
    """Run the flowgraph and return the Stop."""
    good = False
    with running.Stop() as stop:
        sender.open()
        try:
            with running.Run("srec send", sender.top, stop) as run:
                follow(args, sender, run, stop, report)
            report.update()
            good = bool(report.sent)
        finally:
            sender.close(stop, good)
    return stop


def figures_of(args: argparse.Namespace, sender: Sender, report: Report) -> dict[str, Any]:
    level = sender.levels.figures()
    result = {
        "pictures": report.images,
        "repeats": report.repeats,
        "pictures_skipped": report.skipped(),
        "pictures_dropped": report.dropped,
        "packets": report.packets,
        "n_symbols": report.symbols,
        "samples": level["samples"],
        "level_dbfs": level["mean_dbfs"],
        "peak_dbfs": level["peak_dbfs"],
        "clipped": level["clipped"],
        "device": args.device,
        "modulation": args.modulation,
        "sps": args.sps,
        "rate": args.rate,
        "frequency": args.frequency,
        "eta": None,
        **coding.metadata(args),
    }
    if sender.receiver and sender.sink:
        result["pictures_received"] = sender.sink.count
        counters = sender.receiver.packet_decoder.counters()
        result["packets_received"] = counters["accepted"] + counters["duplicate"]
    return result


def ending(args: argparse.Namespace, sender: Sender, report: Report, result: dict[str, Any]) -> int:
    """Print the last lines of a run that no signal has stopped, and return the exit code. Raises Failure."""
    if not report.sent:
        raise Failure(
            f"no image was sent: {report.skipped()} could not be read, {report.dropped} not encoded; the lines above"
            " say why"
        )
    if result["clipped"] > CLIPPED:
        print(
            f"srec send: {100 * result['clipped']:.3g} % of the samples exceed full scale: lower --level",
            file=sys.stderr,
        )
    if not sender.receiver:
        return 0
    print(
        (
            f"sim: {result['pictures_received']} of {report.images} images and {result['packets_received']} of"
            f" {report.packets} packets arrive"
        ),
        flush=True,
    )
    if result["pictures_received"] < report.images:
        raise Failure("not all images arrived: is --snr too low, or an offset too large?")
    return 0


def run(args: argparse.Namespace) -> int:
    from ..io import devices

    try:
        kind, argument = devices.parse(args.device)
    except ValueError as error:
        raise Usage(str(error)) from None
    check(args, kind)
    if kind == "sim" and argument:
        raise Usage("--device sim: takes no image here; --image names it")
    check_files(args, kind, argument)
    stdout = figures.take_stdout() if kind == "-" or args.json == "-" else 1
    args.key = options.read_key(args.key, "srec send")
    try:
        sender = Sender(args, kind, argument, stdout)
    except (devices.DeviceError, ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    report = Report(args, sender)
    stop = send(args, sender, report)
    result = figures_of(args, sender, report)
    if args.json:
        figures.write_json(args.json, result, stdout)
    if isinstance(sender.error(), BrokenPipeError):
        raise Failure("the reader of the pipe has gone")
    if sender.error():
        raise Failure(f"{args.device}: {describe(sender.error())}")
    if stop:
        print(
            f"srec send: stopped after {report.images} image{'s' * (report.images != 1)}"
            + (f" and {report.repeats} repeat{'s' * (report.repeats != 1)}" if report.repeats else ""),
            file=sys.stderr,
        )
        return 0
    return ending(args, sender, report, result)
