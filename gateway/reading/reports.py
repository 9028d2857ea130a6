"""Reports for people, as CSV: what was decided in a period, read from the log as it is.

No report has anything about a person: reasons given, names and places stay on the log.
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final, cast, get_args

from msgspec import Struct

from consumers import READERS
from gateway.engine.log import Log
from gateway.intake.uploads.export import csv_bytes, csv_rows
from gateway.rules.calendar import london_day
from gateway.rules.events import Breach, CancellationEvent, Event, Outcome, SanctionNotification
from gateway.rules.messages import PROVIDERS_TOPIC, ExpenseKind, ExpenseReimbursed
from producers import breaches, cancellations, outcomes, sanction_notifications
from producers.read_back import read_event
from schemas.json import render

#: So many rows are made at a time.
_AT_ONCE: Final = 500

Row = list[str | int]


class Period(Struct, frozen=True):
    """Days in London since 1970, both included; None: no first or no last day."""

    first: int | None = None
    last: int | None = None

    def holds(self, day: int) -> bool:
        """Whether a day is in it."""
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


class Events(Struct, frozen=True):
    """A report of the events of a topic, a row each. columns: fields of the event."""

    about: str
    topic: str
    columns: Sequence[str]

    async def rows(self, log: Log, period: Period) -> AsyncIterator[Row]:
        """Those that were decided in the period, in order within a partition. Raises LogError."""
        async for record in log.follow([self.topic], from_start=True, wait=False):
            event = cast(Event, read_event(record))
            if period.holds(london_day(event.decided_at)):
                shown = render(event)
                yield [_cell(shown[name]) for name in self.columns]


class Expenses(Struct, frozen=True):
    """A report of the expenses that providers have reimbursed, a row for each provider and kind."""

    about: str
    columns: Sequence[str] = ("provider_id", "kind", "payments", "amount_pence")

    async def rows(self, log: Log, period: Period) -> AsyncIterator[Row]:
        """Those that were paid in the period, and whose record was applied. Raises LogError."""
        sent: dict[tuple[str, str, str], ExpenseReimbursed] = {}
        async for record in log.follow([PROVIDERS_TOPIC], from_start=True, wait=False):
            message = READERS[PROVIDERS_TOPIC](record)
            if isinstance(message, ExpenseReimbursed):
                # The same id again is a duplicate, whatever it says.
                sent.setdefault((message.po_number, message.provider_id, message.message_id), message)
        payments: Counter[tuple[str, str]] = Counter()
        pence: Counter[tuple[str, str]] = Counter()
        async for record in log.follow([outcomes.TOPIC], from_start=True, wait=False):
            outcome = cast(Outcome, read_event(record))
            if outcome.topic != PROVIDERS_TOPIC or outcome.status != "APPLIED" or not outcome.provider_id:
                continue
            paid = sent.pop((outcome.po_number, outcome.provider_id, outcome.message_id), None)
            if paid is not None and period.holds(paid.paid_on):
                payments[paid.provider_id, paid.kind] += 1
                pence[paid.provider_id, paid.kind] += paid.amount_pence
        for provider_id, kind in sorted(payments, key=lambda each: (each[0], _KINDS.index(each[1]))):
            yield [provider_id, kind, payments[provider_id, kind], pence[provider_id, kind]]


_KINDS: Final = get_args(ExpenseKind)
_LEFT_OUT: Final = frozenset({"session_name", "location", "reason_given"})


def _columns(event: type[Struct]) -> Sequence[str]:
    """When it was decided comes first, and ids that only programs need last."""
    names = [name for name in event.__struct_fields__ if name not in _LEFT_OUT | {"event_id", "decided_at"}]
    return ("decided_at", *names, "event_id")


#: The reports, by the name that a command or an address has for them.
REPORTS: Final[dict[str, Events | Expenses]] = {
    "sanction-notifications": Events(
        "Sanction notifications raised and withdrawn",
        sanction_notifications.TOPIC,
        _columns(SanctionNotification),
    ),
    "cancellations": Events("Cancellations", cancellations.TOPIC, _columns(CancellationEvent)),
    "expenses": Expenses("Expenses by provider and kind"),
    "breaches": Events("Time limits missed and cleared", breaches.TOPIC, _columns(Breach)),
}


async def csv_of(log: Log, name: str, period: Period) -> AsyncGenerator[bytes, None]:
    """A report as CSV, part by part; see csv_bytes. name: one of REPORTS. Raises LogError."""
    report = REPORTS[name]
    # With the first rows, so that a log that can't be read is known before anything is sent.
    head = csv_bytes(report.columns, ())
    rows: list[Row] = []
    async for row in report.rows(log, period):
        rows.append(row)
        if len(rows) == _AT_ONCE:
            yield head + csv_rows(rows)
            head = b""
            rows.clear()
    yield head + csv_rows(rows)


def _cell(value: Any) -> str | int:  # noqa: ANN401 - whatever JSON can say
    """A value as people read it: what there is not is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return value
    return str(value)
