"""Tests that have a short form and a long one: `make long` runs the long ones."""

import os
from typing import Final

LONG: Final = bool(os.environ.get("GATEWAY_TEST_LONG"))
