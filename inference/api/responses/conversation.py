"""Items in, what the model is told out; and which of them are worth keeping."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from django.utils import timezone

from inference.api import thoughts
from inference.api.conversion import ANY_OBJECT, effort_of
from inference.api.errors import ApiError
from inference.api.responses.schemas import (
    AnyItem,
    FunctionCallItem,
    FunctionCallOutputItem,
    MessageItem,
    ReasoningItem,
    ResponseBody,
    ResponseTool,
    TextFormat,
)
from inference.harmony import Turn
from inference.messages import Step, Tool, response_format_text
from inference.request import Request


class Conversation:
    """Items by their turns: what is told before any, then each prompt with what came after it.

    The first `stored` items are those of earlier responses. Raises ApiError where an output answers no call, and
    where nobody asks for anything.
    """

    def __init__(self, items: Sequence[AnyItem], stored: int, user_id: int) -> None:
        self._user_id = user_id
        self._called = _called(items, stored)
        self._opening: list[AnyItem] = []
        self._groups: list[list[AnyItem]] = []
        for item in items:
            self._add(item)
        self.turns = [Turn(_prompt_of(group), steps=tuple(self._steps(group))) for group in self._groups]
        if not self.turns or not self.turns[-1].prompt.strip():
            message = "There is no prompt: a message of the user that is not blank."
            raise ApiError(400, message, code="invalid_value", param="input")

    @property
    def instructions(self) -> str:
        return "\n\n".join(item.content for item in self._opening if isinstance(item, MessageItem) and item.content)

    def worth_keeping(self, dropped_turns: int) -> list[AnyItem]:
        """The items that the model could be told again: turns that did not fit never will, nor earlier thinking."""
        *earlier, newest = self._groups[dropped_turns:]
        told = [item for group in earlier for item in group if not isinstance(item, ReasoningItem)]
        kept = [*self._opening, *told, *newest]
        calls = {item.call_id for item in kept if isinstance(item, FunctionCallItem)}
        return [item for item in kept if not isinstance(item, FunctionCallOutputItem) or item.call_id in calls]

    def _add(self, item: AnyItem) -> None:
        role = item.role if isinstance(item, MessageItem) else None
        if not self._groups and role in ("system", "developer"):
            self._opening.append(item)
        elif not self._groups or role == "user":
            self._groups.append([item])
        else:
            self._groups[-1].append(item)

    def _steps(self, group: Sequence[AnyItem]) -> list[Step]:
        steps: list[Step] = []
        for index, item in enumerate(group):
            if isinstance(item, FunctionCallItem):
                self._explain(item, steps)
            steps += self._told(item, group[index + 1 :])
        return steps

    def _explain(self, call: FunctionCallItem, steps: list[Step]) -> None:
        """Put what was thought before a call where it was thought, if the client left it out."""
        place = len(steps)
        while place and steps[place - 1].kind == "preamble":
            place -= 1
        if not place or steps[place - 1].kind not in ("thinking", "call"):
            steps[place:place] = _thinking(thoughts.recall(self._user_id, call.call_id))

    def _told(self, item: AnyItem, following: Iterable[AnyItem]) -> Iterator[Step]:
        match item:
            case ReasoningItem():
                yield from _thinking(item.text)
            case FunctionCallItem():
                yield Step("call", item.arguments, item.name)
            case FunctionCallOutputItem():
                yield Step("result", item.output, self._called[item.call_id])
            case MessageItem(role="system" | "developer"):
                yield Step("instructions", item.content)
            case MessageItem(role="assistant") if item.content:
                is_preamble = item.phase == "commentary" or _leads_to_call(following)
                yield Step("preamble" if is_preamble else "answer", item.content)


def _called(items: Sequence[AnyItem], stored: int) -> dict[str, str]:
    """The functions that were called, by call_id."""
    called: dict[str, str] = {}
    for index, item in enumerate(items):
        if isinstance(item, FunctionCallItem):
            called[item.call_id] = item.name
        elif isinstance(item, FunctionCallOutputItem) and item.call_id not in called:
            message = f"call_id {item.call_id!r} is not that of a function_call before it."
            raise ApiError(400, message, code="invalid_value", param=f"input[{index - stored}].call_id")
    return called


def _prompt_of(group: Sequence[AnyItem]) -> str:
    first = group[0]
    return first.content if isinstance(first, MessageItem) and first.role == "user" else ""


def _thinking(text: str) -> Iterator[Step]:
    if text:
        yield Step("thinking", text)


def _leads_to_call(following: Iterable[AnyItem]) -> bool:
    item = next((item for item in following if not isinstance(item, ReasoningItem)), None)
    return isinstance(item, FunctionCallItem)


def request_of(body: ResponseBody, conversation: Conversation) -> Request:
    *history, newest = conversation.turns
    schema, told = _format(body.format)
    return Request(
        newest.prompt,
        timezone.localdate(),
        history,
        steps=newest.steps,
        effort=effort_of(body.reasoning.effort if body.reasoning else None),
        instructions="\n\n".join(filter(None, [body.instructions, conversation.instructions])),
        tools=() if body.tool_choice == "none" else tuple(map(_tool, body.tools or [])),
        json_schema=schema,
        response_format=told,
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
    )


def _tool(tool: ResponseTool) -> Tool:
    return Tool(tool.name, tool.description or "", tool.parameters, bool(tool.strict))


def _format(text_format: TextFormat) -> tuple[str | None, str]:
    if text_format.type == "text":
        return None, ""
    if text_format.schema_ is None:
        return ANY_OBJECT, response_format_text("json", "", ANY_OBJECT)
    schema = json.dumps(text_format.schema_, ensure_ascii=False)
    return schema, response_format_text(text_format.name or "answer", text_format.description or "", schema)
