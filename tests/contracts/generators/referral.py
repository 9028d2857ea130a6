"""A whole referral by the client that openapi-python-client makes: URL TOKEN PO_NUMBER are its arguments."""

import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO

from information_session_gateway_client import AuthenticatedClient
from information_session_gateway_client.api.instructions import list_instructions
from information_session_gateway_client.api.messages import post_record, post_upload
from information_session_gateway_client.api.referrals import get_referral
from information_session_gateway_client.api.sandbox import (
    get_sandbox_clock,
    move_sandbox_clock,
    post_sandbox_message,
)
from information_session_gateway_client.models import (
    AttachedTo,
    AttachmentRegistered,
    AttachmentRegisteredType,
    AttendanceOutcome,
    AttendanceRecorded,
    AttendanceRecordedType,
    Benefit,
    ClockMove,
    ClockView,
    InstructionEntry,
    InstructionKind,
    InstructionList,
    MessageStatus,
    MessageView,
    Participant,
    ProblemDetails,
    ReferralAccepted,
    ReferralAcceptedType,
    ReferralMessage,
    ReferralMessageTopic,
    ReferralStatus,
    ReferralValue,
    ReferralView,
    SessionBooked,
    SessionBookedType,
    SessionFormat,
    UploadView,
    Wp11Message,
    Wp11MessageTopic,
    Wp11Value,
)
from information_session_gateway_client.types import File

url, token, po = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token)
#: As a clock of this language has it: what is finer than a millisecond is for the gateway to leave out.
FINER = timedelta(microseconds=123_456)


def now() -> datetime:
    clock = get_sandbox_clock.sync(client=client)
    assert isinstance(clock, ClockView)
    at: datetime = clock.at
    return at


def move(at: datetime) -> None:
    assert isinstance(move_sandbox_clock.sync(client=client, body=ClockMove(at=at)), ClockView)


def send(
    step: str, record: ReferralAccepted | SessionBooked | AttendanceRecorded | AttachmentRegistered
) -> None:
    view = post_record.sync(po, client=client, body=record, idempotency_key=f"{po}-{step}", prefer="wait=10")
    assert isinstance(view, MessageView), view
    assert view.status == MessageStatus.APPLIED


began = now()
referred = ReferralMessage(
    topic=ReferralMessageTopic.PRAP_REFERRALS,
    value=ReferralValue(
        message_id=f"{po}-referred",
        po_number=po,
        po_revision=1,
        action_plan_annotation="Work Programme Information Session-Voluntary",
        referred_on=began.date(),
        provider_id="PRV01",
        contract_package_area="CPA01",
        jobcentre_id="JCP-LEEDS",
        benefit=Benefit.JSA,
        participant=Participant(),
    ),
)
arrived = post_sandbox_message.sync(client=client, body=referred, prefer="wait=10")
assert isinstance(arrived, MessageView), arrived
assert arrived.status == MessageStatus.APPLIED

accepted = ReferralAccepted(type_=ReferralAcceptedType.REFERRALACCEPTED, accepted_at=began + FINER)
send("accepted", accepted)
again = post_record.sync(po, client=client, body=accepted, idempotency_key=f"{po}-again", prefer="wait=10")
assert isinstance(again, ProblemDetails)
assert again.code == "ALREADY_ACCEPTED"

starts_at = began + timedelta(days=1)
booked = SessionBooked(
    type_=SessionBookedType.SESSIONBOOKED,
    session_id=f"{po}-session",
    session_name="Information session",
    starts_at=starts_at,
    duration_minutes=60,
    location="Leeds Town Hall",
    format_=SessionFormat.GROUP,
)
send("booked", booked)
move(starts_at + timedelta(hours=2))
send(
    "attended",
    AttendanceRecorded(
        type_=AttendanceRecordedType.ATTENDANCERECORDED,
        session_id=f"{po}-session",
        outcome=AttendanceOutcome.ATTENDED,
        recorded_at=now().astimezone(UTC) + FINER,
    ),
)
today = now().date()
wp11 = Wp11Message(
    topic=Wp11MessageTopic.JOBCENTRE_WP11,
    value=Wp11Value(f"{po}-wp11", po, "JCP-LEEDS", interview_on=today, wants_to_join=True, issued_on=today),
)
assert isinstance(post_sandbox_message.sync(client=client, body=wp11, prefer="wait=10"), MessageView)

instructions = list_instructions.sync(client=client, limit=500)
assert isinstance(instructions, InstructionList)
mine = [each for each in instructions.instructions if each.po_number == po]
assert mine[-1].instruction == InstructionKind.UNDERTAKE_ATTACHMENT
assert mine[-1].due_on == began.date() + timedelta(days=28)

send(
    "attached",
    AttachmentRegistered(
        type_=AttachmentRegisteredType.ATTACHMENTREGISTERED,
        attached_on=today,
        attached_to=AttachedTo.WORK_PROGRAMME_REFERRAL,
    ),
)
whole = get_referral.sync(po, client=client)
assert isinstance(whole, ReferralView)
assert whole.status == ReferralStatus.ATTACHED
told = [each.event.instruction for each in whole.history if isinstance(each, InstructionEntry)]
assert told == [InstructionKind.ACCEPT_REFERRAL, InstructionKind.UNDERTAKE_ATTACHMENT]

objection = f'{{"message_id": "{po}-o", "po_number": "{po}", "type": "GroupObjection", "raised_at": '
line = File(payload=BytesIO(f'{objection}"{began.isoformat()}"}}\n'.encode()))
uploaded = post_upload.sync(client=client, body=line)
assert isinstance(uploaded, UploadView), uploaded
assert uploaded.records == 1
print(whole.status.value)
