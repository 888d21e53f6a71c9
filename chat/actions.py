"""What the buttons do, for socket and form alike."""

from __future__ import annotations

from channels.db import database_sync_to_async
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from chat import broadcast, orders, replies
from chat.forms import ActionForm
from chat.models import Conversation
from inference.supervisor import get_supervisor


async def act(conversation: Conversation, user: AbstractBaseUser | AnonymousUser, form: ActionForm) -> None:
    """Do what a valid form says, in the person's own conversation.

    Raises InferenceError, or the database's error; then nothing was changed.
    """
    action, message_id = form.cleaned_data["action"], form.cleaned_data["message"]
    if action == "retry":
        if not getattr(user, "is_staff", False):
            raise orders.OrderError("Only staff can restart the engine. Ask an administrator.")
        get_supervisor().retry()
        return
    message = await database_sync_to_async(orders.message_of)(conversation, message_id)
    if action == "stop":
        await broadcast.stop(message.pk)
    elif action == "answer-now" and message.is_streaming:
        await broadcast.answer_now(message.pk)
    elif action == "version":
        await database_sync_to_async(orders.show_version)(conversation, message.pk)
        await broadcast.announce_move(conversation.pk)
    else:
        await replies.submit(conversation, form.order())
