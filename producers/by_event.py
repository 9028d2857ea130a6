"""Which topic an event goes to: a line for each."""

from collections.abc import Callable
from typing import Any, Final

from gateway.engine.log import Draft
from gateway.rules.events import (
    OUTBOUND,
    AttendanceEvent,
    Breach,
    CancellationEvent,
    DeadLetter,
    DeliveryPlan,
    Event,
    Instruction,
    Notice,
    Outcome,
    PrapAction,
    SanctionNotification,
    SessionEvent,
)
from producers import (
    attendance,
    breaches,
    cancellations,
    dead_letters,
    delivery_plans,
    instructions,
    notices,
    outcomes,
    prap_actions,
    sanction_notifications,
    sessions,
)

#: What drafts the record of an event, by the event's class. Each takes its own class only, hence Any.
DRAFTS: Final[dict[type[Event], Callable[[Any, str | None], Draft]]] = {
    SessionEvent: sessions.draft,
    AttendanceEvent: attendance.draft,
    CancellationEvent: cancellations.draft,
    SanctionNotification: sanction_notifications.draft,
    Notice: notices.draft,
    PrapAction: prap_actions.draft,
    Instruction: instructions.draft,
    Breach: breaches.draft,
    Outcome: outcomes.draft,
}
#: The name of the record that each topic holds: what `decode` is to expect of those who read it back.
RECORDS: Final[dict[str, frozenset[str]]] = {
    topic: frozenset({record.__name__})
    for topic, record in {
        **OUTBOUND,
        dead_letters.TOPIC: DeadLetter,
        delivery_plans.TOPIC: DeliveryPlan,
    }.items()
}


def draft(event: Event, traceparent: str | None) -> Draft:
    """The record to put on the event's topic.

    traceparent: `traceparent_of` the headers of the message that caused the event; None: the event has no
    cause with a valid one, and goes without.
    """
    return DRAFTS[type(event)](event, traceparent)
