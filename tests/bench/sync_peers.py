# SPDX-License-Identifier: GPL-3.0-or-later
"""The synchroniser's detection beside its peers': liquid-dsp's qdetector_cccf and GNU Radio's corr_est_cc, on the same
samples, with the same
preamble and pulse. Needs libliquid-dev when building.

    python3 tests/bench/sync_peers.py BUILD_FOLDER [BURSTS]
Prints for each SNR and carrier offset: share of bursts found within 2 symbols, false detections, and how many Msamples
a second each takes.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import pmt
from gnuradio import blocks, digital, filter as gr_filter, gr

SPS, ROLLOFF, SPAN, CHIRP, TOLERANCE = 4, 0.25, 10, 128, 8


def preamble_samples():
    n = np.arange(CHIRP)
    up = np.exp(-1j * np.pi * n * n / CHIRP)
    symbols = np.zeros(2 * CHIRP * SPS, complex)
    symbols[::SPS] = np.concatenate([up, up.conj()])
    taps = gr_filter.firdes.root_raised_cosine(SPS, SPS, 1.0, ROLLOFF, 2 * SPAN * SPS + 1)
    return np.convolve(symbols, taps)


def corr_est(path, threshold):
    """-> positions where corr_est_cc put its tags, seconds"""
    top, sink = gr.top_block(), blocks.tag_debug(gr.sizeof_gr_complex, "")
    sink.set_display(False)
    sink.set_save_all(True)
    block = digital.corr_est_cc(preamble_samples(), SPS, 0, threshold, digital.THRESHOLD_DYNAMIC)
    top.connect(blocks.file_source(gr.sizeof_gr_complex, path), block, sink)
    start = time.process_time()
    top.run()
    seconds = time.process_time() - start
    # the tag lies where the correlation ends; SPAN symbols of the pulse come before the first symbol
    return [t.offset - block_delay for t in sink.current_tags() if pmt.symbol_to_string(t.key) == "corr_est"], seconds


def score(truth, found):
    """-> bursts found, detections that are none"""
    hit = sum(any(abs(f - t) <= TOLERANCE for f in found) for t in truth)
    return hit, sum(all(abs(f - t) > TOLERANCE for t in truth) for f in found)


def calibrate(peers, folder):
    """corr_est_cc's tags have an offset of their own: find it at high SNR."""
    path = os.path.join(folder, "clean.cf32")
    truth = json.loads(
        subprocess.run([peers, path, "40", "0", "5"], check=True, capture_output=True, text=True).stdout
    )["truth"]["at"]
    found, _ = corr_est(path, 0.999)
    return min((f - truth[0] for f in found), key=abs, default=0)


block_delay = 0


def main():
    global block_delay
    build, bursts = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "200"
    peers = os.path.join(build, "tests", "bench", "sync_peers")
    with tempfile.TemporaryDirectory() as folder:
        block_delay = calibrate(peers, folder)
        path = os.path.join(folder, "stream.cf32")
        print(
            "Es/N0    CFO |  srec: found, false, Msamples/s | qdetector_cccf 0.5 | qdetector_cccf 0.3 | corr_est_cc"
            " dynamic 0.999"
        )
        for snr in (-3, 0, 3, 6, 10):
            for cfo in (0.0, 0.002, 0.03, 0.1):
                cells = []
                for threshold in ("0.5", "0.3"):
                    r = json.loads(
                        subprocess.run(
                            [peers, path, str(snr), str(cfo), bursts, threshold],
                            check=True,
                            capture_output=True,
                            text=True,
                        ).stdout
                    )
                    truth, rate = r["truth"]["at"], r["samples"] * 1e-6
                    if not cells:
                        cells.append((*score(truth, r["srec"]["at"]), rate / max(r["srec"]["seconds"], 1e-9)))
                    cells.append((*score(truth, r["liquid"]["at"]), rate / max(r["liquid"]["seconds"], 1e-9)))
                found, seconds = corr_est(path, 0.999)
                cells.append((*score(truth, found), rate / seconds))
                shown = (f"{100 * hit / len(truth):5.1f} % {false:5d} {speed:8.2f}" for hit, false, speed in cells)
                print(f"{snr:3d} dB {cfo:6.3f} | " + " | ".join(shown), flush=True)


main()
