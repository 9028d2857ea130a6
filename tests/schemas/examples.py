"""One record of each name, with every field filled in, so that there is something everywhere to damage."""

from typing import Any

from msgspec import Struct

from gateway.rules.events import (
    AttendanceEvent,
    Breach,
    CancellationEvent,
    DeadLetter,
    DeliveryPlan,
    Instruction,
    Notice,
    Outcome,
    PrapAction,
    SanctionNotification,
    SessionEvent,
)
from gateway.rules.messages import (
    AlternativeSessionNotPossible,
    AlternativeSessionRequested,
    AttachmentRegistered,
    AttendanceCorrected,
    AttendanceRecorded,
    CannotAttend,
    ExpenseReimbursed,
    GroupObjection,
    GroupSessionRestrictionChanged,
    Mandation,
    NotificationConfirmed,
    Participant,
    Referral,
    ReferralAccepted,
    ReferralRejected,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
    SupportGroupAppealChanged,
    Wp11,
)

#: 2016-04-04T23:00:00Z.
AT = 1_459_810_800_000
#: 2016-03-14.
ON = 16_874

_INBOUND = {"message_id": "M-1", "po_number": "PO-1"}
_OF_PROVIDER = {**_INBOUND, "provider_id": "PRV01"}
_OF_SESSION = {**_OF_PROVIDER, "session_id": "S-1"}
_OUTBOUND: dict[str, Any] = {
    "event_id": "E-1",
    "po_number": "PO-1",
    "provider_id": "PRV01",
    "decided_at": AT,
    "rule": "WP19 ¶12",
}

PARTICIPANT = Participant(
    nino="QQ123456C",
    forename="Ann",
    surname="O’Neill",
    date_of_birth=ON - 9_000,
    phone="020 7946 0000",
    email="ann@example.org",
    address=("1 High Street", "Sheffield"),
    postcode="S1 1AA",
    preferred_language="cy",
    interpreter_needed=True,
)
REFERRAL = Referral(
    **_INBOUND,
    po_revision=2,
    action_plan_annotation="Work Programme Information Session-Mandatory",
    referred_on=ON,
    provider_id="PRV01",
    contract_package_area="CPA09",
    jobcentre_id="JC-1",
    benefit="UC",
    claimant_group="ESA_C_WRAG",
    mandation=Mandation(
        basis="UC_WORKPLAN", purpose="CHECK_COMPLIANCE", tangible_outcome=True, recorded_on=ON
    ),
    special_customer_record=True,
    support_group_appeal_pending=True,
    group_session_restriction="MAPPA",
    participant=PARTICIPANT,
)
WP11 = Wp11(**_INBOUND, jobcentre_id="JC-1", interview_on=ON, wants_to_join=True, issued_on=ON + 1)
SESSION_BOOKED = SessionBooked(
    **_OF_SESSION,
    session_name="Information session",
    starts_at=AT,
    duration_minutes=60,
    location="Town hall",
    format="ONE_TO_ONE",
    notified_at=AT - 1,
)

_ALL: tuple[Struct, ...] = (
    REFERRAL,
    WP11,
    AlternativeSessionRequested(**_INBOUND, jobcentre_id="JC-1", requested_at=AT),
    SupportGroupAppealChanged(**_INBOUND, pending=True, changed_on=ON),
    GroupSessionRestrictionChanged(**_INBOUND, restriction="SAFETY_MEASURES", changed_on=ON),
    ReferralAccepted(**_OF_PROVIDER, accepted_at=AT),
    ReferralRejected(**_OF_PROVIDER, reason="Not ours", rejected_at=AT),
    SESSION_BOOKED,
    SessionChanged(**_OF_SESSION, starts_at=AT, duration_minutes=60, location="Library", notified_at=AT),
    SessionCancelled(**_OF_SESSION, cause="PARTICIPANT", reason="Flood", cancelled_at=AT),
    NotificationConfirmed(**_OF_SESSION, notified_at=AT),
    CannotAttend(**_OF_SESSION, reason="Unwell", given_at=AT),
    GroupObjection(**_OF_PROVIDER, raised_at=AT),
    AttendanceRecorded(**_OF_SESSION, outcome="DID_NOT_ATTEND", reason_given="Bus", recorded_at=AT),
    AttendanceCorrected(
        **_OF_SESSION, outcome="ATTENDED", reason_given="Bus", explanation="Was late", recorded_at=AT
    ),
    AttachmentRegistered(**_OF_PROVIDER, attached_on=ON, attached_to="WORK_PROGRAMME_REFERRAL"),
    ExpenseReimbursed(**_OF_SESSION, kind="TRAVEL", amount_pence=450, paid_on=ON),
    AlternativeSessionNotPossible(**_OF_PROVIDER, reason="No room", told_at=AT),
    SessionEvent(
        **_OUTBOUND,
        jobcentre_id="JC-1",
        session_id="S-1",
        change="CANCELLED",
        because="PARTICIPANT",
        session_name="Information session",
        starts_at=AT,
        duration_minutes=60,
        location="Town hall",
        format="ONE_TO_ONE",
        requirement="MANDATORY",
        notified_at=AT - 1,
    ),
    Notice(**_OUTBOUND, jobcentre_id="JC-1", notice="ATTACHED", message_id="M-1", on=ON),
    AttendanceEvent(
        **_OUTBOUND,
        jobcentre_id="JC-1",
        session_id="S-1",
        session_starts_at=AT,
        attempt=1,
        outcome="ATTENDED",
        requirement="MANDATORY",
        supersedes="E-0",
    ),
    CancellationEvent(
        **_OUTBOUND,
        jobcentre_id="JC-1",
        reason="Did Not Start",
        referred_on=ON,
        effective_on=ON,
        attended=True,
    ),
    SanctionNotification(
        **_OUTBOUND,
        jobcentre_id="JC-1",
        status="WITHDRAWN",
        withdraws="E-0",
        failure_type="FAILURE_TO_PARTICIPATE_OR_COMPLY",
        failure="CANNOT_ATTEND",
        mandation_basis="UC_WORKPLAN",
        mandation_purpose="CHECK_COMPLIANCE",
        mandation_recorded_on=ON,
        session_id="S-1",
        session_name="Information session",
        session_starts_at=AT,
        location="Town hall",
        requirement_notified_at=AT,
        reason_given="Bus",
    ),
    PrapAction(**_OUTBOUND, action="CANCEL", reason="Did Not Start"),
    Instruction(
        **_OUTBOUND,
        instruction="UNDERTAKE_ATTACHMENT",
        session_id="S-1",
        due_on=ON,
        participation="VOLUNTARY",
    ),
    Breach(
        **_OUTBOUND,
        breach="SESSION_LATE",
        status="RAISED",
        session_id="S-1",
        because="NOT_ATTENDED",
        due_on=ON,
    ),
    Outcome(
        **_OUTBOUND,
        message_id="M-1",
        topic="jobcentre.wp11",
        status="REFUSED",
        code="TOO_LATE",
        detail="The form came too late.",
        advisories=("FIRST", "SECOND"),
    ),
    DeadLetter(
        event_id="E-1",
        source_topic="jobcentre.wp11",
        source_partition=3,
        source_offset=2**40,
        code="UNDECODABLE",
        detail="The record has no value.",
        key=b"PO-1",
        value=b"\x00\xff",
        headers={"a": b"\x01", "b": None},
        decided_at=AT,
    ),
    DeliveryPlan(
        message_id="M-1",
        provider_id="PRV01",
        contract_package_area="CPA09",
        formats=("GROUP", "ONE_TO_ONE"),
        group_size=10,
        timings="Tuesdays",
        effective_from=ON,
    ),
)
EXAMPLES = {type(record).__name__: record for record in _ALL}
