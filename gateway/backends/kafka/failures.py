"""What went wrong at the brokers, as the engine and people are told: on which topic, at what, and why."""

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from gateway.engine.log import LogBusy, LogFailed


def failure(error: KafkaError | TimeoutError, operation: str, topic: str | None = None) -> LogBusy:
    """LogBusy where brokers are away or about to change, LogFailed where they refuse something.

    operation: by Kafka's name for what users are allowed. topic: on which; None: the error says it, or it is
    not known.
    """
    if topic is None and error.args:
        named = error.args[0]
        topic = named.topic if isinstance(named, TopicPartition) else None
        if isinstance(error, TopicAuthorizationFailedError) and isinstance(named, str):
            topic = named
    cause = type(error).__name__
    doing = f"{operation} on {topic}" if topic else operation
    if isinstance(error, TimeoutError) or error.retriable:
        return LogBusy(f"the brokers do not answer ({cause}: {doing}); see that they run, and what they log")
    if isinstance(error, TopicAuthorizationFailedError):
        return LogFailed(
            f"this user may not {operation} the topic {topic} ({cause}); allow it",
            topic=topic,
            operation=operation,
            cause=cause,
        )
    return LogFailed(
        f"the brokers refuse it ({cause}: {doing}); see what they log",
        topic=topic,
        operation=operation,
        cause=cause,
    )
