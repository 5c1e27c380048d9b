"""An instance's own endpoint: OpenAI-compatible, as vLLM serves it.

Rules of this file: the bearer token says which instance; no rate windows. Answers are canned.
Wire shapes: https://platform.openai.com/docs/api-reference/chat
"""

import itertools

import orjson

from di_async.emulator.world.http import Refusal, Request, Response, json_response

from .estate import Estate
from .records import Instance
from .wire.shapes import Json
from .wire.validation import parse_object

_WORDS = ("Hello", " from", " the", " emulator", ".")
_USAGE = {"prompt_tokens": 7, "completion_tokens": len(_WORDS), "total_tokens": 7 + len(_WORDS)}


def serve(estate: Estate, now: float, ready_lag: float, request: Request) -> Response:
    """The answer of the endpoint that the bearer token belongs to."""
    try:
        return _answer(_ready(estate, now, ready_lag, request), int(now), request)
    except Refusal as refusal:
        error = {
            "message": refusal.message,
            "type": "error",
            "param": None,
            "code": refusal.status,
        }
        return json_response(refusal.status, {"error": error})


def _ready(estate: Estate, now: float, ready_lag: float, request: Request) -> Instance:
    id = estate.owners.get(request.bearer)
    if id is None:
        raise Refusal(401, "Unauthorized")
    instance = estate.instances[id]
    first = next((write for write in instance.writes if write.outcome == "active"), None)
    if instance.current is None or instance.failed or first is None:
        raise Refusal(503, "The model is not ready yet")
    if now < first.settles_at + ready_lag:
        raise Refusal(503, "The model is still warming up")
    return instance


def _answer(instance: Instance, created: int, request: Request) -> Response:
    match request.method, request.segments:
        case "GET", ("health",):
            return Response(200)
        case "GET", ("v1", "models"):
            return json_response(200, _models(instance, created))
        case "POST", ("v1", "chat", "completions"):
            return _completion(instance, created, request, chat=True)
        case "POST", ("v1", "completions"):
            return _completion(instance, created, request, chat=False)
    raise Refusal(404, "Not Found")


def _slugs(instance: Instance) -> list[str]:
    return [model.slug for model in instance.current.models] if instance.current else []


def _models(instance: Instance, created: int) -> Json:
    data = [
        {"id": slug, "object": "model", "created": created, "owned_by": "vllm"}
        for slug in _slugs(instance)
    ]
    return {"object": "list", "data": data}


def _completion(instance: Instance, created: int, request: Request, *, chat: bool) -> Response:
    body = parse_object(request.body)
    if body.get("model") not in _slugs(instance):
        raise Refusal(404, f"The model `{body.get('model')}` does not exist.")
    if not body.get("messages" if chat else "prompt"):
        raise Refusal(400, f"{'messages' if chat else 'prompt'} is required")
    head: Json = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{instance.id}",
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
