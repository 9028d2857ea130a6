"""`GET /v1/worklist`: what a provider has to do next, soonest first."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from msgspec import json, msgpack

from gateway.api.operation import Answer, Operation, whole_number
from gateway.api.pages import CURSOR, Pages, of_this_history
from gateway.api.rendering import work
from gateway.api.requests import PROVIDER, providers_of
from gateway.api.responses import answer
from gateway.api.services import Services
from gateway.api.views import Worklist
from gateway.reading.view import Stamp, View, WorkPlace, place_of

PAGE: Final = 50
LARGEST_PAGE: Final = 200
LIMIT: Final = whole_number("limit", "How many at the most.", least=1, most=LARGEST_PAGE, default=PAGE)
GET_WORKLIST: Final = Operation(
    id="getWorklist",
    method="GET",
    path="/v1/worklist",
    tag="instructions",
    summary="What you have to do, soonest first",
    about="All that is open on your referrals now, by the last day for it; what has no limit comes last. "
    "What is overdue stays at the top as long as it can be done. By pages; a cursor stays right when "
    "something is done meanwhile.",
    parameters=(CURSOR, LIMIT, PROVIDER),
    answers={200: Answer("A page.", Worklist)},
    problems={400: ("BAD_CURSOR",), 410: ("CURSOR_OF_ANOTHER_HISTORY",)},
    links={"first": ("getReferral", "po", "$response.body#/duties/0/po_number")},
)
_PAGES: Final = Pages(msgpack.Decoder(tuple[WorkPlace, Stamp]))


def routes(services: Services) -> Sequence[web.RouteDef]:
    """What providers ask of all their referrals together."""

    async def worklist(request: web.Request) -> web.Response:
        """What the caller has to do, soonest first."""
        providers, limit = providers_of(request), LIMIT.number_of(request)
        begin = _PAGES.parse(CURSOR.text_of(request))

        def page(view: View) -> bytes:
            found = view.worklist(providers, begin and begin[0], limit + 1)
            more = len(found) > limit
            following = _PAGES.next(place_of(found[limit - 1]), view.stamp()) if more else None
            return json.encode(Worklist(duties=[work(each) for each in found[:limit]], next=following))

        return answer(request, await services.ask(request, lambda view: of_this_history(view, begin, page)))

    return [GET_WORKLIST.route(worklist)]
