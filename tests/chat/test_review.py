"""Reading other people's conversations: who may, what it shows, and the line that each look leaves."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client

from chat.models import AuditEntry, Conversation, Feedback, Look, Message, Review, ReviewNote, Role, Status
from chat.models.conversation import EARLIER_MESSAGES
from chat.models.review import AppendOnlyError

LIST = "/admin/chat/conversation/"
HOSTILE = '<script>alert(1)</script> <img src=x onerror=alert(2)> [x](javascript:alert(3)) "><b>'


@pytest.fixture
def rita(db: None) -> User:
    reviewer = User.objects.create_user("rita", is_staff=True)
    reviewer.groups.add(Group.objects.get(name="Reviewers"))
    return reviewer


@pytest.fixture
def reviewer(rita: User) -> Client:
    client = Client()
    client.force_login(rita)
    return client


@pytest.fixture
def talk(conversation: Conversation) -> Conversation:
    """Two versions of an answer, the second one shown, with feedback."""
    prompt = conversation.messages.create(role=Role.USER, text=f"Prompt {HOSTILE}")
    conversation.messages.create(parent=prompt, role=Role.ASSISTANT, text="An older answer.", status=Status.STOPPED)
    answer = conversation.messages.create(
        parent=prompt,
        role=Role.ASSISTANT,
        text=f"**Answer** {HOSTILE}",
        thinking=f"Thought {HOSTILE}",
        effort="high",
        model="openai/gpt-oss-20b",
        status=Status.LENGTH,
        prompt_tokens=1500,
        thinking_tokens=30,
        answer_tokens=20,
        dropped_turns=2,
    )
    Feedback.objects.create(message=answer, rating=-1, note="Too short.")
    conversation.title, conversation.leaf = "Sums <i>", answer
    conversation.save()
    return conversation


def page_of(conversation: Conversation) -> str:
    return f"{LIST}{conversation.pk}/change/"


def pages_of(talk: Conversation) -> list[str]:
    rated = Feedback.objects.get().pk
    parts = [f"/admin/chat/{name}/" for name in ("message", "feedback")]
    return [LIST, page_of(talk), *parts, f"{parts[0]}{talk.leaf_id}/change/", f"{parts[1]}{rated}/change/"]


def orders_of(talk: Conversation) -> list[tuple[str, dict[str, object]]]:
    selected = {"_selected_action": [str(talk.pk)]}
    return [
        (f"{LIST}{talk.pk}/note/", {"text": "Look at this"}),
        (f"{LIST}{talk.pk}/flag/", {"flag": "problem"}),
        (LIST, {"action": "export_chat", **selected}),
        (LIST, {"action": "export_harmony", **selected}),
    ]


def looks() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.order_by("pk").values_list("actor_name", "look", "owner_name")
    return [(actor, look, owner) for actor, look, owner in entries]


# Who may


def test_anonymous_is_sent_to_log_in(client: Client, talk: Conversation) -> None:
    for url in [*pages_of(talk), "/admin/chat/auditentry/"]:
        assert client.get(url)["Location"].startswith("/admin/login/?next=")
    for url, data in orders_of(talk):
        assert client.post(url, data)["Location"].startswith("/admin/login/?next=")
    assert not AuditEntry.objects.exists()


def test_who_is_no_staff_is_sent_to_log_in(client: Client, talk: Conversation, bob: User) -> None:
    client.force_login(bob)
    assert {client.get(url).status_code for url in [*pages_of(talk), "/admin/chat/auditentry/"]} == {302}


@pytest.mark.parametrize("group", ["", "User managers", "Usage viewers"])
def test_staff_without_the_permission_see_nothing(client: Client, talk: Conversation, group: str) -> None:
    staff = User.objects.create_user("sam", is_staff=True)
    staff.groups.set(Group.objects.filter(name=group))
    client.force_login(staff)
    assert {client.get(url).status_code for url in [*pages_of(talk), "/admin/chat/auditentry/"]} == {403}
    assert {client.post(url, data).status_code for url, data in orders_of(talk)} == {403}
    index = client.get("/admin/").content.decode()
    assert not re.search("/admin/chat/(conversation|message|feedback|auditentry)/", index)
    assert not AuditEntry.objects.exists()
    assert not ReviewNote.objects.exists()
    assert not Review.objects.exists()


def test_parts_are_only_for_who_may_see_whole_conversations(client: Client, talk: Conversation) -> None:
    staff = User.objects.create_user("sam", is_staff=True)
    staff.user_permissions.set(
        Permission.objects.filter(codename__in=["view_message", "view_feedback", "change_conversation"])
    )
    client.force_login(staff)
    assert {client.get(url).status_code for url in pages_of(talk)} == {403}


def test_reviewers_see_all_of_it(reviewer: Client, talk: Conversation) -> None:
    assert [reviewer.get(url, follow=True).status_code for url in [*pages_of(talk), "/admin/chat/auditentry/"]] == [
        200
    ] * 7
    assert "/admin/chat/conversation/" in reviewer.get("/admin/").content.decode()


def test_what_waits_for_undo_or_does_not_exist_is_not_found(reviewer: Client, talk: Conversation) -> None:
    Conversation.objects.update(deleted_at=talk.updated_at)
    for key in (talk.pk, "0" * 32, "nothing"):
        assert reviewer.get(f"{LIST}{key}/change/").status_code == 404
    assert not AuditEntry.objects.exists()


def test_completions_are_no_way_past_the_log(reviewer: Client, talk: Conversation) -> None:
    query = {"app_label": "chat", "model_name": "message", "field_name": "conversation", "term": "Sums"}
    assert reviewer.get("/admin/autocomplete/", query).status_code == 403


@pytest.mark.parametrize(
    "query",
    ["conversation/?title__startswith=S", "conversation/?messages__text__contains=x", "message/?text__contains=x"],
)
def test_texts_are_searched_in_no_other_way(reviewer: Client, talk: Conversation, query: str) -> None:
    assert reviewer.get(f"/admin/chat/{query}").status_code == 400


# The page


def test_the_page_shows_the_path_with_its_facts(reviewer: Client, talk: Conversation) -> None:
    page = reviewer.get(page_of(talk)).content.decode()
    assert "<strong>Answer</strong>" in page
    assert "An older answer." not in page
    for fact in (
        "1,500 prompt tokens",
        "30 thinking tokens",
        "20 answer tokens",
        "high effort",
        "Cut off at its limit",
    ):
        assert fact in page
    assert "openai/gpt-oss-20b" in page
    assert "did not see the 2 oldest turns" in page
    assert "Bad answer · Too short." in page
    assert '<details class="thinking" data-part="thinking">' in page


def test_hostile_text_stays_text(reviewer: Client, talk: Conversation, rita: User) -> None:
    talk.instructions = HOSTILE
    talk.save()
    Message.objects.update(error=HOSTILE)
    Feedback.objects.update(note=HOSTILE)
    ReviewNote.objects.create(conversation=talk, author=rita, text=HOSTILE)
    for url in pages_of(talk):
        html = reviewer.get(url, follow=True).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<img src=x|javascript:alert\(3\)\"|<i>|\sstyle=", html), url


def test_every_version_can_be_reached(reviewer: Client, talk: Conversation) -> None:
    page = reviewer.get(page_of(talk)).content.decode()
    (link,) = re.findall(r'href="(\?through=[^"#]+)[^>]*aria-label="Previous version"', page)
    older = reviewer.get(page_of(talk) + link.replace("&amp;", "&")).content.decode()
    assert "An older answer." in older
    assert "Too short." not in older
    assert "1/2" in older


def test_a_message_leads_to_its_place(reviewer: Client, talk: Conversation) -> None:
    older = Message.objects.get(text="An older answer.")
    page = reviewer.get(f"/admin/chat/message/{older.pk}/change/", follow=True).content.decode()
    assert "An older answer." in page
    assert "Prompt &lt;script&gt;" in page


def test_long_conversations_come_in_parts(reviewer: Client, conversation: Conversation) -> None:
    parent = None
    for number in range(EARLIER_MESSAGES + 5):
        parent = conversation.messages.create(parent=parent, role=Role.USER, text=f"Number {number}.")
    conversation.leaf = parent
    conversation.save()
    page = reviewer.get(page_of(conversation)).content.decode()
    assert page.count("<article id=") == EARLIER_MESSAGES
    assert "Number 4." not in page
    (earlier,) = re.findall(r'href="(\?[^"]+)">Earlier messages', page)
    page = reviewer.get(page_of(conversation) + earlier.replace("&amp;", "&")).content.decode()
    assert "Number 0." in page
    (later,) = re.findall(r'href="(\?[^"]+)">Later messages', page)
    assert "Number 64." in reviewer.get(page_of(conversation) + later.replace("&amp;", "&")).content.decode()


def test_neighbours_are_those_of_the_list_that_was_left(reviewer: Client, talk: Conversation, ann: User) -> None:
    others = []
    for title in ("First", "Second"):
        other = Conversation.objects.create(owner=ann, title=title, effort="low")
        other.leaf = other.messages.create(role=Role.USER, text=title)
        other.save()
        others.append(other)
    page = reviewer.get(page_of(others[0])).content.decode()
    assert re.search(rf'rel="prev" href="{page_of(others[1])}"', page)
    assert re.search(rf'rel="next" href="{page_of(talk)}"', page)
    page = reviewer.get(page_of(others[0]), {"_changelist_filters": "q=First"}).content.decode()
    assert "rel=" + '"prev"' not in page
    assert f'href="{LIST}?q=First"' in page


# Notes and flags


def test_notes_are_added_with_author_and_time(reviewer: Client, talk: Conversation, rita: User) -> None:
    response = reviewer.post(f"{LIST}{talk.pk}/note/?through=1", {"text": "Is this <b>right</b>?"})
    assert response["Location"] == f"{page_of(talk)}?through=1#review"
    reviewer.post(f"{LIST}{talk.pk}/note/", {"text": "It is."})
    assert [note.author for note in talk.review_notes.all()] == [rita, rita]
    page = reviewer.get(page_of(talk)).content.decode()
    assert page.index("Is this &lt;b&gt;right&lt;/b&gt;?") < page.index("It is.")
    assert "<span>rita</span>" in page


def test_an_empty_note_is_refused_with_a_reason(reviewer: Client, talk: Conversation) -> None:
    response = reviewer.post(f"{LIST}{talk.pk}/note/", {"text": "  "})
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not ReviewNote.objects.exists()


def test_a_flag_is_set_and_taken_away(reviewer: Client, talk: Conversation) -> None:
    url = f"{LIST}{talk.pk}/flag/"
    reviewer.post(url, {"flag": "problem"})
    assert '<option value="problem" selected>' in reviewer.get(page_of(talk)).content.decode()
    reviewer.post(url, {"flag": "unheard of"})
    assert Review.objects.get().flag == "problem"
    reviewer.post(url, {"flag": ""})
    assert Review.objects.get().flag == ""
    assert [look for _actor, look, _owner in looks()] == ["flagged", "read", "flagged"]


def test_notes_and_flags_are_posted(reviewer: Client, talk: Conversation) -> None:
    assert reviewer.get(f"{LIST}{talk.pk}/note/").status_code == 405
    assert reviewer.get(f"{LIST}{talk.pk}/flag/").status_code == 405


# The log


def test_each_look_leaves_exactly_one_line(reviewer: Client, talk: Conversation, rita: User) -> None:
    rated = Feedback.objects.get().pk
    expected = [
        (LIST, "listed", ""),
        (f"{LIST}?q=answer", "searched", ""),
        (page_of(talk), "read", "ann"),
        ("/admin/chat/message/", "listed", ""),
        ("/admin/chat/message/?q=answer", "searched", ""),
        (f"/admin/chat/message/{talk.leaf_id}/change/", "read", "ann"),
        ("/admin/chat/feedback/", "listed", ""),
        (f"/admin/chat/feedback/{rated}/change/", "read", "ann"),
    ]
    for url, look, owner in expected:
        before = AuditEntry.objects.count()
        reviewer.get(url, follow=True)
        assert looks()[before:] == [("rita", look, owner)], url
    for (url, data), look in zip(orders_of(talk)[:2], ("noted", "flagged"), strict=True):
        before = AuditEntry.objects.count()
        reviewer.post(url, data)
        assert looks()[before:] == [("rita", look, "ann")], url
    read = AuditEntry.objects.filter(look=Look.READ)
    assert set(read.values_list("actor_key", "conversation_key")) == {(rita.pk, talk.pk)}
    assert "answer" in AuditEntry.objects.filter(look=Look.SEARCHED).earliest("pk").detail


def test_without_its_line_nothing_is_shown(
    reviewer: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(AuditEntry, "save", fail)
    for url in (LIST, page_of(talk), "/admin/chat/feedback/"):
        with pytest.raises(OSError, match="full"):
            reviewer.get(url)


def test_ones_own_conversation_is_read_without_a_line(reviewer: Client, talk: Conversation, rita: User) -> None:
    Conversation.objects.update(owner=rita)
    reviewer.get(page_of(talk))
    assert looks() == []
    reviewer.post(f"{LIST}{talk.pk}/flag/", {"flag": "done"})
    assert looks() == [("rita", "flagged", "rita")]


def test_deleting_is_asked_for_and_logged(client: Client, talk: Conversation, admin_user: User) -> None:
    client.force_login(admin_user)
    client.get(f"{LIST}{talk.pk}/delete/")
    client.post(f"{LIST}{talk.pk}/delete/", {"post": "yes"})
    assert looks() == [("admin", "listed", "ann"), ("admin", "deleted", "ann")]
    assert not Conversation.objects.exists()
    assert AuditEntry.objects.filter(conversation_key=talk.pk).count() == 2


def test_deleting_a_selection_is_logged_for_each(client: Client, talk: Conversation, admin_user: User) -> None:
    client.force_login(admin_user)
    data = {"action": "delete_selected", "_selected_action": [str(talk.pk)]}
    client.post(LIST, data)
    client.post(LIST, data | {"post": "yes"})
    assert looks() == [("admin", "listed", "ann"), ("admin", "deleted", "ann")]
    assert not Conversation.objects.exists()


def test_reviewers_delete_and_change_nothing(reviewer: Client, talk: Conversation) -> None:
    assert reviewer.post(f"{LIST}{talk.pk}/delete/", {"post": "yes"}).status_code == 403
    assert reviewer.post(page_of(talk), {"title": "Changed"}).status_code == 403
    assert reviewer.get(f"{LIST}add/").status_code == 403
    reviewer.post(LIST, {"action": "delete_selected", "_selected_action": [str(talk.pk)], "post": "yes"})
    assert Conversation.objects.get().title == "Sums <i>"


@pytest.fixture
def entry(rita: User) -> AuditEntry:
    return AuditEntry.objects.create(actor_key=rita.pk, actor_name="rita", look=Look.READ, owner_name="<b>ann</b>")


def test_lines_are_neither_changed_nor_deleted_by_code(entry: AuditEntry) -> None:
    entry.look = Look.LISTED
    rows = AuditEntry.objects.all()
    for change in (
        entry.save,
        entry.delete,
        rows.delete,
        lambda: rows.update(look=Look.LISTED),
        lambda: rows.bulk_update([entry], ["look"]),
        lambda: rows.bulk_create([entry], update_conflicts=True, update_fields=["look"], unique_fields=["id"]),
        lambda: AuditEntry(pk=entry.pk, actor_key=1).save(force_update=True),
        lambda: AuditEntry._base_manager.all().delete(),
    ):
        with pytest.raises(AppendOnlyError), transaction.atomic():
            change()
    assert AuditEntry.objects.get().look == Look.READ


def test_lines_are_neither_changed_nor_deleted_in_the_admin(
    client: Client, entry: AuditEntry, admin_user: User
) -> None:
    client.force_login(admin_user)
    log = "/admin/chat/auditentry/"
    page = client.get(log).content.decode()
    assert "&lt;b&gt;ann&lt;/b&gt;" in page
    assert 'name="action"' not in page
    assert client.get(f"{log}{entry.pk}/change/").status_code == 200
    assert client.post(f"{log}{entry.pk}/change/", {"look": "listed"}).status_code == 403
    assert client.post(f"{log}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{log}add/", {"look": "read"}).status_code == 403
    client.post(log, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert [each.look for each in AuditEntry.objects.all()] == ["read"]


def test_the_log_outlives_who_looked_and_whose_it_was(reviewer: Client, talk: Conversation, rita: User) -> None:
    reviewer.get(page_of(talk))
    talk.owner.delete()
    rita.delete()
    assert looks() == [("rita", "read", "ann")]


def test_the_log_is_narrowed_by_who_and_whose(client: Client, entry: AuditEntry, admin_user: User) -> None:
    AuditEntry.objects.create(actor_key=1, actor_name="zoe", look=Look.EXPORTED, owner_name="bob")
    client.force_login(admin_user)
    for query in ("who=zoe", "whose=bob", "look__exact=exported"):
        page = client.get(f"/admin/chat/auditentry/?{query}").content.decode()
        rows = re.findall(r'<td class="field-actor_name">(\w+)', page)
        assert rows == ["zoe"], query
