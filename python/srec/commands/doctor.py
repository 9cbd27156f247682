# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the installation of gr-srec and name a cure for each fault."""
# Imports nothing from gr-srec or GNU Radio at module level, because it must run where those do not.
from __future__ import annotations  # this module must load in any Python

import argparse
import glob
import importlib
import itertools
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SITE = os.path.abspath(os.path.join(HERE, "..", "..", ".."))  # must be on sys.path for gnuradio.srec


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


def beside(folder: str) -> str:
    """Return the folder of that name in the prefix that this file is installed in, or ""."""
    above = SITE
    while above != os.path.dirname(above):
        above = os.path.dirname(above)
        path = os.path.join(above, folder)
        if os.path.isdir(path):
            return path
    return ""


def check_python() -> tuple[bool, str]:
    try:
        importlib.import_module("gnuradio.gr")
        return True, f"Python {sys.version.split()[0]} ({sys.executable}) has GNU Radio"
    except ImportError as error:
        why = str(error).splitlines()[0]
    for other in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if (
            os.path.exists(other)
            and subprocess.run([other, "-c", "import gnuradio.gr"], capture_output=True).returncode == 0
        ):
            cure = f"run `{other} {os.path.abspath(sys.argv[0])}`, or put its folder first on PATH"
            return False, f"{sys.executable} has no GNU Radio ({why}), but {other} has: {cure}"
    return False, f"no Python here has GNU Radio ({why}): apt install gnuradio"


def check_module() -> tuple[bool, str]:
    try:
        module = importlib.import_module("gnuradio.srec")
        return True, f"gnuradio.srec {module.version()} from {os.path.dirname(module.__file__ or '')}"
    except ImportError as error:
        why = str(error).splitlines()[0]
    if ".so" in why and "cannot open" in why:
        libraries = [
            f
            for f in (beside("lib"), *glob.glob(os.path.join(beside("lib"), "*-linux-gnu")))
            if glob.glob(os.path.join(f, "libgnuradio-srec.so*"))
        ]
        return False, f"{why}: run `sudo ldconfig` once after installing" + (
            f", or set LD_LIBRARY_PATH={libraries[0]}" if libraries else ""
        )
    if "undefined symbol" in why or "unknown base type" in why:
        return (
            False,
            (
                f"{why}: gr-srec was built for another GNU Radio or pybind11: delete its build folder, build and"
                " install it again"
            ),
        )
    return (
        False,
        (
            f"gnuradio.srec does not import ({why}): set PYTHONPATH={SITE}, or install gr-srec with its default prefix"
            " /usr/local"
        ),
    )


def check_double() -> tuple[bool, str]:
    folders = [
        "/usr/lib/*",
        "/usr/lib",
        "/usr/local/lib",
        "/usr/local/lib/*",
        "/opt/*/lib",
        os.path.join(sys.prefix, "lib"),
    ]
    folders += [f for f in os.environ.get("LD_LIBRARY_PATH", "").split(":") if f]
    if os.environ.get("CONDA_PREFIX"):
        folders.append(os.path.join(os.environ["CONDA_PREFIX"], "lib"))
    found = {
        os.path.realpath(f) for folder in folders for f in glob.glob(os.path.join(folder, "libgnuradio-runtime.so.*"))
    }
    try:  # and those that this program has loaded so far
        with open("/proc/self/maps") as maps:
            found |= {line.split(None, 5)[5].strip() for line in maps if "/libgnuradio-runtime.so" in line}
    except OSError:
        pass
    if len(found) > 1:
        return (
            False,
            (
                f"{len(found)} GNU Radio libraries ({', '.join(sorted(found))}): remove all but one; then delete"
                " gr-srec's build folder, build and install it again"
            ),
        )
    if not found:
        return False, "no GNU Radio library (libgnuradio-runtime) in the usual folders: apt install gnuradio"
    return True, f"one GNU Radio library ({found.pop()})"


def check_blocks() -> tuple[bool, str]:
    """Check the block descriptions in the places where GNU Radio Companion looks."""
    folders = [os.environ.get("GRC_BLOCKS_PATH", "")]
    try:
        preferences = importlib.import_module("gnuradio.gr").prefs()
        folders += [preferences.get_string("grc", key, "") for key in ("local_blocks_path", "global_blocks_path")]
    except ImportError:
        folders += ["/usr/share/gnuradio/grc/blocks", "/usr/local/share/gnuradio/grc/blocks"]
    for folder in ":".join(folders).split(":"):
        folder = os.path.expanduser(os.path.expandvars(folder))
        if folder and os.path.exists(os.path.join(folder, "srec_transmitter.block.yml")):
            return True, f"GNU Radio Companion finds the blocks in {folder}"
    there = beside("share/gnuradio/grc/blocks") or "the prefix's share/gnuradio/grc/blocks"
    return (
        False,
        (
            f"GNU Radio Companion does not find the blocks: set GRC_BLOCKS_PATH={there}, or local_blocks_path in"
            " section [grc] of ~/.gnuradio/config.conf"
        ),
    )


# The checks of gnuradio-companion before it opens its window. They need no display. Its own interpreter runs them.
COMPANION_NEEDS = (
    "import gi; gi.require_version('Gtk', '3.0'); gi.require_version('PangoCairo', '1.0'); "
    "gi.require_foreign('cairo', 'Context')"
)


def check_companion() -> tuple[bool, str]:
    program = shutil.which("gnuradio-companion")
    if not program:
        return True, "GNU Radio Companion is not installed here: the command line works without it"
    with open(program, "rb") as script:
        first = script.readline().decode(errors="replace")
    python = first[2:].split() if first.startswith("#!") and "python" in first else [sys.executable]
    trial = subprocess.run([*python, "-c", COMPANION_NEEDS], capture_output=True, text=True, check=False)
    if trial.returncode:
        why = (trial.stderr.strip() or "no reason given").splitlines()[-1]
        return (
            False,
            (
                f"GNU Radio Companion cannot open its window ({why}): apt install gir1.2-gtk-3.0 python3-gi"
                " python3-gi-cairo"
            ),
        )
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return True, "GNU Radio Companion has GTK" + (
        f" and display {display}" if display else "; no display here: DISPLAY is not set"
    )


def check_model() -> tuple[bool, str]:
    try:
        module = importlib.import_module("gnuradio.srec")
    except ImportError:
        return False, "the model cannot be checked without gnuradio.srec: fix that first"
    path = module.default_model()
    try:
        return True, f"model {module.model_info(path)['metadata'].get('name', '?')} ({path})"
    except RuntimeError as error:
        return False, f"{error}: set SREC_MODEL to a model file, or unset it and reinstall gr-srec"


def check_enhancers() -> tuple[bool, str]:
    try:
        module = importlib.import_module("gnuradio.srec")
    except ImportError:
        return False, "the super-resolution model cannot be checked without gnuradio.srec: fix that first"
    found = []
    for coding, scale in itertools.product(("features", "layers"), (1, 2)):
        path = module.default_enhancer(scale, coding)
        if not os.path.exists(path) and not os.environ.get("SREC_ENHANCER"):
            # A scale without an enhancer is no fault: images then pass as the decoder gives them.
            continue
        try:
            info = module.enhancer_info(path)
        except RuntimeError as error:
            return False, f"{error}: set SREC_ENHANCER to an enhancer file, or unset it and reinstall gr-srec"
        text = f"{info['metadata'].get('name', '?')} for {info['coding']} of scale {info['scale']} ({path})"
        found += [] if text in found else [text]
    return True, (
        "super-resolution " + " and ".join(found)
        if found
        else "no super-resolution model: images come as the decoder gives them"
    )


def run(_args: argparse.Namespace | None) -> int:
    healthy = True
    for check in (
        check_python,
        check_module,
        check_double,
        check_blocks,
        check_companion,
        check_model,
        check_enhancers,
    ):
        ok, text = check()
        healthy = healthy and ok
        print(("ok    " if ok else "FAULT ") + text)
    return 0 if healthy else 1
