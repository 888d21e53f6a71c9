from __future__ import annotations

import re

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def test_administrator_can_sign_in_with_the_printed_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("create_first_admin")

    printed = capsys.readouterr().out
    name = re.search(r"name +(\S+)", printed)
    password = re.search(r"password +(\S+)", printed)
    assert name
    assert password
    administrator = authenticate(username=name[1], password=password[1])
    assert administrator is not None
    assert (administrator.get_username(), administrator.is_superuser) == ("admin", True)
    assert len({len(line) for line in printed.splitlines() if line}) == 1, "the box is not straight"


def test_second_call_changes_and_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_first_admin")
    before = get_user_model().objects.values_list("username", "password").get()
    capsys.readouterr()

    call_command("create_first_admin")

    assert capsys.readouterr().out == ""
    assert get_user_model().objects.values_list("username", "password").get() == before


def test_nobody_is_made_administrator_beside_other_users(capsys: pytest.CaptureFixture[str]) -> None:
    get_user_model().objects.create_user("ada")

    call_command("create_first_admin")

    assert capsys.readouterr().out == ""
    assert get_user_model().objects.count() == 1
