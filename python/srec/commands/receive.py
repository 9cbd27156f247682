# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive pictures: from a radio, a recording, a ZeroMQ socket or a pipe."""
import datetime
import functools
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
import threading

from . import Failure, Usage
from . import link
from ..text import printable
from .window import Window

PROGRESS_S = 0.2  # between pictures so far, in the window
FOREVER_S = 1e6  # a file's picture may take as long as it takes
SILENT_S = 10  # a radio that gives no sample for so long is out of order
FINISH_S = 120  # for the picture in hand when the run is to end
GRACE_BEATS = 50  # of a tenth of a second, after the flowgraph has ended by itself
HOOKS_MAX = 64  # pictures that may wait for the hook


def add_arguments(parser):
    parser.add_argument("--out", required=True, help="folder for the pictures, made if missing")
    link.add_link_arguments(parser)
    parser.add_argument("--view", action="store_true", help="show the pictures in a window, as their packets arrive")
    parser.add_argument("--once", action="store_true", help="end after the first picture")
    parser.add_argument("--hook", metavar="COMMAND", help="call COMMAND with each picture's path as its last argument; no shell")
    parser.add_argument("--hard", action="store_true", help="hard decisions, as the paper has them")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="a picture of which nothing came for so long is given out (default 5)")
    parser.add_argument("--prefix", default="picture", help="of the file names (default picture)")
    parser.add_argument("--record", metavar="PATH", help="keep the samples too, as a SigMF recording in --format")
    parser.add_argument("--eta", type=float, default=0.2, help="of the simulated transmitter of --device sim (default 0.2)")
    parser.add_argument("--level", type=float, default=-12.0, metavar="DBFS", help="of the simulated transmitter (default -12)")
    link.add_impairment_arguments(parser)


def complete_from(args, told, path):
    """What the command line leaves open comes from the recording; what it contradicts is refused."""
    known = {"rate": told.rate, "sps": told.srec.get("samples_per_symbol"), "rolloff": told.srec.get("rolloff"), "modulation": told.srec.get("modulation")}
    for name, value in known.items():
        asked = getattr(args, name)
        if value is None:
            continue
        if asked is not None and asked != value:
            asked, value = (f"{asked:g}", f"{value:g}") if name == "rate" else (asked, value)
            raise Failure(f"{path}: the recording has --{name} {value}, not {asked}: leave the option out")
        setattr(args, name, value)
    if args.modulation not in (None, *link.MODULATIONS):
        raise Failure(f"{path}: a modulation {args.modulation[:20]!r}, which this release does not know")
    if args.frequency is None:
        args.frequency = told.frequency


def check(args, kind, argument):
    from .. import sigmf
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
        raise Failure(f"{argument}: no {os.path.basename(sigmf.paths(argument)[0])} beside it: of bare samples say what they are by --format")
    args.modulation = args.modulation or "qpsk"
    args.sps = 4 if args.sps is None else args.sps
    args.rolloff = 0.25 if args.rolloff is None else args.rolloff
    args.rate = 1e6 if args.rate is None else args.rate
    args.datatype, args.repeat = args.format or "cf32_le", False
    link.check_link(args, kind)
    link.check_impairments(args)
    link.check_cfo(args)
    if not 0.1 <= args.timeout <= FOREVER_S:
        raise Usage(f"--timeout {args.timeout:g} is not within 0.1 .. {FOREVER_S:g}")
    if os.path.basename(args.prefix) != args.prefix or not args.prefix:
        raise Usage("--prefix: a file name's beginning, without folders; those belong into --out")
    if link.impaired(args) and kind != "sim":
        raise Usage("--snr, --cfo, --ppm and --delay are for --device sim; srec send has them too")
    if kind == "sim" and not argument:
        raise Usage("--device sim:PICTURE: name a picture or a folder that the simulated transmitter sends")
    if args.format and kind in ("zmq", "uhd", "soapy", "sim") and not args.record:
        raise Usage("--format is for files, pipes and --record")


def hook_command(text):
    """-> list, the program first. Raises Usage if there is no such program."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Usage(f"--hook: {error}") from None
    if not words or not shutil.which(words[0]):
        raise Usage(f"--hook: no program {words[0] if words else ''!r} on this machine")
    return words


class Hooks:
    """Calls the hook for one picture after the other, apart from reception."""

    def __init__(self, command):
        self._command, self._paths = command, queue.Queue(HOOKS_MAX)
        self.failed, self._said = 0, set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, path):
        try:
            self._paths.put_nowait(path)
        except queue.Full:
            self._fault(f"{HOOKS_MAX} pictures wait for the hook: called no more until it has caught up")

    def _fault(self, text):
        self.failed += 1
        if text not in self._said:
            self._said.add(text)
            print(f"srec receive: {text} (said once)", file=sys.stderr)

    def _run(self):
        while True:
            path = self._paths.get()
            if path is None:
                return
            try:
                code = subprocess.run([*self._command, path], stdin=subprocess.DEVNULL, check=False).returncode
                if code:
                    self._fault(f"the hook ended with exit code {code}")
            except OSError as error:
                self._fault(f"the hook could not be started: {error.strerror}")

    def close(self):
        """All called and ended, unless the user loses patience."""
        self._paths.put(None)
        while self._thread.is_alive():
            self._thread.join(0.2)


def first_number(folder, prefix):
    """-> a number above those of the pictures that a run before has left"""
    found = (re.fullmatch(re.escape(prefix) + r"(\d+)\.(?:png|json)", name) for name in os.listdir(folder))
    return max((int(m.group(1)) + 1 for m in found if m), default=0)


def annotator(args):
    """A block that puts what the command knows into the pictures' metadata; made here because the base class needs GNU Radio."""
    import pmt
    from gnuradio import gr
    from ..metadata import to_dict, to_pmt

    class Annotator(gr.basic_block):
        def __init__(self):
            gr.basic_block.__init__(self, "annotator", None, None)
            for name, register in (("in", self.message_port_register_in), ("out", self.message_port_register_out)):
                register(pmt.intern(name))
            self.set_msg_handler(pmt.intern("in"), self._handle)

        def _handle(self, message):
            meta = pmt.car(message)
            told = to_dict(meta)
            if not told.get("eof"):
                more = {"received": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"), "device": args.device,
                        "modulation": args.modulation, "rate": float(args.rate), "symbol_rate": args.rate / args.sps}
                if args.frequency is not None:
                    more["frequency"] = float(args.frequency)
                if "snr_db" in told:
                    more["cfo_hz"] = told["cfo"] * args.rate / args.sps
                    more["drift_hz_s"] = told["drift"] * (args.rate / args.sps) ** 2
                    more["evm_percent"] = 100 * 10 ** (-0.05 * told["snr_db"])
                meta = pmt.dict_update(meta, to_pmt(more))
            self.message_port_pub(pmt.intern("out"), pmt.cons(meta, pmt.cdr(message)))

    return Annotator()


def pictures_of(sink):
    """-> queue of the metadata dicts of the pictures that an image_sink has written"""
    import pmt
    from gnuradio import gr
    from ..metadata import to_dict

    class Collector(gr.basic_block):
        def __init__(self):
            gr.basic_block.__init__(self, "collector", None, None)
            self.found = queue.Queue()
            self.message_port_register_in(pmt.intern("info"))
            self.set_msg_handler(pmt.intern("info"), self._keep)

        def _keep(self, message):
            self.found.put(to_dict(message))

    return Collector()


class Receiver:
    """The flowgraph: device, receiver, files; and beside it meter and recording."""

    def __init__(self, args, kind, argument, view=None):
        """view: an image_view, or None"""
        from gnuradio import gr, srec
        from .. import devices, sample_io

        self.top = gr.top_block("srec receive")
        if kind == "sim":
            self.source = None
            device = self._simulated(args, argument, view)
        else:
            device = self.source = devices.open_source(kind, argument, args)
        os.makedirs(args.out, exist_ok=True)
        self.receiver = srec.receiver(args.key, args.modulation, soft=not args.hard, model=args.model, threads=args.threads,
                                      timeout=FOREVER_S if kind in ("file", "sim") else args.timeout, samples_per_symbol=args.sps, rolloff=args.rolloff,
                                      progress=PROGRESS_S if view else 0)
        self.annotator = annotator(args)
        self.sink = srec.image_sink(args.out, args.prefix, 1 if args.once else 0, first=first_number(args.out, args.prefix))
        self.meter = srec.level_meter()
        self.collector = pictures_of(self.sink)
        self.top.connect(device, self.receiver)
        self.top.connect(device, self.meter)
        self.record = None
        if args.record:
            told = {"modulation": args.modulation, "samples_per_symbol": args.sps, "rolloff": args.rolloff, "symbol_rate": args.rate / args.sps}
            self.record = sample_io.recording_sink(args.record, args.datatype, args.rate, args.frequency or 0.0, told)
            self.top.connect(device, self.record)
        self.top.msg_connect(self.receiver, "pdus", self.annotator, "in")
        self.top.msg_connect(self.annotator, "out", self.sink, "pdus")
        self.top.msg_connect(self.sink, "info", self.collector, "info")
        if view:
            for port, to in (("pdus", "bob"), ("progress", "bob"), ("packet_info", "info"), ("burst_info", "info")):
                self.top.msg_connect(self.receiver, port, view, to)

    def _simulated(self, args, picture, view):
        """-> last block of a transmitter and its channel"""
        from gnuradio import srec
        source = srec.image_source(picture, in_flight=2)
        transmitter = srec.transmitter(args.key, args.modulation, args.eta, True, args.model, threads=args.threads, samples_per_symbol=args.sps,
                                       rolloff=args.rolloff, amplitude=10 ** (0.05 * args.level))
        self.transmitter = source, transmitter  # GNU Radio keeps no Python block alive
        self.top.msg_connect(source, "pdus", transmitter, "pdus")
        if view:
            self.top.msg_connect(source, "pdus", view, "original")
        self.top.msg_connect(transmitter, "info", source, "next")
        self.top.msg_connect(transmitter, "encoder_info", source, "next")
        self.simulated = (source, transmitter)  # GNU Radio does not keep blocks in Python alive
        if not link.impaired(args):
            return transmitter
        channel = link.impairments(args)
        self.top.connect(transmitter, channel)
        return channel

    def finish(self):
        """The picture in hand is given out, then the end mark."""
        if hasattr(self.source, "finish"):
            self.source.finish()
        else:
            self.receiver.finish()

    def error(self):
        return getattr(self.source, "error", None) or getattr(self.record, "error", None)

    def counters(self):
        """-> dict of both stages that reject: each burst or packet counts once"""
        bursts, packets = self.receiver.sync.counters(), self.receiver.packet_decoder.counters()
        packets["forged"] += bursts["foreign"]
        packets["unsupported"] += bursts["unsupported"]
        return {**packets, "bursts": bursts["bursts"] + bursts["foreign"], "unreadable": bursts["unreadable"],
                "bursts_truncated": bursts["truncated"], "bursts_inverted": bursts["inverted"], "findings": self.receiver.sync.findings()}


class Summary:
    """Figures of the pictures so far."""

    def __init__(self):
        self.pictures = self.partial = self.lost = 0
        self._sums = {}

    def add(self, told):
        self.pictures += 1
        self.partial += told.get("patches_lost", 0) > 0
        self.lost += told.get("slices_lost", 0)
        for key in ("snr_db", "cfo_hz", "drift_hz_s", "clock_ppm", "level_db", "evm_percent"):
            if key in told:
                n, total = self._sums.get(key, (0, 0.0))
                self._sums[key] = (n + 1, total + told[key])

    def mean(self, key):
        n, total = self._sums.get(key, (0, 0.0))
        return link.number(total / n) if n else None


def picture_line(told):
    """A picture's metadata -> text"""
    packets = f"{told['slices'] - told['slices_lost']} of {told['slices']} packets" if "slices" in told else ""
    text = f"picture {told['number']}: {printable(told.get('path', ''))} {told['width']}x{told['height']}, {packets}"
    if told.get("patches_lost"):
        text += f", {told['patches_lost']} of {told['patches']} patches concealed"
    if "snr_db" in told:
        text += (f", SNR {told['snr_db']:.1f} dB, EVM {told['evm_percent']:.1f} %, CFO {round(told['cfo_hz'])} Hz, clock {told['clock_ppm']:.1f} ppm,"
                 f" level {told['level_db']:.1f} dBFS")
    return text


def why_none(counters, samples):
    """-> text: what came instead of a picture"""
    if not samples:
        return "not one sample came: is the other end running?"
    if counters["forged"]:
        return f"{counters['forged']} packets failed authentication: is it the right key?"
    if counters["foreign_model"]:
        return f"{counters['foreign_model']} packets were made with another model: both ends need the same model file"
    if counters["findings"]:
        return "; ".join(counters["findings"].values())
    if counters["unreadable"] or counters["damaged"]:
        return f"{counters['unreadable'] + counters['damaged']} bursts were not readable: is the modulation right, and the SNR high enough?"
    if counters["replayed"] or counters["unsupported"]:
        return f"{counters['replayed']} packets were replays, {counters['unsupported']} of another release"
    return "no burst was found: is the sender on, on this frequency and strong enough, and are --sps and --rate those of the sender?"


def run(args):
    from .. import devices
    try:
        kind, argument = devices.parse(args.device)
    except ValueError as error:
        raise Usage(str(error)) from None
    check(args, kind, argument)
    stdout = link.take_stdout() if args.json == "-" else 1
    args.key = link.read_key(args.key, "srec receive", kind == "-")
    hooks = Hooks(hook_command(args.hook)) if args.hook else None
    try:
        window = Window(f"srec receive --device {args.device}") if args.view else None
        link_ = Receiver(args, kind, argument, window and window.view)
    except (devices.DeviceError, ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
    say = functools.partial(print, flush=True)
    levels, summary = link.Levels(link_.meter), Summary()

    def report(wait):
        """Lines and hooks for the pictures that were written; waits for one at most so long"""
        try:
            told = window.get(link_.collector.found, wait) if window else link_.collector.found.get(timeout=wait)
        except queue.Empty:
            return False
        if told.get("event") == "picture":
            summary.add(told)
            say(picture_line(told))
            if hooks and told.get("path"):
                hooks.put(link_.sink.path(told["number"]))  # the metadata's is text, which a name need not be
        return True

    def status():
        c = link_.counters()
        lost = c["forged"] + c["damaged"] + c["truncated"] + c["foreign_model"] + c["unsupported"] + c["unreadable"]
        return f"{link.meter_line(levels.read())}; bursts {c['bursts']}, packets {c['accepted']}, dropped {lost}, pictures {summary.pictures}"

    with link.Stop() as stop, link.Run(link_.top) as running:
        waited, finishing, ended, silent = 0.0, None, 0, 0.0
        while not link_.sink.wait(0):
            if not report(0.1):
                waited += 0.1
            if args.status and waited >= args.status:
                waited = 0.0
                print(f"srec receive: {status()}", file=sys.stderr)
            if kind in devices.RADIOS and silent is not None:
                silent = None if levels.read()["samples"] else silent + 0.1
                if silent and silent > SILENT_S:
                    raise Failure(f"{args.device}: the device gives no samples: is another program using it, or was it unplugged?")
            if finishing is None and (stop or window and window.closed()):
                finishing = 0.0
                link_.finish()
            elif finishing is not None:
                finishing += 0.1
                if finishing > FINISH_S:
                    break
            if running.ended():  # what is on its way to the files still gets there
                ended += 1
                if ended > GRACE_BEATS:
                    break
        while summary.pictures < link_.sink.count - link_.sink.dropped and report(FINISH_S):
            pass
        if window:
            window.hold(stop)
    while report(0.0):
        pass
    if hooks:
        hooks.close()
    level, counters = levels.figures(), link_.counters()
    result = {"pictures": summary.pictures, "pictures_partial": summary.partial, "packets": counters.pop("accepted"), "packets_lost": summary.lost, **counters,
              "snr_db": summary.mean("snr_db"), "evm_percent": summary.mean("evm_percent"), "cfo_hz": summary.mean("cfo_hz"),
              "drift_hz_s": summary.mean("drift_hz_s"), "clock_ppm": summary.mean("clock_ppm"), "burst_level_dbfs": summary.mean("level_db"),
              "samples": level["samples"], "level_dbfs": level["mean_dbfs"], "peak_dbfs": level["peak_dbfs"], "clipped": level["clipped"],
              "hooks_failed": hooks.failed if hooks else 0, "files_failed": link_.sink.dropped,
              "device": args.device, "modulation": args.modulation, "sps": args.sps, "rate": args.rate, "frequency": args.frequency}
    if args.json:
        link.write_json(args.json, result, stdout)
    if link_.error():
        raise Failure(f"{args.device}: {link_.error().strerror or link_.error()}")
    if link_.sink.dropped:
        raise Failure(f"{link_.sink.dropped} pictures could not be written; the log above says why")
    if not summary.pictures and not stop and finishing is None:
        raise Failure(f"no picture: {why_none(counters, level['samples'])}")
    say(f"{summary.pictures} picture{'s' * (summary.pictures != 1)}, {result['packets']} packets, {summary.lost} lost")
    return 0
