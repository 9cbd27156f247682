# SPDX-License-Identifier: GPL-3.0-or-later
"""Many simulations: the parts of `srec sweep`.

    config.py     a TOML file, checked                       link.py        one simulated transmission, C core only
    points.py     the grid: jobs, points, ids, seeds         reference.py   classical codecs, ideal and real code
    results.py    append-only JSONL, means and intervals     capacity.py    what an ideal code carries
    runner.py     local processes, or a Dask cluster         report.py      tables and plots from the files; image grids
"""
