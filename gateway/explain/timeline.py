"""The decisions on one referral, for a person to read: when, what, and the guidance that it follows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from gateway.rules.calendar import instant_text
from gateway.rules.events import DeadLetter, Event, Outcome
from gateway.rules.guidance import SAYS
from gateway.rules.messages import Message
from gateway.rules.words import became, by_time, came, sent, went
from gateway.system.terminal import printable

_INDENT: Final = " " * 19
_STYLES: Final = {"APPLIED": "green", "REFUSED": "red", "DUPLICATE": "yellow", "HELD": "yellow"}
#: What the words mean that the guidance and people at Jobcentres use; printed where they occur.
_MEANINGS: Final = {
    "Work Programme": "a scheme in Britain in which providers help people on benefits to find work",
    "session": "the information session, at which the participant hears what the Work Programme offers",
    "mandatory": "a participant who has to come to the session, or may lose some of the benefit",
    "voluntary": "a participant who need not come",
    "PRaP": "the purchase-order system by which the Jobcentre refers people to providers",
    "WP11": "the form by which the Jobcentre says that the participant joins the Work Programme",
    "Jobcentre": "the office that pays the participant's benefit, and made the referral",
    "provider": "who holds the information session, and later helps the participant to find work",
    "attach": "to enter on PRaP that the participant has joined",
    "Did Not Start": "how a referral ends whose participant did not join in time",
    "decision maker": "who decides whether a missed mandatory session has consequences; the gateway doesn't",
    "breach": "a time limit that was missed; it changes nothing about the referral",
    "Support Group": "people whom illness keeps from work; they are not put into the Work Programme",
    "special customer": "a participant whose records few may see; such referrals are handled on paper",
    "dead letter": "a record that could not be read; it is kept as it came",
    "WP19": "Work Programme Provider Guidance, chapter 19",
    "UCGS": "Universal Credit guidance on group sessions",
    "JSAGIS": "Jobseeker's Allowance guidance on Group Information Sessions",
    "GSG": "Group Session Guidance",
    "WRAG": "guidance on the work-related activity group",
}


class ArrivedMessage(Struct, frozen=True, gc=False):
    """A message that came. at: when, UTC milliseconds."""

    at: int
    message: Message


class _Line(Struct, frozen=True):
    """What one event says. of: which message an outcome is about, nothing for other events."""

    said: str
    style: str
    rule: str | None
    of: str = ""


def print_timeline(
    po_number: str,
    events: Sequence[Event | DeadLetter],
    arrivals: Iterable[ArrivedMessage],
    console: Console | None = None,
) -> None:
    """Print the events of one purchase order, in order of decision, without free text or personal data.

    arrivals: the messages that came for it, in order. An outcome whose message is not among them says only
    who sent it.
    """
    console = console or Console(highlight=False)
    cited: dict[str, None] = {}
    printed: list[str] = []

    def put(line: Text) -> None:
        printed.append(line.plain)
        console.print(line, soft_wrap=True)

    put(Text(f"Purchase order {printable(po_number)}, in London's time\n", style="bold"))
    waiting = _Waiting(arrivals)
    for at, decided in groupby(events, lambda event: event.decided_at):
        when = f"{instant_text(at):<17}  "
        for cause, effects in _by_cause(decided, waiting):
            head = Text.assemble(when, (cause.said, "bold"))
            _cite(head, cause.rule, cited)
            if cause.of:
                head.append(f"  ({cause.of})", style="dim")
            put(head)
            when = _INDENT
            for line in effects:
                text = Text.assemble(_INDENT, (line.said, line.style))
                _cite(text, line.rule if line.rule != cause.rule else None, cited)
                put(text)
    for arrival in waiting.left():
        put(Text(f"{instant_text(arrival.at):<17}  {came(arrival.message)}"))
        put(Text(f"{_INDENT}= not decided yet; `gateway run` decides it"))
    if cited:
        console.print("\nThe guidance it follows:")
    for rule in cited:
        put(Text.assemble(("  " + rule, "bold"), f": {SAYS.get(rule, 'see there')}"))
    said = "\n".join(printed)
    console.print("\nThe words:")
    for word, meaning in _MEANINGS.items():
        if word in said:
            console.print(Text.assemble(("  " + word, "bold"), f": {meaning}"), soft_wrap=True)


class _Waiting:
    """The messages whose outcome has not been printed yet, by message_id."""

    def __init__(self, arrivals: Iterable[ArrivedMessage]) -> None:
        self._of: defaultdict[str, list[ArrivedMessage]] = defaultdict(list)
        for arrival in arrivals:
            self._of[arrival.message.message_id].append(arrival)

    def of(self, outcome: Outcome) -> ArrivedMessage | None:
        """The message that an outcome is about: the one that came at that instant, or that was held."""
        arrivals = self._of[outcome.message_id]
        if not arrivals:
            return None
        now = [arrival for arrival in arrivals if arrival.at == outcome.decided_at]
        arrival = (now or arrivals)[0]
        if outcome.status != "HELD":
            arrivals.remove(arrival)
        return arrival

    def left(self) -> list[ArrivedMessage]:
        """What came and has no outcome, in order of arrival."""
        return sorted((a for arrivals in self._of.values() for a in arrivals), key=lambda a: a.at)


def _by_cause(
    decided: Iterable[Event | DeadLetter], waiting: _Waiting
) -> Iterator[tuple[_Line, list[_Line]]]:
    """What was decided at one instant, each with what brought it about: a message, or a time that is over."""
    effects: list[_Line] = []
    for over, events in groupby(decided, by_time):
        for event in events:
            line = _line(event)
            if isinstance(event, Outcome):
                arrival = waiting.of(event)
                cause = sent(event) if arrival is None else came(arrival.message)
                if arrival is not None and arrival.at < event.decided_at:
                    cause += f" (came {instant_text(arrival.at)})"
                message = f"message {printable(event.message_id)}"
                yield _Line(cause, "", None, message), [*effects, line]
                effects = []
            else:
                effects.append(line)
        if over is not None and effects:
            yield _Line(over, "", None), effects
            effects = []
    if effects:
        yield _Line("then", "", None), effects


def _line(event: Event | DeadLetter) -> _Line:
    if isinstance(event, DeadLetter):
        return _Line(f"→ {went(event)}", "red", None)
    if isinstance(event, Outcome):
        return _Line(f"= {became(event)}", _STYLES.get(event.status, ""), event.rule)
    return _Line(printable(f"→ {went(event)}"), "", event.rule)


def _cite(line: Text, rule: str | None, cited: dict[str, None]) -> None:
    if rule is not None:
        cited.setdefault(rule)
        line.append(f"  [{rule}]", style="dim")
