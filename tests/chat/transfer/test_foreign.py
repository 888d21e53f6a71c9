"""ChatGPT's and Open WebUI's exports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chat.models import Conversation, Message, Role, Status
from chat.orders import Continue, OrderError, Regenerate
from tests.chat.transfer.conftest import example, import_bytes, import_json, tree


def node(parent: str | None, role: str, text: str, **more: object) -> dict[str, object]:
    message = {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}, **more}
    return {"parent": parent, "children": [], "message": message}


def chatgpt(mapping: object, current: object = None, **more: object) -> list[dict[str, object]]:
    return [{"id": "one", "title": "One", "create_time": 1.7e9, "mapping": mapping, "current_node": current, **more}]


def open_webui(messages: object, current: object = None) -> list[dict[str, object]]:
    return [{"id": "one", "chat": {"history": {"messages": messages, "currentId": current}}}]


def test_chatgpts_tree_is_kept_as_versions(ann: User) -> None:
    report = import_bytes(ann, example("chatgpt.json"))
    assert (report.imported, report.present, report.unreadable) == (2, 0, 0)
    conversation = Conversation.objects.get(title="Capitals")
    assert tree(conversation) == [
        ("user", "[image]\n\nWhich capital is this?", ""),
        ("assistant", "**Paris**.", "[image]\n\nWhich capital is this?"),
        ("user", "And of Chile?", "**Paris**."),
        ("user", "And of Peru?", "**Paris**."),
        ("assistant", '```python\nprint("Santiago")\n```', "And of Chile?"),
        ("assistant", "Lima.", "And of Peru?"),
    ]
    assert [message.text for message in conversation.path()][2:] == ["And of Peru?", "Lima."]
    assert conversation.path()[2].versions == 2


def test_chatgpts_facts_are_kept(ann: User) -> None:
    import_bytes(ann, example("chatgpt.json"))
    conversation = Conversation.objects.get(title="Capitals")
    answer = conversation.messages.get(text="**Paris**.")
    assert answer.thinking == "Looking at the picture\nA tower of iron."
    assert (answer.thinking_seconds, answer.model, answer.status) == (5.0, "gpt-5-thinking", Status.COMPLETE)
    assert conversation.is_archived
    assert conversation.created_at == datetime.fromtimestamp(1754000000.25, UTC)
    assert conversation.updated_at == datetime.fromtimestamp(1754000900.5, UTC)
    assert answer.created_at == datetime.fromtimestamp(1754000003, UTC)


def test_a_title_is_made_where_there_is_none(ann: User) -> None:
    import_bytes(ann, example("chatgpt.json"))
    conversation = Conversation.objects.exclude(title="Capitals").get()
    assert conversation.title == "Tell me a joke about half a character: \N{REPLACEMENT CHARACTER}"
    assert conversation.path()[-1].text == "😀"


def test_open_webuis_tree_and_thinking_are_kept(ann: User) -> None:
    assert import_bytes(ann, example("open_webui.json")).imported == 2
    conversation = Conversation.objects.get(title="Sums")
    first, second = conversation.messages.filter(parent__text="2 + 2?").order_by("pk")
    assert (first.text, first.thinking, first.thinking_seconds) == ("4", "Two & two.\n\nThat is <four>.", 3.0)
    assert (second.text, second.thinking, second.model) == ("", "Old way,\nunescaped", "llama3:8b")
    assert conversation.leaf == second
    assert (conversation.instructions, conversation.is_pinned) == ("Count carefully.", True)
    assert conversation.updated_at == datetime.fromtimestamp(1750000400, UTC)
    last = conversation.messages.get(parent__text="And in this picture?\n\n[image]")
    assert last.text == "Seven.\n\n<details><summary>Why</summary>Count them.</details>"


def test_neighbours_of_one_role_become_one_message(ann: User) -> None:
    import_bytes(ann, example("open_webui.json"))
    assert tree(Conversation.objects.get(title="A list")) == [
        ("user", "Hello\n\nAnybody there?", ""),
        ("assistant", "Yes.", "Hello\n\nAnybody there?"),
    ]


def test_a_version_of_a_part_is_a_version_of_the_whole(ann: User) -> None:
    mapping = {
        "u": node(None, "user", "Why?"),
        "a": node("u", "assistant", "Because"),
        "b": node("a", "assistant", "of one."),
        "c": node("a", "assistant", "of two."),
    }
    import_json(ann, chatgpt(mapping, "c"))
    conversation = Conversation.objects.get()
    assert [text for _, text, parent in tree(conversation) if parent] == ["Because\n\nof one.", "Because\n\nof two."]
    assert conversation.path()[-1].text == "Because\n\nof two."


def test_an_empty_part_is_no_version(ann: User) -> None:
    mapping = {
        "u": node(None, "user", "Why?"),
        "a": node("u", "assistant", "Because"),
        "b": node("a", "assistant", "of it."),
        "c": node("a", "assistant", ""),
        "d": node("a", "assistant", " "),
        "v": node("c", "user", "Of what?"),
    }
    import_json(ann, chatgpt(mapping, "b"))
    assert tree(Conversation.objects.get()) == [
        ("user", "Why?", ""),
        ("assistant", "Because\n\nof it.", "Why?"),
        ("assistant", "Because", "Why?"),
        ("user", "Of what?", "Because"),
    ]


def test_an_answer_without_a_prompt_is_left_out(ann: User) -> None:
    mapping = {"hi": node(None, "assistant", "Hello!"), "u": node("hi", "user", "Hi"), "a": node("u", "assistant", "?")}
    import_json(ann, chatgpt(mapping))
    assert tree(Conversation.objects.get()) == [("user", "Hi", ""), ("assistant", "?", "Hi")]


def test_what_hangs_on_nothing_begins_a_tree(ann: User) -> None:
    import_json(ann, chatgpt({"u": node("gone", "user", "Hi"), "a": node("u", "assistant", "Ho")}, "also gone"))
    assert len(Conversation.objects.get().path()) == 2


def test_a_circle_of_parents_is_refused(ann: User) -> None:
    ring = {"u": node("a", "user", "Hi"), "a": node("u", "assistant", "Ho"), "x": node(None, "user", "Fine")}
    report = import_json(ann, chatgpt(ring))
    assert report.problems == ["“One”: its messages do not form a tree"]
    assert not Message.objects.exists()


def test_a_path_of_thousands_is_no_problem(ann: User) -> None:
    count = 1500
    mapping = {"0": node(None, "user", "Go")} | {
        str(key): node(str(key - 1), ["user", "assistant"][key % 2], f"{key}") for key in range(1, count)
    }
    import_json(ann, chatgpt(mapping, str(count - 1)))
    assert len(Conversation.objects.get().path()) == count


def test_what_was_never_shown_is_left_out(ann: User) -> None:
    hidden = {"is_visually_hidden_from_conversation": True}
    mapping = {
        "s": node(None, "system", "SECRET"),
        "u": node("s", "user", "Hi"),
        "h": node("u", "user", "SECRET", metadata=hidden),
        "c": node("h", "assistant", "SECRET", recipient="python"),
        "t": node("c", "tool", "SECRET"),
        "n": node("t", "assistant", "I think", channel="analysis"),
        "a": node("n", "assistant", "Ho", channel="final"),
    }
    import_json(ann, chatgpt(mapping, "a"))
    conversation = Conversation.objects.get()
    assert tree(conversation) == [("user", "Hi", ""), ("assistant", "Ho", "Hi")]
    assert conversation.path()[-1].thinking == "I think"


def test_times_are_read_in_any_unit_and_are_never_in_the_future(ann: User) -> None:
    mapping = {
        "u": node(None, "user", "Hi", create_time=1.7e12),
        "a": node("u", "assistant", "Ho", create_time=9e9),
        "b": node("u", "assistant", "Hu", create_time=float("nan")),
    }
    import_json(ann, chatgpt(mapping, update_time="2024-01-02T03:04:05Z"))
    times = dict(Message.objects.values_list("text", "created_at"))
    assert times["Hi"] == times["Hu"] == datetime.fromtimestamp(1.7e9, UTC)
    assert times["Ho"] <= timezone.now()
    assert Conversation.objects.get().updated_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_characters_that_no_database_takes_are_left_out(ann: User) -> None:
    import_json(ann, chatgpt({"a": node(None, "user", "H\0i\ud800!")}, title="T\0\udfff"))
    conversation = Conversation.objects.get()
    assert conversation.path()[0].text == "Hi\N{REPLACEMENT CHARACTER}!"
    assert conversation.title == "T\N{REPLACEMENT CHARACTER}"


def test_thinking_without_tokens_cannot_go_on(ann: User) -> None:
    import_bytes(ann, example("open_webui.json"))
    conversation = Conversation.objects.get(title="Sums")
    assert conversation.leaf is not None
    with pytest.raises(OrderError, match="Regenerate it"):
        Continue(conversation.leaf.pk, answers_now=True).request(conversation)
    assert Regenerate(conversation.leaf.pk).request(conversation).prompt == "2 + 2?"


ODD: list[object] = [None, 5, "text", [], {}, True, [[]], {"role": "user"}, {"parts": 5}, "\0\ud800", 1e308]


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_anywhere_break_nothing(ann: User, odd: object) -> None:
    good = node(None, "user", "Hi")
    message = cast(dict[str, object], good["message"])
    spoiled: list[object] = [
        *chatgpt({"a": odd, "b": {"message": odd}, "c": {"message": {"author": odd, "content": odd}}}, odd),
        *chatgpt({"a": good}, odd, title=odd, update_time=odd, is_archived=odd, conversation_id=odd),
        *chatgpt({"a": {**good, "children": odd, "parent": odd}}, id="two"),
        *chatgpt(
            {"a": {**good, "message": {**message, "content": {"content_type": odd, "parts": [odd, "x"]}}}}, id=odd
        ),
        *chatgpt({"a": {**good, "message": {**message, "metadata": odd, "create_time": odd}}}, id="three"),
        *open_webui({"a": odd, "b": {"role": "user", "content": odd}}, odd),
        {"id": odd, "title": odd, "chat": {"messages": [odd, {"role": "user", "content": "Hi", "id": odd}]}},
        {"chat": {"history": {"messages": odd}, "params": odd, "models": odd, "system": odd, "timestamp": odd}},
        {"chat": odd},
        odd,
    ]
    report = import_json(ann, spoiled)
    assert report.imported + report.present + report.unreadable == len(spoiled)
    assert report.imported >= 3
    for conversation in Conversation.objects.all():
        roles = [message.role for message in conversation.path()]
        assert roles == [Role.USER, Role.ASSISTANT][: len(roles)]


def test_long_odd_details_take_no_time(ann: User) -> None:
    content = '<details type="reasoning"' * 100_000 + "<details " * 100_000
    messages = {"u": {"role": "user", "content": "Hi"}, "a": {"parentId": "u", "role": "assistant", "content": content}}
    assert import_json(ann, open_webui(messages)).imported == 1
