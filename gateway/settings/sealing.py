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
    key_service_url: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Instead, the transit engine of a key service (HashiCorp Vault, OpenBao), such as "
            "https://vault.example:8200/v1/transit. It is asked at a start and when keys rotate.",
        ),
    ] = None
    key_service_key_name: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$", description="The name of the key there."),
    ] = None
    key_service_token_file: Annotated[
        Path | None,
        Field(description="A file with a token that may encrypt and decrypt with it; it is read each time."),
    ] = None
    key_service_ca_file: Annotated[
        Path | None,
        Field(description="The CA of the service's certificate (PEM), where this machine does not trust it."),
    ] = None


EXPECTED: Final = {
    "wrapping_key_file": "is not the name of a file; expected one with the wrapping key",
    "key_service_url": "is not the URL of a transit engine; expected one such as "
    "https://vault.example:8200/v1/transit",
    "key_service_key_name": "is not a key's name; expected letters, digits, dots, dashes and underscores",
    "key_service_token_file": "is not the name of a file; expected one with a token",
    "key_service_ca_file": "is not the name of a file; expected one with certificates (PEM)",
}
