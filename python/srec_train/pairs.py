# SPDX-License-Identifier: GPL-3.0-or-later
"""Received and original images, to train the enhancer.

The C core of the product encodes, encrypts, maps, adds noise and decodes. At scale 2 it first halves the image.

Writes these files to the folder --out, and resumes an interrupted run:

    pairs.u8    planes in sequence: images as (height, width, 3) u8, deviations of patches as (rows, cols) f32
    pairs.csv   one line per pair: its image, how it was sent, the location of its planes
    pairs.json  model, scale, seed: settings that a resumed run must have

The random choices for a pair depend only on the seed and the number of the pair.
"""
import argparse
import csv
import io
import json
import math
import os
import time
from typing import Any

import numpy as np
from PIL import Image

import srec_core
from . import feature_link, layer_pairs, pictures, ranges, stopping

# odds, lowest and highest SNR in dB: from hopeless to perfect
SENT = {
    "bpsk": (0.22, -4, 16),
    "qpsk": (0.30, -2, 18),
    "16qam": (0.24, 0, 24),
    "64qam": (0.05, 6, 28),
    "256qam": (0.03, 12, 34),
    "pam256": (0.16, 0, 30),
}
PAPER = ("bpsk", "qpsk", "16qam"), (0, 16), (0.04, 0.2)  # modulations, SNR in dB and eta of the paper's experiments
GRID = [(modulation, snr) for modulation in PAPER[0] for snr in (0, 4, 8, 12, 16)] + [("pam256", 10), ("pam256", 20)]
SLICE_BYTES = 3000
TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}  # file names may contain any bytes
SIDE_MIN = 16
SIDE_MAX = 1024  # larger images are cropped to their middle
COLUMNS = (
    "number",
    "picture",
    "modulation",
    "snr_db",
    "eta",
    "cipher",
    "hard",
    "loss",
    "psnr",
    "height",
    "width",
    "original",
    "sent_height",
    "sent_width",
    "received",
    "deviation",
    "layers",
    "bits_per_pixel",
)
FRACTIONS = ("snr_db", "eta", "loss", "psnr", "bits_per_pixel")
OF_LAYERS = ("layers", "bits_per_pixel")  # 0 for features, and in the files of earlier versions


def middle(array: np.ndarray, height: int, width: int) -> np.ndarray:
    y, x = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
    return array[y : y + height, x : x + width]


def enlarge(array: np.ndarray) -> np.ndarray:
    """Return the middle of an image at twice its size: smooth, like images that a link carries nearly unharmed."""
    h, w = (n // 2 for n in array.shape[:2])
    return np.array(Image.fromarray(middle(array, h, w)).resize((2 * w, 2 * h), Image.Resampling.LANCZOS))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * math.log10(max(float(np.mean((a.astype(np.float32) - b) ** 2)) / 65025, 1e-10))


class Codec:
    """A model file that sends and receives images."""

    def __init__(self, path: str, threads: int) -> None:
        try:
            self.model = srec_core.Model(os.fsencode(path), threads)
        except (RuntimeError, ValueError) as error:
            raise SystemExit(f"srec-train: {error}")
        self.id: str = self.model.id

    def send(self, picture: np.ndarray, way: dict, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Send an image. Return the received image and the deviations of its patches, (rows, cols) f32.

        image: (height, width, 3) u8.
        way: modulation, snr_db, eta, cipher, hard, and loss, the share of lost slices.
        """
        try:
            return self._send(picture, way, np.random.default_rng(seed))
        except (RuntimeError, ValueError) as error:
            raise SystemExit(f"srec-train: {error}")

    def _send(self, picture, way, rng):
        coded = srec_core.encode(self.model, picture, way["eta"], way["modulation"])
        slices = srec_core.cut(self.model, coded, SLICE_BYTES)
        keep = rng.random(len(slices)) >= way["loss"]
        keep[rng.integers(len(slices))] = True  # at least one slice must arrive
        received = []
        for i in np.flatnonzero(keep):
            seed = int(rng.integers(2**62))
            link = feature_link.link(way["modulation"], way["snr_db"], seed, way["cipher"], way["hard"])
            received.append((slices[i], *srec_core.send_slice(self.model, slices[i], link)))
        return srec_core.decode(self.model, received)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--pictures", required=True, help="folder of images")
    add(
        "--coding",
        default="features",
        choices=("features", "layers"),
        help="how the images are sent; layers need no --model, and --profile and --hard do not apply",
    )
    add("--model", help="model file of the codec, for features")
    add("--out", required=True, help="folder for the pairs")
    add("--scale", type=int, default=1, choices=(1, 2), help="2: send the image at half size")
    add("--count", type=int, default=2000, help="total number of pairs")
    add(
        "--profile",
        default="robust",
        choices=("robust", "paper"),
        help=(
            "robust: all modulations, SNRs and ciphers; paper: only what the paper's experiments send, with hard"
            " decisions and addition"
        ),
    )
    add(
        "--grid",
        action="store_true",
        help=(
            "for validation: each image over a grid of modulations and SNRs, eta 0.2, or of rates for layers; at most"
            " --count images"
        ),
    )
    add("--hard", type=float, default=0.2, help="share of the pairs received with hard decisions, for profile robust")
    add(
        "--reduced",
        type=float,
        default=0.25,
        help="share of the pairs with a halved image, which is sharper than a photograph at full size",
    )
    add(
        "--enlarged",
        type=float,
        default=0.1,
        help="share of the pairs with the enlarged centre of an image, which is smoother than a photograph",
    )
    add("--seed", type=int, default=1, help="seed of all random choices")
    add("--threads", type=int, default=0, help="threads; 0: all cores")


def draw(args: argparse.Namespace, number: int, count: int) -> tuple[int, dict, np.random.Generator]:
    """Return the index of an image out of count, how it is sent, and the random generator of the pair."""
    if args.coding == "layers":
        return layer_pairs.draw(args, number, count)
    rng = np.random.default_rng((args.seed, number))
    plain = {"cipher": "add", "hard": args.profile == "paper", "loss": 0.0}
    if args.grid:
        modulation, snr_db = GRID[number % len(GRID)]
        return number // len(GRID), {"modulation": modulation, "snr_db": float(snr_db), "eta": 0.2, **plain}, rng
    if args.profile == "paper":
        modulations, snr, eta = PAPER
        way = {
            "modulation": str(rng.choice(modulations)),
            "snr_db": round(float(rng.uniform(*snr)), 2),
            "eta": round(float(rng.uniform(*eta)), 4),
            **plain,
        }
        return int(rng.integers(count)), way, rng
    names = list(SENT)
    odds = np.array([SENT[n][0] for n in names])
    modulation = names[rng.choice(len(names), p=odds / odds.sum())]
    low, high = SENT[modulation][1:]
    cipher = "add" if modulation == "pam256" else str(rng.choice(("add", "xor", "none"), p=(0.7, 0.2, 0.1)))
    hard = bool(rng.random() < args.hard and cipher != "xor")
    way = {
        "modulation": modulation,
        "snr_db": round(float(rng.uniform(low, high)), 2),
        "eta": round(float(np.exp(rng.uniform(*np.log((0.04, 0.6))))), 4),
        "cipher": cipher,
        "hard": hard,
        "loss": round(float(rng.uniform(0.02, 0.2)), 3) if rng.random() < 0.2 else 0.0,
    }
    return int(rng.integers(count)), way, rng


def rows_of(folder: str) -> list[dict]:
    """Return the lines of pairs.csv, with numbers converted."""
    try:
        path = os.path.join(folder, "pairs.csv")
        with open(path, newline="", **TEXT) as f:
            text = f.read()
    except OSError as error:
        raise SystemExit(f"srec-train: {error.filename}: {error.strerror}; make pairs first: srec-train pairs")
    whole = text[: text.rfind("\n") + 1]  # a killed run may have left a partial line
    rows = list(csv.DictReader(io.StringIO(whole, newline="")))
    for row in rows:
        for key in COLUMNS:
            if key not in ("picture", "modulation", "cipher"):
                try:
                    row[key] = (float if key in FRACTIONS else int)(row.get(key) or 0)
                except ValueError:
                    raise SystemExit(f"srec-train: {path}: a line is damaged: {key} {row[key]!r}; make the pairs again")
    return rows


class Originals:
    """The images of a folder, each unchanged, halved, or with its middle enlarged."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.paths = args, pictures.find(args.pictures)
        self.broken: set[str] = set()
        self.step = max(1, len(self.paths) // args.count) if args.grid else 1  # evenly spaced

    def load(self, which: int) -> tuple[str, np.ndarray]:
        """Return (path, image) of number `which`, or of the next readable image."""
        for i in range(len(self.paths)):
            path = self.paths[(which * self.step + i) % len(self.paths)]
            if path in self.broken:
                continue
            try:
                picture = pictures.load(path)
                if min(picture.shape[:2]) < SIDE_MIN:
                    raise pictures.Unreadable(f"{path}: less than {SIDE_MIN} pixels wide or high")
                return path, picture
            except pictures.Unreadable as error:
                pictures.warn(error)
                self.broken.add(path)
        raise SystemExit(f"srec-train: none of {len(self.paths)} images in {self.args.pictures} can be read")

    def draw(self, which: int, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """Return (name, image with even sides)."""
        path, picture = self.load(which)
        name, kind = os.path.basename(path), math.inf if self.args.grid else rng.random()
        if kind < self.args.reduced:
            name, picture = "half of " + name, srec_core.halve(picture)
        elif kind < self.args.reduced + self.args.enlarged:
            name, picture = "middle of " + name, enlarge(picture)
        if max(picture.shape) > SIDE_MAX:
            picture = middle(picture, *(min(n, SIDE_MAX) for n in picture.shape[:2]))
        return name, np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])


class Writer:
    """Writes pairs.u8 and pairs.csv of a folder, from where an earlier run ended.

    done: number of existing pairs.
    """

    def __init__(self, folder: str) -> None:
        self.folder, table = folder, os.path.join(folder, "pairs.csv")
        rows = rows_of(folder) if os.path.exists(table) else []
        self.done = len(rows)
        size = rows[-1]["deviation"] + 4 * math.prod(grid_of(rows[-1])) if rows else 0
        self.originals = {row["picture"]: (row["original"], row["height"], row["width"]) for row in rows}
        self.data = open(os.path.join(folder, "pairs.u8"), "r+b" if size else "wb")
        self.data.truncate(size)
        self.data.seek(size)
        self.lines = open(table, "r+" if rows else "w", newline="", **TEXT)
        self.table = csv.DictWriter(self.lines, COLUMNS)
        if not rows:
            self.table.writeheader()
        else:
            self.lines.seek(whole_lines(table))  # a killed run may have left a partial line
            self.lines.truncate()

    def _append(self, array):
        at = self.data.tell()
        self.data.write(np.ascontiguousarray(array).tobytes())
        return at

    def add(
        self, name: str, original: np.ndarray, sent: np.ndarray, received: np.ndarray, deviation: np.ndarray, way: dict
    ) -> None:
        """Write one pair. The line follows the planes, so that an interrupted pair does not count."""
        with stopping.lock:
            if name not in self.originals:
                self.originals[name] = (self._append(original), original.shape[0], original.shape[1])
            at, height, width = self.originals[name]
            row = {
                **dict.fromkeys(OF_LAYERS, 0),
                **way,
                "number": self.done,
                "picture": name,
                "hard": int(way["hard"]),
                "psnr": round(psnr(sent, received), 3),
                "height": height,
                "width": width,
                "original": at,
                "sent_height": sent.shape[0],
                "sent_width": sent.shape[1],
                "received": self._append(received),
                "deviation": self._append(deviation),
            }
            self.data.flush()
            self.table.writerow(row)
            self.lines.flush()
            self.done += 1

    def close(self) -> None:
        self.data.close()
        self.lines.close()


def whole_lines(path: str) -> int:
    """Return the length of a file up to the end of its last complete line."""
    with open(path, "rb") as f:
        return f.read().rfind(b"\n") + 1


def check_same_pairs(args: argparse.Namespace, what: dict) -> None:
    """Check that an earlier run in the folder has the same settings.

    what: the settings that a continued run must share.
    """
    note = os.path.join(args.out, "pairs.json")
    if os.path.exists(os.path.join(args.out, "checkpoint.pt")):
        raise SystemExit(f"srec-train: {args.out} holds a training run: name another --out")
    if os.path.exists(note):
        with open(note, encoding="utf-8") as f:
            try:
                there = json.load(f)
            except ValueError:
                raise SystemExit(f"srec-train: {note} is damaged; name another --out") from None
            if there != what:
                raise SystemExit(
                    f"srec-train: {args.out} holds pairs of another model, seed or folder; name another --out"
                )
    else:
        with stopping.whole(note) as new, open(new, "w") as f:
            json.dump(what, f)


def sender_of(args: argparse.Namespace) -> Codec | layer_pairs.Layers:
    if args.coding == "layers":
        return layer_pairs.Layers()
    if not args.model:
        raise SystemExit("srec-train: --model is missing: it names the codec of the features")
    return Codec(args.model, args.threads)


def main(args: argparse.Namespace) -> None:
    shares = dict.fromkeys(("hard", "reduced", "enlarged"), ranges.SHARE)
    ranges.check(args, count=(1, 10**9), seed=ranges.SEED, threads=(0, 1024), **shares)
    sources, codec = Originals(args), sender_of(args)
    os.makedirs(args.out, exist_ok=True)
    options = {k: getattr(args, k) for k in ("profile", "scale", "seed", "grid", "hard", "reduced", "enlarged")}
    check_same_pairs(args, {"model": codec.id, "pictures": len(sources.paths), **options})
    pairs = Writer(args.out)
    grid = layer_pairs.GRID if args.coding == "layers" else GRID
    count = min(args.count, len(sources.paths)) * len(grid) if args.grid else args.count
    stopping.on_stop(lambda: f"{pairs.done} of {count} pairs are in {args.out}: the same command resumes it")
    begin, start = pairs.done, time.time()
    while pairs.done < count:
        which, way, rng = draw(args, pairs.done, len(sources.paths))
        name, original = sources.draw(which, rng)
        sent = original if args.scale == 1 else srec_core.halve(original)
        received, deviation = codec.send(sent, way, int(rng.integers(2**62)))
        pairs.add(name, original, sent, received, deviation, way)
        if pairs.done % 20 == 0 or pairs.done == count:
            pace = (time.time() - start) / (pairs.done - begin)
            print(
                (
                    f"{pairs.done} of {count} pairs, {pairs.data.tell() / 1e9:.2f} GB, "
                    f"ETA {(count - pairs.done) * pace / 60:.1f} min"
                ),
                flush=True,
            )
    pairs.close()


def grid_of(row: dict) -> tuple[int, int]:
    """Return rows and columns of the deviations of a pair."""
    return (row["sent_height"] + 63) // 64 * 4, (row["sent_width"] + 63) // 64 * 4


class Pairs:
    """The pairs of a folder. Planes are read from the file on demand."""

    def __init__(self, folder: str) -> None:
        self.rows = rows_of(folder)
        if not self.rows:
            raise SystemExit(f"srec-train: {folder} holds no pair yet")
        with open(os.path.join(folder, "pairs.json")) as f:
            self.what = json.load(f)
        self.data = np.memmap(os.path.join(folder, "pairs.u8"), np.uint8, "r")

    def __len__(self):
        return len(self.rows)

    def planes(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the planes of pair i.

        They are original (H, W, 3) u8, received (h, w, 3) u8, and deviation planes as the network takes them, (rows,
        cols, 2) f32.
        """
        row = self.rows[i]

        def picture(at, height, width):
            return self.data[at : at + height * width * 3].reshape(height, width, 3)

        rows, cols = grid_of(row)
        d = np.frombuffer(
            self.data[row["deviation"] : row["deviation"] + 4 * rows * cols].tobytes(), np.float32
        ).reshape(rows, cols)
        known = d >= 0
        planes = np.stack([np.where(known, np.minimum(d, 1), 0), ~known], 2).astype(np.float32)
        return (
            picture(row["original"], row["height"], row["width"]),
            picture(row["received"], row["sent_height"], row["sent_width"]),
            planes,
        )
