"""Check the built site: `python -m docs.site.check build/site`.

Every link inside it has a target, nothing is loaded from another host, no code block was taken for
text, and each entry of the reference has a text. Three pages are drawn in headless Chromium, at the
width of a desktop and of a phone, without a message in its console; where Chromium is not
installed, this part is skipped with a warning.
"""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

DRAWN = ("index.html", "how-to/create-and-wait.html", "reference/digitalocean.html")
WIDTHS = (1280, 500)  # no window of Chromium is narrower than 500
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=5000"),
)
CONSOLE = re.compile(r":CONSOLE[:(].*")
ENTRY = re.compile(
    r'id="([^"]+)" class="doc doc-heading">.*?<div class="doc doc-contents[^"]*">(.*?)</div>',
    re.DOTALL,
)
LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The anchors of one page, and what it links to or loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.fences = 0
        text = path.read_text(encoding="utf-8")
        self.empty = [name for name, entry in ENTRY.findall(text) if not entry.strip()]
        self.feed(text)

    def handle_data(self, data: str) -> None:
        """Count the fences of code blocks that are shown as text."""
        self.fences += data.count("```")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values:
            self.loaded.append(values[LOADED[tag]])
        if tag == "link" and {"stylesheet", "icon"} & set(values.get("rel", "").split()):
            self.loaded.append(values.get("href", ""))


def target_of(link: str, path: Path, site: Path) -> Path:
    """Return the file that a link of a page leads to."""
    linked = unquote(urlsplit(link).path)
    base = site.resolve() if linked.startswith("/") else path.parent  # as the page 404.html does
    target = (base / linked.lstrip("/")).resolve() if linked else path
    return target / "index.html" if target.is_dir() else target


def broken(site: Path) -> Iterator[str]:
    """Yield each link without a target, and each thing of another host, with its page."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"no pages in {site}"
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        elsewhere = {link for link in page.links + page.loaded if re.match(r"[a-z]+:|//", link)}
        if page.fences:
            yield f"{name} shows the fence of a code block"
        yield from (f"{name}: {entry} has no docstring" for entry in page.empty)
        for link in page.loaded:
            if link in elsewhere and not link.startswith("data:"):
                yield f"{name} loads {link}"
        for link in set(page.links + page.loaded) - elsewhere:
            target, anchor = target_of(link, path, site), unquote(urlsplit(link).fragment)
            if not target.exists():
                yield f"{name}: {link}"
            elif anchor and target in pages and anchor not in pages[target].anchors | {"__top"}:
                yield f"{name}: {link} (no such anchor)"


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve the site on loopback; yield its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def complaints(chromium: str, site: Path) -> Iterator[str]:
    """Yield what the browser's console says while it draws the pages."""
    with served(site) as url:
        for page in DRAWN:
            for width in WIDTHS:
                with tempfile.TemporaryDirectory() as folder:
                    picture = Path(folder, "page.png")
                    command = [chromium, *FLAGS, f"--user-data-dir={folder}/profile"]
                    command += [f"--window-size={width},1600", f"--screenshot={picture}"]
                    done = subprocess.run(  # noqa: S603 - the installed browser, our own pages
                        [*command, f"{url}/{page}"],
                        capture_output=True,
                        text=True,
                        errors="replace",
                        timeout=120,
                        check=False,
                    )
                    if not picture.exists() or picture.stat().st_size < 10_000:
                        yield f"{page}: not drawn, exit code {done.returncode}"
                    yield from (f"{page}: {text}" for text in CONSOLE.findall(done.stderr))


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    site = Path(sys.argv[1])
    wrong = list(broken(site))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("******** no Chromium is installed: no page was drawn ********")
    else:
        wrong += complaints(chromium, site)
    print("\n".join(wrong) or f"{len(list(site.rglob('*.html')))} pages: all links have a target")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
