# SPDX-License-Identifier: GPL-3.0-or-later
"""Images for training: a folder is decoded once into one file; random crops come from it."""
import hashlib
import os
import struct
import sys
import zlib
from typing import Iterator

import numpy as np
import torch
from PIL import Image

from . import stopping

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")  # no file reaches another decoder of Pillow, whatever its name


def find(folder: str) -> list[str]:
    """Return the sorted paths of the images of a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise SystemExit(f"srec-train: {folder}: {error.strerror}; name a folder of images")
    paths = [os.path.join(folder, name) for name in names if name.lower().endswith(ENDINGS)]
    if not paths:
        raise SystemExit(f"srec-train: {folder} holds no image ({' '.join(ENDINGS)})")
    return paths


# exceptions of Pillow for unreadable files
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


class Unreadable(Exception):
    """A file that is not an image for training. Its text is one line."""


def load(path: str) -> np.ndarray:
    """Load an image as (height, width, 3) uint8. Raises Unreadable."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode[0] in "IF":  # "I", "I;16" and their like, "F"
                raise Unreadable(f"{path}: samples of 16 bits or more; images of 8 bits are needed")
            return np.asarray(image.convert("RGB"))
    except MemoryError:
        raise Unreadable(f"{path}: no memory for this image") from None
    except UNREADABLE as error:
        raise Unreadable(f"{path}: cannot read this image: {getattr(error, 'strerror', None) or error}") from None


def warn(error: object) -> None:
    print(f"srec-train: warning: {error}; skipped", file=sys.stderr, flush=True)


def each(paths: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (path, image). Skip unreadable files with a warning, and exit if no image is left."""
    readable = 0
    for path in paths:
        try:
            picture = load(path)
        except Unreadable as error:
            warn(error)
            continue
        readable += 1
        yield path, picture
    if not readable:
        raise SystemExit(f"srec-train: none of {len(paths)} images in {os.path.dirname(paths[0])} can be read")


def tensor(picture: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Convert (..., height, width, 3) uint8 to (N, 3, height, width) float32 in 0..1, channels last, on its device."""
    x = picture if isinstance(picture, torch.Tensor) else torch.from_numpy(np.array(picture))
    x = x if x.dim() == 4 else x[None]
    return x.permute(0, 3, 1, 2).float().div_(255.0)


class Crops:
    """Random crops, half of them mirrored and a quarter transposed.

    The odds of an image grow with the root of its area. The images of the folder (at least `side` pixels each way) are
    decoded once into `cache`. The random choices depend only on the seed and the number of the step, so a resumed run
    sees the same crops as an uninterrupted one.
    """

    def __init__(self, folder: str, side: int, cache: str, seed: int = 0) -> None:
        self.side, self.seed = side, seed
        paths = find(folder)
        listed = "\n".join(f"{p} {os.path.getsize(p)}" for p in paths)
        key = hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()[:16]
        file, shapes = os.path.join(cache, f"pictures-{key}.u8"), os.path.join(cache, f"pictures-{key}.npy")
        if not os.path.exists(shapes):
            os.makedirs(cache, exist_ok=True)
            sizes = []
            with stopping.whole(file) as new, open(new, "wb") as f:  # several processes may run this at the same time
                for _, picture in each(paths):
                    sizes.append(picture.shape[:2])
                    f.write(picture.tobytes())
            with stopping.whole(shapes) as new, open(new, "wb") as f:
                np.save(f, np.array(sizes))
        sizes = np.load(shapes)
        data = np.memmap(file, np.uint8, "r")
        self.pictures, offset = [], 0
        for height, width in sizes:
            picture = data[offset : offset + height * width * 3].reshape(height, width, 3)
            offset += height * width * 3
            if min(height, width) >= side:
                self.pictures.append(picture)
        if not self.pictures:
            raise SystemExit(f"srec-train: no image of {folder} has {side} pixels each way")
        odds = np.sqrt([float(p.shape[0] * p.shape[1]) for p in self.pictures])
        self.odds = odds / odds.sum()

    def __len__(self):
        return len(self.pictures)

    def __call__(self, step: int, count: int) -> np.ndarray:
        """Return (count, side, side, 3) uint8."""
        random = np.random.default_rng((self.seed, step))
        out = np.empty((count, self.side, self.side, 3), np.uint8)
        for i, which in enumerate(random.choice(len(self.pictures), count, p=self.odds)):
            picture = self.pictures[which]
            y, x = (random.integers(n - self.side + 1) for n in picture.shape[:2])
            crop = picture[y : y + self.side, x : x + self.side]
            if random.random() < 0.5:
                crop = crop[:, ::-1]
            if random.random() < 0.25:
                crop = crop.transpose(1, 0, 2)
            out[i] = crop
        return out
