# SPDX-License-Identifier: GPL-3.0-or-later
"""Send pictures: to a radio, a recording, a ZeroMQ socket or a pipe."""
import functools
import math
import sys
import threading
import time

from . import Failure, Usage
from . import link
from ..text import printable

IDLE = 4096  # samples of silence at a time, for radios: while none waits for a burst
TAIL_S = 0.25  # silence after the last burst, so that a radio has sent what it holds when it is switched off
FIGURES_S = 60  # for the lines of the last pictures, on a machine however busy
IN_FLIGHT = 2  # pictures: one is encoded while the one before is sent


def add_arguments(parser):
    parser.add_argument("--image", required=True, help="picture to send, or a folder of pictures")
    link.add_link_arguments(parser)
    parser.add_argument("--eta", type=float, default=0.2, help="features per bit of the entropy model (default 0.2)")
    link.add_cipher_argument(parser)
    parser.add_argument("--no-encrypt", action="store_true", help="send the features in clear, where encryption is not allowed; headers stay sealed")
    parser.add_argument("--frame-bytes", type=int, default=16000, help="longest packet, 2000 to 30000 (default 16000)")
    parser.add_argument("--repeat", action="store_true", help="start over for ever (not into a file)")
    parser.add_argument("--interval", type=float, default=0.0, metavar="SECONDS", help="between pictures (default: as fast as they go)")
    parser.add_argument("--level", type=float, default=-12.0, metavar="DBFS", help="mean power of the bursts relative to full scale (default -12)")
    link.add_impairment_arguments(parser)


def check(args, kind):
    args.modulation = args.modulation or "qpsk"
    args.sps = 4 if args.sps is None else args.sps
    args.rolloff = 0.25 if args.rolloff is None else args.rolloff
    args.rate = 1e6 if args.rate is None else args.rate
    args.datatype = args.format or "cf32_le"
    link.check_link(args, kind)
    link.check_impairments(args)
    link.check_cfo(args)
    for name, value, low, high in (("eta", args.eta, 0.001, 10), ("frame-bytes", args.frame_bytes, 2000, 30000), ("interval", args.interval, 0, 1e6)):
        if not low <= value <= high:
            raise Usage(f"--{name} {value:g} is not within {low:g} .. {high:g}")
    link.settle_cipher(args)
    if args.repeat and kind in ("file", "sim"):
        raise Usage("--repeat does not go with this device: it would never end")
    if args.format and kind not in ("file", "-"):
        raise Usage("--format is for files and pipes")
    if args.json == "-" and kind == "-":
        raise Usage("--json -: standard output carries the samples; name a file")
    if kind in ("uhd", "soapy") and link.impaired(args):
        raise Usage("--snr, --cfo, --ppm and --delay simulate a channel; a radio has a real one")


def recording_metadata(args):
    """-> what a recording says of itself in the namespace srec; never the key"""
    from gnuradio import srec
    told = {"model": srec.model_info(args.model)["id"], "modulation": args.modulation, "samples_per_symbol": args.sps, "rolloff": args.rolloff,
            "symbol_rate": args.rate / args.sps, "level_dbfs": args.level, "cipher": "none" if args.no_encrypt else args.cipher, "eta": args.eta}
    if link.impaired(args):
        told.update(snr_db=args.snr, cfo_hz=args.cfo, clock_ppm=args.ppm, delay=args.delay, seed=args.seed)
    return told


def collector(kinds):
    """A block that keeps the dicts of one info port by their event; made here because the base class needs GNU Radio."""
    import pmt
    from gnuradio import gr
    from ..metadata import to_dict

    class Collector(gr.basic_block):
        def __init__(self):
            gr.basic_block.__init__(self, "collector", None, None)
            self.lock, self.seen = threading.Lock(), {kind: [] for kind in kinds}
            self.message_port_register_in(pmt.intern("info"))
            self.set_msg_handler(pmt.intern("info"), self._keep)

        def _keep(self, message):
            told = to_dict(message)
            with self.lock:
                self.seen.get(told.get("event"), []).append(told)

        def take(self, kind):
            with self.lock:
                taken, self.seen[kind] = self.seen[kind], []
            return taken

    return Collector()


class Sender:
    """The flowgraph: source, transmitter, perhaps a simulated channel, device."""

    def __init__(self, args, kind, argument, fd):
        from gnuradio import gr, srec
        from .. import devices

        self.top = gr.top_block("srec send")
        radio = kind in devices.RADIOS
        # the device first: it is what fails most, and the networks take a second to load
        args.srec = recording_metadata(args) if kind == "file" else None
        self.device = None if kind == "sim" else devices.open_sink(kind, argument, args, fd)
        self.source = srec.image_source(args.image, args.repeat, IN_FLIGHT, args.interval)
        self.transmitter = srec.transmitter(args.key, args.modulation, args.eta, not args.no_encrypt, args.model, args.frame_bytes, args.threads,
                                            cipher=args.cipher, samples_per_symbol=args.sps, rolloff=args.rolloff, amplitude=10 ** (0.05 * args.level),
                                            idle=IDLE if radio else 0, tail=math.ceil(TAIL_S * args.rate) if radio else 0)
        self.meter = srec.level_meter()
        self.mapper, self.encoder, self.files = collector(("picture", "dropped")), collector(("picture", "dropped")), collector(("picture", "eof"))
        self.receiver = self.sink = None
        self.top.msg_connect(self.source, "pdus", self.transmitter, "pdus")
        self.top.msg_connect(self.source, "info", self.files, "info")
        for port, taker in (("info", self.mapper), ("encoder_info", self.encoder)):
            self.top.msg_connect(self.transmitter, port, self.source, "next")
            self.top.msg_connect(self.transmitter, port, taker, "info")
        out = self.transmitter
        if link.impaired(args):
            channel = link.impairments(args)
            self.top.connect(out, channel)
            out = channel
        self.top.connect(out, self.meter)
        if kind == "sim":
            self.receiver = srec.receiver(args.key, args.modulation, model=args.model, timeout=1e6, threads=args.threads,
                                          samples_per_symbol=args.sps, rolloff=args.rolloff)
            self.sink = srec.image_sink(keep=1)
            self.top.connect(out, self.receiver)
            self.top.msg_connect(self.receiver, "pdus", self.sink, "pdus")
        else:
            self.top.connect(out, self.device)

    def error(self):
        return getattr(self.device, "error", None)


def run(args):
    from .. import devices
    try:
        kind, argument = devices.parse(args.device)
    except ValueError as error:
        raise Usage(str(error)) from None
    check(args, kind)
    if kind == "sim" and argument:
        raise Usage("--device sim: takes no picture here; --image names it")
    stdout = link.take_stdout() if kind == "-" or args.json == "-" else 1
    args.key = link.read_key(args.key, "srec send")
    try:
        sender = Sender(args, kind, argument, stdout)
    except (devices.DeviceError, ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    say = functools.partial(print, flush=True)
    levels, names, read, sent, dropped, symbols, packets = link.Levels(sender.meter), {}, 0, 0, 0, 0, 0

    def report():
        """Lines for the pictures that have left"""
        nonlocal read, sent, dropped, symbols, packets
        found = sender.files.take("picture")
        read += len(found)
        names.update((told["picture"], told["filename"]) for told in found)
        for told in sender.mapper.take("picture"):
            sent, symbols, packets = sent + 1, symbols + told["n_symbols"], packets + told["packets_sent"]
            say(f"picture {told['picture']}: {printable(names.pop(told['picture'], '?'))}: {told['packets_sent']} packets, {told['n_symbols']} symbols,"
                  f" {told['n_symbols'] * args.sps / args.rate:.2f} s")
        dropped += len(sender.encoder.take("dropped")) + len(sender.mapper.take("dropped"))
        sender.encoder.take("picture")

    with link.Stop() as stop, link.Run(sender.top) as running:
        waited = 0.0
        while not stop and not running.ended(0.1) and not (sender.sink and sender.sink.wait(0)):
            report()
            waited += 0.1
            if args.status and waited >= args.status:
                waited = 0.0
                print(f"srec send: {link.meter_line(levels.read())}", file=sys.stderr)
        until = time.monotonic() + FIGURES_S
        report()
        while kind == "sim" and not stop and sent + dropped < read and time.monotonic() < until:
            time.sleep(0.02)
            report()
    report()
    level = levels.figures()
    result = {"pictures": sent, "pictures_dropped": dropped, "packets": packets, "n_symbols": symbols, "samples": level["samples"],
              "level_dbfs": level["mean_dbfs"], "peak_dbfs": level["peak_dbfs"], "clipped": level["clipped"], "device": args.device,
              "modulation": args.modulation, "sps": args.sps, "rate": args.rate, "frequency": args.frequency, "eta": args.eta}
    if sender.receiver:
        result["pictures_received"] = sender.sink.count
        result["packets_received"] = sender.receiver.packet_decoder.accepted()
    if args.json:
        link.write_json(args.json, result, stdout)
    skipped = next(iter(told["skipped"] for told in sender.files.take("eof")), 0)
    if isinstance(sender.error(), BrokenPipeError):
        raise Failure("the reader of the pipe has gone")
    if sender.error():
        raise Failure(f"{args.device}: {sender.error().strerror or sender.error()}")
    if stop:
        print(f"srec send: stopped after {sent} picture{'s' * (sent != 1)}", file=sys.stderr)
        return 0
    if not sent:
        raise Failure(f"no picture was sent: {skipped} could not be read, {dropped} not encoded; the log above says why")
    if level["clipped"]:
        print(f"srec send: {100 * level['clipped']:.3g} % of the samples exceed full scale: lower --level", file=sys.stderr)
    if sender.receiver:
        say(f"sim: {result['pictures_received']} of {sent} pictures and {result['packets_received']} of {packets} packets arrive")
        return 0 if result["pictures_received"] == sent else 1
    return 0
