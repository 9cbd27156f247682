# SPDX-License-Identifier: GPL-3.0-or-later
"""Send an image through a simulated link: a real GNU Radio flowgraph with Bob, who has the key, and Eve, who has not.
"""
import contextlib
import os
import sys
import time

from . import Failure, Stopped, Usage, enhancement, options, outputs
from ..io.output import NewFile, json_bytes
from ..text import printable

MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256")
PICTURES = ("sent", "received", "enhanced", "eve", "comparison")  # the PNG files that it writes
MARK = "srec simulate"  # metadata of these files, by which a later run recognises them
PICTURE_TIMEOUT_S = 3600
FIGURES_S = 60  # for the figures, which travel separately from the images, on a machine under any load
BYTES_PER_PIXEL = 85  # at the peak: 7000x5000 pixels took 2.96 GB
ENHANCER_BYTES_PER_PIXEL = 60  # in addition: 3500x2500 pixels took 1.17 GB without an enhancer, 1.69 GB with one


def add_arguments(parser):
    parser.add_argument("--image", required=True, help="image to send")
    parser.add_argument("--out", required=True, help="folder for the results")
    parser.add_argument("--modulation", default="qpsk", choices=MODULATIONS, help="modulation (default qpsk)")
    parser.add_argument("--snr", type=float, default=10.0, metavar="DB", help="Es/N0 in dB (default 10)")
    parser.add_argument("--eta", type=float, default=0.2, help="features per bit of the entropy model (default 0.2)")
    options.add_scale_argument(parser)
    enhancement.add_arguments(parser)
    parser.add_argument("--no-encrypt", action="store_true", help="send the features in clear")
    options.add_cipher_argument(parser)
    parser.add_argument("--hard", action="store_true", help="hard decisions, as in the paper")
    parser.add_argument("--protect", default="none", choices=("none", "uep"), help="uep is not in this release")
    parser.add_argument("--channel", default="awgn", choices=("awgn", "rayleigh"), help="channel model (default awgn)")
    parser.add_argument(
        "--coherence", type=int, default=1024, help="number of symbols with equal gain, for rayleigh (default 1024)"
    )
    parser.add_argument("--loss", type=float, default=0.0, help="probability that a packet is erased (default 0)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of channel, losses and keys; equal seeds give equal results"
    )
    parser.add_argument("--key", default="", help="key file (default: a key derived from the seed)")
    parser.add_argument("--wrong-key", action="store_true", help="give Bob another key, so he receives nothing")
    parser.add_argument("--model", default="", help="model file (default: the installed model)")
    parser.add_argument("--frame-bytes", type=int, default=16000, help="longest packet, 2000 to 30000 (default 16000)")
    parser.add_argument("--threads", type=int, default=0, help="threads of the networks (default: all cores)")
    options.add_precision_argument(parser)
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE ('-': standard output)")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace images in --out and a --json file that an earlier run did not write",
    )


def check(args):
    for name, value, low, high in (
        ("snr", args.snr, -50, 100),
        ("eta", args.eta, 0.001, 10),
        ("loss", args.loss, 0, 1),
        ("seed", args.seed, 0, 2**63 - 1),
        ("frame-bytes", args.frame_bytes, 2000, 30000),
        ("threads", args.threads, 0, 1024),
        ("coherence", args.coherence, 1, 2**30),
    ):
        if not low <= value <= high:
            raise Usage(f"--{name} {value:g} is not within {low:g} .. {high:g}")
    options.settle_cipher(args)
    if args.protect == "uep":
        raise Usage("--protect uep: unequal protection is not in this release")
    results = [os.path.join(args.out, name + ".png") for name in PICTURES]
    reads = [
        ("--image", [args.image]),
        ("--key", [args.key]),
        ("--model", [args.model]),
        ("--enhancer", [args.enhancer]),
    ]
    outputs.refuse_collisions(reads, [("--out", results), ("--json", [args.json])])
    outputs.check_figures(args.json, args.overwrite)
    outputs.check_pictures(results, MARK, args.overwrite)


def check_memory(path, enhancer):
    from ..io.picture_file import check_memory as check

    try:
        check(path, BYTES_PER_PIXEL + (ENHANCER_BYTES_PER_PIXEL if enhancer else 0), "to simulate")
    except ValueError as error:
        raise Failure(str(error)) from None


def keys_of(args):
    """Return the key of transmitter and receivers, and Bob's key."""
    from gnuradio import srec

    if args.key and not args.key.startswith("seed:"):
        key = options.read_key(args.key, "srec simulate")
    else:
        key = srec.key(args.key or f"seed:{args.seed}", warn=False)  # nothing leaves the program, so any key will do
    return key, srec.key(f"seed:{args.seed ^ 0x5EED}", warn=False) if args.wrong_key else key


def find_enhancer(args):
    """Return the path of the super-resolution model, or "" for none."""
    from gnuradio import srec

    model = enhancement.find(args, "srec simulate", (args.scale,))
    return "" if model == enhancement.NONE else model or srec.default_enhancer(args.scale)


def at_full_size(received, args, picture):
    """Return a received image at the size of the image sent.

    At scale 2 it is doubled if no enhancer did so, and cropped where the image sent has odd sides.
    """
    from gnuradio import srec

    if received is None:
        return None
    if (
        received.shape[:2] != picture.shape[:2]
        and received.shape[0] <= picture.shape[0]
        and received.shape[1] <= picture.shape[1]
    ):
        received = srec.image_double(received)
    return received[: picture.shape[0], : picture.shape[1]]


def flowgraph(args, keys, enhancer):
    """Build the flowgraph. Return the top block, sinks {name: image_sink}, collectors {name: block}."""
    from gnuradio import gr, srec
    from .blocks import Keeper

    top = gr.top_block("srec simulate")
    source = srec.image_source(args.image, in_flight=1)
    key, bob_key = keys
    eve_key = srec.key(f"seed:{args.seed ^ 0xE7E}", warn=False)
    transmitter = srec.transmitter(
        key,
        args.modulation,
        args.eta,
        not args.no_encrypt,
        args.model,
        args.frame_bytes,
        args.threads,
        args.precision,
        session=args.seed + 1,
        cipher=args.cipher,
        samples_per_symbol=0,
        scale=args.scale,
    )
    channel = srec.channel(args.channel, args.snr, args.seed, args.coherence, args.loss)
    fading = args.channel == "rayleigh"
    common = dict(
        modulation=args.modulation,
        snr_db=args.snr,
        soft=not args.hard,
        model=args.model,
        threads=args.threads,
        precision=args.precision,
        timeout=1e6,
        gain_input=fading,
        samples_per_symbol=0,
        enhancer=enhancer,
        scale=args.scale,
    )
    # Eve is granted the headers (rate maps, sizes) and every model. Only the keystream is unknown to her.
    receivers = {"bob": srec.receiver(bob_key, **common), "eve": srec.receiver(key, payload_key=eve_key, **common)}
    sinks = {name: srec.image_sink() for name in (*receivers, "before")}
    info = {name: Keeper() for name in ("encoder", "mapper", "bob", "packets", "enhancer")}
    top.msg_connect(source, "pdus", transmitter, "pdus")
    top.msg_connect(transmitter, "info", source, "next")
    top.msg_connect(transmitter, "encoder_info", source, "next")
    top.msg_connect(transmitter, "info", info["mapper"], "info")
    top.msg_connect(transmitter, "encoder_info", info["encoder"], "info")
    top.connect(transmitter, channel)
    for name, receiver in receivers.items():
        top.connect(channel, receiver)
        if fading:
            top.connect((channel, 1), (receiver, 1))
        top.msg_connect(receiver, "pdus", sinks[name], "pdus")
    top.msg_connect(receivers["bob"], "received", sinks["before"], "pdus")
    if enhancer:
        top.msg_connect(receivers["bob"], "enhancer_info", info["enhancer"], "info")
    top.msg_connect(receivers["bob"], "info", info["bob"], "info")
    top.msg_connect(receivers["bob"], "packet_info", info["packets"], "info")
    top.kept = source, transmitter, receivers  # GNU Radio does not keep Python blocks alive
    return top, sinks, info


def simulate(top, sinks, info, ends, stop):
    """Run the flowgraph to its end. Raises Failure or Stopped.

    It ends when both ends have seen the end mark and the blocks in `ends` have reported all their figures. A long run
    prints a line from time to time.
    """
    started = said = time.monotonic()
    with options.Run("srec simulate", top, stop) as running:
        while not all(sink.wait(0) for sink in sinks.values()):
            if stop:
                raise Stopped("stopped; no picture was written", stop.number)
            if running.ended(0.1) and not all(sink.wait(0) for sink in sinks.values()):
                raise Failure("the flowgraph ended before the last picture was through")
            now = time.monotonic()
            if now - said > 5:
                print(f"srec simulate: working, {now - started:.0f} s", file=sys.stderr)
                said = now
            if now - started > PICTURE_TIMEOUT_S:
                raise Failure("no end after an hour: giving up")
        until = time.monotonic() + FIGURES_S
        while not stop and not all(info[name].last("eof") for name in ends) and time.monotonic() < until:
            time.sleep(0.02)


def write_results(args, pictures, caption, result):
    """Write all files or none. Raises OSError.

    pictures: (name, title, array or None, PSNR or ""). A file of an earlier run whose array is now None is removed.
    """
    from PIL import Image
    from .comparison import side_by_side

    there = [
        (name, title, array, f"{value:.2f} dB" if value != "" else "")
        for name, title, array, value in pictures
        if array is not None
    ]
    sheet = side_by_side([(title, array, figure) for _, title, array, figure in there], caption)
    with contextlib.ExitStack() as stack:

        def new(path):
            files.append(stack.enter_context(NewFile(path, overwrite=True)))
            return files[-1]

        files = []
        for name, _, array, _ in there:
            Image.fromarray(array).save(new(os.path.join(args.out, name + ".png")), "PNG", pnginfo=outputs.marked(MARK))
        sheet.save(new(os.path.join(args.out, "comparison.png")), "PNG", pnginfo=outputs.marked(MARK))
        if args.json and args.json != "-":
            new(args.json).write(json_bytes(result))
        for file in files:
            file.flush()  # a full disk is noticed before the first file gets its name
    for name, _, array, _ in pictures:
        if array is None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(args.out, name + ".png"))
    if args.json == "-":
        print(json_bytes(result).decode(), end="")


def run(args):
    check(args)
    from gnuradio import srec
    from ..io.picture_file import load_picture

    enhancer = find_enhancer(args)
    try:
        check_memory(args.image, enhancer)
        picture = load_picture(args.image)
        os.makedirs(args.out, exist_ok=True)
        top, sinks, info = flowgraph(args, keys_of(args), enhancer)
    except OSError as error:
        raise Failure(f"{printable(error.filename)}: {error.strerror}") from None
    except (ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    ends = ["encoder", "packets", "bob"] + (["enhancer"] if enhancer else [])
    with options.Stop() as stop:
        simulate(top, sinks, info, ends, stop)

    encoder, mapper, decoder = (
        info["encoder"].last("picture"),
        info["mapper"].last("picture"),
        info["bob"].last("picture"),
    )
    counters = info["packets"].last("eof")
    if not encoder:
        raise Failure("the picture was not encoded; the log above says why")
    got = {
        name: at_full_size(sink.pictures[0][0] if sink.pictures else None, args, picture)
        for name, sink in sinks.items()
    }
    received, final, eve = got["before"], got["bob"], got["eve"]
    pixels = picture.shape[0] * picture.shape[1]
    small = min(picture.shape[:2]) < 11
    before = None if received is None else srec.psnr(picture, received)
    psnr = None if final is None else srec.psnr(picture, final)
    result = {
        "psnr_db": psnr,
        "ms_ssim": None if final is None or small else srec.ms_ssim(picture, final),
        "psnr_before_sr_db": before,
        "eve_psnr_db": None if eve is None else srec.psnr(picture, eve),
        "cbr": mapper.get("n_symbols", 0) / (3 * pixels),
        "cbr_header": mapper.get("header_symbols", 0) / (3 * pixels),
        "n_symbols": mapper.get("n_symbols"),
        "n_features": encoder.get("n_features"),
        "packets_sent": mapper.get("packets_sent"),
        "packets_lost": mapper.get("packets_sent", 0) - counters.get("accepted", 0),
        "packets_forged": counters.get("forged"),
        "packets_damaged": counters.get("damaged"),
        "patches": decoder.get("patches"),
        "patches_lost": decoder.get("patches_lost"),
        "snr_db": args.snr,
        "modulation": args.modulation,
        "eta": args.eta,
        "scale": args.scale,
        "channel": args.channel,
        "seed": args.seed,
        "encrypt": not args.no_encrypt,
        "cipher": "none" if args.no_encrypt else args.cipher,
        "soft": not args.hard,
        "model": srec.model_info(args.model)["id"],
        "encode_s": encoder.get("encode_s"),
        "decode_s": decoder.get("decode_s"),
        "enhance_s": info["enhancer"].last("picture").get("enhance_s"),
        "enhancer": srec.enhancer_info(enhancer)["id"] if enhancer else None,
        "mean_deviation": decoder.get("mean_deviation"),
    }
    secrecy = "in clear" if args.no_encrypt else f"encrypted ({args.cipher})"
    caption = (
        f"{args.modulation} {args.snr:g} dB, eta {args.eta:g}, {'soft' if not args.hard else 'hard'}, {secrecy}, "
        f"cbr {result['cbr']:.3f}, packets lost {result['packets_lost']} of {result['packets_sent']}"
    )
    write_results(
        args,
        [
            ("sent", "sent", picture, ""),
            ("received", "Bob, who has the key", received, before),
            ("enhanced", "Bob, with super-resolution", final if enhancer else None, psnr),
            ("eve", "Eve, who has not", eve, result["eve_psnr_db"]),
        ],
        caption,
        result,
    )
    if final is None:
        raise Failure(
            f"no picture: all {result['packets_sent']} packets were dropped ({counters.get('forged', 0)} failed"
            f" authentication: is it the right key? {counters.get('damaged', 0)} damaged: is the SNR too low?)"
        )
    if args.json != "-":
        sr = f" ({before:.2f} before super-resolution)" if enhancer else ""
        enhance = f", enhance {result['enhance_s']:.2f} s" if enhancer else ""
        print(
            f"Bob {psnr:.2f} dB{sr}"
            + (f", Eve {result['eve_psnr_db']:.2f} dB" if eve is not None else "")
            + f", {caption}"
        )
        print(
            f"encode {result['encode_s']:.2f} s, decode {result['decode_s']:.2f} s{enhance}; pictures in"
            f" {printable(args.out)}"
        )
    return 0
