"""What the engine has done, in numbers: what metrics are counted from."""

from collections import Counter
from typing import Final, TypeVar

from msgspec import Struct

from gateway.engine.log import Draft, topic_of
from gateway.engine.step import Decided
from gateway.engine.watch import Watch
from gateway.rules.events import DeadLetter, Outcome
from producers import dead_letters
from schemas.codec import decode

#: What came of a message: its inbound topic, the outcome's status, and the code of a refusal.
Came = tuple[str, str, str]

K = TypeVar("K")

_LETTER: Final = frozenset({DeadLetter.__name__})


class Counts(Struct):
    """Steps, in numbers.

    decisions: messages and deadlines. messages: by what came of them. dead_letters: by why. records_out: by
    topic. commits_s, claims_s: how long each step took to commit, and each partition to claim and restore.
    dropped, lost: how often that happened to a partition.
    """

    decisions: int = 0
    messages: dict[Came, int] = {}
    dead_letters: dict[str, int] = {}
    records_out: dict[str, int] = {}
    commits_s: list[float] = []
    claims_s: list[float] = []
    dropped: int = 0
    lost: int = 0


def counts_of(decided: Decided, seconds: float) -> Counts:
    """A step that has been committed, and how long that took."""
    messages: Counter[Came] = Counter()
    letters: Counter[str] = Counter()
    for item in decided.commit.outputs:
        if isinstance(item, Draft):
            if item.topic == dead_letters.TOPIC:
                letters[_code(item)] += 1
        elif isinstance(item[0], Outcome):
            messages[item[0].topic, item[0].status, item[0].code or ""] += 1
    return Counts(
        decisions=decided.decisions,
        messages=messages,
        dead_letters=letters,
        records_out=Counter(map(topic_of, decided.commit.outputs)),
        commits_s=[seconds],
    )


class Tally(Watch):
    """Adds up what the engine does, until it is taken."""

    def __init__(self) -> None:
        self._counts = Counts()

    def take(self) -> Counts:
        """What has happened since it was last taken."""
        counts, self._counts = self._counts, Counts()
        return counts

    def claimed(self, seconds: float) -> None:
        """Count a claim."""
        self._counts.claims_s.append(seconds)

    def committed(self, decided: Decided, seconds: float) -> None:
        """Count a step."""
        one, all_ = counts_of(decided, seconds), self._counts
        all_.decisions += one.decisions
        all_.commits_s += one.commits_s
        _add(all_.messages, one.messages)
        _add(all_.dead_letters, one.dead_letters)
        _add(all_.records_out, one.records_out)

    def dropped(self) -> None:
        """Count it."""
        self._counts.dropped += 1

    def lost(self) -> None:
        """Count it."""
        self._counts.lost += 1


def _add(to: dict[K, int], more: dict[K, int]) -> None:
    for key, count in more.items():
        to[key] = to.get(key, 0) + count


def _code(draft: Draft) -> str:
    """Why a record went to the dead letters."""
    letter = decode(draft.value, _LETTER, largest=None)
    return letter.code if isinstance(letter, DeadLetter) else "UNDECODABLE"
