"""What a National Insurance number looks like (rulebook: NINO)."""

import re
from typing import Final
from unicodedata import normalize

#: Two letters and six digits; behind them stands a suffix, A to D, or a space.
NINO_STEM: Final = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}"

_BARE: Final = re.compile(rf"{NINO_STEM}[A-D]?")
#: All disguises in ASCII have this shape, and hardly anything else.
_LIKELY: Final = re.compile(
    r"[\W_]*[A-Za-z][\W_]*[A-Za-z](?:[\W_]*[0-9]){6}[\W_]*(?:[A-Da-d][\W_]*)?", re.ASCII
)


def is_nino_in_disguise(text: str) -> bool:
    """Whether a text is such a number, with or without its suffix, as a person or a machine may spell it.

    Case, blanks, punctuation and marks don't count, nor does in which of Unicode's forms letters and digits
    are written.
    """
    if text.isascii() and _LIKELY.fullmatch(text) is None:
        return False
    plain = "".join(_plain(each) for each in normalize("NFKD", text) if each.isalnum())
    return _BARE.fullmatch(plain.upper()) is not None


def _plain(character: str) -> str:
    return str(int(character)) if character.isdecimal() else character
