"""`python -m gateway.demo`: run it and show it. Ends by itself, in seconds."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from gateway.demo import picture, showing
from gateway.demo.counting import count
from gateway.demo.running import Progress, Ran, run
from gateway.demo.stories import Story, stories
from gateway.system.errors import UserError

REFERRALS: Final = 600
SEED: Final = 2
_WIDEST: Final = 96


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    referrals: Annotated[int, typer.Option(min=1, help="How many referrals.")] = REFERRALS,
    seed: Annotated[int, typer.Option(help="The same seed gives the same programme.")] = SEED,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", help="Write the README's picture there too (SVG).")
    ] = None,
) -> None:
    """Show the gateway at work: a believable programme through the real engine, with nothing to start."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.width = min(console.width, _WIDEST)
    try:
        with _progress(console) as progress:
            ran = asyncio.run(run(referrals, seed, progress))
    except (UserError, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        sys.exit(1)
    numbers, chosen = count(ran), stories(ran)
    with console.capture() as shown:
        showing.show(console, ran, numbers, chosen, try_next(referrals, seed, ran, chosen))
    # rich fills each line up with blanks, which only get in the way of whoever copies one.
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in shown.get().splitlines())
    if picture_file is not None:
        picture_file.write_text(picture.svg(numbers, chosen), "utf-8")
    sys.exit(0 if ran.replay_differs is None else 1)


def commands(referrals: int, seed: int, ran: Ran, chosen: list[Story]) -> list[str]:
    """What a person can type next, in this order, where `gateway` is at hand."""
    po_number = chosen[0].po_number if chosen else ran.messages[0][1].po_number
    return [
        f"gateway sample --referrals {referrals} --seed {seed} > programme.jsonl",
        "gateway feed programme.jsonl --keep-time",
        "gateway run --clock log --until 2018-01-01T00:00:00Z",
        "gateway tail provider.instructions --from-start --no-follow",
        f"gateway explain {po_number}",
    ]


def try_next(referrals: int, seed: int, ran: Ran, chosen: list[Story]) -> Text:
    """The same by hand, step by step."""
    text = Text("The same by hand: the messages, onto a log, decided, read, explained.\n\n")
    for command in commands(referrals, seed, ran, chosen):
        text.append(f".venv/bin/{command}\n", style="bold")
    return text.append("\nThen README.md, and docs/rules.md for all that can be decided.")


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    """A moving bar in a terminal, a line for each stage elsewhere."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("", total=None)
    last = ""

    def show_stage(stage: str, done: int, total: int | None) -> None:
        nonlocal last
        if stage != last and not console.is_terminal:
            console.print(f"… {stage}")
        last = stage
        bar.update(task, description=stage, completed=done, total=total)

    with bar:
        yield show_stage


if __name__ == "__main__":
    app()
