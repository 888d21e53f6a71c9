"""The second factor: set up by an app's code, asked for at every log-in, and never a way past the password."""

from __future__ import annotations

import re
import time
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from chat.accounts import login, passwords, second_factor

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-7"
PAGE, CODE = "/accounts/two-factor/", "/accounts/login/code/"


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password=PASSWORD)


def app_code(user: User) -> str:
    """As the person's phone shows it; each is taken once, so the device is made to forget the last one."""
    TOTPDevice.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
    return f"{TOTP(TOTPDevice.objects.get(user=user).bin_key).token():06d}"


def confirm(client: Client, code: str, password: str = PASSWORD) -> str:
    return client.post(PAGE, {"do": "confirm", "code": code, "password": password}).content.decode()


def turn_on(client: Client, user: User) -> list[str]:
    """Return the recovery codes."""
    client.force_login(user)
    client.post(PAGE, {"do": "begin"})
    page = confirm(client, app_code(user))
    codes = re.findall(r"<li><code>(\w+)</code>", page)
    assert len(codes) == second_factor.RECOVERY_CODES
    return codes


@pytest.fixture
def codes(ann: User) -> list[str]:
    return turn_on(Client(), ann)


def give_password(client: Client, address: str = "") -> None:
    response = client.post("/accounts/login/", {"username": "ann", "password": PASSWORD, "next": address})
    assert response["Location"] == CODE


def is_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def test_an_app_is_set_up_by_a_picture_or_a_key(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert "Set it up" in client.get(PAGE).content.decode()
    assert client.get(f"{PAGE}picture.svg").status_code == 404
    client.post(PAGE, {"do": "begin"})
    page = client.get(PAGE).content.decode()
    device = TOTPDevice.objects.get(user=ann)
    assert second_factor.secret_of(device) in page
    picture = client.get(f"{PAGE}picture.svg")
    assert picture["Content-Type"] == "image/svg+xml"
    assert "no-store" in picture["Cache-Control"]
    assert b"<svg" in picture.content
    assert b"style" not in picture.content
    assert not second_factor.is_on(ann)
    assert "That code is not right" in confirm(client, "000000")
    assert not second_factor.is_on(ann)
    assert "they are shown only now" in confirm(client, f" {app_code(ann)[:3]} {app_code(ann)[3:]} ")
    assert "Two-factor log-in is on" in client.get("/settings/").content.decode()
    again = client.get(PAGE).content.decode()
    assert "10 recovery codes are left" in again
    assert second_factor.secret_of(device) not in again
    assert client.get(f"{PAGE}picture.svg").status_code == 404


def test_it_is_set_up_with_the_password_alone(client: Client, ann: User) -> None:
    client.force_login(ann)
    client.post(PAGE, {"do": "begin"})
    code = app_code(ann)
    assert "not your password" in confirm(client, code, "wrong")
    assert not second_factor.is_on(ann)
    assert "they are shown only now" in confirm(client, code)  # it was not used up


def test_two_clicks_at_once_do_no_harm(client: Client, ann: User) -> None:
    client.force_login(ann)
    for _click in range(2):
        TOTPDevice.objects.create(user=ann, confirmed=False, name=second_factor.NAME)
    assert client.post(PAGE, {"do": "begin"})["Location"] == PAGE
    shown = TOTPDevice.objects.earliest("pk")
    assert second_factor.secret_of(shown) in client.get(PAGE).content.decode()
    assert "they are shown only now" in confirm(client, f"{TOTP(shown.bin_key).token():06d}")


def test_the_log_in_asks_for_the_apps_code(client: Client, ann: User, codes: list[str]) -> None:
    give_password(client, "/settings/")
    assert not is_in(client)
    assert "Code of your app" in client.get(CODE).content.decode()
    assert "That code is not right" in client.post(CODE, {"code": "000000"}).content.decode()
    assert not is_in(client)
    code = app_code(ann)
    assert client.post(CODE, {"code": code})["Location"] == "/settings/"
    assert is_in(client)
    client.post("/accounts/logout/")
    give_password(client)
    assert "not right" in client.post(CODE, {"code": code}).content.decode()  # it was used
    assert not is_in(client)


def test_a_recovery_code_works_once(ann: User, codes: list[str]) -> None:
    for is_first in (True, False):
        client = Client()
        give_password(client)
        response = client.post(CODE, {"code": codes[0].upper()})
        assert (response.status_code == 302) is is_first
        assert is_in(client) is is_first
    assert second_factor.recovery_codes_left(ann) == second_factor.RECOVERY_CODES - 1


def test_the_second_step_alone_is_no_way_in(client: Client, ann: User, codes: list[str]) -> None:
    assert client.get(CODE)["Location"] == "/accounts/login/"
    assert client.post(CODE, {"code": app_code(ann)})["Location"] == "/accounts/login/"
    assert not is_in(client)


@pytest.mark.parametrize("change", ["late", "password", "disabled"])
def test_the_first_step_does_not_last(
    client: Client, ann: User, codes: list[str], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_password(client)
    if change == "late":
        later = time.time() + login.HALF_SECONDS
        monkeypatch.setattr(time, "time", lambda: later)
    elif change == "password":
        ann.set_password("another-horse-8")
        ann.save()
    else:
        User.objects.update(is_active=False)
    assert client.post(CODE, {"code": codes[0]})["Location"] == "/accounts/login/"
    assert not is_in(client)


def test_codes_cannot_be_guessed(client: Client, ann: User, codes: list[str]) -> None:
    give_password(client)
    assert "not right" in client.post(CODE, {"code": "000000"}).content.decode()
    told = client.post(CODE, {"code": "000001"}).content.decode()
    assert "Too many tries" in told  # each wrong one doubles the wait, which the library counts
    for _time in range(30):
        client.post(CODE, {"code": "nonsense"})
    StaticDevice.objects.update(throttling_failure_count=0)
    assert "Too many tries" in client.post(CODE, {"code": codes[0]}).content.decode()
    assert not is_in(client)


def test_a_link_for_a_new_password_stands_for_the_password_alone(client: Client, ann: User, codes: list[str]) -> None:
    request = client.get("/accounts/login/").wsgi_request
    form = client.get(passwords.new_password_link(request, ann), follow=True).redirect_chain[-1][0]
    client.post(form, {"new_password1": "another-horse-8", "new_password2": "another-horse-8"})
    assert User.objects.get(pk=ann.pk).check_password("another-horse-8")
    assert not is_in(client)


def test_it_is_changed_with_the_password_alone(client: Client, ann: User, codes: list[str]) -> None:
    client.force_login(ann)
    for do in ("codes", "off", "confirm", "begin"):
        assert "not your password" in client.post(PAGE, {"do": do, "password": "wrong"}).content.decode()
    assert second_factor.is_on(ann)
    page = client.post(PAGE, {"do": "codes", "password": PASSWORD}).content.decode()
    fresh = re.findall(r"<li><code>(\w+)</code>", page)
    assert len(fresh) == len(codes)
    assert not set(fresh) & set(codes)
    assert client.post(PAGE, {"do": "off", "password": PASSWORD})["Location"] == "/settings/"
    assert not second_factor.is_on(ann)
    assert not StaticDevice.objects.exists()


def test_a_lost_phone_is_an_administrators_work(ann: User, codes: list[str]) -> None:
    told = StringIO()
    call_command("remove_two_factor", "ann", stdout=told)
    assert "ann logs in by the password alone now." in told.getvalue()
    assert Client().post("/accounts/login/", {"username": "ann", "password": PASSWORD})["Location"] == "/"
    with pytest.raises(CommandError, match="ann has no second factor"):
        call_command("remove_two_factor", "ann")
    with pytest.raises(CommandError, match="nobody called bob"):
        call_command("remove_two_factor", "bob")


def test_a_site_may_demand_it_of_staff(client: Client, ann: User, settings: Settings) -> None:
    settings.REQUIRE_TWO_FACTOR_FOR_STAFF = True
    client.force_login(ann)
    assert is_in(client)
    User.objects.update(is_staff=True, is_superuser=True, last_login=timezone.now())
    for page in ("/admin/", "/admin/auth/user/", "/admin/engine/"):
        response = client.get(page, follow=True)
        assert response.redirect_chain[-1][0] == PAGE
        assert "This site asks it" in response.content.decode()
    turn_on(client, ann)
    assert client.get("/admin/").status_code == 200


def test_no_page_shows_the_keys(admin_client: Client, ann: User, codes: list[str]) -> None:
    for page in ("/admin/otp_totp/totpdevice/", "/admin/otp_static/staticdevice/"):
        assert admin_client.get(page).status_code == 404
    assert "otp" not in admin_client.get("/admin/").content.decode().lower()
