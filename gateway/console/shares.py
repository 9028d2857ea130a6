"""Whether referrals are shared equally among the providers of an area, or differ by more than chance.

Pearson's chi-square test of equal shares. Its approximation needs 5 expected referrals a provider
(Cochran, 1954); with fewer nothing is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, pi, sqrt
from typing import Final

#: A difference that chance makes less often than this is more than chance.
SELDOM: Final = 0.01
_LEAST_EXPECTED: Final = 5.0


@dataclass(frozen=True, slots=True)
class Shares:
    """How far the counts of an area are from equal. p: how often chance makes such a difference or a larger
    one; None: there are too few referrals, or only one provider.
    """

    expected: float
    p: float | None

    @property
    def is_more_than_chance(self) -> bool:
        """Whether chance seldom makes such a difference."""
        return self.p is not None and self.p < SELDOM


def shares(counts: Sequence[int]) -> Shares:
    """Compare counts, one a provider, with equal shares of their sum."""
    expected = sum(counts) / len(counts) if counts else 0.0
    if len(counts) < 2 or expected < _LEAST_EXPECTED:
        return Shares(expected, None)
    statistic = sum((count - expected) ** 2 / expected for count in counts)
    return Shares(expected, chi_square_above(statistic, len(counts) - 1))


def chi_square_above(statistic: float, degrees: int) -> float:
    """How often chance gives this value of chi-square or a larger one (Abramowitz and Stegun, 26.4.4-5)."""
    half = statistic / 2
    if degrees % 2 == 0:
        term = total = exp(-half)
        for number in range(1, degrees // 2):
            term *= half / number
            total += term
        return min(total, 1.0)
    total = erfc(sqrt(half))
    term = 2 * exp(-half) * sqrt(half / pi)
    for number in range(3, degrees + 1, 2):
        total += term
        term *= statistic / number
    return min(total, 1.0)
