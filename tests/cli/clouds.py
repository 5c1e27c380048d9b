"""Each cloud as the command line speaks to it, for tests that hold for all of them."""

import json
from typing import Any, Literal

from attrs import frozen

from di_async.emulator import Emulator
from tests.cli.helpers import EASY, Di

State = Literal["settled", "under way"]
EXO_MODEL, EXO_GPU = "mistralai/Mistral-7B-Instruct-v0.3", "gpua5000"
NEVER = 1e9
# World seconds: three requests find it under way yet.
SOON = 35.0


@frozen
class OnCloud:
    """`di-async --provider ...` with a few facts about the provider."""

    di: Di
    emu: Emulator
    provider: str

    def __call__(self, *args: str, input: str | None = None) -> Any:
        """Call `di-async` there."""
        return self.di("--provider", self.provider, *args, input=input)

    def place(self, name: str, *, settles_in: float | None = None) -> str:
        """The id of one that is there: settled, or under way to it."""
        emu = self.emu
        match self.provider:
            case "digitalocean":
                status = "active" if settles_in is None else "provisioning"
                return emu.add_instance(name=name, status=status, settles_in=settles_in).id
            case "exoscale":
                state = "ready" if settles_in is None else "deploying"
                return emu.add_exoscale_deployment(name=name, state=state, settles_in=settles_in).id
        status = "ACTIVE" if settles_in is None else "DEPLOYING"
        generation = 2 if self.provider == "gcore-v2" else 3
        return emu.add_gcore_deployment(
            name=name, status=status, settles_in=settles_in, generation=generation
        ).id

    def create(self, name: str, *more: str) -> Any:
        """Call `create` with what this cloud needs."""
        match self.provider:
            case "digitalocean":
                return self("create", *EASY, "--name", name, *more)
            case "exoscale":
                self.emu.add_exoscale_model(name=EXO_MODEL)
                easy = ("--model", EXO_MODEL, "--gpu", EXO_GPU)
                return self("create", "--name", name, *easy, *more)
        spec = json.dumps(gcore_spec(self.provider))
        return self("create", "--spec", "-", "--name", name, *more, input=spec)

    @property
    def key(self) -> str:
        """Under which documents tell the resource."""
        return {
            "digitalocean": "dedicated_inference",
            "exoscale": "deployment",
            "gcore": "inference_deployment",
            "gcore-v2": "inference_instance",
        }[self.provider]

    @property
    def ready(self) -> str:
        """The word of what serves."""
        return {"digitalocean": "active", "exoscale": "ready"}.get(self.provider, "ACTIVE")

    def status(self, document: Any) -> str:
        """The status word in a document."""
        word = document[self.key]["state" if self.provider == "exoscale" else "status"]
        assert isinstance(word, str)
        return word

    def replicas(self, document: Any) -> int:
        """How many replicas a document tells."""
        found = document[self.key]
        match self.provider:
            case "digitalocean":
                count = found["spec"]["model_deployments"][0]["accelerators"][0]["scale"]
            case "exoscale":
                count = found["replicas"]
            case _:
                count = found["containers"][0]["scale"]["max"]
        assert isinstance(count, int)
        return count


def gcore_spec(provider: str = "gcore", **more: Any) -> dict[str, Any]:
    """A request to Gcore, but for the name."""
    flavor = (
        {"flavor_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
        if provider == "gcore-v2"
        else {"flavor_name": "inference-16vcpu-232gib-1xl40s"}
    )
    containers = [{"region_id": 7, "scale": {"min": 1, "max": 1}}]
    told = {"image": "nginx:latest", "listening_port": 8080, "containers": containers}
    return {**told, **flavor, **more}
