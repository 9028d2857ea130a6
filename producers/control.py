"""Topic gateway.control, as far as callers write it: what they register or mark, each with its key.

The topic is compacted: of a key the last record counts, and one without a value takes it away. On an embedded
log it is a table.
"""

from typing import Final

from gateway.engine.log import CONTROL, Draft

TOPIC: Final = CONTROL
#: Before a caller and its key, in the key that says what came with these.
_SENT: Final = "sent"


def sent(caller: str, key: str, value: bytes) -> Draft:
    """The record that something which is no one message came with an Idempotency-Key. caller: whose."""
    return Draft(TOPIC, sent_key(caller, key).encode(), value)


def sent_key(caller: str, key: str) -> str:
    """The key of that record."""
    return f"{_SENT}/{caller}/{key}"


def sent_with(key: str) -> tuple[str, str] | None:
    """The caller and the Idempotency-Key that a record's key names; None: it is another kind of record."""
    kind, _, rest = key.partition("/")
    caller, _, named = rest.partition("/")
    return (caller, named) if kind == _SENT else None
