# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimiser Muon: its updates, and runs that resume with it."""
import argparse
import os
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)

from srec_train import trainer
from srec_train.muon import Muon, orthogonalised


def network():
    torch.manual_seed(5)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 12, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(12, 3, 1))


class Updates(unittest.TestCase):
    def test_singular_values_become_nearly_one(self):
        torch.manual_seed(1)
        for m, n in ((48, 432), (64, 24), (16, 16)):
            u, _, v = torch.linalg.svd(torch.randn(m, n), full_matrices=False)
            spread = torch.logspace(0, -1.5, min(m, n))
            result = torch.linalg.svdvals(orthogonalised((u * spread) @ v))
            self.assertGreater(result.min().item(), 0.6)
            self.assertLess(result.max().item(), 1.3)

    def test_a_gradient_of_zero_changes_nothing(self):
        self.assertEqual(orthogonalised(torch.zeros(8, 9)).abs().max().item(), 0)

    def test_biases_and_few_outputs_follow_adam(self):
        nets = network(), network()
        first, second = (list(net.parameters()) for net in nets)
        optimisers = Muon([{"params": first, "lr": 0.01}]), torch.optim.Adam(second, 0.01, (0.9, 0.99))
        torch.manual_seed(2)
        for _ in range(5):
            for a, b in zip(first, second):
                a.grad = torch.randn_like(a)
                b.grad = a.grad.clone()
            for optimiser in optimisers:
                optimiser.step()
        same = [torch.allclose(a, b, atol=1e-6) for a, b in zip(first, second)]
        self.assertEqual(same, [False, True, True, True])  # only the first convolution has 8 outputs or more

    def test_an_update_has_the_size_of_adams(self):
        weight = torch.nn.Parameter(torch.zeros(48, 48, 3, 3))
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
        Muon([{"params": [weight], "lr": 0.01}]).step()
        self.assertAlmostEqual(weight.detach().square().mean().sqrt().item() / 0.01, 0.2, delta=0.04)


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def train(self, name, *more):
        """Return the weights at the end of a run of 12 steps."""
        parser, net = argparse.ArgumentParser(), network()
        trainer.add_arguments(parser)
        out = ["--out", os.path.join(self.folder, name), "--steps", "12", "--threads", "1", "--device", "cpu"]

        def loss_of(step, _workers):
            x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))
            return (net(x) - x.flip(2)).square().mean(), {}

        groups = [{"params": list(net.parameters())}]
        trainer.run(parser.parse_args(out + list(more)), net, groups, loss_of, lambda: {"x": 1.0}, {"stage": "toy"})
        return [p.detach().clone() for p in net.parameters()]

    def test_a_resumed_run_ends_like_an_uninterrupted_one(self):
        whole = self.train("whole", "--optimiser", "muon")
        self.train("parts", "--optimiser", "muon", "--stop-at", "5")
        for a, b in zip(whole, self.train("parts", "--optimiser", "muon")):
            self.assertTrue(torch.equal(a, b))

    def test_a_run_keeps_its_optimiser(self):
        self.train("run", "--optimiser", "muon", "--stop-at", "2")
        with self.assertRaisesRegex(SystemExit, "of optimiser muon, and this is optimiser adam"):
            self.train("run")

    def test_a_checkpoint_that_names_none_is_of_adam(self):
        self.train("old", "--stop-at", "2")
        path = os.path.join(self.folder, "old", "checkpoint.pt")
        saved = trainer.read_checkpoint(path)
        del saved["state"]["optimiser"]
        trainer.write_checkpoint(path, saved)
        with self.assertRaisesRegex(SystemExit, "of optimiser adam, and this is optimiser muon"):
            self.train("old", "--optimiser", "muon")
        self.train("old")


if __name__ == "__main__":
    unittest.main()
