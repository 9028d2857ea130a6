"""Whether the process is alive, and whether it decides what arrives: `/livez`, `/readyz`, `/metrics`."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web
from msgspec import json
from prometheus_client.registry import Collector

from gateway.api.metrics import Metrics, PartitionGauges
from gateway.api.operation import TEXT, Answer, Operation
from gateway.api.partitions import partitions
from gateway.api.prap_actions import ToEnter
from gateway.api.scraping import Scrapes
from gateway.api.surroundings import Surroundings
from gateway.api.views import PartitionView, ProjectionView, ReadinessView
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import said
from gateway.engine.workers import Workers
from gateway.reading.model import ReadModel

GET_LIVENESS: Final = Operation(
    id="getLiveness",
    method="GET",
    path="/livez",
    tag="operation",
    summary="Whether the process is alive",
    answers={200: Answer("It is.", {"text/plain": TEXT})},
)
GET_READINESS: Final = Operation(
    id="getReadiness",
    method="GET",
    path="/readyz",
    tag="operation",
    summary="Whether the process decides what arrives",
    answers={
        200: Answer("It does.", ReadinessView),
        503: Answer("It doesn't, and why.", ReadinessView),
    },
)
GET_METRICS: Final = Operation(
    id="getMetrics",
    method="GET",
    path="/metrics",
    tag="operation",
    summary="What it has done, for Prometheus",
    answers={
        200: Answer(
            "As Prometheus or OpenMetrics asks.",
            dict.fromkeys(("text/plain", "application/openmetrics-text"), TEXT),
        )
    },
)


def routes(
    workers: Workers,
    metrics: Metrics,
    stop: asyncio.Event,
    now: Callable[[], int] | None,
    model: ReadModel | None = None,
    clock: ClockWatch | None = None,
    around: Surroundings | None = None,
    to_enter: ToEnter | None = None,
) -> Sequence[web.RouteDef]:
    """What monitoring asks for.

    stop: set when the gateway was told to stop. now: the wall clock (UTC milliseconds), where that is the
    log's. model: what fills the projection, where the API is served. clock: what
    watches the wall clock. around: what else the gateway needs. to_enter: what is to be entered on
    PRaP, where the API is served.
    """
    around = around or Surroundings()
    gauges: Collector = PartitionGauges(workers, now, model, clock, around, to_enter)
    metrics.registry.register(gauges)
    scrapes = Scrapes(metrics.registry, None if to_enter is None else to_enter.look)

    async def livez(_: web.Request) -> web.Response:
        """200 for as long as the loop turns."""
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        """200 where all that is assigned and not paused is being decided, else 503 with the reasons."""
        found = partitions(workers, now)
        reasons = [f"partition {each.number}: {each.fault}" for each in found if each.fault]
        paused = [f"partition {e.number}: {said(e.number, e.paused)}" for e in found if e.paused]
        if (
            clock is not None
            and (why := clock.look()) is not None
            and not any(why in each for each in reasons)
        ):
            reasons.insert(0, why)
        if stop.is_set():
            reasons.insert(0, "it was told to stop")
        if workers.assigned is None and workers.waiting_for not in reasons:
            reasons.append(workers.waiting_for)
        if around.brokers:
            reasons.append(around.brokers)
        projection = None
        if model is not None:
            if model.trouble:
                reasons.append(f"the projection: {model.trouble}")
            elif not model.filled.is_set():
                reasons.append("the projection is being filled")
            projection = ProjectionView(trouble=model.trouble, behind_records=model.behind)
        body = ReadinessView(
            ready=not reasons,
            reasons=reasons,
            warnings=[*paused, *around.warnings()],
            projection=projection,
            partitions={
                str(each.number): PartitionView(
                    owned=each.undecided is not None,
                    lost=each.lost,
                    paused=each.paused is not None,
                    trouble=each.trouble,
                    lag_records=each.undecided,
                    lag_s=each.behind_s,
                )
                for each in found
            },
        )
        return web.Response(
            status=HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK,
            body=json.encode(body),
            content_type="application/json",
        )

    async def show_metrics(request: web.Request) -> web.Response:
        """All metrics, as Prometheus or OpenMetrics asks for them."""
        body, content_type = await scrapes.answer(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    return [GET_LIVENESS.route(livez), GET_READINESS.route(readyz), GET_METRICS.route(show_metrics)]
