"""`manage.py create_api_key`: what is on which stream, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference.models import MAX_KEYS, ApiKey

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ann() -> User:
    return User.objects.create(username="ann")


def create(*arguments: str) -> tuple[str, str]:
    """Returns what went to standard output and to standard error."""
    stdout, stderr = StringIO(), StringIO()
    call_command("create_api_key", *arguments, stdout=stdout, stderr=stderr)
    return stdout.getvalue(), stderr.getvalue()


def test_the_key_alone_is_on_standard_output(ann: User) -> None:
    stdout, stderr = create("ann")
    secret = stdout.removesuffix("\n")
    assert secret.startswith("sk-")
    assert "\n" not in secret
    assert secret not in stderr
    assert "ann" in stderr
    assert "never expires" in stderr
    key = ApiKey.objects.usable().with_secret(secret).get()
    assert (key.user, key.name, key.expires_at) == (ann, "Command line", None)


def test_name_and_expiry_are_kept() -> None:
    _, stderr = create("ann", "--name", "  Nightly \n report\udcff", "--expires-in-days", "30")
    key = ApiKey.objects.get()
    assert key.name == "Nightly report�"
    assert key.expires_at is not None
    left = key.expires_at - timezone.now()
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert f"expires {timezone.localtime(key.expires_at):%Y-%m-%d}" in stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["eve"], "There is no user 'eve'."),
        (["gone"], "The user 'gone' is not active"),
        (["ann", "--name", " "], "--name must have 1 to 80 characters, not 0"),
        (["ann", "--name", "x" * 81], "--name must have 1 to 80 characters, not 81"),
        *(
            (["ann", f"--expires-in-days={days}"], f"--expires-in-days is '{days}'; it must be a whole number")
            for days in ("0", "-1", "3651", "1.5", "soon", "", "٣", "9" * 5000)
        ),
    ],
)
def test_what_is_refused_is_told_in_one_line(arguments: list[str], told: str) -> None:
    User.objects.create(username="gone", is_active=False)
    with pytest.raises(CommandError, match=r"\A[^\n]*\Z") as refused:
        create(*arguments)
    assert told in str(refused.value)
    assert refused.value.returncode != 0
    assert not ApiKey.objects.exists()


def test_nobody_gets_more_keys_than_the_page_would_give(ann: User) -> None:
    ApiKey.objects.bulk_create(ApiKey(user=ann, name="Old", digest=str(number)) for number in range(MAX_KEYS))
    with pytest.raises(CommandError, match="50 keys already"):
        create("ann")
    assert ApiKey.objects.count() == MAX_KEYS
