# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and devices: image files, samples, recordings, radios.

    picture_file.py    reads image files                       devices.py         what --device names
    output.py          writes files completely or not at all   sample_io.py       sources and sinks of samples
    memory.py          memory that the process may still take  recording.py       writes SigMF recordings
    sigmf.py           reads and checks SigMF recordings       sigmf_archive.py   finds a recording in a SigMF archive
"""
