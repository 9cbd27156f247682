# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of simulate, send and receive side by side, the parameters of the hier blocks beside those of their GRC
files, and the environment of the commands. A new option belongs into the table: under every command that a user would
look for it."""
import argparse
import glob
import importlib
import inspect
import json
import os
import re
import subprocess
import tempfile
import unittest

import yaml
from gnuradio import srec
from gnuradio.srec.modulations import MODULATIONS
from gnuradio.srec.sweep import names

GRC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "grc")
SIMULATE, SEND, RECEIVE = "simulate", "send", "receive"
ALL = (SIMULATE, SEND, RECEIVE)
LINK = (SEND, RECEIVE)
LAUNCHED = ("GLIBC_TUNABLES", "PYTHONMALLOC", "OPENBLAS_NUM_THREADS")

TABLE = {
    # the image
    "--image": (SIMULATE, SEND),
    "--out": (SIMULATE, RECEIVE),
    "--eta": ALL,
    **dict.fromkeys(("--coding", "--cbr", "--layers", "--shares", "--margin", "--parity", "--frame-symbols"), ALL),
    "--scale": (SIMULATE, SEND),
    "--plan": (SIMULATE, SEND),
    "--symbols": (SIMULATE, SEND),
    "--seconds": (SEND,),
    "--frame-bytes": (SIMULATE, SEND),
    "--repeat": (SIMULATE, SEND),
    "--interval": (SEND,),
    "--prefix": (RECEIVE,),
    "--timeout": (RECEIVE,),
    "--once": (RECEIVE,),
    "--view": (RECEIVE,),
    "--hook": (RECEIVE,),
    "--max-pixels": (RECEIVE,),
    # secrecy
    "--key": ALL,
    "--wrong-key": (SIMULATE,),
    "--cipher": (SIMULATE, SEND),
    "--no-encrypt": (SIMULATE, SEND),
    # the receiver
    "--hard": (SIMULATE, RECEIVE),
    "--no-sr": (SIMULATE, RECEIVE),
    "--enhancer": (SIMULATE, RECEIVE),
    # the waveform and the device
    "--modulation": ALL,
    "--device": LINK,
    "--sps": LINK,
    "--rolloff": LINK,
    "--rate": LINK,
    "--format": LINK,
    "--frequency": LINK,
    "--gain": LINK,
    "--antenna": LINK,
    "--bandwidth": LINK,
    "--level": LINK,
    "--record": (RECEIVE,),
    "--state": (RECEIVE,),
    "--status": LINK,
    # the simulated channel
    "--snr": ALL,
    "--seed": ALL,
    "--cfo": LINK,
    "--ppm": LINK,
    "--delay": LINK,
    "--channel": (SIMULATE,),
    "--coherence": (SIMULATE,),
    "--loss": (SIMULATE, SEND),
    # the networks and the figures
    "--model": ALL,
    "--threads": ALL,
    "--precision": ALL,
    "--json": ALL,
    "--overwrite": ALL,
}


def options(command):
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module("gnuradio.srec.commands." + command).add_arguments(parser)
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


class Options(unittest.TestCase):
    def test_each_command_has_the_options_of_the_table_and_no_other(self):
        for command in ALL:
            self.assertEqual(
                options(command), {option for option, commands in TABLE.items() if command in commands}, command
            )

    def test_the_hier_blocks_have_the_parameters_of_their_grc_files(self):
        for name in ("transmitter", "receiver"):
            with open(os.path.join(GRC, f"srec_{name}.block.yml"), encoding="utf-8") as f:
                grc = {parameter["id"] for parameter in yaml.safe_load(f)["parameters"]}
            python = set(inspect.signature(getattr(srec, name).__init__).parameters) - {"self"}
            self.assertEqual(python, grc, name)

    def test_transmitter_and_send_receiver_and_receive_agree(self):
        transmitter = set(inspect.signature(srec.transmitter.__init__).parameters)
        receiver = set(inspect.signature(srec.receiver.__init__).parameters)
        self.assertLessEqual(
            {"eta", "scale", "cipher", "model", "frame_bytes", "threads", "precision", "modulation", "rolloff"},
            transmitter,
        )
        self.assertLessEqual(
            {"soft", "enhancer", "model", "threads", "precision", "modulation", "rolloff", "timeout", "max_pixels"},
            receiver,
        )

    def test_each_option_stands_in_a_group_with_a_title(self):
        for command in ALL:
            parser = argparse.ArgumentParser(add_help=False)
            importlib.import_module("gnuradio.srec.commands." + command).add_arguments(parser)
            titles = [group.title for group in parser._action_groups if group._group_actions]
            self.assertNotIn("options", titles, command)  # the group of argparse itself
            self.assertEqual(len(titles), len(set(titles)), command)

    def test_the_modulations_are_those_of_the_core_of_companion_and_of_plots(self):
        with self.assertRaises(ValueError) as caught:
            srec.mapper("none")
        self.assertEqual(re.findall(r"\b\w*(?:psk|qam|pam)\w*", str(caught.exception)), list(MODULATIONS))
        self.assertEqual(list(names.MODULATIONS), list(MODULATIONS))  # labels of plots
        files = glob.glob(os.path.join(GRC, "*.block.yml"))
        offered = {}
        for file in files:
            with open(file, encoding="utf-8") as f:
                for parameter in yaml.safe_load(f)["parameters"]:
                    if parameter["id"] == "modulation":
                        offered[file] = [option.strip("'") for option in parameter["options"]]
        self.assertGreater(len(offered), 5)
        for file, options_ in offered.items():
            layers = os.path.basename(file) == "srec_layer_encoder.block.yml"  # bits only
            self.assertEqual(options_, [m for m in MODULATIONS if m != "pam256" or not layers], file)


class Launcher(unittest.TestCase):
    """The variables that `srec` sets before Python starts."""

    def variables(self, **own):
        """Return the variables that Python sees."""
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "sitecustomize.py"), "w") as file:
                file.write("import json, os\nprint(json.dumps(dict(os.environ)), flush=True)\nos._exit(0)\n")
            environment = {k: v for k, v in os.environ.items() if k not in LAUNCHED}
            done = subprocess.run(
                [os.environ["SREC_COMMAND"], "--version"],
                env={**environment, "PYTHONPATH": folder, **own},
                capture_output=True,
                check=True,
                timeout=60,
            )
        seen = json.loads(done.stdout)
        return {name: seen.get(name) for name in LAUNCHED}

    def test_they_are_set(self):
        seen = self.variables()
        self.assertIn("glibc.malloc.hugetlb=1", seen["GLIBC_TUNABLES"].split(":"))
        self.assertEqual((seen["PYTHONMALLOC"], seen["OPENBLAS_NUM_THREADS"]), ("malloc", "1"))

    def test_values_of_the_user_stay(self):
        own = {"GLIBC_TUNABLES": "", "PYTHONMALLOC": "pymalloc", "OPENBLAS_NUM_THREADS": "2"}
        self.assertEqual(self.variables(**own), own)


if __name__ == "__main__":
    unittest.main()
