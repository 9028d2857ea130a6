"""Three referrals of a run, each as a timeline of what came and what followed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from gateway.demo.running import Ran
from gateway.rules.events import CancellationEvent, DeadLetter, Event, Outcome, SanctionNotification
from gateway.rules.messages import (
    AttachmentRegistered,
    AttendanceRecorded,
    Message,
    Referral,
    Wp11,
)
from gateway.rules.referrals import annotated_mandatory
from gateway.rules.words import became, by_time, came, went


class StoryLine(Struct, frozen=True):
    """Something that was said. rule: the guidance that it follows, None where there is none."""

    text: str
    rule: str | None
    refusal: bool = False


class Moment(Struct, frozen=True):
    """at: UTC milliseconds. cause: what came, or which time was over. then: what followed."""

    at: int
    cause: StoryLine
    then: tuple[StoryLine, ...]


class Story(Struct, frozen=True):
    """One referral, as it went."""

    title: str
    po_number: str
    moments: tuple[Moment, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The guidance it follows, in the order in which it is first cited."""
        lines = (line for moment in self.moments for line in (moment.cause, *moment.then))
        return tuple(dict.fromkeys(line.rule for line in lines if line.rule is not None))


class _Life(Struct, frozen=True):
    """All messages and events of one purchase order."""

    po_number: str
    messages: list[Message]
    events: list[Event | DeadLetter]

    def mandatory(self) -> bool:
        return any(
            isinstance(m, Referral) and annotated_mandatory(m.action_plan_annotation) for m in self.messages
        )

    def sent(self, record: type) -> bool:
        return any(isinstance(message, record) for message in self.messages)

    def led_to(self, event: type) -> bool:
        return any(isinstance(each, event) for each in self.events)

    def codes(self) -> set[str]:
        """Whatever came of its messages that was not APPLIED."""
        outcomes = (event for event in self.events if isinstance(event, Outcome))
        return {outcome.code or outcome.status for outcome in outcomes} - {"APPLIED"}


def _joins(life: _Life) -> bool:
    return (
        not life.mandatory()
        and life.sent(AttendanceRecorded)
        and life.sent(Wp11)
        and life.sent(AttachmentRegistered)
        and not life.codes()
        and not any(isinstance(m, AttendanceRecorded) and m.outcome != "ATTENDED" for m in life.messages)
    )


def _fails(life: _Life) -> bool:
    return life.mandatory() and life.led_to(SanctionNotification) and not life.codes()


def _too_late(life: _Life) -> bool:
    return life.codes() == {"REFERRAL_CANCELLED"} and life.led_to(CancellationEvent) and life.sent(Wp11)


#: What each story is called, and which referral it is about.
_STORIES: Final[tuple[tuple[str, Callable[[_Life], bool]], ...]] = (
    ("Joins of their own accord", _joins),
    ("Has to come, and does not", _fails),
    ("Decides to join, too late", _too_late),
)


def stories(ran: Ran) -> list[Story]:
    """A story of each kind that the run has, the shortest of its kind."""
    lives = _lives(ran)
    found = []
    for title, fits in _STORIES:
        life = min(filter(fits, lives), key=lambda life: (len(life.events), life.po_number), default=None)
        if life is not None:
            found.append(Story(title, life.po_number, tuple(_moments(life))))
    return found


def _lives(ran: Ran) -> Sequence[_Life]:
    messages: defaultdict[str, list[Message]] = defaultdict(list)
    for _, message in ran.messages:
        messages[message.po_number].append(message)
    events: defaultdict[str, list[Event | DeadLetter]] = defaultdict(list)
    for event in ran.events:
        if not isinstance(event, DeadLetter):
            events[event.po_number].append(event)
    return [_Life(po_number, sent, events[po_number]) for po_number, sent in messages.items()]


def _moments(life: _Life) -> Iterable[Moment]:
    # No two messages of one referral come at one instant, so what was decided at one belongs together.
    message_of = {message.message_id: message for message in life.messages}
    for at, decided in groupby(life.events, lambda event: event.decided_at):
        events = list(decided)
        outcome = next((event for event in events if isinstance(event, Outcome)), None)
        others = tuple(StoryLine(went(e), _rule(e)) for e in events if e is not outcome)
        if outcome is None:
            yield Moment(at, StoryLine(by_time(events[0]) or "the time is over", None), others)
            continue
        cause = came(message_of[outcome.message_id])
        if outcome.status == "APPLIED":
            yield Moment(at, StoryLine(cause, outcome.rule), others)
        else:
            refusal = StoryLine(became(outcome), outcome.rule, refusal=True)
            yield Moment(at, StoryLine(cause, None), (*others, refusal))


def _rule(event: Event | DeadLetter) -> str | None:
    return None if isinstance(event, DeadLetter) else event.rule
