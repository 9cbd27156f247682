# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the known answers of test_metrics.cpp: MS-SSIM (Wang, Simoncelli, Bovik 2003: 11 x 11 Gaussian window,
deviation 1.5, valid part,
five scales, 2 x 2 means between them) of the test's two images, in double precision with SciPy's filters."""
import numpy as np
from scipy.ndimage import correlate

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def pictures(width, height):
    y, x = np.mgrid[0:height, 0:width]
    a = (x * x + 3 * y * y + 5 * x * y) // 64 % 256
    b = np.clip(a + (x * 7 + y * 13) % 41 - 20, 0, 255)
    return a.astype(float), b.astype(float)


def ms_ssim(a, b):
    t = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(t, t) / t.sum() ** 2
    valid = lambda p: correlate(p, window)[5:-5, 5:-5]
    scales = 1
    while scales < 5 and min(a.shape) >> scales >= 11:
        scales += 1
    weights, product = WEIGHTS[:scales] / WEIGHTS[:scales].sum(), 1.0
    for s in range(scales):
        if s:
            h, w = a.shape[0] // 2 * 2, a.shape[1] // 2 * 2
            a, b = (p[:h, :w].reshape(h // 2, 2, w // 2, 2).mean((1, 3)) for p in (a, b))
        ma, mb = valid(a), valid(b)
        va, vb, cov = valid(a * a) - ma * ma, valid(b * b) - mb * mb, valid(a * b) - ma * mb
        cs = (2 * cov + 58.5225) / (va + vb + 58.5225)
        luminance = (2 * ma * mb + 6.5025) / (ma * ma + mb * mb + 6.5025)
        product *= (cs * luminance if s + 1 == scales else cs).mean() ** weights[s]
    return product


for size in (256, 192), (101, 64), (11, 11):
    print(*size, "%.6f" % ms_ssim(*pictures(*size)))
