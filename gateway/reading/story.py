"""What happened to a purchase order, told in words: each cause with its effects and the guidance it follows.

`gateway explain`, the API and the console tell it by this code, so they tell the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from gateway.rules.events import DeadLetter, Event, Outcome
from gateway.rules.messages import Message
from gateway.rules.words import became, by_time, came, sent, went


class ArrivedMessage(Struct, frozen=True, gc=False):
    """A message that came. at: when, UTC milliseconds."""

    at: int
    message: Message


class Effect(Struct, frozen=True, gc=False):
    """What one event says. rule: the guidance it follows. outcome: the status, where it is a message's."""

    said: str
    rule: str | None
    outcome: str | None = None


class Happening(Struct, frozen=True, gc=False):
    """A message that was decided, or a time that was over, with all that came of it.

    at: the instant of the decision, UTC milliseconds. came_at: when the message came, where that was earlier.
    message_id: of a message.
    """

    at: int
    said: str
    effects: Sequence[Effect]
    came_at: int | None = None
    message_id: str | None = None


class Story(Struct, frozen=True, gc=False):
    """All of it, in order of decision. undecided: what came and has no outcome yet, in order of arrival."""

    happenings: Sequence[Happening]
    undecided: Sequence[ArrivedMessage]


def story(events: Iterable[Event | DeadLetter], arrivals: Iterable[ArrivedMessage]) -> Story:
    """Tell the events of one purchase order, in order of decision, without free text or personal data.

    arrivals: the messages that came for it, in order. An outcome whose message is not among them says only
    who sent it.
    """
    waiting = _Waiting(arrivals)
    happenings = [
        happening
        for at, decided in groupby(events, lambda event: event.decided_at)
        for happening in _by_cause(at, decided, waiting)
    ]
    return Story(happenings, waiting.left())


def words(event: Event | DeadLetter) -> str:
    """What one event says."""
    return became(event) if isinstance(event, Outcome) else went(event)


class _Waiting:
    """The messages whose outcome has not been told yet, by message_id."""

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


def _by_cause(at: int, decided: Iterable[Event | DeadLetter], waiting: _Waiting) -> Iterator[Happening]:
    """What was decided at one instant, each with what brought it about: a message, or a time that is over."""
    effects: list[Effect] = []
    for over, events in groupby(decided, by_time):
        for event in events:
            if isinstance(event, Outcome):
                arrival = waiting.of(event)
                cause = sent(event) if arrival is None else came(arrival.message)
                earlier = arrival is not None and arrival.at < event.decided_at
                effect = Effect(words(event), event.rule, event.status)
                came_at = arrival.at if arrival is not None and earlier else None
                yield Happening(at, cause, [*effects, effect], came_at, event.message_id)
                effects = []
            else:
                effects.append(Effect(words(event), None if isinstance(event, DeadLetter) else event.rule))
        if over is not None and effects:
            yield Happening(at, over, effects)
            effects = []
    if effects:
        yield Happening(at, "then", effects)
