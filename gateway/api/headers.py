"""Request headers that hold lists, read by their grammars.

Sources: RFC 9110, 5.6 and 12.5 (Accept, Accept-Encoding); RFC 7240, 2 (Prefer).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aiohttp import web

#: What is longer than this counts as not sent; one header is not longer either.
LONGEST_LIST: Final = 8_190
#: What stands between commas, or semicolons, outside of quoted strings.
_MEMBER: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?)++')
_PART: Final = re.compile(r'(?:[^";]|"(?:[^"\\]|\\.)*+"?)++')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_WEIGHT: Final = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")
_BLANK: Final = " \t"

#: A member of a list: its name in lower case, its value, and its parameters by name.
_Member = tuple[str, str, Mapping[str, str]]


def _members(request: web.Request, header: str) -> Iterator[_Member]:
    given = ",".join(request.headers.getall(header, ()))
    for member in _MEMBER.findall(given) if len(given) <= LONGEST_LIST else ():
        (name, value), *more = [_pair(part) for part in _PART.findall(member)] or [("", "")]
        if name:
            yield name, value, dict(reversed(more))  # of two of one name, the first


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    value = value.strip(_BLANK)
    if quoted := _QUOTED.fullmatch(value):
        value = _ESCAPED.sub(r"\1", quoted[1])
    return name.strip(_BLANK).lower(), value


def _weights(request: web.Request, header: str) -> dict[str, float]:
    """By each member's name its weight; a member whose weight is none is passed over."""
    found: dict[str, float] = {}
    for name, _, parameters in _members(request, header):
        weight = parameters.get("q", "1")
        if _WEIGHT.fullmatch(weight):
            found[name] = max(found.get(name, 0.0), float(weight))
    return found


def best_of(request: web.Request, offered: Sequence[str]) -> str:
    """The media type that the caller would rather have; the first where it is all the same, or takes none."""
    weights = _weights(request, "Accept")

    def weight(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((weights[each] for each in ranges if each in weights), 0.0)

    return max(offered, key=weight)


def takes_gzip(request: web.Request) -> bool:
    """Whether the caller takes an answer that is compressed."""
    if "Accept-Encoding" not in request.headers:
        return False
    weights = _weights(request, "Accept-Encoding")
    gzip = next((weights[each] for each in ("gzip", "x-gzip", "*") if each in weights), 0.0)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def preference(request: web.Request, name: str) -> str | None:
    """The value of a preference of the caller; the first one counts, and None: there is none."""
    if "Prefer" not in request.headers:
        return None
    return next((value for each, value, _ in _members(request, "Prefer") if each == name), None)
