"""A FastAPI service that deploys models and streams their progress."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from di_async import (
    APIError,
    Change,
    DeploymentFailedError,
    DIError,
    DigitalOcean,
    InvalidInputError,
    StatusChange,
    WaitError,
)
from di_async.digitalocean import DedicatedInferences, DedicatedInferenceSpec

FIELDS = ("status", "previous", "note", "elapsed", "outcome")
log = logging.getLogger("uvicorn.error")
stopping = asyncio.Event()  # set by SIGTERM and Ctrl-C


def stop_on_signals() -> None:
    """End the streams on a signal: uvicorn waits for them to close."""
    loop = asyncio.get_running_loop()

    def wrapped(uvicorns: Any) -> Any:
        def handler(*signal: Any) -> None:
            loop.call_soon_threadsafe(stopping.set)
            uvicorns(*signal)

        return handler

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, wrapped(signal.getsignal(number)))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with suppress(ValueError):  # in a test: not the main thread
        stop_on_signals()
    # one client for the service: one budget, one poller
    async with DigitalOcean() as do:
        app.state.api = do.dedicated_inferences
        yield


def get_api(request: Request) -> DedicatedInferences:
    api: DedicatedInferences = request.app.state.api
    return api


API = Annotated[DedicatedInferences, Depends(get_api)]
app = FastAPI(lifespan=lifespan)


@app.exception_handler(DIError)
async def refuse(request: Request, error: DIError) -> JSONResponse:
    status = 502  # no answer from the provider, or an unexpected one
    if isinstance(error, InvalidInputError):  # PriceLimitError is one, too
        status = 400
    elif isinstance(error, APIError) and error.status in (404, 409, 422, 429):
        status = error.status
    return JSONResponse(described(error), status)


def described(error: DIError) -> dict[str, str]:
    return {"error": type(error).__name__, "message": error.message}


async def steps(change: Change[Any]) -> AsyncIterator[StatusChange]:
    """Yield the steps until the change has settled or the service stops."""
    events, stop = change.events(), asyncio.ensure_future(stopping.wait())
    step: Any = None
    try:
        while True:
            step = asyncio.ensure_future(anext(events, None))
            await asyncio.wait((step, stop), return_when="FIRST_COMPLETED")
            if not step.done() or step.result() is None:
                return
            yield step.result()
    finally:
        for each in (stop, step):
            each.cancel()


async def delete_if_failed(api: DedicatedInferences, change: Any) -> None:
    """Delete a deployment that fails: it may bill until then."""
    try:
        async for _ in steps(change):
            pass
    except DeploymentFailedError:
        await api.delete(change.id)
    except WaitError as error:
        log.warning("%s: %s", change.id, error)


@app.post("/deployments", status_code=202)
async def deploy(
    name: str, model: str, api: API, background: BackgroundTasks
) -> dict[str, str | None]:
    """Start a deployment. Only this response has its access token."""
    spec = DedicatedInferenceSpec.of(
        name,
        region="atl1",
        model_slug=model,
        accelerator_slug="gpu-mi300x1-192gb",
    )
    change = await api.create(spec, max_hourly=10)
    background.add_task(delete_if_failed, api, change)
    token = change.access_token
    return {"id": change.id, "token": token and token.value.reveal()}


@app.delete("/deployments/{id}", status_code=202)
async def delete(id: str, api: API) -> dict[str, str | bool]:
    change = await api.delete(id)
    return {"id": id, "already_gone": change.already_gone}


def followed(
    id: str,
    api: API,
    deleted: bool = False,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Change[Any]:
    """Return the change to follow; errors have a status here."""
    if last_event_id:  # the browser reconnects, perhaps after a restart
        return api.resume(last_event_id)
    return api.begin_wait(id, deleted=deleted)


Followed = Annotated[Change[Any], Depends(followed)]


@app.get("/deployments/{id}/events", response_class=EventSourceResponse)
async def events(change: Followed) -> AsyncIterator[ServerSentEvent]:
    """Stream the steps of a deployment as server-sent events."""

    def event(kind: str, data: dict[str, Any]) -> ServerSentEvent:
        return ServerSentEvent(event=kind, data=data, id=change.resume_token)

    yield ServerSentEvent(comment="following", id=change.resume_token)
    try:
        async for step in steps(change):
            yield event("step", {name: getattr(step, name) for name in FIELDS})
        if change.outcome is None:
            yield event("stopping", {"resume_token": change.resume_token})
        else:
            found = await change
            yield event("done", {"url": found.url if found else None})
    except DIError as error:
        yield event("failed", described(error))
