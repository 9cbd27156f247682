# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by `srec send` and `srec receive`: options, the end of a run, figures as text."""
import math
import os
import signal
import sys
import threading
import time

from . import Failure, Usage
from . import home
from ..io.output import json_bytes, write_json as write_file
from ..text import printable

MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256")
DATATYPES = ("cf32_le", "ci16_le", "ci8", "cu8")
STOP_S = 5.0  # from a signal to the end of the process; also the time that a flowgraph may take to stop
EXIT_S = 0.5  # part of it for the process itself
FINISH_S = 3.0  # part of it for the current image
SILENT_S = 10  # a radio that delivers or takes no samples for this long is out of order


def add_link_arguments(parser):
    parser.add_argument("--key", required=True, help="key file made by srec keygen, or a pipe: /dev/stdin, <(...)")
    parser.add_argument(
        "--device",
        required=True,
        help="sim[:PICTURE], file:PATH, zmq:ADDRESS, uhd:ARGUMENTS, soapy:ARGUMENTS, or - for a pipe",
    )
    parser.add_argument("--modulation", choices=MODULATIONS, help="modulation (default: the recording's, else qpsk)")
    parser.add_argument(
        "--sps", type=int, metavar="N", help="samples per symbol, 2 to 16 (default: the recording's, else 4)"
    )
    parser.add_argument(
        "--rolloff", type=float, help="roll-off of the pulse, 0.1 to 1 (default: the recording's, else 0.25)"
    )
    parser.add_argument(
        "--rate", type=float, metavar="SPS", help="samples per second (default: the recording's, else 1e6)"
    )
    parser.add_argument("--format", choices=DATATYPES, help="sample format of files and pipes (default cf32_le)")
    parser.add_argument(
        "--frequency", type=float, metavar="HZ", help="carrier frequency of the radio; recordings store it"
    )
    parser.add_argument("--gain", type=float, metavar="DB", help="gain of the radio (default: the driver's)")
    parser.add_argument("--antenna", metavar="NAME", help="antenna connector of the radio (default: the driver's)")
    parser.add_argument(
        "--bandwidth", type=float, metavar="HZ", help="bandwidth of the radio's filter (default: the driver's)"
    )
    parser.add_argument("--model", default="", help="model file (default: the installed model)")
    parser.add_argument("--threads", type=int, default=0, help="threads of the networks (default: all cores)")
    add_precision_argument(parser)
    parser.add_argument("--json", metavar="FILE", help="write the figures of the run to FILE ('-': standard output)")
    parser.add_argument("--overwrite", action="store_true", help="output files may replace existing files")
    parser.add_argument(
        "--status",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="time between lines of the level meter on standard error; 0: none (default 5)",
    )


def add_precision_argument(parser):
    parser.add_argument(
        "--precision",
        default="f32",
        choices=("f32", "bf16"),
        help="precision of the networks; bf16 needs a processor with bf16 support (default f32)",
    )


def add_scale_argument(parser):
    parser.add_argument(
        "--scale",
        type=int,
        default=1,
        choices=(1, 2),
        help="2: send the image at half size, with a quarter of the symbols (default 1)",
    )


def add_impairment_arguments(parser):
    parser.add_argument("--snr", type=float, metavar="DB", help="simulate noise: Es/N0 (default: none)")
    parser.add_argument("--cfo", type=float, default=0.0, metavar="HZ", help="simulate a carrier offset")
    parser.add_argument("--ppm", type=float, default=0.0, help="simulate a clock offset in parts per million")
    parser.add_argument(
        "--delay",
        type=float,
        default=0.0,
        metavar="SAMPLES",
        help="simulate silence before the first burst; may be fractional",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated noise (default 1)")


def check_link(args, kind):
    """Check the ranges of the shared options that are given. Raises Usage."""
    for name, value, low, high in (
        ("sps", args.sps, 2, 16),
        ("rolloff", args.rolloff, 0.1, 1),
        ("rate", args.rate, 1, 1e10),
        ("frequency", args.frequency, 0, 1e12),
        ("gain", args.gain, -200, 200),
        ("bandwidth", args.bandwidth, 0, 1e10),
        ("threads", args.threads, 0, 1024),
        ("status", args.status, 0, 1e6),
    ):
        if value is not None and not low <= value <= high:
            raise Usage(f"--{name} {value:g} is not within {low:g} .. {high:g}")
    if kind in ("uhd", "soapy"):
        if args.frequency is None:
            raise Usage("--frequency is missing: which carrier, in Hz?")
    else:
        for name in ("gain", "antenna", "bandwidth"):
            if getattr(args, name) is not None:
                raise Usage(f"--{name} is for radios (uhd:, soapy:)")


def check_impairments(args):
    for name, value, low, high in (
        ("snr", args.snr, -20, 80),
        ("ppm", args.ppm, -1000, 1000),
        ("delay", args.delay, 0, 1e9),
        ("seed", args.seed, 0, 2**63 - 1),
        ("level", args.level, -80, 20),
    ):
        if value is not None and not low <= value <= high:
            raise Usage(f"--{name} {value:g} is not within {low:g} .. {high:g}")


def add_cipher_argument(parser):
    parser.add_argument(
        "--cipher",
        default="auto",
        choices=("auto", "add", "xor"),
        help=(
            "add: addition modulo 256, as in the paper; xor: equally secret, costs soft decoding nothing, not for"
            " pam256; auto: add for pam256, else xor (default)"
        ),
    )


def settle_cipher(args):
    """Set args.cipher to the cipher on the air."""
    if args.cipher == "xor" and args.modulation == "pam256":
        raise Usage("--cipher xor does not go with pam256: an amplitude can only be added to")
    if args.cipher == "auto":
        args.cipher = "add" if args.modulation == "pam256" else "xor"


def check_cfo(args):
    if not -0.5 <= args.cfo / args.rate <= 0.5:
        raise Usage(f"--cfo {args.cfo:g}: at {args.rate:g} samples/s it may be {-args.rate / 2:g} .. {args.rate / 2:g}")


def impaired(args):
    return args.snr is not None or args.cfo != 0 or args.ppm != 0 or args.delay != 0


def impairments(args):
    """Return the block `impairments` for bursts of level args.level."""
    from gnuradio import srec

    noise = 0.0 if args.snr is None else args.sps * 10 ** (0.1 * (args.level - args.snr))
    if noise and noise < 1e-10:
        raise Usage(
            f"--snr {args.snr:g} at --level {args.level:g}: so little noise cannot be simulated; leave --snr out"
        )
    return srec.impairments(
        noise_power=noise, cfo=args.cfo / args.rate, clock_ppm=args.ppm, delay=args.delay, seed=args.seed
    )


class Stop:
    """A context that SIGINT and SIGTERM set.

    The run must then end cleanly within STOP_S. A second signal ends the process at once. number: of the signal, or
    None.
    """

    def __init__(self):
        self.number, self._at, self._old = None, None, {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number, frame):
        if self.number:
            os._exit(128 + number)
        self.number, self._at = number, time.monotonic()

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def __bool__(self):
        return self.number is not None

    def left(self, seconds=STOP_S):
        """Return the time left until `seconds` after the signal, at least 0; before a signal all of it."""
        return seconds if self._at is None else max(0.0, self._at + seconds - time.monotonic())


class Run:
    """A context that starts and watches a flowgraph, and stops it at the end in any case.

    A block that fails ends the run with Failure. A flowgraph that does not stop in time ends the process.
    """

    def __init__(self, command, top, stop):
        """Prepare the run.

        command: its name, for the last line.
        stop: a Stop.
        """
        from gnuradio import srec

        self._command, self._top, self._stop = command, top, stop
        self._watch = srec.fault_watch()
        self._waiter = threading.Thread(target=top.wait, daemon=True)

    def __enter__(self):
        home.prepare()
        self._top.start()
        self._waiter.start()
        return self

    def ended(self, timeout=0.0):
        """Return whether the flowgraph has ended by itself. Raises Failure if a block has failed."""
        self._waiter.join(timeout)
        self.check()
        return not self._waiter.is_alive()

    def check(self):
        """Raises Failure if a block has failed."""
        for block, what in self._watch.faults()[:1]:
            raise Failure(printable(f"{block} failed: {what}" if block else f"a block of GNU Radio failed: {what}"))

    def __exit__(self, kind, error, _trace):
        self._top.stop()
        self._waiter.join(self._stop.left(STOP_S - EXIT_S))
        if self._waiter.is_alive():
            if isinstance(error, Failure):
                print(f"{self._command}: {error}", file=sys.stderr)
            print(f"{self._command}: a block does not stop: the process ends without it", file=sys.stderr, flush=True)
            os._exit(1)
        if kind is None and not self._stop:
            self.check()


def read_key(text, command, samples_from_stdin=False):
    """Read the key and return an srec.key. Warnings about it go to standard error.

    Raises Failure, or Usage if standard input should provide both key and samples.
    """
    from gnuradio import srec

    if samples_from_stdin and is_stdin(text):
        raise Usage(
            "--key: standard input carries the samples; take the key from a file, or from another pipe: --key <(...)"
        )
    try:
        key = srec.key(text, warn=False)
    except (RuntimeError, ValueError) as error:
        raise Failure(str(error)) from None
    if key.warning:
        print(f"{command}: warning: {printable(key.warning)}", file=sys.stderr)
    return key


def is_stdin(path):
    try:
        return os.path.samestat(os.stat(path), os.fstat(0))
    except (OSError, ValueError):
        return False


def take_stdout():
    """Reserve standard output for samples or figures, and return its file descriptor.

    All other output, including that of drivers, goes to standard error.
    """
    sys.stdout.flush()
    fd = os.dup(1)
    os.dup2(2, 1)
    return fd


def write_json(path, figures, stdout):
    """Write figures as JSON.

    stdout: file descriptor for the path "-".
    Raises OSError.
    """
    if path == "-":
        with os.fdopen(os.dup(stdout), "wb") as f:
            f.write(json_bytes(figures))
    else:
        write_file(path, figures)


def decibel(value):
    return "-inf" if value is None or not math.isfinite(value) else f"{value:.1f}"


def number(value, digits=3):
    """Round a number for JSON, which has no infinity: None if it is not finite."""
    return None if value is None or not math.isfinite(value) else round(value, digits)


def meter_line(level, instead=None):
    """Format the figures of level_meter.read().

    instead: text to return if there are no samples.
    """
    if not level["samples"]:
        return instead or "no samples"
    text = f"level {decibel(level['level_db'])} dBFS, peak {decibel(level['peak_db'])} dBFS"
    return text + (f", CLIPPED {100 * level['clipped']:.3g} %" if level["clipped"] else ", not clipped")


class _Sum:
    """Combines several readings of a level_meter."""

    def __init__(self):
        self.n, self._energy, self._peak, self._clipped = 0.0, 0.0, 0.0, 0.0

    def add(self, level):
        n = level["samples"]
        if n:
            self.n += n
            self._energy += n * 10 ** (0.1 * level["level_db"])
            self._peak = max(self._peak, 10 ** (0.05 * level["peak_db"]))
            self._clipped += n * level["clipped"]

    def level(self):
        """Return a dict like level_meter.read()."""
        return {
            "samples": int(self.n),
            "level_db": 10 * math.log10(self._energy / self.n) if self._energy else -math.inf,
            "peak_db": 20 * math.log10(self._peak) if self._peak else -math.inf,
            "clipped": self._clipped / self.n if self.n else 0.0,
        }


class Levels:
    """Figures of a level meter: over the whole run, and since the previous reading."""

    def __init__(self, meter):
        self._meter, self._all, self._latest = meter, _Sum(), _Sum()

    def _update(self):
        level = self._meter.read()
        self._all.add(level)
        self._latest.add(level)

    def samples(self):
        """Return the number of samples so far."""
        self._update()
        return int(self._all.n)

    def read(self):
        """Return the level since the previous call."""
        self._update()
        latest, self._latest = self._latest, _Sum()
        return latest.level()

    def figures(self):
        self._update()
        level = self._all.level()
        return {
            "samples": level["samples"],
            "mean_dbfs": number(level["level_db"]),
            "peak_dbfs": number(level["peak_db"]),
            "clipped": level["clipped"],
        }
