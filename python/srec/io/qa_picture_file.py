#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""picture_file: which files are read, the conversion of each kind of image, one line for broken and hostile files."""
import io
import os
import random
import struct
import tempfile
import unittest
import zlib
from unittest import mock

import numpy as np
from gnuradio.srec.io import picture_file
from PIL import Image, TiffImagePlugin

load = picture_file.load_picture
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)
RED_GREEN = [255, 0, 0, 0, 255, 0]
SEED = 5


def png(width, height, bits, kind, chunks=(), data=None):
    """Build a PNG file by hand. All its samples are zero by default."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = (1 + (width * bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] + 7) // 8) * height
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(chunk(*c) for c in chunks)
        + chunk(b"IDAT", zlib.compress(bytes(rows) if data is None else data))
        + chunk(b"IEND", b"")
    )


class qa_picture_file(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)
        return self.path(name)

    def save(self, name, image, **options):
        image.save(self.path(name), **options)
        return self.path(name)

    def is_grey(self, path, expected):
        np.testing.assert_array_equal(load(path), np.asarray(expected, np.uint8), path)

    def refused(self, path, *words):
        with self.assertRaises(ValueError) as caught:
            load(path)
        line = str(caught.exception)
        self.assertTrue(line.isprintable(), line)
        for word in (picture_file.printable(path), *words):
            self.assertIn(word, line)

    # --- which files

    def test_the_formats_listed_are_read_whatever_the_name(self):
        colours = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
        for kind in picture_file.FORMATS:
            options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
            got = load(self.save("picture.png", colours, format=kind, **options))
            self.assertLessEqual(np.abs(got.astype(int) - np.asarray(colours)).max(), 20 if kind == "JPEG" else 0, kind)

    def test_no_other_decoder_sees_a_file_whatever_its_name(self):
        Image.init()
        others = set(Image.OPEN) - set(picture_file.FORMATS)
        self.assertGreater(len(others), 20)
        asked = set()

        def spy(kind, accept):
            def note(prefix):
                asked.add(kind)
                return accept(prefix) if accept else True

            return note

        spied = {kind: (factory, spy(kind, accept)) for kind, (factory, accept) in Image.OPEN.items()}
        with mock.patch.dict(Image.OPEN, spied):
            for name, content in (
                ("eps.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
                ("dds.png", b"DDS |" + bytes(200)),
                ("psd.tif", b"8BPS\0\x01" + bytes(40)),
                ("gif.jpg", b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"),
                ("fits.bmp", b"SIMPLE  =" + bytes(80)),
                ("icns.webp", b"icns\0\0\0\x08"),
                ("text.ppm", b"hello"),
                ("wmf.png", b"\xd7\xcd\xc6\x9a" + bytes(60)),
            ):
                self.refused(self.put(name, content), "not a PNG, JPEG, BMP, PPM, PGM, TIFF or WebP image")
        self.assertTrue(asked and asked <= set(picture_file.FORMATS), asked)

    def test_what_is_no_file_is_refused_and_never_waited_for(self):
        os.mkfifo(self.path("pipe.png"))
        self.refused(self.path("pipe.png"), "not a file")
        self.refused(self.folder, "a folder")
        self.refused("/dev/zero", "not a file")
        self.refused(self.path("none.png"), "No such file")
        self.refused(self.put("empty.png", b""), "empty")

    def test_names_need_not_be_utf8_and_messages_are_one_line(self):
        odd = os.fsdecode(os.fsencode(self.folder) + b"/b\xe4.png")
        Image.new("L", (3, 2)).save(odd)
        self.assertEqual(load(odd).shape, (2, 3))
        self.assertEqual(picture_file.find_pictures(self.folder), [odd])
        self.refused(self.put("b\udce4\n\x1b[31m.png", b"x"), r"b\xe4\x0a\x1b[31m.png")

    # --- conversion

    def test_grey_of_16_bits_becomes_8(self):
        self.is_grey(self.save("16.png", Image.fromarray(RAMP * 257)), RAMP)
        self.is_grey(self.save("16.tif", Image.fromarray(RAMP * 257)), RAMP)
        self.is_grey(self.put("10.pgm", b"P5\n2 2\n1023\n" + struct.pack(">4H", 0, 1023, 512, 2)), [[0, 255], [128, 0]])
        rounded = np.uint16([[127, 128, 129, 65535 - 128]])
        self.is_grey(self.save("round.png", Image.fromarray(rounded)), [[0, 0, 1, 255]])

    def test_a_tiff_with_white_as_zero_is_inverted(self):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[picture_file.TIFF_PHOTOMETRIC] = picture_file.WHITE_IS_ZERO
        self.is_grey(self.save("white.tif", Image.fromarray(RAMP * 257), tiffinfo=tags), 255 - RAMP)

    def test_samples_that_have_no_white_are_refused(self):
        self.refused(self.save("float.tif", Image.fromarray(RAMP.astype(np.float32) / 255)), "floating-point")
        self.refused(self.save("32.tif", Image.fromarray(RAMP.astype(np.int32) << 20)), "32 bits")
        self.refused(self.put("float.ppm", b"Pf\n2 2\n-1.0\n" + bytes(16)))

    def test_transparency_is_put_on_white_and_grey_stays_grey(self):
        ramp8 = Image.fromarray(RAMP.astype(np.uint8))
        self.is_grey(self.save("key.png", ramp8, transparency=7), np.where(RAMP == 7, 255, RAMP))
        ramp16 = Image.fromarray(RAMP.astype(np.int32) * 257)
        self.is_grey(self.save("key16.png", ramp16, transparency=7 * 257), np.where(RAMP == 7, 255, RAMP))
        half = Image.merge("LA", [ramp8, Image.new("L", (16, 16), 51)])
        expected = np.rint((RAMP * 51 + 255 * 204) / 255)
        self.assertLessEqual(np.abs(load(self.save("la.png", half)).astype(int) - expected).max(), 1)
        for bits, step in ((1, 255), (2, 85), (4, 17)):  # the PNG names the sample as stored
            row = b"\0\x01" + bytes(bits - 1)  # the filter, then seven samples 0 and one 1
            clear = png(8, 1, bits, 0, [(b"tRNS", struct.pack(">H", 1))], row)
            grey = load(self.put(f"bits{bits}.png", clear))
            self.assertEqual((grey.shape, sorted(set(grey.ravel()))), ((1, 8), [0, 255]), bits)
        self.is_grey(self.save("bit.png", Image.new("1", (3, 2), 1)), np.full((2, 3), 255))
        white = np.full((4, 4, 3), 255)
        clear = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
        for name, image, options in (
            ("rgba.png", clear, {}),
            ("rgba.webp", clear, {"lossless": True}),
            ("rgb.png", Image.new("RGB", (4, 4), (1, 2, 3)), {"transparency": (1, 2, 3)}),
        ):
            np.testing.assert_array_equal(load(self.save(name, image, **options)), white, name)
        colour16 = png(4, 4, 16, 2, [(b"tRNS", struct.pack(">3H", 0, 0, 0))])
        np.testing.assert_array_equal(load(self.put("rgb16.png", colour16)), white)

    def test_palettes_and_printers_colours_become_rgb(self):
        palette = Image.new("P", (4, 4), 1)
        palette.putpalette(RED_GREEN)
        np.testing.assert_array_equal(load(self.save("p.png", palette)), np.tile(np.uint8([0, 255, 0]), (4, 4, 1)))
        np.testing.assert_array_equal(load(self.save("pt.png", palette, transparency=1)), np.full((4, 4, 3), 255))
        for name in ("c.tif", "c.jpg"):
            got = load(self.save(name, Image.new("CMYK", (8, 8), (255, 0, 0, 0))))
            self.assertLess(np.abs(got.astype(int) - [0, 255, 255]).max(), 3, name)

    def test_a_camera_turned_is_turned_back_and_broken_exif_counts_as_none(self):
        exif = Image.Exif()
        exif[picture_file.ORIENTATION] = 6
        image = Image.fromarray(np.kron(np.uint8([[0, 255]]), np.ones((8, 8), np.uint8)))  # dark, bright
        got = load(self.save("turned.jpg", image, exif=exif, quality=95))
        self.assertEqual(got.shape, (16, 8))
        self.assertTrue(got[:7].mean() < 10 and got[9:].mean() > 245)
        plain = io.BytesIO()
        image.save(plain, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(40)))
        self.assertEqual(load(self.put("broken.jpg", plain.getvalue())).shape, (8, 16))

    def test_of_several_frames_the_first_is_taken(self):
        for name in ("a.webp", "a.png", "a.tif"):
            first, second = (Image.new("RGB", (4, 4), colour) for colour in ("lime", "red"))
            path = self.save(name, first, save_all=True, append_images=[second])
            self.assertLess(np.abs(load(path).astype(int) - [0, 255, 0]).max(), 3, name)

    # --- hostile files

    def test_a_small_file_of_a_huge_picture_is_refused_before_it_is_decoded(self):
        with mock.patch.object(picture_file, "available", lambda: 10**9):
            self.refused(self.put("bomb.png", png(50000, 50000, 8, 2, data=b"")), "50000x50000 pixels", "GB of memory")
            self.refused(self.put("bomb.ppm", b"P6\n60000 60000\n255\n"), "GB of memory")
            with self.assertRaisesRegex(ValueError, "4.0 GB of memory to send, and 1.0 GB are free"):
                load(self.put("large.png", png(10000, 10000, 8, 0, data=b"")), 40, "to send")
        self.refused(self.put("side.png", png(70000, 1, 8, 0)), "65535")
        limit = Image.MAX_IMAGE_PIXELS
        load(self.put("ok.png", png(4, 4, 8, 0)))
        self.assertEqual(Image.MAX_IMAGE_PIXELS, limit, "other users of Pillow keep its limit")

    def test_whatever_a_decoder_raises_becomes_one_line(self):
        path = self.put("ok.png", png(4, 4, 8, 0))
        for error in (
            NotImplementedError("BC7"),
            IndexError(),
            KeyError("x"),
            struct.error("short"),
            zlib.error("bad"),
            OverflowError(),
            RuntimeError("a\nb"),
            AttributeError("none"),
            AssertionError(),
            EOFError(),
            MemoryError(),
            RecursionError(),
        ):
            with mock.patch("PIL.PngImagePlugin.PngImageFile.load", side_effect=error):
                self.refused(path)

    def test_mutated_files_give_a_picture_or_one_line(self):
        picture = Image.fromarray((np.arange(32 * 24 * 3) % 251).astype(np.uint8).reshape(24, 32, 3))
        grey16 = Image.fromarray(RAMP * 257)
        seeds = []
        for image, kind, options in (
            *((picture, kind, {}) for kind in picture_file.FORMATS),
            (grey16, "PNG", {}),
            (picture, "TIFF", {"compression": "tiff_lzw"}),
            (grey16, "TIFF", {}),
            (picture.convert("P"), "PNG", {"transparency": 3}),
        ):
            file = io.BytesIO()
            image.save(file, kind, **options)
            seeds.append(file.getvalue())
        generator = random.Random(SEED)
        read = 0
        for turn in range(600):
            content = bytearray(generator.choice(seeds))
            for _ in range(generator.randrange(1, 6)):
                content[generator.randrange(min(len(content), 400))] = generator.randrange(256)
            if turn % 4 == 0:
                del content[generator.randrange(20, len(content) + 1) :]
            path = self.put("mutated", bytes(content))
            try:
                array = load(path)
                self.assertTrue(array.dtype == np.uint8 and array.ndim in (2, 3))
                read += 1
            except ValueError as error:
                self.assertTrue(str(error).isprintable() and str(error).startswith(path), error)
        self.assertGreater(read, 50)

    # --- writing

    def test_png_files_hold_the_image_and_the_software(self):
        for image in (RAMP.astype(np.uint8), np.arange(48, dtype=np.uint8).reshape(4, 4, 3)):
            for software in ("", "srec simulate"):
                with open(self.path("written.png"), "wb") as file:
                    picture_file.save_png(image, file, software)
                np.testing.assert_array_equal(load(self.path("written.png")), image)
                with Image.open(self.path("written.png")) as written:
                    self.assertEqual(written.info.get("Software", ""), software)


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # warnings of Pillow, which picture_file silences where nobody else sets filters
