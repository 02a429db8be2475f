"""Statistics, against scipy and scikit-learn, and by simulation: error rates and power."""

import math

import numpy
import pytest
import scipy.stats  # type: ignore[import-untyped]
from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]

from pellucid.core.errors import InvalidInput
from pellucid.evals import statistics as stats


def normal(n: int, mean: float, seed: int) -> list[float]:
    values: list[float] = numpy.random.default_rng(seed).normal(mean, 1, n).tolist()
    return values


@pytest.mark.parametrize(("n", "seed"), [(20, 1), (60, 2), (300, 3)])
def test_bootstrap_equals_scipys_bca(n: int, seed: int) -> None:
    skewed = [value**2 for value in normal(n, 0.5, seed)]
    got = stats.bootstrap_interval(skewed)
    wanted = scipy.stats.bootstrap(
        (numpy.array(skewed),), numpy.mean, n_resamples=9_999, method="BCa", rng=5
    ).confidence_interval
    width = wanted.high - wanted.low
    assert got.low == pytest.approx(wanted.low, abs=0.05 * width)
    assert got.high == pytest.approx(wanted.high, abs=0.05 * width)


def test_bootstrap_of_equal_values_is_a_point() -> None:
    assert tuple(stats.bootstrap_interval([0.4] * 9)) == pytest.approx((0.4, 0.4))
    assert stats.mean_interval([1.0]) is None


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (7, 10), (50, 100), (100, 100)])
def test_wilson_equals_scipy(successes: int, n: int) -> None:
    wanted = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert stats.wilson_interval(successes, n) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("n", [1, 3, 5, 17, 1000])
def test_wilson_ends_where_proportions_end(n: int) -> None:
    assert stats.wilson_interval(0, n).low == 0
    assert stats.wilson_interval(n, n).high == 1


@pytest.mark.parametrize("seed", range(5))
def test_exact_permutation_equals_scipy(seed: int) -> None:
    differences = normal(10, 0.4, seed)
    wanted = scipy.stats.permutation_test(
        (numpy.array(differences),),
        lambda values: values.mean(),
        permutation_type="samples",
        n_resamples=numpy.inf,
    ).pvalue
    assert stats.permutation_test(differences) == pytest.approx(wanted)


def test_monte_carlo_permutation_is_near_the_t_test() -> None:
    differences = normal(80, 0.25, 9)
    wanted = scipy.stats.ttest_1samp(differences, 0).pvalue
    assert stats.permutation_test(differences) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 9), (10, 1), (40, 60), (600, 700)])
def test_mcnemar_equals_the_binomial_test(first: int, second: int) -> None:
    n = first + second
    wanted = scipy.stats.binomtest(first, n, 0.5).pvalue if n else 1.0
    assert stats.mcnemar_test(first, second) == pytest.approx(wanted)


def test_corrections() -> None:
    p_values = [0.01, 0.04, 0.03, 0.5]
    assert stats.holm(p_values) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    wanted = scipy.stats.false_discovery_control(p_values)
    assert stats.benjamini_hochberg(p_values) == pytest.approx(wanted.tolist())


def test_kappa_equals_scikit_learn() -> None:
    generator = numpy.random.default_rng(3)
    first = generator.integers(0, 3, 50).tolist()
    second = [a if generator.random() < 0.7 else (a + 1) % 3 for a in first]
    assert stats.cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    assert stats.cohen_kappa(["a"], ["a"]) is None
    assert stats.cohen_kappa([], []) is None


def test_pass_at_k_by_hand() -> None:
    # 3 of 5 passed: at 1 the rate; at 2 one less the chance of two failures, 2/5 · 1/4
    assert stats.pass_at_k([(5, 3)], 1) == pytest.approx(0.6)
    assert stats.pass_at_k([(5, 3)], 2) == pytest.approx(1 - 2 / 5 * 1 / 4)
    assert stats.pass_at_k([(5, 3), (5, 0)], 5) == 0.5
    with pytest.raises(InvalidInput, match="needs 6 repeats"):
        stats.pass_at_k([(5, 3)], 6)


def test_effect_size_is_the_mean_in_deviations() -> None:
    differences = normal(50, 0.5, 1)
    wanted = numpy.mean(differences) / numpy.std(differences, ddof=1)
    assert stats.paired_effect_size(differences) == pytest.approx(wanted)
    assert stats.paired_effect_size([0.1, 0.1]) is None


def test_sample_size_is_that_of_the_t_test() -> None:
    # Known: d = 0.5 needs 34 pairs for 80 % power at 5 %, d = 0.2 needs 199 (G*Power).
    assert stats.needed_sample_size(0.5, 1) == 34
    assert stats.needed_sample_size(0.2, 1) == 199
    assert stats.needed_sample_size(0, 1) is None


@pytest.mark.parametrize("test", ["permutation", "mcnemar"])
def test_false_positives_stay_below_five_percent(test: str) -> None:
    generator = numpy.random.default_rng(7)
    rounds, alarms = 600, 0
    for _ in range(rounds):
        if test == "permutation":
            differences = (generator.exponential(1, 30) - generator.exponential(1, 30)).tolist()
            p_value = stats.permutation_test(differences, resamples=999)
        else:
            ups = int(generator.binomial(20, 0.5))
            p_value = stats.mcnemar_test(ups, 20 - ups)
        alarms += p_value <= 0.05
    # 5 % and three standard errors of 600 rounds
    assert alarms / rounds <= 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5


def test_power_is_as_planned() -> None:
    n = stats.needed_sample_size(0.5, 1)
    assert n is not None
    generator = numpy.random.default_rng(8)
    rounds = 500
    found = sum(
        stats.permutation_test(generator.normal(0.5, 1, n).tolist(), resamples=999) <= 0.05
        for _ in range(rounds)
    )
    assert found / rounds == pytest.approx(0.8, abs=0.06)


def test_intervals_cover_what_they_promise() -> None:
    generator = numpy.random.default_rng(9)
    rounds, covered = 400, 0
    for _ in range(rounds):
        low, high = stats.bootstrap_interval(generator.normal(1, 1, 50).tolist(), resamples=999)
        covered += low <= 1 <= high
    assert covered / rounds == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize(("gained", "lost"), [(0.3, 0.15), (0.2, 0.1), (0.1, 0.02), (0.4, 0.3)])
def test_yes_or_no_answers_are_found_with_the_power_that_was_planned(
    gained: float, lost: float
) -> None:
    difference = gained - lost
    deviation = math.sqrt(gained + lost - difference**2)
    n = stats.needed_sample_size(difference, deviation, binary=True)
    assert n is not None
    # The exact power: over the numbers of pairs that differ, and of those that were gained.
    power = 0.0
    for differing in range(n + 1):
        weight = scipy.stats.binom.pmf(differing, n, gained + lost)
        if weight > 1e-7:
            ups = range(differing // 2 + 1, differing + 1)
            found = [up for up in ups if stats.mcnemar_test(up, differing - up) <= 0.05]
            chances = scipy.stats.binom.pmf(found, differing, gained / (gained + lost))
            power += weight * float(chances.sum())
    assert 0.795 <= power <= 0.86


def test_mcnemar_takes_the_integers_of_numpy() -> None:
    few, many = numpy.array([30, 60])
    assert stats.mcnemar_test(few, many) == stats.mcnemar_test(30, 60) > 0


@pytest.mark.parametrize("count", [65, 72, 1001])
def test_signs_drawn_by_the_byte_are_signs_drawn_one_by_one(count: int) -> None:
    data = numpy.random.default_rng(count).normal(0.1, 1, count)
    drawn = numpy.random.default_rng(stats.SEED).bytes(199 * ((count + 7) // 8))
    rows = numpy.frombuffer(drawn, dtype=numpy.uint8).reshape(199, -1)
    signs = 1 - 2.0 * numpy.unpackbits(rows, axis=1, count=count)
    wanted = (1 + (abs(signs @ data) >= abs(data.sum())).sum()) / 200
    assert stats.permutation_test(data.tolist(), resamples=199) == pytest.approx(wanted)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 40, 199, 1000, 20_000])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.96, 4.5])
def test_student_tails_equal_scipys(t: float, freedom: int) -> None:
    wanted = 2 * scipy.stats.t.sf(abs(t), freedom)
    off = 1e-4 if freedom > 10_000 else 1e-12  # of many degrees the normal distribution's
    assert stats.student_tails(t, freedom) == pytest.approx(wanted, rel=1e-9, abs=off)


@pytest.mark.parametrize("seed", range(4))
def test_skewness_equals_scipys(seed: int) -> None:
    values = [value**2 for value in normal(30, 0.3, seed)]
    assert stats.skewness(values) == pytest.approx(scipy.stats.skew(values))
    assert stats.skewness([0.1] * 9) == stats.skewness([]) == 0


def test_the_test_for_skewed_differences_is_students_where_there_is_no_skew() -> None:
    one_side = normal(30, 0, 4)
    differences = [0.4 + value for value in one_side] + [0.4 - value for value in one_side]
    wanted = scipy.stats.ttest_1samp(differences, 0).pvalue
    assert stats.skewed_test(differences) == pytest.approx(wanted)
    assert stats.paired_test(differences) == stats.permutation_test(differences)


def test_the_test_for_skewed_differences_by_hand() -> None:
    differences = [1.0] * 9 + [11.0]  # mean 2, deviation √10, skewness 8/3
    size = 2 / math.sqrt(10)
    bent = size + 8 / 9 * size**2 + (8 / 3) ** 2 / 27 * size**3 + 8 / 3 / 60
    wanted = 2 * scipy.stats.t.sf(math.sqrt(10) * bent, 9)
    assert stats.skewed_test(differences) == pytest.approx(wanted)
    assert stats.skewed_test([0.5] * 9) == 0
    assert stats.skewed_test([0.0] * 9) == stats.skewed_test([]) == stats.skewed_test([3.0]) == 1


@pytest.mark.parametrize(("shape", "most"), [("exponential", 0.06), ("lognormal", 0.08)])
def test_rare_large_gains_are_not_taken_for_progress(shape: str, most: float) -> None:
    generator = numpy.random.default_rng(12)
    rounds, flips, alarms = 1000, 0, 0
    for _ in range(rounds):
        if shape == "exponential":
            differences = (generator.exponential(1, 40) - 1).tolist()
        else:
            differences = (generator.lognormal(0, 1, 40) - math.exp(0.5)).tolist()
        flips += stats.permutation_test(differences, resamples=499) <= 0.05
        alarms += stats.paired_test(differences, resamples=499) <= 0.05
    assert alarms / rounds <= most
    assert alarms < 0.75 * flips


def test_the_power_for_what_is_not_skewed_stays_as_planned() -> None:
    generator = numpy.random.default_rng(13)
    n, rounds = 34, 500
    found = sum(
        stats.paired_test(generator.normal(0.5, 1, n).tolist(), resamples=999) <= 0.05
        for _ in range(rounds)
    )
    assert found / rounds == pytest.approx(0.8, abs=0.06)
