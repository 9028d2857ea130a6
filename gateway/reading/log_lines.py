"""From an event that was committed to its log line: ids, kinds and times, and never free text.

The same lines are logged when a step is committed (`EventLog`) and made again by `gateway tail --as-log`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from gateway.engine.log import Output, Record
from gateway.engine.observer import Observer
from gateway.engine.step import Decided
from gateway.rules.events import (
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
from gateway.rules.referrals import SPECIAL
from gateway.rules.words import by_time
from gateway.system.telemetry import LOG_EVENTS, Line, log_lines
from producers import trace_id_of, traceparent_of
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.json import format_instant
from schemas.times import format_day

#: GATEWAY_LOG_EVENTS.
Chosen = Literal["all", "notable", "none"]
#: The levels, the least grave first.
LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Lines:
    """How the events of one class are logged.

    says: the log event. by: the field that says which, where there are several; None in `says`: another line
    says it. kind: the field that is logged as `kind`. fields: those that are logged under their own names.
    """

    says: str | Mapping[str, str | None]
    by: str | None = None
    kind: str | None = None
    fields: tuple[str, ...] = ()

    def of(self, event: Event | DeadLetter) -> str | None:
        """The log event of an event; None: it has none."""
        if type(event) is Outcome and event.code is not None and event.code in REFUSED_FOR:
            return REFUSED_FOR[event.code]
        return self.says if isinstance(self.says, str) else self.says.get(getattr(event, self.by or ""))

    def names(self) -> frozenset[str]:
        """The log events that there are of the class."""
        said = [self.says] if isinstance(self.says, str) else self.says.values()
        return frozenset(name for name in said if name is not None)


#: Where something else is to be seen than that a message was refused: by the code.
REFUSED_FOR: Final = {SPECIAL.code: "security.special_customer_record"}
#: A row for each class of events, and in it an entry for each kind. Without one an event is not logged.
LINES: Final[dict[type[Event | DeadLetter], Lines]] = {
    SessionEvent: Lines("session.reported", kind="change", fields=("session_id", "requirement", "because")),
    AttendanceEvent: Lines("attendance.reported", kind="outcome", fields=("session_id", "requirement")),
    CancellationEvent: Lines("referral.cancelled", fields=("referred_on", "effective_on", "attended")),
    SanctionNotification: Lines(
        {"RAISED": "sanction.raised", "WITHDRAWN": "sanction.withdrawn"},
        by="status",
        kind="failure",
        fields=("session_id", "failure_type", "withdraws"),
    ),
    Notice: Lines(
        {
            "NEW_REFERRAL_NEEDED": "notice.sent",
            "ATTACHED": "referral.attached",
            "INCORRECT_ATTACHMENT": "notice.sent",
            "ALTERNATIVE_NOT_POSSIBLE": "notice.sent",
            "OTHER": "notice.sent",
        },
        by="notice",
        kind="notice",
        fields=("message_id", "on"),
    ),
    PrapAction: Lines(
        {
            "ACKNOWLEDGE": "referral.received",
            "ACCEPT": "referral.accepted",
            "REJECT": "referral.rejected",
            "CANCEL": None,
            "BACK_OUT_ATTACHMENT": "attachment.backed_out",
            "OTHER": None,
        },
        by="action",
    ),
    Instruction: Lines(
        {
            "ACCEPT_REFERRAL": None,
            "ARRANGE_ALTERNATIVE_SESSION": "instruction.sent",
            "OFFER_ONE_TO_ONE": "instruction.sent",
            "CONFIRM_NOTIFICATION": "instruction.sent",
            "UNDERTAKE_ATTACHMENT": "instruction.sent",
            "HOLD_ATTACHMENT": "instruction.sent",
            "BACK_OUT_ATTACHMENT": None,
            "REFERRAL_UPDATED": "referral.updated",
            "REFERRAL_CANCELLED": None,
            "MANDATE_ENDED": "instruction.sent",
            "HANDLE_CLERICALLY": "instruction.sent",
            "RECORD_OUTCOME": "instruction.sent",
            "OTHER": "instruction.sent",
        },
        by="instruction",
        kind="instruction",
        fields=("session_id", "due_on"),
    ),
    Breach: Lines(
        {"RAISED": "breach.raised", "CLEARED": "breach.cleared"},
        by="status",
        kind="breach",
        fields=("session_id", "because", "due_on"),
    ),
    Outcome: Lines(
        {
            "APPLIED": "message.applied",
            "DUPLICATE": "message.duplicate",
            "HELD": "message.held",
            "REFUSED": "message.refused",
        },
        by="status",
        fields=("message_id", "topic", "code"),
    ),
    DeadLetter: Lines("message.dead_lettered"),
}
#: By class, the fields that are logged under their own names, each with whether it is a day.
_FIELDS: Final = {
    record: [
        (field, field == "on" or field.endswith("_on")) for field in ("provider_id", "rule", *lines.fields)
    ]
    for record, lines in LINES.items()
}
#: All log events that are made here.
NAMES: Final = frozenset(REFUSED_FOR.values()).union(*(lines.names() for lines in LINES.values()))


def shown(level: str, chosen: Chosen) -> dict[str, str]:
    """Of the log events that are made here, those that are logged, each with its level.

    level: GATEWAY_LOG_LEVEL. With `all`, what else is for debugging is at info; with `none`, only warnings
    are left.
    """
    least = LEVELS.index(max(level, "warning", key=LEVELS.index) if chosen == "none" else level)
    found = {}
    for name in NAMES:
        at = LOG_EVENTS[name].level
        if chosen == "all" and at == "debug":
            at = "info"
        if LEVELS.index(at) >= least:
            found[name] = at
    return found


def kinds_of(event: Event | DeadLetter) -> frozenset[str]:
    """What distinguishes an event from others of its topic: status, kind, code of a refusal."""
    lines = LINES[type(event)]
    found = (getattr(event, field, None) for field in (lines.by, lines.kind, "code") if field)
    return frozenset(value for value in found if value is not None)


class LogLines:
    """Makes the lines of events that come in the order in which they were decided.

    shown: see there. wants: of which events; None: of all.
    """

    def __init__(
        self, shown: Mapping[str, str], wants: Callable[[Event | DeadLetter], bool] | None = None
    ) -> None:
        self._shown = shown
        #: The classes of events of which some are logged.
        self._records = {record for record, lines in LINES.items() if lines.names() & shown.keys()}
        self._wants = wants
        self._ready: list[Line] = []
        #: What came of a message whose outcome has not come yet, which is the last of it and says which
        #: message it was; and of which purchase order that is, and when it was decided.
        self._waiting: list[Line] = []
        self._waits_for: tuple[str, int] | None = None

    def add(self, event: Event | DeadLetter, traceparent: str | None, at: int | None = None) -> None:
        """Take in the next event. at: when it was put on the log (UTC milliseconds); None: now."""
        record = type(event)
        if record is Outcome:
            if self._waiting:
                self._release(event)
        elif record not in self._records:
            return
        lines = LINES[record]
        name = lines.of(event)
        if name is None or name not in self._shown or not (self._wants is None or self._wants(event)):
            return
        if self._waiting and self._waits_for != _decision(event):
            self._release(None)
        said = _said(name, event, lines)
        if traceparent is not None:
            said["trace_id"] = trace_id_of(traceparent)
        if at is not None:
            said["timestamp"] = format_instant(at)
        line = self._shown[name], said
        if self._waiting or not (record in _OF_NO_MESSAGE or by_time(event) is not None):
            self._waiting.append(line)
            self._waits_for = _decision(event)
        else:
            self._ready.append(line)

    def take(self, *, rest: bool = False) -> list[Line]:
        """The lines that are complete. rest: nothing more comes, so the others are, too."""
        if rest:
            self._release(None)
        ready, self._ready = self._ready, []
        return ready

    def _release(self, outcome: Event | DeadLetter | None) -> None:
        """Let the lines go that wait; outcome: what may say which message led to them."""
        if isinstance(outcome, Outcome) and self._waits_for == _decision(outcome):
            for _, said in self._waiting:
                said["message_id"] = outcome.message_id
        self._ready += self._waiting
        self._waiting = []


#: An outcome says itself which message it is about, and of a dead letter no message could be made.
_OF_NO_MESSAGE: Final = frozenset({Outcome, DeadLetter})


def events_of(outputs: Iterable[Output]) -> Iterator[tuple[Event | DeadLetter, str | None]]:
    """The events among what goes out of a step, each with the trace context of its cause."""
    for output in outputs:
        if isinstance(output, tuple):
            yield output
        elif output.topic in OUTBOUND_TOPICS:
            yield (
                read_event(Record(output.topic, 0, 0, 0, output.key, output.value)),
                traceparent_of(output.headers),
            )


class EventLog(Observer):
    """Logs what a step has decided, when it has been committed, and so once at the most."""

    def __init__(self, shown: Mapping[str, str]) -> None:
        self._shown = shown

    def committed(self, decided: Decided, seconds: float) -> None:
        """Log it."""
        lines = LogLines(self._shown)
        for event, traceparent in events_of(decided.commit.outputs):
            lines.add(event, traceparent)
        log_lines(lines.take(rest=True))


#: The events of one decision have one instant, and so has much that falls due.
_instant: Final = lru_cache(maxsize=256)(format_instant)


def _said(name: str, event: Event | DeadLetter, lines: Lines) -> dict[str, object]:
    at = _instant(event.decided_at)
    if isinstance(event, DeadLetter):
        return {
            "event": name,
            "letter": event.event_id,
            "topic": event.source_topic,
            "partition": event.source_partition,
            "offset": event.source_offset,
            "code": event.code,
            "decided_at": at,
        }
    said: dict[str, object] = {
        "event": name,
        "event_id": event.event_id,
        "po_number": event.po_number,
        "decided_at": at,
    }
    for field, is_day in _FIELDS[type(event)]:
        value = getattr(event, field)
        if value is not None:
            said[field] = format_day(value) if is_day else value
    if lines.kind is not None:
        said["kind"] = getattr(event, lines.kind)
    return said


def _decision(event: Event | DeadLetter) -> tuple[str, int]:
    return "" if isinstance(event, DeadLetter) else event.po_number, event.decided_at
