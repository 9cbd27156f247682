# SPDX-License-Identifier: GPL-3.0-or-later
"""Many simulations: the parts of `srec sweep`.

    config.py         a TOML file, checked                    reference.py   classical codecs, ideal and real code
    points.py         the grid: jobs, points, ids, seeds      capacity.py    what an ideal code carries
    results.py        append-only JSONL, means, intervals     names.py       legends, the words of tables and plots
    runner.py         local processes, or a Dask cluster      tables.py      table.md and means.csv
    transmission.py   one simulated transmission, C core      plots.py       curves
    rows.py           the results of a job                    report.py      tables and plots from the files
    grid.py           image grids
"""
