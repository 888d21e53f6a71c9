"""What the model writes, as items of a response and as the events that tell of them. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from inference.api.responses.schemas import Status
from inference.parser import Channel, Delta

Event = dict[str, object]
Fields = dict[str, object]

PARAGRAPH = "\n\n"
"""What the parser puts between two messages of one channel."""


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


class TextItem:
    """The reasoning or a message: an item with one part of text."""

    def __init__(self, index: int, *, is_reasoning: bool) -> None:
        self._is_reasoning = is_reasoning
        self._kind = "reasoning_text" if is_reasoning else "output_text"
        self._id = new_id("rs" if is_reasoning else "msg")
        self._index = index
        self._pieces: list[str] = []

    def opening(self) -> list[Event]:
        return [
            {"type": "response.output_item.added", "output_index": self._index, "item": self._item("in_progress", [])},
            self._event("response.content_part.added", part=self._part("")),
        ]

    def delta(self, text: str) -> Event:
        self._pieces.append(text)
        return self._event(f"response.{self._kind}.delta", delta=text, **self._logprobs())

    def closing(self, status: Status, phase: str | None) -> tuple[Fields, list[Event]]:
        text = "".join(self._pieces)
        item = self._item(status, [self._part(text)], phase)
        return item, [
            self._event(f"response.{self._kind}.done", text=text, **self._logprobs()),
            self._event("response.content_part.done", part=self._part(text)),
            {"type": "response.output_item.done", "output_index": self._index, "item": item},
        ]

    def _event(self, type_: str, **fields: object) -> Event:
        return {"type": type_, "item_id": self._id, "output_index": self._index, "content_index": 0, **fields}

    def _item(self, status: Status, content: list[Fields], phase: str | None = None) -> Fields:
        if self._is_reasoning:
            return {"id": self._id, "type": "reasoning", "summary": [], "content": content, "status": status}
        told = {"phase": phase} if phase else {}
        return {"id": self._id, "type": "message", "role": "assistant", "content": content, "status": status, **told}

    def _part(self, text: str) -> Fields:
        part: Fields = {"type": self._kind, "text": text, **self._logprobs()}
        return part if self._is_reasoning else {**part, "annotations": []}

    def _logprobs(self) -> Fields:
        """None are computed; clients want the list in what tells of a message."""
        return {} if self._is_reasoning else {"logprobs": []}


class CallItem:
    """A call of a function."""

    def __init__(self, index: int, name: str) -> None:
        self.id = new_id("call")
        self._item_id = new_id("fc")
        self._name = name
        self._index = index
        self._pieces: list[str] = []

    def opening(self) -> list[Event]:
        item = self._item("in_progress", "")
        return [{"type": "response.output_item.added", "output_index": self._index, "item": item}]

    def delta(self, text: str) -> Event:
        self._pieces.append(text)
        return self._event("response.function_call_arguments.delta", delta=text)

    def closing(self, status: Status, _phase: str | None) -> tuple[Fields, list[Event]]:
        arguments = "".join(self._pieces)
        item = self._item(status, arguments)
        return item, [
            self._event("response.function_call_arguments.done", arguments=arguments),
            {"type": "response.output_item.done", "output_index": self._index, "item": item},
        ]

    def _event(self, type_: str, **fields: object) -> Event:
        return {"type": type_, "item_id": self._item_id, "output_index": self._index, **fields}

    def _item(self, status: Status, arguments: str) -> Fields:
        return {
            "id": self._item_id,
            "type": "function_call",
            "call_id": self.id,
            "name": self._name,
            "arguments": arguments,
            "status": status,
        }


class Output:
    """Turns deltas into items; `items` are the finished ones, `call_ids` those of all calls."""

    def __init__(self) -> None:
        self.items: list[Fields] = []
        self.call_ids: list[str] = []
        self._open: TextItem | CallItem | None = None
        self._place: tuple[Channel, int | None] | None = None
        self._met: set[Channel] = set()

    def take(self, delta: Delta, calls: Sequence[str]) -> list[Event]:
        """Go on; returns the events that tell of it. `calls`: the names of the functions called so far."""
        text, events = delta.text, []
        item = self._open
        if item is None or self._place != (delta.channel, delta.call):
            events += self.close("completed", "commentary" if delta.channel is Channel.CALL else None)
            item = self._open = self._opened(delta, calls)
            self._place = (delta.channel, delta.call)
            events += item.opening()
            if delta.channel in self._met:
                text = text.removeprefix(PARAGRAPH)
            self._met |= set() if delta.channel is Channel.CALL else {delta.channel}
        if text:
            events.append(item.delta(text))
        return events

    def close(self, status: Status, phase: str | None = None) -> list[Event]:
        """End the item that is being written, if there is one."""
        if self._open is None:
            return []
        item, events = self._open.closing(status, phase)
        self._open = None
        self.items.append(item)
        return events

    def _opened(self, delta: Delta, calls: Sequence[str]) -> TextItem | CallItem:
        index = len(self.items)
        if delta.channel is not Channel.CALL:
            return TextItem(index, is_reasoning=delta.channel is Channel.ANALYSIS)
        item = CallItem(index, calls[delta.call or 0])
        self.call_ids.append(item.id)
        return item
