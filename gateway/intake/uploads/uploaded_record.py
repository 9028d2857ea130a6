"""A record of an upload before it is known whose it is, and what may be wrong with it."""

from typing import Final, NamedTuple

from msgspec import Struct

from gateway.rules.messages import SessionRecord

RECORDS: Final[dict[str, type[SessionRecord]]] = {
    record.__name__: record for record in SessionRecord.__args__
}
#: What is said of a provider_id, wherever it stands.
NO_PROVIDER_ID: Final = "comes from whoever uploads; take it out"
#: A record's provider_id until its referral has said it.
UNKNOWN: Final = "?"


class Mistake(Struct, frozen=True, gc=False):
    """What is wrong in an upload, with nothing of what stands there.

    line: the one on which the row begins, from 1; 0: the upload as a whole. field: empty where it is no one
    field. problem: what is wrong with it and what to do, such as `is empty; fill it in`.
    """

    line: int
    field: str
    problem: str


class UploadedRecord(NamedTuple):
    """A row or a line. message_id, po_number: None where there is none; then mistakes say so.

    record: without mistakes there is one, whose provider_id is UNKNOWN yet. provider_id: what is said of that
    where nothing is to be said; None: nothing.
    """

    line: int
    message_id: str | None
    po_number: str | None
    record: SessionRecord | None
    mistakes: tuple[Mistake, ...]
    provider_id: str | None = None
