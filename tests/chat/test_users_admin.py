"""The administration of people: what a user manager may, what only superusers may, and nobody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from chat.accounts.authority import confirm, may_manage
from chat.accounts.groups import GROUPS
from chat.models import Conversation, Invitation
from inference.models import DailyLimits, UsageRecord

LIST = "/admin/auth/user/"
NEW_PASSWORD = {"password1": "another-horse-8", "password2": "another-horse-8", "usable_password": "true"}


def staff(name: str, *groups: str) -> User:
    user = User.objects.create_user(name, password="x", is_staff=True)
    user.groups.set([Group.objects.get(name=group) for group in groups])
    return user


@pytest.fixture
def manager(db: None) -> User:
    return staff("mia", "User managers")


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root", password="x")


@pytest.fixture
def as_manager(manager: User) -> Client:
    return logged_in(manager)


@pytest.fixture
def as_superuser(superuser: User) -> Client:
    return logged_in(superuser)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(person: User) -> str:
    return f"{LIST}{person.pk}/change/"


def form_of(person: User, **fields: object) -> dict[str, object]:
    limits = {f"daily_limits-{name}": value for name, value in {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}.items()}
    return {"username": person.username, "is_active": "on", "email": person.email, **limits, **fields}


def act(client: Client, action: str, *people: User) -> str:
    data = {"action": action, "_selected_action": [person.pk for person in people]}
    return client.post(LIST, data, follow=True).content.decode()


def fresh(person: User) -> User:
    return User.objects.get(pk=person.pk)


def test_groups_come_with_the_site(db: None) -> None:
    for name, permissions in GROUPS.items():
        given = Permission.objects.filter(group__name=name).values_list("content_type__app_label", "codename")
        assert {".".join(each) for each in given} == set(permissions)


def test_who_sees_the_pages(client: Client, ann: User, manager: User, superuser: User) -> None:
    nobody, reviewer = staff("sam"), staff("rita", "Reviewers", "Usage viewers")
    link = f"{LIST}{ann.pk}/link/"
    pages = (LIST, page_of(ann), "/admin/chat/invitation/", "/admin/chat/invitation/add/", link)
    without, as_reviewer, as_manager, as_root = map(logged_in, (nobody, reviewer, manager, superuser))
    for page in pages:
        for outside in (client, logged_in(ann)):
            assert outside.get(page)["Location"].startswith("/admin/login/")
        for other in (without, as_reviewer):
            assert (other.get(page).status_code, other.post(page, {}).status_code) == (403, 403)
        for allowed in (as_manager, as_root):
            assert allowed.get(page).status_code == 200
    assert "/admin/auth/user/" not in as_reviewer.get("/admin/").content.decode()
    assert "/admin/chat/conversation/" not in as_manager.get("/admin/").content.decode()


def test_the_list_counts_without_asking_for_each_person(
    as_manager: Client, ann: User, bob: User, django_assert_max_num_queries: object
) -> None:
    conversation = Conversation.objects.create(owner=ann, title="Sums")
    Conversation.objects.filter(pk=conversation.pk).update(
        leaf=conversation.messages.create(role="user", text="2 + 2?")
    )
    tokens = {"prompt_tokens": 1, "thinking_tokens": 1, "answer_tokens": 1, "completion_tokens": 2, "dropped_turns": 0}
    for day in (timezone.localdate(), timezone.localdate(), timezone.localdate() - timedelta(days=1)):
        UsageRecord.objects.create(user=ann, source="chat", model="m", total_seconds=1, outcome="x", day=day, **tokens)
    html = as_manager.get(LIST).content.decode()
    (row,) = re.findall(r"<tr>(?:(?!</tr>).)*>ann</a>.*?</tr>", html, re.DOTALL)
    assert re.findall(r'field-(?:conversation_count|generations_today)">(\d+)<', row) == ["1", "2"]
    staff("max", "Usage viewers")
    with django_assert_max_num_queries(12):  # type: ignore[operator]  # a fixture of pytest-django
        as_manager.get(LIST)


def test_a_user_manager_changes_people(as_manager: Client, ann: User) -> None:
    response = as_manager.post(page_of(ann), form_of(ann, email="ann@example.org", is_staff="on"))
    assert response.status_code == 302
    assert (fresh(ann).email, fresh(ann).is_staff) == ("ann@example.org", True)
    made = as_manager.post(f"{LIST}add/", {"username": "cleo", **NEW_PASSWORD, "is_superuser": "on", "is_staff": "on"})
    cleo = User.objects.get(username="cleo")
    assert (made.status_code, cleo.is_superuser, cleo.is_staff) == (302, False, False)


def test_limits_are_set_on_the_persons_page(as_manager: Client, ann: User) -> None:
    limits = {"TOTAL_FORMS": 1, "0-user": ann.pk, "0-generations": 20, "0-tokens": ""}
    form = form_of(ann, **{f"daily_limits-{name}": value for name, value in limits.items()})
    assert as_manager.post(page_of(ann), form).status_code == 302
    kept = DailyLimits.objects.get()
    assert (kept.user, kept.generations, kept.tokens) == (ann, 20, None)


def test_no_more_is_given_than_one_has(as_manager: Client, ann: User) -> None:
    page = as_manager.get(page_of(ann)).content.decode()
    assert "is_superuser" not in page
    assert "user_permissions" not in page
    assert "Reviewers" not in page
    permission = Permission.objects.get(codename="view_conversation")
    stolen = form_of(ann, is_superuser="on", user_permissions=[permission.pk])
    assert as_manager.post(page_of(ann), stolen).status_code == 302
    assert not fresh(ann).is_superuser
    assert not fresh(ann).user_permissions.exists()
    reviewers, managers = (Group.objects.get(name=name) for name in ("Reviewers", "User managers"))
    as_manager.post(page_of(ann), form_of(ann, groups=[reviewers.pk]))
    assert not fresh(ann).groups.exists()
    as_manager.post(page_of(ann), form_of(ann, groups=[managers.pk]))
    assert fresh(ann).groups.get() == managers
    for lookup in ("is_superuser__exact=1", "user_permissions__codename=x", "password__startswith=a"):
        assert as_manager.get(f"{LIST}?{lookup}").status_code in (302, 400)


def test_who_may_do_more_is_out_of_reach(as_manager: Client, superuser: User) -> None:
    reviewer, idle = staff("rita", "Reviewers"), staff("ida", "Reviewers")
    User.objects.filter(pk=idle.pk).update(is_active=False, is_staff=False)
    for person in (superuser, reviewer, idle):
        before = User.objects.filter(pk=person.pk).values().get()
        assert as_manager.post(page_of(person), form_of(person, email="evil@example.org")).status_code == 403
        assert as_manager.post(f"{LIST}{person.pk}/password/", NEW_PASSWORD).status_code == 403
        assert as_manager.post(f"{LIST}{person.pk}/link/").status_code == 403
        assert as_manager.post(f"{LIST}{person.pk}/delete/", {"post": "yes"}).status_code == 403
        for action in ("disable", "enable", "make_new_password_links", "delete_selected"):
            assert "/accounts/password/new/" not in act(as_manager, action, person)
        assert User.objects.filter(pk=person.pk).values().get() == before
        assert "is_superuser" not in as_manager.get(page_of(person)).content.decode()


def test_disabling_ends_sessions_and_keys(as_manager: Client, ann: User, bob: User) -> None:
    as_ann = logged_in(ann)
    assert "1 account is disabled" in act(as_manager, "disable", ann)
    assert not fresh(ann).is_active
    assert as_ann.get("/settings/")["Location"].startswith("/accounts/login/")
    assert "/accounts/password/new/" not in act(as_manager, "make_new_password_links", ann)
    assert as_manager.get(f"{LIST}{ann.pk}/link/").status_code == 403
    assert "1 account is enabled" in act(as_manager, "enable", ann, bob)
    assert as_ann.get("/settings/").status_code == 200


def test_nobody_disables_themselves(as_superuser: Client, superuser: User, as_manager: Client, manager: User) -> None:
    for client, person in ((as_superuser, superuser), (as_manager, manager)):
        assert "Left out: your own account" in act(client, "disable", person)
        data = form_of(person)
        del data["is_active"]
        assert client.post(page_of(person), data).status_code == 302
        assert fresh(person).is_active
        assert fresh(person).is_staff
        assert fresh(person).groups.count() == person.groups.count()
    assert fresh(superuser).is_superuser
    act(as_superuser, "delete_selected", superuser)
    data = {"action": "delete_selected", "_selected_action": [superuser.pk], "post": "yes"}
    as_superuser.post(LIST, data)
    assert as_superuser.post(f"{LIST}{superuser.pk}/delete/", {"post": "yes"}).status_code == 403
    assert fresh(superuser) == superuser


def test_a_superuser_who_was_disabled_meanwhile_disables_nobody(superuser: User) -> None:
    """Of two who disable each other at once, the second finds this."""
    confirm(superuser)
    User.objects.filter(pk=superuser.pk).update(is_active=False)
    with pytest.raises(PermissionDenied):
        confirm(superuser)
    User.objects.filter(pk=superuser.pk).update(is_active=True, is_superuser=False)
    with pytest.raises(PermissionDenied):
        confirm(superuser)


def test_superusers_manage_everybody(as_superuser: Client, superuser: User) -> None:
    other = User.objects.create_superuser("other", password="x")
    assert may_manage(superuser, other)
    assert "1 account is disabled" in act(as_superuser, "disable", other)
    assert as_superuser.get(f"{LIST}?is_superuser__exact=1").status_code == 200
    assert "user_permissions" in as_superuser.get(page_of(other)).content.decode()


def test_a_link_for_a_new_password_is_shown_once(as_manager: Client, ann: User, bob: User) -> None:
    assert f"{LIST}{ann.pk}/link/" in as_manager.get(page_of(ann)).content.decode()
    path = f"{LIST}{ann.pk}/link/"
    assert "/accounts/password/new/" not in as_manager.get(path).content.decode()
    shown = as_manager.post(path)
    assert "no-store" in shown["Cache-Control"]
    (link,) = re.findall(r'value="http://testserver(/accounts/password/new/[^"]+)"', shown.content.decode())
    assert "Choose a new password for ann" in Client().get(link, follow=True).content.decode()
    both = act(as_manager, "make_new_password_links", ann, bob)
    assert len(re.findall(r'value="http://testserver/accounts/password/new/', both)) == 2


def test_deleting_says_what_goes_and_is_for_superusers(as_superuser: Client, as_manager: Client, ann: User) -> None:
    conversation = Conversation.objects.create(owner=ann, title="Sums")
    conversation.messages.create(role="user", text="2 + 2?", status="complete")
    path = f"{LIST}{ann.pk}/delete/"
    assert as_manager.get(path).status_code == 403
    question = as_superuser.get(path).content.decode()
    assert "Conversations: 1" in question
    assert "Messages: 1" in question
    assert as_superuser.post(path, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not Conversation.objects.exists()


# Invitations


def invite(client: Client, **fields: object) -> str:
    data = {"name": "Cleo", "email": "", "days": 7, **fields}
    return client.post("/admin/chat/invitation/add/", data, follow=True).content.decode()


def test_an_invitation_s_link_is_shown_once_and_works(as_manager: Client, manager: User) -> None:
    (link,) = re.findall(r'value="http://testserver(/accounts/invitation/[^"]+)"', invite(as_manager))
    made = Invitation.objects.get()
    assert made.created_by == manager
    assert made.expires_at - made.created_at > timedelta(days=6, hours=23)
    listing = as_manager.get("/admin/chat/invitation/").content.decode()
    detail = as_manager.get(f"/admin/chat/invitation/{made.pk}/change/").content.decode()
    assert link.split("/")[-2] not in listing + detail
    assert made.digest not in listing + detail
    assert Client().post(link, {"username": "cleo", **NEW_PASSWORD}).status_code == 302
    assert re.search(r'field-used_by[^>]*">.*cleo', as_manager.get("/admin/chat/invitation/").content.decode())
    assert not mail.outbox


def test_a_revoked_invitation_is_void(as_manager: Client) -> None:
    (link,) = re.findall(r'value="http://testserver(/accounts/invitation/[^"]+)"', invite(as_manager))
    data = {"action": "revoke", "_selected_action": [Invitation.objects.get().pk]}
    page = as_manager.post("/admin/chat/invitation/", data, follow=True).content.decode()
    assert "1 invitation is revoked" in page
    assert Client().get(link).status_code == 404
    changed = as_manager.post(f"/admin/chat/invitation/{Invitation.objects.get().pk}/change/", {"days": 30})
    assert changed.status_code == 403


def test_bad_invitations_are_refused(as_manager: Client) -> None:
    for fields in ({"days": 0}, {"days": 91}, {"days": ""}, {"email": "nobody"}):
        assert "errornote" in invite(as_manager, **fields)
    assert not Invitation.objects.exists()


def test_an_invitation_goes_by_e_mail_where_that_is_set_up(as_manager: Client, settings: Settings) -> None:
    invite(as_manager, email="cleo@example.org")
    assert not mail.outbox
    settings.CAN_SEND_EMAIL = True
    page = invite(as_manager, email="cleo@example.org")
    (letter,) = mail.outbox
    (link,) = re.findall(r'value="(http://testserver/accounts/invitation/[^"]+)"', page)
    assert letter.to == ["cleo@example.org"]
    assert link in letter.body
    assert "Hello Cleo" in letter.body
    assert "It was sent to cleo@example.org" in page


class Broken(BaseEmailBackend):
    def send_messages(self, email_messages: object) -> int:
        raise ConnectionRefusedError


def test_a_letter_that_cannot_be_sent_leaves_the_link(as_manager: Client, settings: Settings) -> None:
    settings.CAN_SEND_EMAIL, settings.EMAIL_BACKEND = True, f"{__name__}.Broken"
    page = invite(as_manager, email="cleo@example.org")
    assert "could not be sent" in page
    assert "/accounts/invitation/" in page


def test_the_pages_in_german(as_superuser: Client, ann: User) -> None:
    german = {"accept-language": "de"}
    for path in (LIST, page_of(ann), f"{LIST}{ann.pk}/link/", "/admin/chat/invitation/add/", "/admin/chat/invitation/"):
        assert 'lang="de"' in as_superuser.get(path, headers=german).content.decode()
