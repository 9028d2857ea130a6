"""Settings from the environment, a .env file and a TOML file; whatever is wrong with one is reported."""

from pathlib import Path

import pytest

from gateway.reading.cursor import MOST_PARTITIONS, cursor_behind
from gateway.rules.events import FOR_JOBCENTRES
from gateway.settings import settings
from gateway.settings.settings import Settings
from tests.cli.conftest import Gateway
from tests.cli.running import spawn
from tests.ports import free_port

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("GATEWAY_LOG_URL", "kafka://one:9092,two", "in GATEWAY_LOG_URL, broker 2 has no port; expected"),
        ("GATEWAY_LOG_URL", f"kafka://me:{SECRET}@one:9092", "GATEWAY_LOG_URL holds a user; name it in"),
        ("GATEWAY_LOG_URL", f"postgresql://me:{SECRET}@host/db", "expected sqlite:///./FILE"),
        ("GATEWAY_LOG_URL", "gateway.db", "expected sqlite:///./FILE"),
        ("GATEWAY_LOG_URL", "sqlite:///", "expected sqlite:///./FILE"),
        (
            "GATEWAY_PARTITIONS",
            "many",
            "GATEWAY_PARTITIONS is not a number of partitions; expected 1 to 1000",
        ),
        ("GATEWAY_PARTITIONS", "0", "expected 1 to 1000"),
        ("GATEWAY_PARTITIONS", "1001", "expected 1 to 1000"),
        ("GATEWAY_PARTITIONS", SECRET, "expected 1 to 1000"),
        ("GATEWAY_LOG_LEVEL", "loud", "expected debug, info, warning or error"),
        ("GATEWAY_POLICY", "nowhere.toml", "the policy file nowhere.toml does not exist"),
        ("GATEWAY_LOGURL", SECRET, "there is no setting GATEWAY_LOGURL; did you mean GATEWAY_LOG_URL?"),
        ("GATEWAY_PARTITION", "4", "did you mean GATEWAY_PARTITIONS?"),
        ("GATEWAY_POLICY_FILE", "x", "did you mean GATEWAY_POLICY?"),
        ("GATEWAY_LOG_LEVL", "debug", "did you mean GATEWAY_LOG_LEVEL?"),
        ("GATEWAY_KAFKA_PASWORD_FILE", SECRET, "did you mean GATEWAY_KAFKA_PASSWORD_FILE?"),
    ],
)
@pytest.mark.parametrize("source", ["the environment", ".env"])
def test_a_setting_that_cannot_be_used_is_reported_without_its_value(
    source: str, name: str, value: str, expected: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == ".env":
        Path(".env").write_text(f"{name}={value}\n")
    else:
        monkeypatch.setenv(name, value)
    ended = gateway("run")
    assert ended.status == 2
    assert expected in ended.sentence
    assert SECRET not in ended.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log_url = ", "is not TOML: invalid value (at"),
        ("log_ulr = 'x'", "has an unknown key 'log_ulr'; did you mean log_url?"),
        ("GATEWAY_LOG_URL = 'x'", "did you mean log_url?"),
        ("colour = 1", "has an unknown key 'colour'; `gateway run --help` names all there are"),
        ("[gateway]\nlog_url = 'x'", "has an unknown key 'gateway'"),
        ("log_url = 5", "GATEWAY_LOG_URL is not text"),
        ("partitions = 'x'", "GATEWAY_PARTITIONS is not a number of partitions"),
        ("policy = 5", "GATEWAY_POLICY is not the name of a file"),
        ("log_url = '\udcff'", "is not UTF-8 from its byte 12 on"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_reported(text: str, expected: str, gateway: Gateway) -> None:
    Path("gateway.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    ended = gateway("run", "--config", "gateway.toml")
    assert ended.status == 2
    assert expected in ended.sentence


def test_a_settings_file_that_cannot_be_read_is_reported(gateway: Gateway, tmp_path: Path) -> None:
    assert "the settings file . can't be read (Is a directory)" in gateway("run", "--config", ".").sentence
    (tmp_path / ".env").mkdir()
    assert "the settings file .env can't be read (Is a directory)" in gateway("run").sentence


def test_the_environment_goes_before_dotenv_and_that_before_the_file(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("gateway.toml").write_text("partitions = 2\nlog_url = 'sqlite:///./toml.db'\nlog_level = 'error'\n")
    Path(".env").write_text("GATEWAY_PARTITIONS=3\nGATEWAY_LOG_URL=sqlite:///./dotenv.db\n")
    monkeypatch.setenv("GATEWAY_PARTITIONS", "4")
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "")
    made = gateway("topics", "create", "--config", "gateway.toml")
    assert made.out == b"the log dotenv.db has 4 partitions\n"
    assert settings.load(Path("gateway.toml")).log_level == "error"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GATEWAY_PARTITIONS 3\n", "line 1 of .env is no setting; write NAME=VALUE"),
        ("# the log\n\nGATEWAY_PARTITIONS: 3\n", "line 3 of .env is no setting"),
        ("\n\nGATEWAY_PARTITIONS\n", "line 3 of .env is no setting"),
        ("A=1\n= 3\n", "line 2 of .env is no setting"),
        ("A=1\nGATEWAY_PARTITIONS='3\n", "line 2 of .env is no setting"),
        ("GATEWAY_PARTITIONS=3\nGATEWAY_PARTITIONS=4\n", "line 2 of .env has GATEWAY_PARTITIONS again"),
        ("GATEWAY_COLOUR=red\n", "line 1 of .env: there is no setting GATEWAY_COLOUR; take it out"),
    ],
)
def test_a_line_of_dotenv_that_is_no_setting_is_reported(text: str, expected: str, gateway: Gateway) -> None:
    Path(".env").write_text(text)
    ended = gateway("topics", "create")
    assert ended.status == 2
    assert ended.sentence.startswith(expected)


def test_what_dotenv_may_have_is_read(gateway: Gateway) -> None:
    Path(".env").write_bytes(
        b"\xef\xbb\xbfGATEWAY_PARTITIONS=3 # so many\n\n# of others\nexport OTHER='a\nb'\nEMPTY=\n"
    )
    assert gateway("topics", "create").out == b"the log gateway.db has 3 partitions\n"


def test_an_unknown_setting_that_is_no_slip_may_be_another_programs_and_is_warned_of_by_run(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("GATEWAY_SERVICE_HOST", "10.0.0.1")
    assert gateway("topics", "create").err == ""
    ended = gateway("run", "--clock", "log", "--until", "2016-04-05T00:00:00Z")
    assert ended.status == 0
    assert '"names":"GATEWAY_PORT, GATEWAY_SERVICE_HOST","event":"settings.unknown"' in ended.err
    assert "10.0.0.1" not in ended.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "policy"),
        ("policy = []", "length >= 1"),
        ("[[policy]]\nsession_within_days = 15", "missing required field `from`"),
        ("[[policy]]\nfrom = 2011-06-01\nsession_within_day = 15", "`session_within_day`"),
        ("[[policy]]\nfrom = 2011-06-01\n[other]", "`other`"),
        ("[[policy]]\nfrom = 2011-06-01\nwp11_within_days = -1", "wp11_within_days"),
        ("[[policy]]\nfrom = 2011-06-01\nwp11_within_days = 1000000", "wp11_within_days"),
        ("[[policy]]\nfrom = 2011-06-01\nwp11_within_days = 2.5", "wp11_within_days"),
        ("[[policy]]\nfrom = 2011-06-01\nwp11_within_days = true", "wp11_within_days"),
        (
            "[[policy]]\nfrom = 2011-06-01\n[[policy]]\nfrom = 2011-06-01",
            "two policies hold from the same date",
        ),
        ("[[policy]]\nfrom = 2011-06-31", "invalid date"),
        ("[[policy]]\nfrom = 'June'", "from"),
        ("[[policy]\nfrom = 2011-06-01", "at line 1"),
        ("# \udcff", "is not UTF-8 from its byte 3 on; save it as UTF-8"),
    ],
)
@pytest.mark.parametrize("option", ["--policy", "--diff"])
def test_a_policy_file_that_cannot_be_used_is_reported(
    option: str, text: str, expected: str, gateway: Gateway
) -> None:
    Path("policy.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    ended = gateway("replay", option, "policy.toml")
    assert ended.status == 2
    assert ended.out == b""
    assert ended.sentence.startswith("the policy file policy.toml ")
    assert expected in ended.sentence.replace("Invalid", "invalid")


def test_a_file_that_an_editor_put_a_byte_order_mark_before_is_read(gateway: Gateway) -> None:
    mark = b"\xef\xbb\xbf"
    Path("policy.toml").write_bytes(mark + b"[[policy]]\nfrom = 2011-06-01\n")
    Path("settings.toml").write_bytes(mark + b'policy = "policy.toml"\n')
    ended = gateway("replay", "--policy", "policy.toml", "--config", "settings.toml")
    assert (ended.status, ended.err) == (0, "")


def test_run_refuses_a_policy_file_before_it_touches_the_log(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("policy.toml").write_text("[[policy]]\n")
    monkeypatch.setenv("GATEWAY_POLICY", "policy.toml")
    ended = gateway("run")
    assert ended.status == 2
    assert "missing required field `from`" in ended.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["policy.toml"]


def test_the_help_of_run_describes_each_setting_in_80_columns(gateway: Gateway) -> None:
    ended = gateway("run", "--help")
    assert ended.status == 0
    lines = ended.out.decode().splitlines()
    assert max(map(len, lines)) <= 80
    for name in Settings.model_fields:
        assert any(line.split()[:1] == [f"GATEWAY_{name.upper()}"] for line in lines)
    text = " ".join(" ".join(lines).split())
    for _, description in settings.described():
        assert description in text


def test_a_log_with_more_partitions_than_fit_into_a_cursor_is_not_served(tmp_path: Path) -> None:
    full = str(cursor_behind((9_999_999,) * MOST_PARTITIONS * len(FOR_JOBCENTRES), 999, b"event"))
    assert len(f"GET /v1/events?topics={','.join(FOR_JOBCENTRES)}&wait=60&limit=500&after={full}") < 8_190
    too_many = {"GATEWAY_PARTITIONS": str(MOST_PARTITIONS + 1), "GATEWAY_HTTP_PORT": str(free_port())}
    refused = spawn("run", cwd=tmp_path, environment=too_many)
    assert refused.status == 2
    assert refused.sentence.startswith(
        "the log has 201 partitions, and the API's cursors fit into a URL with"
    )
