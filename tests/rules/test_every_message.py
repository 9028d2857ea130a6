"""What every message shares: G1 to G4, the release, outcomes and ids (rulebook: Every message)."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.decide import decide, fall_due
from gateway.rules.events import Outcome, PrapAction
from gateway.rules.messages import Mandation, Participant
from gateway.rules.policy import shipped
from tests.rules.journey import (
    CLOSED,
    DAY,
    MINUTE,
    Came,
    Journey,
    accepted,
    attached,
    booked,
    cancelled,
    day,
    instant,
    referred,
    rejected,
    word,
)

FIRST = ["prap ACKNOWLEDGE", "instruction ACCEPT_REFERRAL", "APPLIED"]
MINUTES_5 = 5 * MINUTE


def ids(came: Came) -> list[str]:
    """Whose outcomes they are."""
    return [event.message_id for event in came if isinstance(event, Outcome)]


# G1.


def test_a_message_id_counts_once_whatever_its_type_or_content() -> None:
    """G1."""
    journey = referred()
    journey.accept(message_id="same")
    assert journey.accept(message_id="same").words == ["DUPLICATE"]
    assert journey.appeal(True, message_id="same").words == ["DUPLICATE"]
    assert journey.refer(message_id="same").words == ["DUPLICATE"]
    assert journey.refer(message_id="m1").words == ["DUPLICATE"]


def test_a_message_id_counts_once_whatever_came_of_it() -> None:
    """G1: refused or a duplicate before, it is a duplicate now."""
    journey = referred()
    assert journey.book(message_id="early").words == ["REFUSED REFERRAL_NOT_ACCEPTED"]
    journey.accept()
    assert journey.book(message_id="early").words == ["DUPLICATE"]
    assert journey.refer(po_revision=1, message_id="known").words == ["DUPLICATE"]
    assert journey.refer(po_revision=2, message_id="known").words == ["DUPLICATE"]
    assert journey.accept(provider_id="PRV02", message_id="other").words == ["REFUSED NOT_YOUR_REFERRAL"]
    assert journey.wp11(message_id="other").words == ["DUPLICATE"]


def test_ids_are_known_per_referral() -> None:
    """G1: on this referral."""
    first, second = referred(po_number="PO1"), referred(po_number="PO2")
    first.accept(message_id="same")
    assert second.accept(message_id="same").words == ["prap ACCEPT", "APPLIED"]


def test_a_duplicate_comes_before_all_else() -> None:
    """G1 before G3 and G4."""
    journey = referred()
    journey.accept(message_id="same")
    came = journey.accept(message_id="same", provider_id="PRV02", accepted_at="2020-01-01 00:00")
    assert came.words == ["DUPLICATE"]


# G2 and the release.


def test_a_record_before_its_referral_is_held() -> None:
    """G2; a second delivery of what is held is a duplicate, of whatever type."""
    journey = Journey()
    assert journey.accept(message_id="early").words == ["HELD"]
    assert journey.accept(message_id="early").words == ["DUPLICATE"]
    assert journey.wp11(message_id="early").words == ["DUPLICATE"]
    assert journey.refer(message_id="early").words == ["DUPLICATE"]
    assert journey.refer(message_id="first").words == [*FIRST, "prap ACCEPT", "APPLIED"]


def test_what_is_held_waits_through_day_28() -> None:
    """G2: refused like a deadline, at 00:00 London of day 29 after the date of `at`."""
    journey = Journey()
    journey.accept("2016-03-14 23:59:59.999")
    journey.wp11("2016-03-15 00:00")
    assert journey.tick(instant("2016-04-12 00:00") - 1).words == []
    came = journey.tick("2016-04-12 00:00")
    assert came.words == ["REFUSED UNKNOWN_REFERRAL"]
    assert ids(came) == ["m1"]
    assert came.outcome.decided_at == instant("2016-04-12 00:00")
    assert ids(journey.tick("2016-04-13 00:00")) == ["m2"]


def test_a_referral_at_the_instant_of_expiry_is_too_late_and_a_millisecond_before_it_is_not() -> None:
    """G2: like a deadline."""
    early, late = Journey(), Journey()
    for journey in (early, late):
        journey.accept("2016-03-14 10:00")
    at = instant("2016-04-12 00:00")
    assert early.refer(at - 1, referred_on="2016-04-11").words[3:] == ["prap ACCEPT", "APPLIED"]
    assert late.refer(at, referred_on="2016-04-11").words == FIRST


def test_what_expires_at_one_instant_is_refused_in_order_of_arrival() -> None:
    """Deadlines: G2 in order of arrival."""
    journey = Journey()
    for name in ("z", "a", "m"):
        journey.accept(message_id=name)
    assert ids(journey.tick("2016-05-01 00:00")) == ["z", "a", "m"]


def test_after_unknown_referral_the_id_is_forgotten() -> None:
    """G2."""
    journey = Journey()
    journey.accept("2016-03-14 10:00", message_id="early")
    journey.tick("2016-04-12 00:00")
    assert journey.accept(message_id="early").words == ["HELD"]
    assert journey.refer(referred_on="2016-04-11").words == [*FIRST, "prap ACCEPT", "APPLIED"]


def test_nothing_is_kept_when_all_that_was_held_has_been_refused() -> None:
    """G2: but for that instant."""
    journey = Journey()
    journey.accept("2016-03-14 10:00")
    journey.tick(instant("2016-04-12 00:00") + 1)
    assert journey.order is None


def test_a_first_referral_that_was_refused_is_judged_anew() -> None:
    """G2: without a referral only what is held is remembered; what is held stays held."""
    journey = Journey()
    journey.accept()
    bad = journey.refer(message_id="again", claimant_group=None)
    assert bad.words == ["REFUSED CLAIMANT_GROUP_MISSING"]
    assert journey.refer(message_id="again").words == [*FIRST, "prap ACCEPT", "APPLIED"]


def test_a_late_referral_is_decided_as_if_it_had_been_on_time() -> None:
    """Release: in order of arrival, each judged by its own `at`, with what was due by then before it."""
    journey = Journey()
    journey.accept("2016-03-14 11:00")
    journey.book("S1", "2016-03-14 12:00", starts="2016-03-21 10:00")
    journey.wp11("2016-04-04 23:59:59.999", interview_on="2016-04-04")
    came = journey.refer("2016-04-11 10:00")
    assert came.words == [
        *FIRST,
        *["prap ACCEPT", "APPLIED"],
        *["session BOOKED", "APPLIED"],
        "breach SESSION_LATE RAISED",
        *["instruction UNDERTAKE_ATTACHMENT", "APPLIED WP11_WITHOUT_ATTENDANCE"],
    ]
    assert {event.decided_at for event in came} == {instant("2016-04-11 10:00")}
    assert ids(came) == ["m4", "m1", "m2", "m3"]


def test_a_message_held_at_the_deadlines_instant_was_too_late() -> None:
    """Release: what was due by that `at` falls due before it; decided at the referral's `at`."""
    journey = Journey()
    journey.wp11("2016-04-05 00:00", interview_on="2016-04-04")
    came = journey.refer("2016-04-06 10:00")
    assert came.words == [
        *FIRST,
        "breach SESSION_LATE RAISED",
        *["cancellation", "prap CANCEL", "instruction REFERRAL_CANCELLED"],
        *["notice NEW_REFERRAL_NEEDED", "REFUSED REFERRAL_CANCELLED"],
    ]
    assert journey.state.closed_at == instant("2016-04-05 00:00")


def test_then_whatever_else_is_due_by_the_referrals_arrival() -> None:
    """Release: exactly at its arrival included."""
    for at, words in ((-1, []), (0, ["breach SESSION_LATE RAISED"])):
        assert Journey().refer(instant("2016-03-30 00:00") + at).words == [*FIRST, *words]


def test_what_is_held_is_judged_by_its_own_arrival() -> None:
    """Release: P4, P8, P9 look at `at`: all was before the start, though the referral came after it."""
    journey = Journey(mandatory=True)
    journey.accept("2016-03-14 10:30")
    journey.book("S1", starts="2016-03-15 10:00")
    journey.change("S1", "2016-03-15 09:59:59.999", starts="2016-03-15 12:00")
    journey.record("DID_NOT_ATTEND", "2016-03-15 11:59", recorded_at="2016-03-15 12:00")
    journey.object_to_group()
    assert journey.refer("2016-03-16 10:00").words == [
        *FIRST,
        *["prap ACCEPT", "APPLIED"],
        *["session BOOKED", "APPLIED"],
        *["session CHANGED", "APPLIED"],
        "REFUSED SESSION_NOT_STARTED",
        *["instruction OFFER_ONE_TO_ONE", "APPLIED"],
    ]
    assert not journey.session().cancelled, "at 12:00 it had started"


def test_what_was_held_of_another_provider_is_refused_at_the_release() -> None:
    """G3 comes when there is a referral."""
    journey = Journey()
    assert journey.accept(provider_id="PRV02").words == ["HELD"]
    assert journey.refer().words == [*FIRST, "REFUSED NOT_YOUR_REFERRAL"]


def test_what_was_held_and_dated_after_its_own_arrival_is_refused() -> None:
    """G4 at the release: by its own `at`, though the fact is past by now."""
    journey = Journey()
    journey.accept("2016-03-14 10:00", accepted_at="2016-03-14 10:05:00.001")
    assert journey.refer("2016-03-15 10:00").words == [*FIRST, "REFUSED DATED_IN_FUTURE"]


def test_what_was_held_is_remembered_after_the_release() -> None:
    """G1: seen on this referral before."""
    journey = Journey()
    journey.accept(message_id="early")
    journey.refer()
    assert journey.accept(message_id="early").words == ["DUPLICATE"]


def test_an_end_past_falls_due_at_the_release_too() -> None:
    """Release: F2 at the end of a session, between the messages that were held."""
    journey = Journey(mandatory=True)
    journey.accept("2016-03-14 10:30")
    journey.book("S1", "2016-03-14 11:00")
    journey.cannot_attend("S1", "2016-03-15 11:00")
    journey.record("ATTENDED", "2016-03-22 10:00", session_id="S1")
    assert journey.refer("2016-03-23 10:00").words[5:] == [
        *["session BOOKED", "APPLIED"],
        *["session CANNOT_ATTEND", "instruction ARRANGE_ALTERNATIVE_SESSION", "APPLIED"],
        "notification RAISED",
        *["attendance ATTENDED", "notification WITHDRAWN", "APPLIED"],
    ]


def test_what_is_still_held_when_the_referral_is_forgotten_on_the_way_is_refused() -> None:
    """Release: if T5 forgets the referral, the held messages still left are UNKNOWN_REFERRAL."""
    journey = Journey(referred_on="2015-02-01")
    journey.accept("2016-03-07 23:59:59.999", message_id="before")
    journey.accept("2016-03-08 00:00", message_id="at")
    journey.wp11("2016-03-09 00:00", message_id="after")
    came = journey.refer("2016-03-10 10:00")
    assert came.words[:3] == FIRST
    assert came.words[-3:] == [
        "REFUSED REFERRAL_CLOSED",
        "REFUSED UNKNOWN_REFERRAL",
        "REFUSED UNKNOWN_REFERRAL",
    ]
    assert ids(came)[-3:] == ["before", "at", "after"]
    assert journey.tick(journey.now + 1).words == []
    assert journey.order is None


def test_a_referral_that_is_older_than_its_memory_is_forgotten_at_once() -> None:
    """T5, release: its own outcome, what was due, and nothing is kept."""
    journey = Journey(referred_on="2014-01-01")
    assert journey.refer("2016-03-14 10:00").words[:3] == FIRST
    assert journey.order is not None
    assert journey.order.referral is None


# G3.


@pytest.mark.parametrize("closed", CLOSED)
def test_another_providers_record_is_refused_even_where_the_referral_is_closed(closed: Any) -> None:
    """G3 comes before a row's own checks."""
    assert closed().book("S9", provider_id="PRV02").words == ["REFUSED NOT_YOUR_REFERRAL"]


def test_another_providers_record_is_refused_before_its_dates_are_looked_at() -> None:
    """G3 before G4."""
    came = referred().accept(provider_id="PRV02", accepted_at="2020-01-01 00:00")
    assert came.words == ["REFUSED NOT_YOUR_REFERRAL"]


def test_what_has_no_provider_is_nobodys() -> None:
    """G3: a WP11 and a Jobcentre update have none."""
    assert referred().wp11().outcome.provider_id is None
    assert referred().appeal(True).outcome.provider_id is None


def test_an_outcome_names_the_messages_own_provider() -> None:
    """`provider_id`: an Outcome's is the message's own; an event's the referral's."""
    journey = referred()
    assert journey.accept(provider_id="PRV02").outcome.provider_id == "PRV02"
    came = journey.refer(provider_id="PRV03")
    assert came.outcome.provider_id == "PRV03"
    assert {event.provider_id for event in journey.accept()} == {"PRV01"}


# G4.


@pytest.mark.parametrize(
    "send",
    [
        lambda journey, at: journey.accept(accepted_at=at),
        lambda journey, at: journey.reject(rejected_at=at),
        lambda journey, at: journey.book("S2", told=at),
        lambda journey, at: journey.change(told=at),
        lambda journey, at: journey.cancel(cancelled_at=at),
        lambda journey, at: journey.confirm(told=at),
        lambda journey, at: journey.cannot_attend(given_at=at),
        lambda journey, at: journey.object_to_group(raised_at=at),
        lambda journey, at: journey.record("ATTENDED", journey.now + MINUTE, recorded_at=at),
        lambda journey, at: journey.correct("ATTENDED", recorded_at=at),
        lambda journey, at: journey.ask_for_alternative(requested_at=at),
        lambda journey, at: journey.no_alternative(told_at=at),
    ],
)
def test_an_instant_may_be_five_minutes_ahead_but_no_more(send: Any) -> None:
    """G4: more than 5 minutes after it arrived, to the millisecond; clocks differ."""
    journey = booked()
    arrives = journey.now + MINUTE
    assert send(journey, arrives + MINUTES_5 + 1).words == ["REFUSED DATED_IN_FUTURE"]
    journey = booked()
    assert send(journey, arrives + MINUTES_5).outcome.code != "DATED_IN_FUTURE"


@pytest.mark.parametrize(
    "send",
    [
        lambda journey, at, on: journey.wp11(at, interview_on=on),
        lambda journey, at, on: journey.wp11(at, issued_on=on),
        lambda journey, at, on: journey.appeal(True, at, changed_on=on),
        lambda journey, at, on: journey.restrict("MAPPA", at, changed_on=on),
        lambda journey, at, on: journey.attach(at, attached_on=on),
        lambda journey, at, on: journey.reimburse("S1", at, paid_on=on),
        lambda journey, at, on: journey.refer(at, referred_on=on),
        lambda journey, at, on: journey.refer(
            at, mandation=Mandation(basis="WORK_RELATED_ACTIVITY", recorded_on=on)
        ),
    ],
)
@pytest.mark.parametrize("at", ["2016-03-16T23:59:59.999Z", "2016-06-16T22:59:59.999Z"])
def test_a_date_is_londons_date_of_arrival_at_the_latest(send: Any, at: str) -> None:
    """G4: in winter and in summer; a nested date (`mandation.recorded_on`) too."""
    journey = booked(referred_on=at[:8] + "14", starts=at[:8] + "20 10:00")
    assert send(journey, instant(at), day(at[:10]) + 1).words == ["REFUSED DATED_IN_FUTURE"]
    assert send(journey, instant(at), day(at[:10])).outcome.code != "DATED_IN_FUTURE"
    assert send(journey, instant(at) + 1, day(at[:10]) + 1).outcome.code != "DATED_IN_FUTURE"


def test_a_date_has_no_five_minutes() -> None:
    """G4: the skew is for timestamps; a date is compared with London's date."""
    came = referred().wp11("2016-03-16 23:59", interview_on="2016-03-17")
    assert came.words == ["REFUSED DATED_IN_FUTURE"]


def test_the_start_of_a_session_and_a_date_of_birth_are_no_facts() -> None:
    """G4: `starts_at` lies ahead; a birth date is no business of the rules."""
    assert accepted().book(starts="2016-03-29 10:00").words == ["session BOOKED", "APPLIED"]
    assert Journey().refer(participant=Participant(date_of_birth=day("2999-01-01"))).words == FIRST


def test_g4_comes_before_a_rows_own_checks() -> None:
    """G4 of a record is checked before its row; of a Referral after R2, before R3."""
    assert rejected().accept(accepted_at="2020-01-01 00:00").words == ["REFUSED DATED_IN_FUTURE"]
    assert cancelled().wp11(wants_to_join=False, issued_on="2020-01-01").words == ["REFUSED DATED_IN_FUTURE"]


# Outcomes and ids.


def test_an_outcome_names_its_message_and_its_topic() -> None:
    """Every decodable message ends with exactly one outcome."""
    journey = referred()
    topics = {
        journey.refer().outcome.topic: "prap.referrals",
        journey.wp11().outcome.topic: "jobcentre.wp11",
        journey.appeal(True).outcome.topic: "jobcentre.updates",
        journey.accept().outcome.topic: "provider.session-records",
    }
    assert all(topic == expected for topic, expected in topics.items())
    assert len(topics) == 4


def test_what_is_not_applied_says_why() -> None:
    """`detail`, where nothing is wrong with the message too: held, or known already."""
    journey = Journey()
    assert "waits" in str(journey.accept(message_id="early").outcome.detail)
    assert "has come" in str(journey.accept(message_id="early").outcome.detail)
    journey.refer()
    assert "has come" in str(journey.accept(message_id="early").outcome.detail)
    assert journey.accept(message_id="again", provider_id="PRV02").outcome.detail
    unknown = Journey()
    unknown.accept()
    assert "No referral" in str(unknown.tick("2016-05-01 00:00").outcome.detail)


def test_events_carry_the_trace_of_the_message_that_caused_them() -> None:
    """And none where a deadline caused them, also when all is decided at the release."""
    journey = Journey(referred_on="2016-03-14")
    journey.accept("2016-03-14 11:00")
    journey.wp11("2016-04-05 00:00", interview_on="2016-04-04")
    order = None
    for trace, (at, message) in zip(("first", "second"), journey.told, strict=True):
        decision = decide(order, message, at, shipped(), trace)
        assert [told for _, told in decision.effects] == [trace]
        order = decision.order
    decision = decide(order, journey.referral(), instant("2016-04-13 10:00"), shipped(), "late")
    assert [(word(event), trace) for event, trace in decision.effects] == [
        ("prap ACKNOWLEDGE", "late"),
        ("instruction ACCEPT_REFERRAL", "late"),
        ("APPLIED", "late"),
        ("prap ACCEPT", "first"),
        ("APPLIED", "first"),
        ("breach SESSION_LATE RAISED", None),
        ("cancellation", None),
        ("prap CANCEL", None),
        ("instruction REFERRAL_CANCELLED", None),
        ("notice NEW_REFERRAL_NEEDED", "second"),
        ("REFUSED REFERRAL_CANCELLED", "second"),
    ]


def test_a_refusal_after_28_days_carries_the_trace_of_its_message() -> None:
    """G2."""
    journey = Journey()
    journey.accept()
    at, message = journey.told[0]
    order = decide(None, message, at, shipped(), "mine").order
    assert order is not None
    assert [trace for _, trace in fall_due(order, "PO1", shipped()).effects] == ["mine"]


def test_an_event_id_is_made_of_po_number_instant_and_place() -> None:
    """No random id: the same input gives the same ids."""
    came = Journey().refer("2016-03-14T10:00:00Z")
    at = instant("2016-03-14T10:00:00Z")
    assert [event.event_id for event in came] == [f"PO1-{at}-1", f"PO1-{at}-2", f"PO1-{at}-3"]


def test_an_event_id_has_one_meaning_before_1970_too() -> None:
    """Read from its end: place, instant, purchase order; a minus sign would be read as a hyphen."""
    for at, name in ((0, "PO1-0-1"), (1, "PO1-1-1"), (-1, "PO1-before1-1")):
        journey = Journey(referred_on="1969-12-31")
        journey.now = at
        assert journey.refer(at).one(PrapAction).event_id == name


def test_event_ids_stay_unique_where_a_refused_first_referral_comes_again_at_the_same_instant() -> None:
    """Ids: nothing is kept of it but how many events the instant has had."""
    journey = Journey()
    for _ in range(3):
        journey.refer("2016-03-14 10:00", claimant_group=None)
    journey.refer("2016-03-14 10:00")
    journey.refer("2016-03-14 10:00")
    journey.accept("2016-03-14 10:00")
    made = [event.event_id for event in journey.out]
    assert len(set(made)) == len(made) == 10


def test_event_ids_stay_unique_over_two_lives() -> None:
    """T5: at the instant of forgetting, a deadline of it, a held message and a new first Referral."""
    journey = booked(mandatory=True, starts="2017-04-18 23:00")
    journey.wp11()
    journey.cannot_attend()
    at = instant("2017-04-19 00:00")
    journey.tick(at - 1)
    came = journey.tick(at)
    assert came.words == ["notification RAISED"]
    came += journey.accept(at, message_id="m2")
    came += journey.refer(at, message_id="m1", referred_on="2017-04-19")
    assert came.words[1:] == ["HELD", *FIRST, "prap ACCEPT", "APPLIED"]
    assert [event.event_id for event in came] == [f"PO1-{at}-{place}" for place in range(1, 8)]


def test_ids_start_anew_at_the_next_instant() -> None:
    """Ids: place within the instant."""
    journey = referred()
    came = journey.accept()
    assert [event.event_id for event in came] == [f"PO1-{journey.now}-1", f"PO1-{journey.now}-2"]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["accept", "refer", "bad", "wp11", "reject"]))))
def test_event_ids_are_unique_whatever_comes(steps: list[tuple[int, str]]) -> None:
    """Ids, with several messages at one instant, before and after T5."""
    journey = Journey(referred_on="2016-03-14")
    at = instant("2016-03-14 10:00")
    for wait, what in steps:
        at = at if wait == 0 else at + 1 if wait == 1 else max(at + DAY, journey.after(400))
        match what:
            case "accept":
                journey.accept(at)
            case "refer":
                journey.refer(at)
            case "bad":
                journey.refer(at, claimant_group=None)
            case "wp11":
                journey.wp11(at, interview_on="2016-03-14", issued_on="2016-03-14")
            case _:
                journey.reject(at)
    made = [event.event_id for event in journey.out]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("begin", "state"), [(attached, "attached"), (cancelled, "cancelled"), (rejected, "rejected")]
)
def test_a_refusal_names_the_state_that_the_referral_is_in(begin: Callable[[], Journey], state: str) -> None:
    refused = begin().object_to_group()
    assert refused.outcome.code == "REFERRAL_CLOSED"
    assert refused.outcome.detail == f"The referral is {state}; nothing more can be recorded on it."
    revised = begin().refer(po_revision=2, message_id="revised")
    assert revised.outcome.detail == f"The referral is {state}; it can't be revised any more."


def test_a_refusal_names_the_state_that_the_session_is_in() -> None:
    called_off, over = booked(), booked()
    called_off.cancel()
    over.record("ATTENDED")
    assert called_off.cannot_attend().outcome.detail == "The session was cancelled."
    assert over.cancel(message_id="again").outcome.detail == "The session has an outcome already."


@pytest.mark.parametrize(("begin", "state"), [(attached, "attached"), (rejected, "rejected")])
def test_a_refused_booking_names_the_state_that_the_referral_is_in(
    begin: Callable[[], Journey], state: str
) -> None:
    refused = begin().book("S2")
    assert refused.outcome.code == "REFERRAL_CLOSED"
    assert refused.outcome.detail == f"The referral is {state}; no session can be booked or changed."
