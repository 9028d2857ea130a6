"""Messages and events in plain words, for somebody new to the Work Programme; without free text."""

from datetime import UTC, datetime
from typing import Final

from gateway.rules.calendar import LONDON, date_of
from gateway.rules.events import (
    AttendanceEvent,
    Breach,
    CancellationEvent,
    DeadLetter,
    Event,
    Instruction,
    Outcome,
    PrapAction,
    SanctionNotification,
)
from gateway.rules.guidance import CANNOT_ATTEND
from gateway.rules.messages import (
    AttendanceCorrected,
    AttendanceRecorded,
    Message,
    Referral,
    SessionBooked,
    SupportGroupAppealChanged,
    Wp11,
)
from gateway.rules.referrals import MANDATORY

_CAME: Final = {
    "AlternativeSessionRequested": "Jobcentre: asks for another session",
    "GroupSessionRestrictionChanged": "Jobcentre: whether a group is suitable has changed",
    "ReferralAccepted": "provider: accepts the referral",
    "ReferralRejected": "provider: rejects the referral",
    "SessionChanged": "provider: changes a session",
    "SessionCancelled": "provider: cancels a session",
    "NotificationConfirmed": "provider: confirms when the participant was told",
    "CannotAttend": "provider: the participant says that they can't come",
    "GroupObjection": "provider: the participant objects to a group",
    "AttachmentRegistered": "provider: has attached the participant",
    "ExpenseReimbursed": "provider: has reimbursed what coming cost",
}
_ATTENDED: Final = {
    "ATTENDED": "the participant came",
    "DID_NOT_ATTEND": "the participant did not come",
    "DID_NOT_PARTICIPATE": "the participant came and did not take part",
}
_PRAP: Final = {
    "ACKNOWLEDGE": "acknowledge the referral",
    "ACCEPT": "accept the referral",
    "REJECT": "reject the referral",
    "CANCEL": "cancel the referral, 'Did Not Start'",
    "BACK_OUT_ATTACHMENT": "back out the attachment",
}
_INSTRUCTIONS: Final = {
    "ACCEPT_REFERRAL": "accept the referral",
    "ARRANGE_ALTERNATIVE_SESSION": "arrange another session",
    "OFFER_ONE_TO_ONE": "offer a one-to-one session",
    "CONFIRM_NOTIFICATION": "confirm when the participant was told",
    "UNDERTAKE_ATTACHMENT": "attach the participant",
    "BACK_OUT_ATTACHMENT": "back out the attachment",
    "REFERRAL_UPDATED": "the referral has been updated",
    "REFERRAL_CANCELLED": "the referral has been cancelled",
}
_BREACHES: Final = {
    "ACCEPTANCE_LATE": "not accepted in time",
    "SESSION_LATE": "no session attended in time",
    "ATTACHMENT_LATE": "not attached in time",
}
_SENDERS: Final = {
    "prap.referrals": "PRaP",
    "jobcentre.wp11": "Jobcentre",
    "jobcentre.updates": "Jobcentre",
    "provider.session-records": "provider",
}
_ADVISORIES: Final = {
    "SESSION_AFTER_15_DAYS": "the session is after the limit for sessions",
    "SESSION_AFTER_21_DAYS": "the session is after the limit for a WP11",
    "LONGER_THAN_AN_HOUR": "it is longer than it should be",
    "PARTICIPANT_NOT_NOTIFIED": "the participant has not been told yet",
    "SESSION_CANCELLED_UNCONTACTABLE": "cancelled, since the participant could not be contacted",
    "WP11_WITHOUT_ATTENDANCE": "no session was attended",
}


def came(message: Message) -> str:
    """Who sent a message, and what it says."""
    match message:
        case Referral():
            kind = "mandatory" if message.action_plan_annotation == MANDATORY else "voluntary"
            again = f", revision {message.po_revision}" if message.po_revision > 1 else ""
            return f"PRaP: a referral of {day(message.referred_on)} to a {kind} session{again}"
        case Wp11(wants_to_join=True):
            return "Jobcentre: a WP11, the participant wants to join"
        case Wp11():
            return "Jobcentre: a WP11, the participant does not want to join"
        case SupportGroupAppealChanged(pending=True):
            return "Jobcentre: the participant appeals for the Support Group"
        case SupportGroupAppealChanged():
            return "Jobcentre: the appeal for the Support Group has ended"
        case SessionBooked():
            form = "group" if message.format == "GROUP" else "one-to-one"
            return f"provider: books a {form} session for {instant(message.starts_at)}"
        case AttendanceRecorded():
            return f"provider: {_ATTENDED[message.outcome]}"
        case AttendanceCorrected():
            return f"provider: corrects it, {_ATTENDED[message.outcome]}"
        case _:
            return _CAME[type(message).__name__]


def sent(outcome: Outcome) -> str:
    """Who sent the message that an outcome is about; for where the message itself is not at hand."""
    return f"{_SENDERS.get(outcome.topic, outcome.topic)}: a message"


def became(outcome: Outcome) -> str:
    """What came of a message."""
    match outcome.status:
        case "REFUSED":
            return f"refused: {_without_stop(outcome.detail or _words(outcome.code or ''))}"
        case "DUPLICATE":
            return "a duplicate: nothing is decided twice"
        case "HELD":
            return "held until its referral comes"
    advisories = [_ADVISORIES.get(advisory, _words(advisory)) for advisory in outcome.advisories]
    return f"applied; note: {'; '.join(advisories)}" if advisories else "applied"


def went(event: Event | DeadLetter) -> str:
    """Who is told by an event, and what."""
    match event:
        case AttendanceEvent():
            corrected = "corrected: " if event.supersedes is not None else ""
            return f"Jobcentre: {corrected}{_ATTENDED[event.outcome]}, session {event.session_id}"
        case CancellationEvent():
            return f"Jobcentre: cancelled from {day(event.effective_on)}, '{event.reason}'"
        case SanctionNotification(status="RAISED"):
            return f"decision maker: {_words(event.failure_type)}, session {event.session_id}"
        case SanctionNotification():
            return f"decision maker: the notification is withdrawn, session {event.session_id}"
        case PrapAction():
            return f"PRaP: {_PRAP[event.action]}"
        case Instruction():
            session = "" if event.session_id is None else f", session {event.session_id}"
            by = "" if event.due_on is None else f", by {day(event.due_on)}"
            return f"provider: {_INSTRUCTIONS[event.instruction]}{session}{by}"
        case Breach(status="RAISED"):
            return f"breach: {_BREACHES[event.breach]}, by {day(event.due_on)}"
        case Breach():
            return f"breach cleared: it was in time, by {day(event.due_on)}"
        case Outcome():
            return became(event)
        case DeadLetter():
            return f"dead letter: {_without_stop(event.detail)}"


def by_time(event: Event | DeadLetter) -> str | None:
    """Which time was over, where that and no message brought an event about."""
    match event:
        case Breach(status="RAISED", breach="ACCEPTANCE_LATE"):
            return "the time to accept is over"
        case Breach(status="RAISED", breach="SESSION_LATE"):
            return "the time for a session is over"
        case Breach(status="RAISED"):
            return "the time to attach is over"
        case (
            CancellationEvent() | PrapAction(action="CANCEL") | Instruction(instruction="REFERRAL_CANCELLED")
        ):
            return "the time for a WP11 is over"
        case SanctionNotification(status="RAISED") | Instruction(instruction="CONFIRM_NOTIFICATION") if (
            event.rule == CANNOT_ATTEND
        ):
            return "the session is over, and the participant had said that they can't come"
    return None


def day(on: int) -> str:
    """A day (days since 1970), such as 4 Apr 2016."""
    civil = date_of(on)
    return f"{civil.day} {civil:%b %Y}"


def instant(at: int) -> str:
    """An instant (UTC milliseconds) as people in Britain write it, in London's time: 4 Apr 2016 09:30."""
    try:
        civil = datetime.fromtimestamp(at / 1000, LONDON)
    except (ValueError, OverflowError):  # at the very ends of the calendar, London is in another year
        civil = datetime.fromtimestamp(at / 1000, UTC)
    return f"{civil.day} {civil:%b %Y %H:%M}"


def printable(text: str) -> str:
    """An id that came from outside, with nothing in it that a terminal would act on."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _words(code: str) -> str:
    return code.replace("_", " ").lower()


def _without_stop(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
