"""Whether shares differ by more than chance."""

import pytest

from gateway.console.shares import chi_square_above, shares


@pytest.mark.parametrize(
    ("statistic", "degrees"),
    [(6.635, 1), (9.210, 2), (11.345, 3), (13.277, 4), (15.086, 5), (23.209, 10), (36.191, 19)],
)
def test_it_is_the_table_of_chi_square_at_one_per_cent(statistic: float, degrees: int) -> None:
    assert chi_square_above(statistic, degrees) == pytest.approx(0.01, rel=1e-3)


def test_equal_shares_are_within_chance_and_unequal_ones_are_not() -> None:
    assert not shares([100, 105, 95]).is_more_than_chance
    assert shares([100, 100, 100]).p == 1
    assert shares([200, 100, 100]).is_more_than_chance


@pytest.mark.parametrize("counts", [[], [1_000], [4, 4, 5]])
def test_of_one_provider_or_too_few_referrals_nothing_is_said(counts: list[int]) -> None:
    assert shares(counts).p is None
