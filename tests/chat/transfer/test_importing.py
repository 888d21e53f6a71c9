from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation, Message
from chat.transfer import archive, document, elements, importing, upload
from chat.transfer.errors import UnreadableFileError
from tests.chat.transfer.conftest import example, import_bytes, import_json
from tests.chat.transfer.test_foreign import chatgpt, node


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return file.getvalue()


def test_the_same_file_again_doubles_nothing(ann: User, bob: User) -> None:
    for name in ("chatgpt.json", "open_webui.json"):
        assert import_bytes(ann, example(name)).imported == 2
        again = import_bytes(ann, example(name))
        assert (again.imported, again.present) == (0, 2)
        assert import_bytes(bob, example(name)).imported == 2
    assert Conversation.objects.for_user(ann).count() == 4


def test_what_has_no_id_is_known_again_by_its_content(ann: User) -> None:
    chats = [{"chat": {"messages": [{"role": "user", "content": word}]}} for word in ("Hi", "Ho", "Hi")]
    report = import_json(ann, chats)
    assert (report.imported, report.present) == (2, 1)


def test_own_documents_are_known_again(rich: Conversation, ann: User, bob: User) -> None:
    written = document.write(rich)
    assert import_json(ann, written).present == 1
    assert import_json(bob, written).imported == 1
    assert import_json(bob, written).present == 1


def test_an_id_that_another_person_has_taken_is_not_touched(rich: Conversation, ann: User, bob: User) -> None:
    copy = document.write(rich)
    copy["title"] = "Mine now"
    import_json(bob, copy)
    rich.refresh_from_db()
    assert (rich.owner, rich.title) == (ann, "Sums: 2 + 2 / “vier”")
    squatted = Conversation.objects.for_user(bob).get()
    stolen = {**copy, "id": str(squatted.pk)}
    import_json(ann, stolen)
    assert Conversation.objects.for_user(ann).count() == 2


def test_one_that_waits_for_undo_comes_back(rich: Conversation, ann: User) -> None:
    written = document.write(rich)
    Conversation.objects.update(deleted_at=rich.updated_at)
    assert import_json(ann, written).imported == 1
    assert document.write(Conversation.objects.for_user(ann).get()) == written


def test_all_exported_is_imported_again(rich: Conversation, ann: User, bob: User) -> None:
    import_bytes(ann, example("chatgpt.json"))
    with archive.write(ann) as file:
        report = importing.import_file(bob, file)
    assert (report.imported, report.problems) == (3, [])
    with archive.write(bob) as file:
        assert importing.import_file(ann, file).imported == 0 or Conversation.objects.for_user(ann).count() == 6


def test_chatgpts_zip_with_its_other_files(ann: User) -> None:
    parts = [json.dumps([each]).encode() for each in json.loads(example("chatgpt.json"))]
    files = {"user.json": b"{}", "message_feedback.json": b"[{}]", "chat.html": b"<html>", "../../evil.json": b"!"}
    files |= {f"export/conversations-00{number}.json": part for number, part in enumerate(parts)}
    assert import_bytes(ann, zipped(files)).imported == 2


def test_the_good_ones_of_a_file_are_imported_and_the_bad_ones_told(ann: User) -> None:
    bad = {"id": "two", "title": "Bad", "mapping": {"a": node("a", "user", "Round")}}
    report = import_json(ann, [*chatgpt({"a": node(None, "user", "Hi")}), bad, 5])
    assert (report.imported, report.unreadable) == (1, 2)
    assert report.problems == ["“Bad”: its messages do not form a tree", "“Conversation 3”: it is no conversation"]


GOOD = json.dumps(chatgpt({"a": node(None, "user", "Hi")})).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"   ", "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"<html>", "damaged"),
        (GOOD[:-1], "damaged"),
        (GOOD[:-1] + b",]", "damaged"),
        (GOOD + b"]", "damaged"),
        (GOOD[:-1] + b" 5]", "damaged"),
        (b'[{"mapping": ' + b"[" * 200_000, "damaged"),
        (b"[1" + b"0" * 5000 + b"]", "damaged"),
        (b"[]", "no conversations"),
        (b'{"users": []}', "no conversations"),
        (b"PK\x03\x04 nothing", "zip"),
        (zipped({"conversations.json": GOOD})[:-30], "zip"),
        (zipped({"readme.txt": b"Hello"}), "no conversations"),
        (zipped({"conversations.json": GOOD, "conversations-001.json": b"["}), "damaged"),
    ],
)
def test_of_a_bad_file_nothing_is_saved(ann: User, content: bytes, words: str) -> None:
    with pytest.raises(UnreadableFileError, match=words):
        import_bytes(ann, content)
    assert not Conversation.objects.exists()


def test_an_encrypted_zip_is_refused(ann: User) -> None:
    content = bytearray(zipped({"conversations.json": GOOD}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UnreadableFileError, match="encrypted"):
        import_bytes(ann, bytes(content))


def test_zips_that_unpack_to_too_much_are_refused(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(UnreadableFileError, match="more than 1 MB"):
        import_bytes(ann, zipped({"conversations.json": b" " * 1_000_001}))
    monkeypatch.setattr(upload, "MAX_ENTRIES", 5)
    with pytest.raises(UnreadableFileError, match="more than 5 entries"):
        import_bytes(ann, zipped({f"{number}.json": GOOD for number in range(6)}))


def test_a_conversation_longer_than_any_is_refused(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MAX_CHARACTERS", 1000)
    monkeypatch.setattr(elements, "CHUNK_CHARACTERS", 100)
    with pytest.raises(UnreadableFileError, match="too long"):
        import_json(ann, chatgpt({"a": node(None, "user", "x" * 2000)}))


@pytest.mark.parametrize("characters", [1, 2, 7, 1000])
def test_the_pieces_in_which_a_file_is_read_do_not_matter(
    ann: User, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr(elements, "CHUNK_CHARACTERS", characters)
    assert import_bytes(ann, b"\xef\xbb\xbf" + example("open_webui.json")).imported == 2
    text = io.StringIO('[1, 23 ,"\\u00e4", {"a": [ ]},null]')
    assert list(elements.elements(text.read)) == [1, 23, "ä", {"a": []}, None]


def test_many_conversations_take_few_statements(
    ann: User, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    def talk(number: int) -> dict[str, object]:
        words = [node(str(key - 1), ["user", "assistant"][key % 2], f"{number} {key}") for key in range(10)]
        return {"id": f"talk {number}", "mapping": {str(key): word for key, word in enumerate(words)}}

    with django_assert_max_num_queries(150):  # type: ignore[operator]  # the fixture is a function
        report = import_json(ann, [talk(number) for number in range(200)])
    assert report.imported == 200
    assert Message.objects.count() == 2000
    assert all(len(talk.path()) == 10 for talk in Conversation.objects.all()[:20])
