# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files. gr-srec reads and writes every image through this module. Pillow opens only the formats listed here.

Needs no GNU Radio.
"""
import contextlib
import importlib
import os
import stat
import threading
import warnings
from typing import Any, BinaryIO, Iterator

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from .memory import available
from ..text import printable

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")  # Pillow's names; EPS would run a program
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
# Image.open() first tries Pillow's plugins for BMP, GIF, JPEG, PPM and PNG, and then imports all 40, which takes 20 ms.
LATE_PLUGINS = {".webp": "PIL.WebPImagePlugin", ".tif": "PIL.TiffImagePlugin", ".tiff": "PIL.TiffImagePlugin"}
MAX_SIDE = 65535
# zlib's fastest level: 5 times faster than Pillow's default. Photographs are up to 9 % larger, drawings up to 54 %.
PNG_LEVEL = 1
# Bytes of memory for each pixel at the peak of loading: with transparency four copies of 4, and the array.
LOAD_BYTES = 20
ORIENTATION = 0x112  # EXIF tag: 1 is upright, 2 to 8 are rotated or mirrored
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLE_FORMAT = 258, 262, 339
WHITE_IS_ZERO, UNSIGNED = 0, 1
# raw mode: factor by which Pillow scales samples, but not the transparent value
STEPS = {"1": 255, "L;2": 85, "L;4": 17}

_limit = threading.Lock()  # for Image.MAX_IMAGE_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")  # about broken EXIF and the like, in several lines


class _Unusable(ValueError):
    """An intact image of a kind that cannot be sent."""


def _open(path: str) -> Any:
    kind = os.stat(path)
    if not stat.S_ISREG(kind.st_mode):
        raise _Unusable("not a file" if not stat.S_ISDIR(kind.st_mode) else "a folder, not an image")
    if kind.st_size == 0:
        raise _Unusable("the file is empty")
    if late := LATE_PLUGINS.get(os.path.splitext(path)[1].lower()):
        importlib.import_module(late)
    # Sizes are checked below. Elsewhere in the program Pillow's limit remains.
    with _limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open an image without reading its samples. Any error becomes a ValueError with one line that names the file."""
    name = printable(path)
    try:
        with _open(path) as image:
            width, height = image.size
            if not 1 <= min(width, height) or max(width, height) > MAX_SIDE:
                raise _Unusable(f"{width}x{height} pixels; 1 to {MAX_SIDE} a side are possible")
            yield image
    except _Unusable as error:
        raise ValueError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name}: not a PNG, JPEG, BMP, PPM, PGM, TIFF or WebP image") from None
    except MemoryError:
        raise ValueError(f"{name}: no memory for this image") from None
    except Exception as error:  # Pillow's readers raise anything on broken files
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(f"{name}: cannot read this image: {printable(why, 100)}") from None


def _check_memory(size: tuple[int, int], bytes_per_pixel: int, purpose: str) -> None:
    need, free = size[0] * size[1] * bytes_per_pixel, available()
    if free is not None and need > free:
        raise _Unusable(
            f"{size[0]}x{size[1]} pixels take about {need / 1e9:.1f} GB of memory {purpose}, "
            f"and {free / 1e9:.1f} GB are free: use a smaller image"
        )


def check_memory(path: str, bytes_per_pixel: int, purpose: str) -> None:
    """Raise ValueError if the intended use of the image takes more memory than is available.

    purpose: the intended use as text, for example "to send".
    """
    with _opened(path) as image:
        _check_memory(image.size, bytes_per_pixel, purpose)


def picture_size(path: str) -> tuple[int, int]:
    """Return (width, height) from the header of the file. Raises ValueError like load_picture()."""
    with _opened(path) as image:
        return image.size


def _turned(image: Any) -> Any:
    """Rotate the image according to its EXIF data. Broken EXIF data are ignored."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:
        orientation = 1
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image


def _largest_of_16_bits(tags: Any) -> int:
    """Return the value of white for samples of more than 8 bits."""
    bits = tags.get(TIFF_BITS, (16,))[0]
    kind = tags.get(TIFF_SAMPLE_FORMAT, (UNSIGNED,))[0]
    if bits > 16 or kind != UNSIGNED:
        raise _Unusable(
            f"samples of {bits} bits{'' if kind == UNSIGNED else ' with a sign'}: "
            "convert it to 8 or 16 bits without sign"
        )
    return 2**bits - 1


def _grey_of_16_bits(image: Any, tags: Any) -> np.ndarray:
    """Convert a 16-bit image to 8-bit grey.

    tags: tags of a TIFF file.
    """
    largest, values = _largest_of_16_bits(tags), np.asarray(image)
    grey = ((values.astype(np.uint32) * 255 + largest // 2) // largest).astype(np.uint8)
    if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    clear = image.info.get("transparency")
    return np.where(values == clear, np.uint8(255), grey) if isinstance(clear, int) else grey


def _grey(image: Any, step: int) -> np.ndarray:
    """Convert an image to grey.

    step: value to which Pillow scales a sample of 1 in the file.
    """
    if image.mode == "LA":
        grey, alpha = image.split()
        return np.array(Image.composite(grey, Image.new("L", image.size, 255), alpha))
    grey = np.array(image.convert("L"))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[grey == clear * step] = 255
    return grey


def _rgb(image: Any, raw_mode: str) -> np.ndarray:
    clear = image.info.get("transparency")
    if image.mode == "RGB" and clear is not None and raw_mode.startswith("RGB;16"):
        image.info["transparency"] = tuple(value >> 8 for value in clear)  # like the samples
    if image.mode in ("RGBA", "PA") or clear is not None:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _raw_mode(image: Any) -> str:
    """Return Pillow's name for the samples in the file, or "" if it gives none."""
    arguments = image.tile[0][3] if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def load_picture(path: str, bytes_per_pixel: int = LOAD_BYTES, purpose: str = "to read") -> np.ndarray:
    """Load an image as uint8 array (height, width) or (height, width, 3).

    Grey stays grey; everything else becomes RGB. docs/command-line.md describes 16 bits, transparency, palettes and the
    rest.

    bytes_per_pixel: memory that the following steps need.
    purpose: these steps as text, for example "to send".
    Raises ValueError with one line that names the fault.
    """
    with _opened(path) as image:
        _check_memory(image.size, max(bytes_per_pixel, LOAD_BYTES), purpose)
        if image.mode == "F":
            raise _Unusable("floating-point samples: convert it to 8 or 16 bits")
        raw_mode, tags = _raw_mode(image), getattr(image, "tag_v2", {})
        upright = _turned(image)
        if upright.mode.startswith("I"):
            return _grey_of_16_bits(upright, tags)
        if upright.mode in ("L", "1", "LA"):
            return _grey(upright, STEPS.get(raw_mode, 1))
        return _rgb(upright, raw_mode)


def list_pictures(path: str | list[str]) -> list[str]:
    """Return the files that a file, a sorted folder or a list of files names. Raises ValueError if there is none."""
    if not path:
        raise ValueError("no image is named: give a file or a folder")
    if isinstance(path, str) and os.path.isdir(path):
        files = pictures_of(path)
        if not files:
            raise ValueError(f"{printable(path)}: no images in this folder ({' '.join(SUFFIXES)})")
        return files
    return [path] if isinstance(path, str) else list(path)


def find_pictures(path: str | list[str], bytes_per_pixel: int = LOAD_BYTES, purpose: str = "to read") -> list[str]:
    """Return the files like list_pictures(). Raises ValueError if there is none, or if a single file cannot be loaded.

    bytes_per_pixel, purpose: see load_picture().
    """
    files = list_pictures(path)
    if len(files) == 1:
        load_picture(files[0], bytes_per_pixel, purpose)
    return files


def pictures_of(folder: str) -> list[str]:
    """Return the sorted paths of the files in a folder that have the name of an image. Raises OSError."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.lower().endswith(SUFFIXES))


def save_png(image: Any, file: BinaryIO, software: str = "") -> None:
    """Write an image as PNG.

    image: uint8 array (height, width) or (height, width, 3), or a Pillow image.
    software: value of the keyword Software in the file. "": none.
    Raises OSError.
    """
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    information = PngInfo()
    if software:
        information.add_text("Software", software)
    image.save(file, "PNG", compress_level=PNG_LEVEL, pnginfo=information)
