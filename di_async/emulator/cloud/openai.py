"""The data plane of a deployment: OpenAI-compatible, as vLLM serves it, with canned answers.

https://platform.openai.com/docs/api-reference/chat
"""

import base64
import struct
from collections.abc import Callable, Iterable

import orjson
from attrs import frozen

from .http import ApiError, Json, Request, Response, json_response, parse_json_object
from .simulation import Lifecycle

_WORDS = ("Hello", " from", " the", " emulator", ".")
_TEXT = "".join(_WORDS)
_EMBEDDING = (0.6, 0.8, 0.0, 0.0)
_WARMING_UP = "The model is still warming up"
_ERROR_TYPES = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError"}
_USAGE = {"prompt_tokens": 7, "completion_tokens": len(_WORDS), "total_tokens": 7 + len(_WORDS)}


@frozen
class ServedModels:
    """A deployment's id, the names of its models, and whether they only are listed so far."""

    id: str
    models: tuple[str, ...]
    loading: bool = False


def served_since(
    id: str, models: tuple[str, ...], settled_at: float, now: float, lifecycle: Lifecycle
) -> ServedModels:
    """Return what a deployment that settled then serves now, or raise 503."""
    answers_at = settled_at + lifecycle.ready_lag
    if now < max(settled_at, answers_at - lifecycle.list_lead):
        raise ApiError(503, _WARMING_UP)
    return ServedModels(id, models, now < answers_at)


def serve(find: Callable[[], ServedModels], created: int, request: Request) -> Response:
    """Answer a request to the deployment that `find` returns, or render its `ApiError`."""
    try:
        return _answer(find(), created, request)
    except ApiError as failure:
        kind = _ERROR_TYPES.get(failure.status, "InternalServerError")
        error = {"message": failure.message, "type": kind, "param": None, "code": failure.status}
        return json_response(failure.status, {"error": error})


def _answer(served: ServedModels, created: int, request: Request) -> Response:
    if served.loading and request.method == "POST":
        raise ApiError(503, _WARMING_UP)
    match request.method, request.segments:
        case "GET", ("health",):
            return Response(200)
        case "GET", ("v1", "models"):
            data = [_model(slug, created) for slug in served.models]
            return json_response(200, {"object": "list", "data": data})
        case "GET", ("v1", "models", *name):
            return json_response(200, _model(_served_name(served, "/".join(name)), created))
        case "POST", ("v1", "chat", "completions"):
            return _completion(served, created, request, chat=True)
        case "POST", ("v1", "completions"):
            return _completion(served, created, request, chat=False)
        case "POST", ("v1", "responses"):
            return _response(served, created, request)
        case "POST", ("v1", "embeddings"):
            return _embeddings(served, request)
    raise ApiError(404, "Not Found")


def _model(slug: str, created: int) -> Json:
    return {"id": slug, "object": "model", "created": created, "owned_by": "vllm"}


def _served_name(served: ServedModels, name: object) -> str:
    """Return the model that answers: a request that names none gets the first, as with vLLM."""
    if not name:
        return served.models[0]
    if name not in served.models:
        raise ApiError(404, f"The model `{name}` does not exist.")
    return str(name)


def _completion(served: ServedModels, created: int, request: Request, *, chat: bool) -> Response:
    body = parse_json_object(request.body)
    model = _served_name(served, body.get("model"))
    if not body.get("messages" if chat else "prompt"):
        raise ApiError(400, f"{'messages' if chat else 'prompt'} is required")
    head: Json = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{served.id}",
        "created": created,
        "model": model,
    }
    if body.get("stream"):
        return _stream(head, body, chat=chat)
    kind = "chat.completion" if chat else "text_completion"
    choice: Json = {"index": 0, "finish_reason": "stop", "logprobs": None}
    choice |= {"message": {"role": "assistant", "content": _TEXT}} if chat else {"text": _TEXT}
    return json_response(200, {**head, "object": kind, "choices": [choice], "usage": _USAGE})


def _response(served: ServedModels, created: int, request: Request) -> Response:
    """Answer the Responses API: one message, whole or as events."""
    body = parse_json_object(request.body)
    model = _served_name(served, body.get("model"))
    if not body.get("input"):
        raise ApiError(400, "input is required")
    head: Json = {
        "id": f"resp-{served.id}",
        "object": "response",
        "created_at": created,
        "model": model,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
    }
    message = _message(served.id, _TEXT, "completed")
    usage: Json = {
        "input_tokens": _USAGE["prompt_tokens"],
        "output_tokens": _USAGE["completion_tokens"],
        "total_tokens": _USAGE["total_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    whole: Json = {**head, "status": "completed", "output": [message], "usage": usage}
    if not body.get("stream"):
        return json_response(200, whole)
    begun: Json = {**head, "status": "in_progress", "output": [], "usage": None}
    place: Json = {"output_index": 0, "content_index": 0, "item_id": f"msg-{served.id}"}
    events: list[Json] = [{"type": "response.created", "response": begun}]
    item = _message(served.id, None, "in_progress")
    events.append({"type": "response.output_item.added", "output_index": 0, "item": item})
    delta = "response.output_text.delta"
    events += [{"type": delta, "delta": word, "logprobs": [], **place} for word in _WORDS]
    done = "response.output_text.done"
    events.append({"type": done, "text": _TEXT, "logprobs": [], **place})
    events.append({"type": "response.completed", "response": whole})
    return _events({**event, "sequence_number": n} for n, event in enumerate(events))


def _message(id: str, text: str | None, status: str) -> Json:
    content = [] if text is None else [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "type": "message",
        "id": f"msg-{id}",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _embeddings(served: ServedModels, request: Request) -> Response:
    """Return the same vector for each input, as floats or as base64 of 32-bit floats."""
    body = parse_json_object(request.body)
    model, texts = _served_name(served, body.get("model")), body.get("input")
    if not texts:
        raise ApiError(400, "input is required")
    many = isinstance(texts, list) and not isinstance(texts[0], int)  # else text or its tokens
    count = len(texts) if isinstance(texts, list) and many else 1
    packed = base64.b64encode(struct.pack(f"<{len(_EMBEDDING)}f", *_EMBEDDING)).decode()
    vector = packed if body.get("encoding_format") == "base64" else list(_EMBEDDING)
    data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(count)]
    usage = {"prompt_tokens": 7 * count, "total_tokens": 7 * count}
    return json_response(200, {"object": "list", "data": data, "model": model, "usage": usage})


def _stream(head: Json, body: Json, *, chat: bool) -> Response:
    kind = "chat.completion.chunk" if chat else "text_completion"
    options = body.get("stream_options")
    events = [{**head, "object": kind, "choices": [choice]} for choice in _chunks(chat=chat)]
    if isinstance(options, dict) and options.get("include_usage"):
        events.append({**head, "object": kind, "choices": [], "usage": _USAGE})
    return _events(events, end=b"data: [DONE]\n\n")


def _events(events: Iterable[Json], end: bytes = b"") -> Response:
    """Return server-sent events."""
    lines = (_event_name(event) + b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    chunks = (*lines, end) if end else tuple(lines)
    return Response(200, {"content-type": "text/event-stream; charset=utf-8"}, chunks=chunks)


def _event_name(event: Json) -> bytes:
    return f"event: {event['type']}\n".encode() if "type" in event else b""


def _chunks(*, chat: bool) -> list[Json]:
    if not chat:
        texts = [(word, None) for word in _WORDS] + [("", "stop")]
        return [{"index": 0, "text": text, "finish_reason": reason} for text, reason in texts]
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas.extend(({"content": word}, None) for word in _WORDS)
    deltas.append(({}, "stop"))
    return [{"index": 0, "delta": delta, "finish_reason": reason} for delta, reason in deltas]
