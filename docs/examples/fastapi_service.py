"""A FastAPI service that deploys models and streams their progress."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from di_async import APIError, DigitalOcean, InvalidInputError, WaitError
from di_async.digitalocean import DedicatedInferenceSpec


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # one client for the service: one budget, one poller
    async with DigitalOcean() as app.state.do:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/deployments", status_code=202)
async def deploy(name: str, model: str, request: Request) -> dict[str, str]:
    """Start a deployment. The token follows it, also after a restart."""
    do: DigitalOcean = request.app.state.do
    spec = DedicatedInferenceSpec.of(
        name,
        region="atl1",
        model_slug=model,
        accelerator_slug="gpu-mi300x1-192gb",
    )
    try:
        change = await do.dedicated_inferences.create(spec, max_hourly=10)
    except InvalidInputError as error:  # PriceLimitError is one, too
        raise HTTPException(400, str(error)) from error
    except APIError as error:
        raise HTTPException(error.status, error.message) from error
    return {"id": change.id, "token": change.resume_token}


@app.get("/deployments/events")
async def events(token: str, request: Request) -> StreamingResponse:
    """Stream the steps of a deployment as server-sent events."""
    do: DigitalOcean = request.app.state.do
    try:
        change = do.dedicated_inferences.resume(token)
    except InvalidInputError as error:
        raise HTTPException(400, str(error)) from error

    async def stream() -> AsyncIterator[str]:
        try:
            # a browser that leaves ends the polling
            async for step in change.events():
                yield f"data: {step}\n\n"
            yield f"event: ready\ndata: {(await change).url}\n\n"
        except WaitError as error:
            yield f"event: failed\ndata: {error}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")
