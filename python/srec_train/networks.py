# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec's networks.

Planes are (N, channels, height, width). Latents u are in units of the standard deviation of their KLT channel.

Both transforms have two paths: a linear path over 16x16 blocks, which starts at the KLT of training patches, and a
parallel deep path whose last convolution starts at zero. Training therefore starts at the quality of a block transform
codec.
"""
import dataclasses
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import srec_core
from . import channel, feature_link
from .feature_link import FORMATS

PATCH = 16
KEPT_A_STEP = 0.998  # share of their counts that the priors keep in each step
COVARIANCE_START = 50.0  # artificial patches without correlation that a covariance includes
N_TABLES = 32  # prior tables, one for each quarter octave of a feature's deviation, 2^-4 .. 2^3.75
DEVIATION_FLOOR = 0.11  # minimum deviation of a latent in the entropy model, in quantiser steps
TRUNCATION_NOISE = 0.03  # deviation of the noise on latents that simulates features, in units of u
BITS_MAX, BITS_SCALE = 12.0, 0.25  # input of fe for the bits of a latent: min(bits, max) * scale


@dataclasses.dataclass
class Sizes:
    """Widths, depths and ladder of a codec. Checkpoints store them, and exported graphs imply them."""

    latent: int = 192
    # Quantiser steps of the entropy model per unit of pixel amplitude (0..1) in a KLT coefficient.
    latent_unit: float = 8.0
    widths: tuple = (48, 96, 144)  # at 1/2, 1/4, 1/8 of the image's size
    hyper: int = 64
    feature_inner: int = 96  # inner width of the residual blocks of fe and fd
    feature_blocks: int = 3
    ladder: tuple = (2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192)
    # A feature s becomes the byte 128 + levels * s; with a bound, 128 + levels * bound * tanh(s / bound). bound 0:
    # none.
    levels: tuple = (16.0, 56.0)  # bits, amplitude
    bound: tuple = (0.0, 2.0)


class Residual(nn.Module):
    """x + b(relu(a(x))) with two 3x3 convolutions. It starts near the identity."""

    def __init__(self, channels: int, inner: int | None = None) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, inner or channels, 3, padding=1)
        self.b = nn.Conv2d(inner or channels, channels, 3, padding=1)
        nn.init.zeros_(self.b.bias)
        self.b.weight.data.mul_(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.b(F.relu(self.a(x)))


class Up(nn.Module):
    """Doubles the size: convolution to four times the channels, then pixel shuffle."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, relu: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, kernel, padding=kernel // 2)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return F.pixel_shuffle(F.relu(x) if self.relu else x, 2)


class Down(nn.Conv2d):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, 2, 1)


def zero(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


def pointwise(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve with 1x1 kernels: x (N, C, H, W), weight (K, C) -> (N, K, H, W).

    It is a single matrix product; PyTorch's own convolution in float32 is not.
    """
    return F.linear(x.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)


class Analysis(nn.Module):
    """ga: image minus 0.5 (N, 3, H, W) -> latents u (N, C, H/16, W/16)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        a, b, c = sizes.widths
        n = sizes.latent
        self.head = nn.Conv2d(12, a, 3, padding=1)  # of the image unshuffled by 2
        self.body = nn.Sequential(
            Down(a, b), Residual(b), Down(b, c), Residual(c), Residual(c), Down(c, n), Residual(n, n * 2 // 3)
        )
        self.tail = zero(nn.Conv2d(n, n, 3, padding=1))
        self.linear = nn.Parameter(torch.zeros(n, 3 * PATCH * PATCH))  # of the image unshuffled by 16

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deep = self.tail(self.body(F.relu(self.head(F.pixel_unshuffle(x, 2)))))
        with torch.autocast(x.device.type, enabled=False):  # KLT coefficients span 1000:1, too much for bfloat16
            return deep.float() + pointwise(F.pixel_unshuffle(x.float(), PATCH), self.linear)


class Synthesis(nn.Module):
    """gs: latents u (N, C, h, w) -> image minus 0.5 (N, 3, 16 h, 16 w)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        a, b, c = sizes.widths
        n = sizes.latent
        self.body = nn.Sequential(
            nn.Conv2d(n, n, 3, padding=1),
            Residual(n),
            Up(n, c, kernel=1),
            Residual(c),
            Residual(c),
            Residual(c),
            Up(c, b),
            Residual(b),
            Residual(b),
            Up(b, a, relu=True),
        )
        self.tail = zero(nn.Conv2d(a, 12, 3, padding=1))
        self.linear = nn.Parameter(torch.zeros(3 * PATCH * PATCH, n))

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        deep = F.pixel_shuffle(self.tail(self.body(u)).float(), 2)
        with torch.autocast(u.device.type, enabled=False):
            return deep + F.pixel_shuffle(pointwise(u.float(), self.linear), PATCH)


def round_through(x: torch.Tensor) -> torch.Tensor:
    """Round; the gradient passes unchanged."""
    return x + (torch.round(x) - x).detach()


class Codec(nn.Module):
    """ga, gs, entropy model (ha, hs) and feature coder (fe, fd with one linear map per ladder step)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        n, z = sizes.latent, sizes.hyper
        self.ga, self.gs = Analysis(sizes), Synthesis(sizes)
        self.ha = nn.Sequential(nn.Conv2d(n, z, 3, padding=1), nn.ReLU(), Down(z, z), nn.ReLU(), Down(z, z))
        self.hs = nn.Sequential(Up(z, z, relu=True), Up(z, z, relu=True), nn.Conv2d(z, 2 * n, 3, padding=1))
        self.hyper_mean = nn.Parameter(torch.zeros(1, z, 1, 1))
        self.hyper_scale = nn.Parameter(torch.zeros(1, z, 1, 1))
        self.register_buffer("deviation", torch.ones(n))  # of the KLT channels, in pixel amplitude
        # feature coder
        steps, longest = len(sizes.ladder), sizes.ladder[-1]
        self.fe_in = nn.Conv2d(2 * n, n, 1)
        zero(self.fe_in)
        self.fe = nn.Sequential(*(Residual(n, sizes.feature_inner) for _ in range(sizes.feature_blocks)))
        self.fd = nn.Sequential(*(Residual(n, sizes.feature_inner) for _ in range(sizes.feature_blocks)))
        for block in (*self.fe, *self.fd):
            zero(block.b)  # training starts at the linear maps
        # one token and one linear map for each format and ladder step
        formats = len(FORMATS)
        self.token_e = nn.Parameter(torch.zeros(formats, steps, n))
        self.token_d = nn.Parameter(torch.zeros(formats, steps, n))
        eye = torch.eye(n)[:longest]
        self.weight_e = nn.Parameter(eye.repeat(formats, steps, 1, 1))  # (F, steps, K, C): features = W f
        self.weight_d = nn.Parameter(eye.T.repeat(formats, steps, 1, 1).clone())  # (F, steps, C, K)
        self.weight_v = nn.Parameter(torch.zeros(formats, steps, n, longest))  # for the posterior deviations
        self.register_buffer("feature_mean", torch.zeros(formats, steps, longest))
        self.register_buffer("feature_var", torch.ones(formats, steps, longest))
        self.register_buffer("feature_power", torch.ones(formats))  # over all features
        # Remaining part of each one's deviation.
        self.register_buffer("feature_sigma", torch.ones(formats, steps, longest))
        self.register_buffer("histogram", torch.zeros(formats, N_TABLES, 256))  # of the bytes, by class of deviation
        # Sums of products of a patch's features as sent.
        self.register_buffer("moment", torch.zeros(formats, steps, longest, longest))
        self.register_buffer("moment_patches", torch.zeros(formats, steps))
        self.register_buffer("ladder", torch.tensor(sizes.ladder))
        self.measure = False  # measure mean and variance of the features again
        self.core_channel = True  # the C core is the link of the features, else channel.py
        self.links: dict[int, srec_core.Priors | channel.Priors] = {}  # the priors in use, by format

    def start_at_klt(self, patches: torch.Tensor) -> None:
        """Start the linear paths at the KLT.

        patches: (N, 3, 16, 16), images minus 0.5.
        """
        n = self.sizes.latent
        v = F.pixel_unshuffle(patches, PATCH).reshape(len(patches), -1)
        values, vectors = torch.linalg.eigh((v.T @ v / len(v)).double())
        basis = vectors.flip(1)[:, :n].T.float()  # (C, 768)
        deviation = values.flip(0)[:n].clamp_min(1e-12).sqrt().float().clamp_min(0.4 / self.sizes.latent_unit)
        self.deviation.copy_(deviation)
        self.ga.linear.data.copy_(basis / deviation[:, None])
        self.gs.linear.data.copy_(basis.T * deviation[None])
        self.hs[-1].weight.data.mul_(0.1)
        nn.init.zeros_(self.hs[-1].bias)

    def spread_features(self, f: int, power: torch.Tensor, snr_db: float) -> None:
        """Set a linear start of the feature coder for format f.

        Each ladder step sends as many latents as it has features. Every feature carries a share of each latent, so that
        a lost feature does not lose a latent, and an important latent gets the power of several features.

        power: (steps, C), mean square of the latents in pixel amplitude, over the patches of each step.
        snr_db: SNR of a feature for which the division of power and the decoder's map are optimal, dB. Of a latent with
            power p the part 1 / (1 + p snr) remains as error. The total error is minimal if p + 1 / snr is proportional
            to the latent's deviation (Lee and Petersen, Optimal linear coding for vector channels, 1976).
        """
        snr, where = 10 ** (snr_db / 10), power.device
        for r, count in enumerate(self.sizes.ladder):
            deviation, sent = power[r].sqrt().sort(descending=True)
            deviation, sent = deviation[:count], sent[:count]
            share = torch.zeros(count, device=where)
            for m in range(count, 0, -1):  # the largest number of latents that all get some power
                share[:m] = deviation[:m] * (count + m / snr) / deviation[:m].sum() - 1 / snr
                if share[m - 1] > 0:
                    break
                share[m - 1] = 0
            share.clamp_(min=1e-4)
            index = torch.arange(count, device=where)
            at = index * (2 * math.pi / count)
            # Hartley transform.
            turn = (torch.cos(at[:, None] * index) + torch.sin(at[:, None] * index)) / math.sqrt(count)
            size = deviation / self.deviation[sent]  # in units of u
            kept = share * (1 + snr) / (share * snr + 1)  # of the posterior mean, which shrinks by snr / (1 + snr)
            encode, decode = self.weight_e.data[f, r].zero_(), self.weight_d.data[f, r].zero_()
            encode[:count, sent] = turn * share.sqrt() / size
            decode[sent, :count] = (turn * size / share.sqrt() * kept).T

    @property
    def scale(self) -> torch.Tensor:
        """Quantiser steps per unit of u, (1, C, 1, 1)."""
        return (self.deviation * self.sizes.latent_unit).reshape(1, -1, 1, 1)

    def entropy(self, u: torch.Tensor, noise: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return bits of each latent of u, bits of each hyper latent, and means in units of u.

        noise: use uniform noise instead of rounding.
        """
        scale = self.scale
        z = self.ha(u).float()
        zn = z + torch.rand_like(z) - 0.5 if noise else torch.round(z)
        zs = F.softplus(self.hyper_scale) + 0.1
        pz = torch.sigmoid((zn + 0.5 - self.hyper_mean) / zs) - torch.sigmoid((zn - 0.5 - self.hyper_mean) / zs)
        mean, raw = self.hs(round_through(z)).float().chunk(2, 1)
        sigma = F.softplus(raw) * scale + DEVIATION_FLOOR
        y = u.float() * scale
        yn = y + torch.rand_like(y) - 0.5 if noise else torch.round(y)
        v = (yn - mean * scale).abs() / (sigma * math.sqrt(2))
        half = 0.5 / (sigma * math.sqrt(2))
        p = 0.5 * (torch.erf(v + half) - torch.erf(v - half))
        return -torch.log2(p.clamp_min(1e-9)), -torch.log2(pz.clamp_min(1e-9)), mean

    def transform(
        self, x: torch.Tensor, noise: bool, eta: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Stage (a): code an image.

        x: image, (N, 3, H, W) in 0..1.
        eta: if not 0, the second half of the batch is decoded from only the first latents of each patch, as many as the
            rate map gives it. These are not quantised but carry a little noise, like latents after a link.
        Returns the image coded with quantised latents, bits of latents, bits of hyper latents.
        """
        u = self.ga(x - 0.5)
        by, bz, mean = self.entropy(u, noise)
        uq = round_through((u - mean) * self.scale) / self.scale + mean
        if eta:
            half = len(x) // 2
            with torch.no_grad():
                count = self.ladder[self.rate_map(by[half:], eta)][:, None]
                kept = torch.arange(u.shape[1], device=u.device).reshape(1, -1, 1, 1) < count
            uq = torch.cat([uq[:half], (u[half:] + TRUNCATION_NOISE * torch.randn_like(u[half:])) * kept])
        return self.gs(uq) + 0.5, by, bz

    def rate_map(self, by: torch.Tensor, eta: float) -> torch.Tensor:
        """Return the ladder step of each patch, (N, h, w).

        It is the smallest one that is at least eta times the patch's bits.

        by: bits of latents, (N, C, h, w).
        """
        return torch.searchsorted(self.ladder.float(), by.sum(1) * eta).clamp_(max=len(self.ladder) - 1)

    def prior_class(self, f: int) -> torch.Tensor:
        """Return the prior table of each feature, (steps, K), according to its deviation."""
        return (4 * torch.log2(self.feature_sigma[f].clamp_min(1e-3)) + 16).round().clamp(0, N_TABLES - 1).long()

    def prior_tables(self, f: int) -> torch.Tensor:
        """Return the prior tables, (32, 256).

        They are histograms of the bytes. Rarely seen bytes follow a mixture of half Gaussian, half Laplace.
        """
        levels, bound = self.sizes.levels[f], self.sizes.bound[f]
        where = self.histogram.device
        v = (torch.arange(256.0, device=where) - 128) / levels
        jacobian = torch.zeros(256, device=where)
        if bound:  # inverse of the tanh; values beyond its range do not occur
            inside = (v / bound).clamp(-0.999, 0.999)
            jacobian = -torch.log1p(-(inside**2)) + torch.where((v / bound).abs() < 0.999, 0.0, -20.0)
            v = bound * torch.atanh(inside)
        x = v[None] / (2.0 ** (torch.arange(N_TABLES, device=where) / 4 - 4))[:, None]
        shape = (torch.softmax(-0.5 * x * x + jacobian, 1) + torch.softmax(-math.sqrt(2) * x.abs() + jacobian, 1)) / 2
        table = self.histogram[f] + 300 * shape + 1e-3
        return table / table.sum(1, keepdim=True)

    def covariance(self, f: int) -> list[torch.Tensor]:
        """Return the covariance (k, k) of the features of a patch for each ladder step, or [] if none were seen.

        With few patches it tends to a diagonal matrix.
        """
        if not self.moment_patches[f].any():
            return []
        out = []
        for r, k in enumerate(self.sizes.ladder):
            seen, patches = self.moment[f, r, :k, :k], self.moment_patches[f, r]
            variance = ((seen.diagonal() + 1e-3) / (patches + 1e-3)).clamp_min(1e-4)
            out.append((seen + COVARIANCE_START * variance.diag()) / (patches + COVARIANCE_START))
        return out

    def memory(self) -> dict:
        """Return what the next forward pass depends on in addition to parameters and buffers: the priors of the links.

        The values are plain values and tensors.
        """
        return {
            f: {
                "tables": torch.as_tensor(priors.tables),
                "covariance": [torch.as_tensor(c) for c in priors.covariance],
            }
            for f, priors in self.links.items()
        }

    def recall(self, memory: dict) -> None:
        """Inverse of memory()."""
        self.links = {}
        for f, priors in memory.items():
            self.links[f] = self._priors(f, priors["tables"], priors["covariance"])

    def _priors(self, f, tables, covariance):
        settings = FORMATS[f], self.sizes.levels[f]
        if self.core_channel:
            covariance = [c.cpu().numpy() for c in covariance]
            return srec_core.Priors(*settings, tables.cpu().numpy(), self.sizes.ladder, covariance)
        where = self.histogram.device
        return channel.Priors(*settings, tables.to(where), [c.to(where) for c in covariance])

    def priors(self, f: int, fresh: bool) -> srec_core.Priors | channel.Priors:
        """Return the link's priors for format f, with the present tables. They are kept until `fresh`."""
        if fresh or f not in self.links:
            self.links[f] = self._priors(f, self.prior_tables(f), self.covariance(f))
        return self.links[f]

    def link(
        self, u: torch.Tensor, by: torch.Tensor, rate: torch.Tensor, way: "Way", fresh: bool = True
    ) -> torch.Tensor:
        """Send latents over the channel, and return the received latents, (N, C, h, w).

        u, by: latents and their bits, (N, C, h, w).
        rate: ladder steps, (N, h, w).
        way: Way: modulation, SNR of each image, and so on.
        """
        x = (
            self.fe_in(torch.cat([u, by.clamp(max=BITS_MAX) * BITS_SCALE], 1))
            + u
            + self.token_e[way.format][rate].permute(0, 3, 1, 2)
        )
        x = self.fe(x).float()
        with torch.autocast(x.device.type, enabled=False):
            received = self._over_features(x, rate, way, fresh)
        return self.fd(received).float()

    def _over_features(self, x, rate, way, fresh):
        n, c, h, w = x.shape
        f = way.format
        flat, steps = x.permute(0, 2, 3, 1).reshape(-1, c), rate.reshape(-1)
        order = torch.argsort(steps, stable=True)
        groups, at = [], 0
        for r, count in enumerate(torch.bincount(steps, minlength=len(self.ladder)).tolist()):
            if count:
                groups.append((r, self.sizes.ladder[r], order[at : at + count]))
                at += count
        weight_e, weight_d, weight_v, token_d = (
            w[f].unbind(0) for w in (self.weight_e, self.weight_d, self.weight_v, self.token_d)
        )  # one gradient each
        values = [flat[rows] @ weight_e[r][:k].T for r, k, rows in groups]
        if self.measure:
            with torch.no_grad():
                for (r, k, rows), v in zip(groups, values):
                    m = min(1.0, len(rows) / 64)
                    self.feature_mean[f, r, :k].lerp_(v.mean(0), m)
                    self.feature_var[f, r, :k].lerp_(((v - self.feature_mean[f, r, :k]) ** 2).mean(0), m)
        deviations = [(self.feature_var[f, r, :k] + 1e-6).sqrt() for r, k, _ in groups]
        normal = [(v - self.feature_mean[f, r, :k]) / d for (r, k, _), v, d in zip(groups, values, deviations)]
        s = torch.cat([v.reshape(-1) for v in normal])
        power = (s**2).mean() if self.training else self.feature_power[f]
        if self.training:
            with torch.no_grad():
                self.feature_power[f].lerp_(power, 0.02)
                for (r, k, rows), v in zip(groups, normal):
                    self.feature_sigma[f, r, :k].lerp_(
                        (v**2).mean(0).sqrt() / power.sqrt(), 0.02 * min(1.0, len(rows) / 16)
                    )
        s = s / power.sqrt()
        bound = self.sizes.bound[f] if way.modulation != "analog" else 0.0
        if bound:
            s = bound * torch.tanh(s / bound)
        with torch.no_grad():
            picture = torch.cat([(rows // (h * w)).repeat_interleave(k) for _, k, rows in groups])
            classes = self.prior_class(f)
            table = torch.cat([classes[r, :k].repeat(len(rows)) for r, k, rows in groups])
            if self.training and way.modulation != "analog":
                self._count_moments(f, s, groups)
            counts = [(r, k, len(rows)) for r, k, rows in groups]
            estimate, deviation = self._channel(s, table, picture, counts, way, fresh)
        s = s + (estimate - s.detach())
        out, at, g = [], 0, []
        for (r, k, rows), d in zip(groups, deviations):
            e, v = (t[at : at + len(rows) * k].reshape(-1, k) for t in (s, deviation))
            at += len(rows) * k
            mean = e * power.sqrt() * d + self.feature_mean[f, r, :k]
            g.append(mean @ weight_d[r][:, :k].T + v @ weight_v[r][:, :k].T + token_d[r])
            out.append(rows)
        g = torch.zeros(n * h * w, c, device=x.device).index_copy(0, torch.cat(out), torch.cat(g))
        return g.reshape(n, h, w, c).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def _count_moments(self, f, s, groups):
        self.moment[f].mul_(KEPT_A_STEP)
        self.moment_patches[f].mul_(KEPT_A_STEP)
        at = 0
        for r, k, rows in groups:
            v = s[at : at + len(rows) * k].reshape(-1, k)
            at += len(rows) * k
            self.moment[f, r, :k, :k].addmm_(v.T, v)
            self.moment_patches[f, r] += len(rows)

    def _channel(self, s, table, picture, groups, way, fresh):
        """Send the features (M,) of all images. Return estimates and deviations.

        groups: (step, features of a patch, patches) of each group of features.
        During training, the bytes are counted for the priors.
        """
        if way.modulation == "analog":
            noise = (10 ** (-way.snr_db.to(s.device) / 20))[picture]
            return s + torch.randn_like(s) * noise, noise
        f = way.format
        byte = (128 + self.sizes.levels[f] * s).round().clamp(0, 255).to(torch.uint8)
        if self.training:
            seen = torch.bincount(table * 256 + byte.long(), minlength=N_TABLES * 256).reshape(N_TABLES, 256)
            self.histogram[f].mul_(KEPT_A_STEP).add_(seen)
        priors, features = self.priors(f, fresh), channel.Features(byte, table, picture, groups)
        if self.core_channel:
            return feature_link.send_batch(priors, features, way)
        return channel.send(features, priors, channel.Link(way.modulation, way.snr_db, way.cipher, way.hard), way.seed)


@dataclasses.dataclass
class Way:
    """How features travel.

    It has the SNR (Es/N0, dB) of each image of the batch. Modulation "analog" adds noise to the features themselves, in
    clear.
    """

    modulation: str
    snr_db: torch.Tensor
    seed: int
    cipher: str = "add"
    hard: bool = False

    @property
    def format(self) -> int:
        return FORMATS.index("amplitude" if self.modulation == "pam256" else "bits")


TRANSFORM = ("ga.", "gs.", "ha.", "hs.", "hyper_")


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return -10 * math.log10(((a.clamp(0, 1) - b) ** 2).mean().item())
