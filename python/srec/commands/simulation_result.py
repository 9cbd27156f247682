# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of `srec simulate`: images, figures, files."""
import argparse
import concurrent.futures
import contextlib
import os
from typing import Any

import numpy as np

from . import Failure
from .figures import write_json
from ..io.output import NewFile, json_bytes
from ..text import printable

PICTURES = ("sent", "received", "enhanced", "eve", "comparison")  # the PNG files
MARK = "srec simulate"  # metadata of these files, by which a later run recognises them
# Figures that apply to one coding only. The other coding reports None.
OF_FEATURES = ("eta", "n_features", "patches", "patches_lost", "soft", "model", "mean_deviation")
OF_LAYERS = (
    "layers_sent",
    "layers_received",
    "layer_snr_db",
    "code_rates",
    "bits_per_pixel",
    "pieces_sent",
    "pieces_received",
    "packets_uncorrected",
    "packets_bad_tag",
    "packets_combined",
    "packets_summed",
    "duplicates",
    "rms_error",
)


def at_full_size(received: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Return a received image at the size of the image sent.

    At scale 2 it is doubled if no enhancer did so, and cropped where the image sent has odd sides.
    """
    from gnuradio import srec

    if (
        received.shape[:2] != picture.shape[:2]
        and received.shape[0] <= picture.shape[0]
        and received.shape[1] <= picture.shape[1]
    ):
        received = srec.image_double(received)
    return received[: picture.shape[0], : picture.shape[1]]


class Result:
    """Images and figures of a simulation.

    sent, received, final, eve: the image sent, Bob's before and after super-resolution, Eve's; None if there is none.
    sent_png: the image sent as a PNG file.
    figures: what --json writes. add_ms_ssim() completes it.
    """

    def __init__(self, args: argparse.Namespace, enhancer: str, simulation: Any):
        """Collect what the simulation has left. Raises Failure if nothing was sent."""
        self._args, self._enhancer, self._info = args, enhancer, simulation.info
        encoded = self._info["encoder"].take("picture")
        if not encoded:
            reason = self._info["encoder"].last("dropped").get("reason", "the encoder gives no reason")
            raise Failure(f"the image was not sent: {reason}")
        self._encoded = encoded[0]  # the first transmission
        self.sent, self.sent_png = simulation.sinks["sent"].pictures[0][0], simulation.sent_png
        got = {
            name: at_full_size(sink.pictures[0][0], self.sent) if sink.pictures else None
            for name, sink in simulation.sinks.items()
        }
        self.received, self.final, self.eve = got["before"], got["bob"], got["eve"]
        self.counters = self._info["packets"].last("eof")
        before = simulation.sinks["before"].pictures
        self._metadata = before[0][1] if before else {}
        self.figures = {
            **self._quality(),
            **self._transmission(),
            **self._request(),
            **self._processing(),
            **self._features(),
            **self._layers(),
        }

    def _psnr(self, image: np.ndarray | None) -> float | None:
        from gnuradio import srec

        return None if image is None else srec.psnr(self.sent, image)

    def add_ms_ssim(self) -> None:
        """Compute ms_ssim, which takes as long as a PNG file."""
        from gnuradio import srec

        if self.final is not None and min(self.sent.shape[:2]) >= 11:
            self.figures["ms_ssim"] = srec.ms_ssim(self.sent, self.final)

    def _quality(self) -> dict[str, Any]:
        return {
            "psnr_db": self._psnr(self.final),
            "ms_ssim": None,
            "psnr_before_sr_db": self._psnr(self.received),
            "eve_psnr_db": self._psnr(self.eve),
        }

    def _transmission(self) -> dict[str, Any]:
        transmissions = self._info["mapper"].take("picture")

        def total(key: str) -> int:
            return sum(transmission[key] for transmission in transmissions)

        n_symbols, header, packets = total("n_symbols"), total("header_symbols"), total("packets_sent")
        values = 3 * self.sent.shape[0] * self.sent.shape[1]
        return {
            "cbr": n_symbols / values,
            "cbr_header": header / values,
            "cbr_payload": (n_symbols - header) / values,
            "cbr_burst": total("burst_symbols") / values,
            "n_symbols": n_symbols,
            "packets_sent": packets,
            "packets_lost": packets - self.counters.get("accepted", 0) - self.counters.get("duplicate", 0),
            "packets_forged": self.counters.get("forged"),
            "packets_damaged": self.counters.get("damaged"),
        }

    def _request(self) -> dict[str, Any]:
        args = self._args
        return {
            "coding": args.coding,
            "snr_db": args.snr,
            "modulation": args.modulation,
            "scale": args.scale,
            "repeat": args.repeat,
            "channel": args.channel,
            "seed": args.seed,
            "encrypt": not args.no_encrypt,
            "cipher": "none" if args.no_encrypt else args.cipher,
        }

    def _processing(self) -> dict[str, Any]:
        from gnuradio import srec

        enhanced = self._info["enhancer"].last("picture")
        return {
            "encode_s": self._encoded.get("encode_s"),
            "decode_s": self._info["bob"].last("picture").get("decode_s"),
            "enhance_s": enhanced.get("enhance_s"),
            "enhancer": srec.enhancer_info(self._enhancer)["id"] if self._enhancer else None,
            "encoder_precision": self._info["encoder"].last("picture").get("precision"),
            "decoder_precision": self._info["bob"].last("picture").get("precision"),
            "enhancer_precision": enhanced.get("enhancer_precision"),
        }

    def _features(self) -> dict[str, Any]:
        from gnuradio import srec

        if self._args.coding != "features":
            return dict.fromkeys(OF_FEATURES)
        decoder = self._info["bob"].last("picture")
        return {
            "eta": self._args.eta,
            "n_features": self._encoded.get("n_features"),
            "patches": decoder.get("patches"),
            "patches_lost": decoder.get("patches_lost"),
            "soft": not self._args.hard,
            "model": srec.model_info(self._args.model)["id"],
            "mean_deviation": decoder.get("mean_deviation"),
        }

    def _layers(self) -> dict[str, Any]:
        if self._args.coding != "layers":
            return dict.fromkeys(OF_LAYERS)
        encoder = self._encoded
        return {
            "layers_sent": encoder["layers"],
            "layers_received": self._metadata.get("layers_received", 0),
            "layer_snr_db": [round(snr, 3) for snr in encoder["layer_snr_db"]],
            "code_rates": [round(rate, 4) for rate in encoder["code_rates"]],
            "bits_per_pixel": encoder["bits_per_pixel"],
            "pieces_sent": encoder["pieces"],
            "pieces_received": self._metadata.get("pieces_received", 0),
            "packets_uncorrected": self.counters.get("uncorrected"),
            "packets_bad_tag": self.counters.get("bad_tag"),
            "packets_combined": self.counters.get("combined"),
            "packets_summed": self.counters.get("summed"),
            "duplicates": self.counters.get("duplicate"),
            "rms_error": self._metadata.get("rms_error"),
        }

    def caption(self) -> str:
        args, figures = self._args, self.figures
        if args.coding == "layers":
            snrs = ", ".join(f"{snr:g}" for snr in args.layers)
            how = f"{figures['layers_received']} of {figures['layers_sent']} layers (for {snrs} dB)"
            how += f", sent {args.repeat} times" if args.repeat > 1 else ""
        else:
            how = f"eta {args.eta:g}, {'hard' if args.hard else 'soft'}"
        secrecy = "in clear" if args.no_encrypt else f"encrypted ({args.cipher})"
        return (
            f"{args.modulation} {args.snr:g} dB, {how}, {secrecy}, "
            f"cbr {figures['cbr']:.3f}, packets lost {figures['packets_lost']} of {figures['packets_sent']}"
        )

    def panels(self) -> list[tuple[str, str, np.ndarray | None, float | None]]:
        """Return (file name, title, image or None, PSNR or None) of each image."""
        figures = self.figures
        return [
            ("sent", "sent", self.sent, None),
            ("received", "Bob, who has the key", self.received, figures["psnr_before_sr_db"]),
            ("enhanced", "Bob, with super-resolution", self.final if self._enhancer else None, figures["psnr_db"]),
            ("eve", "Eve, who has not", self.eve, figures["eve_psnr_db"]),
        ]

    def why_none(self) -> str:
        """Return the reason why Bob has no image."""
        forged = self.counters.get("forged", 0)
        damaged = self.counters.get("damaged", 0) + self.counters.get("uncorrected", 0)
        return (
            f"no image: all {self.figures['packets_sent']} packets were dropped ({forged} failed authentication: is"
            f" it the right key? {damaged} damaged: is the SNR too low?)"
        )

    def summary(self) -> str:
        figures, args = self.figures, self._args
        before = f" ({figures['psnr_before_sr_db']:.2f} before super-resolution)" if self._enhancer else ""
        eve = "no image" if self.eve is None else f"{figures['eve_psnr_db']:.2f} dB"
        enhance = f", enhance {figures['enhance_s']:.2f} s" if self._enhancer else ""
        return (
            f"Bob {figures['psnr_db']:.2f} dB{before}, Eve {eve}, {self.caption()}\n"
            f"encode {figures['encode_s']:.2f} s, decode {figures['decode_s']:.2f} s{enhance}; images in"
            f" {printable(args.out)}"
        )


def write(args: argparse.Namespace, result: Result, stdout: int) -> None:
    """Write all files or none. Raises OSError.

    A file of an earlier run whose image is now missing is removed.
    stdout: file descriptor for the figures, if --json is "-".
    """
    from ..io.picture_file import save_png

    panels = result.panels()
    there = [
        (name, title, array, "" if psnr is None else f"{psnr:.2f} dB")
        for name, title, array, psnr in panels
        if array is not None
    ]

    def write_sheet(file: Any) -> None:
        from .comparison import side_by_side

        sheet = side_by_side([(title, array, figure) for _, title, array, figure in there], result.caption())
        save_png(sheet, file, MARK)

    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        files = []

        def new(path: str) -> Any:
            files.append(stack.enter_context(NewFile(path, overwrite=True)))
            return files[-1]

        def png(name: str) -> Any:
            return new(os.path.join(args.out, name + ".png"))

        work = [pool.submit(write_sheet, png("comparison"))]  # the longest first
        work += [pool.submit(save_png, array, png(name), MARK) for name, _, array, _ in there if name != "sent"]
        if args.json:
            work.append(pool.submit(result.add_ms_ssim))
        png("sent").write(result.sent_png)
        for done in work:
            done.result()
        if args.json and args.json != "-":
            new(args.json).write(json_bytes(result.figures))
        for file in files:
            file.flush()  # a full disk is noticed before the first file gets its name
    for name, _, image, _ in panels:
        if image is None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(args.out, name + ".png"))
    if args.json == "-":
        write_json("-", result.figures, stdout)
