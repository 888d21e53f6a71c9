"""vLLM's processes end with the process that owns the engine, however that one ends.

vLLM leaves them behind, with all their memory, when their parent is killed. So each of them watches the owner.
`watch` reaches them in two ways: unpickling `Watched` calls it in their first moment, and vLLM calls it as a
plugin (plugin/localai_engine-1.dist-info, on the path that multiprocessing hands on) once it has heard from its
parent. Imports nothing heavy: it runs first in every process.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

VARIABLE = "LOCALAI_ENGINE_OWNER"
"""Process id and start time of the owner, such as 4711:123456."""

PLUGIN_FOLDER = Path(__file__).with_name("plugin")

POLL_SECONDS = 0.5


class Watched:
    """In the state that a process hands to those it spawns; what unpickles it is watched and hands it on."""

    def __reduce__(self) -> tuple[Callable[[], Watched], tuple[()]]:
        return watched, ()


def own() -> None:
    """Make this process the owner: every process that it spawns from now on ends with it."""
    os.environ[VARIABLE] = f"{os.getpid()}:{_start_time(os.getpid())}"
    if str(PLUGIN_FOLDER) not in sys.path:
        sys.path.append(str(PLUGIN_FOLDER))
    # What a spawned process inherits, by a name that multiprocessing does not make public. The plugin alone
    # comes too late: vLLM 0.32 loads it after a handshake, for which an orphan would wait for ever.
    state = vars(multiprocessing.current_process()).get("_config")
    if isinstance(state, dict):
        state["localai"] = Watched()


def watched() -> Watched:
    watch()
    return Watched()


@cache
def watch() -> None:
    """End this process as soon as the owner has ended. Does nothing in the owner itself, and without one."""
    process_id, _, start_time = os.environ.get(VARIABLE, "").partition(":")
    if not process_id or int(process_id) == os.getpid():
        return
    arguments = (int(process_id), start_time)
    threading.Thread(target=_end_with, args=arguments, name="parent-watch", daemon=True).start()


def _end_with(process_id: int, start_time: str) -> None:
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:  # it ended already
        pass
    except (AttributeError, OSError):  # neither this system nor this container knows such descriptors
        while _start_time(process_id) == start_time:
            time.sleep(POLL_SECONDS)
    else:
        if _start_time(process_id) == start_time:  # or the number has gone to another process
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _start_time(process_id: int) -> str:
    """In ticks since the machine started, as field 22 of /proc/<pid>/stat; empty for what does not run."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]
