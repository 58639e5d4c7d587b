"""FindItem and FindFolder."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import calendar, computed, rendering, targets
from tap_exchange.demo.find import Page, View, place
from tap_exchange.demo.restrictions import Compiler
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, ServiceError, messages, whole

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.rendering import Shape

INT = 2**31 - 1
LONGEST_VIEW = timedelta(days=2 * 366)


def find_item(call: Call) -> str:
    """Answer a page of each folder's items."""
    shape = rendering.for_find(shape_of(call.body.find(f"{M}ItemShape")))

    def write(element: etree._Element) -> str:
        return _items(call, targets.folder_of(call, element), shape)

    return messages("FindItem", call.body.iterfind(f"{M}ParentFolderIds/*"), write)


def _items(call: Call, folder: Folder, shape: Shape) -> str:
    body = call.body
    if any(body.find(f"{M}{name}") is not None for name in UNSUPPORTED):
        raise ServiceError("ErrorInvalidOperation")
    restriction, order = body.find(f"{M}Restriction"), body.find(f"{M}SortOrder")
    window = body.find(f"{M}CalendarView")
    if window is not None:
        if restriction is not None or order is not None:
            raise ServiceError("ErrorUnsupportedPathForQuery")
        page = _calendar_page(call, folder, window)
    else:
        view = _view(body, "Item")
        cap = call.server.find_limit if restriction is None else call.server.restricted_find_limit
        page = call.server.finder.find(folder, body.get("Traversal", "Shallow"), restriction, order, view, cap)
        if view.limit is None and not page.last:
            raise ServiceError("ErrorExceededFindCountLimit")
    call.record.item_count += len(page.entries)
    for item in page.entries:
        call.server.faults.found(call, folder, item)
    inside = "".join([rendering.item_xml(item, shape) for item in page.entries])
    return f"<m:RootFolder{_paging(body, page, 'Item')}>{_wrap('Items', inside)}</m:RootFolder>"


UNSUPPORTED = ("GroupBy", "DistinguishedGroupBy", "QueryString", "SeekToConditionPageItemView", "ContactsView")


def _calendar_page(call: Call, folder: Folder, window: etree._Element) -> Page:
    if folder.element != "CalendarFolder":
        raise ServiceError("ErrorCalendarFolderIsInvalidForCalendarView")
    low, high = _moment(window.get("StartDate", "")), _moment(window.get("EndDate", ""))
    if high <= low:
        raise ServiceError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if high - low > LONGEST_VIEW:
        raise ServiceError("ErrorCalendarViewRangeTooBig")
    entries = calendar.view(folder, low, high)
    asked = window.get("MaxEntriesReturned")
    limit = call.server.find_limit
    count = len(entries) if asked is None else min(whole(asked, 1, INT), len(entries))
    if count > limit:
        raise ServiceError("ErrorExceededFindCountLimit")
    return Page(entries[:count], 0, count, len(entries))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ServiceError("ErrorInvalidRequest") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _view(body: etree._Element, kind: str) -> View:
    indexed = body.find(f"{M}IndexedPage{kind}View")
    fractional = body.find(f"{M}FractionalPage{kind}View")
    element = indexed if indexed is not None else fractional
    if element is None:
        return View()
    asked = element.get("MaxEntriesReturned")
    limit = None if asked is None else whole(asked, -INT, INT)
    if limit is not None and limit <= 0:
        raise ServiceError("ErrorInvalidPagingMaxRows")
    limit = INT if limit is None else limit
    if indexed is not None:
        offset = whole(element.get("Offset"), -INT, INT)
        if offset < 0:
            raise ServiceError("ErrorInvalidIndexedPagingParameters")
        return View(offset, limit, from_end=element.get("BasePoint") == "End")
    numerator = whole(element.get("Numerator"), -INT, INT)
    denominator = whole(element.get("Denominator"), -INT, INT)
    if denominator <= 0 or not 0 <= numerator <= denominator:
        raise ServiceError("ErrorInvalidFractionalPagingParameters")
    return View(limit=limit, fraction=(numerator, denominator))


def _paging(body: etree._Element, page: Page, kind: str) -> str:
    indexed = body.find(f"{M}IndexedPage{kind}View")
    attributes = ""
    last = page.last
    if indexed is not None and indexed.get("BasePoint") == "End":
        attributes = f' IndexedPagingOffset="{page.total - page.start}"'
        last = page.start == 0
    elif indexed is not None:
        attributes = f' IndexedPagingOffset="{page.next}"'
    elif body.find(f"{M}FractionalPage{kind}View") is not None:
        attributes = f' NumeratorOffset="{page.next}" AbsoluteDenominator="{page.total}"'
    return f'{attributes} TotalItemsInView="{page.total}" IncludesLastItemInRange="{"true" if last else "false"}"'


def _wrap(name: str, inside: str) -> str:
    return f"<t:{name}>{inside}</t:{name}>" if inside else f"<t:{name}/>"


def find_folder(call: Call) -> str:
    """Answer a page of the folders below each folder."""
    shape = shape_of(call.body.find(f"{M}FolderShape"))

    def write(element: etree._Element) -> str:
        return _folders(call, targets.folder_of(call, element), shape)

    return messages("FindFolder", call.body.iterfind(f"{M}ParentFolderIds/*"), write)


def _folders(call: Call, root: Folder, shape: Shape) -> str:
    body = call.body
    traversal = body.get("Traversal", "Shallow")
    if traversal == "Deep" and root.store.kind == "public":
        raise ServiceError("ErrorInvalidOperation")
    found: list[Any] = list(root.subtree() if traversal == "Deep" else root.children)
    if traversal == "SoftDeleted":
        found = []
    restriction = body.find(f"{M}Restriction")
    if restriction is not None:
        test = Compiler(computed.folder_value).test(restriction[0])
        found = [folder for folder in found if test(folder)]
    view = _view(body, "Folder")
    start, end = place(view, len(found), call.server.find_limit)
    if view.limit is None and end < len(found):
        raise ServiceError("ErrorExceededFindCountLimit")
    page = Page(found[start:end], start, end, len(found))
    call.record.item_count += len(page.entries)
    inside = "".join([rendering.folder_xml(folder, shape) for folder in page.entries])
    return f"<m:RootFolder{_paging(body, page, 'Folder')}>{_wrap('Folders', inside)}</m:RootFolder>"
