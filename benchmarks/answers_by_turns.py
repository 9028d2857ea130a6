"""How long answers take in two checkouts, by turns: `python -m benchmarks.answers_by_turns OLD NEW`.

Both serve the same referrals at once, each on an embedded log of its own. Bursts of requests go to one and
then to the other, the order changing from round to round: whatever else the machine does, both have of it
alike. It prints for each kind of request what half and 99 % of the answers took, old → new, and the ratios of
what 99 % took (of all, and the median of the rounds) and of processor time.
"""

import argparse
import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from aiohttp import ClientSession, TCPConnector
from msgspec import json

from benchmarks.by_turns import (
    ask_until_it_answers,
    command,
    cpu_s,
    environment,
    free_port,
    processes,
    run,
)

#: A method, a path and headers, of the request of a number.
Asked = Callable[[int], tuple[str, str, dict[str, str]]]


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="a checkout where `make setup` was run")
    parser.add_argument("new", type=Path, help="another one")
    parser.add_argument("--referrals", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--burst", type=int, default=200, help="requests of a kind in a round (default: 200)")
    parser.add_argument("--connections", type=int, default=10)
    given = parser.parse_args()
    with ExitStack() as stack:
        served = {
            name: stack.enter_context(serving(checkout, given.referrals))
            for name, checkout in (("old", given.old), ("new", given.new))
        }
        asyncio.run(measure(served, given))
    print("| a request for | half, ms | 99 %, ms | ratio of 99 % | of the rounds | ratio of processor time |")
    print("|---|--:|--:|--:|--:|--:|")
    for kind in kinds(given.referrals):
        old, new = (each.figures[kind] for each in served.values())
        by_round = [b / a for a, b in zip(old.worst_ms, new.worst_ms, strict=True)]
        print(
            f"| {kind} | {median(old.each_ms):.1f} → {median(new.each_ms):.1f} "
            f"| {of_99(old.each_ms):.0f} → {of_99(new.each_ms):.0f} "
            f"| {of_99(new.each_ms) / of_99(old.each_ms):.2f} | {median(by_round):.2f} "
            f"| {new.cpu_s / old.cpu_s:.2f} |"
        )


@dataclass
class Figures:
    """Of one kind of request. worst_ms: of each round, what 99 % took. cpu_s: of the gateway's processes."""

    each_ms: list[float] = field(default_factory=list)
    worst_ms: list[float] = field(default_factory=list)
    cpu_s: float = 0.0


@dataclass
class Served:
    """A gateway, who asks it, and what that took."""

    url: str
    token: str
    pid: int
    figures: dict[str, Figures] = field(default_factory=dict)


def of_99(each_ms: list[float]) -> float:
    """What 99 of 100 took at the most."""
    return quantiles(each_ms, n=100)[-1]


def kinds(referrals: int) -> dict[str, Asked]:
    """What is asked for, by its name."""

    def get(path: str) -> Asked:
        return lambda number: ("GET", path.format(po=po(number)), {})

    def post(wait: dict[str, str], what: str) -> Asked:
        return lambda number: (
            "POST",
            f"/v1/referrals/{po(number)}/records",
            {"Idempotency-Key": f"{what}-{number}", "Content-Type": "application/json", **wait},
        )

    def po(number: int) -> str:
        return f"TURN{number % referrals:06}"

    return {
        "a referral": get("/v1/referrals/{po}"),
        "20 referrals": get("/v1/referrals?status=OPEN&limit=20"),
        "20 instructions": get("/v1/instructions?limit=20"),
        "a record": post({}, "taken"),
        "a record and its outcome": post({"Prefer": "wait=10"}, "decided"),
    }


async def measure(served: dict[str, Served], given: argparse.Namespace) -> None:
    """Fill the figures, round by round."""
    body = json.encode({"type": "GroupObjection", "raised_at": now()})
    asked = kinds(given.referrals)
    async with AsyncExitStack() as stack:
        sessions = {
            name: await stack.enter_async_context(
                ClientSession(
                    each.url,
                    headers={"Authorization": f"Bearer {each.token}"},
                    connector=TCPConnector(limit=given.connections),
                )
            )
            for name, each in served.items()
        }
        for number in range(given.rounds + 1):
            for kind, made in asked.items():
                for name in sorted(served, reverse=number % 2 == 0):
                    begin = number * given.burst
                    requests = [made(each) for each in range(begin, begin + given.burst)]
                    before_s = spent_s(served[name])
                    each_ms = await burst(sessions[name], requests, body, given.connections)
                    if number == 0:
                        served[name].figures[kind] = Figures()  # the first is to warm up
                        continue
                    figures = served[name].figures[kind]
                    figures.each_ms += each_ms
                    figures.worst_ms.append(of_99(each_ms))
                    figures.cpu_s += spent_s(served[name]) - before_s


async def burst(
    session: ClientSession, requests: list[tuple[str, str, dict[str, str]]], body: bytes, connections: int
) -> list[float]:
    """Send them over so many connections; what each took, in ms. Raises RuntimeError for an error."""
    took_ms: list[float] = []
    waiting = iter(requests)

    async def one_after_another() -> None:
        for method, path, headers in waiting:
            began_s = time.perf_counter()
            data = body if method == "POST" else None
            async with session.request(method, path, headers=headers, data=data) as answer:
                said = await answer.read()
            took_ms.append((time.perf_counter() - began_s) * 1_000)
            if answer.status not in {200, 202}:
                raise RuntimeError(f"{method} {path}: {answer.status} {said[:500]!r}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one_after_another())
    return took_ms


def spent_s(served: Served) -> float:
    """What a gateway has used of processors so far."""
    return sum(map(cpu_s, processes(served.pid)))


@contextmanager
def serving(checkout: Path, referrals: int) -> Iterator[Served]:
    """A gateway of a checkout that has decided so many referrals."""
    with tempfile.TemporaryDirectory(dir=checkout) as name:
        folder, port = Path(name), free_port()
        lines = folder / "referrals.jsonl"
        lines.write_bytes(b"".join(map(partial(referral, now()), range(referrals))))
        run(checkout, "feed", lines.name, cwd=folder)
        process = subprocess.Popen([command(checkout), "run"], cwd=folder, env=environment(port))
        try:
            url = f"http://127.0.0.1:{port}"
            ask_until_it_answers(f"{url}/readyz", {})
            token = run(checkout, "token", "--provider", "PRV01", cwd=folder, port=port).decode().strip()
            given = {"Authorization": f"Bearer {token}"}
            ask_until_it_answers(f"{url}/v1/referrals/TURN{referrals - 1:06}", given)
            yield Served(url, token, process.pid)
        finally:
            process.terminate()
            process.wait()


def referral(at: str, number: int) -> bytes:
    """One that has just been made, as a line to feed."""
    value = {
        "message_id": f"m-{number}",
        "po_number": f"TURN{number:06}",
        "po_revision": 1,
        "action_plan_annotation": "Work Programme Information Session-Voluntary",
        "referred_on": at[:10],
        "provider_id": "PRV01",
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "JSA",
        "participant": {"forename": "Forename", "surname": "Surname", "postcode": "LS1 1AA"},
    }
    return json.encode({"at": at, "topic": "prap.referrals", "value": value}) + b"\n"


def now() -> str:
    """The instant, as records have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
