"""A whole upload: every record of it, or all that is wrong with it."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.intake.uploads.json_lines import read_json_lines
from gateway.intake.uploads.table import read_table
from gateway.intake.uploads.uploaded_record import Mistake, UploadedRecord
from gateway.rules.messages import SessionRecord
from schemas.limits import LONGEST_ID, PRAP_ID, is_message_id, wrong_with_id

Kind = Literal["csv", "jsonl"]

MIB: Final = 1024 * 1024
LARGEST_UPLOAD: Final = 8 * MIB
MOST_RECORDS: Final = 10_000
#: With blank ones, and those within cells.
MOST_LINES: Final = 100_000
#: So many are listed; one more says that there are others.
MOST_MISTAKES: Final = 1_000

_READERS: Final = {"csv": read_table, "jsonl": read_json_lines}


class Uploaded(Struct, frozen=True, gc=False):
    """A record that can be taken. line: the one on which it begins, from 1."""

    line: int
    record: SessionRecord


class Mistakes(Struct, frozen=True):
    """Why nothing of an upload can be taken. listed: in order of line, at least one."""

    listed: tuple[Mistake, ...]


def read_upload(
    body: bytes,
    kind: Kind,
    *,
    provider_of: Callable[[str], str | None],
    names_provider: Callable[[str], None] = lambda _: None,
) -> list[Uploaded] | Mistakes:
    """The records of an upload in their order, or all that is wrong with it; never both.

    provider_of: from a po_number, whatever text that is, to the provider of its referral; None where there is
    no referral, or one of a provider for whom the caller may not speak. It is asked once a po_number.
    names_provider: called with what stands as a record's provider_id, which is a mistake. Raises only what
    these raise.
    """
    records: list[Uploaded] = []
    mistakes: list[Mistake] = []
    for found in _judged(body, kind, provider_of, names_provider):
        if isinstance(found, Uploaded):
            records.append(found)
        elif len(mistakes) < MOST_MISTAKES:
            mistakes.append(found)
        else:
            problem = (
                f"has mistakes, too, as others may behind it; correct the {MOST_MISTAKES:,} before it first"
            )
            mistakes.append(Mistake(found.line, "", problem))
            break
    if mistakes:
        return Mistakes(tuple(mistakes))
    return records or Mistakes((Mistake(0, "", "the upload holds no record; send at least one"),))


def _judged(
    body: bytes,
    kind: Kind,
    provider_of: Callable[[str], str | None],
    names_provider: Callable[[str], None],
) -> Iterator[Uploaded | Mistake]:
    if len(body) > LARGEST_UPLOAD:
        problem = f"the upload is larger than {LARGEST_UPLOAD // MIB} MiB; send it in parts"
        yield Mistake(0, "", problem)
        return
    if body.count(b"\n") > MOST_LINES:
        problem = f"the upload has more than {MOST_LINES:,} lines; take out blank ones, or send it in parts"
        yield Mistake(0, "", problem)
        return
    provider_of = cache(provider_of)
    first_line: dict[str, int] = {}
    count = 0
    for draft in _READERS[kind](body):
        if isinstance(draft, Mistake):
            yield draft
            continue
        count += 1
        if count > MOST_RECORDS:
            problem = f"is beyond the {MOST_RECORDS:,} records that an upload may have; send it in parts"
            yield Mistake(draft.line, "", problem)
            return
        if draft.provider_id is not None:
            names_provider(draft.provider_id)
        yield from _judge(draft, first_line, provider_of)


def _judge(
    draft: UploadedRecord, first_line: dict[str, int], provider_of: Callable[[str], str | None]
) -> Iterator[Uploaded | Mistake]:
    """A record, or each thing that is wrong with it. first_line: of each message_id so far."""
    mistakes = list(draft.mistakes)
    provider = None
    message_id = draft.message_id
    if message_id is not None and (problem := _id_problem(message_id, draft.line, first_line)):
        mistakes = [each for each in mistakes if each.field != "message_id"]
        mistakes.append(Mistake(draft.line, "message_id", problem))
    if draft.po_number is not None:
        provider = provider_of(draft.po_number)
        if provider is None:
            mistakes.append(Mistake(draft.line, "po_number", "is no referral of yours; correct it"))
    if mistakes or draft.record is None or provider is None:
        yield from mistakes
    else:
        yield Uploaded(draft.line, replace(draft.record, provider_id=provider))


def _id_problem(message_id: str, line: int, first_line: dict[str, int]) -> str | None:
    if not is_message_id(message_id):
        return (
            f"is no id; expected 1 to {LONGEST_ID} visible characters of ASCII, without blanks and "
            "quotation marks"
        )
    if wrong := wrong_with_id(message_id):
        return wrong
    if message_id.startswith(PRAP_ID):
        return f"begins with {PRAP_ID}, which is for messages from PRaP; give the record another id"
    first = first_line.setdefault(message_id, line)
    return None if first == line else f"stands in line {first}, too; give each record an id of its own"
