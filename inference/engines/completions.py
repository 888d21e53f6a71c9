"""What a vLLM server streams from /v1/completions: lines of server-sent events, and the tokens in them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.engine import VOCABULARY_SIZE, FinishReason, Tokens
from inference.errors import EngineDiedError, EngineNotReadyError, InferenceError, PromptError

MAX_LINE_BYTES = 16 * 2**20
"""The longest line is the first: it repeats the ids of the prompt."""

LINE_END = re.compile(rb"[\r\n]+")


async def lines(chunks: AsyncIterable[bytes]) -> AsyncGenerator[list[bytes], None]:
    """Split at CR and LF alone; httpx's own splitter also cuts JSON at U+2028 and its kin.

    Gives what has become whole with each chunk, together.
    """
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        *complete, buffer = LINE_END.split(buffer)
        yield complete
        if len(buffer) > MAX_LINE_BYTES:
            raise EngineDiedError(_("The vLLM server sent a line without end."))
    yield [buffer]


def steps_of(lines: Iterable[bytes]) -> Iterator[Tokens]:
    """Return the tokens of these lines as one step; what goes wrong is raised behind those before it."""
    token_ids: list[int] = []
    reason: FinishReason | None = None
    failure: InferenceError | None = None
    for line in lines:
        try:
            tokens = tokens_of(line)
        except InferenceError as error:  # the server's; what it wrote before that counts
            failure = error
            break
        if tokens:
            token_ids += tokens.token_ids
            reason = tokens.finish_reason
        if reason:
            break
    if token_ids or reason:
        yield Tokens(tuple(token_ids), reason)
    if failure:
        raise failure


def tokens_of(line: bytes) -> Tokens | None:
    """Return the tokens of one line, or None if it carries none (comments, usage, [DONE]).

    Raises PromptError for an error that the server ascribes to the request, EngineDiedError for
    every other error and for what no vLLM server would send.
    """
    field, _separator, data = line.partition(b":")
    if field != b"data" or data.strip() in (b"", b"[DONE]"):
        return None
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EngineDiedError(_("The vLLM server sent something that is not JSON.")) from error
    if not isinstance(event, dict):
        raise EngineDiedError(_("The vLLM server sent something that is not an event."))
    if event.get("error"):
        raise error_of(event)
    choices = event.get("choices")
    return _tokens_of_choice(choices[0]) if isinstance(choices, list) and choices else None


def _tokens_of_choice(choice: object) -> Tokens | None:
    if not isinstance(choice, dict):
        raise EngineDiedError(_("The vLLM server sent something that is not an event."))
    token_ids = choice.get("token_ids") or []
    if not token_ids and choice.get("text"):
        raise EngineDiedError(_("The server sends text without token ids; LocalAI needs vLLM 0.10.2 or newer."))
    if not isinstance(token_ids, list) or not all(map(_is_token_id, token_ids)):
        raise EngineDiedError(_("The vLLM server sent token ids that gpt-oss does not have."))
    reason = choice.get("finish_reason")
    if reason is not None and reason not in ("stop", "length"):
        raise EngineDiedError(format_lazy(_("The vLLM server ended the answer: {reason}."), reason=reason))
    if not token_ids and reason is None:
        return None
    return Tokens(tuple(token_ids), reason)


def _is_token_id(value: object) -> bool:
    return type(value) is int and 0 <= value < VOCABULARY_SIZE


def error_of(body: object, status: int = 500) -> PromptError | EngineDiedError:
    """Map the error object of a vLLM server; its own code wins over the HTTP status."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        error = {"message": error}
    code = error.get("code", status)
    text = " ".join(str(error.get("message") or "").split())[:500] or _("it gave no reason")
    if isinstance(code, int) and 400 <= code < 500:
        return PromptError(format_lazy(_("The vLLM server refused the request: {text}"), text=text))
    return EngineDiedError(format_lazy(_("The vLLM server failed: {text}"), text=text))


def refusal_of(status: int, content: bytes) -> InferenceError:
    """Map an answer that is no stream: who is at fault decides who can do something about it."""
    try:
        error = error_of(json.loads(content), status)
    except (ValueError, RecursionError):
        error = error_of({}, status)
    if status in (401, 403):
        return EngineNotReadyError(_("The vLLM server refuses the key. Check VLLM_SERVER_API_KEY."))
    if status in (404, 408, 429, 503):
        return EngineNotReadyError(format_lazy(_("{error} Try again in a moment."), error=error))
    return error
