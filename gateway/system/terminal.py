"""Text from outside, shown to a person: nothing in it that a terminal would act on, or show elsewhere.

That is what Python doesn't call printable: control characters, those that turn the direction of a text or end
a line of it, halves of surrogate pairs.
"""

import sys
from json import dumps


def printable(text: str) -> str:
    """A text in one line, with escapes for what would not be printed as it is."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def for_terminal(lines: bytes) -> bytes:
    """JSON lines that say the same, with escapes for what a terminal would act on."""
    text = lines.decode()
    if text.replace("\n", "").isprintable():
        return lines
    return "".join(
        each if each == "\n" or each.isprintable() else dumps(each)[1:-1] for each in text
    ).encode()


def write_lines(lines: bytes) -> None:
    """Write JSON lines on standard output, which a person reads where it is a terminal."""
    sys.stdout.buffer.write(for_terminal(lines) if sys.stdout.isatty() else lines)
