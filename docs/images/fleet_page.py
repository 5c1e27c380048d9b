"""Draw docs/images/fleet-*.png: the fleet page of a made-up fleet on the emulator.

Usage, with Chromium installed: .venv/bin/python docs/images/fleet_page.py [--html FILE]
"""

import argparse
import asyncio
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from di_async import DigitalOcean, Exoscale, Gcore, Inventory, scan
from di_async.emulator import Emulator, running

FOLDER = Path(__file__).parent
HOUR = 3600
SIZES = {
    "fleet-light": ("1280,1500", ()),
    "fleet-dark": ("1280,1500", ("--blink-settings=preferredColorScheme=0", "--force-dark-mode")),
}
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-device-scale-factor=1"),
)


def add_fleet(emu: Emulator, now: int) -> None:
    """Add the fleet: 24 instances on three clouds, some pending, one failed."""
    mi300, h100, mi325 = "gpu-mi300x1-192gb", "gpu-h100x1-80gb", "gpu-mi325x1-256gb"
    for number, (region, gpu, scale) in enumerate(
        (
            ("atl1", mi300, 4), ("atl1", mi300, 2), ("nyc2", h100, 2), ("nyc2", h100, 1),
            ("tor1", mi325, 3), ("tor1", mi325, 1), ("atl1", "gpu-mi300x8-1536gb", 1),
        )
    ):  # fmt: skip
        emu.add_instance(
            name=f"chat-{number + 1}", region=region, accelerator_slug=gpu, scale=scale,
            created=now - 400 * HOUR,
        )  # fmt: skip
    emu.add_instance(
        name="rerank-canary", region="nyc2", accelerator_slug=h100, status="provisioning",
        settles_in=1e9, created=now - 3 * HOUR,
    )  # fmt: skip
    broken = emu.add_instance(
        name="summary-batch", region="tor1", accelerator_slug=h100, status="provisioning",
        settles_in=0.0, created=now - 26 * HOUR,
    )  # fmt: skip
    emu.fault("error", id=broken.id)
    for number in range(4):
        emu.add_gcore_deployment(
            name=f"embed-{number + 1}", region_id=7, scale_min=number, scale_max=4
        )
    emu.add_gcore_deployment(name="embed-old", status="FAILED", image="registry.local/embed:9")
    for number, zone in enumerate(("ch-gva-2", "at-vie-1", "ch-gva-2")):
        emu.add_exoscale_deployment(
            name=f"code-{number + 1}", zone=zone, gpu_count=2, created=now - 90 * HOUR
        )
    emu.add_exoscale_deployment(
        name="code-next", zone="at-vie-1", state="creating", settles_in=1e9, created=now - HOUR // 2
    )
    emu.fault("status", status=503, on="GET /v2/ai/deployment", region="de-fra-1", times=None)


async def scan_fleet() -> Inventory:
    """Return the inventory of the made-up fleet."""
    async with running(seed=0) as emu:
        add_fleet(emu, int(time.time()))
        key, secret = emu.exoscale_api_key, emu.exoscale_api_secret
        async with (
            DigitalOcean(emu.token, base_url=emu.url) as digitalocean,
            Gcore(emu.gcore_api_key, emu.gcore_project_id, base_url=emu.url) as gcore,
            Exoscale(key, secret, base_url=emu.exoscale_url) as exoscale,
        ):
            return await scan(digitalocean, gcore, exoscale, details=True)


def draw(page: Path) -> None:
    """Write the screenshots of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium is installed: see apt-get install chromium")
    for name, (size, flags) in SIZES.items():
        with tempfile.TemporaryDirectory() as profile:
            target = FOLDER / f"{name}.png"
            command = [chromium, *FLAGS, *flags, f"--user-data-dir={profile}"]
            command += [f"--window-size={size}", f"--screenshot={target}", page.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            print(target)


def main() -> None:
    """Scan the fleet, write its page, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--html", type=Path, help="write this page, and draw nothing")
    options = parser.parse_args()
    page = asyncio.run(scan_fleet()).to_html("Inference fleet")
    if options.html:
        options.html.write_text(page, encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "fleet.html")
        file.write_text(page, encoding="utf-8")
        draw(file)


if __name__ == "__main__":
    main()
