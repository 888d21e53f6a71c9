"""The pages of export and import."""

from __future__ import annotations

import io
import json
import zipfile
from typing import cast
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse

from chat.models import Conversation, Message, Role, Status, TokenIdsField
from chat.transfer import saving, views
from chat.transfer.filenames import stem
from inference import harmony
from tests.chat.conftest import PASSWORD
from tests.chat.transfer.conftest import example, import_bytes, rich
from tests.document import parsed

__all__ = ["rich"]

HTMX = {"HX-Request": "true"}


def export_url(conversation: Conversation, form: str) -> str:
    return reverse("chat:conversation-export", args=[conversation.pk, form])


def upload(client: Client, content: bytes, name: str = "conversations.json", **headers: str) -> HttpResponse:
    response = client.post("/import/", {"file": SimpleUploadedFile(name, content)}, headers=headers)
    assert isinstance(response, HttpResponse)
    return response


@pytest.fixture
def talk(conversation: Conversation) -> Conversation:
    prompt = conversation.messages.create(role=Role.USER, text="Count:\n```\n1 2")
    answer = conversation.messages.create(parent=prompt, role=Role.ASSISTANT, text="3", thinking="1, 2\n\nso 3")
    conversation.leaf, conversation.title = answer, "Über/../Zahlen: “3”?\n"
    conversation.save()
    return conversation


def test_markdown_is_what_a_reader_wants(client: Client, talk: Conversation, ann: User) -> None:
    talk.messages.filter(role=Role.ASSISTANT).update(status=Status.STOPPED)
    client.force_login(ann)
    response = client.get(export_url(talk, "markdown"))
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert unquote(response["Content-Disposition"]) == "attachment; filename*=utf-8''Über .. Zahlen “3”.md"
    assert response.content.decode().split("\n\n", 2)[2] == (
        "## Prompt\n\nCount:\n```\n1 2\n```\n\n"
        "## Answer\n\n> **Thinking**\n>\n> 1, 2\n>\n> so 3\n\n3\n\n*This answer was stopped.*\n"
    )


def test_json_is_our_document(client: Client, rich: Conversation, ann: User) -> None:
    client.force_login(ann)
    response = client.get(export_url(rich, "json"))
    assert response["Content-Disposition"].startswith("attachment")
    written = json.loads(response.content)
    assert (written["format"], written["version"], written["id"]) == ("localai-conversation", 1, str(rich.pk))
    assert len(written["messages"]) == rich.messages.count()


def test_harmony_is_what_the_model_read_and_wrote(client: Client, talk: Conversation, ann: User) -> None:
    client.force_login(ann)
    rendered = client.get(export_url(talk, "harmony")).content.decode()
    assert rendered.startswith("<|start|>system<|message|>")
    assert "<|start|>user<|message|>Count:\n```\n1 2<|end|><|start|>assistant<|channel|>analysis" in rendered
    assert rendered.endswith("<|channel|>final<|message|>3<|return|>\n")
    prompt, written = [200006, 1428, 200008], [200005, 17196, 200008, 18, 200002]
    values = {"prompt_token_ids": TokenIdsField.pack(prompt), "token_ids": TokenIdsField.pack(written)}
    talk.messages.filter(role=Role.ASSISTANT).update(**values)
    kept = client.get(export_url(talk, "harmony")).content.decode()
    assert kept == harmony.visible_prompt(prompt + written) + "\n"


def test_an_empty_conversation_can_be_exported(client: Client, conversation: Conversation, ann: User) -> None:
    client.force_login(ann)
    for form in ("markdown", "json", "harmony"):
        assert client.get(export_url(conversation, form)).status_code == 200


def test_exports_are_the_owners_alone(client: Client, talk: Conversation, ann: User, bob: User) -> None:
    for url in (export_url(talk, "markdown"), "/export/", "/import/"):
        assert client.get(url)["Location"].startswith("/accounts/login/?next=")
    client.force_login(bob)
    assert client.get(export_url(talk, "markdown")).status_code == 404
    client.force_login(ann)
    assert client.get(export_url(talk, "pdf")).status_code == 404
    assert client.post(export_url(talk, "json")).status_code == 405
    assert client.post("/export/").status_code == 405


def test_after_a_log_in_for_an_export_one_is_at_the_conversation(client: Client, talk: Conversation) -> None:
    anonymous = client.get(export_url(talk, "json"))
    response = client.post(anonymous["Location"], {"username": "ann", "password": PASSWORD})
    assert response["Location"] == talk.get_absolute_url()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc passwd"),
        ('a\\b:c*d?e"f<g>h|i\tj\nk', "a b c d e f g h i j k"),
        (" . ", "conversation"),
        ("~user -", "user"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("x" * 200, "x" * 80),
        ("数学 👩‍🔬 é", "数学 👩🔬 é"),
    ],
)
def test_file_names_are_safe(title: str, name: str) -> None:
    assert stem(title) == name


@pytest.mark.django_db(transaction=True)
async def test_what_is_older_than_zips_is_in_one_too(
    async_client: AsyncClient, conversation: Conversation, ann: User
) -> None:
    prompt = await conversation.messages.acreate(role=Role.USER, text="Hello")
    await Conversation.objects.aupdate(leaf=prompt, updated_at="1970-01-01T00:00Z")
    await async_client.aforce_login(ann)
    response = await async_client.get("/export/")
    assert response.status_code == 200
    assert b"".join([part async for part in response]).startswith(b"PK")  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
async def test_everything_is_in_one_zip(async_client: AsyncClient, rich: Conversation, ann: User, bob: User) -> None:
    for owner in (ann, bob):
        twin = await Conversation.objects.acreate(owner=owner, title=rich.title)
        twin.leaf = await Message.objects.acreate(conversation=twin, role=Role.USER, text="Hi")
        await twin.asave()
    await async_client.aforce_login(ann)
    response = await async_client.get("/export/")
    assert response["Content-Type"] == "application/zip"
    assert ".zip" in response["Content-Disposition"]
    content = b"".join([part async for part in cast(StreamingHttpResponse, response)])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        stems = ["conversations/0001 Sums 2 + 2 “vier”", "conversations/0002 Sums 2 + 2 “vier”"]
        assert archive.namelist() == [f"{name}.{form}" for name in stems for form in ("json", "md")] + ["manifest.json"]
        manifest = json.loads(archive.read("manifest.json"))
        assert [entry["file"] for entry in manifest["conversations"]] == [f"{name}.json" for name in stems]
        assert b"## Prompt" in archive.read(archive.namelist()[1])


def test_an_import_is_reported(client: Client, ann: User) -> None:
    client.force_login(ann)
    page = upload(client, example("chatgpt.json")).content.decode()
    assert "2 conversations imported." in page
    assert parsed(page).with_id("your-data").tag == "section"
    chats = json.loads(example("chatgpt.json"))
    chats[1] |= {"id": "new", "title": "<b>Bold</b>", "mapping": {}}
    chats.append(chats[0] | {"conversation_id": "newer"})
    page = upload(client, json.dumps(chats).encode()).content.decode()
    assert "1 conversation imported." in page
    assert "1 was here already." in page
    assert "1 could not be read:" in page
    assert "“&lt;b&gt;Bold&lt;/b&gt;”: it has no messages" in page
    assert "Nothing new was imported." in upload(client, example("chatgpt.json")).content.decode()


def test_an_imported_conversation_is_a_page_like_any(client: Client, ann: User) -> None:
    import_bytes(ann, example("open_webui.json"))
    client.force_login(ann)
    conversation = Conversation.objects.get(title="Sums")
    html = client.get(conversation.get_absolute_url()).content.decode()
    assert "Old way,\nunescaped" in html
    assert 'data-status="complete"' in html
    context = client.get(reverse("chat:message-context", args=[conversation.pk, conversation.leaf_id]))
    assert context.status_code == 200


def test_the_settings_page_has_it_once(client: Client, ann: User) -> None:
    client.force_login(ann)
    for url in ("/settings/", "/import/"):
        page = parsed(client.get(url).content.decode())
        assert page.with_id("your-data").where("href", "/export/")


def test_with_htmx_the_form_alone_comes_back(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert upload(client, example("chatgpt.json"), **HTMX).content.decode().startswith('<section id="your-data"')
    response = upload(client, b"[", **HTMX)
    assert response.status_code == 422
    assert response.content.decode().startswith('<section id="your-data"')


def test_a_bad_file_gets_one_sentence_beside_the_form(
    client: Client, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(ann)
    empty: list[dict[str, str]] = [{}, {"file": "text"}]
    answers = [upload(client, b"no json"), *(client.post("/import/", values) for values in empty)]
    monkeypatch.setattr(views, "MAX_UPLOAD_BYTES", 1_000_000)
    answers.append(upload(client, b"x" * 1_000_001))
    texts = []
    for response in answers:
        assert isinstance(response, HttpResponse)
        assert response.status_code == 422
        texts.append(parsed(response.content.decode()).with_id("import-error").text)
    assert texts[0].startswith("This file cannot be read")
    assert texts[1] == texts[2] == "Choose a file first."
    assert texts[3].startswith("This file has 2 MB; at most 1 MB are read. Zip it")


def test_an_import_that_cannot_be_saved_can_be_done_again(
    client: Client, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(owner: User, batch: object) -> int:
        raise DatabaseError

    client.force_login(ann)
    with monkeypatch.context() as broken:
        broken.setattr(saving, "save", fail)
        assert "Import the same file again" in upload(client, example("chatgpt.json")).content.decode()
    assert "2 conversations imported." in upload(client, example("chatgpt.json")).content.decode()


def test_an_import_needs_the_forms_token(ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert upload(client, example("chatgpt.json")).status_code == 403
    assert not Conversation.objects.exists()
