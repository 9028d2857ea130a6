"""`make screenshots`: the console's pages of a believable programme, as pictures in docs/console/."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import ViewportSize, sync_playwright

from gateway.api.callers import OPERATE
from tests.api.running import Process, token_of
from tests.cli.running import GATEWAY, clean_environment
from tests.console.tools import chromium, missing
from tests.patience import eventually

FOLDER: Final = Path(__file__).parents[2] / "docs" / "console"
#: The pages that are shown.
PAGES: Final = {
    "referral": "/console/referrals?po={po}",
    "sessions": "/console/sessions",
    "providers": "/console/providers",
    "now": "/console/",
}
SIZE: Final[ViewportSize] = {"width": 1100, "height": 800}
_REFERRALS: Final = 2_000


def main() -> int:
    """Make them all."""
    if lacks := missing():
        print(lacks, file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        po_number = _fill(folder)
        gateway = Process(folder, ("run", "--clock", "log"))
        gateway.start()
        try:
            gateway.until("partition.claimed")
            eventually(lambda: "http.started" in gateway.said)
            _visit(gateway, po_number)
        finally:
            gateway.kill()
    return 0


def _fill(folder: Path) -> str:
    """Make a log of a programme, half of it decided; a purchase order that has a story."""

    def run(*arguments: str, given: bytes | None = None) -> bytes:
        done = subprocess.run(
            [GATEWAY, *arguments],
            cwd=folder,
            env=clean_environment(),
            input=given,
            check=True,
            capture_output=True,
        )
        return done.stdout

    lines = run("sample", "--referrals", str(_REFERRALS), "--seed", "1").splitlines(keepends=True)
    lines = lines[: len(lines) * 2 // 3]
    run("feed", "-", "--keep-time", given=b"".join(lines))
    events = run("replay", given=b"".join(lines)).splitlines()
    raised = [line for line in events if b'"SanctionNotification"' in line]
    return raised[len(raised) // 2].partition(b'"key":"')[2].partition(b'"')[0].decode()


def _visit(gateway: Process, po_number: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(base_url=gateway.url, locale="en-GB", viewport=SIZE)
        page = context.new_page()
        page.goto("/console/")
        page.fill("#token", token_of(gateway.path, scopes=[OPERATE]))
        page.click("main button")
        eventually(lambda: page.request.get("/readyz").ok)
        for name, path in PAGES.items():
            page.goto(path.format(po=po_number))
            page.screenshot(path=FOLDER / f"{name}.png", full_page=name == "referral")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
