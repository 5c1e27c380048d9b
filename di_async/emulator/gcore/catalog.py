"""What the emulated Gcore offers: regions, flavors and their capacity, quotas.

Names look like the vendor's; figures are ours where no page has one.
"""

import uuid
from decimal import Decimal

from attrs import frozen

# The regions of the vendor's samples, and one more.
REGIONS = (1, 7, 26)


@frozen
class Flavor:
    """A GPU size; v2 refers to it by `id`."""

    name: str
    cpu: float
    memory_gib: float
    gpus: int = 0
    gpu_model: str = ""
    gpu_memory_gib: float = 0.0
    compute_capability: str = ""
    sample_id: str = ""
    sold_out_in: tuple[int, ...] = ()
    price: str | None = None
    """Price of a replica an hour; None: not shown, as to accounts without a price list."""

    @property
    def id(self) -> str:
        """The UUID, derived from the name."""
        return self.sample_id or str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name))

    @property
    def description(self) -> str:
        """A description for people."""
        gpus = f" / {self.gpus}x {self.gpu_model} {self.gpu_memory_gib:g} GiB" if self.gpus else ""
        return f"{self.cpu:g} vCPU / {self.memory_gib:g} GiB RAM{gpus}"


FLAVORS = (
    Flavor(
        "inference-16vcpu-232gib-1xh100-80gb",
        *(16, 232, 1, "H100", 80.0, "9.0"),
        sample_id="3fa85f64-5717-4562-b3fc-2c963f66afa6",
        price="3.75",
    ),
    Flavor("inference-32vcpu-464gib-2xh100-80gb", *(32, 464, 2, "H100", 80.0, "9.0"), price="7.50"),
    Flavor("inference-16vcpu-232gib-1xa100-80gb", *(16, 232, 1, "A100", 80.0, "8.0"), price="1.80"),
    Flavor(
        "inference-16vcpu-232gib-1xl40s",
        *(16, 232, 1, "L40S", 48.0, "8.9"),
        sold_out_in=(26,),
        price="1.10",
    ),
    Flavor("inference-1vcpu-1gib", 1, 1),
)

FLAVORS_BY_NAME = {flavor.name: flavor for flavor in FLAVORS}
FLAVORS_BY_ID = {flavor.id: flavor for flavor in FLAVORS}

_CAPACITY_PER_REGION = 64

# New accounts have no quota; the emulated one has a large one.
QUOTA = {
    "inference_cpu_millicore_count": 100_000_000,
    "inference_gpu_a100_count": 100_000,
    "inference_gpu_h100_count": 100_000,
    "inference_gpu_l40s_count": 100_000,
    "inference_instance_count": 100_000,
}


def capacity(region: int, flavor: Flavor) -> int:
    """Return how many of a flavor a region has left; deployments do not reduce it."""
    return 0 if region in flavor.sold_out_in else _CAPACITY_PER_REGION


CURRENCY = "EUR"
_HOURS_PER_MONTH = 720


def price(flavor: Flavor, replicas: int) -> dict[str, object]:
    """Return the price of that many replicas, in the form of the vendor's price preview.

    https://gcore.com/docs/api-reference/cloud/everywhere-inference/preview-inference-deployment-price
    """
    hourly = None if flavor.price is None else Decimal(flavor.price) * replicas
    monthly = None if hourly is None else float(hourly * _HOURS_PER_MONTH)
    return {
        "currency_code": None if hourly is None else CURRENCY,
        "discount_percent": None,
        "price_per_hour": None if hourly is None else float(hourly),
        "price_per_month": monthly,
        "price_status": "hide" if hourly is None else "show",
        "price_without_discount_per_month": monthly,
        "tax_percent": None,
    }


def demand(flavor: Flavor, replicas: int) -> dict[str, int]:
    """Return what that many replicas count for, by quota."""
    needed = dict.fromkeys(QUOTA, 0)
    needed["inference_cpu_millicore_count"] = int(flavor.cpu * 1000) * replicas
    needed["inference_instance_count"] = 1
    if flavor.gpus:
        needed[f"inference_gpu_{flavor.gpu_model.lower()}_count"] = flavor.gpus * replicas
    return needed
