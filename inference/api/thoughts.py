"""What the model thought before a call, for clients that send the call back without it.

Harmony wants it kept inside of a tool loop. In memory alone, and only the newest: a loop lasts minutes.
"""

from __future__ import annotations

from collections import OrderedDict

MOST = 1000
LONGEST_CHARACTERS = 50_000

_thoughts: OrderedDict[tuple[int, str], str] = OrderedDict()
"""By person and call."""


def keep(user_id: int, call_ids: list[str], thinking: str) -> None:
    if not thinking or len(thinking) > LONGEST_CHARACTERS:
        return
    for call_id in call_ids:
        _thoughts[user_id, call_id] = thinking
    while len(_thoughts) > MOST:
        _thoughts.popitem(last=False)


def recall(user_id: int, call_id: str) -> str:
    return _thoughts.get((user_id, call_id), "")
