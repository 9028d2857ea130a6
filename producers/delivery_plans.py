"""Topic jobcentre.delivery-plans: how a provider plans to deliver the sessions (WP19 ¶24).

The topic keeps the last plan of an area. So that whoever sends an earlier one again is known, a plan has with
it the keys of those that it takes the place of.
"""

import uuid
from collections.abc import Sequence
from typing import Final

from msgspec import MsgspecError, Struct, msgpack

from gateway.engine.log import DELIVERY_PLANS, Columns, Draft, Headers
from gateway.rules.events import DeliveryPlan
from producers.cloud_event import headers_of
from schemas.codec import digest_of, encode

TOPIC: Final = DELIVERY_PLANS
#: How many earlier keys a plan has with it; a provider plans a few times a year.
MOST_EARLIER: Final = 100
_CALLER: Final = "caller"
_EARLIER: Final = "earlier-keys"


class SentKey(Struct, frozen=True, array_like=True):
    """An Idempotency-Key that came with a plan. caller: whose. digest: of what was sent with it."""

    caller: str
    message_id: str
    digest: bytes


_pack: Final = msgpack.Encoder().encode
_earlier: Final = msgpack.Decoder(list[SentKey]).decode


def draft(
    plan: DeliveryPlan, traceparent: str | None = None, caller: str = "", earlier: Sequence[SentKey] = ()
) -> Draft:
    """The record to put on the topic, keyed by provider and area. It is the log that says when it came.

    traceparent: that of the request with which it came. caller: who sent it. earlier: the keys of the plans
    before it, the oldest first.
    """
    key = key_of(plan.provider_id, plan.contract_package_area)
    # Callers choose message_id, each for themselves: what is sent has an id that nobody else can choose.
    headers = headers_of(DeliveryPlan, str(uuid.uuid4()), None, plan.provider_id.encode(), traceparent)
    if caller:
        earlier_keys = _pack(list(earlier[-MOST_EARLIER:]))
        headers = (*headers, (_CALLER, caller.encode()), (_EARLIER, earlier_keys))
    columns = Columns(provider_id=plan.provider_id, message_id=plan.message_id, caller=caller)
    return Draft(TOPIC, key, encode(plan), headers, columns=columns)


def key_of(provider_id: str, contract_package_area: str) -> bytes:
    """The key of an area's plan: a slash between the two, which no id on either side can be taken for."""
    quoted = (part.replace("%", "%25").replace("/", "%2F") for part in (provider_id, contract_package_area))
    return "/".join(quoted).encode()


def keys_of(plan: DeliveryPlan, value: bytes, headers: Headers) -> list[SentKey]:
    """The keys that a plan's record has with it, the oldest first, and its own where it says the caller."""
    by_name = dict(headers)
    caller = (by_name.get(_CALLER) or b"").decode("ascii", "replace")
    try:
        earlier = _earlier(by_name.get(_EARLIER) or _pack([]))
    except MsgspecError:
        earlier = []
    own = SentKey(caller, plan.message_id, digest_of(value))
    return [*earlier, own] if caller else earlier
