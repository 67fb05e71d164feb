"""Which pages a pager names, and their addresses in the frozen result set."""

from __future__ import annotations

from dataclasses import dataclass

from imweb.web.listing.state import ListState


@dataclass(frozen=True, slots=True)
class PageLink:
    """One number of the pager; without an address it is a gap."""

    number: int
    url: str
    here: bool = False


@dataclass(frozen=True, slots=True)
class Pager:
    """The place in the result set; `first` and `last` row count from one.

    `page` is 0 between two pages: after a jump to a time rows rarely begin where a page does.
    """

    first: int
    last: int
    total: int
    page: int
    pages: int
    links: list[PageLink]
    first_url: str
    previous_url: str
    next_url: str
    last_url: str


def pager(state: ListState, offset: int, size: int, shown: int, total: int, last_ms: int | None) -> Pager:
    """Return the pager of a page; `last_ms` is its last row's time, by which an expired set finds its place again."""
    pages = max(1, -(-total // size))
    page = min(offset // size, pages - 1) + 1
    whole = offset % size == 0
    numbers = sorted({1, pages, *(n for n in range(page - 2, page + 3) if 1 <= n <= pages)})
    if page <= 4:
        numbers = sorted({*numbers, *range(1, min(pages, 4) + 1)})
    links: list[PageLink] = []
    for number in numbers:
        if links and number > links[-1].number + 1:
            links.append(PageLink(links[-1].number + 1, ""))
        links.append(PageLink(number, _url(state, (number - 1) * size), here=whole and number == page))
    more = offset + shown < total
    return Pager(
        first=offset + 1 if shown else 0,
        last=offset + shown,
        total=total,
        page=page if whole else 0,
        pages=pages,
        links=links,
        first_url=_url(state, 0) if offset > 0 else "",
        previous_url=_url(state, max(0, offset - size)) if offset > 0 else "",
        next_url=_url(state, offset + size, str(last_ms) if last_ms else "") if more else "",
        last_url=_url(state, (pages - 1) * size) if more else "",
    )


def _url(state: ListState, offset: int, at: str = "") -> str:
    return state.within(offset=str(offset), at=at).url
