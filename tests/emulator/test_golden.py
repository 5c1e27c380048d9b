"""All thirteen answers in both dialects, as files.

The field sets of golden/documented are those of the vendor's reference page
(https://docs.digitalocean.com/reference/api/reference/dedicated-inference/); those of
golden/observed are what the vendor's Go client decodes (digitalocean/godo, dedicated_inference.go,
fixtures in its _test.go) and its CLI's fixtures show (digitalocean/doctl, integration/). Ids and
moments are those of seed 0. `python -m tests.emulator.test_golden` writes them anew: read the diff.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from di_async.emulator import Lifecycle, World

from .helpers import Desk, Reply, a_model, a_spec

FOLDER = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in (FOLDER / "observed").iterdir())


def answers(dialect: Any) -> dict[str, Reply]:
    """One life of an instance, every operation asked once or more."""
    lifecycle = Lifecycle(create=600, update=300, delete=60)
    desk = Desk(World(dialect, lifecycle=lifecycle, seed=0))
    got = {"create": desk.ask("POST", "", {"spec": a_spec()})}
    at = f"/{got['create'].one['id']}"
    desk.now += 100
    got["get_provisioning"] = desk.ask("GET", at)
    desk.now += 500
    got["get"] = desk.ask("GET", at)
    got["list"] = desk.ask("GET", "")
    got["accelerators"] = desk.ask("GET", f"{at}/accelerators")
    gpu = got["accelerators"].json["accelerators"][0]["id"]
    got["accelerator"] = desk.ask("GET", f"{at}/accelerators/{gpu}")
    got["ca"] = desk.ask("GET", f"{at}/ca")
    got["create_token"] = desk.ask("POST", f"{at}/tokens", {"name": "new-inference-token"})
    got["tokens"] = desk.ask("GET", f"{at}/tokens")
    token = got["create_token"].json["token"]["id"]
    got["revoke_token"] = desk.ask("DELETE", f"{at}/tokens/{token}")
    got["sizes"] = desk.ask("GET", "/sizes")
    got["gpu_model_config"] = desk.ask("GET", "/gpu-model-config")
    return got | _endings(desk, at)


def _endings(desk: Desk, at: str) -> dict[str, Reply]:
    spec = desk.ask("GET", at).one["spec"]
    model = a_model(model_id=spec["model_deployments"][0]["model_id"])
    model["accelerators"][0]["scale"] = 3
    got = {"update": desk.ask("PATCH", at, {"spec": a_spec(model_deployments=[model])})}
    desk.now += 10
    got["get_updating"] = desk.ask("GET", at)
    for region in ("nyc2", "nyc2", "tor1"):
        desk.create(name=f"other-{desk.world.stats.total}", region=region)
    got["list_paged"] = desk.ask("GET", "?region=nyc2&page=2&per_page=1")
    desk.now += 300
    got["delete"] = desk.ask("DELETE", at)
    got["get_deleting"] = desk.ask("GET", at)
    return got


@pytest.mark.parametrize("dialect", ["documented", "observed"])
def test_every_answer_has_its_file(dialect: str) -> None:
    """No recorded answer is missing, none is left over."""
    files = {path.stem for path in (FOLDER / dialect).iterdir()}
    assert files == set(answers(dialect))


def recorded(reply: Reply) -> dict[str, Any]:
    """What a golden file holds of an answer."""
    return {"status": reply.status, "body": reply.json}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dialect", ["documented", "observed"])
def test_answer_is_exactly_the_recorded_one(dialect: str, name: str) -> None:
    """Each operation answers field for field, word for word as recorded."""
    golden = json.loads((FOLDER / dialect / f"{name}.json").read_text())
    assert recorded(answers(dialect)[name]) == golden


def record() -> None:
    """Write all golden files anew."""
    for dialect in ("documented", "observed"):
        (FOLDER / dialect).mkdir(exist_ok=True)
        for name, reply in answers(dialect).items():
            text = json.dumps(recorded(reply), indent=1, sort_keys=True)
            (FOLDER / dialect / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    record()
