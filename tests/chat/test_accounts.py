"""Coming by an account and keeping its password: invitations, forgotten passwords, e-mail addresses."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from chat.accounts.passwords import new_password_link
from chat.models import Invitation
from tests.chat.conftest import PASSWORD

CHOSEN = {"username": "cleo", "password1": "another-horse-8", "password2": "another-horse-8"}


def invitation(**fields: object) -> Invitation:
    made = Invitation(**{"name": "Cleo", "expires_at": timezone.now() + timedelta(days=7), **fields})
    made.draw_secret()
    made.save()
    return made


def address(made: Invitation) -> str:
    return f"/accounts/invitation/{made.secret}/"


@pytest.fixture
def with_email(settings: Settings) -> None:
    settings.CAN_SEND_EMAIL = True


def test_an_invitation_makes_one_account_and_logs_in(client: Client, db: None) -> None:
    invited = invitation(email="cleo@example.org")
    page = client.get(address(invited))
    assert "You are invited" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert client.post(address(invited), CHOSEN)["Location"] == "/"
    assert client.get("/", follow=True).status_code == 200
    cleo = User.objects.get()
    assert (cleo.username, cleo.email, cleo.is_staff, cleo.is_superuser) == ("cleo", "cleo@example.org", False, False)
    invited.refresh_from_db()
    assert (invited.state, invited.used_by) == ("used", cleo)
    assert invited.secret not in str(Invitation.objects.values())
    again = Client().post(address(invited), CHOSEN | {"username": "dora"})
    assert (again.status_code, User.objects.count()) == (404, 1)
    assert "already" in again.content.decode()


def test_a_bad_password_leaves_the_invitation_open(client: Client, db: None) -> None:
    invited = invitation()
    refused = client.post(address(invited), CHOSEN | {"password1": "12345", "password2": "12345"})
    assert "too short" in refused.content.decode()
    assert client.post(address(invited), CHOSEN).status_code == 302


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has expired"),
        ({"revoked_at": timezone.now()}, "not valid"),
        ({"used_at": timezone.now()}, "already"),
    ],
)
def test_links_that_are_void_say_why(client: Client, db: None, fields: dict[str, object], text: str) -> None:
    invited = invitation(**fields)
    for response in (client.get(address(invited)), client.post(address(invited), CHOSEN)):
        assert response.status_code == 404
        assert text in response.content.decode()
    assert not User.objects.exists()


def test_unknown_links_and_pages_in_german(client: Client, ann: User) -> None:
    unknown = client.get("/accounts/invitation/nothing/", headers={"accept-language": "de"})
    assert unknown.status_code == 404
    assert 'lang="de"' in unknown.content.decode()
    client.force_login(ann)
    page = client.get(address(invitation())).content.decode()
    assert "You are logged in as ann" in page
    client.post(address(invitation()), CHOSEN)
    assert User.objects.get() == ann


def test_second_claim_of_the_same_invitation_is_refused(db: None) -> None:
    first, second = (Invitation.objects.get(pk=pk) for pk in [invitation().pk] * 2)
    assert (first.claim(), second.claim()) == (True, False)


# Passwords


def test_a_letter_leads_to_a_new_password_and_unknown_addresses_hear_the_same(
    client: Client, ann: User, bob: User, with_email: None
) -> None:
    User.objects.filter(pk=ann.pk).update(email="ann@example.org")
    User.objects.filter(pk=bob.pk).update(email="bob@example.org", is_active=False)
    assert "/accounts/password/forgotten/" in client.get("/accounts/login/").content.decode()
    path, german = "/accounts/password/forgotten/", {"accept-language": "de"}
    answers = {
        (response := client.post(path, {"email": email}, headers=german))["Location"] + str(response.status_code)
        for email in ("nobody@example.org", "bob@example.org", "ANN@example.org")
    }
    assert len(answers) == 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon and thread.name.startswith("letter"):
            thread.join(10)
    (letter,) = mail.outbox
    assert letter.to == ["ann@example.org"]
    (link,) = re.findall(r"http://testserver(\S+)", str(letter.body))
    assert "Choose a new password for ann" in client.get(link, follow=True).content.decode()


def test_without_e_mail_an_administrator_is_named_and_no_form_shown(client: Client, ann: User) -> None:
    assert "An administrator can make you a link" in client.get("/accounts/login/").content.decode()
    for path in ("/accounts/password/forgotten/", "/accounts/password/forgotten/sent/", "/accounts/email/"):
        assert client.get(path).status_code == 404
        assert client.post(path, {"email": "a@example.org"}).status_code == 404
    client.force_login(ann)
    assert "/accounts/email/" not in client.get("/settings/").content.decode()


def link_for(user: User) -> str:
    return new_password_link(RequestFactory().get("/"), user).removeprefix("http://testserver")


def test_a_link_for_a_new_password_works_once_and_ends_other_sessions(client: Client, ann: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(ann)
    ann.refresh_from_db()  # the log-in's time is part of what the link is made of
    link = link_for(ann)
    form = client.get(link, follow=True)
    page = form.request["PATH_INFO"]
    assert link not in page
    assert "Choose a new password for ann" in form.content.decode()
    new = {"new_password1": "another-horse-8", "new_password2": "another-horse-8"}
    assert client.post(page, new | {"new_password2": "x"}).status_code == 200
    assert client.post(page, new)["Location"] == "/"
    assert client.get("/settings/").status_code == 200
    assert elsewhere.get("/settings/")["Location"].startswith("/accounts/login/")
    assert "not valid any more" in Client().get(link, follow=True).content.decode()


def test_wrong_expired_and_disabled_people_s_links_are_void(ann: User, bob: User, settings: Settings) -> None:
    uid, token = link_for(ann).split("/")[-3:-1]
    other = link_for(bob).split("/")[-3]
    User.objects.filter(pk=bob.pk).update(is_active=False)
    made_up = [(uid, "x-y"), (other, token), ("!", "x")]
    links = [link_for(bob), *(f"/accounts/password/new/{person}/{secret}/" for person, secret in made_up)]
    for link in links:
        assert "not valid any more" in Client().get(link, follow=True).content.decode()
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "not valid any more" in Client().get(link_for(ann), follow=True).content.decode()


def test_another_address_needs_the_password(client: Client, ann: User, with_email: None) -> None:
    client.force_login(ann)
    refused = client.post("/accounts/email/", {"email": "x@example.org", "password": "wrong"})
    assert "That is not your password" in refused.content.decode()
    client.post("/accounts/email/", {"email": "bad", "password": PASSWORD})
    ann.refresh_from_db()
    assert ann.email == ""
    saved = client.post("/accounts/email/", {"email": "ann@example.org", "password": PASSWORD}, follow=True)
    assert "ann@example.org" in saved.content.decode()
    ann.refresh_from_db()
    assert ann.email == "ann@example.org"
