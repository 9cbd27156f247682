# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what keeps gr-srec from working, and name the cure."""
import ctypes.util
import glob
import importlib
import os
import subprocess
import sys


def add_arguments(parser):
    pass


def check_python():
    try:
        importlib.import_module("gnuradio.gr")
        return True, f"Python {sys.version.split()[0]} ({sys.executable}) has GNU Radio"
    except ImportError as error:
        for other in ("/usr/bin/python3", "/usr/local/bin/python3"):
            if os.path.exists(other) and subprocess.run([other, "-c", "import gnuradio.gr"], capture_output=True).returncode == 0:
                return False, f"{sys.executable} has no GNU Radio ({error}), but {other} has: run `{other} $(command -v srec)`, or put its folder first on PATH"
        return False, f"no Python here has GNU Radio ({error}): apt install gnuradio"


def check_module():
    try:
        module = importlib.import_module("gnuradio.srec")
        return True, f"gnuradio.srec {module.version()} from {os.path.dirname(module.__file__)}"
    except ImportError as error:
        text = str(error)
        if ".so" in text and "cannot open" in text:
            return False, f"{text}: run `sudo ldconfig` after installing (or set LD_LIBRARY_PATH to the prefix's lib folder)"
        return False, f"gnuradio.srec does not import ({text}): install gr-srec into /usr/local, or add its site folder to PYTHONPATH"


def check_double():
    found = sorted({os.path.realpath(f) for folder in ("/usr/lib/*", "/usr/local/lib", "/usr/local/lib/*", "/opt/*/lib")
                    for f in glob.glob(os.path.join(folder, "libgnuradio-runtime.so.*"))})
    if len(found) > 1:
        return False, f"{len(found)} GNU Radio libraries ({', '.join(found)}): remove one, or build gr-srec with the one you run"
    return True, f"one GNU Radio library ({found[0] if found else ctypes.util.find_library('gnuradio-runtime')})"


def check_blocks():
    folders = os.environ.get("GRC_BLOCKS_PATH", "").split(":") + ["/usr/share/gnuradio/grc/blocks", "/usr/local/share/gnuradio/grc/blocks"]
    for folder in folders:
        if folder and os.path.exists(os.path.join(folder, "srec_transmitter.block.yml")):
            return True, f"GNU Radio Companion finds the blocks in {folder}"
    return False, "GNU Radio Companion does not find the blocks: set GRC_BLOCKS_PATH to the prefix's share/gnuradio/grc/blocks"


def check_model():
    try:
        module = importlib.import_module("gnuradio.srec")
    except ImportError:
        return False, "the model cannot be checked without gnuradio.srec"
    path = module.default_model()
    try:
        return True, f"model {module.model_info(path)['metadata'].get('name', '?')} ({path})"
    except RuntimeError as error:
        return False, f"{error}: reinstall gr-srec, or set SREC_MODEL to a model file"


def run(_args):
    healthy = True
    for check in (check_python, check_module, check_double, check_blocks, check_model):
        ok, text = check()
        healthy = healthy and ok
        print(("ok    " if ok else "FAULT ") + text)
    return 0 if healthy else 1
