"""A process on an embedded log, whose disk becomes full while it works.

    python -m tests.engine.filling_the_disk FOLDER [BYTES]

BYTES: no file may become larger than that. Without it, the folder's disk is so small that it becomes full;
`ballast` in it is then removed. It appends and commits until it can't, opens the log again, and goes on. What
happened is printed as JSON.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import INBOUND_TOPICS, Draft, Log, LogError
from tests.log.reading import OUT, draft, followed, owned, step

SIZE = 4_000


async def until_it_can_not(log: Log) -> tuple[int, str]:
    """Append and commit; how often both succeeded, and what was said when one did not."""
    claim, restored = await owned(log)
    number = int(restored.states.get("PO1", b"0"))
    try:
        while True:
            await log.append([Draft(INBOUND_TOPICS[0], b"PO1", b"x" * SIZE) for _ in range(3)])
            outputs = [draft(OUT, b"%d" % (number + 1)) for _ in range(7)]
            states = {"PO1": b"%d" % (number + 1), "PO2": b"y" * SIZE}
            await claim.commit(step(restored.positions, *outputs, states=states, decided_to=number + 1))
            number += 1
    except LogError as error:
        return number, str(error)


async def found(log: Log) -> dict[str, Any]:
    """What is in the log."""
    claim, restored = await owned(log)
    outputs = [int(record.value or b"0") for record in await followed(log, [OUT])]
    appended = len(await followed(log, INBOUND_TOPICS))
    done = int(restored.states.get("PO1", b"0"))
    await claim.commit(step(restored.positions, states={"PO3": b"it goes on"}, decided_to=done + 1))
    return {"state": done, "decided_to": restored.decided_to, "outputs": outputs, "appended": appended}


async def main() -> None:
    """Fill the disk, and see what is left."""
    folder, limit = Path(sys.argv[1]), sys.argv[2:]
    path = folder / "gateway.db"
    log = await open_embedded(path)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), resource.RLIM_INFINITY))
    else:
        (folder / "ballast").write_bytes(b"x" * 200_000)
    done, said = await until_it_can_not(log)
    await log.close()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (folder / "ballast").unlink()
    log = await open_embedded(path)
    print(json.dumps({"done": done, "said": said, **await found(log)}))
    await log.close()


if __name__ == "__main__":
    asyncio.run(main())
