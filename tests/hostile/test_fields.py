"""What people type: saved and shown as sent, or refused and left in its field; never markup in a page."""

from __future__ import annotations

import re
import time
from uuid import UUID

import httpx
import pytest
from hypothesis import given

from inference.harmony import count_tokens
from tests.document import Element, parsed
from tests.hostile.conftest import HostedSite
from tests.hostile.examples import hostile
from tests.hostile.pages import field_value
from tests.hostile.texts import all_texts, encodable, texts
from tests.hostile.visitor import Visitor
from tests.scripted_server import reply

SAVED = (httpx.codes.OK, httpx.codes.FOUND)
MOST_INSTRUCTION_TOKENS = 1000
MOST_PROMPT_CHARACTERS = 64_000


@pytest.fixture(scope="module")
def talk(ann: Visitor, hosted: HostedSite) -> str:
    """The path of a conversation with one answer."""
    path = ann.new_conversation()
    assert ann.post(f"{path}prompt/", {"prompt": "Hello"}).status_code == httpx.codes.FOUND
    wait_until_answered(hosted)
    return path


def key_of(path: str) -> str:
    """Of a conversation, as SQLite has it."""
    return UUID(path.strip("/").split("/")[1]).hex


def wait_until_answered(hosted: HostedSite) -> None:
    while hosted.rows("SELECT 1 FROM chat_message WHERE status = 'streaming'"):
        time.sleep(0.005)


def in_lines(text: str) -> str:
    """As browsers read it in HTML and send it from a form."""
    return re.sub("\r\n?", "\n", text)


def kept(text: str) -> str:
    """As `chat.fields.cleaned_text` says it keeps a text."""
    return in_lines(text).replace("\0", "")


def name_of(text: str) -> str:
    return " ".join(kept(text).split())


def is_named(page: Element, name: str) -> bool:
    return any(field.attributes.get("value", "") == name for field in page.where("name", "name"))


def first_text(page: Element, name: str) -> str:
    """Of the first text area of that name."""
    return page.where("name", name)[0].text.removeprefix("\n")


@hostile(70)
@given(title=texts)
def test_title(ann: Visitor, root: Visitor, hosted: HostedSite, talk: str, title: str) -> None:
    before, response = ann.page(talk), ann.post(f"{talk}rename/", {"title": title})

    (saved,) = hosted.rows("SELECT title FROM chat_conversation WHERE id = ?", key_of(talk))[0]
    if response.status_code in SAVED:
        assert saved == title.strip()
        assert ann.page(talk).where("aria-current", "page")[0].text == saved
        assert ann.get(f"{talk}export/json/").json()["title"] == saved
        ann.get(f"{talk}export/markdown/")
        ann.get("/search/", {"q": title})
        root.get("/admin/chat/conversation/")
    else:
        assert not 1 <= len(title.strip()) <= 200 or "\0" in title
        assert before.where("aria-current", "page")[0].text == saved
        assert field_value(parsed(response.text), "title") == (title or saved)


@hostile(60)
@given(prompt=all_texts)
def test_prompt_and_the_same_as_an_answer(ann: Visitor, hosted: HostedSite, prompt: str) -> None:
    path = ann.new_conversation()
    hosted.script.scripts.clear()
    hosted.script.enqueue(reply(prompt[:2000], prompt[:2000]))
    response = ann.post(f"{path}prompt/", {"prompt": prompt})

    if response.status_code in SAVED:
        wait_until_answered(hosted)
        query = "SELECT text FROM chat_message WHERE conversation_id = ? AND role = 'user'"
        assert hosted.rows(query, key_of(path)) == [(prompt.replace("\r\n", "\n"),)]
        assert ann.page(path).where("data-part", "prompt")[0].text == prompt.replace("\r\n", "\n")
        (answer,) = hosted.rows("SELECT max(id) FROM chat_message")[0]
        ann.page(f"{path}context/{answer}/")
        for form in ("markdown", "json", "harmony"):
            ann.get(f"{path}export/{form}/")
    else:
        assert response.status_code == httpx.codes.BAD_REQUEST
        assert not hosted.rows("SELECT 1 FROM chat_message WHERE conversation_id = ?", key_of(path))
        assert field_value(parsed(response.text), "prompt") == prompt


@hostile(50)
@given(text=all_texts)
def test_instructions_for_all_conversations(ann: Visitor, hosted: HostedSite, text: str) -> None:
    response = ann.post("/settings/", {"instructions": text})

    if response.status_code in SAVED:
        assert hosted.rows("SELECT instructions FROM chat_preferences") == [(kept(text).strip(),)]
        assert first_text(ann.page("/settings/"), "instructions") == kept(text).strip()
    else:
        assert count_tokens(kept(text)) > MOST_INSTRUCTION_TOKENS
        assert first_text(parsed(response.text), "instructions") == text


@hostile(50)
@given(text=texts, name=texts)
def test_instructions_of_a_conversation(ann: Visitor, hosted: HostedSite, talk: str, text: str, name: str) -> None:
    fields = {"source": "own", "instructions": text, "name": name}
    response = ann.post(f"{talk}settings/", fields)

    ann.page("/settings/")
    if response.status_code in SAVED:
        query = "SELECT instructions FROM chat_conversation WHERE id = ?"
        assert hosted.rows(query, key_of(talk)) == [(kept(text).strip(),)]
        page = ann.page(f"{talk}settings/")
        assert field_value(page, "instructions") == kept(text).strip()
        assert not name_of(name) or name_of(name) in [each.text for each in page.where("value")]
        for (preset,) in hosted.rows("SELECT id FROM chat_preset"):
            ann.post(f"/settings/presets/{preset}/delete/", {})
    else:
        page = parsed(response.text)
        assert field_value(page, "instructions") == text
        assert field_value(page, "name") == name


@hostile(50)
@given(name=texts, text=texts)
def test_preset(ann: Visitor, hosted: HostedSite, name: str, text: str) -> None:
    response = ann.post("/settings/presets/", {"name": name, "instructions": text})

    saved = hosted.rows("SELECT name, instructions FROM chat_preset")
    if response.status_code in SAVED:
        assert saved == [(name_of(name), kept(text).strip())]
        page = ann.page("/settings/")
        assert is_named(page, name_of(name))
        for (preset,) in hosted.rows("SELECT id FROM chat_preset"):
            ann.post(f"/settings/presets/{preset}/delete/", {})
        ann.page("/settings/")  # offers to bring it back
    else:
        assert not saved
        page = parsed(response.text)
        assert is_named(page, name)
        assert field_value(page, "instructions") == text


@hostile(50)
@given(note=texts)
def test_note_about_an_answer(ann: Visitor, root: Visitor, hosted: HostedSite, talk: str, note: str) -> None:
    query = "SELECT id FROM chat_message WHERE role = 'assistant' AND conversation_id = ?"
    (answer,) = hosted.rows(query, key_of(talk))[0]
    response = ann.post(f"{talk}feedback/{answer}/", {"rating": "-1", "note": note})

    if response.status_code in SAVED:
        saved = note.replace("\r\n", "\n").strip()
        assert hosted.rows("SELECT note FROM chat_feedback") == [(saved,)]
        assert field_value(ann.page(talk), "note") == saved
        root.get("/admin/chat/conversation/", {"q": note})
    else:
        assert len(note) > 2000 or "\0" in note
        assert field_value(parsed(response.text), "note") == note


@hostile(40)
@given(name=texts)
def test_name_of_an_api_key(ann: Visitor, root: Visitor, hosted: HostedSite, name: str) -> None:
    response = ann.post("/settings/api-keys/", {"name": name})

    if response.status_code in SAVED:
        key, saved = hosted.rows("SELECT id, name FROM inference_apikey ORDER BY id DESC LIMIT 1")[0]
        assert saved == name_of(name)
        assert saved in ann.page("/settings/api-keys/").text
        root.get("/admin/inference/apikey/")
        ann.post(f"/settings/api-keys/{key}/revoke/", {})
        ann.get("/settings/api-keys/")  # says so
    else:
        assert field_value(parsed(response.text), "name") == name


@hostile(60)
@given(query=all_texts)
def test_search(ann: Visitor, root: Visitor, talk: str, query: str) -> None:
    asked = query[:1200]  # an address is not longer
    assert field_value(ann.page("/search/", {"q": asked}), "q") == asked.strip()[:200]
    root.get("/admin/chat/conversation/", {"q": asked})
    root.get("/admin/auth/user/", {"q": asked})


@pytest.mark.parametrize("model", ["auth/user", "auth/group", "chat/invitation", "chat/message", "inference/apikey"])
def test_search_for_very_many_words(root: Visitor, model: str) -> None:
    page = root.page(f"/admin/{model}/", {"q": "a " * 1500})
    assert "at most 200 characters" in page.text


@hostile(30)
@given(name=texts, email=encodable | texts)
def test_invitation(root: Visitor, name: str, email: str) -> None:
    response = root.post("/admin/chat/invitation/add/", {"name": name, "email": email, "days": "7"})

    if response.status_code not in SAVED:
        assert field_value(parsed(response.text), "name") == name
    root.get("/admin/chat/invitation/")


@hostile(25)
@given(name=texts)
def test_group_of_the_administrators(root: Visitor, hosted: HostedSite, name: str) -> None:
    response = root.post("/admin/auth/group/add/", {"name": name})

    if response.status_code == httpx.codes.FOUND:
        assert (name.strip(),) in hosted.rows("SELECT name FROM auth_group")
        root.get(response.headers["location"])
        (key,) = hosted.rows("SELECT max(id) FROM auth_group")[0]
        root.get(f"/admin/auth/group/{key}/history/")
        root.post(f"/admin/auth/group/{key}/delete/", {"post": "yes"})
        root.get("/admin/")


@hostile(30)
@given(name=texts)
def test_name_of_somebody_who_wants_in(stranger: Visitor, name: str) -> None:
    for path in ("/accounts/login/", "/accounts/signup/"):
        response = stranger.post(path, {"username": name, "password": "x", "password1": "x", "password2": "y"})

        assert response.status_code != httpx.codes.FOUND
    stranger.post("/accounts/password/forgotten/", {"email": name})
