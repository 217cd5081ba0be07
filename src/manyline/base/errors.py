"""The root of every error this project raises on purpose.

An error says three things to whoever handles it: may the same call be tried again
(`retryable`), must a person look at it (`alarm`), and what the caller reads (its message).
Which HTTP status or exit code that becomes is decided by one table in each entry.
"""


class ManylineError(Exception):
    """Base of all expected errors; the message is written for the person who reads it."""

    code = "internal"
    retryable = False
    alarm = False

    @property
    def detail(self) -> str:
        """What happened, what it means and what to do, in a sentence or two."""
        return str(self)


class SettingsError(ManylineError):
    """A setting is missing or cannot be used; the message names it and the fix."""

    code = "bad_setting"


class StoreUnavailableError(ManylineError):
    """MongoDB did not take the call in time; nothing was promised to anyone, so try again."""

    code = "store_unavailable"
    retryable = True
    alarm = True
