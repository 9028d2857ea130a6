"""`/problems/{code}`, to which the `type` of an error leads: what the code means, and what to do."""

from collections.abc import Sequence
from functools import cache
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from gateway.api.operation import refusals
from gateway.api.problems import PROBLEMS, Problem
from gateway.api.rendering import guidance
from gateway.contracts.openapi.codes import CODES, MEANINGS
from gateway.contracts.pages.page import page_or_json
from gateway.rules.decide import CHECKS
from gateway.rules.messages import INBOUND


class Meaning(Struct, frozen=True, kw_only=True):
    """What to do about a code that comes with a status."""

    status: int
    title: str
    what_to_do: str


class Paragraph(Struct, frozen=True, kw_only=True):
    """A paragraph of the guidance that a refusal follows."""

    rule: str
    guidance: str


class CodeView(Struct, frozen=True, kw_only=True):
    """A code of problem details.

    means: of one with several statuses, what it means with each. paragraphs: of a refusal, those it may cite.
    """

    code: str
    means: str | None
    meanings: list[Meaning]
    paragraphs: list[Paragraph]
    self: str


class CodeList(Struct, frozen=True, kw_only=True):
    """All codes, in alphabetical order."""

    codes: list[CodeView]


@cache
def _by_code() -> dict[str, CodeView]:
    listed = {status: dict(codes) for status, codes in CODES.items()}
    listed[422] |= refusals(INBOUND)
    cited: dict[str, dict[str, str]] = {}
    for check in (check for checks in CHECKS.values() for check in checks if check.code):
        if says := guidance(check.rule, check.code):
            cited.setdefault(str(check.code), {})[str(check.rule)] = says
    return {
        code: CodeView(
            code=code,
            means=MEANINGS.get(code),
            meanings=[
                Meaning(status=status, title=HTTPStatus(status).phrase, what_to_do=codes[code])
                for status, codes in sorted(listed.items())
                if code in codes
            ],
            paragraphs=[
                Paragraph(rule=rule, guidance=says) for rule, says in sorted(cited.get(code, {}).items())
            ],
            self=PROBLEMS + code,
        )
        for code in sorted({code for codes in listed.values() for code in codes})
    }


def routes() -> Sequence[web.RouteDef]:
    """The page about each code, and the list of them. No token is asked for."""
    return [web.get(PROBLEMS.rstrip("/"), _list), web.get(f"{PROBLEMS}{{code}}", _show)]


async def _list(request: web.Request) -> web.Response:
    return page_or_json(request, CodeList(codes=[*_by_code().values()]), "codes.html", "Codes of errors")


async def _show(request: web.Request) -> web.Response:
    view = _by_code().get(request.match_info["code"])
    if view is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such code; /problems lists all of them.")
    return page_or_json(request, view, "code.html", view.code)
