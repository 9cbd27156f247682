# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several commands share, in groups with titles, and the checks of their values.

Each add_X_group() returns the group, so that a command can add its own options to it.
"""
import argparse
import os
import sys
from typing import Any

from . import Failure, Usage
from ..io import sigmf
from ..modulations import MODULATIONS
from ..text import printable

Group = argparse._ArgumentGroup


def add_cipher_argument(group: Group) -> None:
    group.add_argument(
        "--cipher",
        default="auto",
        choices=("auto", "add", "xor"),
        help=(
            "add: addition modulo 256, as in the paper; xor: equally secret, costs soft decoding nothing, not for"
            " pam256; auto: add for pam256 and for layers, else xor (default)"
        ),
    )


def add_key_argument(group: Group) -> None:
    group.add_argument("--key", required=True, help="key file made by srec keygen, or a pipe: /dev/stdin, <(...)")


def add_networks_group(parser: argparse.ArgumentParser) -> Group:
    group = parser.add_argument_group("networks")
    group.add_argument("--model", default="", help="model file (default: the installed model)")
    group.add_argument("--threads", type=int, default=0, help="threads of the networks (default: all cores)")
    group.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "f32", "bf16"),
        help="precision of the networks; auto: f32 in the encoder, else bf16 if the processor has it (default auto)",
    )
    return group


def add_waveform_group(parser: argparse.ArgumentParser, first: str = "") -> Group:
    """first: where a default comes from first, with a comma and "else"."""
    group = parser.add_argument_group("waveform")
    group.add_argument("--modulation", choices=MODULATIONS, help=f"modulation (default: {first}qpsk)")
    group.add_argument("--sps", type=int, metavar="N", help=f"samples per symbol, 2 to 16 (default: {first}4)")
    group.add_argument("--rolloff", type=float, help=f"roll-off of the pulse, 0.1 to 1 (default: {first}0.25)")
    return group


def add_device_group(parser: argparse.ArgumentParser, sim: str = "sim", first: str = "") -> Group:
    """sim: the form of the simulated device. first: as for add_waveform_group()."""
    group = parser.add_argument_group("device")
    group.add_argument(
        "--device",
        required=True,
        help=f"{sim}, file:PATH, zmq:ADDRESS, uhd:ARGUMENTS, soapy:ARGUMENTS, or - for a pipe",
    )
    group.add_argument("--rate", type=float, metavar="SPS", help=f"samples per second (default: {first}1e6)")
    group.add_argument(
        "--format", choices=tuple(sigmf.DATATYPES), help="sample format of files and pipes (default cf32_le)"
    )
    group.add_argument(
        "--frequency", type=float, metavar="HZ", help="carrier frequency of the radio; recordings store it"
    )
    group.add_argument("--gain", type=float, metavar="DB", help="gain of the radio (default: the driver's)")
    group.add_argument("--antenna", metavar="NAME", help="antenna connector of the radio (default: the driver's)")
    group.add_argument(
        "--bandwidth", type=float, metavar="HZ", help="bandwidth of the radio's filter (default: the driver's)"
    )
    return group


def add_run_group(parser: argparse.ArgumentParser) -> Group:
    group = parser.add_argument_group("run")
    group.add_argument("--json", metavar="FILE", help="write the figures of the run to FILE ('-': standard output)")
    group.add_argument("--overwrite", action="store_true", help="output files may replace existing files")
    group.add_argument(
        "--status",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="time between lines of the level meter on standard error; 0: none (default 5)",
    )
    return group


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    """Raise Usage if an option has a value outside its range. None: the option is not given."""
    if value is not None and not low <= value <= high:
        raise Usage(f"--{name} {value:.9g} is not within {low:.9g} .. {high:.9g}")


def settle_waveform(args: argparse.Namespace) -> None:
    """Set the options of waveform and device that are neither given nor known from a recording to their defaults."""
    args.modulation = args.modulation or "qpsk"
    args.sps = 4 if args.sps is None else args.sps
    args.rolloff = 0.25 if args.rolloff is None else args.rolloff
    args.rate = 1e6 if args.rate is None else args.rate
    args.datatype = args.format or "cf32_le"


def check_link(args: argparse.Namespace, kind: str) -> None:
    """Check the options that send and receive share. Raises Usage.

    kind: that of the device.
    """
    check_range("sps", args.sps, 2, 16)
    check_range("rolloff", args.rolloff, 0.1, 1)
    check_range("rate", args.rate, 1, 1e10)
    check_range("frequency", args.frequency, 0, 1e12)
    check_range("gain", args.gain, -200, 200)
    check_range("bandwidth", args.bandwidth, 0, 1e10)
    check_range("threads", args.threads, 0, 1024)
    check_range("status", args.status, 0, 1e6)
    if kind in ("uhd", "soapy"):
        if args.frequency is None:
            raise Usage("--frequency is missing: which carrier, in Hz?")
    else:
        for name in ("gain", "antenna", "bandwidth"):
            if getattr(args, name) is not None:
                raise Usage(f"--{name} is for radios (uhd:, soapy:)")


def settle_cipher(args: argparse.Namespace) -> None:
    """Set args.cipher to the cipher on the air."""
    if args.cipher == "xor" and args.modulation == "pam256":
        raise Usage("--cipher xor does not go with pam256: an amplitude can only be added to")
    if args.cipher == "auto":
        args.cipher = "add" if args.modulation == "pam256" else "xor"


def read_key(text: str, command: str, samples_from_stdin: bool = False) -> Any:
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


def is_stdin(path: str) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(0))
    except (OSError, ValueError):
        return False
