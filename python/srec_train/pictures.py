# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures for training: a folder decoded once into one file, random crops from it."""
import hashlib
import os

import numpy as np
import torch
from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")


def find(folder):
    """Paths of the pictures of a folder, sorted."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise SystemExit(f"srec-train: {folder}: {error.strerror}; name a folder of pictures")
    paths = [os.path.join(folder, name) for name in names if name.lower().endswith(ENDINGS)]
    if not paths:
        raise SystemExit(f"srec-train: {folder} holds no picture ({' '.join(ENDINGS)})")
    return paths


def load(path):
    """-> (height, width, 3) uint8"""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def tensor(picture):
    """(..., height, width, 3) uint8 -> (N, 3, height, width) float32 in 0..1, channels last"""
    x = torch.from_numpy(np.array(picture))
    x = x if x.dim() == 4 else x[None]
    return x.permute(0, 3, 1, 2).float().div_(255.0)


class Crops:
    """Random crops, mirrored half of the time and transposed a quarter; a picture's odds grow with the root of its area.

    The pictures of the folder (at least `side` pixels each way) are decoded once into `cache`; what is drawn follows from the seed and
    the number of the step alone, so that a resumed run sees what an uninterrupted one would have seen.
    """

    def __init__(self, folder, side, cache, seed=0):
        self.side, self.seed = side, seed
        paths = find(folder)
        key = hashlib.sha256("\n".join(f"{p} {os.path.getsize(p)}" for p in paths).encode()).hexdigest()[:16]
        file, shapes = os.path.join(cache, f"pictures-{key}.u8"), os.path.join(cache, f"pictures-{key}.npy")
        if not os.path.exists(shapes):
            os.makedirs(cache, exist_ok=True)
            sizes, new = [], f"{file}.{os.getpid()}"  # several processes may be here at once
            with open(new, "wb") as f:
                for path in paths:
                    picture = load(path)
                    sizes.append(picture.shape[:2])
                    f.write(picture.tobytes())
            os.replace(new, file)
            np.save(new + ".npy", np.array(sizes))
            os.replace(new + ".npy", shapes)
        sizes = np.load(shapes)
        data = np.memmap(file, np.uint8, "r")
        self.pictures, offset = [], 0
        for height, width in sizes:
            picture = data[offset:offset + height * width * 3].reshape(height, width, 3)
            offset += height * width * 3
            if min(height, width) >= side:
                self.pictures.append(picture)
        if not self.pictures:
            raise SystemExit(f"srec-train: no picture of {folder} has {side} pixels each way")
        odds = np.sqrt([float(p.shape[0] * p.shape[1]) for p in self.pictures])
        self.odds = odds / odds.sum()

    def __len__(self):
        return len(self.pictures)

    def __call__(self, step, count):
        """-> (count, side, side, 3) uint8"""
        random = np.random.default_rng((self.seed, step))
        out = np.empty((count, self.side, self.side, 3), np.uint8)
        for i, which in enumerate(random.choice(len(self.pictures), count, p=self.odds)):
            picture = self.pictures[which]
            y, x = (random.integers(n - self.side + 1) for n in picture.shape[:2])
            crop = picture[y:y + self.side, x:x + self.side]
            if random.random() < 0.5:
                crop = crop[:, ::-1]
            if random.random() < 0.25:
                crop = crop.transpose(1, 0, 2)
            out[i] = crop
        return out
