"""The command line."""

import sys

# structlog imports rich wherever it is installed, to draw stack traces; the gateway logs none. That takes a
# tenth of the time of a start, so structlog is imported as if rich were not there.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment] # Python's way to say that a module isn't there
    try:
        import structlog.dev  # noqa: F401
    finally:
        del sys.modules["rich"]
