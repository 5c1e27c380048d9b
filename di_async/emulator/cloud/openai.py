"""The data plane of a deployment: OpenAI-compatible, as vLLM serves it, with canned answers.

https://platform.openai.com/docs/api-reference/chat
"""

import itertools
from collections.abc import Callable

import orjson
from attrs import frozen

from .http import ApiError, Json, Request, Response, json_response, parse_json_object

_WORDS = ("Hello", " from", " the", " emulator", ".")
_USAGE = {"prompt_tokens": 7, "completion_tokens": len(_WORDS), "total_tokens": 7 + len(_WORDS)}


@frozen
class ServedModels:
    """A deployment's id, and the names of the models it serves."""

    id: str
    models: tuple[str, ...]


def serve(find: Callable[[], ServedModels], created: int, request: Request) -> Response:
    """Answer a request to the deployment that `find` returns, or render its `ApiError`."""
    try:
        return _answer(find(), created, request)
    except ApiError as failure:
        error = {"message": failure.message, "type": "error", "param": None, "code": failure.status}
        return json_response(failure.status, {"error": error})


def _answer(served: ServedModels, created: int, request: Request) -> Response:
    match request.method, request.segments:
        case "GET", ("health",):
            return Response(200)
        case "GET", ("v1", "models"):
            data = [
                {"id": slug, "object": "model", "created": created, "owned_by": "vllm"}
                for slug in served.models
            ]
            return json_response(200, {"object": "list", "data": data})
        case "POST", ("v1", "chat", "completions"):
            return _completion(served, created, request, chat=True)
        case "POST", ("v1", "completions"):
            return _completion(served, created, request, chat=False)
    raise ApiError(404, "Not Found")


def _completion(served: ServedModels, created: int, request: Request, *, chat: bool) -> Response:
    body = parse_json_object(request.body)
    if body.get("model") not in served.models:
        raise ApiError(404, f"The model `{body.get('model')}` does not exist.")
    if not body.get("messages" if chat else "prompt"):
        raise ApiError(400, f"{'messages' if chat else 'prompt'} is required")
    head: Json = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{served.id}",
        "created": created,
        "model": body["model"],
    }
    if body.get("stream"):
        return _stream(head, body, chat=chat)
    kind = "chat.completion" if chat else "text_completion"
    choice: Json = {"index": 0, "finish_reason": "stop", "logprobs": None}
    text = "".join(_WORDS)
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return json_response(200, {**head, "object": kind, "choices": [choice], "usage": _USAGE})


def _stream(head: Json, body: Json, *, chat: bool) -> Response:
    kind = "chat.completion.chunk" if chat else "text_completion"
    options = body.get("stream_options")
    events = [{**head, "object": kind, "choices": [choice]} for choice in _chunks(chat=chat)]
    if isinstance(options, dict) and options.get("include_usage"):
        events.append({**head, "object": kind, "choices": [], "usage": _USAGE})
    lines = (b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    chunks = tuple(itertools.chain(lines, (b"data: [DONE]\n\n",)))
    return Response(200, {"content-type": "text/event-stream; charset=utf-8"}, chunks=chunks)


def _chunks(*, chat: bool) -> list[Json]:
    if not chat:
        texts = [(word, None) for word in _WORDS] + [("", "stop")]
        return [{"index": 0, "text": text, "finish_reason": reason} for text, reason in texts]
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas.extend(({"content": word}, None) for word in _WORDS)
    deltas.append(({}, "stop"))
    return [{"index": 0, "delta": delta, "finish_reason": reason} for delta, reason in deltas]
