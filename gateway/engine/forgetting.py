"""That somebody asks to forget a referral: on gateway.control until it is answered, and on gateway.audit."""

from typing import Final, Literal

from msgspec import Struct, json

#: Before the id, in the key of gateway.control.
ASKED: Final = "forget/"


class Asked(Struct, frozen=True):
    """Who asks to forget a referral, when and why.

    id: of this question, so that it is answered once. at: an instant, in words. running: also where something
    still falls due on it.
    """

    act: Literal["FORGET"]
    id: str
    po_number: str
    reason: str
    by: str
    at: str
    running: bool = False

    @property
    def key(self) -> bytes:
        """Its key on gateway.control."""
        return f"{ASKED}{self.id}".encode()


def is_asked(key: bytes) -> bool:
    """Whether a record of gateway.control with this key is such a question."""
    return key.startswith(ASKED.encode())


#: From and to the value that is kept, on both topics.
pack_asked: Final = json.Encoder().encode
asked_of: Final = json.Decoder(Asked).decode
