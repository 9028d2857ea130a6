"""The metrics, for whoever asks for them without a pause."""

import asyncio
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.api.scraping import Scrapes

ASKERS = 50


class Collections(Collector):
    """How often it was collected from."""

    def __init__(self) -> None:
        self.count = 0

    def collect(self) -> Iterable[Metric]:
        """One gauge."""
        self.count += 1
        yield GaugeMetricFamily("collections", "How often.", self.count)


def scrapes() -> tuple[Scrapes, Collections]:
    """Metrics, and how often they are collected."""
    registry, collections = CollectorRegistry(), Collections()
    registry.register(collections)
    collections.count = 0  # it was asked for its names
    return Scrapes(registry), collections


async def test_all_who_wait_share_one_collection_that_is_made_after_they_asked() -> None:
    asked, collections = scrapes()
    first, _ = await asked.answer("")
    several = {body for body, _ in await asyncio.gather(*[asked.answer("") for _ in range(ASKERS)])}
    assert b"collections 1.0\n" in first
    assert [b"collections 2.0\n" in body for body in several] == [True]
    assert collections.count == 2


async def test_whatever_version_is_asked_for_there_are_two_forms() -> None:
    asked, collections = scrapes()
    accepted = [f"application/openmetrics-text; version=1.0.{number}" for number in range(ASKERS)]
    answers = await asyncio.gather(*map(asked.answer, [*accepted, "text/plain; version=1.0.0", "*/*", ""]))
    assert len({type_ for _, type_ in answers}) == len({body for body, _ in answers}) == 2
    assert collections.count == 2


async def test_who_goes_away_does_not_end_it_for_the_others() -> None:
    asked, _ = scrapes()
    gone, stays = (asyncio.create_task(asked.answer("")) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    body, _ = await stays
    assert b"collections 1.0\n" in body
    assert gone.cancelled()
