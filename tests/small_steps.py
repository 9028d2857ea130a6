"""`gateway run` with steps of another size, for processes that end or fail at one of them."""

import asyncio
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace

from gateway.cli.on_log import instant, read_settings
from gateway.engine.step import StepSize
from gateway.processes.plan import plan_of
from gateway.processes.start import run


def run_in_steps_of(size: StepSize, arguments: Sequence[str]) -> None:
    """Run `run [--clock log] [--until INSTANT]`, as the command line does, with steps of this size."""
    parser = ArgumentParser()
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--clock", choices=["wall", "log"], default="wall")
    parser.add_argument("--until")
    given = parser.parse_args(arguments)
    plan = plan_of(read_settings(None), clock=given.clock, until=instant("--until", given.until))
    asyncio.run(run(replace(plan, step=size)))
