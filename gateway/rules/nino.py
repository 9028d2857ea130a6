"""What a National Insurance number looks like (rulebook: NINO)."""

import re
from typing import Final
from unicodedata import normalize

#: Two letters and six digits; behind them stands a suffix, A to D, or a space.
NINO_STEM: Final = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}"

_BARE: Final = re.compile(rf"{NINO_STEM}[A-D]?")
#: What doesn't count between letters and digits, in ASCII.
_BLANK: Final = r"[\x00-/:-@\[-`{-\x7f]*"
#: Such a number in disguise, in ASCII.
DISGUISED_ASCII: Final = _BLANK.join(
    (
        "",
        rf"(?!(?i:B{_BLANK}G|G{_BLANK}B|K{_BLANK}N|N{_BLANK}[KT]|T{_BLANK}N|Z{_BLANK}Z))",
        "[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z]",
        "[A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z]",
        *(6 * ["[0-9]"]),
        "[A-Da-d]?",
        "",
    )
)
_DISGUISED_ASCII: Final = re.compile(DISGUISED_ASCII)


def is_nino_in_disguise(text: str) -> bool:
    """Whether a text is such a number, with or without its suffix, as a person or a machine may spell it.

    Case, blanks, punctuation and marks don't count, nor does in which of Unicode's forms letters and digits
    are written.
    """
    if text.isascii():
        return _DISGUISED_ASCII.fullmatch(text) is not None
    plain = "".join(_plain(each) for each in normalize("NFKD", text) if each.isalnum())
    return _BARE.fullmatch(plain.upper()) is not None


def _plain(character: str) -> str:
    return str(int(character)) if character.isdecimal() else character
