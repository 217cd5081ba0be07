"""What figures are called: in the report, in the JSON, in the targets."""

ACKNOWLEDGED = "acknowledged (1/s)"
END_TO_END = "end to end (1/s)"
ANSWER_MEDIAN = "time to answer, median (ms)"
ANSWER_99TH = "time to answer, 99th (ms)"
ANSWER_MOST = "time to answer, most (ms)"
FLUSH = "messages in a flush"
ANSWER_99TH_FIRST = "99th of the first window, whatever the host did (ms)"
TAKEN_AWAY = "taken away by the host (%)"
WINDOWS = "windows"
DISK = "small synced write before a load, most (ms)"
OTHERS = "others on the machine (%)"
LOAD_BEFORE = "load average before"

OURS, OURS_TWICE, SEEDS, BARE = "ours", "ours, 2 + 2 processes", "seeds", "bare limit"


def cpu_of(role: str) -> str:
    """CPU time of a process for each request."""
    return f"{role}: CPU per request (µs)"


def memory_of(role: str) -> str:
    """The most memory that a process ever had."""
    return f"{role}: most memory (MB)"
