# SPDX-License-Identifier: GPL-3.0-or-later
"""Many simulations: the parts of `srec sweep`.

    config.py         a TOML file, checked                    reference.py   classical codecs, ideal and real code
    points.py         the grid: jobs, points, ids, seeds      capacity.py    what an ideal code carries
    results.py        append-only JSONL, means, intervals     report.py      tables and plots from the files
    runner.py         local processes, or a Dask cluster      grid.py        image grids
    transmission.py   one simulated transmission, C core      rows.py        the results of a job, scheme or reference
"""
