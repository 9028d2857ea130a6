"""Messages and events in plain words, for somebody new to the Work Programme; without free text."""

from gateway.rules.calendar import day_text
from gateway.rules.deadlines import NOT_STARTED, RAISED_BY, SESSION_ENDED
from gateway.rules.decide import ROWS
from gateway.rules.events import (
    ADVISORY_WORDS,
    ATTENDANCE_WORDS,
    BREACH_WORDS,
    INSTRUCTION_WORDS,
    PRAP_WORDS,
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
from gateway.rules.messages import SENDERS, TOPIC_OF, Message


def came(message: Message) -> str:
    """Who sent a message, and what it says."""
    record = type(message)
    return f"{SENDERS[TOPIC_OF[record]]}: {ROWS[record].words(message)}"


def sent(outcome: Outcome) -> str:
    """Who sent the message that an outcome is about; for where the message itself is not at hand."""
    return f"{SENDERS.get(outcome.topic, outcome.topic)}: a message"


def became(outcome: Outcome) -> str:
    """What came of a message."""
    match outcome.status:
        case "REFUSED":
            return f"refused: {_without_stop(outcome.detail or _words(outcome.code or ''))}"
        case "DUPLICATE":
            return "a duplicate: nothing is decided twice"
        case "HELD":
            return "held until its referral comes"
    advisories = [ADVISORY_WORDS.get(advisory, _words(advisory)) for advisory in outcome.advisories]
    return f"applied; note: {'; '.join(advisories)}" if advisories else "applied"


def went(event: Event | DeadLetter) -> str:
    """Who is told by an event, and what."""
    match event:
        case AttendanceEvent():
            corrected = "corrected: " if event.supersedes is not None else ""
            return f"Jobcentre: {corrected}{ATTENDANCE_WORDS[event.outcome]}, session {event.session_id}"
        case CancellationEvent():
            return f"Jobcentre: cancelled from {day_text(event.effective_on)}, '{event.reason}'"
        case SanctionNotification(status="RAISED"):
            return f"decision maker: {_words(event.failure_type)}, session {event.session_id}"
        case SanctionNotification():
            return f"decision maker: the notification is withdrawn, session {event.session_id}"
        case PrapAction():
            return f"PRaP: {PRAP_WORDS[event.action]}"
        case Instruction():
            session = "" if event.session_id is None else f", session {event.session_id}"
            by = "" if event.due_on is None else f", by {day_text(event.due_on)}"
            return f"provider: {INSTRUCTION_WORDS[event.instruction]}{session}{by}"
        case Breach(status="RAISED"):
            return f"breach: {BREACH_WORDS[event.breach]}, by {day_text(event.due_on)}"
        case Breach():
            return f"breach cleared: it was in time, by {day_text(event.due_on)}"
        case Outcome():
            return became(event)
        case DeadLetter():
            return f"dead letter: {_without_stop(event.detail)}"


def by_time(event: Event | DeadLetter) -> str | None:
    """Which time was over, where that and no message brought an event about."""
    match event:
        case Breach(status="RAISED"):
            return RAISED_BY[event.breach].over
        case (
            CancellationEvent() | PrapAction(action="CANCEL") | Instruction(instruction="REFERRAL_CANCELLED")
        ):
            return NOT_STARTED.over
        case SanctionNotification(status="RAISED") | Instruction(instruction="CONFIRM_NOTIFICATION") if (
            event.rule == SESSION_ENDED.rule
        ):
            return SESSION_ENDED.over
    return None


def _words(code: str) -> str:
    return code.replace("_", " ").lower()


def _without_stop(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
