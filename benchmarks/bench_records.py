"""A record's ways: Avro bytes, JSON lines, and the packed state, each in both directions."""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Final

from msgspec import Struct
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import Figure, Rounds, keep, measure
from benchmarks.programmes import scaled
from gateway.engine.purchase_orders import PurchaseOrders, pack, unpack
from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules import policy
from gateway.rules.events import OUTBOUND
from gateway.rules.messages import TOPIC_OF
from gateway.sample import programme
from schemas.codec import decode, encode

REFERRALS: Final = scaled(3_000)
ROUNDS: Final = 5
#: How many of each record are taken from the programme at the most, from its beginning.
OF_EACH: Final = 2_000

_NAMES: Final = frozenset(record.__name__ for record in (*TOPIC_OF, *OUTBOUND.values()))


def test_json_and_state(benchmark: BenchmarkFixture) -> None:
    """What replay does with a line, an event and a state, beside deciding."""
    texts = list(programme(REFERRALS, 0))
    lines = list(read_lines(texts))
    policies = policy.shipped()
    events = list(replay(lines, policies))
    purchase_orders = PurchaseOrders(policies)
    packed = []
    for line in lines:
        if line.message is not None:
            decision = purchase_orders.decide(line.message, line.at)
            purchase_orders.keep(line.message.po_number, decision)
            packed.append(purchase_orders.packed(line.message.po_number))
    orders = [unpack(state) for state in packed if state is not None]

    def all_ways() -> dict[str, float]:
        return {
            "JSON line to message": _each(lambda: list(read_lines(texts)), len(texts)),
            "event to JSON line": _each(lambda: _over(to_line, events), len(events)),
            "state packed": _each(lambda: _over(pack, orders), len(orders)),
            "state unpacked": _each(lambda: _over(unpack, packed), len(packed)),
        }

    rounds = measure(benchmark, all_ways, rounds=ROUNDS)
    keep(benchmark, "Records", *_by_name(rounds))


def test_avro(benchmark: BenchmarkFixture) -> None:
    """Each record of a programme, those that come in and those that go out, to bytes and back."""
    lines = list(read_lines(programme(REFERRALS, 0)))
    messages: list[Struct] = [line.message for line in lines if line.message is not None]
    events: list[Struct] = list(replay(lines, policy.shipped()))
    by_record: dict[str, list[Struct]] = {}
    for record in (*messages, *events):
        of_it = by_record.setdefault(type(record).__name__, [])
        if len(of_it) < OF_EACH:
            of_it.append(record)

    def all_records() -> dict[str, tuple[float, float]]:
        return {name: _there_and_back(some) for name, some in by_record.items()} | {
            "all that come in": _there_and_back(messages),
            "all that go out": _there_and_back(events),
        }

    rounds = measure(benchmark, all_records, rounds=ROUNDS)
    figures = []
    for name in ("all that come in", "all that go out", *sorted(by_record)):
        for place, what in enumerate(("encode", "decode")):
            values = [result[name][place] for result in rounds.results]
            figures.append(rounds.figure(f"{what} {name}", "time", "µs", values))
    keep(benchmark, "Records", *figures)


def _by_name(rounds: Rounds[dict[str, float]]) -> list[Figure]:
    return [
        rounds.figure(name, "time", "µs", [result[name] for result in rounds.results])
        for name in rounds.results[0]
    ]


def _there_and_back(records: list[Struct]) -> tuple[float, float]:
    """Microseconds to encode one of the records, and to decode one."""
    encoding = _each(lambda: _over(encode, records), len(records))
    values = [encode(record) for record in records]
    decoding = _each(lambda: _over(lambda value: decode(value, _NAMES), values), len(values))
    return encoding, decoding


def _over(way: Callable[[Any], object], items: Iterable[Any]) -> None:
    for item in items:
        way(item)


def _each(work: Callable[[], object], count: int) -> float:
    """Microseconds that one of so many takes."""
    started = perf_counter()
    work()
    return (perf_counter() - started) / count * 1_000_000
