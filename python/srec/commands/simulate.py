# SPDX-License-Identifier: GPL-3.0-or-later
"""Send an image through a simulated link: a real GNU Radio flowgraph with Bob, who has the key, and Eve, who has not.
"""
import argparse
import io
import os
import sys
import threading
import time
from typing import Any

from . import Failure, Stopped, Usage, coding, enhancement, figures, options, outputs, plan_option, running
from .simulation_result import MARK, PICTURES, Result, write
from ..modulations import MODULATIONS
from ..text import printable

PICTURE_TIMEOUT_S = 3600
FIGURES_S = 60  # for the figures, which travel separately from the images, on a machine under any load
BYTES_PER_PIXEL = 85  # at the peak: 7000x5000 pixels took 2.96 GB
ENHANCER_BYTES_PER_PIXEL = 60  # in addition: 3500x2500 pixels took 1.17 GB without an enhancer, 1.69 GB with one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    image = parser.add_argument_group("image")
    image.add_argument("--image", required=True, help="image to send")
    image.add_argument("--out", required=True, help="folder for the results")
    image.add_argument(
        "--repeat",
        type=int,
        default=1,
        metavar="N",
        help="layers: send the packets N times; transmissions add up (default 1)",
    )
    coding.add_group(parser, "the value of --snr", fading=True)
    plan_option.add_plan(parser, seconds=False)
    encryption = parser.add_argument_group("encryption")
    encryption.add_argument("--key", default="", help="key file (default: a key derived from the seed)")
    encryption.add_argument("--wrong-key", action="store_true", help="give Bob another key, so he receives nothing")
    encryption.add_argument("--no-encrypt", action="store_true", help="send the image in clear")
    options.add_cipher_argument(encryption)
    symbols = parser.add_argument_group("symbols")
    symbols.add_argument("--modulation", choices=MODULATIONS, help="modulation (default qpsk)")
    symbols.add_argument("--hard", action="store_true", help="hard decisions, as in the paper")
    _add_channel_group(parser)
    enhancement.add_arguments(parser)
    options.add_networks_group(parser)
    run = parser.add_argument_group("run")
    run.add_argument("--json", metavar="FILE", help="write the figures to FILE ('-': standard output)")
    run.add_argument(
        "--overwrite",
        action="store_true",
        help="replace images in --out and a --json file that an earlier run did not write",
    )


def _add_channel_group(parser: argparse.ArgumentParser) -> None:
    channel = parser.add_argument_group("channel")
    channel.add_argument(
        "--snr", type=float, metavar="DB", help="Es/N0 in dB (default: the first SNR of --plan, else 10)"
    )
    channel.add_argument("--channel", default="awgn", choices=("awgn", "rayleigh"), help="channel model (default awgn)")
    channel.add_argument(
        "--coherence", type=int, default=1024, help="number of symbols with equal gain, for rayleigh (default 1024)"
    )
    channel.add_argument("--loss", type=float, default=0.0, help="probability that a packet is erased (default 0)")
    channel.add_argument(
        "--seed", type=int, default=1, help="seed of channel, losses and keys; equal seeds give equal results"
    )


def check(args: argparse.Namespace) -> None:
    if args.snr is None:
        args.snr = args.plan[0] if args.plan else 10.0
    options.check_range("snr", args.snr, -50, 100)
    if args.plan is not None and args.channel != "awgn":
        raise Usage(f"--plan does not go with --channel {args.channel}: its table is for awgn")
    plan_option.apply(args, "srec simulate", False)
    coding.settle(args, "srec simulate", args.snr, args.channel == "rayleigh", "--snr")
    options.check_range("repeat", args.repeat, 1, coding.MAX_REPEAT)
    if args.repeat > 1 and args.coding != "layers":
        raise Usage("--repeat is for --coding layers: transmissions of features do not add up")
    options.check_range("loss", args.loss, 0, 1)
    options.check_range("seed", args.seed, 0, 2**63 - 1)
    options.check_range("threads", args.threads, 0, 1024)
    options.check_range("coherence", args.coherence, 1, 2**30)
    results = [os.path.join(args.out, name + ".png") for name in PICTURES]
    reads = [
        ("--image", [args.image]),
        ("--key", [args.key]),
        ("--model", [args.model]),
        ("--enhancer", [args.enhancer]),
    ]
    outputs.refuse_collisions(reads, [("--out", results), ("--json", [args.json])])
    outputs.check_figures(args.json, args.overwrite, {"psnr_before_sr_db", "cbr_payload"})
    outputs.check_pictures(results, MARK, args.overwrite)


def keys_of(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return the key of transmitter and receivers, and Bob's key."""
    from gnuradio import srec

    if args.key and not args.key.startswith("seed:"):
        key = options.read_key(args.key, "srec simulate")
    else:
        key = srec.key(args.key or f"seed:{args.seed}", warn=False)  # nothing leaves the program, so any key will do
    return key, srec.key(f"seed:{args.seed ^ 0x5EED}", warn=False) if args.wrong_key else key


def find_enhancer(args: argparse.Namespace) -> str:
    """Return the path of the super-resolution model, or "" for none."""
    from gnuradio import srec

    model = enhancement.find(args, "srec simulate", (args.scale,), (args.coding,))
    return "" if model == enhancement.NONE else model or srec.default_enhancer(args.scale, args.coding)


class Simulation:
    """The flowgraph: source, transmitter, channel, Bob's and Eve's receivers.

    sinks: {name: image_sink}: sent, bob, eve, and before, which has Bob's image before super-resolution.
    sent_png: the image sent as a PNG file, once the run has ended; b"" if none was sent.
    info: {name: Collector}: encoder, mapper, bob, packets, enhancer.
    """

    def __init__(self, args: argparse.Namespace, enhancer: str):
        from gnuradio import gr, srec
        from .blocks import Collector

        key, bob_key = keys_of(args)
        self.top = gr.top_block("srec simulate")
        self.info = {name: Collector() for name in ("encoder", "mapper", "bob", "packets", "enhancer")}
        self.ends = ["encoder", "packets", "bob"] + (["enhancer"] if enhancer else [])  # they report their end
        self._source = srec.image_source(args.image, in_flight=1, transmissions=args.repeat)
        self._transmitter = self._make_transmitter(args, key)
        self._transmitter.encoder.set_log_level("off")  # what it drops, it also reports
        self._receivers = self._make_receivers(args, enhancer, key, bob_key)
        self.sinks = {name: srec.image_sink() for name in ("before", *self._receivers)}
        self.sinks["sent"] = srec.image_sink(stop_after=1)  # further transmissions are the same image
        self.sent_png = b""
        self._connect_transmitter()
        self._channel = srec.channel(args.channel, args.snr, args.seed, args.coherence, args.loss)
        self.top.connect(self._transmitter, self._channel)
        self._connect_receivers(args.channel == "rayleigh", bool(enhancer))

    def _make_transmitter(self, args: argparse.Namespace, key: Any) -> Any:
        from gnuradio import srec

        return srec.transmitter(
            key,
            args.modulation,
            encrypt=not args.no_encrypt,
            model=args.model,
            frame_bytes=args.frame_bytes,
            threads=args.threads,
            precision=args.precision,
            session=args.seed + 1,
            cipher=args.cipher,
            samples_per_symbol=0,
            scale=args.scale,
            **coding.parameters(args),
        )

    def _make_receivers(self, args: argparse.Namespace, enhancer: str, key: Any, bob_key: Any) -> dict[str, Any]:
        from gnuradio import srec

        common = {
            "modulation": args.modulation,
            "snr_db": args.snr,
            "soft": not args.hard,
            "model": coding.receiver_model(args),
            "threads": args.threads,
            "precision": args.precision,
            "timeout": 1e6,
            "gain_input": args.channel == "rayleigh",
            "samples_per_symbol": 0,
            "enhancer": enhancer,
            "scale": args.scale,
        }
        # Eve is granted the headers (rate maps, sizes) and every model. Only the keystream is unknown to her.
        eve_key = srec.key(f"seed:{args.seed ^ 0xE7E}", warn=False)
        return {"bob": srec.receiver(bob_key, **common), "eve": srec.receiver(key, payload_key=eve_key, **common)}

    def _connect_transmitter(self) -> None:
        self.top.msg_connect(self._source, "pdus", self._transmitter, "pdus")
        self.top.msg_connect(self._source, "pdus", self.sinks["sent"], "pdus")
        for port, name in (("info", "mapper"), ("encoder_info", "encoder")):
            self.top.msg_connect(self._transmitter, port, self._source, "next")
            self.top.msg_connect(self._transmitter, port, self.info[name], "info")

    def _connect_receivers(self, fading: bool, enhanced: bool) -> None:
        for name, receiver in self._receivers.items():
            self.top.connect(self._channel, receiver)
            if fading:
                self.top.connect((self._channel, 1), (receiver, 1))
            self.top.msg_connect(receiver, "pdus", self.sinks[name], "pdus")
        bob = self._receivers["bob"]
        self.top.msg_connect(bob, "received", self.sinks["before"], "pdus")
        if enhanced:
            self.top.msg_connect(bob, "enhancer_info", self.info["enhancer"], "info")
        self.top.msg_connect(bob, "info", self.info["bob"], "info")
        self.top.msg_connect(bob, "packet_info", self.info["packets"], "info")

    def _wait_for_pictures(self, seconds: float) -> bool:
        """Return whether the last image of each sink has arrived within that time."""
        until = time.monotonic() + seconds
        return all(sink.wait(max(0.0, until - time.monotonic())) for sink in self.sinks.values())

    def _compress_sent(self) -> None:
        """Make sent_png, unless it is there or nothing was sent. Load a module that write() needs."""
        from . import comparison  # noqa: F401
        from ..io.picture_file import save_png

        self.sinks["sent"].wait()
        if not self.sent_png and self.sinks["sent"].pictures:
            file = io.BytesIO()
            save_png(self.sinks["sent"].pictures[0][0], file, MARK)
            self.sent_png = file.getvalue()

    def _figures_are_there(self) -> bool:
        """Return whether the blocks have reported their end, and the mapper the last image."""
        last = [self.info[name].last("picture").get("picture") for name in ("encoder", "mapper")]
        return last[0] == last[1] and all(self.info[name].last("eof") for name in self.ends)

    def run(self, stop: running.Stop) -> None:
        """Run the flowgraph to its end. Raises Failure or Stopped.

        It ends when both ends have seen the end mark and all blocks have reported their figures. A long run prints a
        line from time to time.
        """
        started = said = time.monotonic()
        # While the encoder works, processors are idle. A signal does not wait for a daemon.
        early = threading.Thread(target=self._compress_sent, daemon=True)
        with running.Run("srec simulate", self.top, stop) as run:
            early.start()
            while not self._wait_for_pictures(0.1):
                if stop.number is not None:
                    raise Stopped("stopped; no image was written", stop.number)
                if run.ended() and not self._wait_for_pictures(0):
                    raise Failure("the flowgraph ended before the last image was through")
                now = time.monotonic()
                if now - said > 5:
                    print(f"srec simulate: working, {now - started:.0f} s", file=sys.stderr)
                    said = now
                if now - started > PICTURE_TIMEOUT_S:
                    raise Failure("no end after an hour: giving up")
            until = time.monotonic() + FIGURES_S
            while not stop and not self._figures_are_there() and time.monotonic() < until:
                time.sleep(0.005)
            if stop.number is not None:
                raise Stopped("stopped; no image was written", stop.number)
            if not self._figures_are_there():
                raise Failure(f"the blocks did not report their figures within {FIGURES_S} s")
            early.join()
            self._compress_sent()  # again, if the thread failed: the error ends the run


def prepare(args: argparse.Namespace, enhancer: str) -> Simulation:
    """Build the flowgraph. Raises Failure."""
    from ..io.picture_file import check_memory

    try:
        check_memory(args.image, BYTES_PER_PIXEL + (ENHANCER_BYTES_PER_PIXEL if enhancer else 0), "to simulate")
        os.makedirs(args.out, exist_ok=True)
        return Simulation(args, enhancer)
    except OSError as error:
        raise Failure(f"{printable(error.filename)}: {error.strerror}") from None
    except (ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None


def run(args: argparse.Namespace) -> int:
    check(args)
    stdout = figures.take_stdout() if args.json == "-" else 1  # GNU Radio logs to standard output
    enhancer = find_enhancer(args)
    simulation = prepare(args, enhancer)
    with running.Stop() as stop:
        simulation.run(stop)
    result = Result(args, enhancer, simulation)
    write(args, result, stdout)
    if result.final is None:
        raise Failure(result.why_none())
    if args.json != "-":
        print(result.summary())
    return 0
