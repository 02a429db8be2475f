"""Telling luck from progress: intervals, tests, corrections, effect and sample sizes.

Everything random takes a seed, so that a report says the same each time it is read. The
bootstrap and the Monte Carlo test need numpy (`pellucid[evals]`; the server has it).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from pellucid.core.errors import InvalidInput, MissingExtra

SEED = 20_251
RESAMPLES = 9_999
FEWEST_RESAMPLES = 1_999
MOST_DRAWS = 2_500_000
"""Values that one bootstrap draws at most: from 250 values on it takes fewer resamples."""
FEW_VALUES = 64
"""Up to so many different values, resamples are drawn as counts of each."""
EXACT_PAIRS = 16
"""Up to this many differing pairs all sign flips are tried rather than a random sample."""
CLEARLY_SKEWED = 2.0
"""Standard errors of the skewness of normal values from which on differences count as skewed."""
_NORMAL = NormalDist()


class Interval(NamedTuple):
    """A confidence interval's ends."""

    low: float
    high: float


def mean_interval(
    values: Sequence[float], *, confidence: float = 0.95, binary: bool = False
) -> Interval | None:
    """Return the confidence interval of the mean; None where there are too few values.

    Wilson's for yes-or-no values, else `bootstrap_interval`, which needs two.
    """
    if binary and values:
        return wilson_interval(sum(value > 0 for value in values), len(values), confidence)
    if len(values) < 2:
        return None
    return bootstrap_interval(values, confidence=confidence)


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of a proportion (Wilson, 1927)."""
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At either end the formula gives it, but for rounding.
    low = max(0.0, centre - half) if successes else 0.0
    return Interval(low, min(1.0, centre + half) if successes < n else 1.0)


def bootstrap_interval(
    values: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int | None = None,
    seed: int = SEED,
) -> Interval:
    """Return the bias-corrected, accelerated bootstrap interval of the mean (Efron, 1987).

    `resamples` are `RESAMPLES`, of many values fewer: their ends are then off by less than 2 % of
    the interval's width.
    """
    numpy = _numpy()
    if resamples is None:
        resamples = min(RESAMPLES, max(FEWEST_RESAMPLES, MOST_DRAWS // max(len(values), 1)))
    data = numpy.asarray(values, dtype=float)
    mean = float(data.mean())
    if float(data.max() - data.min()) <= 1e-12 * float(numpy.abs(data).max()):
        return Interval(mean, mean)  # equal, but for rounding
    means = _resampled_means(numpy, data, resamples, seed)
    below = (means < mean).mean() + (means == mean).mean() / 2
    bias = _NORMAL.inv_cdf(min(max(float(below), 1e-9), 1 - 1e-9))
    left_out = (data.sum() - data) / (len(data) - 1)
    spread = left_out.mean() - left_out
    acceleration = float((spread**3).sum() / (6 * (spread**2).sum() ** 1.5))
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + _NORMAL.inv_cdf(tail)
        ends.append(_NORMAL.cdf(bias + z / (1 - acceleration * z)))
    low, high = numpy.quantile(means, ends).tolist()
    return Interval(low, high)


def _resampled_means(numpy: Any, data: Any, resamples: int, seed: int) -> Any:
    generator = numpy.random.default_rng(seed)
    different, counts = numpy.unique(data, return_counts=True)
    if len(different) <= FEW_VALUES:
        drawn = generator.multinomial(len(data), counts / len(data), size=resamples)
        return drawn @ different / len(data)
    means = numpy.empty(resamples)
    step = max(1, 2_000_000 // len(data))  # keeps the index matrix at 16 MB
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        picks = generator.integers(0, len(data), size=(count, len(data)), dtype=numpy.int32)
        means[start : start + count] = data[picks].mean(axis=1)
    return means


def paired_test(differences: Sequence[float], *, resamples: int = RESAMPLES) -> float:
    """Return the two-sided p-value of "the mean of paired differences is 0".

    That of `permutation_test`, which is exact where gains and losses differ in sign alone. It
    takes luck for progress too often where some rare gains outweigh many small losses, or the
    reverse. So, where the differences are clearly skewed, `skewed_test` must agree: the greater
    p-value counts.
    """
    p_value = permutation_test(differences, resamples=resamples)
    if abs(skewness(differences)) > CLEARLY_SKEWED * _skewness_error(len(differences)):
        return max(p_value, skewed_test(differences))
    return p_value


def skewed_test(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of "the mean is 0" from Hall's (1992) transformed t-statistic.

    It allows for skewness, and is Student's t-test where there is none.
    """
    n = len(differences)
    deviation = standard_deviation(differences)
    if not deviation:
        return 1.0 if n < 2 or not any(differences) else 0.0
    size = math.fsum(differences) / n / deviation
    skew = skewness(differences)
    bent = size + skew * size**2 / 3 + skew**2 * size**3 / 27 + skew / (6 * n)
    return student_tails(math.sqrt(n) * bent, n - 1)


def skewness(values: Sequence[float]) -> float:
    """Return the third central moment in standard deviations, both over n; 0 of equal values."""
    n = len(values)
    mean = math.fsum(values) / n if n else 0.0
    spread = [value - mean for value in values]
    variance = math.fsum(one**2 for one in spread) / n if n else 0.0
    if variance <= 1e-24 * mean**2:
        return 0.0
    return math.fsum(one**3 for one in spread) / n / (variance * math.sqrt(variance))


def _skewness_error(n: int) -> float:
    """Return the standard error of the skewness of `n` normal values."""
    return math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))) if n > 2 else math.inf


def student_tails(t: float, freedom: int) -> float:
    """Return the chance that Student's t is as far from 0 as `t` or farther, on either side.

    The finite series for whole degrees of freedom (Abramowitz & Stegun, 26.7.3 and 26.7.4); the
    normal distribution beyond 10,000 degrees.
    """
    if freedom > 10_000:
        return 2 * _NORMAL.cdf(-abs(t))
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = freedom % 2
    term, total = (cosine, 0.0) if is_odd else (1.0, 0.0)
    for step in range(is_odd, freedom - 1, 2):
        total += term
        term *= (step + 1) / (step + 2) * cosine**2
    inside = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return max(0.0, 1 - inside)


def permutation_test(
    differences: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED
) -> float:
    """Return the two-sided p-value of "the mean of paired differences is 0", by sign flips.

    Exact up to `EXACT_PAIRS` differences that are not 0; else a Monte Carlo estimate that counts
    the observed one too (Phipson & Smyth, 2010), so that it is never 0.
    """
    moving = [difference for difference in differences if difference != 0]
    if not moving:
        return 1.0
    numpy = _numpy()
    data = numpy.asarray(moving, dtype=float)
    observed = abs(float(data.sum()))
    limit = observed - 1e-9 * float(numpy.abs(data).sum())
    if len(moving) <= EXACT_PAIRS:
        bits = numpy.arange(2 ** len(moving))[:, None] >> numpy.arange(len(moving)) & 1
        share: float = (numpy.abs((1 - 2 * bits) @ data) >= limit).mean().item()
        return share
    generator = numpy.random.default_rng(seed)
    extreme = 0
    for sums in _flipped_sums(numpy, data, resamples, generator):
        extreme += int((numpy.abs(sums) >= limit).sum())
    return (extreme + 1) / (resamples + 1)


def _flipped_sums(numpy: Any, data: Any, resamples: int, generator: Any) -> Iterator[Any]:
    """Yield the sums of `resamples` random sign flips, in parts that fit into memory."""
    different, counts = numpy.unique(data, return_counts=True)
    total = float(data.sum())
    if len(different) <= FEW_VALUES:
        flipped = generator.binomial(counts, 0.5, size=(resamples, len(counts)))
        yield total - 2 * (flipped @ different)
        return
    step = max(1, 1_000_000 // len(data))
    width = (len(data) + 7) // 8
    # Eight signs are drawn as one byte, whose share of the sum is looked up.
    eights = numpy.zeros(8 * width)
    eights[: len(data)] = data
    shares = numpy.unpackbits(numpy.arange(256, dtype=numpy.uint8)[:, None], axis=1).astype(float)
    table = (shares @ eights.reshape(width, 8).T).T.ravel()
    places = 256 * numpy.arange(width, dtype=numpy.int32)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = numpy.frombuffer(generator.bytes(count * width), dtype=numpy.uint8)
        yield total - 2 * table[drawn.reshape(count, width) + places].sum(axis=1)


def mcnemar_test(only_first: int, only_second: int) -> float:
    """Return McNemar's exact two-sided p-value from the pairs in which just one succeeded."""
    only_first, only_second = int(only_first), int(only_second)  # numpy's would overflow
    n = only_first + only_second
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, i) for i in range(min(only_first, only_second) + 1)) / (1 << n)
    return min(1.0, 2 * tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several, in the given order (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted to bound the false discovery rate (Benjamini & Hochberg, 1995)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    adjusted = [0.0] * len(p_values)
    lowest = 1.0
    for place, i in enumerate(order):
        lowest = min(lowest, p_values[i] * len(p_values) / (len(p_values) - place))
        adjusted[i] = lowest
    return adjusted


CORRECTIONS: dict[str, Callable[[Sequence[float]], list[float]]] = {
    "holm": holm,
    "bh": benjamini_hochberg,
    "none": list,
}


def paired_effect_size(differences: Sequence[float]) -> float | None:
    """Return Cohen's d of paired differences: their mean in standard deviations.

    None below two pairs, and where all differences are equal.
    """
    deviation = standard_deviation(differences)
    if not deviation:
        return None
    return math.fsum(differences) / len(differences) / deviation


def needed_sample_size(
    difference: float,
    deviation: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    binary: bool = False,
) -> int | None:
    """Return how many pairs it takes to find a mean difference, two-sided; None if it is 0.

    `deviation` is the standard deviation of the paired differences. The normal approximation
    plus Guenther's (1981) term for the t-test; of yes-or-no answers with a correction for
    continuity (as of Fleiss et al., 1980), because McNemar's exact test asks for more pairs.
    """
    if difference == 0:
        return None
    quantile = _NORMAL.inv_cdf(1 - alpha / 2)
    wanted = quantile + _NORMAL.inv_cdf(power)
    n = (wanted * deviation / difference) ** 2 + quantile**2 / 2
    if binary:
        n *= (1 + math.sqrt(1 + 4 / (n * abs(difference)))) ** 2 / 4
    return max(2, math.ceil(n))


def standard_deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None below two values."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def shown_p(p_value: float) -> str:
    """Return a p-value as a reader wants it: never 0."""
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def pass_at_k(groups: Sequence[tuple[int, int]], k: int) -> float:
    """Return pass@k, unbiased (Chen et al., 2021), from (repeats, passes) of each example.

    Raises InvalidInput if an example has fewer than `k` repeats.
    """
    if not groups:
        return 0.0
    fewest = min(n for n, _ in groups)
    if not 1 <= k <= fewest:
        raise InvalidInput(f"pass@{k} needs {k} repeats of each example; there are {fewest}.")
    chances = [1 - math.comb(n - c, k) / math.comb(n, k) for n, c in groups]
    return sum(chances) / len(chances)


def cohen_kappa(first: Sequence[Any], second: Sequence[Any]) -> float | None:
    """Return Cohen's κ of two raters' labels; None where both always give one same label."""
    n = len(first)
    if n == 0:
        return None
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    labels = set(first) | set(second)
    chance = sum(
        sum(a == label for a in first) * sum(b == label for b in second) for label in labels
    ) / (n * n)
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise MissingExtra("Telling progress from luck", "evals") from None
    return numpy
