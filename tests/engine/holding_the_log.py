"""A process that owns an embedded log until its standard input ends.

python -m tests.engine.holding_the_log FILE
"""

import asyncio
import sys
from pathlib import Path

from gateway.backends.embedded.log import open_embedded


async def main() -> None:
    """Open it, say so, and wait."""
    log = await open_embedded(Path(sys.argv[1]), own=True)
    print("open", flush=True)
    sys.stdin.read()
    await log.close()


if __name__ == "__main__":
    asyncio.run(main())
