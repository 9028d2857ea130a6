"""Messages and events in plain words, for somebody new to the Work Programme; without free text."""

from gateway.rules.calendar import day_text, instant_text
from gateway.rules.deadlines import NOT_STARTED, OUTCOME_LATE, RAISED_BY, SESSION_ENDED
from gateway.rules.decide import ROWS
from gateway.rules.events import (
    ADVISORY_WORDS,
    ATTENDANCE_WORDS,
    BECAUSE_WORDS,
    BREACH_WORDS,
    FAILURE_WORDS,
    INSTRUCTION_WORDS,
    MISSING_WORDS,
    NOTICE_WORDS,
    PRAP_WORDS,
    SESSION_WORDS,
    AttendanceEvent,
    Breach,
    CancellationEvent,
    DeadLetter,
    Event,
    Instruction,
    Notice,
    Outcome,
    PrapAction,
    SanctionNotification,
    SessionEvent,
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
        case SessionEvent():
            because = "" if event.because is None else f" {BECAUSE_WORDS[event.because]}"
            what = f"{SESSION_WORDS[event.change]}{because}, {event.requirement.lower()}"
            return f"Jobcentre: {what}, {instant_text(event.starts_at)}, session {event.session_id}"
        case Notice():
            return f"Jobcentre: {NOTICE_WORDS[event.notice]} on {day_text(event.on)}"
        case AttendanceEvent():
            corrected = "corrected: " if event.supersedes is not None else ""
            return f"Jobcentre: {corrected}{ATTENDANCE_WORDS[event.outcome]}, session {event.session_id}"
        case CancellationEvent():
            return f"Jobcentre: cancelled from {day_text(event.effective_on)}, '{event.reason}'"
        case SanctionNotification(status="RAISED"):
            failure = f"{_words(event.failure_type)}, the participant {FAILURE_WORDS[event.failure]}"
            return f"decision maker: {failure}, session {event.session_id}"
        case SanctionNotification():
            return f"decision maker: the notification is withdrawn, session {event.session_id}"
        case PrapAction():
            return f"PRaP: {PRAP_WORDS[event.action]}"
        case Instruction():
            session = "" if event.session_id is None else f", session {event.session_id}"
            by = "" if event.due_on is None else f", by {day_text(event.due_on)}"
            part = "" if event.participation is None else f"; taking part is {event.participation.lower()}"
            return f"provider: {INSTRUCTION_WORDS[event.instruction]}{session}{by}{part}"
        case Breach(status="RAISED"):
            missing = "" if event.because is None else f": {MISSING_WORDS[event.because]}"
            return f"breach: {BREACH_WORDS[event.breach]}, by {day_text(event.due_on)}{missing}{_of(event)}"
        case Breach():
            return f"breach cleared: it was in time, by {day_text(event.due_on)}{_of(event)}"
        case Outcome():
            return became(event)
        case DeadLetter():
            return f"dead letter: {_without_stop(event.detail)}"


def by_time(event: Event | DeadLetter) -> str | None:
    """Which time was over, where that and no message brought an event about."""
    match event:
        case Breach(status="RAISED"):
            row = RAISED_BY.get(event.breach)
            return None if row is None else row.over
        case (
            CancellationEvent() | PrapAction(action="CANCEL") | Instruction(instruction="REFERRAL_CANCELLED")
        ):
            return NOT_STARTED.over
        case Instruction(instruction="RECORD_OUTCOME" | "CONFIRM_NOTIFICATION", rule=OUTCOME_LATE.rule):
            return OUTCOME_LATE.over
        case SanctionNotification(status="RAISED") | Instruction(instruction="CONFIRM_NOTIFICATION") if (
            event.rule == SESSION_ENDED.rule
        ):
            return SESSION_ENDED.over
    return None


def _of(breach: Breach) -> str:
    return "" if breach.session_id is None else f", session {breach.session_id}"


def _words(code: str) -> str:
    return code.replace("_", " ").lower()


def _without_stop(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
