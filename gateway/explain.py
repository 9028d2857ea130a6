"""The decisions on one referral, told to a person: when, what, and the guidance that it follows."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from gateway.replaying import kind
from gateway.rules.calendar import LONDON, date_of
from gateway.rules.events import AttendanceEvent, DeadLetter, Event, Instruction, Outcome
from gateway.rules.guidance import SAYS

#: Width of the column of instants, such as '14 Mar 2016 10:00'.
_WHEN = 17


def tell(events: Sequence[Event | DeadLetter], console: Console | None = None) -> None:
    """Print the events of one purchase order, in order of decision, without free text."""
    console = console or Console(highlight=False)
    cited: list[str] = []
    before = ""
    for event in events:
        when = london(event.decided_at)
        line = Text(f"{'' if when == before else when:<{_WHEN}}  ")
        before = when
        line.append_text(said(event))
        rule = None if isinstance(event, DeadLetter) else event.rule
        if rule:
            line.append(f"  [{rule}]", style="dim")
            if rule not in cited:
                cited.append(rule)
        console.print(line, soft_wrap=True)
    if cited:
        console.print("\nThe guidance it follows:")
    for rule in cited:
        console.print(Text.assemble((f"  {rule}: ", "bold"), SAYS[rule]), soft_wrap=True)


def said(event: Event | DeadLetter) -> Text:
    """What one event says, in a line."""
    match event:
        case Outcome():
            text = Text.assemble(
                ("message ", "dim"), event.message_id, ("  " + kind(event), _STYLES.get(event.status, ""))
            )
            if event.advisories:
                text.append(f" ({', '.join(event.advisories)})")
            if event.detail:
                text.append(f": {event.detail}")
            return text
        case AttendanceEvent():
            return Text(f"→ Jobcentre: session {event.session_id}, attempt {event.attempt}: {event.outcome}")
        case Instruction():
            due = f", due {date_of(event.due_on):%d %b %Y}" if event.due_on is not None else ""
            session = f", session {event.session_id}" if event.session_id is not None else ""
            return Text(f"→ provider: {event.instruction}{session}{due}")
        case DeadLetter():
            return Text(f"→ dead letter: {event.code}: {event.detail}")
        case _:
            return Text(f"→ {_TO[type(event).__name__]}: {kind(event)}")


def london(instant: int) -> str:
    """An instant (UTC milliseconds) as people in Britain write it, in London's time."""
    return datetime.fromtimestamp(instant / 1000, LONDON).strftime("%d %b %Y %H:%M")


_STYLES = {"APPLIED": "green", "REFUSED": "red", "DUPLICATE": "yellow", "HELD": "yellow"}
_TO = {
    "CancellationEvent": "Jobcentre",
    "SanctionNotification": "decision maker, sanction notification",
    "PrapAction": "PRaP",
    "Breach": "breach",
}
