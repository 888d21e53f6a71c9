"""The settings page, a conversation's own settings, the colours and the language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import reverse
from django.utils import translation
from pytest_django import Settings

from chat import fragments
from chat.forms import max_prompt_characters
from chat.languages import language_of
from chat.models import Conversation, Preferences, Preset, Role
from inference import limits
from inference.engine import EngineFacts
from inference.status import Status
from tests.chat.conftest import PASSWORD
from tests.document import parsed

VALUES = {"effort": "high", "max_tokens": "200", "instructions": "Be brief.", "theme": "dark", "language": ""}
OWN = {"source": "own", "instructions": "Rhyme.", "max_tokens": "", "name": ""}
OWN |= {"own_effort": "", "initial-own_effort": ""}
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """A request leaves its language behind in this thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def page(client: Client, ann: User) -> Client:
    """Ann's browser."""
    client.force_login(ann)
    return client


def html_of(client: Client, url: str = "/settings/", **data: str) -> str:
    return client.get(url, data).content.decode()


def preferences(user: User) -> Preferences:
    return Preferences.objects.get(user=user)


def panel(conversation: Conversation) -> str:
    return reverse("chat:conversation-settings", args=[conversation.pk])


def test_settings_are_saved_and_confirmed(page: Client, ann: User) -> None:
    response = page.post("/settings/", VALUES, follow=True)
    assert "Your settings are saved." in response.content.decode()
    assert "Your settings are saved." not in html_of(page)
    saved = preferences(ann)
    assert (saved.effort, saved.max_tokens, saved.instructions, saved.theme) == ("high", 200, "Be brief.", "dark")
    page.post("/settings/", {**VALUES, "effort": "", "max_tokens": "", "instructions": ""})
    saved.refresh_from_db()
    assert (saved.effort, saved.max_tokens, saved.instructions) == ("", None, "")


def test_everyone_has_settings_of_their_own(page: Client, client: Client, ann: User, bob: User) -> None:
    page.post("/settings/", VALUES)
    client.force_login(bob)
    assert "Be brief." not in html_of(client)
    client.logout()
    for url in ("/settings/", "/settings/theme/", "/settings/presets/"):
        assert client.post(url)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("length", ["15", "2097", "many", "-1", "9" * 5000])
def test_a_bad_length_is_told_with_both_bounds_and_nothing_is_lost(page: Client, ann: User, length: str) -> None:
    response = page.post("/settings/", {**VALUES, "max_tokens": length})
    html = response.content.decode()
    assert response.status_code == 400
    assert "must have between 16 and 2,096 tokens" in html
    assert "Be brief." in html
    assert f'value="{length}"' in html
    assert not Preferences.objects.exists()


def test_the_longest_answer_is_what_the_engine_has_room_for(
    page: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = EngineFacts("scripted", 8192)
    monkeypatch.setattr(limits, "get_supervisor", lambda: SimpleNamespace(facts=facts))
    assert (
        "must have between 16 and 6,192" in page.post("/settings/", {**VALUES, "max_tokens": "6193"}).content.decode()
    )
    assert page.post("/settings/", {**VALUES, "max_tokens": "6192"}).status_code == 302
    facts.max_model_len = 1024
    assert limits.longest_answer_tokens() == settings.DEFAULT_MAX_TOKENS


def test_instructions_leave_half_of_the_context_to_the_talk(page: Client, ann: User, settings: Settings) -> None:
    settings.MAX_CONTEXT_TOKENS = 100
    html = page.post("/settings/", {**VALUES, "instructions": "word " * 51}).content.decode()
    assert "they have 51 tokens and at most 50 fit" in html
    assert "word " * 50 in html
    assert "data-theme" not in html.split("<head>")[0]
    assert page.post("/settings/", {**VALUES, "instructions": "word " * 48}).status_code == 302


def test_endless_instructions_are_not_counted(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.fields.count_tokens", lambda _: pytest.fail("counted"))
    html = page.post("/settings/", {**VALUES, "instructions": "x" * (max_prompt_characters() + 1)}).content.decode()
    assert "at most 64,000 are read" in html


def test_instructions_are_cleaned(page: Client, ann: User) -> None:
    page.post("/settings/", {**VALUES, "instructions": "one\r\ntwo\rthree\0 \u2028four  "})
    assert preferences(ann).instructions == "one\ntwo\nthree \u2028four"


def test_a_choice_that_is_not_offered_is_refused(page: Client) -> None:
    for name in ("effort", "theme", "language"):
        response = page.post("/settings/", {**VALUES, name: "klingon"})
        assert response.status_code == 400
        assert "klingon is not one of the available choices" in response.content.decode()
    assert not Preferences.objects.exists()


def test_one_gets_back_to_the_conversation(page: Client, conversation: Conversation, bob: User) -> None:
    url = f"/settings/?back={conversation.pk}"
    assert f'href="{url}"' in html_of(page, conversation.get_absolute_url())
    assert f'href="{conversation.get_absolute_url()}"' in html_of(page, url)
    assert page.post(url, VALUES)["Location"] == url
    foreign = Conversation.objects.create(owner=bob)
    for back in (foreign.pk, "nonsense"):
        html = html_of(page, "/settings/", back=str(back))
        assert 'href="/" data-action="back"' in html
        assert str(foreign.pk) not in html


# Presets


def test_presets_are_made_changed_and_deleted_with_undo(page: Client, ann: User) -> None:
    data = {"name": " Short  answers ", "instructions": "Be <brief>."}
    html = page.post("/settings/presets/", data, follow=True).content.decode()
    assert "The preset “Short answers” is saved." in html
    preset = Preset.objects.get(owner=ann)
    for name in ("Short answers", "Short"):
        page.post(f"/settings/presets/{preset.pk}/", {"name": name, "instructions": "One word."})
    preset.refresh_from_db()
    assert (preset.name, preset.instructions) == ("Short", "One word.")
    document = parsed(page.post(f"/settings/presets/{preset.pk}/delete/", follow=True).content.decode())
    assert not Preset.objects.exists()
    (undo,) = document.where("data-action", "undo")
    assert undo.parent is not None
    (title,) = undo.parent.where("name", "name")
    (text,) = undo.parent.where("name", "instructions")
    page.post(undo.parent.attributes["action"], {"name": title.attributes["value"], "instructions": text.text})
    assert Preset.objects.get(owner=ann).instructions == "One word."
    assert 'data-action="undo"' not in html_of(page)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"name": "Taken", "instructions": "Kept text"}, "another preset of this name"),
        ({"name": "", "instructions": "Kept text"}, "This field is required."),
        ({"name": "Kept text", "instructions": " "}, "This field is required."),
        ({"name": "x" * 81, "instructions": "Kept text"}, "at most 80 characters"),
    ],
)
def test_a_refused_preset_keeps_its_text(page: Client, ann: User, data: dict[str, str], told: str) -> None:
    Preset.objects.create(owner=ann, name="Taken", instructions="Others")
    response = page.post("/settings/presets/", data)
    assert response.status_code == 400
    assert told in response.content.decode()
    assert "Kept text" in response.content.decode()
    assert Preset.objects.count() == 1


def test_presets_of_others_do_not_exist(page: Client, bob: User, conversation: Conversation) -> None:
    preset = Preset.objects.create(owner=bob, name="Bob's", instructions="Secret")
    for url in (f"/settings/presets/{preset.pk}/", f"/settings/presets/{preset.pk}/delete/"):
        assert page.post(url, {"name": "Mine", "instructions": "now"}).status_code == 404
    assert "Bob&#x27;s" not in html_of(page)
    response = page.post(panel(conversation), {**OWN, "do": "fill", "preset": preset.pk})
    assert "Secret" not in response.content.decode()
    assert page.post("/settings/presets/", {"name": "Bob's", "instructions": "Mine"}).status_code == 302


# One conversation


def test_a_conversation_gets_settings_of_its_own(page: Client, conversation: Conversation) -> None:
    assert "own instructions" not in html_of(page, conversation.get_absolute_url())
    response = page.post(panel(conversation), {**OWN, "own_effort": "high", "max_tokens": "300"})
    assert response["Location"] == conversation.get_absolute_url()
    conversation.refresh_from_db()
    assert (conversation.instructions, conversation.effort, conversation.max_tokens) == ("Rhyme.", "high", 300)
    html = html_of(page, conversation.get_absolute_url())
    assert "own instructions" in html
    assert '<option value="high" selected>' in html
    page.post(panel(conversation), {**OWN, "source": "usual", "initial-own_effort": "high", "own_effort": "high"})
    conversation.refresh_from_db()
    assert (conversation.instructions, conversation.effort, conversation.max_tokens) == (None, "high", None)


def test_no_instructions_are_not_the_usual_ones(page: Client, ann: User, conversation: Conversation) -> None:
    Preferences.objects.create(user=ann, instructions="Be brief.")
    page.post(panel(conversation), {**OWN, "instructions": ""})
    conversation.refresh_from_db()
    assert conversation.current_instructions() == ""
    assert "own instructions" in html_of(page, conversation.get_absolute_url())
    page.post(panel(conversation), {**OWN, "source": "usual"})
    conversation.refresh_from_db()
    assert conversation.current_instructions() == "Be brief."


def test_the_panel_leaves_an_effort_alone_that_the_composer_changed(page: Client, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(effort="medium")
    page.post(panel(conversation), {**OWN, "own_effort": "low", "initial-own_effort": "low"})
    conversation.refresh_from_db()
    assert (conversation.effort, conversation.instructions) == ("medium", "Rhyme.")


def test_the_panel_answers_htmx_with_itself(page: Client, conversation: Conversation) -> None:
    response = page.post(panel(conversation), {**OWN, "own_effort": "high"}, headers=HTMX)
    html = response.content.decode()
    assert html.startswith('<details id="conversation-settings"')
    assert "Saved." in html
    assert 'id="effort" hx-swap-oob="innerHTML"' in html
    assert '<option value="high" selected>' in html
    assert "conversation-settings" in response["HX-Trigger"]
    again = page.post(panel(conversation), {**OWN, "own_effort": "high", "initial-own_effort": "high"}, headers=HTMX)
    assert 'id="effort"' not in again.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_refused_panel_keeps_its_text(page: Client, conversation: Conversation, headers: dict[str, str]) -> None:
    response = page.post(panel(conversation), {**OWN, "max_tokens": "1"}, headers=headers)
    assert response.status_code == 422
    assert "must have between 16 and 2,096 tokens" in response.content.decode()
    assert "Rhyme." in response.content.decode()
    conversation.refresh_from_db()
    assert conversation.instructions is None


def test_a_preset_fills_the_text_and_a_text_becomes_a_preset(
    page: Client, ann: User, conversation: Conversation
) -> None:
    preset = Preset.objects.create(owner=ann, name="Pirate", instructions="Talk like a pirate.")
    response = page.post(panel(conversation), {**OWN, "source": "usual", "do": "fill", "preset": preset.pk})
    assert "Talk like a pirate." in response.content.decode()
    assert re.search(r'value="own"[^>]* checked', response.content.decode())
    conversation.refresh_from_db()
    assert conversation.instructions is None
    assert "Choose a preset first." in page.post(panel(conversation), {**OWN, "do": "fill"}).content.decode()
    page.post(panel(conversation), {**OWN, "name": "Poet"})
    assert Preset.objects.get(name="Poet").instructions == "Rhyme."
    refused = page.post(panel(conversation), {**OWN, "name": "Poet"}).content.decode()
    assert "another preset of this name" in refused


def test_anothers_conversation_has_no_settings(client: Client, conversation: Conversation, bob: User) -> None:
    assert client.post(panel(conversation))["Location"].startswith("/accounts/login/")
    client.force_login(bob)
    assert client.get(panel(conversation)).status_code == 404
    assert client.post(panel(conversation), OWN).status_code == 404


def test_a_new_conversation_begins_with_the_usual_effort(page: Client) -> None:
    page.post("/settings/", VALUES)
    assert '<option value="high" selected>' in page.post("/new/", follow=True).content.decode()


# Colours and language


def test_the_page_is_served_in_the_chosen_colours(page: Client, ann: User, conversation: Conversation) -> None:
    assert "data-theme" not in html_of(page).split("<head>")[0]
    page.post("/settings/", VALUES)
    for url in ("/settings/", conversation.get_absolute_url(), "/nowhere/"):
        assert '<html lang="en" data-theme="dark">' in html_of(page, url)


def test_the_switch_changes_the_colours_at_once_and_without_script(page: Client, ann: User) -> None:
    page.post("/settings/", VALUES)
    html = page.post("/settings/theme/", {"theme": "light"}, headers=HTMX).content.decode()
    assert '<form id="theme" class="theme" data-theme="light"' in html
    assert (preferences(ann).theme, preferences(ann).effort) == ("light", "high")
    came_from = {"Referer": "http://testserver/settings/?back=1"}
    response = page.post("/settings/theme/", {"theme": "dark"}, headers=came_from)
    assert response["Location"] == "http://testserver/settings/?back=1"
    assert preferences(ann).theme == "dark"
    response = page.post("/settings/theme/", {"theme": "pink"}, headers={"Referer": "http://elsewhere.example/"})
    assert response["Location"] == "/"
    assert preferences(ann).theme == "dark"


def test_the_chosen_language_wins_over_the_browsers(page: Client, ann: User) -> None:
    german = {"Accept-Language": "de-AT,de;q=0.9"}
    assert '<html lang="de"' in page.get("/settings/", headers=german).content.decode()
    assert '<html lang="en"' in html_of(page)
    page.post("/settings/", {**VALUES, "language": "en"}, headers=german)
    assert '<html lang="en"' in page.get("/settings/", headers=german).content.decode()
    response = page.post("/settings/", {**VALUES, "language": "de"}, follow=True)
    assert '<html lang="de"' in response.content.decode()
    assert response["Content-Language"] == "de"
    assert "English" in response.content.decode()


def test_errors_and_numbers_are_german_for_germans(
    page: Client, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Preferences.objects.create(user=ann, language="de")
    html = page.post("/settings/", {**VALUES, "max_tokens": "1"}).content.decode()
    assert "muss zwischen 16 und 2.096 Token haben" in html
    answer = conversation.messages.create(
        role=Role.ASSISTANT, thinking="So.", thinking_tokens=9, thinking_seconds=0.34, text="Yes."
    )
    Conversation.objects.update(leaf=answer)
    starting = SimpleNamespace(status=Status("loading", "", started=1_700_000_000.25, since=1.5), facts=None)
    monkeypatch.setattr(fragments, "get_supervisor", lambda: starting)
    html = html_of(page, conversation.get_absolute_url())
    assert "0,3 s" in html
    assert 'data-since="1700000000"' in html
    assert "Stopp" in html


def test_who_is_not_logged_in_is_met_in_the_browsers_language(client: Client, db: None) -> None:
    for url in ("/accounts/login/", "/nowhere/"):
        response = client.get(url, headers={"Accept-Language": "de"})
        assert '<html lang="de"' in response.content.decode()
        assert response["Content-Language"] == "de"
        assert "Accept-Language" in response["Vary"]


def test_sockets_have_the_same_language(ann: User) -> None:
    german, odd = [(b"accept-language", b"de-DE,en;q=0.5")], [(b"Accept-Language", b"\xff;;q=x")]
    assert language_of(ann, german) == "de"
    assert language_of(ann, odd) == language_of(AnonymousUser(), []) == "en"
    Preferences.objects.create(user=ann, language="en")
    assert language_of(ann, german) == "en"


def test_a_new_password(page: Client, ann: User) -> None:
    new = "another-horse-8"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    refused = page.post("/accounts/password/", {**data, "old_password": "wrong"}).content.decode()
    assert "Your old password was entered incorrectly" in refused
    assert "Your password is changed." in page.post("/accounts/password/", data, follow=True).content.decode()
    ann.refresh_from_db()
    assert ann.check_password(new)
    assert page.get("/settings/").status_code == 200


def test_after_a_log_in_one_is_on_a_page_and_not_at_a_form(client: Client, ann: User) -> None:
    for url in ("/settings/", "/settings/theme/", "/settings/presets/1/delete/"):
        anonymous = client.post(url)
        response = client.post(anonymous["Location"], {"username": "ann", "password": PASSWORD})
        assert response["Location"] == "/settings/"
        client.logout()
