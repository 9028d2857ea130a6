"""The settings of encryption at rest: what they are, each by itself.

What they come to together is in gateway/settings/wrapping.py.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings


class SealingSettings(BaseSettings):
    """What wraps the keys by which an embedded log is encrypted."""

    wrapping_key_file: Annotated[
        Path | None,
        Field(
            description="A file with the wrapping key of an embedded log, with which the keys are encrypted "
            "that its contents are encrypted with. Keep it somewhere else than the log. Without it, one is "
            "made in a file beside the log."
        ),
    ] = None


EXPECTED: Final = {
    "wrapping_key_file": "is not the name of a file; expected one with the wrapping key",
}
