"""For each refusal of the rulebook a ready-made referral, and a message that is refused with it."""

from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.rules.messages import RECORD_NAMED, TOPIC_OF
from gateway.rules.referrals import MANDATORY, VOLUNTARY
from gateway.sandbox.scenes import Arrival, Json, Scene, referral, sent

SESSION: Final = "S1"


class Refusal(Struct, frozen=True):
    """How to get a refusal. send: a record for the referral's path, or a whole message for the sandbox's.

    only_until: from this instant of the sandbox's clock on, something else comes of it.
    """

    code: str
    scene: Scene
    send: Json
    by: Literal["PROVIDER", "SANDBOX"] = "PROVIDER"
    only_until: str | None = None


def refusals() -> Iterator[Refusal]:
    """All of them, the providers' own first."""
    yield from _of_providers()
    yield from _of_the_jobcentre()


def _scene(code: str, *arrivals: Arrival) -> Scene:
    return Scene(f"REFUSE-{code.replace('_', '-')}", f"For the refusal {code}.", arrivals)


def _accepted(on: str = "2016-03-07", **other: object) -> tuple[Arrival, ...]:
    at = f"{on}T10:00:00Z"
    return (
        referral(f"{on}T09:00:00Z", on, **other),  # type: ignore[arg-type]
        sent(at, "ReferralAccepted", accepted_at=at),
    )


def _booking(session_id: str = SESSION, starts_at: str = "2016-03-10T10:00:00Z", **other: object) -> Json:
    return {
        "session_id": session_id,
        "session_name": "Information session",
        "starts_at": starts_at,
        "duration_minutes": 60,
        "location": "Town Hall",
        "format": "GROUP",
        "notified_at": "2016-03-07T10:30:00Z",
    } | other


def _booked(starts_at: str = "2016-03-10T10:00:00Z") -> tuple[Arrival, ...]:
    return (*_accepted(), sent("2016-03-07T11:00:00Z", "SessionBooked", **_booking(starts_at=starts_at)))


def _attended(outcome: str = "ATTENDED") -> tuple[Arrival, ...]:
    at = "2016-03-10T12:00:00Z"
    return (
        *_booked(),
        sent(at, "AttendanceRecorded", session_id=SESSION, outcome=outcome, recorded_at=at),
    )


def _cancelled_session() -> tuple[Arrival, ...]:
    at = "2016-03-08T12:00:00Z"
    return (
        *_booked(),
        sent(at, "SessionCancelled", session_id=SESSION, reason="The hall is closed.", cancelled_at=at),
    )


def _wp11(at: str = "2016-03-11T09:00:00Z", **other: object) -> Arrival:
    on = at[:10]
    value: Json = {"jobcentre_id": "JCP-LEEDS", "interview_on": on, "wants_to_join": True, "issued_on": on}
    return Arrival(at, "Wp11", value | other)


def _attached() -> tuple[Arrival, ...]:
    at = "2016-03-11T10:00:00Z"
    registered = sent(
        at, "AttachmentRegistered", attached_on="2016-03-11", attached_to="WORK_PROGRAMME_REFERRAL"
    )
    return (*_attended(), _wp11(), registered)


def _of_providers() -> Iterator[Refusal]:
    now = "2016-03-14T09:00:00Z"
    accept: Json = {"type": "ReferralAccepted", "accepted_at": now}
    change: Json = {
        "type": "SessionChanged",
        "session_id": SESSION,
        "starts_at": "2016-03-17T10:00:00Z",
        "duration_minutes": 60,
        "location": "Town Hall",
        "notified_at": now,
    }
    came: Json = {
        "type": "AttendanceRecorded",
        "session_id": SESSION,
        "outcome": "ATTENDED",
        "recorded_at": now,
    }
    correct: Json = came | {"type": "AttendanceCorrected", "explanation": "Misread the list."}
    attach: Json = {
        "type": "AttachmentRegistered",
        "attached_on": "2016-03-14",
        "attached_to": "WORK_PROGRAMME_REFERRAL",
    }
    reimburse: Json = {
        "type": "ExpenseReimbursed",
        "session_id": SESSION,
        "kind": "TRAVEL",
        "amount_pence": 480,
        "paid_on": "2016-03-14",
    }
    book: Json = {"type": "SessionBooked", **_booking("S2", "2016-03-17T10:00:00Z")}
    on_11th = "2016-03-11T09:00:00Z"
    rejected = sent(on_11th, "ReferralRejected", reason="Outside our area.", rejected_at=on_11th)

    def case(code: str, *arrivals: Arrival, only_until: str | None = None, **send: Any) -> Refusal:  # noqa: ANN401
        return Refusal(code, _scene(code, *arrivals), send, only_until=only_until)

    fresh = referral(on_11th, "2016-03-11")
    yield case("DATED_IN_FUTURE", fresh, **accept | {"accepted_at": "2030-01-01T09:00:00Z"})
    yield case("REFERRAL_CLOSED", fresh, rejected, **accept)
    yield case("ALREADY_ACCEPTED", *_accepted(), **accept)
    yield case(
        "WP11_ALREADY_RECEIVED",
        *(referral("2016-03-10T09:00:00Z", "2016-03-10"), _wp11()),
        type="ReferralRejected",
        reason="Outside our area.",
        rejected_at=now,
    )
    yield case("REFERRAL_NOT_ACCEPTED", fresh, **book)
    yield case("SESSION_ALREADY_BOOKED", *_booked("2016-03-16T10:00:00Z"), **book | {"session_id": SESSION})
    yield case("ANOTHER_SESSION_BOOKED", *_booked("2016-03-16T10:00:00Z"), **book)
    yield case("SESSION_BEFORE_REFERRAL", *_accepted(), **book | {"starts_at": "2016-03-04T10:00:00Z"})
    yield case("INVALID_DURATION", *_accepted(), **book | {"duration_minutes": 0})
    yield case("GROUP_SESSION_UNSUITABLE", *_accepted(group_session_restriction="SAFETY_MEASURES"), **book)
    yield case("UNKNOWN_SESSION", *_accepted(), **change | {"session_id": "NEVER-BOOKED"})
    yield case("SESSION_NOT_OPEN", *_cancelled_session(), **change)
    yield case("SESSION_ALREADY_STARTED", *_booked(), **change)
    yield case("SESSION_CANCELLED", *_cancelled_session(), **came)
    yield case(
        "NOTIFIED_TOO_LATE",
        *_booked(),
        type="NotificationConfirmed",
        session_id=SESSION,
        notified_at="2016-03-11T10:00:00Z",
    )
    yield case(
        "NOTIFIED_BEFORE_REFERRAL",
        *_booked(),
        type="NotificationConfirmed",
        session_id=SESSION,
        notified_at="2016-03-04T10:00:00Z",
    )
    yield case("OUTCOME_ALREADY_RECORDED", *_attended(), **came)
    yield case(
        "SESSION_NOT_STARTED", *_booked("2016-03-16T10:00:00Z"), only_until="2016-03-16T10:00:00Z", **came
    )
    yield case("OUTCOME_NOT_RECORDED", *_booked(), **correct)
    yield case("NOTHING_TO_CORRECT", *_attended(), **correct)
    yield case(
        "ATTACHED_TO_INFORMATION_SESSION",
        *(*_attended(), _wp11()),
        **attach | {"attached_to": "INFORMATION_SESSION_REFERRAL"},
    )
    yield case("ALREADY_ATTACHED", *_attached(), **attach)
    yield case("NO_WP11", *_attended(), **attach)
    yield case("ATTACHED_BEFORE_WP11", *_attended(), _wp11(), **attach | {"attached_on": "2016-03-10"})
    yield case("INVALID_AMOUNT", *_attended(), **reimburse | {"amount_pence": 0})
    yield case("NO_ATTENDANCE_TO_REIMBURSE", *_attended("DID_NOT_ATTEND"), **reimburse)
    yield case(
        "NO_ALTERNATIVE_REQUESTED",
        *_accepted(),
        type="AlternativeSessionNotPossible",
        reason="No other session before the limit.",
        told_at=now,
    )


def _of_the_jobcentre() -> Iterator[Refusal]:
    def case(code: str, *arrivals: Arrival, send: Arrival, only_until: str | None = None) -> Refusal:
        scene = _scene(code, *arrivals)
        value = {"message_id": f"try-{code.lower()}", "po_number": scene.po_number} | send.value
        topic = TOPIC_OF[RECORD_NAMED[send.name]]
        return Refusal(
            code, scene, {"topic": topic, "type": send.name, "value": value}, "SANDBOX", only_until
        )

    on = "2016-03-07"
    known = referral(f"{on}T09:00:00Z", on)
    first = referral(f"{on}T09:00:00Z", on, po_revision=5)
    yield case("SPECIAL_CUSTOMER_RECORD", send=referral(special_customer_record=True))
    yield case("STALE_REVISION", first, send=referral(on=on, po_revision=4))
    yield case("NOT_AN_INFORMATION_SESSION", send=referral(annotation="Work Programme"))
    yield case("INVALID_NINO", send=referral(participant={"nino": "QQ123456C"}))
    yield case("CLAIMANT_GROUP_MISSING", send=referral(claimant_group=None))
    yield case(
        "GROUP_CANNOT_BE_MANDATED", send=referral(annotation=MANDATORY, claimant_group="ESA_C_SUPPORT_GROUP")
    )
    other = {"basis": "UC_WORKPLAN", "recorded_on": "2016-03-01"}
    yield case("MANDATION_DOES_NOT_FIT", send=referral(annotation=MANDATORY, mandation=other))
    yield case(
        "UC_MANDATION_NOT_JUSTIFIED",
        send=referral(annotation=MANDATORY, benefit="UC", claimant_group=None),
    )
    yield case(
        "NO_JOBSEEKERS_DIRECTION", send=referral(annotation=MANDATORY, benefit="JSA", claimant_group=None)
    )
    yield case(
        "MANDATION_NEEDS_NEW_REFERRAL", known, send=referral(on=on, annotation=MANDATORY, po_revision=2)
    )
    yield case(
        "IMMUTABLE_FIELD_CHANGED", known, send=referral(annotation=VOLUNTARY, on="2016-03-08", po_revision=2)
    )
    yield case("DOES_NOT_WANT_TO_JOIN", known, send=_wp11("2016-03-14T09:00:00Z", wants_to_join=False))
    yield case(
        "INTERVIEW_BEFORE_REFERRAL", known, send=_wp11("2016-03-14T09:00:00Z", interview_on="2016-03-04")
    )
    yield case("ISSUED_BEFORE_INTERVIEW", known, send=_wp11("2016-03-14T09:00:00Z", issued_on="2016-03-13"))
    yield case(
        "SUPPORT_GROUP_APPEAL_PENDING",
        referral(f"{on}T09:00:00Z", on, support_group_appeal_pending=True),
        send=_wp11("2016-03-14T09:00:00Z"),
    )
    late = referral("2016-02-15T09:00:00Z", "2016-02-15")
    yield case(
        "INTERVIEW_AFTER_21_DAYS",
        late,
        send=_wp11("2016-03-14T09:00:00Z", interview_on="2016-03-14"),
    )
    yield case("REFERRAL_CANCELLED", late, send=_wp11("2016-03-14T09:00:00Z", interview_on="2016-03-04"))
    yield case(
        "NOT_YOUR_REFERRAL",
        known,
        send=sent(
            "2016-03-14T09:00:00Z",
            "ReferralAccepted",
            accepted_at="2016-03-14T09:00:00Z",
            provider_id="PRV99",
        ),
    )
