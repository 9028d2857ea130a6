"""What went wrong at the brokers, for the engine and for people: on which topic, at what, and why."""

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from gateway.engine.log import LogBusy, LogFailed


def failure(error: KafkaError | TimeoutError, operation: str, topic: str | None = None) -> LogBusy:
    """LogBusy where brokers are away or about to change, LogFailed where they refuse something.

    operation: by Kafka's name for what users are allowed. topic: on which, where the error doesn't say it.
    """
    topic = _topic_of(error) or topic
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


def _topic_of(error: Exception) -> str | None:
    """The topic that an error names. aiokafka puts it there in several ways."""
    match error.args:
        case (TopicPartition(topic, _), *_):
            return str(topic)
        case (str(topic),) if isinstance(error, TopicAuthorizationFailedError):
            return topic
        case (set(topics),) if isinstance(error, TopicAuthorizationFailedError):
            return ", ".join(sorted(topics))
    return None
