# SPDX-License-Identifier: GPL-3.0-or-later
"""Training curves from CSV files made by hand."""
import os
import tempfile
import unittest

from srec_train import curves

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None


class Curves(unittest.TestCase):
    def setUp(self):
        keep = tempfile.TemporaryDirectory()
        self.addCleanup(keep.cleanup)
        self.folder = keep.name

    def write(self, name, *lines):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def units(self):
        return {unit: set(columns) for _, unit, columns in curves.panels_of(self.folder)}

    def test_quantities_of_different_units_have_their_own_axes(self):
        self.write("train.csv", "step,loss,rate", "10,3.5,1e-3", "20,2.5,1e-3")
        self.write("validate.csv", "step,qpsk@4/0.2,features,pam256@10/0.2", "20,27.5,61,29", "40,28.5,63,30")
        self.assertEqual(
            self.units(),
            {"loss": {"loss"}, "PSNR, dB": {"qpsk@4/0.2", "pam256@10/0.2"}, "features per patch": {"features"}},
        )
        (features,) = [c["features"] for _, unit, c in curves.panels_of(self.folder) if unit == "features per patch"]
        self.assertEqual(features, [(20, 61), (40, 63)])
        self.write("validate.csv", "step,before,after,gain,worst,16qam_-2", "20,25,25.5,0.5,-0.1,0.4")
        self.assertEqual(self.units()["gain in PSNR, dB"], {"gain", "worst", "16qam_-2"})
        self.write("validate.csv", "step,psnr,psnr_kept,bpp", "20,30,25,0.8")
        self.assertEqual(self.units()["bits per pixel"], {"bpp"})

    @unittest.skipIf(plt is None, "no Matplotlib: apt install python3-matplotlib")
    def test_a_single_validation_is_a_visible_point(self):
        self.write("validate.csv", "step,psnr,features", "20,30,61")
        markers = []
        close, plt.close = plt.close, lambda figure: markers.extend(
            line.get_marker() for axis in figure.axes for line in axis.lines
        )
        try:
            curves.draw(self.folder)
        finally:
            plt.close = close
            plt.close("all")
        self.assertEqual(markers, ["o", "o"])
        self.assertGreater(os.path.getsize(os.path.join(self.folder, "curves.png")), 5000)

    def test_a_run_that_has_only_begun_has_no_curves(self):
        curves.draw(self.folder)
        self.write("train.csv", "step,loss")
        self.write("validate.csv", "step,psnr")
        curves.draw(self.folder)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "curves.png")))


if __name__ == "__main__":
    unittest.main()
