"""The commands that read what is on the log: `gateway tail`, `gateway explain`."""

import os
import sys
from collections.abc import AsyncIterator
from difflib import get_close_matches
from typing import Annotated

import typer

from gateway.cli.on_log import Config, instant, on_log, read_settings
from gateway.engine.log import INBOUND_TOPICS, Log, LogError
from gateway.rules.events import DeadLetter, Event, place_in_time
from gateway.system.errors import UsageError
from gateway.system.stopping import Terminated
from gateway.system.terminal import printable, write_lines
from producers.read_back import ALL_OUTBOUND_TOPICS, OUTBOUND_TOPICS, read_event


def tail(
    topics: Annotated[list[str] | None, typer.Argument(help="Outbound topics; all without one.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first record.")] = False,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="End with the last record there is.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what was decided at this instant or later, such as 2016-04-05T00:00:00Z; begins with "
            "the first record."
        ),
    ] = None,
    po_number: Annotated[str | None, typer.Option("--po", help="Only this purchase order.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Only this kind, status or code, such as SESSION_LATE; may be given again."),
    ] = None,
    log_lines: Annotated[
        bool,
        typer.Option(
            "--as-log", help="In the form of log lines: those that GATEWAY_LOG_EVENTS chooses, once more."
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Print outbound records as JSON lines, in replay's form."""
    from gateway.explain.finding import Filter, as_log, kinds
    from gateway.reading.log_lines import shown

    for topic in topics or ():
        if topic not in ALL_OUTBOUND_TOPICS:
            raise UsageError(
                f"no outbound topic has that name; name some of {', '.join(ALL_OUTBOUND_TOPICS)}"
            )
    for each in kind or ():
        if each not in kinds():
            meant = get_close_matches(each, kinds(), 1, cutoff=0.5)
            hint = f"did you mean {meant[0]}?" if meant else "see `gateway tail` for what there is"
            raise UsageError(f"no event has a kind, status or code {printable(each)}; {hint}")
    wanted = Filter(
        frozenset(topics) if topics else None,
        po_number,
        provider,
        instant("--since", since),
        frozenset(kind) if kind else None,
    )
    settings = read_settings(config, must_exist=True)
    if log_lines and settings.on_kafka and not no_follow:
        raise UsageError("on Kafka topics have no common order, so --as-log can't follow; name --no-follow")
    begin = from_start or since is not None

    async def lines(log: Log) -> AsyncIterator[bytes | None]:
        if log_lines:
            chosen = shown(settings.log_level, settings.log_events)
            async for line in as_log(log, wanted, chosen, from_start=begin, wait=not no_follow):
                yield line
        else:
            chosen_topics = topics or ALL_OUTBOUND_TOPICS
            async for record in log.follow(
                chosen_topics, from_start=begin, wait=not no_follow, key=wanted.key
            ):
                yield wanted.line(record)

    async def work(log: Log) -> None:
        async for line in lines(log):
            if line is not None:
                write_lines(line)
                if not no_follow:
                    sys.stdout.buffer.flush()
        sys.stdout.buffer.flush()

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
    from gateway.explain.timeline import print_timeline
    from gateway.reading.story import ArrivedMessage
    from schemas.codec import Unreadable

    async def work(log: Log) -> tuple[list[ArrivedMessage], list[Event | DeadLetter]]:
        key = os.fsencode(po_number)
        arrived = [
            ArrivedMessage(record.timestamp, message)
            async for record in log.follow(INBOUND_TOPICS, from_start=True, wait=False, key=key)
            if not isinstance(message := READERS[record.topic](record), Unreadable)
        ]
        # Second: what is decided meanwhile is about messages that have been read, or are not printed yet.
        decided = [
            read_event(record)
            async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False, key=key)
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
