"""From the projection's answers to those of the API."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, cast
from urllib.parse import quote

from gateway.api.views import (
    AnsweredView,
    BookingView,
    DeadlineView,
    DeliveryPlanView,
    ExpenseView,
    HistoryEntry,
    InstructionView,
    MessageView,
    OutcomeView,
    ParticipantView,
    PrapActionView,
    ReferralView,
    SessionList,
    SessionOfDay,
    SessionView,
    Summary,
    WorkView,
)
from gateway.reading.cursor import Cursor
from gateway.reading.story import words
from gateway.reading.view import Booked, Booking, Entry, Known, Listed, OnDay, View, Work
from gateway.rules.calendar import add_working_days, london_day, midnight
from gateway.rules.case import requirement
from gateway.rules.deadlines import ACCEPTANCE_LATE, ATTACHMENT_LATE, NOT_STARTED, SESSION_LATE
from gateway.rules.duties import RULE_OF_DUTY
from gateway.rules.events import Advisory, DeliveryPlan, Event, Instruction, Outcome, PrapAction
from gateway.rules.guidance import SAYS, UNSPOKEN
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC, Participant, SessionRecord
from gateway.rules.referral import Expense, ReferralState, Session
from producers.control import Mark
from schemas.json import format_day, format_instant, render

#: So many events and sessions of a referral are shown at once; few have as many.
MOST_SHOWN: Final = 100

#: RFC 3986, 2.3.
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]*")
#: The last instant that has a text.
_LAST: Final = 253_402_300_799_999

State = Literal["OPEN", "MET", "MISSED", "OVER"]


def summary(listed: Entry) -> Summary:
    """A referral in a list."""
    return Summary(
        po_number=listed.po_number,
        provider_id=listed.provider_id,
        status=listed.status,
        accepted=listed.accepted,
        requirement="MANDATORY" if listed.mandatory else "VOLUNTARY",
        referred_on=format_day(listed.referred_on),
        benefit=listed.benefit,
        contract_package_area=listed.contract_package_area,
        jobcentre_id=listed.jobcentre_id,
        reference=listed.reference,
        self=referral_path(listed.po_number),
    )


def whole(known: Known, history: list[HistoryEntry], left_out: int) -> ReferralView:
    """A referral with all that is known of it. history: the newest; left_out: how many events before."""
    referral = known.referral
    return ReferralView(
        po_number=known.po_number,
        po_revision=referral.po_revision,
        provider_id=referral.provider_id,
        status=referral.status,
        accepted=referral.accepted,
        requirement="MANDATORY" if referral.mandate_in_force else "VOLUNTARY",
        referred_on=format_day(referral.referred_on),
        benefit=referral.benefit,
        claimant_group=referral.claimant_group,
        contract_package_area=referral.contract_package_area,
        jobcentre_id=referral.jobcentre_id,
        reference=referral.reference,
        support_group_appeal_pending=referral.appeal_pending,
        group_session_restriction=referral.restriction,
        participant=None if referral.participant is None else _participant(referral.participant),
        wp11_issued_on=_day(referral.wp11_issued_on),
        closed_at=_instant(referral.closed_at),
        sessions=[session(referral, each) for each in referral.sessions[-MOST_SHOWN:]],
        sessions_left_out=max(len(referral.sessions) - MOST_SHOWN, 0),
        expenses=[_expense(expense) for expense in referral.expenses],
        deadlines=_deadlines(referral),
        history=history,
        history_left_out=left_out,
    )


def decided(outcome: Outcome, reference: str | None = None) -> MessageView:
    """A message of which something has come. reference: the provider's own, where a provider asks."""
    return MessageView(
        message_id=outcome.message_id,
        po_number=outcome.po_number,
        status=outcome.status,
        code=outcome.code,
        detail=outcome.detail,
        advisories=cast(list[Advisory], list(outcome.advisories)),
        rule=outcome.rule,
        guidance=guidance(outcome.rule, outcome.code),
        decided_at=format_instant(outcome.decided_at),
        self=message_path(outcome.message_id),
        referral=referral_path(outcome.po_number),
        reference=reference,
    )


def pending(message_id: str, po_number: str, reference: str | None = None) -> MessageView:
    """A message that has arrived and is not decided. reference: see `decided`."""
    return MessageView(
        message_id=message_id,
        po_number=po_number,
        status="PENDING",
        self=message_path(message_id),
        referral=referral_path(po_number),
        reference=reference,
    )


def outcome(listed: Listed[Outcome]) -> OutcomeView:
    """An outcome, with its cursor."""
    event = listed.event
    return OutcomeView(
        cursor=str(listed.cursor),
        event_id=event.event_id,
        message_id=event.message_id,
        po_number=event.po_number,
        provider_id=event.provider_id or "",
        status=event.status,
        code=event.code,
        detail=event.detail,
        advisories=list(event.advisories),
        decided_at=format_instant(event.decided_at),
        rule=event.rule,
        guidance=guidance(event.rule, event.code),
        reference=listed.reference,
        message=message_path(event.message_id),
    )


def instruction(listed: Listed[Instruction]) -> InstructionView:
    """An instruction, with its cursor."""
    event = listed.event
    return InstructionView(
        cursor=str(listed.cursor),
        event_id=event.event_id,
        po_number=event.po_number,
        provider_id=event.provider_id,
        instruction=event.instruction,
        session_id=event.session_id,
        due_on=_day(event.due_on),
        participation=event.participation,
        decided_at=format_instant(event.decided_at),
        rule=event.rule,
        guidance=guidance(event.rule),
        reference=listed.reference,
    )


def prap_action(
    event: PrapAction, made: Mark | None, within: int, overdue_before: int, cursor: Cursor | None = None
) -> PrapActionView:
    """An action for PRaP, with its mark.

    within: in how many working days it is to be entered; 0: without a limit. overdue_before: see
    `View.prap_actions`.
    """
    enter_by = add_working_days(london_day(event.decided_at), within) if within else None
    return PrapActionView(
        cursor=None if cursor is None else str(cursor),
        event_id=event.event_id,
        po_number=event.po_number,
        provider_id=event.provider_id,
        action=event.action,
        reason=event.reason,
        decided_at=format_instant(event.decided_at),
        enter_by=_day(enter_by),
        overdue=made is None and event.decided_at < overdue_before,
        entered_by=None if made is None else made.by,
        entered_at=None if made is None else format_instant(made.at),
        rule=event.rule,
        guidance=guidance(event.rule),
        self=f"/v1/prap-actions/{_quoted(event.event_id)}/mark",
    )


def work(listed: Work) -> WorkView:
    """A duty in a worklist."""
    duty = listed.duty
    rule = RULE_OF_DUTY[duty.kind]
    return WorkView(
        po_number=listed.po_number,
        provider_id=listed.provider_id,
        duty=duty.kind,
        session_id=duty.session_id,
        due_on=_day(duty.due_on),
        passes_at=None if duty.due_on is None else format_instant(midnight(duty.due_on + 1)),
        rule=rule,
        guidance=SAYS[rule],
        reference=listed.reference,
        referral=referral_path(listed.po_number),
    )


def session_list(
    session_id: str, booking: Booking, shown: Sequence[Booked], following: str | None
) -> SessionList:
    """Who was booked on a session: a page. following: the cursor of the next one."""
    limits = booking.limits
    advisories: list[Literal["MORE_THAN_THE_OPTIMUM", "MORE_THAN_MAY_BE_INVITED"]] = []
    if booking.booked > limits.group_optimum:
        advisories.append("MORE_THAN_THE_OPTIMUM")
    if booking.booked > limits.group_invitations:
        advisories.append("MORE_THAN_MAY_BE_INVITED")
    return SessionList(
        session_id=session_id,
        booked=booking.booked,
        attended=booking.attended,
        optimum=limits.group_optimum,
        invitations=limits.group_invitations,
        advisories=advisories,
        bookings=[
            BookingView(
                po_number=each.po_number,
                starts_at=format_instant(each.session.starts_at),
                cancelled=each.session.cancelled,
                outcome=each.session.outcome,
                reference=each.referral.reference,
                referral=referral_path(each.po_number),
            )
            for each in shown
        ],
        next=following,
    )


def session_of_day(listed: OnDay) -> SessionOfDay:
    """A session in the list of its day."""
    session = listed.session
    return SessionOfDay(
        session_id=session.session_id,
        provider_id=listed.provider_id,
        session_name=session.session_name,
        starts_at=format_instant(session.starts_at),
        ends_at=format_instant(min(session.ends_at, _LAST)),
        location=session.location,
        format=session.format,
        booked=listed.booked,
        attended=listed.attended,
        self=f"/v1/sessions/{_quoted(session.session_id)}",
    )


def delivery_plan(plan: DeliveryPlan) -> DeliveryPlanView:
    """A delivery plan."""
    return DeliveryPlanView(
        message_id=plan.message_id,
        provider_id=plan.provider_id,
        contract_package_area=plan.contract_package_area,
        formats=list(plan.formats),
        group_size=plan.group_size,
        timings=plan.timings,
        effective_from=format_day(plan.effective_from),
    )


def guidance(rule: str | None, code: str | None = None) -> str | None:
    """What a paragraph says. code: of a refusal: None where it does not speak of that."""
    return None if rule is None or code in UNSPOKEN else SAYS.get(rule)


def referral_path(po_number: str) -> str:
    """Where a referral is."""
    return f"/v1/referrals/{_quoted(po_number)}"


def message_path(message_id: str) -> str:
    """Where a message's outcome is."""
    return f"/v1/messages/{_quoted(message_id)}"


def upload_path(upload_id: str) -> str:
    """Where what came of an upload is."""
    return f"/v1/uploads/{_quoted(upload_id)}"


def _quoted(text: str) -> str:
    """A text as a segment of a path; nearly all are one as they are."""
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def _participant(person: Participant) -> ParticipantView:
    return ParticipantView(
        nino=person.nino,
        forename=person.forename,
        surname=person.surname,
        date_of_birth=_day(person.date_of_birth),
        phone=person.phone,
        email=person.email,
        address=list(person.address),
        postcode=person.postcode,
        preferred_language=person.preferred_language,
        interpreter_needed=person.interpreter_needed,
    )


def session(referral: ReferralState, session: Session) -> SessionView:
    """A session as it stands for its referral."""
    failure: Literal["WAITS_FOR_CONFIRMATION", "NOTIFIED"] | None = None
    if session.notification is not None:
        failure = "NOTIFIED"
    elif session.failure_waits:
        failure = "WAITS_FOR_CONFIRMATION"
    return SessionView(
        session_id=session.session_id,
        session_name=session.session_name,
        starts_at=format_instant(session.starts_at),
        ends_at=format_instant(min(session.ends_at, _LAST)),
        duration_minutes=session.duration_minutes,
        location=session.location,
        format=session.format,
        requirement=requirement(referral, session),
        notified_at=_instant(session.notified_at),
        cancelled=session.cancelled,
        cannot_attend=session.cannot_attend,
        outcome=session.outcome,
        reason_given=session.reason_given,
        attempt=session.attempt or None,
        failure=failure,
        outcome_by=_day(session.outcome_by) if referral.mandatory(session) else None,
    )


def _expense(expense: Expense) -> ExpenseView:
    return ExpenseView(
        session_id=expense.session_id,
        kind=expense.kind,
        amount_pence=expense.amount_pence,
        paid_on=format_day(expense.paid_on),
    )


def _deadlines(referral: ReferralState) -> list[DeadlineView]:
    status = referral.status
    is_open, closed = status == "OPEN", referral.closed
    acceptance = _state(referral.acceptance_late, referral.accepted, is_open)
    session = _state(referral.session_late, referral.attended_in_time, is_open)
    wp11 = _state("RAISED" if status == "CANCELLED" else None, status in {"JOINING", "ATTACHED"}, is_open)
    attachment = _state(referral.attachment_late, status == "ATTACHED", not closed)
    return [
        _deadline("ACCEPTANCE", ACCEPTANCE_LATE.last_day(referral), acceptance, ACCEPTANCE_LATE.rule),
        _deadline("SESSION", SESSION_LATE.last_day(referral), session, SESSION_LATE.rule),
        _deadline("WP11", NOT_STARTED.last_day(referral), wp11, NOT_STARTED.rule),
        _deadline("ATTACHMENT", ATTACHMENT_LATE.last_day(referral), attachment, ATTACHMENT_LATE.rule),
    ]


def _state(late: str | None, met: bool, counts: bool) -> State:
    """late: RAISED, CLEARED or None. counts: whether the limit still matters where it is not met."""
    if late == "RAISED":
        return "MISSED"
    if met or late == "CLEARED":
        return "MET"
    return "OPEN" if counts else "OVER"


def _deadline(
    name: Literal["ACCEPTANCE", "SESSION", "WP11", "ATTACHMENT"], due_on: int, state: State, rule: str
) -> DeadlineView:
    return DeadlineView(
        deadline=name,
        due_on=format_day(due_on),
        passes_at=format_instant(midnight(due_on + 1)),
        state=state,
        rule=rule,
        guidance=SAYS[rule],
    )


def entries(view: View, history: Sequence[Event]) -> list[HistoryEntry]:
    """Events in the history of their referral, each outcome with the message that it is about."""
    return [
        _entry(event, _answered(view, event) if isinstance(event, Outcome) else None) for event in history
    ]


def record(message: SessionRecord) -> dict[str, Any]:
    """A provider's record as it is sent."""
    fields = render(message)
    for name in ("message_id", "po_number", "provider_id"):
        del fields[name]
    return {"type": type(message).__name__} | fields


def _answered(view: View, outcome: Outcome) -> AnsweredView:
    kinds = INBOUND.get(outcome.topic, ())
    kind, at, path = kinds[0].__name__ if len(kinds) == 1 else None, None, None
    if outcome.provider_id is not None and outcome.topic == PROVIDERS_TOPIC:
        path = message_path(outcome.message_id)
        received = view.received(outcome.po_number, [outcome.provider_id], outcome.message_id)
        if received is not None:
            kind, at = type(received.message).__name__, format_instant(received.at)
    return AnsweredView(message_id=outcome.message_id, type=kind, received_at=at, self=path)


def _entry(event: Event, answers: AnsweredView | None) -> HistoryEntry:
    return HistoryEntry(
        type=type(event).__name__,
        decided_at=format_instant(event.decided_at),
        says=words(event),
        rule=event.rule,
        guidance=guidance(event.rule),
        event=render(event),
        answers=answers,
    )


def _day(day: int | None) -> str | None:
    return None if day is None else format_day(day)


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
