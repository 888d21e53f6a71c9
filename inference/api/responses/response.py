"""The response object, as OpenAI's clients know it: what was asked for, what came of it, what it took."""

from __future__ import annotations

import time

from inference.api.errors import ApiError
from inference.api.responses.output import Fields, new_id
from inference.api.responses.schemas import ResponseBody
from inference.generation import Generation
from inference.request import Request


def begun(body: ResponseBody, asked: Request, model: str) -> Fields:
    """A response of which nothing is written yet."""
    sampling = asked.sampling()
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        "instructions": body.instructions,
        "previous_response_id": body.previous_response_id,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_logprobs": 0,
        "reasoning": {"effort": asked.effort, "summary": body.reasoning.summary if body.reasoning else None},
        "text": {"format": body.format.model_dump(by_alias=True, exclude_none=True), "verbosity": "medium"},
        "tools": [tool.model_dump() for tool in body.tools or []],
        "tool_choice": body.tool_choice or "auto",
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "truncation": body.truncation or "disabled",
        "store": body.is_stored,
        "background": False,
        "service_tier": "default",
        "metadata": body.metadata or {},
        "user": body.user,
        "safety_identifier": body.safety_identifier,
        "prompt_cache_key": body.prompt_cache_key,
    }


def ended(response: Fields, output: list[Fields], generation: Generation, *, is_cut_off: bool) -> Fields:
    details = {"reason": "max_output_tokens"} if is_cut_off else None
    return {
        **response,
        "status": "incomplete" if is_cut_off else "completed",
        "completed_at": None if is_cut_off else int(time.time()),
        "incomplete_details": details,
        "output": output,
        "usage": _usage(generation),
        "dropped_turns": generation.prompt.dropped_turns,
    }


def failed(response: Fields, error: ApiError) -> Fields:
    """OpenAI has few codes for this; the event before it tells the right one."""
    code = "invalid_prompt" if error.status < 500 else "server_error"
    reason = {"code": code, "message": error.error["message"]}
    return {**response, "status": "failed", "completed_at": None, "incomplete_details": None, "error": reason}


def _usage(generation: Generation) -> Fields:
    """Tokens in this endpoint's words; nobody counts here what a cache spared."""
    prompt, written = len(generation.prompt.token_ids), len(generation.token_ids)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": generation.facts.thinking_tokens},
        "total_tokens": prompt + written,
    }
