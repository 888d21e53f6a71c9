"""Trees and values of any shape: whatever a file says, what is read is a tree of prompts and answers, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.models import Conversation, Message, Role
from chat.transfer import chatgpt, document, foreign, open_webui, values
from chat.transfer.draft import Draft
from chat.transfer.errors import UnreadableError
from chat.transfer.foreign import Node
from chat.transfer.levels import levels

NODES = st.lists(
    st.tuples(st.integers(-1, 40), st.sampled_from([Role.USER, Role.ASSISTANT, None]), st.booleans()), max_size=40
)


def path_to(message: Message | None) -> list[Message]:
    path = []
    while message:
        path.append(message)
        message = message.parent
    return path[::-1]


def drafted(shape: list[tuple[int, Role | None, bool]], current: int) -> Draft:
    """Each node with its number as text, or with none."""
    nodes = {
        str(key): Node(str(parent), role, f"<{key}>" if has_text else "")
        for key, (parent, role, has_text) in enumerate(shape)
    }
    return foreign.draft(Conversation(), nodes, str(current), source="test", source_id="1")


@given(NODES, st.integers(-1, 40))
@settings(max_examples=300, deadline=None)
def test_prompts_and_answers_take_turns_on_every_path(shape: list[tuple[int, Role | None, bool]], current: int) -> None:
    reached = levels({key: parent for key, (parent, _, _) in enumerate(shape)})
    try:
        draft = drafted(shape, current)
    except UnreadableError:
        assert sum(map(len, reached)) < len(shape)
        return
    parents = {id(message.parent) for message in draft.messages}
    for message in draft.messages:
        roles = [each.role for each in path_to(message)]
        assert roles == ([Role.USER, Role.ASSISTANT] * len(roles))[: len(roles)]
        assert message.text or message.thinking
    assert (draft.leaf is None) == (not draft.messages)
    assert id(draft.leaf) not in parents or draft.leaf is None
    shown = "".join(message.text for message in draft.messages)
    assert all(f"<{key}>" in shown for key, (_, role, has_text) in enumerate(shape) if has_text and role == Role.USER)


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from([Role.USER, Role.ASSISTANT])), max_size=40))
@settings(max_examples=100, deadline=None)
def test_the_shown_path_has_all_texts_down_to_the_current_node(choices: list[tuple[int, Role]]) -> None:
    shape: list[tuple[int, Role | None, bool]] = [(-1, Role.USER, True)]
    shape += [(choice % (key + 1), role, True) for key, (choice, role) in enumerate(choices)]
    current = len(shape) - 1
    expected = []
    while current >= 0:
        expected.append(f"<{current}>")
        current = shape[current][0]
    draft = drafted(shape, len(shape) - 1)
    assert "\n\n".join(expected[::-1]) == "\n\n".join(message.text for message in path_to(draft.leaf))


WORDS = """author chat children childrenIds content content_type created_at current_node currentId feedback format
history id mapping message messages metadata parent parentId parts role text thoughts title token_ids user assistant
code localai-conversation version leaf status rating""".split()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=2), inner),
    max_leaves=30,
)


@pytest.mark.parametrize(
    ("read", "frame"),
    [
        (chatgpt.read, lambda value: {"mapping": {"a": value, "b": {"message": value}}, "title": value}),
        (open_webui.read, lambda value: {"chat": {"messages": [value, {"role": "user", "content": value}]}}),
        (open_webui.read, lambda value: {"history": {"messages": {"a": value}, "currentId": value}}),
        (document.read, lambda value: {"version": 1, "messages": value}),
        (document.read, lambda value: {"version": 1, "messages": [{"id": 1, "role": "user", "token_ids": value}]}),
        (document.read, lambda value: {"version": 1, "id": value, "effort": value, "messages": [value, value]}),
    ],
)
@given(value=ANYTHING)
@settings(max_examples=100, deadline=None)
def test_any_value_is_read_or_refused(
    read: Callable[[object], Draft], frame: Callable[[object], dict[str, object]], value: object
) -> None:
    entry = json.loads(json.dumps(frame(value)))
    try:
        draft = read(entry)
    except UnreadableError:
        return
    for message in draft.messages:
        (message.text + message.thinking + message.model).encode()
        assert "\0" not in message.text


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1.5e9, "2017-07-14T02:40:00+00:00"),
        (1.5e12, "2017-07-14T02:40:00+00:00"),
        (1.5e15, "2017-07-14T02:40:00+00:00"),
        (1_500_000_000_000_000_000, "2017-07-14T02:40:00+00:00"),
        ("2017-07-14T04:40:00+02:00", "2017-07-14T02:40:00+00:00"),
        ("2017-07-14 02:40", "2017-07-14T02:40:00+00:00"),
        ("1812-01-01", None),
        ("0001-01-01T00:00:00+14:00", None),
        (-1, None),
        (1e300, None),
        pytest.param(10**400, None, id="huge"),
        (True, None),
        ("soon", None),
    ],
)
def test_times(value: object, iso: str | None) -> None:
    moment = values.moment(value)
    assert (moment.isoformat() if moment else None) == iso
