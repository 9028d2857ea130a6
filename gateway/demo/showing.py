"""What the demo prints: readable at 80 columns, in a terminal and in a file."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.demo.counting import Numbers
from gateway.demo.running import Ran
from gateway.demo.stories import Story, StoryLine
from gateway.rules.calendar import LONDON
from gateway.rules.events import BREACH_WORDS
from gateway.rules.guidance import SAYS
from gateway.rules.messages import INBOUND

WHAT_IT_IS: Final = (
    "People on benefits in Britain could be referred to an information session: a provider tells them about "
    "the Work Programme, which helps to find work, and they decide whether to join. The gateway reads each "
    "message that the Jobcentre, the purchase-order system PRaP and the providers send about such a referral "
    "and decides, once and by the published guidance, what follows: who is told what, what is due by when, "
    "and how the referral ends."
)
_SENDERS: Final = {
    "prap.referrals": "referrals, from PRaP",
    "jobcentre.wp11": "forms: the participant joins",
    "jobcentre.updates": "news from the Jobcentre",
    "provider.session-records": "what providers record",
}
_RECEIVERS: Final = {
    "jobcentre.sessions": "sessions booked, changed and cancelled",
    "jobcentre.attendance": "who came, for the Jobcentre",
    "jobcentre.cancellations": "referrals that ended without a start",
    "jobcentre.sanction-notifications": "mandatory sessions missed, for a decision maker",
    "jobcentre.notices": "what else the Jobcentre has to know",
    "prap.actions": "what is to be entered on PRaP",
    "provider.instructions": "what a provider is to do next",
    "gateway.breaches": "time limits missed",
    "gateway.outcomes": "what came of each message",
    "gateway.dead-letters": "what could not be read",
}
_TOP: Final = 5


def show(console: Console, ran: Ran, numbers: Numbers, chosen: Sequence[Story], try_next: Text) -> None:
    """Print all of it."""
    for title, body in (
        ("What this is", Text(WHAT_IT_IS)),
        ("What came in", came_in(numbers)),
        ("What went out", went_out(numbers)),
        ("What it amounts to", amounts(numbers)),
        ("Refused, and why", refused(numbers)),
        *((f"{place}. {story.title}", timeline(story)) for place, story in enumerate(chosen, 1)),
        ("Is it always the same?", proof(ran)),
        ("What to try next", try_next),
    ):
        section(console, title, body)


def section(console: Console, title: str, body: RenderableType) -> None:
    """A heading and what stands under it."""
    console.print()
    console.print(Text(title, style="bold cyan"))
    console.print(Padding(body, (0, 0, 0, 2)))


def came_in(numbers: Numbers) -> RenderableType:
    """The inbound topics, and below each its records."""
    table = _table()
    for topic in INBOUND:
        records = {what: n for (of, what), n in numbers.came_in.items() if of == topic}
        table.add_row(topic, Text(_SENDERS[topic], style="dim"), _n(sum(records.values())))
        if len(records) > 1:
            for what, n in sorted(records.items(), key=lambda item: (-item[1], item[0])):
                table.add_row(f"  {what}", "", Text(_n(n), style="dim"))
    table.add_row("all", "", Text(_n(numbers.came_in.total()), style="bold"))
    return table


def went_out(numbers: Numbers) -> RenderableType:
    """The outbound topics."""
    table = _table()
    for topic, what in _RECEIVERS.items():
        table.add_row(topic, Text(what, style="dim"), _n(numbers.went_out[topic]))
    table.add_row("all", "", Text(_n(numbers.went_out.total()), style="bold"))
    return table


def amounts(numbers: Numbers) -> RenderableType:
    """A handful of numbers, in sentences. Those of one group add up to the first of it."""
    came, outcomes = numbers.came_in.total(), numbers.outcomes
    open_still = numbers.referrals - numbers.attached - numbers.cancelled - numbers.rejected - numbers.joining
    expired = numbers.held - numbers.released
    late = ", ".join(f"{_n(n)} {BREACH_WORDS[what]}" for what, n in sorted(numbers.breaches.items()))
    return _figures(
        (came, "messages, each decided exactly once:", True),
        (outcomes["APPLIED"], "applied", False),
        (outcomes["DUPLICATE"], "duplicates caught: the same thing came before", False),
        (outcomes["REFUSED"], "refused, with the reason and the guidance", False),
        (numbers.referrals, f"referrals, {_n(numbers.mandatory)} of them mandatory:", True),
        (numbers.attached, "attached: they joined the Work Programme", False),
        (numbers.cancelled, "cancelled as 'Did Not Start': no WP11 within 21 days", False),
        (numbers.rejected, "rejected by the provider", False),
        (numbers.joining, "with a WP11, and not attached yet", False),
        *(((open_still, "still open", False),) if open_still else ()),
        (numbers.notified, f"failures notified to a decision maker, {numbers.withdrawn} withdrawn", True),
        (numbers.held, "messages came before their referral and were held:", True),
        (numbers.released, "decided when it came", False),
        (expired, "refused, because none came", False),
        (numbers.breaches.total(), f"time limits missed: {late}", True),
    )


def refused(numbers: Numbers) -> RenderableType:
    """The reasons given most often."""
    most = sorted(numbers.refused.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in most[_TOP:])
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for (code, detail), n in most[:_TOP]:
        table.add_row(_n(n), Text.assemble((code, "bold"), f"\n{detail}"))
    if rest:
        table.add_row(_n(rest), f"for {len(most) - _TOP} other reasons")
    return table


def timeline(story: Story) -> RenderableType:
    """One referral: what came, what followed, and the guidance by number."""
    numbered = {rule: place for place, rule in enumerate(story.rules, 1)}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    before = ""
    for moment in story.moments:
        when = datetime.fromtimestamp(moment.at / 1000, LONDON)
        on = f"{when.day:2} {when:%b %Y}"
        table.add_row(
            f"{on if on != before else '':11} {when:%H:%M}", _cited("", moment.cause, numbered, "bold")
        )
        before = on
        for line in moment.then:
            table.add_row("", _cited("→ ", line, numbered, "red" if line.refusal else "green"))
    guidance = Table.grid(padding=(0, 1))
    guidance.add_column(no_wrap=True, style="dim")
    guidance.add_column()
    for rule, place in numbered.items():
        guidance.add_row(f"[{place}]", Text.assemble((f"{rule}: ", "bold"), (SAYS[rule], "dim")))
    return Group(Text(f"Purchase order {story.po_number}", style="dim"), table, Text(), guidance)


def proof(ran: Ran) -> RenderableType:
    """Whether replay gave the same."""
    n = _n(len(ran.events))
    if ran.replay_differs is None:
        return Text(
            f"Yes. The engine took {ran.seconds:.1f} s for the {_n(len(ran.messages))} messages, on a log "
            f"that is gone again. Then replay, which has no log and keeps nothing, decided the same messages "
            f"once more: {n} records, the same bytes in the same order."
        )
    return Text(
        f"No: replay gave another record at place {ran.replay_differs + 1}. This is a bug; report it.",
        style="bold red",
    )


def _cited(mark: str, line: StoryLine, numbered: dict[str, int], style: str) -> Text:
    text = Text.assemble((mark, "dim"), (line.text, style))
    return text if line.rule is None else text.append(f" [{numbered[line.rule]}]", style="dim")


def _table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    return table


def _figures(*rows: tuple[int, str, bool]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for n, what, first in rows:
        table.add_row(Text(_n(n), style="bold" if first else ""), Text(what if first else f"  {what}"))
    return table


def _n(number: int) -> str:
    return f"{number:,}"
