"""Where an error that nobody foresaw becomes one line: at each file that others wrote, and at each job."""

import os
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mllm_classify.io.files import InputError, written
from mllm_classify.io.text import short

TRACEBACKS = Path("logs/tracebacks")
TERMINAL = 2
ONE_AT_A_TIME = threading.RLock()
LONGEST = 300
"""Characters of an error's own message that are shown."""


class UnforeseenError(InputError):
    """An error that nobody foresaw, which is its cause, and what was read or made when it came."""


@contextmanager
def border(place: object) -> Iterator[None]:
    """Inside, whatever is raised is an InputError, in one line that begins with `place`: a file, or a job.

    Polars' PanicException is no Exception; that somebody stops the process is no error.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        msg = f"{place}: {brief(error)}"
        raise UnforeseenError(msg) from error


@contextmanager
def without_panics() -> Iterator[None]:
    """Inside, what polars' threads write to the terminal before a PanicException is kept with that, for its traceback.

    Where nothing is raised, it is written when it ends. Only the file descriptor tells: Rust knows no `sys.stderr`.
    """
    with ONE_AT_A_TIME, tempfile.TemporaryFile() as said:
        terminal = os.dup(TERMINAL)
        os.dup2(said.fileno(), TERMINAL)
        try:
            yield
        except BaseException as error:
            said.seek(0)
            if written_down := said.read().decode("utf-8", "replace"):
                error.add_note(written_down)
            raise
        else:
            said.seek(0)
            os.write(terminal, said.read())
        finally:
            os.dup2(terminal, TERMINAL)
            os.close(terminal)


def brief(error: BaseException) -> str:
    """What an error says, in one line of words."""
    match error:
        case MemoryError():
            return "not enough memory"
        case RecursionError():
            return "nested too deep"
        case OSError(strerror=str(strerror)):
            return f"{strerror}{f': {short(os.fsdecode(error.filename), LONGEST)}' if error.filename else ''}"
        case _:
            return f"{type(error).__name__}: {short(str(error).strip() or 'no message', LONGEST)}"


def kept_traceback(error: UnforeseenError, job: str) -> str:
    """Write how an error came about beside the jobs' logs, over that of the last time. Returns where that stands, in words."""
    path = TRACEBACKS / f"{job.replace('/', '-')}.txt"
    try:
        with written(path) as temporary:
            temporary.write_text("".join(traceback.format_exception(error)), "utf-8", "backslashreplace")
    except OSError as full:
        return f"the traceback could not be written to {path} ({full.strerror})"
    return f"the traceback is in {path}"
