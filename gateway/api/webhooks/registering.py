"""`/v1/webhooks`: where a provider or a Jobcentre system has events delivered to.

What is registered, and how far each webhook is, stands on gateway.control. Of what was delivered nothing else
is kept: the events are on the log, and whether one was taken follows from how far its webhook is.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web
from msgspec.structs import replace

from gateway.api.callers import SUBSCRIBE_AS_JOBCENTRE
from gateway.api.event_stream import Wish
from gateway.api.idempotency import durably
from gateway.api.pages import another_history
from gateway.api.problems import Problem
from gateway.api.requests import caller_of, jobcentres_of, providers_of, read_object
from gateway.api.responses import answer
from gateway.api.sending import refuse_where_nothing_can_be_posted
from gateway.api.services import Services
from gateway.api.webhooks.addresses import checked_url
from gateway.api.webhooks.delivering import Deliveries, Gone, Standing, standing
from gateway.api.webhooks.feeds import FEEDS, is_for, message_of
from gateway.api.webhooks.operations import (
    AFTER,
    DELETE_WEBHOOK,
    GET_WEBHOOK,
    LIMIT,
    LIST_DELIVERIES,
    LIST_WEBHOOKS,
    LONGEST_EVENT_ID,
    MAKE_WEBHOOK,
    MOST,
    RESUME_WEBHOOK,
    REWIND_WEBHOOK,
    SEND_AGAIN,
    AttemptView,
    DeliveryList,
    DeliveryView,
    WebhookList,
    WebhookMade,
    WebhookView,
)
from gateway.engine.log import CONTROL, LogError
from gateway.reading.cursor import Cursor, CursorOfAnotherLog, NotACursor, beginning, parse_cursor
from gateway.reading.view import View
from gateway.rules.events import FOR_JOBCENTRES
from producers.control import Delivered, Webhook, progress, webhook
from schemas.json import format_instant


class Webhooks:
    """Registers webhooks, and says how they stand. deliveries: None: there is no key to sign with."""

    def __init__(self, services: Services, deliveries: Deliveries | None) -> None:
        self._services = services
        self._deliveries = deliveries
        self._say = structlog.get_logger("gateway.webhooks")

    def routes(self) -> Sequence[web.RouteDef]:
        """All of them."""
        return [
            MAKE_WEBHOOK.route(self._make),
            LIST_WEBHOOKS.route(self._list),
            GET_WEBHOOK.route(self._get),
            DELETE_WEBHOOK.route(self._delete),
            RESUME_WEBHOOK.route(self._resume),
            REWIND_WEBHOOK.route(self._rewind),
            LIST_DELIVERIES.route(self._delivered),
            SEND_AGAIN.route(self._send),
        ]

    async def _make(self, request: web.Request) -> web.Response:
        value = await _read(request, "of", "url", "topics", "after")
        kind = value.get("of")
        if not isinstance(kind, str) or kind not in FEEDS:
            raise _wrong("of", f"of must be one of {', '.join(FEEDS)}.")
        if kind == "events":
            parties = jobcentres_of(request, SUBSCRIBE_AS_JOBCENTRE)
        else:
            parties = providers_of(request)
        deliveries = self._on()
        refuse_where_nothing_can_be_posted(self._services)
        url = checked_url(value.get("url"), local=deliveries.sender.local)
        hook = Webhook(kind, tuple(sorted(parties)), _topics(value, kind), url, deliveries.clock.now())
        if "after" in value:
            hook = replace(hook, place=(await self._cursor(request, hook, value["after"])).place)
        there = await self._services.ask(request, View.webhooks)
        same = (each for each in there.values() if (each.of == "events") == (kind == "events"))
        if sum(bool(parties & {*each.parties}) for each in same) >= MOST:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"There are {MOST} webhooks, and no more are made; delete one first.",
                code="TOO_MANY_WEBHOOKS",
            )
        if kind == "events" and (why := await deliveries.sender.is_welcome(url)) is not None:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"The receiver has not said that it takes events from here ({why}); answer OPTIONS with "
                "status 200 and WebHook-Allowed-Origin.",
                code="WEBHOOK_NOT_WELCOME",
                field="url",
            )
        webhook_id = secrets.token_hex(16)
        await self._put(webhook_id, hook)
        self._say.info("webhook.made", webhook=webhook_id, of=kind, parties=[*hook.parties])
        shown = _view(webhook_id, hook, standing(hook, {}), self._partitions)
        made = {name: getattr(shown, name) for name in shown.__struct_fields__}
        return answer(request, WebhookMade(**made, secret=deliveries.sender.secrets.shown(webhook_id)))

    async def _list(self, request: web.Request) -> web.Response:
        def question(view: View) -> list[WebhookView]:
            return [
                _view(each, hook, standing(hook, view.progress(each)), self._partitions)
                for each, hook in view.webhooks().items()
                if _is_of(request, hook)
            ]

        return answer(request, WebhookList(webhooks=await self._services.ask(request, question)))

    async def _get(self, request: web.Request) -> web.Response:
        return await self._shown(request, request.match_info["id"])

    async def _shown(self, request: web.Request, webhook_id: str) -> web.Response:
        hook, stands = await self._own(request)
        return answer(request, _view(webhook_id, hook, stands, self._partitions))

    async def _delete(self, request: web.Request) -> web.Response:
        hook, stands = await self._own(request)
        refuse_where_nothing_can_be_posted(self._services)
        webhook_id = request.match_info["id"]
        drafts = [progress(webhook_id, each, None) for each in stands.progress]
        await durably(self._services.posting, [webhook(webhook_id, None), *drafts])
        await self._seen()
        self._say.info("webhook.deleted", webhook=webhook_id, of=hook.of, parties=[*hook.parties])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _resume(self, request: web.Request) -> web.Response:
        hook, _ = await self._own(request)
        changed = replace(hook, resumed=hook.resumed + 1)
        webhook_id = await self._change(request, changed)
        self._say.info("webhook.resumed", webhook=webhook_id, of=hook.of, parties=[*hook.parties])
        return await self._shown(request, webhook_id)

    async def _rewind(self, request: web.Request) -> web.Response:
        value = await _read(request, "after")
        hook, _ = await self._own(request)
        place = (await self._cursor(request, hook, value.get("after"))).place
        changed = replace(hook, place=place, sought=hook.sought + 1)
        webhook_id = await self._change(request, changed)
        self._say.info("webhook.rewound", webhook=webhook_id, of=hook.of, parties=[*hook.parties])
        return await self._shown(request, webhook_id)

    async def _change(self, request: web.Request, hook: Webhook) -> str:
        self._on()
        refuse_where_nothing_can_be_posted(self._services)
        webhook_id = request.match_info["id"]
        await self._put(webhook_id, hook)
        return webhook_id

    async def _delivered(self, request: web.Request) -> web.Response:
        hook, stands = await self._own(request)
        feed, limit, after = FEEDS[hook.of], LIMIT.number_of(request), AFTER.text_of(request)
        wish = Wish(frozenset(hook.parties), hook.topics)
        cursor = beginning(len(feed.topics) * self._partitions)
        if after is not None:
            cursor = await self._cursor(request, hook, after)
        until = await self._services.ask(request, lambda view: feed.until(view, wish, cursor))
        if until:
            await self._services.reach(feed.topics)
        found = await self._services.ask(request, lambda view: feed.ask(view, wish, cursor, limit, until))
        reached = _position(hook, stands, self._partitions)
        listed: list[DeliveryView] = []
        place = cursor.place
        for each in found:
            moved = next(number for number, offset in enumerate(each.cursor.place) if offset != place[number])
            place = each.cursor.place
            listed.append(
                DeliveryView(
                    event_id=each.event.event_id,
                    type=feed.kind(each.event),
                    po_number=each.event.po_number,
                    decided_at=format_instant(each.event.decided_at),
                    status="TAKEN" if reached[moved] >= place[moved] else "WAITING",
                    cursor=str(each.cursor),
                )
            )
        following = str(found[-1].cursor if found else cursor)
        return answer(request, DeliveryList(deliveries=listed, next=following))

    async def _send(self, request: web.Request) -> web.Response:
        value = await _read(request, "event_id")
        event_id = value.get("event_id")
        if not isinstance(event_id, str) or not 0 < len(event_id) <= LONGEST_EVENT_ID:
            raise _wrong("event_id", "event_id must be the id of an event.")
        hook, _ = await self._own(request)
        deliveries = self._on()
        event = await self._services.ask(request, lambda view: view.event(event_id))
        if event is None or not is_for(hook, event):
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "There is no such event of this webhook; take an event_id of its deliveries.",
                code="UNKNOWN_EVENT",
                field="event_id",
            )
        reference = await self._services.ask(request, lambda view: view.reference(event.po_number))
        message = message_of(hook, event, reference)
        failure: str | None
        try:
            failure = await deliveries.attempt(request.match_info["id"], hook, message)
        except Gone as error:
            failure = str(error)
        return answer(request, AttemptView(event_id=event_id, taken=failure is None, failure=failure))

    @property
    def _partitions(self) -> int:
        return self._services.model.partitions or 1

    def _on(self) -> Deliveries:
        """What delivers. Raises Problem."""
        if self._deliveries is None:
            raise Problem(
                HTTPStatus.CONFLICT,
                "This gateway has no key for webhooks; its operators can set GATEWAY_WEBHOOK_KEY.",
                code="WEBHOOKS_OFF",
            )
        return self._deliveries

    async def _own(self, request: web.Request) -> tuple[Webhook, Standing]:
        """The webhook of the path, and how it stands. Raises Problem where it is not the caller's."""
        webhook_id = request.match_info["id"]

        def question(view: View) -> tuple[Webhook, Standing] | None:
            hook = view.webhook(webhook_id)
            return None if hook is None else (hook, standing(hook, view.progress(webhook_id)))

        found = await self._services.ask(request, question)
        if found is None or not _is_of(request, found[0]):
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "There is no such webhook of yours; GET /v1/webhooks lists those that there are.",
                code="UNKNOWN_WEBHOOK",
            )
        return found

    async def _cursor(self, request: web.Request, hook: Webhook, text: object) -> Cursor:
        """A cursor of what a webhook delivers. Raises Problem."""
        feed = FEEDS[hook.of]
        try:
            if not isinstance(text, str):
                raise NotACursor("is no cursor; give it as text")
            cursor = parse_cursor(text, len(feed.topics) * self._partitions, len(feed.topics))
        except CursorOfAnotherLog:
            raise another_history("after") from None
        except NotACursor as error:
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"after {error}.", code="BAD_CURSOR", field="after"
            ) from None
        if cursor.digest == POSITION:
            return cursor
        at = partial(feed.is_at, cursor=cursor)
        if not await self._services.ask(request, at):
            await self._services.reach(feed.topics)
            if not await self._services.ask(request, at):
                raise another_history("after")
        return cursor

    async def _put(self, webhook_id: str, hook: Webhook) -> None:
        await durably(self._services.posting, [webhook(webhook_id, hook)])
        await self._seen()

    async def _seen(self) -> None:
        """Wait until what was put can be asked for, and let it be seen; where that takes long, it will be."""
        with suppress(LogError, TimeoutError):
            await self._services.model.reach([CONTROL])
        if self._deliveries is not None:
            self._deliveries.look()


#: In the place of a cursor's digest: how far a webhook is, by partition. It is no place in one list.
POSITION: Final = "webhook"


def _position(hook: Webhook, stands: Standing, partitions: int) -> tuple[int, ...]:
    """By topic and partition, the offset of what is delivered next."""
    topics = len(FEEDS[hook.of].topics)
    offsets = [*(hook.place or (0,) * (topics * partitions))]
    for number, each in stands.progress.items():
        if each.sought == hook.sought and number < partitions:
            offsets[number::partitions] = each.place
    return tuple(offsets)


def _view(webhook_id: str, hook: Webhook, stands: Standing, partitions: int) -> WebhookView:
    place, worst = _position(hook, stands, partitions), stands.worst
    since = None if worst is None else worst.failing_since
    return WebhookView(
        id=webhook_id,
        of=hook.of,
        parties=[*hook.parties],
        topics=[*hook.topics],
        url=hook.url,
        made_at=format_instant(hook.made_at),
        status=stands.status,
        why=None if worst is None else worst.paused,
        failing_since=None if since is None else format_instant(since),
        attempts=0 if worst is None else worst.attempts,
        failure=None if worst is None else worst.failure,
        position=str(Cursor(place, POSITION if any(place) else "")),
        self=f"/v1/webhooks/{webhook_id}",
    )


def _is_of(request: web.Request, hook: Webhook) -> bool:
    """Whether the caller stands for all whose events a webhook delivers."""
    caller = caller_of(request)
    if hook.of == "events":
        return SUBSCRIBE_AS_JOBCENTRE in caller.scopes and caller.jobcentres >= {*hook.parties}
    return caller.providers >= {*hook.parties}


def _topics(value: dict[str, Any], kind: Delivered) -> tuple[str, ...]:
    """Which topics a webhook delivers, in the order of the feed. Raises Problem."""
    if "topics" not in value:
        return FEEDS[kind].topics
    named = value["topics"]
    if kind != "events":
        raise _wrong("topics", "topics is for events; take it out.")
    if not isinstance(named, list) or not named or any(each not in FOR_JOBCENTRES for each in named):
        raise _wrong("topics", f"topics must list some of {', '.join(FOR_JOBCENTRES)}.")
    return tuple(each for each in FOR_JOBCENTRES if each in named)


async def _read(request: web.Request, *fields: str) -> dict[str, Any]:
    """The body. Raises Problem where it has another field."""
    value = await read_object(request)
    for name in value:
        if name not in fields:
            raise _wrong(None, f"The body has a field that there is not; it takes {', '.join(fields)}.")
    return value


def _wrong(field: str | None, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail, code="BAD_WEBHOOK", field=field)
