"""HTML that is escaped by construction: text becomes HTML in `element` alone. Pure.

A template engine with autoescape would do the same for its values, and would be a dependency of
the bare install: notebooks and `Inventory.to_html` need no extra. Text from the API also needs
`printable`, which no engine applies.
"""

import html
from collections.abc import Iterable

from di_async.core.printable import printable

__all__ = ["EMPTY", "Html", "element", "escape", "join", "shorten"]

_LONGEST = 300
"""Characters of one text. What a server sends must not make a page grow without bound."""
_VOID = frozenset({"meta", "rect"})


class Html(str):
    """Complete, escaped HTML; any other text is escaped where it is put into an element."""

    __slots__ = ()


EMPTY = Html()


def escape(text: str) -> Html:
    """Return the text as HTML. Control characters and bidirectional marks are made visible."""
    return Html(html.escape(printable(text)))


def shorten(text: str, longest: int = _LONGEST) -> str:
    """Return the text, cut to so many characters; an ellipsis marks a cut."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def join(parts: Iterable[str]) -> Html:
    """Return the parts one after the other; those that are not `Html` are escaped."""
    return Html("".join([p if isinstance(p, Html) else escape(shorten(p)) for p in parts]))


def element(tag: str, *content: str, **attributes: str) -> Html:
    """Return an element; content that is not `Html` is escaped, and so are attributes.

    Underscores in names of attributes stand for hyphens; one at the end is dropped (`class_`).
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
    )
    if tag in _VOID:
        return Html(f"<{tag}{named}>" if tag == "meta" else f"<{tag}{named}/>")
    return Html(f"<{tag}{named}>{join(content)}</{tag}>")
