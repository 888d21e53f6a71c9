"""What the buttons do, for socket and form alike."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from channels.db import database_sync_to_async
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import DatabaseError
from django.utils.translation import gettext_lazy as _

from chat import broadcast, orders, replies
from chat.forms import ActionForm
from chat.models import Conversation
from inference.errors import (
    BusyError,
    DailyLimitError,
    EngineError,
    EngineNotReadyError,
    GateUnreachableError,
    InferenceError,
)
from inference.supervisor import get_supervisor

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """What a person asked for is not done; the text says why, `status` says it in HTTP's words.

    `retry_after_seconds`: it may be done later, as it is.
    """

    def __init__(self, text: Text, status: int, retry_after_seconds: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


async def heed(ordered: Awaitable[object]) -> None:
    """Await what a person ordered. Raises RefusedError, and AlreadySavedError, which is no refusal."""
    try:
        await ordered
    except orders.AlreadySavedError:
        raise
    except BusyError as error:
        raise RefusedError(str(error), 429, error.retry_after_seconds) from error
    except DailyLimitError as error:
        raise RefusedError(str(error), 429) from error
    except InferenceError as error:
        is_later = isinstance(error, EngineError | GateUnreachableError)
        is_soon = isinstance(error, EngineNotReadyError)
        raise RefusedError(str(error), 503 if is_later else 400, 5 if is_soon else None) from error
    except Conversation.DoesNotExist as error:
        text = _("This conversation was deleted. Copy your prompt and start a new one.")
        raise RefusedError(text, 404) from error
    except DatabaseError as error:
        logger.exception("What a person asked for could not be saved.")
        raise RefusedError(_("This could not be saved. Nothing is lost: try again."), 503) from error
    except Exception as error:  # ours, or the channel layer's; without an answer a page would ask again and again
        logger.exception("What a person asked for failed.")
        raise RefusedError(_("The server failed at this. Nothing is lost; its log tells more."), 500) from error


async def act(conversation: Conversation, user: AbstractBaseUser | AnonymousUser, form: ActionForm) -> None:
    """Do what a valid form says, in the person's own conversation.

    Raises InferenceError, or the database's error; then nothing was changed.
    """
    action, message_id = form.cleaned_data["action"], form.cleaned_data["message"]
    if action == "retry":
        if not getattr(user, "is_staff", False):
            raise orders.OrderError(_("Only staff can restart the engine. Ask an administrator."))
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
    elif action in ActionForm.ORDERS:
        await replies.submit(conversation, form.order())
