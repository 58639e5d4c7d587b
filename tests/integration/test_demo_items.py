"""GetItem and GetAttachment: shapes, bodies, extended properties, occurrences, errors."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo import Exchange
from tap_exchange.demo.attachments import AttachedItem, Attachment
from tap_exchange.demo.content.complete import EVERYTHING, complete
from tap_exchange.demo.extended import SEARCH_KEY, Extended
from tap_exchange.demo.fields import order_of
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.values import Address, Body
from tests.conformance.support import Client, M, T, code, served, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox

UTC = timezone.utc


def fields(*uris: str, more: str = "") -> str:
    """Ask for some fields beyond the id."""
    asked = "".join(f'<t:FieldURI FieldURI="{uri}"/>' for uri in uris)
    properties = f"<t:AdditionalProperties>{asked}</t:AdditionalProperties>" if asked else ""
    return f"<t:BaseShape>IdOnly</t:BaseShape>{more}{properties}"


@pytest.fixture
def anna() -> Mailbox:
    return Exchange(seed=7).add_mailbox("anna@example.com")


@pytest.fixture
def inbox(anna: Mailbox) -> Folder:
    return anna.folder("inbox")


@pytest.fixture
def client(anna: Mailbox) -> Iterator[Client]:
    with served(anna.exchange) as server, Client(server) as asking:
        yield asking


def names(element: etree._Element) -> list[str]:
    return [child.tag.removeprefix(T) for child in element]


def test_the_shape_decides_what_is_sent_and_the_schema_in_what_order(inbox: Folder, client: Client) -> None:
    item = inbox.add("Message", Subject="hello", Categories=["a", "b"])
    assert names(client.item(item.id, "<t:BaseShape>IdOnly</t:BaseShape>")) == ["ItemId"]
    asked = client.item(item.id, fields("message:IsRead", "item:Subject", "item:ParentFolderId", "item:Categories"))
    assert names(asked) == ["ItemId", "ParentFolderId", "Subject", "Categories", "IsRead"]
    assert texts(asked)["Subject"] == "hello"
    assert asked.find(f"{T}ParentFolderId").get("Id") == inbox.id
    assert asked.find(f"{T}ItemId").get("ChangeKey") == item.change_key
    assert [category.text for category in asked.find(f"{T}Categories")] == ["a", "b"]
    default = names(client.item(item.id, "<t:BaseShape>Default</t:BaseShape>"))
    assert "Body" in default
    assert "LastModifiedTime" not in default
    everything = names(client.item(item.id))
    assert "LastModifiedTime" in everything
    assert "MimeContent" not in everything
    assert everything == [name for name in order_of("Message") if name in everything]


@pytest.mark.parametrize("element", sorted(EVERYTHING))
def test_every_property_of_the_schema_is_there_to_be_asked_for(inbox: Folder, client: Client, element: str) -> None:
    flag = Extended("Integer", tag=0x1095)
    item = inbox.add(element, attachments=[Attachment()], extended={flag: 6}, **complete(element))
    wanted = [name for name in order_of(element) if name not in {"ItemId", "ExtendedProperty"}]
    uris = {uri.partition(":")[2]: uri for uri in FIELD_URIS}
    answer = client.item(item.id, fields(*(uris[name] for name in wanted if name in uris)))
    missing = set(wanted) & set(uris) - set(names(answer)) - NOT_OF_THIS_CLASS
    assert missing <= ({"UniqueBody"} if element in {"Contact", "Task", "DistributionList"} else set())


# The URIs of types.xsd whose element some class has; a name that several prefixes share is asked by one of them.
FIELD_URIS = """
item:ParentFolderId item:ItemClass item:MimeContent item:Attachments item:Subject item:DateTimeReceived item:Size
item:Categories item:HasAttachments item:Importance item:InReplyTo item:InternetMessageHeaders item:IsAssociated
item:IsDraft item:IsFromMe item:IsResend item:IsSubmitted item:IsUnmodified item:DateTimeSent item:DateTimeCreated
item:Body item:ResponseObjects item:Sensitivity item:ReminderDueBy item:ReminderIsSet item:ReminderNextTime
item:ReminderMinutesBeforeStart item:DisplayTo item:DisplayCc item:DisplayBcc item:Culture item:EffectiveRights
item:LastModifiedName item:LastModifiedTime item:ConversationId item:Flag item:StoreEntryId item:InstanceKey
item:NormalizedBody item:EntityExtractionResult item:PolicyTag item:ArchiveTag item:RetentionDate item:Preview
item:PredictedActionReasons item:IsClutter item:RightsManagementLicenseData item:BlockStatus item:HasBlockedImages
item:WebClientReadFormQueryString item:WebClientEditFormQueryString item:TextBody item:IconIndex item:Mentions
item:MentionedMe item:MentionsPreview item:MentionsEx item:Hashtags item:AppliedHashtags item:AppliedHashtagsPreview
item:Likes item:LikesPreview item:PendingSocialActivityTagIds item:AtAllMention item:CanDelete
item:InferenceClassification message:ConversationIndex message:ConversationTopic message:InternetMessageId
message:IsRead message:IsReadReceiptRequested message:IsDeliveryReceiptRequested message:ReceivedBy
message:ReceivedRepresenting message:References message:ReplyTo message:From message:Sender message:ToRecipients
message:CcRecipients message:BccRecipients message:ApprovalRequestData message:VotingInformation
message:ReminderMessageData message:MessageSafety meeting:AssociatedCalendarItemId meeting:IsDelegated
meeting:IsOutOfDate meeting:HasBeenProcessed meeting:ResponseType meeting:ProposedStart meeting:ProposedEnd
meetingRequest:MeetingRequestType meetingRequest:ChangeHighlights calendar:Start calendar:End calendar:OriginalStart
calendar:StartWallClock calendar:EndWallClock calendar:IsAllDayEvent calendar:LegacyFreeBusyStatus calendar:Location
calendar:EnhancedLocation calendar:When calendar:IsMeeting calendar:IsCancelled calendar:MeetingRequestWasSent
calendar:CalendarItemType calendar:MyResponseType calendar:Organizer calendar:RequiredAttendees
calendar:OptionalAttendees calendar:Resources calendar:ConflictingMeetings calendar:AdjacentMeetings calendar:Duration
calendar:TimeZone calendar:AppointmentReplyTime calendar:AppointmentState calendar:Recurrence
calendar:ModifiedOccurrences calendar:DeletedOccurrences calendar:MeetingTimeZone calendar:UID calendar:RecurrenceId
calendar:StartTimeZone calendar:JoinOnlineMeetingUrl calendar:OnlineMeetingSettings calendar:IsOrganizer
calendar:CalendarActivityData calendar:DoNotForwardMeeting calendar:InboxReminders task:ActualWork task:AssignedTime
task:BillingInformation task:ChangeCount task:CompleteDate task:Contacts task:DelegationState task:Delegator
task:DueDate task:IsComplete task:IsTeamTask task:Mileage task:Owner task:PercentComplete task:StartDate task:Status
task:StatusDescription task:TotalWork contacts:Alias contacts:AssistantName contacts:Birthday contacts:Children
contacts:Companies contacts:CompanyName contacts:CompleteName contacts:ContactSource contacts:Department
contacts:DisplayName contacts:DirectReports contacts:EmailAddresses contacts:FileAs contacts:FileAsMapping
contacts:GivenName contacts:ImAddresses contacts:JobTitle contacts:ManagerMailbox contacts:MSExchangeCertificate
contacts:PhoneNumbers contacts:Photo contacts:PhysicalAddresses contacts:UserSMIMECertificate distributionlist:Members
postitem:PostedTime sharingMessage:SharingMessageAction rolemember:MemberId abchperson:ContactHandles
""".split()  # noqa: SIM905 - names are easier to read as text
NOT_OF_THIS_CLASS = {"ResponseObjects", "ConversationId"}


def test_one_message_per_id_in_the_order_asked(inbox: Folder, client: Client) -> None:
    first, second = inbox.add("Message"), inbox.add("Message")
    gone = inbox.add("Message")
    gone.delete()
    messages = client.items(second.id, gone.id, "AAMk-nonsense", first.id, inbox.id, first.id)
    assert [code(message) for message in messages] == [
        "NoError", "ErrorItemNotFound", "ErrorInvalidIdMalformed", "NoError", "ErrorInvalidIdMalformed", "NoError",
    ]  # fmt: skip
    assert messages[0].find(f"{M}Items")[0][0].get("Id") == second.id
    assert messages[1].get("ResponseClass") == "Error"


def test_a_moved_item_has_a_new_id_and_its_old_search_key(anna: Mailbox, inbox: Folder, client: Client) -> None:
    item = inbox.add("Message", Subject="moving")
    shape = "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{}</t:AdditionalProperties>".format(
        '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'
    )
    before = client.item(item.id, shape).findtext(f"{T}ExtendedProperty/{T}Value")
    moved = item.move(anna.folder("Archive"))
    after = client.item(moved.id, shape).findtext(f"{T}ExtendedProperty/{T}Value")
    assert before == after == base64.b64encode(moved.extended[SEARCH_KEY]).decode()
    assert code(client.items(item.id)[0]) == "ErrorItemNotFound"
    copied = moved.copy(inbox)
    assert client.item(copied.id, shape).findtext(f"{T}ExtendedProperty/{T}Value") == before


def test_bodies_come_as_html_text_or_the_best_there_is(inbox: Folder, client: Client) -> None:
    html = inbox.add("Message", Body=Body("<html><body><b>bold</b> &amp; plain</body></html>"))
    text = inbox.add("Message", Body=Body("a < b\nc", html=False))

    def body(item: Item, kind: str) -> tuple[str | None, str | None]:
        found = client.item(item.id, fields("item:Body", more=f"<t:BodyType>{kind}</t:BodyType>")).find(f"{T}Body")
        return found.get("BodyType"), found.text

    assert body(html, "HTML") == body(html, "Best") == ("HTML", "<html><body><b>bold</b> &amp; plain</body></html>")
    assert body(html, "Text") == ("Text", "bold & plain")
    assert body(text, "Text") == body(text, "Best") == ("Text", "a < b\nc")
    assert body(text, "HTML") == ("HTML", "<html><body>a &lt; b<br>\nc</body></html>")


def test_bodies_are_cut_on_request(inbox: Folder, client: Client) -> None:
    item = inbox.add("Message", Body=Body("0123456789", html=False))

    def cut(size: int) -> tuple[str | None, str | None]:
        more = f"<t:BodyType>Text</t:BodyType><t:MaximumBodySize>{size}</t:MaximumBodySize>"
        found = client.item(item.id, fields("item:Body", more=more)).find(f"{T}Body")
        return found.text, found.get("IsTruncated")

    assert cut(4) == ("0123", "true")
    assert cut(10) == ("0123456789", "false")


def test_mime_content_comes_when_included(inbox: Folder, client: Client) -> None:
    given = inbox.add("Message", MimeContent=b"Subject: raw\r\n\r\nbytes \xff")
    made = inbox.add("Message", Subject="Größe", Body="text")
    shape = fields(more="<t:IncludeMimeContent>true</t:IncludeMimeContent>")
    answer = client.item(given.id, shape)
    assert names(answer) == ["MimeContent", "ItemId"]
    assert base64.b64decode(answer[0].text) == b"Subject: raw\r\n\r\nbytes \xff"
    assert b"Subject:" in base64.b64decode(client.item(made.id, shape)[0].text)


def test_extended_properties_come_by_every_kind_of_name(inbox: Folder, client: Client) -> None:
    guid = "00020329-0000-0000-c000-000000000046"
    by_name = Extended("String", property_set=guid, name="Invoice")
    by_number = Extended("Integer", distinguished_set="Common", number=34144)
    several = Extended("StringArray", distinguished_set="PublicStrings", name="Keywords")
    item = inbox.add("Message", Subject="x", extended={by_name: "4711", by_number: 5, several: ["a", "b"]})
    asked = (
        f'<t:ExtendedFieldURI PropertySetId="{guid}" PropertyName="Invoice" PropertyType="String"/>'
        '<t:ExtendedFieldURI DistinguishedPropertySetId="Common" PropertyId="34144" PropertyType="Integer"/>'
        '<t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="Keywords"'
        ' PropertyType="StringArray"/>'
        '<t:ExtendedFieldURI PropertyTag="0x37" PropertyType="String"/>'
        '<t:ExtendedFieldURI PropertyTag="0x7777" PropertyType="String"/>'
    )
    shape = f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{asked}</t:AdditionalProperties>"
    answer = client.item(item.id, shape)
    values = [["".join(value.itertext()) for value in found[1:]] for found in answer.iterfind(f"{T}ExtendedProperty")]
    assert values == [["4711"], ["5"], ["ab"], ["x"]]


def test_entries_of_dictionaries_are_asked_for_one_by_one(anna: Mailbox, client: Client) -> None:
    person = Address("Ann", "ann@partner.example")
    item = anna.folder("contacts").add(
        "Contact",
        EmailAddresses={"EmailAddress1": person, "EmailAddress2": "two@partner.example"},
        PhoneNumbers={"HomePhone": "1", "MobilePhone": "2"},
    )
    asked = '<t:IndexedFieldURI FieldURI="contacts:{}" FieldIndex="{}"/>'
    shape = "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{}</t:AdditionalProperties>".format(
        asked.format("EmailAddress", "EmailAddress2") + asked.format("PhoneNumber", "HomePhone")
    )
    answer = client.item(item.id, shape)
    assert [(entry.get("Key"), entry.text) for entry in answer.iter(f"{T}Entry")] == [
        ("EmailAddress2", "two@partner.example"),
        ("HomePhone", "1"),
    ]


def test_a_property_that_a_class_does_not_have(anna: Mailbox, client: Client) -> None:
    contact = anna.folder("contacts").add("Contact")
    assert names(client.item(contact.id, fields("message:Sender", "task:Owner"))) == ["ItemId"]
    (message,) = client.items(contact.id, shape=fields("item:UniqueBody"))
    assert code(message) == "ErrorInvalidPropertyRequest"


def test_strange_characters_are_sent_as_references(inbox: Folder, client: Client) -> None:
    item = inbox.add("Message", Subject="\x01 \ud83d\ude00 \U0001f600 & <")
    raw = client.post(
        f"<m:GetItem><m:ItemShape>{fields('item:Subject')}</m:ItemShape><m:ItemIds>"
        f'<t:ItemId Id="{item.id}"/></m:ItemIds></m:GetItem>'
    ).content.decode()
    assert "<t:Subject>&#x1; &#xD83D;&#xDE00; \U0001f600 &amp; &lt;</t:Subject>" in raw


def test_attachments_of_each_kind(inbox: Folder, client: Client) -> None:
    inner = AttachedItem(
        "Message",
        {"Subject": "inner", "ItemClass": "IPM.Note", "Body": Body("inner body", html=False)},
        (Attachment(name="deep.txt", content=b"deep"),),
    )
    item = inbox.add(
        "Message",
        attachments=[
            Attachment(name="a.txt", content=b"\x00\xffbytes", content_type="text/plain"),
            Attachment("ItemAttachment", "inner", item=inner),
            Attachment("ReferenceAttachment", "link", properties={"AttachLongPathName": "https://files.example/x"}),
            Attachment(name="photo", properties={"IsInline": True, "ContentId": "p@1", "IsContactPhoto": True}),
        ],
    )
    answer = client.item(item.id, fields("item:Attachments", "item:HasAttachments"))
    assert texts(answer)["HasAttachments"] == "true"
    listed = list(answer.find(f"{T}Attachments"))
    assert [entry.tag.removeprefix(T) for entry in listed] == [
        "FileAttachment", "ItemAttachment", "ReferenceAttachment", "FileAttachment",
    ]  # fmt: skip
    assert "Content" not in names(listed[0])
    assert listed[0].findtext(f"{T}LastModifiedTime") == "2024-05-01T12:00:00", "without a zone, as Exchange sends it"

    def load(*ids: str) -> list[etree._Element]:
        wanted = "".join(f'<t:AttachmentId Id="{attachment_id}"/>' for attachment_id in ids)
        return client.ask(f"<m:GetAttachment><m:AttachmentIds>{wanted}</m:AttachmentIds></m:GetAttachment>")

    ids = [entry.find(f"{T}AttachmentId").get("Id") for entry in listed]
    file, attached, link, missing, wrong = load(ids[0], ids[1], ids[2], ids[0][:-8] + "AAAJAAAA", item.id)
    assert base64.b64decode(file.findtext(f".//{T}Content")) == b"\x00\xffbytes"
    message = attached.find(f".//{T}Message")
    assert texts(message)["Subject"] == "inner"
    assert link.findtext(f".//{T}AttachLongPathName") == "https://files.example/x"
    assert code(missing) in {"ErrorItemNotFound", "ErrorInvalidIdMalformed"}
    assert code(wrong) == "ErrorInvalidIdNotAnItemAttachmentId"
    (deep,) = load(message.find(f".//{T}AttachmentId").get("Id"))
    assert base64.b64decode(deep.findtext(f".//{T}Content")) == b"deep"


def test_an_inline_attachment_alone_does_not_count(inbox: Folder, client: Client) -> None:
    item = inbox.add("Message", attachments=[Attachment(properties={"IsInline": True})])
    assert texts(client.item(item.id, fields("item:HasAttachments")))["HasAttachments"] == "false"


def test_occurrences_of_a_series_load_by_their_own_ids(anna: Mailbox, client: Client) -> None:
    start = datetime(2025, 3, 24, 9, tzinfo=UTC)  # the clocks change on the 30th
    series = anna.folder("calendar").add(
        "CalendarItem",
        zone="W. Europe Standard Time",
        Subject="weekly",
        Start=start,
        End=start + timedelta(hours=1),
        Recurrence=Recurrence("Weekly", date(2025, 3, 24), days=("Monday",), count=4),
    )
    second, third = datetime(2025, 3, 31, 8, tzinfo=UTC), datetime(2025, 4, 7, 8, tzinfo=UTC)
    series.change_occurrence(
        second, Subject="moved", Start=second + timedelta(days=1), End=second + timedelta(days=1, hours=2)
    )
    series.delete_occurrence(third)
    master = client.item(series.id)
    assert texts(master)["CalendarItemType"] == "RecurringMaster"
    exception = master.find(f"{T}ModifiedOccurrences/{T}Occurrence")
    assert texts(exception)["OriginalStart"] == "2025-03-31T08:00:00Z"
    assert master.findtext(f"{T}DeletedOccurrences/{T}DeletedOccurrence/{T}Start") == "2025-04-07T08:00:00Z"
    assert texts(master.find(f"{T}LastOccurrence"))["Start"] == "2025-04-14T08:00:00Z"
    moved = texts(client.item(exception.find(f"{T}ItemId").get("Id")))
    assert (moved["Subject"], moved["Start"]) == ("moved", "2025-04-01T08:00:00Z")
    assert (moved["CalendarItemType"], moved["OriginalStart"]) == ("Exception", "2025-03-31T08:00:00Z")

    def by_index(index: int) -> etree._Element:
        wanted = f'<t:OccurrenceItemId RecurringMasterId="{series.id}" InstanceIndex="{index}"/>'
        shape = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>"
        return client.ask(f"<m:GetItem>{shape}<m:ItemIds>{wanted}</m:ItemIds></m:GetItem>")[0]

    first = by_index(1).find(f"{M}Items")[0]
    assert texts(first)["CalendarItemType"] == "Occurrence"
    assert first[0].get("ChangeKey") == series.change_key, "occurrences share the master's change key"
    assert code(by_index(3)) == "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
    assert code(by_index(5)) == "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"
    wanted = f'<t:RecurringMasterItemId OccurrenceId="{first[0].get("Id")}"/>'
    shape = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
    (back,) = client.ask(f"<m:GetItem>{shape}<m:ItemIds>{wanted}</m:ItemIds></m:GetItem>")
    assert back.find(f"{M}Items")[0][0].get("Id") == series.id


def test_edits_show_at_once_and_move_the_change_key(inbox: Folder, client: Client) -> None:
    item = inbox.add("Message", Subject="old", InReplyTo="<x>")
    key = item.change_key
    assert texts(client.item(item.id))["Subject"] == "old"
    item.update(Subject="new", InReplyTo=None)
    after = client.item(item.id)
    assert texts(after)["Subject"] == "new"
    assert "InReplyTo" not in names(after)
    assert item.change_key != key
    key = item.change_key
    item.mark_read()
    assert item.change_key == key, "a read flag alone does not move it"
    assert texts(client.item(item.id))["IsRead"] == "true"


def test_what_left_its_folder_cannot_be_edited(anna: Mailbox, inbox: Folder) -> None:
    item = inbox.add("Message")
    item.soft_delete()
    with pytest.raises(LookupError):
        item.update(Subject="too late")
    folder = anna.add_folder("Short-lived")
    inside = folder.add("Message")
    folder.delete()
    with pytest.raises(LookupError):
        inside.mark_read()
    with pytest.raises(LookupError):
        folder.add("Message")
    assert [kept.properties["Subject"] for kept in anna.folder("Deleted Items").items()] == [item.properties["Subject"]]
