# SPDX-License-Identifier: GPL-3.0-or-later
"""The link of the training as PyTorch operations, on any device: cipher, mapping, noise, LLRs, posterior means,
re-weighting.

It computes what the C core computes (srec_core.send_features), for all features of a batch at once. Keystream, secret
order and noise have the distributions of the core's, but other values: the generator of the device draws them. A caller
may give its own draws. tests/train/test_channel.py gives those of the core, and compares the results.

No function has a gradient. The network passes the gradient of a received feature to the feature that was sent.
"""
import dataclasses
import functools
import math

import torch

BITS_PER_SYMBOL = {"bpsk": 1, "qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8, "pam256": 16}
GRANULES = {"64qam": 3, "pam256": 2}  # bytes that fill whole symbols, where this is not 1
CIPHERS = ("add", "xor", "none")
PAM256_STEP = 0.00956839231  # amplitude of one level
LLR_LIMIT = 40.0  # a larger LLR makes the bit certain in float32 anyway
EXPONENT_MIN = -80.0
EVIDENCE_MIN = math.log(1e-24)  # below it, prediction and likelihood exclude each other
WIDTHS, WIDTH_LOWEST = 41, -28  # tables of predictions, one for each quarter octave of the deviation, from 2^-7 on
SURE = 0.25  # in byte levels: below this deviation the byte is certain and stays unchanged
USUAL = 3.0  # in feature variances: added to the power of a patch and to its expected power
AGAIN_FROM = 64  # number of features from which on a patch gets a second round
NOISE_MAX = 100.0  # multiple of its variance: noise of an unknown feature
FEATURES_AT_ONCE = {"cuda": 1 << 16}  # whose 256 likelihoods are in memory together
FEATURES_AT_ONCE_ELSE = 1 << 12  # fits a processor's cache
MATRIX_VALUES_AT_ONCE = 1 << 24


@dataclasses.dataclass
class Priors:
    """Priors of the features of one format.

    levels: byte levels per unit of a feature.
    tables: (n_tables, 256), rows sum to 1.
    covariance: (k, k) for each ladder step; without it each feature is estimated separately.
    All tensors are float32, on the device of the link.
    """

    format: str
    levels: float
    tables: torch.Tensor
    covariance: list[torch.Tensor] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Features:
    """The features of a batch, group by group, and patch by patch in a group.

    byte: (M,) uint8. table: (M,) int64, prior table of each. image: (M,) int64.
    groups: (ladder step, features of a patch, number of patches) of each group.
    """

    byte: torch.Tensor
    table: torch.Tensor
    image: torch.Tensor
    groups: list[tuple[int, int, int]]


@dataclasses.dataclass
class Link:
    """How the features travel over AWGN. snr_db: (N,) Es/N0 of each image. hard: decisions as in the paper."""

    modulation: str
    snr_db: torch.Tensor
    cipher: str = "add"
    hard: bool = False

    def __post_init__(self) -> None:
        if self.modulation not in BITS_PER_SYMBOL:
            raise ValueError(f"unknown modulation '{self.modulation}': {', '.join(BITS_PER_SYMBOL)}")
        if self.cipher not in CIPHERS or (self.cipher == "xor" and self.modulation == "pam256"):
            raise ValueError(f"no cipher '{self.cipher}' for {self.modulation}")

    @property
    def granule(self) -> int:
        return GRANULES.get(self.modulation, 1)

    @property
    def symbols_per_granule(self) -> int:
        return 8 * self.granule // BITS_PER_SYMBOL[self.modulation]


@dataclasses.dataclass
class Draws:
    """What is random on a link.

    keystream: (M,) int64, 0..255.
    place: (M,) int64, where each byte travels among n_bytes bytes, a multiple of the granule. Other bytes are 0. The
        bytes of one granule belong to one image.
    noise: (symbols, 2) float32, with variance 1.
    """

    keystream: torch.Tensor
    place: torch.Tensor
    n_bytes: int
    noise: torch.Tensor


def draw(image: torch.Tensor, link: Link, seed: int) -> Draws:
    """Draw keystream, order and noise for features of these images, (M,), on their device."""
    where, n, g, images = image.device, len(image), link.granule, len(link.snr_db)
    random = torch.Generator(where).manual_seed(seed)
    keystream = torch.randint(0, 256, (n,), generator=random, device=where)
    shuffled = torch.randperm(n, generator=random, device=where)
    shuffled = shuffled[torch.sort(image[shuffled], stable=True)[1]]  # image by image, each in a random order
    count = torch.bincount(image, minlength=images)
    padded = (count + g - 1) // g * g
    gap = (torch.cumsum(padded, 0) - padded) - (torch.cumsum(count, 0) - count)  # the padding before an image
    place = torch.empty_like(image)
    place[shuffled] = torch.arange(n, device=where) + gap[image[shuffled]]
    n_bytes = (n + images * (g - 1) + g - 1) // g * g  # enough, without waiting for the device
    noise = torch.randn(n_bytes // g * link.symbols_per_granule, 2, generator=random, device=where)
    return Draws(keystream, place, n_bytes, noise)


@functools.lru_cache(maxsize=None)
def axis_levels(axis_bits: int, is_complex: bool) -> tuple[list[float], list[int]]:
    """Return the amplitude of each label of an axis, and the same as an odd integer."""
    odd = []
    for label in range(1 << axis_bits):
        index, shift = label, 1
        while shift < axis_bits:
            index ^= index >> shift
            shift <<= 1
        odd.append((1 << axis_bits) - 1 - 2 * index)
    unit = math.sqrt((0.5 if is_complex else 1.0) / (sum(v * v for v in odd) / len(odd)))
    return [v * unit for v in odd], odd


@functools.lru_cache(maxsize=None)
def importance_order(modulation: str) -> list[int] | None:
    """Return the bit of a granule that travels as its j-th bit: well-protected bits carry the most significant ones.

    None: the bits keep their order.
    """
    bits, granule = BITS_PER_SYMBOL[modulation], GRANULES.get(modulation, 1)
    if modulation not in ("16qam", "64qam", "256qam"):
        return None
    positions = sorted(range(8 * granule), key=lambda j: j % bits // 2)
    payload = [8 * byte + significance for significance in range(8) for byte in range(granule)]
    return [source for _, source in sorted(zip(positions, payload))]


def bits_of(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return the bits of integers (...,), most significant first: (..., count)."""
    return values[..., None] >> torch.arange(count - 1, -1, -1, device=values.device) & 1


def label_of(bits: torch.Tensor) -> torch.Tensor:
    """Inverse of bits_of()."""
    return (bits << torch.arange(bits.shape[-1] - 1, -1, -1, device=bits.device)).sum(-1)


def map_bytes(air: torch.Tensor, link: Link) -> torch.Tensor:
    """Map bytes on the air (n_bytes,) int64 to symbols: (symbols, 2), mean power 1."""
    if link.modulation == "pam256":
        return ((air.float() - 127.5) * PAM256_STEP).reshape(-1, 2)
    per_symbol, order = BITS_PER_SYMBOL[link.modulation], importance_order(link.modulation)
    bits = bits_of(air, 8).reshape(-1, 8 * link.granule)
    bits = bits if order is None else bits[:, order]
    if link.modulation == "bpsk":
        i = 1.0 - 2.0 * bits.reshape(-1).float()
        return torch.stack([i, torch.zeros_like(i)], 1)
    level = torch.tensor(axis_levels(per_symbol // 2, True)[0], device=air.device)
    return level[label_of(bits.reshape(-1, per_symbol // 2, 2).transpose(1, 2))]  # I and Q alternate


def axis_llrs(y: torch.Tensor, a: torch.Tensor, axis_bits: int, is_complex: bool) -> torch.Tensor:
    """Return the LLRs of received axis values, (..., axes, axis_bits). y, a: (..., axes) values and 1 / N0."""
    levels, odd = axis_levels(axis_bits, is_complex)
    if axis_bits == 1:
        return (4 * levels[0] * y * a)[..., None]
    unit, outermost = levels[0] / odd[0], float(odd[0])
    level = torch.tensor(odd, dtype=torch.float32, device=y.device)
    t = (y / unit)[..., None]
    nearest = (2 * ((t + outermost) / 2).round() - outermost).clamp(-outermost, outermost)
    # relative to the nearest level: loses no digits at a high SNR
    p = (-a[..., None] * unit**2 * ((level - nearest) * (level + nearest - 2 * t))).clamp_min(EXPONENT_MIN).exp()
    one = bits_of(torch.arange(len(odd), device=y.device), axis_bits).float()
    return torch.log((p @ (1 - one)) / (p @ one))


def receive(symbols: torch.Tensor, n0: torch.Tensor, link: Link) -> torch.Tensor:
    """Demap received symbols (S, 2) with noise power n0 (S,).

    Returns the LLRs of the bytes on the air (n_bytes, 8), or for pam256 amplitude and noise variance, (n_bytes, 2).
    """
    a = (1 / n0)[:, None].expand(-1, 2)
    if link.modulation == "pam256":
        return torch.stack([symbols, 0.5 / a], 2).reshape(-1, 2)
    if link.modulation == "bpsk":
        return axis_llrs(symbols[:, :1], a[:, :1], 1, False).reshape(-1, 8)
    per_symbol, order = BITS_PER_SYMBOL[link.modulation], importance_order(link.modulation)
    llr = axis_llrs(symbols, a, per_symbol // 2, True).transpose(1, 2).reshape(-1, 8 * link.granule)
    if order is not None:
        llr = torch.empty_like(llr).index_copy_(1, torch.tensor(order, device=llr.device), llr)
    return llr.reshape(-1, 8)


def over_the_air(features: Features, link: Link, draws: Draws) -> torch.Tensor:
    """Send bytes. Return their soft values in the order of the features, (M, 8), or (M, 2) for pam256."""
    byte, where = features.byte.long(), features.byte.device
    if link.cipher == "add":
        byte = byte + draws.keystream & 255
    elif link.cipher == "xor":
        byte = byte ^ draws.keystream
    air = torch.zeros(draws.n_bytes, dtype=torch.int64, device=where).index_copy_(0, draws.place, byte)
    symbols = map_bytes(air, link)
    image = torch.zeros(draws.n_bytes // link.granule, dtype=torch.int64, device=where)
    image[draws.place // link.granule] = features.image
    n0 = (10 ** (-0.1 * link.snr_db.to(where)))[image.repeat_interleave(link.symbols_per_granule)]
    received = symbols + (0.5 * n0).sqrt()[:, None] * draws.noise
    soft = receive(received, n0, link)[draws.place]
    return soft * (1 - 2 * bits_of(draws.keystream, 8)) if link.cipher == "xor" else soft


class Likelihoods:
    """Logarithms of the likelihoods of the 256 feature bytes, relative to the likeliest received byte.

    soft: soft values of the bytes, after xor. key: (M,) int64, what was added to the bytes, or None.
    """

    def __init__(self, soft: torch.Tensor, key: torch.Tensor | None) -> None:
        self.soft, self.key = soft, key
        self.value = torch.arange(256, device=soft.device)
        self.bits = bits_of(self.value, 8).float()

    def __call__(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """Return those of some features, (rows, 256)."""
        soft = self.soft[rows]
        received = self.value.expand(len(soft), -1)  # each value of the feature byte gives this byte on the air
        if self.key is not None:
            received = received + self.key[rows][:, None] & 255
        if soft.shape[1] == 2:
            c, precision = soft[:, :1] / PAM256_STEP + 127.5, PAM256_STEP**2 / (2 * soft[:, 1:])
            nearest, value = c.round().clamp(0, 255), received.float()
            return -precision * ((value - nearest) * (value + nearest - 2 * c))
        llr = soft.nan_to_num(0.0).clamp(-LLR_LIMIT, LLR_LIMIT)
        decided = label_of((llr < 0).long())[:, None]
        return torch.gather(-llr.abs() @ self.bits.T, 1, received ^ decided)


def moments(logits: torch.Tensor, levels: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of features whose bytes have these log probabilities, (M, 256)."""
    value = (torch.arange(256, device=logits.device) - 128) / levels
    weight = torch.softmax(logits, 1)
    mean = weight @ value
    return mean, (weight * (value - mean[:, None]).square()).sum(1).sqrt()


def estimate(likelihoods: Likelihoods, features: Features, priors: Priors) -> tuple[torch.Tensor, torch.Tensor]:
    """Estimate each byte separately. Return posterior mean and standard deviation, (M,) each."""
    log_tables, n = priors.tables.log(), len(features.table)
    at_once = FEATURES_AT_ONCE.get(features.table.device.type, FEATURES_AT_ONCE_ELSE)
    parts = [
        moments(likelihoods(slice(i, i + at_once)) + log_tables[features.table[i : i + at_once]], priors.levels)
        for i in range(0, n, at_once)
    ]
    return torch.cat([mean for mean, _ in parts]), torch.cat([deviation for _, deviation in parts])


@functools.lru_cache(maxsize=None)
def prediction_tables(levels: float, where: torch.device) -> torch.Tensor:
    """Return the logarithms of the priors around a prediction: (WIDTHS, 256), centred at 128.

    They are half Gaussian, half Laplace: a prediction is sometimes far off.
    """
    width = levels * 2.0 ** ((torch.arange(WIDTHS, dtype=torch.float64) + WIDTH_LOWEST) / 4)
    v = (torch.arange(256, dtype=torch.float64) - 128).abs() / width[:, None]
    parts = [-0.5 * v * v, -math.sqrt(2) * v]
    logs = torch.stack([p - torch.logsumexp(p, 1, keepdim=True) - math.log(2) for p in parts])
    return torch.logsumexp(logs, 0).float().to(where)


def estimate_again(
    likelihoods: Likelihoods, rows: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, levels: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Estimate some features with a prediction as the prior of each.

    rows: (R,) features. mean, variance: (R,) of the prediction.
    Returns mean, deviation, and whether likelihood and prediction allow a value, (R,) each.
    """
    width = ((2 * torch.log2(variance)).round().long() - WIDTH_LOWEST).clamp(0, WIDTHS - 1)
    shift = (mean * levels).clamp(-127, 127).round().long()
    at = torch.arange(256, device=rows.device) - shift[:, None]  # byte values do not wrap around
    prior = torch.gather(prediction_tables(levels, rows.device)[width], 1, at.clamp(0, 255))
    logits = likelihoods(rows) + prior.masked_fill((at < 0) | (at > 255), -math.inf)
    evidence = torch.logsumexp(logits, 1)
    possible = evidence > EVIDENCE_MIN
    return *moments(logits.masked_fill(~possible[:, None], 0.0), levels), possible


def predict(
    covariance: torch.Tensor, observed: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predict each feature of a patch from the observations of the others (Rasmussen and Williams, eq. 5.12).

    covariance: (k, k). observed, noise: (patches, k), features plus independent noise, and its variance.
    Returns mean and variance (patches, k), and whether the covariance of a patch is positive definite, (patches, 1).
    """
    eye = torch.eye(len(covariance), device=observed.device)
    parts = []
    for i in range(0, len(observed), step := max(1, MATRIX_VALUES_AT_ONCE // covariance.numel())):
        o, v = observed[i : i + step], noise[i : i + step]
        factor, failed = torch.linalg.cholesky_ex(covariance + torch.diag_embed(v))
        inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)  # of the factor
        diagonal = inverse.square().sum(1)
        weighted = (inverse.transpose(1, 2) @ (inverse @ o[:, :, None]))[:, :, 0]
        parts.append((o - weighted / diagonal, 1 / diagonal - v, (failed == 0)[:, None]))
    mean, variance, definite = (torch.cat(p) for p in zip(*parts))
    return mean, variance, definite


class Refinement:
    """Re-weights each feature using a prediction from the rest of its patch (expectation propagation, Minka 2001)."""

    def __init__(self, features: Features, priors: Priors, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        self.priors, self.mean, self.deviation = priors, mean, deviation
        self.spans, at = [], 0  # step, features of a patch, first feature, features
        for step, k, patches in features.groups:
            self.spans.append((step, k, at, patches * k))
            at += patches * k
        self.prior_mean = torch.zeros_like(mean)
        self.prior_variance = torch.cat(
            [priors.covariance[step].diagonal().repeat(patches) for step, _, patches in features.groups]
        )

    def predictions(self, step: int, k: int, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return mean and variance (patches, k) of the features of a group, and whether they exist, (patches, 1)."""
        covariance, rounding = self.priors.covariance[step], self.rounding
        mean, deviation, prior_mean, prior = (
            t[first : first + count].reshape(-1, k)
            for t in (self.mean, self.deviation, self.prior_mean, self.prior_variance)
        )
        # The variance of the features of a patch, as a multiple of the covariance's.
        power = USUAL + (mean.square() + deviation.square()).sum(1, keepdim=True)
        size = power / (USUAL + covariance.diagonal().sum())
        # What each byte alone says: the estimate without its prior.
        known = torch.minimum(deviation.square() + rounding, prior * (NOISE_MAX / (1 + NOISE_MAX)))
        noise = known * prior / (prior - known) / size
        observed = (mean * prior - prior_mean * known) / (prior - known)
        predicted, variance, definite = predict(covariance, observed, noise)
        return predicted, (variance * size).clamp_min(rounding), definite

    @property
    def rounding(self) -> float:
        return 1 / (12 * self.priors.levels**2)  # variance of rounding to a byte

    def run(self, likelihoods: Likelihoods) -> None:
        """Estimate the uncertain features again: one round, and a second one for patches with many features."""
        for shortest in (1, AGAIN_FROM):
            spans = [span for span in self.spans if span[1] >= shortest]
            if not spans:
                return
            predictions = [self.predictions(*span) for span in spans]
            mean, variance = (torch.cat([p[i].reshape(-1) for p in predictions]) for i in (0, 1))
            definite = torch.cat([p[2].expand_as(p[0]).reshape(-1) for p in predictions])
            rows = torch.cat([torch.arange(at, at + n, device=mean.device) for _, _, at, n in spans])
            doubt = torch.nonzero(definite & (self.deviation[rows] * self.priors.levels > SURE))[:, 0]
            self._replace(likelihoods, rows[doubt], mean[doubt], variance[doubt])

    def _replace(self, likelihoods, rows, mean, variance):
        self.prior_mean[rows], self.prior_variance[rows] = mean, variance
        at_once = FEATURES_AT_ONCE.get(rows.device.type, FEATURES_AT_ONCE_ELSE)
        for i in range(0, len(rows), at_once):
            part = rows[i : i + at_once]
            new, deviation, possible = estimate_again(
                likelihoods, part, mean[i : i + at_once], variance[i : i + at_once], self.priors.levels
            )
            self.mean[part] = torch.where(possible, new, self.mean[part])
            self.deviation[part] = torch.where(possible, deviation, self.deviation[part])


def decide(soft: torch.Tensor, key: torch.Tensor | None, levels: float) -> torch.Tensor:
    """Decide each byte, as in the paper (SREC eq. 5). Return the features, (M,)."""
    if soft.shape[1] == 2:
        byte = (soft[:, 0] / PAM256_STEP + 127.5).clamp(0, 255).round().long()
    else:
        byte = label_of((soft < 0).long())
    return ((byte if key is None else byte - key & 255) - 128) / levels


@torch.no_grad()
def send(
    features: Features, priors: Priors, link: Link, seed: int, draws: Draws | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Send features over the link. Return mean and standard deviation of each, (M,), in units of the feature.

    seed: of keystream, order and noise, without draws.
    Raises ValueError if the priors are of another format than the modulation.
    """
    if priors.format != ("amplitude" if link.modulation == "pam256" else "bits"):
        raise ValueError(f"priors of format {priors.format} do not fit {link.modulation}")
    draws = draws or draw(features.image, link, seed)
    soft = over_the_air(features, link, draws)
    key = draws.keystream if link.cipher == "add" else None
    if link.hard:
        mean = decide(soft, key, priors.levels)
        return mean, torch.zeros_like(mean)
    likelihoods = Likelihoods(soft, key)
    mean, deviation = estimate(likelihoods, features, priors)
    if priors.covariance:
        refinement = Refinement(features, priors, mean, deviation)
        refinement.run(likelihoods)
        mean, deviation = refinement.mean, refinement.deviation
    return mean, deviation
