"""The decisions on one referral, for a person to read: when, what, and the guidance that it follows."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.text import Text

from gateway.reading.story import ArrivedMessage, Effect, story
from gateway.rules.calendar import instant_text
from gateway.rules.events import DeadLetter, Event
from gateway.rules.guidance import SAYS
from gateway.rules.words import came
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
    told = story(events, arrivals)
    for _, happenings in groupby(told.happenings, lambda happening: happening.at):
        for number, happening in enumerate(happenings):
            when = _INDENT if number else f"{instant_text(happening.at):<17}  "
            earlier = "" if happening.came_at is None else f" (came {instant_text(happening.came_at)})"
            head = Text.assemble(when, (happening.said + earlier, "bold"))
            if happening.message_id is not None:
                head.append(f"  (message {printable(happening.message_id)})", style="dim")
            put(head)
            for effect in happening.effects:
                put(_line(effect, cited))
    for arrival in told.undecided:
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


def _line(effect: Effect, cited: dict[str, None]) -> Text:
    """One effect, with the guidance that it follows."""
    if effect.outcome is not None:
        style, mark = _STYLES.get(effect.outcome, ""), "="
    else:
        style, mark = "red" if effect.rule is None else "", "→"
    line = Text.assemble(_INDENT, (printable(f"{mark} {effect.said}"), style))
    if effect.rule is not None:
        cited.setdefault(effect.rule)
        line.append(f"  [{effect.rule}]", style="dim")
    return line
