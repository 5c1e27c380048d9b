"""One wrapper per provider, for tests that run against each provider."""

import json
from typing import Any

from attrs import frozen

from di_async.emulator import Emulator
from tests.cli.helpers import EASY, Di

EXO_MODEL, EXO_GPU = "mistralai/Mistral-7B-Instruct-v0.3", "gpua5000"
NEVER = 1e9
# Emulated seconds; the first three requests find the change in progress.
SOON = 35.0


@frozen
class ProviderCLI:
    """`di-async --provider ...`, with facts about the provider."""

    di: Di
    emu: Emulator
    provider: str

    def __call__(self, *args: str, input: str | None = None) -> Any:
        """Call `di-async` for this provider."""
        return self.di("--provider", self.provider, *args, input=input)

    def place(self, name: str, *, settles_in: float | None = None) -> str:
        """Add a resource to the emulator and return its id; `settles_in` makes it pending."""
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
        """Call `create` with the options that the provider requires."""
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
        """The key of the resource in documents."""
        return {
            "digitalocean": "dedicated_inference",
            "exoscale": "deployment",
            "gcore": "inference_deployment",
            "gcore-v2": "inference_instance",
        }[self.provider]

    @property
    def ready(self) -> str:
        """The status word of a resource that serves."""
        return {"digitalocean": "active", "exoscale": "ready"}.get(self.provider, "ACTIVE")

    def status(self, document: Any) -> str:
        """Return the status word in a document."""
        word = document[self.key]["state" if self.provider == "exoscale" else "status"]
        assert isinstance(word, str)
        return word

    def replicas(self, document: Any) -> int:
        """Return the number of replicas in a document."""
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
    """Return a Gcore spec without a name."""
    flavor = (
        {"flavor_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
        if provider == "gcore-v2"
        else {"flavor_name": "inference-16vcpu-232gib-1xl40s"}
    )
    containers = [{"region_id": 7, "scale": {"min": 1, "max": 1}}]
    spec = {"image": "nginx:latest", "listening_port": 8080, "containers": containers}
    return {**spec, **flavor, **more}
