"""The groups with which a site begins: who may review, manage people, see usage. Administrators may change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions

GROUPS: Mapping[str, Sequence[str]] = {
    "Reviewers": [
        "chat.view_conversation",
        "chat.view_message",
        "chat.view_feedback",
        "chat.view_auditentry",
    ],
    "User managers": [
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "chat.view_invitation",
        "chat.add_invitation",
        "chat.change_invitation",
        "chat.delete_invitation",
        "inference.view_dailylimits",
        "inference.add_dailylimits",
        "inference.change_dailylimits",
        "inference.delete_dailylimits",
    ],
    "Usage viewers": ["inference.view_usagerecord"],
}


def make_groups(apps: Apps) -> None:
    """Once, by a migration: a later one would undo what an administrator has changed.

    Permissions appear only after all migrations, so those needed are made here; `apps` has the models.
    """
    for label in ("auth", "chat", "inference"):
        config = apps.get_app_config(label)
        if not hasattr(config, "models_module"):  # a migration's has none, and would be passed over
            config.models_module = True  # type: ignore[assignment]
        create_permissions(config, verbosity=0, apps=apps)
    known = apps.get_model("auth", "Permission").objects.select_related("content_type")
    permissions = {f"{permission.content_type.app_label}.{permission.codename}": permission for permission in known}
    for name, labels in GROUPS.items():
        group, is_new = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        if is_new:
            group.permissions.set([permissions[label] for label in labels])
