"""HTML that escapes by default: what comes from the data can never become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """Text that is HTML already; every other text is escaped when it becomes part of a page."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """`tag("p", "a < b", class_="note")` is `<p class="note">a &lt; b</p>`.

    None among the children or attributes is left out. A trailing underscore of an attribute's name goes away,
    any other becomes a dash.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """Parts one after another, escaped unless they are Markup; None is left out."""
    return Markup(
        "".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts if part is not None)
    )


def table(header: Sequence[object], rows: Iterable[Sequence[object]], class_: str | None = None) -> Markup:
    """A table whose first column names its rows, wrapped so that it scrolls by itself on a narrow screen."""
    head = tag("tr", *(tag("th", text, scope="col") for text in header))
    body = [tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in cells)) for first, *cells in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body), class_=class_), class_="scroll")


def pairs(entries: Iterable[tuple[object, object]]) -> Markup:
    """Names with their values, as a definition list."""
    return tag("dl", *(joined([tag("dt", name), tag("dd", value)]) for name, value in entries))


def wrapping(name: str) -> Markup:
    """A name of the program, such as `average_precision@12`, that may break after an underscore or a dot."""
    return Markup(escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>"))


def section(name: str, title: str, *content: object) -> Markup:
    """One section of the page, with an anchor."""
    return tag("section", tag("h2", title), *content, id=name)


def note(*text: object) -> Markup:
    """A paragraph that explains."""
    return tag("p", *text, class_="note")
