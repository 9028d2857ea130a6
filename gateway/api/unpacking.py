"""A body as it comes, unpacked; refused where it is too large, cut off, or of another form than it says."""

import zlib
from http import HTTPStatus
from typing import Final

from gateway.api.problems import Problem

_GZIP: Final = 16 + zlib.MAX_WBITS
#: Of a gzip body; each costs more time than its bytes.
MOST_MEMBERS: Final = 1_000
#: By Content-Encoding, what zlib calls the form; None: as it is.
_FORMS: Final[dict[str, int | None]] = {
    "": None,
    "identity": None,
    "gzip": _GZIP,
    "x-gzip": _GZIP,
    "deflate": zlib.MAX_WBITS,
}
#: In the lower half of the first byte of a `deflate` that is one (RFC 1950); many send it bare (RFC 1951).
_DEFLATE: Final = 8


class Unpacking:
    """Takes the parts of a body. largest: in bytes, of the body as it was before it was packed."""

    def __init__(self, content_encoding: str, largest: int) -> None:
        """Raises Problem where nobody here can unpack it."""
        self._form = _form(content_encoding)
        self._largest = largest
        #: What can't be packed is a little larger than before.
        self._largest_packed = largest + largest // 100
        self._parts: list[bytes] = []
        self._size = self._packed_size = self._members = 0
        self._unpacker: zlib._Decompress | None = None

    @property
    def packed(self) -> bool:
        """Whether it takes time to unpack it."""
        return self._form is not None

    def take(self, part: bytes) -> None:
        """The next part. Raises Problem."""
        if self._form is not None:
            part = self._unpacked(part, self._form)
        self._size += len(part)
        if self._size > self._largest:
            raise _too_large(self._largest)
        self._parts.append(part)

    def whole(self) -> bytes:
        """The body, when all parts were taken. Raises Problem where its end, with a checksum, is missing."""
        if self._form is not None and (self._unpacker is None or not self._unpacker.eof):
            raise unreadable()
        return b"".join(self._parts)

    def _unpacked(self, part: bytes, form: int) -> bytes:
        """A part unpacked. A gzip body may have several members, one behind the other (RFC 1952, 2.2)."""
        self._packed_size += len(part)
        if self._packed_size > self._largest_packed:
            raise _too_large(self._largest)
        found, room = [], self._largest - self._size + 1
        while part:
            if self._unpacker is None or (self._unpacker.eof and form == _GZIP):
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise unreadable()
                bare = form == zlib.MAX_WBITS and part[0] & 0x0F != _DEFLATE
                self._unpacker = zlib.decompressobj(-form if bare else form)
            elif self._unpacker.eof:
                raise unreadable()
            try:
                found.append(self._unpacker.decompress(part, room))
            except zlib.error:
                raise unreadable() from None
            room -= len(found[-1])
            if room <= 0:
                break
            part = self._unpacker.unused_data
        return b"".join(found)


def unreadable() -> Problem:
    """What to raise where a body is not what it says that it is."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "The body is not in the form that its Content-Encoding or Transfer-Encoding says; send it again.",
        code="UNREADABLE_BODY",
        headers={"Connection": "close"},
    )


def _form(content_encoding: str) -> int | None:
    coding = content_encoding.strip().lower()
    if coding not in _FORMS:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body is packed in a form that is not taken; pack it with gzip or deflate, or not at all.",
            code="UNKNOWN_ENCODING",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    return _FORMS[coding]


def _too_large(largest: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is larger than {largest:,} bytes; send less at once.",
        code="TOO_LARGE",
    )
