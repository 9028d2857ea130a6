"""Each page in a real browser: full, empty, and where something is wrong; for everybody."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.backends.embedded.file import EmbeddedFile
from gateway.backends.embedded.records import INSERT_OUTBOUND, outbound_row
from gateway.backends.embedded.seals import keys_of
from gateway.engine.log import Record
from gateway.system.sql_rows import put_rows
from producers import dead_letters
from schemas.codec import Unreadable, encode
from schemas.json import parse, parse_instant
from tests.api.running import ACCEPTED, booking, referral, token_of
from tests.console.conftest import NOBODY, OFFICER, OPERATOR, Site, check
from tests.patience import PATIENCE_S

PAGES = (
    "/console/",
    "/console/referrals",
    "/console/referrals?po=UC-MANDATORY",
    "/console/deadlines",
    "/console/sessions",
    "/console/providers",
    "/console/refusals",
    "/console/dead-letters",
    "/console/rules",
    "/console/what-if",
    "/console/reports",
)
#: What they lead to.
DETAILS = (
    "/console/participant?po=UC-MANDATORY",
    "/console/deadlines?from=2016-03-14&day=2016-03-16",
    "/console/nothing",
)
#: What can be used on a page, in its order. Of some choices only one is reached by Tab.
USABLE = """
() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), textarea, summary, [tabindex="0"]'
)].filter(each => each.checkVisibility()).filter(each => {
    if (each.type !== "radio") return true;
    const choices = [...document.getElementsByName(each.name)];
    return each === (choices.find(other => other.checked) ?? choices[0]);
})
"""
AT = parse_instant("2016-03-14T08:30:00Z")
SCRIPT = "<script>document.title = 'owned'</script>"
QUOTES = "\"'><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def officer(site: Site) -> Iterator[Page]:
    """Somebody who may see everything."""
    with site.visit(OFFICER) as page:
        yield page


@pytest.fixture(scope="module")
def newcomer(empty: Site) -> Iterator[Page]:
    """Somebody at a gateway to which nothing has come."""
    with empty.visit(OFFICER) as page:
        yield page


def refuse_something(page: Page) -> None:
    """A message about no referral, which is refused at once: a second revision that is no later."""
    for number in (1, 2):
        value = referral("PO-TWICE", message_id=f"twice-{number}")
        tell(page, "prap.referrals", "Referral", value)


def tell(page: Page, topic: str, kind: str, value: dict[str, object]) -> None:
    """A message to the sandbox, which is decided before this returns."""
    answer = page.request.post(
        "/sandbox/messages",
        data={"topic": topic, "type": kind, "value": value},
        headers={"Prefer": "wait=20"},
    )
    assert answer.ok, answer.text()


def letter(folder: Path, offset: int, value: bytes, key: bytes) -> str:
    """A dead letter of an earlier version is on the log; its id."""
    came = Record("prap.referrals", 0, offset, AT, key, value)
    draft = dead_letters.draft(came, Unreadable("UNKNOWN_SCHEMA", "So it was."))
    assert draft.value is not None
    log = EmbeddedFile(folder / "gateway.db")
    log.vault.store.open()
    with closing(log.vault), closing(sqlite3.connect(log.path, isolation_level=None, timeout=60)) as db:
        db.execute("BEGIN IMMEDIATE")
        (sealed_with,) = keys_of(db, log.vault, [key.decode()]).values()
        sealed = log.vault.seal(sealed_with, "dead letter", "", draft.value)
        put_rows(db, INSERT_OUTBOUND, [outbound_row(draft, 0, AT, sealed)])
        db.execute("COMMIT")
    return f"prap.referrals-0-{offset}"


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_accessible(officer: Page, path: str) -> None:
    if path == "/console/refusals":
        refuse_something(officer)
    answer = officer.goto(path)
    assert answer is not None
    assert answer.status == 200
    check(officer)


@pytest.mark.parametrize("path", [*PAGES, *DETAILS])
def test_each_page_fits_a_narrow_window(site: Site, path: str) -> None:
    """Also where it is zoomed to four times its size in a window of 1280 pixels."""
    with site.visit(OFFICER, width=320) as page:
        page.goto(path)
        check(page)


@pytest.mark.parametrize("path", PAGES)
def test_each_chart_stands_beside_a_table_that_has_its_numbers(officer: Page, path: str) -> None:
    officer.goto(path)
    for chart in officer.locator("svg.chart").all():
        bars = [title.text_content() for title in chart.locator("title").all()]
        assert bars
        table = chart.locator("xpath=following::table[1]")
        rows = [row.locator("th, td").all_text_contents() for row in table.locator("tbody tr").all()]
        for bar in bars:
            name, _, value = str(bar).rpartition(": ")
            assert any(row[0] == name and value in row for row in rows), (bar, rows)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/console/", "Nothing falls due in the next two weeks."),
        ("/console/deadlines", "Nothing falls due in these weeks."),
        ("/console/sessions", "No session is known on this day."),
        ("/console/providers", "No referral is known yet."),
        ("/console/refusals", "No message was refused in the last 28 days."),
        ("/console/dead-letters", "No dead letter waits."),
    ],
)
def test_an_empty_page_says_that_there_is_nothing(newcomer: Page, path: str, says: str) -> None:
    newcomer.goto(path)
    expect(newcomer.get_by_text(says)).to_be_visible()
    check(newcomer)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/console/nothing", 404, "There is no such page"),
        ("/console/referrals?po=NONE", 404, "Nothing is known of the purchase order NONE"),
        ("/console/participant?po=NONE", 404, "what it was about is no longer kept"),
        ("/console/sessions/session?provider=PRV01&id=NONE", 404, "no longer kept"),
        ("/console/dead-letters/letter?id=NONE", 404, "no longer kept"),
    ],
)
def test_what_is_not_there_is_said_on_a_page(officer: Page, path: str, status: int, says: str) -> None:
    answer = officer.goto(path)
    assert answer is not None
    assert answer.status == status
    expect(officer.get_by_text(says)).to_be_visible()
    check(officer)


def test_a_referral_is_told_with_the_guidance_and_what_happens_next(officer: Page) -> None:
    officer.goto("/console/referrals")
    officer.get_by_label("Purchase order").fill("UC-MANDATORY")
    officer.get_by_role("button", name="Find").click()
    expect(officer.get_by_text("PRaP: a referral of 14 Mar 2016 to a mandatory session")).to_be_visible()
    expect(officer.get_by_text("17 Mar 2016 00:00: the time to accept is over.")).to_be_visible()
    expect(officer.get_by_text("The provider acknowledges and accepts the referral on PRaP.")).to_be_visible()


def test_it_works_without_scripts_and_is_current_by_itself(site: Site) -> None:
    """All that can be done with them can be done without."""
    name = letter(site.process.folder, 103, b"\x00", b"PO-BROKEN")
    with site.visit(OFFICER, scripts=False) as page:
        page.goto("/console/")
        menu = page.get_by_role("navigation", name="Pages")
        assert page.locator("meta[http-equiv=refresh]").count() == 1
        expect(page.get_by_role("button", name="Pause updates")).to_be_hidden()
        menu.get_by_role("link", name="Referrals").click()
        page.get_by_label("Purchase order").fill("UC-MANDATORY")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("heading", name="What happened")).to_be_visible()
        menu.get_by_role("link", name="Dead letters").click()
        page.get_by_role("link", name=name).click()
        page.get_by_label("Reason").fill("A test of the sender")
        page.get_by_role("button", name="Discard").click()
        expect(page.get_by_text("Discarded", exact=True)).to_be_visible()
        menu.get_by_role("link", name="What if").click()
        page.get_by_label("Policy").fill("[[policy]]\nfrom = 2011-06-01\naccept_within_working_days = 0\n")
        page.get_by_role("button", name="Compare").click()
        compared = page.get_by_text("would have been decided otherwise.")  # the page reloads itself
        expect(compared).to_be_visible(timeout=1_000 * PATIENCE_S)
        menu.get_by_role("link", name="Rules").click()
        page.locator("summary").filter(has_text="Every message").click()
        expect(page.get_by_role("table", name="Every message")).to_be_visible()
        menu.get_by_role("link", name="Reports").click()
        page.get_by_label("Cancellations").check()
        with page.expect_download() as started:
            page.get_by_role("button", name="Download").click()
        assert started.value.suggested_filename == "cancellations.csv"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Signed out")).to_be_visible()


def test_the_first_page_follows_what_happens_and_can_be_paused(site: Site) -> None:
    with site.visit(OFFICER) as page:
        page.clock.install()
        page.goto("/console/")
        taken = page.get_by_role("definition").first
        before = int(taken.inner_text())
        tell(page, "prap.referrals", "Referral", referral("PO-LIVE"))
        page.clock.run_for(6_000)
        expect(taken).not_to_have_text(str(before))
        page.get_by_role("button", name="Pause updates").click()
        expect(page.get_by_role("button", name="Resume updates")).to_be_visible()


def test_the_keyboard_skips_to_what_a_page_is_about(officer: Page) -> None:
    officer.goto("/console/")
    officer.keyboard.press("Tab")
    expect(officer.get_by_role("link", name="Skip to main content")).to_be_focused()
    officer.keyboard.press("Enter")
    expect(officer.locator("main")).to_be_focused()


@pytest.mark.parametrize("path", [*PAGES, *DETAILS])
def test_the_keyboard_reaches_everything_that_can_be_done_and_shows_where_it_is(
    officer: Page, path: str
) -> None:
    """In the order in which it stands there. A date is several stops: a day, a month, a year, a calendar."""
    officer.goto(path)
    officer.evaluate(f"window.usable = ({USABLE})()")
    count = officer.evaluate("usable.length")
    assert count > 10
    at, reached = "document.activeElement", [-1]
    while reached[-1] < count - 1:
        officer.keyboard.press("Tab")
        reached.append(officer.evaluate(f"usable.indexOf({at})"))
        assert officer.evaluate(f"getComputedStyle({at}).outlineStyle") != "none", reached
        assert reached[-1] - reached[-2] in {0, 1}, reached


def test_a_dead_letter_is_replayed_from_the_page_with_a_reason_and_then_decided(
    site: Site, officer: Page
) -> None:
    value = encode(parse("Referral", referral("PO-LETTER")))
    name = letter(site.process.folder, 101, value, b"PO-LETTER")
    officer.goto("/console/dead-letters")
    expect(officer.get_by_role("row", name="Unknown schema 1")).to_be_visible()
    check(officer)
    officer.get_by_role("link", name=name).click()
    expect(officer.get_by_text("this version can read it")).to_be_visible()
    check(officer)
    officer.get_by_label("Reason").fill("  ")
    officer.locator("#reason").evaluate("each => each.required = false")
    officer.get_by_role("button", name="Replay").click()
    expect(officer.get_by_role("alert")).to_contain_text("Enter a reason.")
    check(officer)
    officer.get_by_label("Reason").fill("The schema is known now")
    officer.get_by_role("button", name="Replay").click()
    done = officer.get_by_role("row", name="Dead letter replayed")
    expect(done).to_contain_text("officer of the tests")
    expect(done).to_contain_text("The schema is known now")
    expect(officer.get_by_role("button", name="Replay")).to_have_count(0)
    officer.goto("/console/referrals?po=PO-LETTER")
    expect(officer.get_by_text("PRaP: acknowledge the referral")).to_be_visible()
    (line,) = [line for line in site.process.logged if line["event"] == "console.dead_letter_replayed"]
    assert line["letter"] == name
    assert "The schema" not in site.process.said


def test_a_dead_letter_is_discarded_from_the_page(site: Site, officer: Page) -> None:
    name = letter(site.process.folder, 102, b"\x00", b"PO-BROKEN")
    officer.goto(f"/console/dead-letters/letter?id={name}")
    expect(officer.get_by_text("it would fail again")).to_be_visible()
    officer.get_by_label("Reason").fill("A test of the sender")
    officer.get_by_role("button", name="Discard").click()
    expect(officer.get_by_text("Discarded", exact=True)).to_be_visible()


def test_whom_a_referral_is_about_is_shown_to_whoever_may_and_each_look_is_kept(
    site: Site, officer: Page
) -> None:
    def looks() -> int:
        return sum(line["event"] == "console.person_seen" for line in site.process.logged)

    before = looks()
    officer.goto("/console/referrals?po=UC-MANDATORY")
    officer.get_by_role("link", name="Show (this is recorded)").click()
    expect(officer.get_by_text("National Insurance number")).to_be_visible()
    check(officer)
    assert looks() == before + 1
    assert "Test Participant" not in site.process.said


def test_who_may_not_see_people_is_told_what_to_ask_for(site: Site) -> None:
    with site.visit(OPERATOR) as page:
        page.goto("/console/referrals?po=UC-MANDATORY")
        expect(page.get_by_text("you may not see whom this is about")).to_be_visible()
        answer = page.goto("/console/participant?po=UC-MANDATORY")
        assert answer is not None
        assert answer.status == 403
        check(page)
        assert "Test Participant" not in page.content()


def test_who_may_nothing_gets_a_page_that_says_so(site: Site) -> None:
    with site.visit(NOBODY) as page:
        expect(page.get_by_role("heading", name="Not authorised")).to_be_visible()
        expect(page.get_by_text("gateway:operate")).to_be_visible()
        check(page)


def test_nothing_from_outside_is_a_script_or_markup(site: Site, officer: Page) -> None:
    person = {"forename": SCRIPT, "surname": SCRIPT, "interpreter_needed": True}
    tell(officer, "prap.referrals", "Referral", referral("PO-XSS", participant=person))
    token = token_of(site.process.path, "PRV01")
    for key, record in {
        "xss-1": ACCEPTED,
        "xss-2": booking("S<b>'\"", session_name=QUOTES, location=SCRIPT),
    }.items():
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Prefer": "wait=20"}
        answer = officer.request.post("/v1/referrals/PO-XSS/records", data=record, headers=headers)
        assert answer.ok, answer.text()
    for path in (
        "/console/referrals?po=PO-XSS",
        "/console/participant?po=PO-XSS",
        "/console/sessions?day=2016-03-17",
        f"/console/referrals?po={SCRIPT}",
        f"/console/refusals?code={SCRIPT}",
    ):
        officer.goto(path)
        assert officer.title() != "owned"
        assert officer.locator("main script, main img, main b").count() == 0
    officer.goto("/console/sessions?day=2016-03-17")
    officer.get_by_role("link", name="S<b>'\"").click()
    expect(officer.get_by_role("heading", name="S<b>'\"")).to_be_visible()
    expect(officer.get_by_text("1 need one")).to_be_visible()
    check(officer)


def test_what_another_policy_would_have_decided_is_worked_out_beside_the_page(officer: Page) -> None:
    officer.goto("/console/what-if")
    policy = officer.get_by_label("Policy")
    expect(policy).to_have_value(re.compile("wp11_within_days = 21"))
    policy.fill("[[policy]]\nfrom = 2011-06-01\naccept_within_working_days = 0\n")
    officer.get_by_role("button", name="Compare").click()
    expect(officer.get_by_text("would have been decided otherwise.")).to_be_visible()
    expect(officer.get_by_role("heading", name="UC-MANDATORY", exact=True)).to_be_visible()
    expect(policy).to_be_visible()
    check(officer)
    officer.set_viewport_size({"width": 320, "height": 700})
    assert officer.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    officer.set_viewport_size({"width": 1280, "height": 900})
    officer.get_by_label("Since").fill("2999-01-01")
    officer.get_by_role("button", name="Compare").click()
    expect(officer.get_by_text("There is nothing to compare.")).to_be_visible()


def test_what_is_no_policy_is_reported_and_can_be_corrected(officer: Page) -> None:
    officer.goto("/console/what-if")
    policy = officer.get_by_label("Policy")
    policy.fill("[[policy]]\nfrom = 2011-06-01\nlunch = 1\n")
    officer.get_by_role("button", name="Compare").click()
    expect(officer.get_by_role("alert")).to_contain_text("This is not a policy file")
    expect(policy).to_have_value(re.compile("lunch"))
    check(officer)


def test_a_report_is_downloaded_for_a_period(officer: Page) -> None:
    officer.goto("/console/reports")
    officer.get_by_label("Time limits missed and cleared").check()
    officer.get_by_label("First day").fill("2016-03-01")
    with officer.expect_download() as started:
        officer.get_by_role("button", name="Download").click()
    assert started.value.suggested_filename == "breaches.csv"
    columns, *rows = started.value.path().read_text("utf-8-sig").splitlines()
    assert columns.startswith('"decided_at","po_number","provider_id","breach","status"')
    assert any('"ACCEPTANCE_LATE","RAISED"' in row for row in rows)
    answer = officer.goto("/console/reports/csv?report=lunch&first=2016-03-01")
    assert answer is not None
    assert answer.status == 422
    expect(officer.get_by_role("alert")).to_contain_text("Choose a report.")
    expect(officer.get_by_label("First day")).to_have_value("2016-03-01")
    check(officer)
