"""What a deployment's own endpoint answers: OpenAI-compatible, as vLLM serves it.

Rules of this file: no vendor; who serves what is an argument. Answers are canned.
Wire shapes: https://platform.openai.com/docs/api-reference/chat
"""

import itertools
from collections.abc import Callable

import orjson
from attrs import frozen

from .http import Refusal, Request, Response, json_response, parse_object

Json = dict[str, object]

_WORDS = ("Hello", " from", " the", " emulator", ".")
_USAGE = {"prompt_tokens": 7, "completion_tokens": len(_WORDS), "total_tokens": 7 + len(_WORDS)}


@frozen
class Served:
    """Whose endpoint answers: the deployment's id, and the names of the models it serves."""

    id: str
    models: tuple[str, ...]


def serve(find: Callable[[], Served], created: int, request: Request) -> Response:
    """The answer of the endpoint that `find` finds; its refusals are answers, too."""
    try:
        return _answer(find(), created, request)
    except Refusal as refusal:
        error = {
            "message": refusal.message,
            "type": "error",
            "param": None,
            "code": refusal.status,
        }
        return json_response(refusal.status, {"error": error})


def _answer(served: Served, created: int, request: Request) -> Response:
    match request.method, request.segments:
        case "GET", ("health",):
            return Response(200)
        case "GET", ("v1", "models"):
            return json_response(200, _models(served, created))
        case "POST", ("v1", "chat", "completions"):
            return _completion(served, created, request, chat=True)
        case "POST", ("v1", "completions"):
            return _completion(served, created, request, chat=False)
    raise Refusal(404, "Not Found")


def _models(served: Served, created: int) -> Json:
    data = [
        {"id": slug, "object": "model", "created": created, "owned_by": "vllm"}
        for slug in served.models
    ]
    return {"object": "list", "data": data}


def _completion(served: Served, created: int, request: Request, *, chat: bool) -> Response:
    body = parse_object(request.body)
    if body.get("model") not in served.models:
        raise Refusal(404, f"The model `{body.get('model')}` does not exist.")
    if not body.get("messages" if chat else "prompt"):
        raise Refusal(400, f"{'messages' if chat else 'prompt'} is required")
    head: Json = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{served.id}",
        "created": created,
        "model": body["model"],
    }
    if body.get("stream"):
        return _stream(head, body, chat=chat)
    kind = "chat.completion" if chat else "text_completion"
    said: Json = {"index": 0, "finish_reason": "stop", "logprobs": None}
    text = "".join(_WORDS)
    said |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return json_response(200, {**head, "object": kind, "choices": [said], "usage": _USAGE})


def _stream(head: Json, body: Json, *, chat: bool) -> Response:
    kind = "chat.completion.chunk" if chat else "text_completion"
    options = body.get("stream_options")
    with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
    events = [{**head, "object": kind, "choices": [choice]} for choice in _pieces(chat=chat)]
    if with_usage:
        events.append({**head, "object": kind, "choices": [], "usage": _USAGE})
    lines = (b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    chunks = tuple(itertools.chain(lines, (b"data: [DONE]\n\n",)))
    return Response(200, {"content-type": "text/event-stream; charset=utf-8"}, chunks=chunks)


def _pieces(*, chat: bool) -> list[Json]:
    if not chat:
        texts = [(word, None) for word in _WORDS] + [("", "stop")]
        return [{"index": 0, "text": text, "finish_reason": why} for text, why in texts]
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas.extend(({"content": word}, None) for word in _WORDS)
    deltas.append(({}, "stop"))
    return [{"index": 0, "delta": delta, "finish_reason": why} for delta, why in deltas]
