"""Whether the random programmes reach everything that the rulebook knows."""

import pytest

from tests.oracle.coverage import EXPECTED, measure


@pytest.mark.slow
def test_the_random_programmes_reach_everything_that_the_rulebook_knows() -> None:
    """Each refusal of each record, advisory, instruction, breach, notice and event, and each row's cases."""
    seen, _, _ = measure(1_500)
    assert [name for name in EXPECTED if not seen[name]] == []
