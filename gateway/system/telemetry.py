"""Structured logs: one event name for each thing that happens, and never personal data."""

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from gateway.system.terminal import printable
from gateway.system.unblocked import Unblocked

#: Ids come from outside; a longer one is cut in a log line.
LONGEST_VALUE: Final = 200
#: What the gateway itself has to say may be longer.
OWN_WORDS: Final = frozenset({"error", "reason", "what_to_do", "trace"})
LONGEST_WORDS: Final = 10_000
#: How often a library's complaints are logged: it may have many a second while the brokers are away.
COMPLAINTS_APART_S: Final = 60.0
#: How long a process that ends waits for whoever reads its log.
LAST_LINES_S: Final = 1.0


#: Each write wakes the thread that writes, so lines of a step go together.
WRITTEN_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A row of the table in docs/operations/log-events.md. fields: all that whoever logs it may say.

    do: what an operator has to do, which each line says in `what_to_do`; empty: nothing, or `error` says it.
    """

    level: str
    fields: tuple[str, ...]
    meaning: str
    do: str = ""


#: What a line about a decision says beside what is of its own. message_id, trace_id: of the message
#: that led to it.
_DECIDED: Final = (
    *("event_id", "po_number", "provider_id", "message_id", "trace_id"),
    *("decided_at", "rule"),
)
_BREACH: Final = (*_DECIDED, "kind", "session_id", "because", "due_on")
LOG_EVENTS: Final[dict[str, LogEvent]] = {
    "gateway.started": LogEvent("info", ("version", "log", "partitions"), "The gateway begins to work."),
    "keys.beside_log": LogEvent(
        "info",
        (),
        "The wrapping key of the embedded log is in a file beside it, because no setting names another. That "
        "protects backups and copies of the log, and not the disk with both.",
    ),
    "settings.unknown": LogEvent(
        "warning",
        ("names",),
        "The environment has settings that this version doesn't know; they do nothing.",
        "Correct their names, or take them out.",
    ),
    "gateway.stopping": LogEvent("info", ("signal",), "It was told to stop, and finishes its step."),
    "gateway.stopped": LogEvent("info", ("decided",), "It has let go of everything."),
    "gateway.failed": LogEvent(
        "error",
        ("code", "reason", "what_to_do", "trace"),
        "It ends because of this: the last line of `run` where standard error is no terminal. `code` stays "
        "the same, the words may change. `trace` is there with --debug only.",
    ),
    "gateway.gave_up": LogEvent(
        "warning",
        ("after_s",),
        "It was told to stop and could not finish its step in time, so it ended as if it had been killed. "
        "The next start goes on behind the last whole step.",
    ),
    "supervisor.started": LogEvent("info", ("workers",), "`run --workers` begins to start its workers."),
    "supervisor.worker_started": LogEvent("info", ("worker", "pid"), "A worker process was started."),
    "supervisor.worker_died": LogEvent(
        "warning",
        ("worker", "status", "again_in_s"),
        "A worker ended without having been told to, with this exit status, or by the signal whose number it "
        "is below zero. It is started again.",
        "Read the last lines of that worker: they say why it ended.",
    ),
    "supervisor.gave_up": LogEvent(
        "error",
        ("worker", "status"),
        "A worker said what starting it again would not mend. All are stopped.",
        "Do what the worker's line above says.",
    ),
    "supervisor.nothing_left": LogEvent(
        "error",
        ("worker",),
        "Records of all partitions of a worker are lost, so it has ended and is not started again; its "
        "partitions are the others'. Where none is left, all ends with 1.",
        "Run `gateway partitions accept-loss` for what `partition.records_lost` names, or restore it.",
    ),
    "supervisor.stopping": LogEvent("info", ("signal",), "It was told to stop, and passes that on."),
    "supervisor.killed": LogEvent(
        "error",
        ("worker", "after_s"),
        "A worker had not ended so long after it was told to; it was killed.",
        "See what it logged last: its log's disk or brokers may hang. Nothing is lost.",
    ),
    "supervisor.stopped": LogEvent("info", ("status",), "All workers have ended; its own exit status."),
    "supervisor.gone": LogEvent(
        "warning", (), "A worker saw that its supervisor has ended, and stops by itself."
    ),
    "http.started": LogEvent(
        "info",
        ("host", "port", "url", "sandbox"),
        "HTTP is served: health, metrics, and the providers' API unless `api.off` says otherwise. `url` is "
        "where, on this machine; `sandbox`, in one, where all that is ready-made in it is shown.",
    ),
    "http.exposed": LogEvent(
        "warning",
        ("host", "what"),
        "GATEWAY_HTTP_HOST lets other machines reach what is for trials on one: `what`. The container image "
        "sets it to 0.0.0.0.",
        "Publish the port on 127.0.0.1 only, or name an identity provider.",
    ),
    "http.full": LogEvent(
        "warning",
        ("connections",),
        "As many connections are open as may be, and more are closed at once; said once a minute at the "
        "most.",
        "See who opens them.",
    ),
    "http.crowded": LogEvent(
        "warning",
        ("connections",),
        "One address has as many connections open as one may, and more are closed at once; said once a "
        "minute at the most.",
        "See who opens them; if it is a proxy, name it in GATEWAY_TRUSTED_PROXIES.",
    ),
    "http.failed": LogEvent(
        "error",
        ("path", "error", "trace_id"),
        "An answer over HTTP failed.",
        "This is a bug: report this line.",
    ),
    "http.not_put": LogEvent(
        "warning",
        ("reason",),
        "What came over HTTP could not be put on the log; its senders were asked to send "
        "it again. Logged every five seconds at the most.",
    ),
    "calendar.made": LogEvent(
        "info",
        ("calendar", "provider_id"),
        "A provider has made a calendar, which whoever knows its address may read. `calendar` is its id.",
    ),
    "calendar.revoked": LogEvent("info", ("calendar", "provider_id"), "A provider has revoked a calendar."),
    "prap.marked": LogEvent(
        "info", ("event_id", "caller"), "Over HTTP somebody has marked an action as entered on PRaP."
    ),
    "prap.unmarked": LogEvent("info", ("event_id", "caller"), "Somebody has taken such a mark away."),
    "webhook.made": LogEvent(
        "info",
        ("webhook", "of", "parties"),
        "A webhook was made, to which `of` (instructions, outcomes or events) of `parties` is delivered.",
    ),
    "webhook.deleted": LogEvent("info", ("webhook", "of", "parties"), "A webhook was deleted."),
    "webhook.resumed": LogEvent(
        "info", ("webhook", "of", "parties"), "A webhook was told to go on after a pause."
    ),
    "webhook.rewound": LogEvent(
        "info", ("webhook", "of", "parties"), "A webhook was told to deliver again from a cursor."
    ),
    "webhook.failing": LogEvent(
        "warning",
        ("webhook", "partition", "failure"),
        "A receiver doesn't take what is delivered of a partition; it is tried again, and the rest waits.",
        "See that its owner knows, where it goes on.",
    ),
    "webhook.recovered": LogEvent(
        "info", ("webhook", "partition", "attempts"), "It takes it again, after so many attempts."
    ),
    "webhook.paused": LogEvent(
        "warning",
        ("webhook", "partition", "why", "failure"),
        "A webhook is paused, since its receiver answered 410 (GONE) or failed for three days "
        "(FAILED_TOO_LONG). Nothing is delivered until its owner resumes it.",
        "Let its owner know.",
    ),
    "webhook.broke": LogEvent(
        "error",
        ("webhook", "error"),
        "Delivering has failed by a fault of the gateway. It begins anew.",
        "Report it as a bug of the gateway.",
    ),
    "console.signed_in": LogEvent(
        "info",
        ("operator", "operates"),
        "Somebody has signed in to the console. `operator` stands for their issuer and subject; `operates`: "
        "whether they may use it.",
    ),
    "console.sign_in_refused": LogEvent(
        "warning", ("reason",), "Somebody could not be signed in to the console, for this reason."
    ),
    "console.person_seen": LogEvent(
        "info",
        ("operator", "po_number"),
        "An operator has looked at whom a referral is about. It is on gateway.audit too, with who it was.",
    ),
    "console.interpreters_seen": LogEvent(
        "info",
        ("operator", "provider_id", "session_id"),
        "An operator has looked at who needs an interpreter at a session; on gateway.audit too.",
    ),
    "console.dead_letter_replayed": LogEvent(
        "info",
        ("operator", "letter"),
        "An operator replays a dead letter; on gateway.audit too, with who it was and the reason.",
    ),
    "console.dead_letter_discarded": LogEvent(
        "info",
        ("operator", "letter"),
        "An operator discards a dead letter; on gateway.audit too, with who it was and the reason.",
    ),
    "api.off": LogEvent(
        "warning",
        ("needs",),
        "The providers' API is not served: on Kafka tokens are an identity provider's, which these settings "
        "name.",
        "Set them, if providers are to use it.",
    ),
    "keys.changed": LogEvent(
        "info",
        ("keys", "left_out"),
        "The keys that may sign callers' tokens were fetched, and are not those of before. Those left out "
        "are private, weak, for something else, or of an algorithm that is not taken.",
    ),
    "keys.not_fetched": LogEvent(
        "warning",
        ("error", "usable"),
        "The keys that may sign callers' tokens can't be fetched. Those of before go on working for six "
        "hours: `usable`. Without them every caller is told to try again.",
        "See that this machine reaches GATEWAY_JWKS_URL, and that what answers there is a set of keys.",
    ),
    "partitions.assigned": LogEvent(
        "info", ("partitions",), "These partition numbers are to be worked on by this process."
    ),
    "partition.lost": LogEvent(
        "warning",
        ("partition",),
        "Another process has claimed the partition. It is claimed again where it stays assigned here.",
    ),
    "partition.claiming": LogEvent(
        "debug", ("partition",), "A partition is about to be claimed, which waits for who owns it, or writes."
    ),
    "partition.claimed": LogEvent(
        "info", ("partition", "purchase_orders"), "A partition is owned, and its state restored."
    ),
    "partition.dropped": LogEvent(
        "warning",
        ("partition", "cause", "operation", "topic", "error", "again_in_s"),
        "Something went wrong, at what, and on which topic where that is known. What was not committed is "
        "dropped, and the partition claimed again.",
        "If it comes again and again, do what `error` says; where there is none, report this line.",
    ),
    "partition.records_lost": LogEvent(
        "error",
        ("partition", "error"),
        "Records of the partition that were not decided are lost; nothing is decided on it until that is "
        "accepted. See [Lost records](kafka.md#lost-records).",
    ),
    "partition.loss_accepted": LogEvent(
        "warning",
        ("partition", "topic", "decided", "goes_on"),
        "Somebody accepted that records are lost: those of the topic from the offset up to which it was "
        "decided to the one where it goes on.",
    ),
    "partition.paused": LogEvent(
        "warning",
        ("partition", "reason", "by", "since"),
        "Somebody paused the partition with `gateway partitions pause`, so nothing is decided on it until "
        "`gateway partitions resume`. Logged by each process, and again after its start.",
        "Ask who paused it; `gateway partitions resume` lets it go on.",
    ),
    "partition.resumed": LogEvent("warning", ("partition",), "The partition is paused no more."),
    "referral.forgotten": LogEvent(
        "info",
        ("partition", "po_number"),
        "The referral was forgotten because somebody asked for it with `gateway forget`; gateway.audit says "
        "who, and why.",
    ),
    "referral.not_forgotten": LogEvent(
        "warning",
        ("partition", "po_number"),
        "Somebody asked to forget the referral, and something has come to fall due on it since.",
        "Ask again with `gateway forget --open`, or when nothing falls due on it any more.",
    ),
    "schema_registry.away": LogEvent(
        "warning",
        ("error",),
        "The schema registry can't be asked. What is written, and messages whose schemas are known, go on; "
        "others wait. A partition with such a message is not ready, and says so in `/readyz`.",
    ),
    "schema_registry.back": LogEvent("info", (), "The schema registry answers again."),
    "schema_registry.other_ids": LogEvent(
        "warning",
        (),
        "The schema registry had lost schemas, or has them under other ids. They have been registered again, "
        "and what is written from now on has the new ids.",
        "Restore the registry: nobody can read what has the old ids.",
    ),
    "schema_registry.refused": LogEvent(
        "warning", ("error",), "The schema registry had lost a schema, and does not take it again."
    ),
    "gateway.summary": LogEvent(
        "info",
        ("decided", "refused", "dead_letters", "lag", "oldest_s"),
        "Said once a minute, and at the end: how many messages and deadlines were decided since the last "
        "line, how many messages were refused, by code, and how many became dead letters; how many records "
        "wait to be decided (`lag`), and how long the oldest of them has waited. What is not known is "
        "absent; with `--clock log`, the last.",
    ),
    "step.committed": LogEvent(
        "debug", ("partition", "decided", "records_out"), "A step was decided and has been committed."
    ),
    "referral.received": LogEvent("info", _DECIDED, "A referral was taken in, and is acknowledged on PRaP."),
    "referral.accepted": LogEvent("debug", _DECIDED, "The provider has accepted a referral."),
    "referral.rejected": LogEvent("info", _DECIDED, "The provider has rejected a referral."),
    "referral.updated": LogEvent(
        "info", (*_DECIDED, "kind", "session_id", "due_on"), "A later revision of a referral was taken in."
    ),
    "referral.cancelled": LogEvent(
        "info",
        (*_DECIDED, "referred_on", "effective_on", "attended"),
        "A referral ended without a start: 'Did Not Start'. `attended`: whether a session was.",
    ),
    "referral.attached": LogEvent(
        "info", (*_DECIDED, "kind", "on"), "The participant was attached, on the day `on`."
    ),
    "session.reported": LogEvent(
        "debug",
        (*_DECIDED, "kind", "session_id", "requirement", "because"),
        "The Jobcentre is told that a session was booked, changed or cancelled, or that somebody can't come. "
        "`kind` says which.",
    ),
    "attendance.reported": LogEvent(
        "debug",
        (*_DECIDED, "kind", "session_id", "requirement"),
        "The Jobcentre is told who came to a session, or that this was corrected. `kind` is the outcome.",
    ),
    "sanction.raised": LogEvent(
        "info",
        (*_DECIDED, "kind", "failure_type", "session_id", "withdraws"),
        "A decision maker is notified of a mandatory session that was missed. `kind` is the failure.",
    ),
    "sanction.withdrawn": LogEvent(
        "info",
        (*_DECIDED, "kind", "failure_type", "session_id", "withdraws"),
        "Such a notification is withdrawn; `withdraws` is its event_id.",
    ),
    "attachment.backed_out": LogEvent(
        "info", _DECIDED, "An attachment that must not be is to be backed out on PRaP."
    ),
    "instruction.sent": LogEvent(
        "info",
        (*_DECIDED, "kind", "session_id", "due_on"),
        "The provider is told what to do next. Instructions that go with another line here have none.",
    ),
    "notice.sent": LogEvent(
        "info",
        (*_DECIDED, "kind", "on"),
        "The Jobcentre is told what it has to know or to do. `kind` is what, `on` the day that it is about.",
    ),
    "breach.raised": LogEvent("info", _BREACH, "The provider has missed a limit, that of `due_on`."),
    "breach.cleared": LogEvent("info", _BREACH, "A record that came later shows that a limit was met."),
    "message.refused": LogEvent(
        "info", (*_DECIDED, "topic", "code"), "A message was refused; its outcome says so to its sender."
    ),
    "message.held": LogEvent(
        "info", (*_DECIDED, "topic", "code"), "A message waits for its referral, which has not come."
    ),
    "message.applied": LogEvent("debug", (*_DECIDED, "topic", "code"), "A message was applied."),
    "message.duplicate": LogEvent("debug", (*_DECIDED, "topic", "code"), "A message had come before."),
    "message.dead_lettered": LogEvent(
        "warning",
        ("letter", "code", "partition", "topic", "offset", "decided_at", "trace_id"),
        "A record could not be decoded, or the rules raised on it (FAILED), and it went to "
        "gateway.dead-letters. `letter` is its id for `gateway dead-letters show`.",
    ),
    "message.moved": LogEvent(
        "info",
        ("partition", "topic", "offset"),
        "A message was on another partition than its key belongs on, and has been put there.",
    ),
    "log.away": LogEvent(
        "warning",
        ("error",),
        "The log can't be used, and is waited for: said once until it is back, however many partitions wait.",
    ),
    "log.back": LogEvent("info", ("after_s",), "The log can be used again, for all that waited."),
    "disk.filling": LogEvent(
        "warning",
        ("file", "room_mib"),
        "The disk of the log or of the projection has less than 1 GiB left.",
        "Make room on that disk.",
    ),
    "clock.leapt": LogEvent(
        "error",
        ("why", "by_s"),
        "Nothing is decided or taken by the clock of this machine any more: `why`, by so many seconds.",
        "Set the clock right where it is wrong, then run `gateway clock accept`.",
    ),
    "clock.accepted": LogEvent("warning", (), "Somebody accepted the clock as it is; deciding goes on."),
    "clock.behind": LogEvent(
        "warning",
        ("by_s",),
        "The clock is so far behind what was decided last. Until it has caught up, what comes is decided at "
        "that instant, and no deadline falls due.",
        "See to the clock of this machine, and to NTP.",
    ),
    "group.left": LogEvent(
        "warning",
        ("error", "again_in_s"),
        "The consumer group can't be used; it is joined again, which is tried until it works.",
    ),
    "message.failed": LogEvent(
        "error",
        ("partition", "topic", "offset", "error"),
        "The rules raised on a record, twice; it went to gateway.dead-letters.",
        "This is a bug: report this line, without the message.",
    ),
    "message.too_large": LogEvent(
        "warning",
        ("partition", "topic", "offset"),
        "What comes of a message, or its letter, is larger than the log takes: it went to "
        "gateway.dead-letters, in the second case without its content.",
    ),
    "deadline.fell_due": LogEvent(
        "debug", ("partition", "po_number", "events"), "A deadline of a referral has passed."
    ),
    "deadline.failed": LogEvent(
        "error",
        ("partition", "po_number", "error"),
        "The rules raised on a deadline; it is left until the next start.",
        "This is a bug: report this line.",
    ),
    "security.special_customer_record": LogEvent(
        "warning",
        (*_DECIDED, "topic", "code"),
        "A special customer record came through PRaP, where none may come; nothing of it was kept.",
    ),
    "security.token_refused": LogEvent(
        "warning",
        ("reason", "count", "path", "trace_id", "kid"),
        "Somebody called the API without a token that is taken: `path` is the kind of path, `kid` the key "
        "that the token names, where it is a known one. Said of the first for this reason, and then once a "
        "minute of all that came meanwhile, with how many.",
    ),
    "security.forbidden": LogEvent(
        "warning",
        ("reason", "path", "trace_id", "providers", "jobcentres"),
        "A caller with a good token wanted what it has no right to, such as another's referral.",
    ),
    "dead_letter.replayed": LogEvent(
        "info", ("letter", "topic"), "Somebody put a dead letter's record back on its topic."
    ),
    "dead_letter.discarded": LogEvent(
        "info", ("letter",), "Somebody discarded a dead letter; it is not put back any more."
    ),
    "projection.filled": LogEvent(
        "info",
        (),
        "All that was on the log has been read for those who ask over HTTP; what comes is followed.",
    ),
    "projection.emptied": LogEvent(
        "warning", (), "The projection was of a log that is no longer there; it is filled from the beginning."
    ),
    "projection.dropped": LogEvent(
        "warning",
        ("error", "again_in_s"),
        "Following the log for those who ask failed; it is tried again. Said once for as long as it fails in "
        "the same way.",
    ),
    "projection.unreadable": LogEvent(
        "warning",
        ("error",),
        "The projection could not be read by somebody who asked; one that is damaged is made anew.",
    ),
    "projection.untidy": LogEvent(
        "warning",
        ("error", "again_in_s"),
        "What was written to the projection can't be copied to where it stays; it is tried again.",
    ),
    "projection.passed_over": LogEvent(
        "warning",
        ("topic", "offset"),
        "A record was written by a later version, so it is not shown.",
        "Upgrade the gateway.",
    ),
    "traces.not_sent": LogEvent(
        "warning",
        ("spans",),
        "The collector of traces at GATEWAY_OTLP_ENDPOINT did not take so many spans, which are lost. Logged "
        "once, until it takes them again. No decision waits for it.",
        "See that the collector runs.",
    ),
    "traces.dropped": LogEvent(
        "warning",
        ("events",),
        "Too many spans wait for the collector, so `events` of a step have none. Logged once, until there is "
        "room again.",
    ),
    "traces.sent_again": LogEvent("info", (), "The collector takes traces again."),
    "log.dropped": LogEvent(
        "warning",
        ("lines",),
        "Nobody read the log for so long that so many lines of it were dropped; it goes on here. No decision "
        "waits for whoever reads it.",
        "See to whoever reads standard error: a pipe, or the collector of the logs.",
    ),
    "library.complained": LogEvent(
        "warning",
        ("logger", "times"),
        "A library logged something; only its name is logged, because the text may hold what a message says. "
        "It is logged at once, then once a minute at the most, with how many times since. Kafka's client "
        "complains all the time while the brokers are away.",
    ),
}

#: What one line says, with its level.
Line = tuple[str, EventDict]

_json: Final = msgspec.json.Encoder().encode
_ALWAYS: Final = frozenset({"event", "level", "timestamp", "worker"})
_FIELDS: Final = {name: _ALWAYS.union(event.fields) for name, event in LOG_EVENTS.items()}


def _only_what_is_listed(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """Let through only the fields that LOG_EVENTS names, so that nothing else can reach a log by mistake.

    What it says to do about the event stands behind them.
    """
    event = LOG_EVENTS.get(event_dict["event"])
    allowed = _ALWAYS if event is None else _FIELDS[event_dict["event"]]
    listed: EventDict = {
        key: _short(value, LONGEST_WORDS if key in OWN_WORDS else LONGEST_VALUE)
        for key, value in event_dict.items()
        if key in allowed
    }
    if event is not None and event.do:
        listed["what_to_do"] = event.do
    return listed


def _short(value: object, longest: int) -> object:
    """A value that is no longer than it should be, and has nothing in it that a terminal would act on."""
    if not isinstance(value, str):
        return value
    if len(value) > longest:
        value = value[:longest] + "…"
    return printable(value)


def _of_worker(worker: int, _: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    event_dict.setdefault("worker", worker)
    return event_dict


class _Complaints(logging.Handler):
    """Takes what libraries log, so that none of it reaches standard error in a form of its own."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._now = now
        #: By logger, when it was logged last, and how often it has complained since.
        self._since: dict[str, tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Log which library complained, and how often."""
        logged_s, times = self._since.get(record.name, (-COMPLAINTS_APART_S, 0))
        now_s = self._now()
        if now_s < logged_s + COMPLAINTS_APART_S:
            self._since[record.name] = logged_s, times + 1
            return
        self._since[record.name] = now_s, 0
        structlog.get_logger("gateway").warning("library.complained", logger=record.name, times=times + 1)


class _Unfailing:
    """A stream that can't fail: that nobody reads the log any more must not change what is decided."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write it, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush it, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def _note_dropped(lines: int) -> None:
    structlog.get_logger("gateway").warning("log.dropped", lines=lines)


#: Standard error of this process, which is written to without waiting for whoever reads it.
_STANDARD_ERROR: Final = Unblocked(2, _note_dropped)


def _target(stream: TextIO) -> TextIO:
    """What lines for a stream are written to."""
    try:
        is_standard_error = stream is sys.stderr and stream.fileno() == 2
    except (OSError, ValueError):
        is_standard_error = False
    return cast(TextIO, _STANDARD_ERROR if is_standard_error else _Unfailing(stream))


def print_last(text: str) -> None:
    """Print what a command ends with on standard error, behind all that was logged."""
    _target(sys.stderr).write(f"{text}\n")


def drain() -> None:
    """Wait until all that was logged has been written, for LAST_LINES_S at the most: the process ends."""
    _STANDARD_ERROR.drain(LAST_LINES_S)


atexit.register(drain)


def configure(level: str, stream: TextIO | None = None, *, worker: int | None = None) -> None:
    """Log to standard error: as JSON, or in colours where it is a terminal. `level` and what is graver.

    worker: the number of this process among several, logged in each line.
    """
    stream = sys.stderr if stream is None else stream
    root = logging.getLogger()
    if not any(isinstance(handler, _Complaints) for handler in root.handlers):
        root.addHandler(_Complaints())
    renderer = (
        structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
        if stream.isatty()
        else structlog.processors.JSONRenderer(_as_json)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if worker is None else [partial(_of_worker, worker)]),
            _only_what_is_listed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(_target(stream)),
        cache_logger_on_first_use=True,
    )


def log_lines(lines: Iterable[Line]) -> None:
    """Log lines that were made together: written some at a time, which takes a quarter of the time.

    Their levels were looked at before, and they have no fields but those that are listed.
    """
    config = structlog.get_config()
    *before, render = config["processors"]
    sink = config["logger_factory"]()
    of_all: EventDict = {"event": ""}
    for processor in before:  # the moment and the process are the same for all
        of_all = processor(sink, "", of_all)
    del of_all["event"]
    rendered = []
    for level, said in lines:
        said.update(of_all)
        said["level"] = level
        rendered.append(render(sink, level, _shortened(said)))
    for first in range(0, len(rendered), WRITTEN_AT_ONCE):
        sink.msg("\n".join(rendered[first : first + WRITTEN_AT_ONCE]))


def json_line(line: Line) -> bytes:
    """A line as it is logged in JSON, with the timestamp that it has."""
    level, said = line
    return _json(_shortened({**said, "level": level})) + b"\n"


def _shortened(said: EventDict) -> EventDict:
    for name, value in said.items():
        if type(value) is str and (len(value) > LONGEST_VALUE or not value.isprintable()):
            said[name] = _short(value, LONGEST_VALUE)
    return said


def _as_json(said: EventDict, **_: object) -> str:
    return _json(said).decode()


def table() -> str:
    """LOG_EVENTS as the table in docs/operations/log-events.md (Markdown)."""
    rows = [
        f"| `{name}` | {event.level} | {', '.join(event.fields)} | {event.meaning} | {event.do} |"
        for name, event in LOG_EVENTS.items()
    ]
    return "\n".join(
        (
            "| event | level | fields | what happened | what to do |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        )
    )
