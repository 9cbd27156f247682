# SPDX-License-Identifier: GPL-3.0-or-later
"""srec doctor in an installation of its own: each fault is provoked, found, and named with its cure; nothing else is
complained of."""
import ctypes.util
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, MODEL = os.environ["SREC_BUILD"], os.environ["SREC_MODEL"]
CHECKS = 7


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if ctypes.util.find_library("gnuradio-srec"):
            raise unittest.SkipTest("gr-srec is installed on this system: its libraries would be found")
        cls.temp = tempfile.TemporaryDirectory()
        cls.prefix = os.path.join(cls.temp.name, "prefix")
        manifest = os.path.join(BUILD, "install_manifest.txt")  # of a real installation: kept for its uninstall
        kept = os.path.exists(manifest) and os.path.join(cls.temp.name, "manifest")
        if kept:
            shutil.copy2(manifest, kept)
        subprocess.run(
            ["cmake", f"-DCMAKE_INSTALL_PREFIX={cls.prefix}", "-P", os.path.join(BUILD, "cmake_install.cmake")],
            check=True,
            capture_output=True,
        )
        os.remove(manifest)
        if kept:
            shutil.copy2(kept, manifest)
        cls.site = os.path.dirname(
            os.path.dirname(glob.glob(os.path.join(cls.prefix, "lib", "python3*", "*", "gnuradio", "srec"))[0])
        )
        cls.lib = os.path.dirname(
            sorted(glob.glob(os.path.join(cls.prefix, "lib", "**", "libgnuradio-srec.so*"), recursive=True))[0]
        )
        cls.home = os.path.join(cls.temp.name, "home")
        os.mkdir(cls.home)

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    def doctor(self, python=sys.executable, **changes):
        """-> (exit code, lines); changes: environment variables beyond those of a sound installation, None = unset"""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.home,
            "PYTHONPATH": self.site,
            "LD_LIBRARY_PATH": self.lib,
            "SREC_MODEL": MODEL,
            "GRC_BLOCKS_PATH": os.path.join(self.prefix, "share", "gnuradio", "grc", "blocks"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **changes,
        }
        done = subprocess.run(
            [python, os.path.join(self.prefix, "bin", "srec"), "doctor"],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=self.home,
            env={k: v for k, v in environment.items() if v is not None},
        )
        self.assertEqual(done.stderr, "")
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), CHECKS, done.stdout)
        return done.returncode, lines

    def fault(self, *words, also=(), **changes):
        """One line says FAULT and has all the words; those that follow from it have one of the words of also."""
        code, lines = self.doctor(**changes)
        faults = [line for line in lines if line.startswith("FAULT ")]
        self.assertEqual(code, 1)
        own = [line for line in faults if not any(word in line for word in also)]
        self.assertEqual(len(own), 1, "\n".join(lines))
        for word in words:
            self.assertIn(word, own[0])

    def test_a_sound_installation_is_called_sound(self):
        code, lines = self.doctor()
        self.assertEqual([line[:6] for line in lines], ["ok    "] * CHECKS, "\n".join(lines))
        self.assertEqual(code, 0)

    def test_a_python_without_gnu_radio(self):
        other = os.path.join(self.temp.name, "other")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
        python = os.path.join(other, "bin", "python3")
        self.fault(
            python + " has no GNU Radio",
            "/usr/bin/python3 has: run `/usr/bin/python3 ",
            also=("gnuradio.srec",),
            python=python,
        )

    def test_the_build_trees_modules_with_a_python_without_gnu_radio(self):
        other = os.path.join(self.temp.name, "another")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
        self.fault(
            "has no GNU Radio",
            also=("gnuradio.srec",),
            python=os.path.join(other, "bin", "python3"),
            PYTHONPATH=os.path.join(BUILD, "test_modules"),
        )

    def test_a_missing_module_folder(self):
        self.fault(
            "gnuradio.srec does not import",
            "PYTHONPATH=" + self.site,
            also=("model cannot be checked",),
            PYTHONPATH=None,
        )

    def test_a_missing_ldconfig(self):
        # the module looks for its library where both were installed: it is elsewhere
        elsewhere = os.path.join(self.prefix, "lib", "elsewhere-linux-gnu")
        os.makedirs(elsewhere)
        libraries = glob.glob(os.path.join(self.lib, "libgnuradio-srec.so*"))
        for library in libraries:
            shutil.move(library, elsewhere)
        try:
            self.fault(
                "libgnuradio-srec.so",
                "sudo ldconfig",
                "LD_LIBRARY_PATH=" + elsewhere,
                also=("model cannot be checked",),
                LD_LIBRARY_PATH=None,
            )
        finally:
            for library in libraries:
                shutil.move(os.path.join(elsewhere, os.path.basename(library)), self.lib)
            os.rmdir(elsewhere)

    def test_two_gnu_radios(self):
        second = os.path.join(self.temp.name, "second")
        os.makedirs(second, exist_ok=True)
        library = os.path.join(second, "libgnuradio-runtime.so.3.9.8")
        open(library, "w").close()
        self.fault("2 GNU Radio libraries", library, "remove all but one", LD_LIBRARY_PATH=self.lib + ":" + second)

    def test_a_missing_blocks_path(self):
        self.fault(
            "does not find the blocks",
            "GRC_BLOCKS_PATH=" + os.path.join(self.prefix, "share", "gnuradio", "grc", "blocks"),
            GRC_BLOCKS_PATH=None,
        )

    def test_a_blocks_path_in_gnu_radios_settings_counts(self):
        home = os.path.join(self.temp.name, "home2")
        os.makedirs(os.path.join(home, ".gnuradio"))
        with open(os.path.join(home, ".gnuradio", "config.conf"), "w") as f:
            f.write(f"[grc]\nlocal_blocks_path = {os.path.join(self.prefix, 'share', 'gnuradio', 'grc', 'blocks')}\n")
        self.assertEqual(self.doctor(HOME=home, GRC_BLOCKS_PATH=None)[0], 0)

    def stub(self, text):
        """-> PYTHONPATH in which the module gi is this text"""
        folder = tempfile.mkdtemp(dir=self.temp.name)
        with open(os.path.join(folder, "gi.py"), "w") as f:
            f.write(text)
        return folder + ":" + self.site

    def needs_companion(self):
        if not shutil.which("gnuradio-companion"):
            self.skipTest("gnuradio-companion is not installed")

    def test_a_missing_gtk_for_gnu_radio_companion(self):
        self.needs_companion()
        gi = "def require_version(name, _):\n    raise ValueError(f'Namespace {name} not available')\n"
        self.fault(
            "Companion cannot open its window",
            "Namespace Gtk not available",
            "apt install gir1.2-gtk-3.0",
            PYTHONPATH=self.stub(gi),
        )

    def test_a_missing_pygobject_for_gnu_radio_companion(self):
        self.needs_companion()
        self.fault(
            "Companion cannot open its window",
            "No module named 'gi'",
            "python3-gi",
            PYTHONPATH=self.stub("raise ModuleNotFoundError(\"No module named 'gi'\")"),
        )

    def test_no_gnu_radio_companion_and_no_display_are_no_faults(self):
        code, lines = self.doctor(PATH="/nonexistent", DISPLAY=None, WAYLAND_DISPLAY=None)
        self.assertEqual(code, 0, "\n".join(lines))
        self.assertIn("ok    GNU Radio Companion is not installed here", "\n".join(lines))

    def test_a_model_cut_short(self):
        short = os.path.join(self.temp.name, "short.safetensors")
        with open(MODEL, "rb") as f, open(short, "wb") as g:
            g.write(f.read(1000000))
        self.fault("cut short", "SREC_MODEL", SREC_MODEL=short)

    def test_an_enhancer_cut_short(self):
        short = os.path.join(self.temp.name, "short-enhancer.safetensors")
        with open(os.path.join(os.path.dirname(__file__), "..", "golden", "enhancer-x1.safetensors"), "rb") as f, open(
            short, "wb"
        ) as g:
            g.write(f.read(10000))
        self.fault("cut short", "SREC_ENHANCER", SREC_ENHANCER=short)


if __name__ == "__main__":
    unittest.main()
