"""The commands that read what is on the log: `gateway tail`, `gateway explain`."""

import os
import sys
from typing import Annotated

import typer

from gateway.cli.on_log import Config, on_log, read_settings
from gateway.engine.log import DELIVERY_PLANS, INBOUND_TOPICS, Log, LogError
from gateway.replay.event_lines import plan_to_line, to_line
from gateway.rules.events import DeadLetter, Event, place_in_time
from gateway.system.errors import UsageError
from gateway.system.stopping import Terminated
from gateway.system.terminal import write_lines
from producers.read_back import ALL_OUTBOUND_TOPICS, OUTBOUND_TOPICS, read_event, read_plan


def tail(
    topics: Annotated[list[str] | None, typer.Argument(help="Outbound topics; all without one.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first record.")] = False,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="End with the last record there is.")
    ] = False,
    config: Config = None,
) -> None:
    """Print outbound records as JSON lines, in replay's form."""
    for topic in topics or ():
        if topic not in ALL_OUTBOUND_TOPICS:
            raise UsageError(
                f"no outbound topic has that name; name some of {', '.join(ALL_OUTBOUND_TOPICS)}"
            )

    async def work(log: Log) -> None:
        async for record in log.follow(
            topics or ALL_OUTBOUND_TOPICS, from_start=from_start, wait=not no_follow
        ):
            write_lines(
                plan_to_line(read_plan(record), record.timestamp)
                if record.topic == DELIVERY_PLANS
                else to_line(read_event(record))
            )
            if not no_follow:
                sys.stdout.buffer.flush()
        sys.stdout.buffer.flush()

    settings = read_settings(config, must_exist=True)
    try:
        on_log(settings, work)
    except (KeyboardInterrupt, Terminated):
        if no_follow:
            raise


def explain(
    po_number: Annotated[str, typer.Argument(help="The number of the purchase order.")],
    config: Config = None,
) -> None:
    """Print the decisions on one referral, each with the guidance it follows."""
    from consumers import READERS
    from gateway.explain.timeline import ArrivedMessage, print_timeline
    from schemas.codec import Unreadable

    async def work(log: Log) -> tuple[list[ArrivedMessage], list[Event | DeadLetter]]:
        key = os.fsencode(po_number)
        arrived = [
            ArrivedMessage(record.timestamp, message)
            async for record in log.follow(INBOUND_TOPICS, from_start=True, wait=False)
            if record.key == key and not isinstance(message := READERS[record.topic](record), Unreadable)
        ]
        # Second: what is decided meanwhile is about messages that have been read, or are not printed yet.
        decided = [
            read_event(record)
            async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False)
            if record.key == key
        ]
        return arrived, decided

    settings = read_settings(config, must_exist=True)
    arrivals, events = on_log(settings, work)
    if not events and not arrivals:
        raise LogError(
            f"nothing has come for this purchase order to the log {settings.log_name}; check its number"
        )
    if settings.on_kafka:  # where topics have no common order
        arrivals.sort(key=lambda arrival: arrival.at)
        events.sort(key=place_in_time)
    print_timeline(po_number, events, arrivals)
