"""What a message may hold: the ranges of its numbers, and personal data that does not show."""

from typing import Any

import pytest
from msgspec import ValidationError, convert

from gateway.rules.messages import Day, Instant, Int32, Mandation, Participant
from tests.rules.journey import PERSON, day, instant


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        (Int32, -(2**31), 2**31 - 1),
        (Instant, instant("0001-01-01T00:00:00Z"), instant("9999-12-31T23:59:59.999Z")),
        (Day, day("0001-01-01"), day("9999-12-31")),
    ],
)
def test_a_number_is_in_its_range(kind: Any, least: int, most: int) -> None:
    """Avro's int; instants and dates of the years 1 to 9999."""
    assert convert(least, kind) == least
    assert convert(most, kind) == most
    for beyond in (least - 1, most + 1):
        with pytest.raises(ValidationError):
            convert(beyond, kind)


def test_a_participant_does_not_show() -> None:
    """In no traceback and no log line."""
    assert repr(PERSON) == str(PERSON) == "Participant(withheld)"


def test_what_is_not_said_of_a_participant_is_not_known() -> None:
    """Every field may be withheld; an outcome that nobody calls tangible is not."""
    assert convert({}, Participant) == Participant()
    assert not Participant().interpreter_needed
    assert not Mandation(basis="UC_WORKPLAN", recorded_on=0).tangible_outcome
