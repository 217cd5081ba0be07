"""What can go wrong with the queue, as its callers see it."""

from manyline.base.errors import ManylineError


class QueueUnavailableError(ManylineError):
    """Redis did not take the wake-up. No message is lost: the relay finds it in MongoDB."""

    code = "queue_unavailable"
    retryable = True
    alarm = True


class WorkerDiedError(ManylineError):
    """The worker stopped taking jobs without being asked to; the process has to be replaced."""

    code = "worker_died"
    alarm = True


class JobFailedError(ManylineError):
    """What BullMQ is told when a handler failed: the kind of error, never its text.

    BullMQ keeps the text of an exception in Redis and shows it in its tools, and the text of
    a foreign exception may quote a message or a number.
    """

    code = "job_failed"
    retryable = True
