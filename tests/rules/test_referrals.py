"""Referrals from PRaP, and whether a provider takes them (rulebook: R1 to R14, P1, P2)."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from gateway.rules.events import Breach, Instruction, PrapAction, SanctionNotification
from gateway.rules.messages import Benefit, ClaimantGroup, Mandation, Participant
from tests.rules.journey import (
    CLOSED,
    DAY,
    MANDATORY,
    PERSON,
    VOLUNTARY,
    Journey,
    accepted,
    attached,
    booked,
    day,
    joining,
    referred,
    rejected,
)

MANDATED: list[ClaimantGroup] = [
    "ESA_IR_WRAG_OVER_12_MONTHS",
    "ESA_C_WRAG",
    "ESA_IR_LONE_PARENT_CHILD_3_OR_4",
]
NOT_MANDATED: list[ClaimantGroup] = [
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_SUPPORT_GROUP",
    "ESA_IR_EX_IB_SUPPORT_GROUP",
    "ESA_C_SUPPORT_GROUP",
    "ESA_C_EX_IB_SUPPORT_GROUP",
    "ESA_CREDITS_ONLY",
]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
OK = ["prap ACKNOWLEDGE", "instruction ACCEPT_REFERRAL", "APPLIED"]


def workplan(**changes: Any) -> Mandation:
    """What justifies a mandation of a Universal Credit claimant."""
    fields = {"basis": "UC_WORKPLAN", "purpose": "CHECK_COMPLIANCE", "tangible_outcome": True}
    return Mandation(**{**fields, "recorded_on": day("2016-03-10"), **changes})


def direction(**changes: Any) -> Mandation:
    """What justifies a mandation of a Jobseeker's Allowance claimant."""
    fields = {"basis": "JOBSEEKERS_DIRECTION", "purpose": "IMPROVE_PROSPECTS", "tangible_outcome": False}
    return Mandation(**{**fields, "recorded_on": day("2016-03-10"), **changes})


# The first Referral.


def test_a_first_referral_is_acknowledged_and_to_be_accepted() -> None:
    """R14, WP19 ¶1-3: within two working days; 14 March 2016 is a Monday."""
    journey = Journey()
    came = journey.refer()
    assert came.words == OK
    assert came.one(Instruction).due_on == day("2016-03-16")
    assert came.one(PrapAction).reason is None
    assert journey.state.status == "OPEN"
    assert not journey.state.accepted


def test_acceptance_is_due_by_the_date_of_arrival_not_of_referral() -> None:
    """R14: 2 working days after the date of `at`; over Easter 2016 that is from Thursday to Wednesday."""
    came = Journey().refer("2016-03-24 23:59:59.999")
    assert came.one(Instruction).due_on == day("2016-03-30")


def test_acceptance_is_due_by_londons_date() -> None:
    """R14: 23:30 UTC on a summer's Sunday is Monday in London."""
    came = Journey(referred_on="2016-06-05").refer("2016-06-05T23:30:00Z")
    assert came.one(Instruction).due_on == day("2016-06-08")


def test_the_referral_is_known_as_it_came() -> None:
    """R14 keeps what later rows look at."""
    journey = Journey(mandatory=True)
    journey.refer(
        po_revision=7,
        support_group_appeal_pending=True,
        group_session_restriction="MAPPA",
        contract_package_area="CPA09",
        jobcentre_id="JCP-YORK",
    )
    state = journey.state
    assert (state.po_revision, state.mandate_in_force, state.referred_on) == (7, True, day("2016-03-14"))
    assert (state.provider_id, state.jobcentre_id, state.benefit) == ("PRV01", "JCP-YORK", "ESA")
    assert (state.contract_package_area, state.claimant_group) == ("CPA09", "ESA_C_WRAG")
    assert (state.appeal_pending, state.restriction) == (True, "MAPPA")
    assert state.participant == PERSON
    assert state.passed == 0


# R1.


def test_a_special_customer_is_refused_and_nothing_is_kept() -> None:
    """R1, WP19 ¶2: special customers are referred clerically."""
    journey = Journey()
    assert journey.refer(special_customer_record=True).words == ["REFUSED SPECIAL_CUSTOMER_RECORD"]
    assert journey.order is not None
    assert journey.order.referral is None
    assert b"AB123456C" not in msgpack.encode(journey.order)
    assert journey.refer(message_id="m1").words == OK


def test_a_known_referral_of_a_special_customer_goes_on_by_its_number() -> None:
    """R1: its personal data is erased, its message id is not kept, and records still count.

    It stays special: a later revision is refused too, whatever it says.
    """
    journey = booked()
    came = journey.refer(special_customer_record=True, message_id="special")
    assert came.words == ["instruction HANDLE_CLERICALLY", "REFUSED SPECIAL_CUSTOMER_RECORD"]
    assert journey.state.participant is None
    assert b"AB123456C" not in msgpack.encode(journey.order)
    assert journey.refer(special_customer_record=True, message_id="special").words == [
        "REFUSED SPECIAL_CUSTOMER_RECORD"
    ]
    assert journey.refer().words == ["REFUSED SPECIAL_CUSTOMER_RECORD"]
    assert journey.state.participant is None
    assert journey.record("ATTENDED").words == ["attendance ATTENDED", "APPLIED"]


def test_of_a_special_record_what_was_said_is_erased() -> None:
    """That something was said beforehand stays known, and so do names and places of sessions."""
    journey = booked(mandatory=True)
    journey.cannot_attend(reason="Qz said")
    journey.refer(special_customer_record=True, message_id="special")
    session = journey.session()
    assert session.cannot_attend == ""
    assert b"Qz said" not in msgpack.encode(journey.order)
    assert session.session_name
    assert session.location


def test_of_a_special_record_nothing_that_is_said_later_is_kept() -> None:
    journey = booked(mandatory=True)
    journey.refer(special_customer_record=True, message_id="special")
    journey.cannot_attend(reason="Qz said")
    journey.record("DID_NOT_ATTEND", reason_given="Qz given")
    journey.correct("DID_NOT_ATTEND", reason_given="Qz given")
    kept = msgpack.encode(journey.order)
    assert b"Qz said" not in kept
    assert b"Qz given" not in kept


def test_what_an_active_notification_of_a_special_record_raised_is_kept_to_withdraw_it() -> None:
    journey = booked(mandatory=True)
    journey.record("DID_NOT_ATTEND", reason_given="Qz given")
    journey.refer(special_customer_record=True, message_id="special")
    assert journey.session().reason_given is None
    came = journey.correct("ATTENDED")
    assert came.one(SanctionNotification).reason_given == "Qz given"
    assert b"Qz given" not in msgpack.encode(journey.order)


def test_nobody_is_sanctioned_of_a_special_record() -> None:
    """R1: F1 no longer applies, T6 raises nothing, a waiting failure is dropped; a raised one stays."""
    journey = booked(mandatory=True)
    journey.refer(special_customer_record=True)
    assert journey.record("DID_NOT_ATTEND").words[0] == "attendance DID_NOT_ATTEND"
    assert "notification RAISED" not in journey.out.words
    silent = booked(mandatory=True)
    silent.cannot_attend()
    silent.refer(special_customer_record=True)
    assert silent.tick("2016-03-30 00:00").words == ["breach SESSION_LATE RAISED"]
    waits = booked(mandatory=True, told=False)
    waits.record("DID_NOT_ATTEND")
    waits.refer(special_customer_record=True)
    assert waits.confirm().words == ["APPLIED"]
    assert waits.tick("2016-03-25 00:00").words == []
    raised = booked(mandatory=True)
    raised.record("DID_NOT_ATTEND")
    raised.refer(special_customer_record=True)
    assert raised.correct("ATTENDED").words[:2] == ["attendance ATTENDED", "notification WITHDRAWN"]


def test_a_closed_referral_that_becomes_special_needs_nobody() -> None:
    """R1: HANDLE_CLERICALLY where it is not closed."""
    assert attached().refer(special_customer_record=True).words == ["REFUSED SPECIAL_CUSTOMER_RECORD"]


def test_special_customers_come_before_all_other_checks_of_a_referral() -> None:
    """R1 is first: even a stale revision of a closed referral, annotated otherwise, erases."""
    journey = rejected()
    came = journey.refer(special_customer_record=True, po_revision=0, action_plan_annotation="?")
    assert came.words == ["REFUSED SPECIAL_CUSTOMER_RECORD"]
    assert journey.state.participant is None


def test_a_message_id_seen_before_comes_before_special_customers() -> None:
    """G1 comes first of all."""
    journey = referred()
    assert journey.refer(special_customer_record=True, message_id="m1").words == ["DUPLICATE"]
    assert journey.state.participant is not None


# R2 to R7.


@pytest.mark.parametrize(
    "annotation",
    [
        *("", "Work Programme", "Work Programme Information Session", "Mandatory", MANDATORY + "."),
        *(MANDATORY.replace("-", ""), MANDATORY.replace("-", " "), MANDATORY.replace("-", "--")),
        *(MANDATORY.replace("-", "\u2212"), MANDATORY.replace("-", "\u2016"), MANDATORY.replace("-", "\xad")),
        *(MANDATORY.replace(" ", ""), MANDATORY.replace("o", "0"), MANDATORY.replace(" ", "\u200b")),
    ],
)
def test_another_annotation_is_no_information_session(annotation: str) -> None:
    """R2, WP19 ¶2: one of the two; a minus sign, a soft hyphen or two hyphens are none."""
    came = Journey().refer(action_plan_annotation=annotation)
    assert came.words == ["REFUSED NOT_AN_INFORMATION_SESSION"]


def with_hyphen(code: int, text: str) -> str:
    """An annotation with another hyphen, and blanks around it."""
    return text.replace("-", f" {chr(code)}\u3000")


@pytest.mark.parametrize("annotation", [MANDATORY, VOLUNTARY])
@pytest.mark.parametrize(
    "typed",
    [
        lambda text: text,
        lambda text: text.upper(),
        lambda text: text.lower(),
        lambda text: f"\t{text} \n",
        lambda text: text.replace(" ", " \u00a0\u2003"),
        lambda text: text.replace("-", " - "),
        lambda text: text.replace("ss", "ß"),
        *(partial(with_hyphen, code) for code in (0x2D, *range(0x2010, 0x2016))),
    ],
)
def test_an_annotation_is_read_as_people_type_it(annotation: str, typed: Any) -> None:
    """R2: case, white space and the kind of hyphen don't matter."""
    journey = Journey()
    assert journey.refer(action_plan_annotation=typed(annotation)).words == OK
    assert journey.state.mandate_in_force == (annotation == MANDATORY)


@pytest.mark.parametrize("nino", ["AB123456C", "AB123456 ", "ZY987654A", "JK000000D", "GG000001B", None])
def test_a_good_nino_or_none_is_taken(nino: str | None) -> None:
    """R3."""
    assert Journey().refer(participant=Participant(nino=nino)).words == OK


@pytest.mark.parametrize(
    "nino",
    [
        *("", "AB123456", "AB123456E", "ab123456C", "AB 123456C", "AB123456C ", "AB123456C\n", "AB12345CC"),
        *("AB1234567C", " AB123456", "AB12345\n ", "AB١٢٣٤٥٦C", "ÀB123456C", "AB123456\u00a0", "1B123456C"),
    ],
)
def test_a_malformed_nino_is_refused(nino: str) -> None:
    """R3: exactly nine characters, upper case, no other spaces."""
    came = Journey().refer(participant=Participant(nino=nino))
    assert came.words == ["REFUSED INVALID_NINO"]
    assert not nino or nino not in str(came.outcome.detail)


def test_every_pair_of_letters_of_a_nino() -> None:
    """R3: first not D F I Q U V; second not D F I O Q U V; not BG GB KN NK NT TN ZZ."""
    taken = set()
    for first in LETTERS:
        for second in LETTERS:
            came = Journey().refer(participant=Participant(nino=f"{first}{second}123456A"))
            if came.words == OK:
                taken.add(first + second)
    assert taken == {
        first + second for first in set(LETTERS) - set("DFIQUV") for second in set(LETTERS) - set("DFIOQUV")
    } - {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


@given(suffix=st.characters())
def test_every_last_character_of_a_nino(suffix: str) -> None:
    """R3: A to D or a space, and nothing else in the world."""
    came = Journey().refer(participant=Participant(nino="AB123456" + suffix))
    assert (came.words == OK) == (suffix in "ABCD ")


def test_an_esa_referral_says_which_group() -> None:
    """R4, WP19 Annex A; other benefits have no group."""
    assert Journey().refer(claimant_group=None).words == ["REFUSED CLAIMANT_GROUP_MISSING"]
    assert Journey(benefit="UC").refer().words == OK
    assert Journey(benefit="JSA").refer().words == OK


@pytest.mark.parametrize("group", MANDATED)
def test_the_first_three_groups_of_annex_a_can_be_mandated(group: ClaimantGroup) -> None:
    """R5, WP19 Annex A: 'Yes'. ESA needs no mandation."""
    assert Journey(mandatory=True).refer(claimant_group=group, mandation=None).words == OK


@pytest.mark.parametrize("group", NOT_MANDATED)
def test_the_other_groups_of_annex_a_can_not_be_mandated(group: ClaimantGroup) -> None:
    """R5, WP19 Annex A: 'No'; they may come voluntarily."""
    came = Journey(mandatory=True).refer(claimant_group=group)
    assert came.words == ["REFUSED GROUP_CANNOT_BE_MANDATED"]
    assert Journey(mandatory=False).refer(claimant_group=group).words == OK


@pytest.mark.parametrize("benefit", ["UC", "JSA"])
def test_annex_a_is_about_esa_only(benefit: Benefit) -> None:
    """R5: another benefit's claimant_group, which means nothing, does not matter."""
    came = Journey(mandatory=True, benefit=benefit).refer(claimant_group="ESA_CREDITS_ONLY")
    assert came.words == OK


@pytest.mark.parametrize("purpose", ["CHECK_COMPLIANCE", "ASSIST_COMPLIANCE", "IMPOSE_REQUIREMENT"])
def test_the_three_purposes_of_universal_credit(purpose: str) -> None:
    """R6, UCGS What are group sessions: the purpose meets one of three criteria."""
    journey = Journey(mandatory=True, benefit="UC")
    assert journey.refer(mandation=workplan(purpose=purpose)).words == OK


@pytest.mark.parametrize(
    "mandation",
    [
        None,
        workplan(basis="WORK_RELATED_ACTIVITY"),
        workplan(basis="JOBSEEKERS_DIRECTION"),
        workplan(purpose=None),
        workplan(purpose="IMPROVE_PROSPECTS"),
        workplan(purpose="ASSIST_TO_FIND_EMPLOYMENT"),
        workplan(tangible_outcome=False),
    ],
)
def test_a_universal_credit_claimant_is_mandated_by_the_workplan_only(mandation: Mandation | None) -> None:
    """R6, UCGS: 'group sessions without a tangible outcome … must be marked as voluntary'."""
    came = Journey(mandatory=True, benefit="UC").refer(mandation=mandation)
    assert came.words == ["REFUSED UC_MANDATION_NOT_JUSTIFIED"]
    assert Journey(mandatory=False, benefit="UC").refer(mandation=mandation).words == OK


@pytest.mark.parametrize("purpose", ["ASSIST_TO_FIND_EMPLOYMENT", "IMPROVE_PROSPECTS"])
def test_the_two_purposes_of_a_jobseekers_direction(purpose: str) -> None:
    """R7, JSAGIS ¶11."""
    journey = Journey(mandatory=True, benefit="JSA")
    assert journey.refer(mandation=direction(purpose=purpose)).words == OK


@pytest.mark.parametrize(
    "mandation",
    [
        None,
        direction(basis="WORK_RELATED_ACTIVITY"),
        direction(basis="UC_WORKPLAN"),
        direction(purpose=None),
        direction(purpose="CHECK_COMPLIANCE"),
        direction(purpose="ASSIST_COMPLIANCE"),
        direction(purpose="IMPOSE_REQUIREMENT"),
    ],
)
def test_a_jobseeker_is_mandated_by_a_direction_only(mandation: Mandation | None) -> None:
    """R7, JSAGIS ¶12: 'If not, a Jobseeker Direction must not be issued'."""
    came = Journey(mandatory=True, benefit="JSA").refer(mandation=mandation)
    assert came.words == ["REFUSED NO_JOBSEEKERS_DIRECTION"]
    assert Journey(mandatory=False, benefit="JSA").refer(mandation=mandation).words == OK


# Revisions.


def test_the_same_revision_again_is_a_duplicate() -> None:
    """R8: whatever else it says; a new message id too. It is a decided message."""
    journey = referred()
    assert journey.refer(po_revision=1, benefit="JSA", message_id="again").words == ["DUPLICATE"]
    assert journey.refer(po_revision=2, message_id="again").words == ["DUPLICATE"]
    assert journey.state.po_revision == 1


def test_a_lower_revision_is_stale() -> None:
    """R9, and the known one is the last that was applied."""
    journey = Journey()
    journey.refer(po_revision=5)
    assert journey.refer(po_revision=4).words == ["REFUSED STALE_REVISION"]
    assert journey.refer(po_revision=9, action_plan_annotation="?").outcome.status == "REFUSED"
    assert journey.refer(po_revision=6).words == ["instruction REFERRAL_UPDATED", "APPLIED"]
    assert journey.refer(po_revision=5).words == ["REFUSED STALE_REVISION"]
    assert journey.refer(po_revision=6).words == ["DUPLICATE"]


def test_a_first_referral_may_have_any_revision() -> None:
    """R8 and R9 ask for a known one."""
    assert Journey().refer(po_revision=-3).words == OK


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_referral_can_not_be_revised(closed: Any) -> None:
    """R10."""
    assert closed().refer().words == ["REFUSED REFERRAL_CLOSED"]


def test_who_becomes_mandatory_is_referred_anew() -> None:
    """R11, WP19 ¶29."""
    journey = referred(mandatory=False)
    came = journey.refer(action_plan_annotation=MANDATORY)
    assert came.words == ["REFUSED MANDATION_NEEDS_NEW_REFERRAL"]


@pytest.mark.parametrize(
    "change",
    [
        {"referred_on": "2016-03-13"},
        {"provider_id": "PRV02"},
    ],
)
def test_what_a_revision_can_not_change(change: dict[str, Any]) -> None:
    """R12, WP19 ¶8-9: the limits run from the original date of referral."""
    journey = referred(mandatory=True)
    assert journey.refer(**change).words == ["REFUSED IMMUTABLE_FIELD_CHANGED"]
    assert journey.state.referred_on == day("2016-03-14")


def test_a_revision_updates_the_rest() -> None:
    """R13, WP19 ¶1."""
    journey = referred()
    came = journey.refer(
        contract_package_area="CPA02",
        jobcentre_id="JCP-HULL",
        claimant_group="ESA_CREDITS_ONLY",
        support_group_appeal_pending=True,
        group_session_restriction="SAFETY_MEASURES",
        participant=Participant(forename="Alex"),
    )
    assert came.words == ["instruction REFERRAL_UPDATED", "APPLIED"]
    state = journey.state
    assert (state.contract_package_area, state.jobcentre_id) == ("CPA02", "JCP-HULL")
    assert (state.claimant_group, state.appeal_pending) == ("ESA_CREDITS_ONLY", True)
    assert (state.restriction, state.participant) == ("SAFETY_MEASURES", Participant(forename="Alex"))
    assert state.po_revision == 2


def appeal_pending(journey: Journey) -> bool:
    """As it is known now."""
    return journey.state.appeal_pending


def restriction(journey: Journey) -> str | None:
    """As it is known now."""
    return journey.state.restriction


def test_a_revision_keeps_what_the_jobcentre_said_meanwhile() -> None:
    """R13: the appeal only where this revision differs in it from the last one."""
    journey = referred()
    journey.appeal(True)
    journey.refer(support_group_appeal_pending=False)
    assert appeal_pending(journey)
    journey.refer(support_group_appeal_pending=True)
    journey.appeal(False)
    journey.refer(support_group_appeal_pending=True)
    assert not appeal_pending(journey)
    journey.refer(support_group_appeal_pending=False)
    journey.appeal(True)
    journey.refer(support_group_appeal_pending=False)
    assert appeal_pending(journey)


def test_a_revision_keeps_a_restriction_that_came_meanwhile() -> None:
    """R13: the restriction only where this revision differs in it from the last one; objections stay."""
    journey = booked()
    journey.object_to_group()
    assert journey.refer(group_session_restriction=None).words == ["instruction REFERRAL_UPDATED", "APPLIED"]
    assert restriction(journey) == "OBJECTION"
    journey.refer(group_session_restriction="MAPPA")
    assert restriction(journey) == "MAPPA"
    journey.restrict(None)
    journey.refer(group_session_restriction="MAPPA")
    assert restriction(journey) is None
    journey.refer(group_session_restriction=None)
    assert restriction(journey) is None


def test_a_revision_that_lifts_a_restriction_lifts_it() -> None:
    """R13: null differs too, and cancels nothing."""
    journey = referred(group_session_restriction="MAPPA")
    journey.accept()
    journey.book(format="ONE_TO_ONE")
    journey.refer(group_session_restriction=None)
    assert journey.state.restriction is None
    assert journey.session().open


def test_a_revision_that_lifts_a_restriction_leaves_group_sessions() -> None:
    """R13: a new restriction acts as U4, and U4 cancels by a non-null one only."""
    journey = referred(group_session_restriction="MAPPA")
    journey.accept()
    journey.restrict(None)
    journey.book(format="GROUP")
    assert journey.refer(group_session_restriction=None).words == ["instruction REFERRAL_UPDATED", "APPLIED"]
    assert journey.session().open


def test_a_new_restriction_of_a_revision_ends_group_sessions() -> None:
    """R13, U4: then OFFER_ONE_TO_ONE follows REFERRAL_UPDATED, naming the cancelled session."""
    journey = booked()
    came = journey.refer(group_session_restriction="SAFETY_MEASURES")
    assert came.words == [
        "session CANCELLED GROUP_UNSUITABLE",
        *["instruction REFERRAL_UPDATED", "instruction OFFER_ONE_TO_ONE", "APPLIED"],
    ]
    assert [event.session_id for event in came if isinstance(event, Instruction)] == [None, "S1"]
    assert journey.session().cancelled


def test_a_revision_with_the_same_restriction_cancels_nothing() -> None:
    """R13: a new restriction acts as U4; an old one does not act again."""
    journey = referred(group_session_restriction="MAPPA")
    journey.restrict(None)
    journey.accept()
    journey.book()
    assert journey.refer(group_session_restriction="MAPPA").words == [
        "instruction REFERRAL_UPDATED",
        "APPLIED",
    ]
    assert journey.session().open


def test_the_restriction_of_one_to_one_sessions_tells_nothing() -> None:
    """U4: OFFER_ONE_TO_ONE only if there was a group session to cancel."""
    journey = booked(format="ONE_TO_ONE")
    assert journey.refer(group_session_restriction="MAPPA").words == [
        "instruction REFERRAL_UPDATED",
        "APPLIED",
    ]


def test_events_name_the_jobcentre_of_the_last_revision() -> None:
    """`jobcentre_id` of an event is the referral's, as last APPLIED."""
    journey = booked()
    journey.refer(jobcentre_id="JCP-YORK")
    journey.refer(jobcentre_id="JCP-HULL", provider_id="PRV02")
    [attendance, _] = journey.record("ATTENDED")
    assert getattr(attendance, "jobcentre_id", None) == "JCP-YORK"


# The order of the checks.


def test_the_checks_of_a_referral_are_made_in_order() -> None:
    """R9, R2, G4, R3, R4, R5, R10: one fault is mended after another."""
    journey = rejected()
    tomorrow = journey.now + DAY
    bad: dict[str, Any] = {
        "po_revision": 0,
        "action_plan_annotation": "?",
        "referred_on": tomorrow // DAY,
        "participant": Participant(nino="?"),
        "claimant_group": None,
    }
    mended: list[tuple[str, dict[str, Any]]] = [
        ("STALE_REVISION", {"po_revision": 2}),
        ("NOT_AN_INFORMATION_SESSION", {"action_plan_annotation": MANDATORY}),
        ("DATED_IN_FUTURE", {"referred_on": day("2016-03-13")}),
        ("INVALID_NINO", {"participant": Participant()}),
        ("CLAIMANT_GROUP_MISSING", {"claimant_group": "ESA_CREDITS_ONLY"}),
        ("GROUP_CANNOT_BE_MANDATED", {"claimant_group": "ESA_C_WRAG"}),
        ("REFERRAL_CLOSED", {}),
    ]
    for code, change in mended:
        assert journey.refer(**bad).outcome.code == code
        bad.update(change)


def test_becoming_mandatory_comes_before_other_changes() -> None:
    """R11 before R12."""
    journey = referred()
    came = journey.refer(action_plan_annotation=MANDATORY, referred_on="2016-03-13", provider_id="PRV02")
    assert came.words == ["REFUSED MANDATION_NEEDS_NEW_REFERRAL"]


@pytest.mark.parametrize(
    ("benefit", "code"), [("UC", "UC_MANDATION_NOT_JUSTIFIED"), ("JSA", "NO_JOBSEEKERS_DIRECTION")]
)
def test_the_justification_comes_before_what_is_known(benefit: Benefit, code: str) -> None:
    """R6 and R7 before R10."""
    journey = rejected(benefit=benefit)
    assert journey.refer(action_plan_annotation=MANDATORY, mandation=None).outcome.code == code


# P1 and P2.


def test_a_referral_is_accepted_once() -> None:
    """P1, WP19 ¶3."""
    journey = referred()
    assert journey.accept().words == ["prap ACCEPT", "APPLIED"]
    assert journey.accept().words == ["REFUSED ALREADY_ACCEPTED"]


def test_a_referral_that_is_joining_may_still_be_accepted() -> None:
    """P1 asks only whether it is closed or accepted."""
    journey = referred()
    journey.wp11()
    assert journey.accept().words == ["prap ACCEPT", "APPLIED"]


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_referral_is_neither_accepted_nor_rejected(closed: Any) -> None:
    """P1, P2: closed comes first, even where it was accepted."""
    assert closed().accept().words == ["REFUSED REFERRAL_CLOSED"]
    assert closed().reject().words == ["REFUSED REFERRAL_CLOSED"]


def test_a_referral_is_rejected_with_the_providers_reason() -> None:
    """P2: free text is passed on as it came."""
    journey = referred()
    came = journey.reject(reason=" no “capacity”\n")
    assert came.words == ["prap REJECT", "APPLIED"]
    assert came.one(PrapAction).reason == " no “capacity”\n"
    assert (journey.state.status, journey.state.closed_at) == ("REJECTED", journey.now)


def test_an_accepted_referral_can_not_be_rejected() -> None:
    """P2."""
    assert accepted().reject().words == ["REFUSED ALREADY_ACCEPTED"]


def test_a_joining_referral_can_not_be_rejected() -> None:
    """P2: WP11_ALREADY_RECEIVED comes before ALREADY_ACCEPTED."""
    assert joining().reject().words == ["REFUSED WP11_ALREADY_RECEIVED"]
    journey = referred()
    journey.wp11()
    assert journey.reject().words == ["REFUSED WP11_ALREADY_RECEIVED"]


def test_an_acceptance_that_was_in_time_clears_the_breach() -> None:
    """P1, T1: `accepted_at`'s London date is the due date at the latest, though the record came later."""
    journey = referred()
    assert journey.tick("2016-03-17 00:00").words == ["breach ACCEPTANCE_LATE RAISED"]
    came = journey.accept(accepted_at="2016-03-16 23:59:59.999")
    assert came.words == ["prap ACCEPT", "breach ACCEPTANCE_LATE CLEARED", "APPLIED"]
    assert came.one(Breach).due_on == day("2016-03-16")
    assert journey.state.acceptance_late == "CLEARED"


def test_an_acceptance_that_was_late_clears_nothing() -> None:
    """P1, T1: a millisecond later."""
    journey = referred()
    journey.tick("2016-03-17 00:00")
    assert journey.accept(accepted_at="2016-03-17 00:00").words == ["prap ACCEPT", "APPLIED"]
    assert journey.state.acceptance_late == "RAISED"


def test_an_acceptance_without_a_breach_clears_nothing() -> None:
    """P1: only a breach that was raised is cleared."""
    assert referred().accept().words == ["prap ACCEPT", "APPLIED"]
