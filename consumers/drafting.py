"""A message as the record that is put on its topic: what the consumers read back."""

from gateway.engine.log import Columns, Draft, Headers
from gateway.rules.messages import TOPIC_OF, Message, ProviderRecord
from schemas.codec import encode


def draft(message: Message, headers: Headers = (), timestamp: int | None = None) -> Draft:
    """The record to put on the message's topic. timestamp: when it arrived; None: when it is put there."""
    topic, key = TOPIC_OF[type(message)], message.po_number.encode()
    return Draft(topic, key, encode(message), headers, timestamp, columns_of(message))


def columns_of(message: Message) -> Columns:
    """By what the record of a message can be asked for: a provider's by its id."""
    provider_id = message.provider_id if isinstance(message, ProviderRecord) else None
    return Columns(message.po_number, provider_id, message.message_id)
