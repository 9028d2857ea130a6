"""`POST /v1/wp11s` and `POST /v1/updates`: what a Jobcentre sends."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from gateway.api.answering import DECIDED, PREFER, TAKEN, wait_s_of
from gateway.api.callers import SEND_AS_JOBCENTRE
from gateway.api.idempotency import Message
from gateway.api.operation import JSON, Codes, Operation, refusals
from gateway.api.problems import Problem
from gateway.api.requests import jobcentres_of, read_object
from gateway.api.security import forbidden, none_of_theirs
from gateway.api.sending import (
    KEY,
    idempotency_key,
    message_in,
    refuse_where_nothing_can_be_posted,
    too_many_messages,
)
from gateway.api.services import Services
from gateway.api.taking import draft_of, take
from gateway.reading.view import View
from gateway.rules.messages import INBOUND

_WP11S: Final = "jobcentre.wp11"
_UPDATES: Final = "jobcentre.updates"
_ABOUT: Final = (
    "For tokens with the claim `jobcentre_id` and the scope `jobcentre:send`. With `Prefer: wait=5` the "
    "answer is what came of it, where that is known in time."
)
_LINKS: Final = {"outcome": ("getMessage", "id", "$response.body#/message_id")}


def _problems(topic: str) -> Codes:
    return {
        400: ("IDEMPOTENCY_KEY_MISSING", "BAD_IDEMPOTENCY_KEY", "INVALID_MESSAGE"),
        403: ("ANOTHER_JOBCENTRE",),
        404: ("UNKNOWN_REFERRAL",),
        409: ("READ_ONLY", "TOO_MANY_RECORDS"),
        422: ("IDEMPOTENCY_KEY_REUSED", *refusals([topic])),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    }


POST_WP11: Final = Operation(
    id="postWp11",
    method="POST",
    path="/v1/wp11s",
    tag="jobcentres",
    who="jobcentre",
    summary="Send a WP11",
    about=f"{_ABOUT} It may come before its referral, and is held for it.",
    parameters=(KEY, PREFER),
    takes={JSON: "Wp11"},
    answers={200: DECIDED, 202: TAKEN},
    problems=_problems(_WP11S),
    links=_LINKS,
)
POST_UPDATE: Final = Operation(
    id="postUpdate",
    method="POST",
    path="/v1/updates",
    tag="jobcentres",
    who="jobcentre",
    summary="Send what has changed",
    about=f"{_ABOUT} What names no Jobcentre is about a referral of yours that is here.",
    parameters=(KEY, PREFER),
    takes={JSON: "JobcentreUpdate"},
    answers={200: DECIDED, 202: TAKEN},
    problems=_problems(_UPDATES),
    links=_LINKS,
)


class Jobcentres:
    """Takes the messages of Jobcentres, each once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[web.RouteDef]:
        """A path for each topic."""

        async def wp11(request: web.Request) -> web.Response:
            return await self._take(request, _WP11S)

        async def update(request: web.Request) -> web.Response:
            return await self._take(request, _UPDATES)

        return [POST_WP11.route(wp11), POST_UPDATE.route(update)]

    async def _take(self, request: web.Request, topic: str) -> web.Response:
        """Take a message of a topic.

        1. The message, whose mistakes say nothing of anybody's referral.
        2. Whose referral it is about. One that is not here yet is nobody's: a message that names its
           Jobcentre is held for it.
        3. The log, and what came of it: see `take`.
        """
        jobcentres = jobcentres_of(request, SEND_AS_JOBCENTRE)
        key = idempotency_key(request)
        refuse_where_nothing_can_be_posted(self._services)
        wait_s = wait_s_of(request)
        record = message_in(await read_object(request), INBOUND[topic], key)
        named = getattr(record, "jobcentre_id", None)
        if named is not None and named not in jobcentres:
            forbidden(request, "body_names_another_jobcentre")
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "jobcentre_id is not a Jobcentre of the token; name one of those.",
                code="ANOTHER_JOBCENTRE",
                field="jobcentre_id",
            )

        def question(view: View) -> tuple[str | None, int]:
            return view.jobcentre(record.po_number), view.messages(record.po_number)

        of, messages = await self._services.ask(request, question)
        if of not in jobcentres and (of is not None or named is None):
            none_of_theirs(request, another=of is not None)
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "There is no referral of this Jobcentre with this number; check it.",
                code="UNKNOWN_REFERRAL",
                field="po_number",
            )
        message = Message(record.po_number, None, draft_of(record, request))
        await too_many_messages(self._services, request, key, message, messages)
        return await take(self._services, request, key, type(record), message, wait_s)
