"""A process that may not write the embedded log in a folder, nor anything in another folder, and tries to.

    python -m tests.engine.only_reading FOLDER CLOSED_FOLDER

Where it is started as root, who may write anything, it becomes nobody first. What was said is
printed as JSON.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable
from pathlib import Path

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import LogError
from tests.log.reading import WP11, draft, followed

NOBODY = 65_534


async def said(act: Awaitable[object]) -> str:
    """What is said when it can't be done; '' when it can."""
    try:
        await act
    except LogError as error:
        return str(error)
    return ""


async def main() -> None:
    """Try everything."""
    folder, closed_folder = (Path(name) for name in sys.argv[1:])
    log = await open_embedded(folder / "gateway.db")
    result = {
        "appended": await said(log.append([draft(WP11, b"b")])),
        "claimed": await said(log.claim(0)),
        "opened": await said(open_embedded(closed_folder / "gateway.db")),
        "made": await said(open_embedded(closed_folder / "new.db")),
        "there": len(await followed(log, [WP11])),
    }
    await log.close()
    print(json.dumps(result))


if __name__ == "__main__":
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    asyncio.run(main())
