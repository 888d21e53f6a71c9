"""Who may decide about whose account: nobody gives, or takes over, what they may not do themselves."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet


def may_manage(actor: User, person: User) -> bool:
    """Whether one may change, disable, or give a new password to the other.

    What the other may do counts also while they are disabled or no staff: that could be changed next.
    """
    if actor.is_superuser:
        return True
    return not person.is_superuser and not _permissions(person).exclude(pk__in=_permissions(actor)).exists()


def grantable_groups(actor: User) -> QuerySet[Group]:
    if actor.is_superuser:
        return Group.objects.all()
    return Group.objects.exclude(permissions__in=Permission.objects.exclude(pk__in=_permissions(actor)))


def confirm(actor: User) -> None:
    """In a transaction, before accounts are changed; raises PermissionDenied.

    Who has just lost the right to do so does nothing any more. As nobody disables themselves, one superuser
    always stays, also when two disable each other at once.
    """
    deciding = User.objects.select_for_update().filter(Q(is_superuser=True) | Q(pk=actor.pk)).order_by("pk")
    now = next((user for user in deciding if user.pk == actor.pk), None)
    if now is None or not now.is_active or now.is_superuser is not actor.is_superuser:
        raise PermissionDenied


def _permissions(person: User) -> QuerySet[Permission]:
    return Permission.objects.filter(Q(user=person) | Q(group__user=person)).distinct()
