"""A kind of message, or of event, that lacks something is named, with what it lacks."""

from typing import Any, get_args

import pytest

from gateway.intake.uploads.template import example_row
from gateway.rules import messages
from gateway.rules.case import Applied, Row
from gateway.rules.deadlines import DEADLINES, RAISED_BY
from gateway.rules.decide import ROWS, by_record
from gateway.rules.events import BreachKind, InstructionKind, in_words
from gateway.rules.messages import INBOUND, RECORD_NAMED, SENDERS, InboundRecord, ProviderRecord
from tests.rules.kinds import lacking
from tests.schemas.examples import EXAMPLES


class SessionMoved(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The session takes place elsewhere. The product does not know it."""

    session_id: str
    location: str


MOVED: Any = SessionMoved


def do_nothing(case: Any) -> None:
    """What a row does that does nothing."""


@pytest.mark.parametrize("name", RECORD_NAMED)
def test_every_kind_of_message_is_complete(name: str) -> None:
    assert lacking(name) == []


def test_a_kind_that_lacks_everything_is_told_each_place() -> None:
    assert lacking("SessionMoved") == [
        "SessionMoved has no schema; add schemas/SessionMoved.avsc",
        "SessionMoved is on no topic's list; add its class to a union in gateway/rules/messages.py",
        "SessionMoved has no example in tests/schemas/examples.py; add one with every field filled in",
        "SessionMoved has no fingerprint in PUBLISHED of tests/schemas/test_schemas.py; add it",
        "SessionMoved has no citations in tests/rules/test_citations.py; add what each of its checks cites",
        "SessionMoved is not in RECORDS of tests/oracle/coverage.py; add it",
        "SessionMoved is unknown to tests/oracle/rulebook.py; add it, from the rulebook alone",
        "SessionMoved is unknown to tests/oracle/programmes.py; add it, from the rulebook alone",
        "SessionMoved is not in the table of docs/topics.md; add it to its topic",
        "SessionMoved is not in the table of docs/uploads.md; add what it needs and may have",
    ]


def test_every_class_of_a_message_is_on_a_topics_list() -> None:
    classes = {
        each for each in vars(messages).values() if isinstance(each, type) and issubclass(each, InboundRecord)
    }
    assert classes - {InboundRecord, ProviderRecord} == set(RECORD_NAMED.values())


def test_every_topic_has_a_sender() -> None:
    assert set(SENDERS) == set(INBOUND), "name in SENDERS (gateway/rules/messages.py) who sends what comes in"


def test_a_kind_without_a_row_is_named_when_the_rules_are_loaded() -> None:
    with pytest.raises(LookupError, match=r"^SessionMoved: no row; write one"):
        by_record(ROWS.values(), [*RECORD_NAMED.values(), SessionMoved])


def test_a_row_without_words_can_not_be_made() -> None:
    with pytest.raises(ValueError, match=r"^the row P14 of SessionMoved has no words; give it `says`$"):
        Row("P14", MOVED, (), do_nothing, "the location is new", says="")


def test_a_row_that_does_not_say_what_it_does_can_not_be_made() -> None:
    with pytest.raises(ValueError, match=r"^the row P14 of SessionMoved does not say what it does"):
        Row("P14", MOVED, (), do_nothing, says="moves a session")
    twice = (Applied("P14", "always", "the location is new", None),)
    with pytest.raises(ValueError, match=r"^the row P14 of SessionMoved does not say what it does"):
        Row("P14", MOVED, (), do_nothing, "the location is new", says="moves a session", cases=twice)


@pytest.mark.parametrize("record", ROWS, ids=lambda record: record.__name__)
def test_every_message_is_said_in_words_without_free_text(record: type) -> None:
    words = ROWS[record].words(EXAMPLES[record.__name__])
    assert words
    assert not any(text in words for text in ("Bus", "Flood", "Unwell", "Not ours", "Was late", "Library"))


def test_a_provider_record_whose_schema_has_no_example_is_named_when_uploads_are_loaded() -> None:
    with pytest.raises(LookupError, match=r"^SessionMoved: no example; give schemas/SessionMoved\.avsc"):
        example_row("SessionMoved", {"fields": []})


def test_a_kind_of_event_without_words_is_named_when_the_rules_are_loaded() -> None:
    words = dict.fromkeys(get_args(InstructionKind), "do it")
    assert in_words(InstructionKind, words) == words
    with pytest.raises(LookupError, match=r"^OFFER_ONE_TO_ONE, REFERRAL_UPDATED: no words"):
        in_words(InstructionKind, words | {"REFERRAL_UPDATED": ""} | {"OFFER_ONE_TO_ONE": ""})


def test_every_breach_is_raised_by_a_deadline_which_says_so_in_words() -> None:
    assert set(RAISED_BY) == set(get_args(BreachKind)) - {"OTHER"}
    for breach, row in RAISED_BY.items():
        assert f"Breach {breach} RAISED" in row.then
        assert row.over
        assert row.cleared_by


def test_deadlines_have_places_of_their_own_in_the_order_of_the_rows() -> None:
    places = [row.place for row in DEADLINES]
    assert places == sorted(set(places))
    assert [row.row for row in DEADLINES] == ["F2", "T1", "T2", "T3", "T4", "T6", "T5"]
