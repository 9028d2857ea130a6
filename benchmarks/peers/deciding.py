"""What all peers call: the gateway's rules and codec, for one message of one referral."""

from argparse import ArgumentParser
from typing import Final

from msgspec import Struct

from gateway.engine.log import Draft
from gateway.engine.partitioner import partition_for
from gateway.rules import policy
from gateway.rules.decide import decide
from gateway.rules.messages import RECORD_NAMED, Message
from gateway.rules.referral import PurchaseOrder
from producers import draft
from schemas.codec import Unreadable, decode

#: The topic that has all messages, in order of time: no peer puts several topics in order.
INPUT: Final = "messages"
#: How many messages a peer takes at a time, and up to what size its producer fills a batch.
BATCH: Final = 2_000
BATCH_BYTES: Final = 512 * 1024

_POLICIES: Final = policy.shipped()
_EXPECTED: Final = frozenset(RECORD_NAMED)


class Given(Struct, frozen=True):
    """What a peer is told. prefix: of its topics. messages: after how many it ends; None: it goes on.

    only, of: it takes the partitions whose number, divided by `of`, leaves `only`.
    """

    bootstrap: str
    prefix: str
    partitions: int
    messages: int | None
    only: int
    of: int


def given() -> Given:
    """The arguments of a peer's command."""
    parser = ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--messages", type=int)
    parser.add_argument("--only", type=int, default=0)
    parser.add_argument("--of", type=int, default=1)
    return Given(**vars(parser.parse_args()))


def decided(order: PurchaseOrder | None, value: bytes, at: int) -> tuple[PurchaseOrder | None, list[Draft]]:
    """What comes of a message that arrived at an instant: the referral's new state, and what goes out."""
    message = decode(value, _EXPECTED)
    if isinstance(message, Unreadable):
        raise ValueError(message.detail)
    assert isinstance(message, Message)
    decision = decide(order, message, at, _POLICIES, None)
    return decision.order, [draft(event, trace) for event, trace in decision.effects]


def partition_of(drafted: Draft, partitions: int) -> int:
    """Where a record belongs."""
    assert drafted.key is not None
    return partition_for(drafted.key, partitions)
