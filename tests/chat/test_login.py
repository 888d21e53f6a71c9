"""Getting in: guesses are counted, strangers keep nobody out, and passwords are hashed for small machines."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.auth.models import User
from django.core.cache import cache, caches
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisAwayError

from chat.accounts import guesses, signup, throttle
from localai_site import settings as product
from tests.services import RedisServer

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-7"
WRONG = "That name and password do not match"


@pytest.fixture(autouse=True)
def soon_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The larger limits, made small: each log-in takes its time."""
    monkeypatch.setattr(guesses, "ADDRESS", replace(guesses.ADDRESS, most=12))
    monkeypatch.setattr(guesses, "NAME", replace(guesses.NAME, most=12))
    monkeypatch.setattr(signup, "ACCOUNTS", replace(signup.ACCOUNTS, most=5))


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password=PASSWORD, email="ann@example.org")


def log_in(client: Client, name: str = "ann", password: str = "wrong") -> tuple[int, str]:
    response = client.post("/accounts/login/", {"username": name, "password": password})
    return response.status_code, response.content.decode()


def fail(times: int, client: Client, name: str = "ann") -> None:
    for _time in range(times):
        status, text = log_in(client, name)
        assert (status, WRONG in text) == (200, True)


def test_after_some_wrong_passwords_one_waits(client: Client, ann: User) -> None:
    fail(guesses.NAME_AND_ADDRESS.most, client)
    status, text = log_in(client, password=PASSWORD)  # right, and not even looked at
    assert status == 429
    assert "Too many tries. Wait" in text
    assert 'value="ann"' in text
    assert log_in(client, "Ann")[0] == 429  # in whatever case
    cache.clear()  # as time does
    assert log_in(client, password=PASSWORD)[0] == 302


def test_the_window_ends(client: Client, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(guesses.NAME_AND_ADDRESS.most, client)
    assert log_in(client)[0] == 429
    later = time.time() + guesses.NAME_AND_ADDRESS.seconds
    monkeypatch.setattr(time, "time", lambda: later)
    assert log_in(client)[0] == 200


def test_a_right_password_is_no_try(client: Client, ann: User) -> None:
    for _time in range(2 * guesses.NAME_AND_ADDRESS.most):
        assert log_in(Client(), password=PASSWORD)[0] == 302


def test_an_unknown_name_is_told_the_same(client: Client, ann: User) -> None:
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    told = {log_in(Client(), name)[1].replace(f'"{name}"', "") for name in ("ann", "nobody", "gone")}
    assert len({text.partition("csrfmiddlewaretoken")[2][100:] for text in told}) == 1
    fail(guesses.NAME_AND_ADDRESS.most - 1, client, "nobody")
    assert log_in(client, "nobody")[0] == 429


def test_a_stranger_keeps_nobody_out(ann: User) -> None:
    """Neither from one address, nor from very many, as long as the person uses a browser of theirs."""
    home, stranger = Client(REMOTE_ADDR="192.0.2.1"), Client(REMOTE_ADDR="203.0.113.1")
    fail(guesses.NAME_AND_ADDRESS.most, stranger)
    assert log_in(stranger)[0] == 429
    assert log_in(home, password=PASSWORD)[0] == 302
    home.post("/accounts/logout/")

    for number in range(guesses.NAME.most):
        log_in(Client(REMOTE_ADDR=f"198.51.100.{number}"))
    assert log_in(Client(REMOTE_ADDR="198.51.101.1"), password=PASSWORD)[0] == 429
    assert log_in(home, password=PASSWORD)[0] == 302


def test_a_known_browser_is_nobody_elses(ann: User) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    home = Client()
    assert log_in(home, "bob", PASSWORD)[0] == 302
    home.post("/accounts/logout/")
    for number in range(guesses.NAME.most):
        log_in(Client(REMOTE_ADDR=f"198.51.100.{number}"))
    assert log_in(home, password=PASSWORD)[0] == 429
    home.cookies[guesses.COOKIE] = f"{ann.pk}:forged"
    assert log_in(home, password=PASSWORD)[0] == 429


def test_an_address_that_tries_many_names_waits(ann: User) -> None:
    client = Client()
    for number in range(guesses.ADDRESS.most):
        assert log_in(client, f"name{number}")[0] == 200
    assert log_in(client, password=PASSWORD)[0] == 429
    assert log_in(Client(REMOTE_ADDR="192.0.2.1"), password=PASSWORD)[0] == 302


def test_many_at_once_are_many() -> None:
    limit = throttle.Limit("test", 5, 3600)

    def attempt(_number: int) -> bool:
        try:
            throttle.take([limit.of("x")])
        except ValidationError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(100))) == 5


@pytest.mark.parametrize(
    ("https", "remote", "forwarded", "address"),
    [
        (False, "192.0.2.1", "", "192.0.2.1"),
        (False, "192.0.2.1", "203.0.113.1", "192.0.2.1"),  # anybody may say so
        (False, "127.0.0.1", "203.0.113.1", "203.0.113.1"),
        (True, "172.17.0.1", "203.0.113.1", "203.0.113.1"),
        (True, "172.17.0.1", "10.0.0.1, 203.0.113.1", "203.0.113.1"),  # the last one is the proxy's own word
        (True, "172.17.0.1", "nonsense", "172.17.0.1"),
        (True, "", "203.0.113.1", "203.0.113.1"),  # through a Unix socket
        (False, "2001:db8::1:2:3:4", "", "2001:db8::/64"),
        (False, "::ffff:192.0.2.1", "", "192.0.2.1"),
        (False, "", "", "unknown"),
    ],
)
def test_from_where_somebody_asks(settings: Settings, https: bool, remote: str, forwarded: str, address: str) -> None:
    settings.HTTPS = https
    request = RequestFactory().get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert throttle.address_of(request) == address


def test_several_processes_count_together(settings: Settings, tmp_path: Path, ann: User) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": server.url}}
        fail(guesses.NAME_AND_ADDRESS.most, Client())
        del caches["default"]  # as another process, which has a connection of its own
        assert log_in(Client())[0] == 429
    finally:
        settings.CACHES = product.CACHES
        server.stop()


def test_without_redis_the_password_is_still_asked_for(
    ann: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisAwayError

    monkeypatch.setattr(type(caches["default"]), "incr", away)
    assert log_in(Client())[0] == 200
    assert log_in(Client(), password=PASSWORD)[0] == 302
    assert "A try could not be counted" in caplog.text


def test_the_old_password_and_the_address_are_guarded_too(client: Client, ann: User) -> None:
    client.force_login(ann)
    change = {"old_password": "wrong", "new_password1": "another-horse-8", "new_password2": "another-horse-8"}
    for _time in range(guesses.OWN.most):
        assert "entered incorrectly" in client.post("/accounts/password/", change).content.decode()
    told = client.post("/accounts/password/", change | {"old_password": PASSWORD}).content.decode()
    assert "Too many tries" in told
    assert User.objects.get(pk=ann.pk).check_password(PASSWORD)


def test_accounts_are_not_made_without_an_end(client: Client, settings: Settings) -> None:
    settings.ALLOW_SIGNUP = True
    form = {"password1": "another-horse-8", "password2": "another-horse-8"}
    for number in range(signup.ACCOUNTS.most):
        assert Client().post("/accounts/signup/", form | {"username": f"name{number}"}).status_code == 302
    told = Client().post("/accounts/signup/", form | {"username": "one-more"}).content.decode()
    assert "Too many tries" in told
    assert 'value="one-more"' in told
    assert not User.objects.filter(username="one-more").exists()


def test_passwords_are_hashed_by_argon2_and_older_hashes_renewed(client: Client, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS  # the tests have a quick one
    ann = User.objects.create_user("ann", password=PASSWORD)
    assert ann.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    User.objects.update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    assert log_in(client, password=PASSWORD)[0] == 302
    assert identify_hasher(User.objects.get().password).algorithm == "argon2"


def test_the_time_before_is_shown(client: Client, ann: User) -> None:
    User.objects.update(last_login=timezone.now() - timedelta(days=400))
    assert log_in(client, password=PASSWORD)[0] == 302
    page = client.get("/settings/").content.decode()
    assert "Your log-in before this one" in page
    assert str((timezone.now() - timedelta(days=400)).year) in page


def test_the_administration_has_no_door_of_its_own(client: Client, ann: User) -> None:
    response = client.get("/admin/auth/user/", follow=True)
    assert "/accounts/login/?next=%2Fadmin%2Fauth%2Fuser%2F" in response.redirect_chain[-1][0]
    client.force_login(ann)
    assert client.get("/admin/", follow=True).status_code == 403
    User.objects.update(is_staff=True)
    assert client.get("/admin/login/?next=/admin/", follow=True).redirect_chain[-1] == ("/admin/", 302)
