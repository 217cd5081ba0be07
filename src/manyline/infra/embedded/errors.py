"""What can go wrong around child processes; each message is the one line a person reads."""

from manyline.base.errors import ManylineError


class EmbeddedError(ManylineError):
    """A server or process that belongs to us cannot run; the message says why and what to do."""

    code = "embedded"


class DataDirectoryError(EmbeddedError):
    """The data directory cannot be used, or another `manyline up` is using it."""

    code = "data_directory"


class BinaryError(EmbeddedError):
    """A server's program is not here, or cannot be started on this machine."""

    code = "missing_binary"


class StartError(EmbeddedError):
    """A server was started and ended, or did not answer in time."""

    code = "not_started"


class GaveUpError(EmbeddedError):
    """A child died so often, or in such a way, that starting it again is pointless."""

    code = "gave_up"
    alarm = True
