from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from chat import turns
from chat.models import Conversation, Message, Role, Status
from chat.search.hits import HITS, Hit, search
from chat.search.phrases import WORDS, phrases_of

HOSTILE = [
    "",
    " ",
    '"',
    '""',
    '"cat',
    "'",
    "cat'; DROP TABLE chat_message; --",
    "*",
    "cat*",
    "**",
    "AND",
    "cat AND",
    "NOT cat",
    "OR OR",
    "NEAR(cat, 3)",
    "(",
    ")",
    "(cat",
    "title:cat",
    "{text}: cat",
    "^cat",
    "cat-dog",
    "-cat",
    "cat + dog",
    "\\",
    "a\\'b",
    "%",
    "%s",
    "_",
    "cat & ! | <->",
    "cat:*",
    "🐱",
    "cat 🐱",
    "\x00",
    "ca\x00t",
    "\ud800",
    "cat \udfff",
    "x" * 10_000,
    "cat " * 2_500,
    '"' * 10_000,
    "नमस्ते",
    "日本語",
    "𞤀𞤁",
    "\u0301",
    "ﬁ",
    "İ",
]


def talk(owner: User, prompt: str, answer: str = "", thinking: str = "", title: str = "A talk") -> Conversation:
    """A conversation of one turn."""
    conversation = Conversation.objects.create(owner=owner, title=title)
    asked = conversation.messages.create(role=Role.USER, text=prompt)
    conversation.leaf = conversation.messages.create(parent=asked, role=Role.ASSISTANT, text=answer, thinking=thinking)
    conversation.save()
    return conversation


def marked(hit: Hit) -> str:
    return "".join(f"[{piece.text}]" if piece.is_match else piece.text for piece in hit.excerpt)


def found(user: User, query: str) -> list[tuple[str, str]]:
    return [(hit.part, marked(hit)) for hit in search(user, query)]


@pytest.fixture(autouse=True)
def animals(ann: User) -> Conversation:
    return talk(
        ann,
        "Do cats like water?",
        "Most cats avoid water, but the Türkish Van swims.",
        "The person asks about felines and water.",
        title="Pets & swimming",
    )


def test_prompts_answers_thinking_and_titles_are_found(ann: User) -> None:
    assert found(ann, "like") == [("prompt", "Do cats [like] water?")]
    assert found(ann, "avoid") == [("answer", "Most cats [avoid] water, but the Türkish Van swims.")]
    assert found(ann, "felines") == [("thinking", "The person asks about [felines] and water.")]
    [hit] = search(ann, "swimming")
    assert (hit.part, [piece.text for piece in hit.title if piece.is_match]) == ("title", ["swimming"])


def test_titles_come_first_and_thinking_comes_last(ann: User) -> None:
    talk(ann, "zebra", "none", "none", title="none")
    talk(ann, "none", "none", "zebra", title="none")
    talk(ann, "none", "none", "none", title="Zebra")
    assert [hit.part for hit in search(ann, "zebra")] == ["title", "prompt", "thinking"]


def test_the_beginning_of_the_last_word_is_enough(ann: User) -> None:
    assert [part for part, _ in found(ann, "cats avo")] == ["answer"]
    assert found(ann, "avo cats") == []
    assert found(ann, "water? Do cat") == [("prompt", "[Do] [cat]s like [water]?")]


def test_case_and_accents_do_not_matter(ann: User) -> None:
    talk(ann, "Ein schönes CAFÉ in Łódź", title="x")
    for query in ("cafe", "Café", "CAFE\u0301", "schones", "turkish", "TÜRKISH"):
        assert len(search(ann, query)) == 1, query


def test_quoted_words_stand_together(ann: User) -> None:
    assert [part for part, _ in found(ann, '"cats avoid"')] == ["answer"]
    assert found(ann, '"cats water"') == []
    for typographic in ("“{}”", "„{}“", "«{}»"):
        assert len(found(ann, typographic.format("cats avoid"))) == 1
        assert found(ann, typographic.format("cats water")) == []
    assert found(ann, '"cats avo"') == []
    assert [part for part, _ in found(ann, 'swims "cats avoid"')] == ["answer"]


def test_words_within_punctuation_are_found(ann: User) -> None:
    talk(ann, "See /usr/lib/python3.11/asyncio or mail ann@example.org about <b>bold-face</b> foo_bar 3.14.", title="x")
    for query in ("asyncio", "lib/python3.11", "example", "bold", "face", "bar", "3.14", "ann@example.org"):
        assert len(search(ann, query)) == 1, query


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: repr(query[:12]))
def test_any_text_is_a_query(client: Client, ann: User, query: str) -> None:
    search(ann, query)
    if not any("\ud800" <= character <= "\udfff" for character in query):
        client.force_login(ann)
        assert client.get(reverse("chat:search"), {"q": query}).status_code == 200


def test_nobody_finds_what_is_not_theirs(ann: User, bob: User) -> None:
    talk(bob, "cats of Bob", title="cats of Bob")
    assert {hit.conversation.owner_id for hit in search(ann, "cats")} == {ann.pk}
    assert {hit.conversation.owner_id for hit in search(bob, "cats")} == {bob.pk}


def test_deleted_ones_are_not_found_and_archived_ones_are_marked(
    client: Client, ann: User, animals: Conversation
) -> None:
    Conversation.objects.update(is_archived=True)
    client.force_login(ann)
    assert "archived" in client.get(reverse("chat:search"), {"q": "felines"}).content.decode()
    Conversation.objects.update(deleted_at=timezone.now())
    assert search(ann, "felines") == search(ann, "swimming") == []


def test_every_way_of_writing_reaches_the_index(ann: User, animals: Conversation) -> None:
    answer = animals.messages.get(role=Role.ASSISTANT)
    Message.objects.filter(pk=answer.pk).update(status=Status.STREAMING, run="r", text="an ocelot")
    assert found(ann, "ocelot") == []
    answer.text, answer.status, answer.run = "a serval", Status.COMPLETE, "r"
    turns.save(answer, [])
    assert [part for part, _ in found(ann, "serval")] == ["answer"]
    assert found(ann, "avoid") == []
    Message.objects.bulk_create([Message(conversation=animals, role=Role.USER, text="a caracal")])
    assert [part for part, _ in found(ann, "caracal")] == ["prompt"]
    Conversation.objects.filter(pk=animals.pk).update(title="Lynxes")
    assert [part for part, _ in found(ann, "lynx")] == ["title"]
    assert found(ann, "swimming") == []
    animals.delete()
    assert found(ann, "serval") == found(ann, "lynx") == []


def test_one_conversation_does_not_fill_the_list_and_the_list_ends(client: Client, ann: User) -> None:
    many = talk(ann, "mouse", title="x")
    Message.objects.bulk_create([Message(conversation=many, role=Role.USER, text="mouse") for _ in range(20)])
    assert len(search(ann, "mouse")) == 3
    for number in range(HITS):
        talk(ann, f"mouse {number}", title="x")
    assert len(search(ann, "mouse")) == HITS + 1
    client.force_login(ann)
    html = client.get(reverse("chat:search"), {"q": "mouse"}, headers={"HX-Request": "true"}).content.decode()
    assert html.count('class="hit"') == HITS
    assert "There is more" in html


def test_a_long_text_is_cut_around_the_match(ann: User) -> None:
    talk(ann, f"{'before ' * 200}needle\n\n{'after ' * 200}", title="x")
    [(_, text)] = found(ann, "needle")
    assert re.fullmatch(r"… (before )+\[needle\] (after )+…", text)
    assert len(text) < 220


def test_what_is_found_is_never_markup(client: Client, ann: User) -> None:
    talk(ann, '<script>alert("kiwi")</script> <mark>kiwi</mark> {{ kiwi }}', title="<b>kiwi</b>")
    client.force_login(ann)
    for headers in ({}, {"HX-Request": "true"}):
        html = client.get(reverse("chat:search"), {"q": "kiwi</p>"}, headers=headers).content.decode()
        assert "&lt;script&gt;alert(&quot;<mark>kiwi</mark>&quot;)&lt;/script&gt;" not in html  # "p" is wanted, too
        html = client.get(reverse("chat:search"), {"q": "kiwi"}, headers=headers).content.decode()
        assert "&lt;script&gt;alert(&quot;<mark>kiwi</mark>&quot;)&lt;/script&gt;" in html
        assert "&lt;b&gt;<mark>kiwi</mark>&lt;/b&gt;" in html


def test_a_hit_leads_to_its_message(client: Client, ann: User, animals: Conversation) -> None:
    client.force_login(ann)
    prompt = animals.messages.get(role=Role.USER)
    html = client.get(reverse("chat:search"), {"q": "like"}).content.decode()
    assert f'href="{animals.get_absolute_url()}?from={prompt.pk}#message-{prompt.pk}"' in html


@pytest.mark.django_db(transaction=True)  # what the view does in another thread would close a test's transaction
def test_a_hit_in_another_version_is_opened_by_showing_it(client: Client, ann: User, animals: Conversation) -> None:
    shown = animals.leaf
    assert shown
    hidden = animals.messages.create(parent=shown.parent, role=Role.ASSISTANT, text="A hidden margay.")
    client.force_login(ann)
    [hit] = search(ann, "margay")
    assert not hit.is_shown
    html = client.get(reverse("chat:search"), {"q": "margay"}).content.decode()
    action = reverse("chat:conversation-act", args=[animals.pk])
    assert f'action="{action}"' in html
    response = client.post(action, {"action": "version", "message": hidden.pk})
    assert response["Location"] == f"{animals.get_absolute_url()}?from={hidden.pk}#message-{hidden.pk}"
    assert [hit.is_shown for hit in search(ann, "margay")] == [True]
    assert [hit.is_shown for hit in search(ann, "avoid")] == [False]


def test_a_search_takes_few_queries(ann: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(20):
        talk(ann, f"puma {number}", title=f"puma {number}")
    with django_assert_num_queries(5):
        search(ann, "puma")


def test_nothing_found_says_what_to_do(client: Client, ann: User) -> None:
    client.force_login(ann)
    html = client.get(reverse("chat:search"), {"q": "<unicorn>"}, headers={"HX-Request": "true"}).content.decode()
    assert html.startswith('<div id="search-results"')
    assert "Nothing found for “&lt;unicorn&gt;”" in html
    empty = client.get(reverse("chat:search"), {"q": " "}, headers={"HX-Request": "true"}).content.decode()
    assert re.fullmatch(r'<div id="search-results"[^>]*>\s*</div>\s*', empty)


def test_search_needs_a_person(client: Client, db: None) -> None:
    assert client.get(reverse("chat:search"), {"q": "cats"})["Location"].startswith("/accounts/login/")
    assert client.post(reverse("chat:search")).status_code in (302, 405)


def test_a_query_has_so_many_words_at_most() -> None:
    assert sum(len(phrase.words) for phrase in phrases_of('"' + "a " * 400 + '" b c')) == WORDS
