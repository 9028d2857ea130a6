"""A message as the record that is put on its topic: what the consumers read back."""

import re
from typing import Final, NamedTuple

from msgspec.structs import replace

from gateway.engine.log import Columns, Draft, Headers
from gateway.rules.messages import TOPIC_OF, Message, ProviderRecord
from schemas.codec import encode

#: The header that says who sent a message over HTTP; what comes otherwise has none.
CALLER: Final = "caller"
#: The header that says with which upload a message came, and on which line.
UPLOAD: Final = "upload"
_UPLOAD: Final = re.compile(rb"([0-9a-f]{1,64}-[0-9]{1,6}) ([0-9]{1,6})")


class InUpload(NamedTuple):
    """Where a message stands in the upload that it came with. line: from 1."""

    upload: str
    line: int


def draft(
    message: Message,
    headers: Headers = (),
    timestamp: int | None = None,
    caller: str | None = None,
    upload: InUpload | None = None,
) -> Draft:
    """The record to put on the message's topic.

    timestamp: when it arrived; None: when it is put there. caller: who sent it over HTTP.
    upload: where it stands in the upload that it came with.
    """
    topic, key = TOPIC_OF[type(message)], message.po_number.encode()
    columns = columns_of(message)
    if caller is not None:
        headers, columns = (*headers, (CALLER, caller.encode())), replace(columns, caller=caller)
    if upload is not None:
        headers = (*headers, (UPLOAD, f"{upload.upload} {upload.line}".encode()))
        columns = replace(columns, upload=upload.upload, line=upload.line)
    return Draft(topic, key, encode(message), headers, timestamp, columns)


def caller_of(headers: Headers) -> str | None:
    """Who sent a message over HTTP, as its record says; None: it came otherwise."""
    named = (value for name, value in headers if name == CALLER and value is not None)
    return next((value.decode("ascii", "replace") for value in named), None)


def upload_of(headers: Headers) -> InUpload | None:
    """With which upload a message came, as its record says; None: with none."""
    for name, value in headers:
        if name == UPLOAD and value is not None and (found := _UPLOAD.fullmatch(value)):
            return InUpload(found[1].decode(), int(found[2]))
    return None


def columns_of(message: Message) -> Columns:
    """By what the record of a message can be asked for: a provider's by its id."""
    provider_id = message.provider_id if isinstance(message, ProviderRecord) else None
    return Columns(message.po_number, provider_id, message.message_id)
