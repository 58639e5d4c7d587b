"""FindItem, FindFolder, calendar views and search folders."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.values import Body
from tests.conformance.support import Client, M, T, code, served, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server

UTC = timezone.utc
START = datetime(2025, 1, 1, tzinfo=UTC)
ID_ONLY = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"


@pytest.fixture
def anna() -> Mailbox:
    return Exchange(seed=7).add_mailbox("anna@example.com")


@pytest.fixture
def inbox(anna: Mailbox) -> Folder:
    return anna.folder("inbox")


@pytest.fixture
def server(anna: Mailbox) -> Iterator[Server]:
    with served(anna.exchange) as running:
        yield running


def find(
    client: Client,
    folder: Folder,
    inside: str = "",
    *,
    shape: str = ID_ONLY,
    traversal: str = "Shallow",
    tail: str = "",
) -> etree._Element:
    """Find items; `inside` stands behind the shape, `tail` behind the folder."""
    (message,) = client.ask(
        f'<m:FindItem Traversal="{traversal}">{shape}{inside}<m:ParentFolderIds><t:FolderId Id="{folder.id}"/>'
        f"</m:ParentFolderIds>{tail}</m:FindItem>"
    )
    return message


def root(message: etree._Element) -> etree._Element:
    assert code(message) == "NoError", code(message)
    return message.find(f"{M}RootFolder")


def ids(message: etree._Element) -> list[str]:
    return [item.find(f"{T}ItemId").get("Id") for item in root(message).find(f"{T}Items")]


def page(offset: int, count: int, base: str = "Beginning") -> str:
    return f'<m:IndexedPageItemView MaxEntriesReturned="{count}" Offset="{offset}" BasePoint="{base}"/>'


def test_indexed_pages_cover_a_folder_once(inbox: Folder, client: Client) -> None:
    inbox.fill(25)
    seen: list[str] = []
    offset = 0
    while True:
        found = root(find(client, inbox, page(offset, 10)))
        seen += [item[0].get("Id") for item in found[0]]
        offset = int(found.get("IndexedPagingOffset"))
        assert found.get("TotalItemsInView") == "25"
        if found.get("IncludesLastItemInRange") == "true":
            break
    assert seen == [item.id for item in inbox.items()]
    assert ids(find(client, inbox, page(99, 10))) == []
    assert ids(find(client, inbox, page(0, 5, "End"))) == seen[-5:]


def test_fractional_pages(inbox: Folder, client: Client) -> None:
    inbox.fill(20)
    view = '<m:FractionalPageItemView MaxEntriesReturned="3" Numerator="1" Denominator="2"/>'
    found = find(client, inbox, view)
    assert ids(found) == [item.id for item in inbox.items()][10:13]
    assert root(found).get("NumeratorOffset") == "13"
    assert root(found).get("AbsoluteDenominator") == "20"


def test_a_page_is_capped_and_an_unpaged_find_refused_above_the_cap(inbox: Folder, client: Client) -> None:
    inbox.fill(1000)
    assert len(ids(find(client, inbox))) == 1000
    inbox.fill(1)
    assert code(find(client, inbox)) == "ErrorExceededFindCountLimit"
    capped = find(client, inbox, page(0, 5000))
    assert len(ids(capped)) == 1000
    assert root(capped).get("IncludesLastItemInRange") == "false"
    restricted = "<m:Restriction><t:Exists><t:FieldURI FieldURI='item:Subject'/></t:Exists></m:Restriction>"
    assert len(ids(find(client, inbox, page(0, 5000) + restricted))) == 250


@pytest.mark.parametrize(
    ("view", "wanted"),
    [
        (page(0, 0), "ErrorInvalidPagingMaxRows"),
        (page(-1, 5), "ErrorInvalidIndexedPagingParameters"),
        (
            '<m:FractionalPageItemView MaxEntriesReturned="3" Numerator="3" Denominator="2"/>',
            "ErrorInvalidFractionalPagingParameters",
        ),
    ],
)
def test_impossible_pages(inbox: Folder, client: Client, view: str, wanted: str) -> None:
    assert code(find(client, inbox, view)) == wanted


def compare(operator: str, uri: str, value: str) -> str:
    constant = f'<t:FieldURIOrConstant><t:Constant Value="{value}"/></t:FieldURIOrConstant>'
    return f'<t:{operator}><t:FieldURI FieldURI="{uri}"/>{constant}</t:{operator}>'


def both(operator: str, *restrictions: str) -> str:
    return f"<t:{operator}>{''.join(restrictions)}</t:{operator}>"


def contains(mode: str, comparison: str, text: str) -> str:
    attributes = f'ContainmentMode="{mode}" ContainmentComparison="{comparison}"'
    return f'<t:Contains {attributes}><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="{text}"/></t:Contains>'


def operand(inside: str) -> str:
    return f"<t:FieldURIOrConstant>{inside}</t:FieldURIOrConstant>"


RECEIVED = "item:DateTimeReceived"
SENT = '<t:FieldURI FieldURI="item:DateTimeSent"/>'
SIX = '<t:Constant Value="6"/>'
FLAG = '<t:ExtendedFieldURI PropertyTag="0x1095" PropertyType="Integer"/>'
SIZE_OVER_1500 = compare("IsGreaterThan", "item:Size", "1500")
BEFORE_THE_THIRD = compare("IsLessThan", RECEIVED, "2025-01-03T00:00:00Z")


@pytest.mark.parametrize(
    ("restriction", "wanted"),
    [
        (compare("IsEqualTo", "item:Subject", "ALPHA"), "a"),
        (compare("IsNotEqualTo", "item:Subject", "alpha"), "bcd"),
        (compare("IsGreaterThan", RECEIVED, "2025-01-02T00:00:00Z"), "cd"),
        (compare("IsGreaterThanOrEqualTo", RECEIVED, "2025-01-02T00:00:00Z"), "bcd"),
        (compare("IsLessThan", RECEIVED, "2025-01-02T00:00:00Z"), "a"),
        (compare("IsLessThanOrEqualTo", RECEIVED, "2025-01-02T01:00:00+01:00"), "ab"),
        (compare("IsEqualTo", "message:IsRead", "true"), "b"),
        (compare("IsEqualTo", "item:Size", "3000"), "c"),
        (compare("IsGreaterThan", "item:Size", "2500"), "cd"),
        ("<t:Exists><t:FieldURI FieldURI='item:InReplyTo'/></t:Exists>", "d"),
        ("<t:Not><t:Exists><t:FieldURI FieldURI='item:InReplyTo'/></t:Exists></t:Not>", "abc"),
        (both("And", SIZE_OVER_1500, BEFORE_THE_THIRD), "b"),
        (
            both("Or", compare("IsEqualTo", "item:Subject", "alpha"), compare("IsEqualTo", "item:Subject", "delta")),
            "ad",
        ),
        (contains("Substring", "IgnoreCase", "ETA"), "b"),
        (contains("Prefixed", "Exact", "ch"), "c"),
        (contains("FullString", "Exact", "Alpha"), ""),
        (f'<t:Excludes>{FLAG}<t:Bitmask Value="0x2"/></t:Excludes>', "a"),
        (f"<t:IsEqualTo>{FLAG}{operand(SIX)}</t:IsEqualTo>", "b"),
        (f'<t:IsEqualTo><t:FieldURI FieldURI="{RECEIVED}"/>{operand(SENT)}</t:IsEqualTo>', "abcd"),
    ],
)
def test_restrictions(inbox: Folder, client: Client, restriction: str, wanted: str) -> None:
    flag = Extended("Integer", tag=0x1095)
    made = {}
    for number, name in enumerate(("alpha", "beta", "chi", "delta")):
        more = {"InReplyTo": "<x>"} if name == "delta" else {}
        extended = {"alpha": {flag: 4}, "beta": {flag: 6}}.get(name)
        item = inbox.add(
            "Message",
            Subject=name,
            DateTimeReceived=START + timedelta(days=number),
            Size=1000 * (number + 1),
            IsRead=name == "beta",
            extended=extended,
            **more,
        )
        made[item.id] = name[0]
    message = find(client, inbox, f"<m:Restriction>{restriction}</m:Restriction>")
    assert sorted(made[item_id] for item_id in ids(message)) == sorted(wanted)


def test_what_no_restriction_can_use(inbox: Folder, client: Client) -> None:
    restriction = "<m:Restriction><t:Exists><t:FieldURI FieldURI='item:MimeContent'/></t:Exists></m:Restriction>"
    assert code(find(client, inbox, restriction)) == "ErrorUnsupportedPathForQuery"


def test_sort_orders_by_several_keys_and_both_directions(inbox: Folder, client: Client) -> None:
    made = {}
    for name, size in (("b", 1), ("A", 2), ("c", 1), ("a", 3)):
        made[inbox.add("Message", Subject=name, Size=size).id] = name
    order = (
        '<m:SortOrder><t:FieldOrder Order="Ascending"><t:FieldURI FieldURI="item:Size"/></t:FieldOrder>'
        '<t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:Subject"/></t:FieldOrder></m:SortOrder>'
    )
    assert [made[item_id] for item_id in ids(find(client, inbox, order))] == ["c", "b", "A", "a"]


def test_finds_follow_edits(inbox: Folder, client: Client) -> None:
    inbox.fill(3)
    order = (
        '<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeReceived"/></t:FieldOrder>'
        "</m:SortOrder>"
    )
    first = ids(find(client, inbox, order))
    inbox.items()[0].delete()
    new = inbox.add("Message", DateTimeReceived=START + timedelta(days=9000))
    assert ids(find(client, inbox, order)) == [new.id, *first[1:]]


def test_finds_give_no_bodies_and_cut_long_texts(inbox: Folder, client: Client) -> None:
    inbox.add("Message", Subject="short", DisplayTo="x" * 3000, Body=Body("body", html=False))
    shape = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>"
    found = texts(root(find(client, inbox, shape=shape))[0][0])
    assert found["DisplayTo"] == "x" * 255
    assert not {"Body", "ToRecipients", "MimeContent"} & set(found)


def test_associated_and_soft_deleted_traversals(inbox: Folder, client: Client) -> None:
    normal, hidden = inbox.add("Message"), inbox.add("Message", associated=True)
    assert ids(find(client, inbox)) == [normal.id]
    assert ids(find(client, inbox, traversal="Associated")) == [hidden.id]
    assert ids(find(client, inbox, traversal="SoftDeleted")) == []


def test_a_search_folder_finds_what_matches_now(anna: Mailbox, inbox: Folder, client: Client) -> None:
    search = anna.add_search_folder("Important", lambda item: item.value("Importance") == "High")
    item = inbox.add("Message", Importance="High")
    other = anna.folder("drafts").add("Message")
    inbox.fill(5)
    shape = (
        "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
        '<t:FieldURI FieldURI="item:ParentFolderId"/></t:AdditionalProperties></m:ItemShape>'
    )
    found = [entry for entry in root(find(client, search, shape=shape))[0] if entry[0].get("Id") == item.id]
    assert found[0][1].get("Id") == inbox.id, "the folder where the item is, not the search folder"
    assert other.id not in ids(find(client, search))
    other.update(Importance="High")
    assert other.id in ids(find(client, search, page(0, 100)))
    item.update(Importance="Low")
    assert item.id not in ids(find(client, search))
    assert search.total_count == len(ids(find(client, search)))


def view(low: datetime, high: datetime, most: int | None = None) -> str:
    limit = f' MaxEntriesReturned="{most}"' if most else ""
    return f'<m:CalendarView{limit} StartDate="{low:%Y-%m-%dT%H:%M:%SZ}" EndDate="{high:%Y-%m-%dT%H:%M:%SZ}"/>'


def test_a_calendar_view_expands_series_with_moved_and_deleted_occurrences(anna: Mailbox, client: Client) -> None:
    calendar = anna.folder("calendar")
    first = datetime(2025, 3, 3, 8, tzinfo=UTC)
    hour = timedelta(hours=1)
    series = calendar.add(
        "CalendarItem",
        zone="W. Europe Standard Time",
        Start=first,
        End=first + hour,
        Recurrence=Recurrence("Weekly", date(2025, 3, 3), days=("Monday",)),
    )
    week = timedelta(days=7)
    series.change_occurrence(first + week, Start=first + 10 * week, End=first + 10 * week + hour)
    series.delete_occurrence(first + 2 * week)
    single = calendar.add("CalendarItem", Start=first + hour, End=first + 2 * hour)
    calendar.add("CalendarItem", Start=first - 3 * hour, End=first - 2 * hour)
    shape = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>"
    found = [
        texts(item) for item in root(find(client, calendar, view(first, first + 5 * week - 2 * hour), shape=shape))[0]
    ]
    assert [item["Start"] for item in found] == [
        "2025-03-03T08:00:00Z", "2025-03-03T09:00:00Z", "2025-03-24T08:00:00Z", "2025-03-31T07:00:00Z",
    ]  # fmt: skip
    assert {item["CalendarItemType"] for item in found} == {"Occurrence", "Single"}
    assert single.id in ids(find(client, calendar, view(first, first + week)))
    later = find(client, calendar, view(first + 10 * week, first + 10 * week + timedelta(days=1)), shape=shape)
    assert "Exception" in [texts(item)["CalendarItemType"] for item in root(later)[0]], (
        "a moved one is where it was moved to"
    )


def test_a_calendar_view_has_its_limits(anna: Mailbox, inbox: Folder, client: Client) -> None:
    calendar = anna.folder("calendar")
    calendar.add(
        "CalendarItem", Start=START, End=START + timedelta(hours=1), Recurrence=Recurrence("Daily", START.date())
    )
    year = timedelta(days=365)
    assert code(find(client, calendar, view(START, START + 3 * year))) == "ErrorCalendarViewRangeTooBig"
    assert len(ids(find(client, calendar, view(START, START + 2 * year)))) == 730
    calendar.add(
        "CalendarItem", Start=START, End=START + timedelta(hours=1), Recurrence=Recurrence("Daily", START.date())
    )
    assert code(find(client, calendar, view(START, START + 2 * year))) == "ErrorExceededFindCountLimit"
    limited = find(client, calendar, view(START, START + 2 * year, 1000))
    assert len(ids(limited)) == 1000
    assert root(limited).get("IncludesLastItemInRange") == "false"
    assert code(find(client, inbox, view(START, START + year))) == "ErrorCalendarFolderIsInvalidForCalendarView"
    assert code(find(client, calendar, view(START + year, START))) == "ErrorCalendarEndDateIsEarlierThanStartDate"


def test_folders_are_found_level_by_level_or_deep(anna: Mailbox, client: Client) -> None:
    for name in ("A", "A/B", "A/B/C"):
        anna.add_folder(name)

    def folders(root_id: str, traversal: str, inside: str = "") -> etree._Element:
        (message,) = client.ask(
            f'<m:FindFolder Traversal="{traversal}"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
            f'{inside}<m:ParentFolderIds><t:FolderId Id="{root_id}"/></m:ParentFolderIds></m:FindFolder>'
        )
        return root(message)

    top = anna.folder("A")
    assert [texts(folder)["DisplayName"] for folder in folders(top.id, "Shallow")[0]] == ["B"]
    assert [texts(folder)["DisplayName"] for folder in folders(top.id, "Deep")[0]] == ["B", "C"]
    paged = folders(
        top.id, "Deep", '<m:IndexedPageFolderView MaxEntriesReturned="1" Offset="1" BasePoint="Beginning"/>'
    )
    assert [texts(folder)["DisplayName"] for folder in paged[0]] == ["C"]
    named = f"<m:Restriction>{compare('IsEqualTo', 'folder:DisplayName', 'c')}</m:Restriction>"
    assert [texts(folder)["DisplayName"] for folder in folders(top.id, "Deep", named)[0]] == ["C"]


def test_public_folders_are_not_walked_deep(anna: Mailbox, client: Client) -> None:
    store = anna.exchange.add_public_folders()
    store.new_folder("Board", store.root)
    body = (
        '<m:FindFolder Traversal="{}"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="publicfoldersroot"/></m:ParentFolderIds></m:FindFolder>'
    )
    assert code(client.ask(body.format("Deep"))[0]) == "ErrorInvalidOperation"
    assert len(root(client.ask(body.format("Shallow"))[0])[0]) == 1


def test_probes_tell_whether_a_folder_changed(inbox: Folder, client: Client) -> None:
    asked = (
        '<t:ExtendedFieldURI PropertyTag="0x670A" PropertyType="SystemTime"/>'
        '<t:ExtendedFieldURI PropertyTag="0x670B" PropertyType="Integer"/>'
    )

    def probe() -> list[str | None]:
        (message,) = client.ask(
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
            f"{asked}</t:AdditionalProperties></m:FolderShape><m:FolderIds><t:FolderId Id='{inbox.id}'/></m:FolderIds>"
            "</m:GetFolder>"
        )
        return [value.text for value in message.iter(f"{T}Value")]

    item = inbox.add("Message")
    before = probe()
    assert len(before) == 2
    assert probe() == before
    item.delete()
    assert int(probe()[1]) == int(before[1]) + 1
