"""Elements become records: every kind of value, exactly, and nothing that the server sent is lost."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from tap_exchange.ews.columns import columns_of, extended_properties
from tap_exchange.ews.nested import TREE_DEPTH
from tap_exchange.ews.shapes import ContentSettings, folder_shape, shape
from tests.elements import item

PERSON = (
    "<t:Mailbox><t:Name>{0}</t:Name><t:EmailAddress>{0}@example.com</t:EmailAddress>"
    "<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
)


def person(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "email_address": f"{name}@example.com",
        "routing_type": "SMTP",
        "mailbox_type": "Mailbox",
    }


def convert(stream: str, name: str, content: str, settings: ContentSettings | None = None) -> dict[str, Any]:
    """Convert an item with every column of its stream."""
    settings = settings or ContentSettings()
    everything = {column.name for column in columns_of(stream, settings.extended_properties)} | {"folder_id"}
    return shape(stream, everything, settings=settings).convert(item(name, content))


def message(content: str, settings: ContentSettings | None = None) -> dict[str, Any]:
    return convert("messages", "Message", content, settings)


def test_a_record_has_every_column_and_the_ids() -> None:
    record = message('<t:ParentFolderId Id="AQ=" ChangeKey="A"/>')
    assert record.keys() == {c.name for c in columns_of("messages")} | {"item_id", "change_key", "folder_id"}
    assert (record["item_id"], record["change_key"], record["folder_id"]) == ("AAMk=", "CQ==", "AQ=")
    assert record["item_type"] == "Message"
    assert all(
        value is None
        for name, value in record.items()
        if name not in {"item_id", "change_key", "folder_id", "item_type"}
    )


def test_plain_values_keep_their_type() -> None:
    record = message(
        "<t:Subject>Re: 🎉 مرحبا &lt;b&gt;</t:Subject><t:Size>1958</t:Size>"
        "<t:IsDraft>false</t:IsDraft><t:IsRead>1</t:IsRead>"
        "<t:DateTimeReceived>2025-08-30T18:10:41Z</t:DateTimeReceived><t:DisplayCc/>"
        "<t:Categories><t:String>Red</t:String><t:String/></t:Categories>",
    )
    assert record["subject"] == "Re: 🎉 مرحبا <b>"
    assert record["size"] == 1958
    assert record["is_draft"] is False
    assert record["is_read"] is True
    assert record["date_time_received"] == "2025-08-30T18:10:41Z"
    assert record["display_cc"] == ""
    assert record["categories"] == ["Red", ""]
    assert record["unparsed"] is None
    assert record["other_properties"] is None


def test_a_value_that_does_not_fit_its_type_is_kept_as_text() -> None:
    record = message(
        "<t:Size>huge</t:Size><t:IsDraft>perhaps</t:IsDraft><t:DateTimeSent>soon</t:DateTimeSent>"
        "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus><t:DueDate>never</t:DueDate></t:Flag>"
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x1081" PropertyType="Integer"/>'
        "<t:Value>x</t:Value></t:ExtendedProperty>",
    )
    assert record["unparsed"] == {
        "size": "huge",
        "is_draft": "perhaps",
        "date_time_sent": "soon",
        "flag_due_date": "never",
        "last_verb_executed": "x",
    }
    assert record["size"] is record["is_draft"] is record["date_time_sent"] is record["flag_due_date"] is None
    assert record["flag_status"] == "Flagged"


def test_a_value_within_that_does_not_fit_is_kept_under_its_path() -> None:
    record = convert(
        "calendar_items",
        "CalendarItem",
        f"<t:RequiredAttendees><t:Attendee>{PERSON.format('anna')}</t:Attendee>"
        f"<t:Attendee>{PERSON.format('bert')}<t:LastResponseTime>late</t:LastResponseTime></t:Attendee>"
        "</t:RequiredAttendees><t:Recurrence><t:DailyRecurrence><t:Interval>few</t:Interval></t:DailyRecurrence>"
        "<t:NoEndRecurrence><t:StartDate>2025-07-02Z</t:StartDate></t:NoEndRecurrence></t:Recurrence>",
    )
    assert record["unparsed"] == {
        "required_attendees.1.last_response_time": "late",
        "recurrence.pattern.interval": "few",
    }
    assert [attendee["name"] for attendee in record["required_attendees"]] == ["anna", "bert"]


def test_elements_where_a_text_was_expected_are_kept() -> None:
    record = message("<t:Subject>a<t:Bold>b</t:Bold></t:Subject><t:Body>x<t:Part/></t:Body>")
    assert record["subject"] == "a"
    assert record["unparsed"] == {"subject": {"Bold": "b", "#text": "a"}, "body": {"Part": "", "#text": "x"}}


def test_an_element_that_no_column_knows_is_kept_by_its_name() -> None:
    record = message(
        '<t:Subject>s</t:Subject><t:Sparkle Level="3">bright<t:Hue>red</t:Hue><t:Hue>blue</t:Hue></t:Sparkle>'
        "<t:SortKey>7</t:SortKey><t:SortKey>8</t:SortKey><!-- nothing -->",
    )
    assert record["other_properties"] == {
        "Sparkle": {"@Level": "3", "Hue": ["red", "blue"], "#text": "bright"},
        "SortKey": ["7", "8"],
    }


def test_a_known_element_that_was_not_asked_for_is_no_news() -> None:
    made = shape("messages", {"subject", "other_properties"}, settings=ContentSettings())
    parent = '<t:ParentFolderId Id="AQ="/>'
    record = made.convert(item("Message", f"{parent}<t:Size>9</t:Size><t:Flag><t:FlagStatus>x</t:FlagStatus></t:Flag>"))
    assert record == {
        "item_id": "AAMk=",
        "change_key": "CQ==",
        "subject": None,
        "is_read": None,
        "other_properties": None,
    }


def test_a_deep_tree_ends_in_xml_text() -> None:
    depth = 200
    record = message("<t:Deep>" * depth + "bottom" + "</t:Deep>" * depth)
    found, levels = record["other_properties"]["Deep"], 0
    while isinstance(found, dict):
        found, levels = found["Deep"], levels + 1
    assert levels == TREE_DEPTH
    assert "bottom" in found


def test_addresses_have_their_four_parts_whatever_comes() -> None:
    distinguished = "/o=Example/ou=First/cn=Recipients/cn=anna"
    record = message(
        f"<t:From><t:Mailbox><t:Name>Anna</t:Name><t:EmailAddress>{distinguished}</t:EmailAddress>"
        "<t:RoutingType>EX</t:RoutingType></t:Mailbox></t:From>"
        f"<t:ToRecipients>{PERSON.format('bert')}<t:Mailbox/></t:ToRecipients><t:CcRecipients/><t:Sender/>"
        '<t:ReceivedBy><t:Mailbox><t:Name>B</t:Name><t:ItemId Id="X"/></t:Mailbox></t:ReceivedBy>',
    )
    assert record["from_address"] == {
        "name": "Anna",
        "email_address": distinguished,
        "routing_type": "EX",
        "mailbox_type": None,
    }
    assert record["to_recipients"] == [person("bert"), dict.fromkeys(person("x"))]
    assert record["cc_recipients"] == []
    assert record["bcc_recipients"] is None
    assert record["sender"] is None
    assert record["received_by"]["other"] == {"ItemId": {"@Id": "X"}}


def test_headers_keep_their_order_and_repeat() -> None:
    record = message(
        '<t:InternetMessageHeaders><t:InternetMessageHeader HeaderName="Received">one</t:InternetMessageHeader>'
        '<t:InternetMessageHeader HeaderName="X-Empty"/>'
        '<t:InternetMessageHeader HeaderName="Received">two</t:InternetMessageHeader></t:InternetMessageHeaders>',
    )
    assert record["internet_message_headers"] == [
        {"name": "Received", "value": "one"},
        {"name": "X-Empty", "value": ""},
        {"name": "Received", "value": "two"},
    ]


def test_a_body_tells_its_form_and_whether_it_is_cut() -> None:
    record = message('<t:Body BodyType="HTML" IsTruncated="true">&lt;p&gt;Hi</t:Body>')
    assert (record["body"], record["body_type"], record["body_truncated"]) == ("<p>Hi", "html", True)
    record = message('<t:Body BodyType="Text"/>')
    assert (record["body"], record["body_type"], record["body_truncated"]) == ("", "text", False)


def test_a_body_that_the_server_did_not_cut_is_cut_between_characters() -> None:
    record = message('<t:Body BodyType="Text">aé🎉b</t:Body>', ContentSettings(body_max_bytes=6))
    assert (record["body"], record["body_truncated"]) == ("aé", True)
    record = message('<t:Body BodyType="Text">aé🎉b</t:Body>', ContentSettings(body_max_bytes=8))
    assert (record["body"], record["body_truncated"]) == ("aé🎉b", False)


def test_attributes_and_children_become_flat_columns() -> None:
    record = message(
        '<t:ConversationId Id="C="/><t:PolicyTag IsExplicit="true">0b9f6a3e-0000-0000-0000-000000000001</t:PolicyTag>'
        "<t:Flag><t:FlagStatus>Complete</t:FlagStatus><t:CompleteDate>2025-08-30T00:00:00Z</t:CompleteDate>"
        "<t:Color>red</t:Color></t:Flag>",
    )
    assert record["conversation_id"] == "C="
    assert record["policy_tag"].startswith("0b9f6a3e")
    assert record["policy_tag_is_explicit"] is True
    assert record["flag_complete_date"] == "2025-08-30T00:00:00Z"
    assert record["flag_due_date"] is None
    assert record["other_properties"] == {"Flag.Color": "red"}


def test_the_search_key_is_found_however_the_server_writes_the_tag() -> None:
    for tag in ("0x300b", "0x300B", "12299"):
        record = message(
            f'<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="{tag}" PropertyType="Binary"/>'
            "<t:Value>AAEC/w==</t:Value></t:ExtendedProperty>",
        )
        assert record["search_key"] == "000102ff"


def test_the_users_properties_are_converted_by_their_types() -> None:
    own = extended_properties(
        [
            {"column": "words", "property_set": "PublicStrings", "name": "Words", "type": "StringArray"},
            {"column": "counts", "tag": 0x1001, "type": "IntegerArray"},
            {"column": "blob", "tag": "0x1002", "type": "Binary"},
            {"column": "price", "property_set": "Common", "id": "0x8500", "type": "Currency"},
        ],
    )
    guid = "00062008-0000-0000-C000-000000000046"
    record = message(
        '<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="Words"'
        ' PropertyType="StringArray"/><t:Values><t:Value>a</t:Value><t:Value/></t:Values></t:ExtendedProperty>'
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x1001" PropertyType="IntegerArray"/>'
        "<t:Values><t:Value>1</t:Value><t:Value>two</t:Value></t:Values></t:ExtendedProperty>"
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x1002" PropertyType="Binary"/>'
        "<t:Value>AAEC</t:Value></t:ExtendedProperty>"
        f'<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="{guid}" PropertyId="34048" PropertyType="Currency"/>'
        "<t:Value>12.5</t:Value></t:ExtendedProperty>"
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x1003" PropertyType="Binary"/>'
        "<t:Value>BBBB</t:Value></t:ExtendedProperty>",
        ContentSettings(extended_properties=own),
    )
    assert record["words"] == ["a", ""]
    assert record["counts"] == [1, None]
    assert record["blob"] == "AAEC"
    assert record["price"] == 12.5
    assert record["unparsed"] == {"counts.1": "two"}
    assert record["other_properties"]["ExtendedProperty"]["Value"] == "BBBB"


def test_meetings_have_people_times_and_their_series() -> None:
    record = convert(
        "calendar_items",
        "CalendarItem",
        "<t:CalendarItemType>RecurringMaster</t:CalendarItemType><t:Start>2025-07-02T08:00:00Z</t:Start>"
        f"<t:Organizer>{PERSON.format('anna')}</t:Organizer><t:OptionalAttendees><t:Attendee>{PERSON.format('bert')}"
        "<t:ResponseType>Accept</t:ResponseType><t:LastResponseTime>2025-07-01T08:00:00Z</t:LastResponseTime>"
        "</t:Attendee></t:OptionalAttendees>"
        "<t:Recurrence><t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Monday Friday</t:DaysOfWeek>"
        "<t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence><t:EndDateRecurrence>"
        "<t:StartDate>2025-07-02+02:00</t:StartDate><t:EndDate>2025-12-31Z</t:EndDate></t:EndDateRecurrence>"
        "</t:Recurrence>"
        '<t:FirstOccurrence><t:ItemId Id="O1" ChangeKey="K1"/><t:Start>2025-07-02T08:00:00Z</t:Start>'
        "</t:FirstOccurrence>"
        '<t:ModifiedOccurrences><t:Occurrence><t:ItemId Id="O2" ChangeKey="K2"/><t:Start>2025-07-07T09:00:00Z</t:Start>'
        "<t:End>2025-07-07T10:00:00Z</t:End><t:OriginalStart>2025-07-07T08:00:00Z</t:OriginalStart></t:Occurrence>"
        "</t:ModifiedOccurrences><t:DeletedOccurrences><t:DeletedOccurrence><t:Start>2025-07-11T08:00:00Z</t:Start>"
        "</t:DeletedOccurrence></t:DeletedOccurrences>",
    )
    assert record["calendar_item_type"] == "RecurringMaster"
    assert record["organizer"] == person("anna")
    assert record["optional_attendees"] == [
        {
            **person("bert"),
            "response_type": "Accept",
            "last_response_time": "2025-07-01T08:00:00Z",
            "proposed_start": None,
            "proposed_end": None,
        },
    ]
    assert record["recurrence"] == {
        "pattern": {
            "type": "WeeklyRecurrence",
            "interval": 2,
            "days_of_week": ["Monday", "Friday"],
            "first_day_of_week": "Monday",
            "day_of_month": None,
            "day_of_week_index": None,
            "month": None,
        },
        "range": {
            "type": "EndDateRecurrence",
            "start_date": "2025-07-02",
            "end_date": "2025-12-31",
            "number_of_occurrences": None,
        },
    }
    assert record["first_occurrence"]["item_id"] == "O1"
    assert record["modified_occurrences"] == [
        {
            "item_id": "O2",
            "change_key": "K2",
            "start": "2025-07-07T09:00:00Z",
            "end": "2025-07-07T10:00:00Z",
            "original_start": "2025-07-07T08:00:00Z",
        },
    ]
    assert record["deleted_occurrences"] == [{"start": "2025-07-11T08:00:00Z"}]


def test_a_zone_that_windows_does_not_know_keeps_its_definition() -> None:
    definition = '<t:Periods><t:Period Bias="-PT60M" Name="Standard" Id="std"/></t:Periods>'
    record = convert(
        "calendar_items",
        "CalendarItem",
        f'<t:StartTimeZone Id="W. Europe Standard Time" Name="(UTC+01:00) Berlin">{definition}</t:StartTimeZone>'
        f'<t:EndTimeZone Id="tzone://Example/Moon" Name="Moon">{definition}</t:EndTimeZone>',
    )
    assert record["start_time_zone"] == {
        "id": "W. Europe Standard Time",
        "name": "(UTC+01:00) Berlin",
        "iana": "Europe/Berlin",
        "definition": None,
    }
    assert record["end_time_zone"]["id"] == "tzone://Example/Moon"
    assert record["end_time_zone"]["definition"]["Periods"]["Period"]["@Bias"] == "-PT60M"


def test_a_zone_whose_definition_is_no_element_is_an_object_all_the_same() -> None:
    record = convert("calendar_items", "CalendarItem", "<t:EndTimeZone><!-- nothing --></t:EndTimeZone>")
    assert record["end_time_zone"]["definition"] == {"#text": ""}


def test_a_tasks_recurrence_may_be_a_regeneration() -> None:
    record = convert(
        "tasks",
        "Task",
        "<t:PercentComplete>12.5</t:PercentComplete><t:Recurrence><t:MonthlyRegeneration><t:Interval>3</t:Interval>"
        "</t:MonthlyRegeneration><t:NumberedRecurrence><t:StartDate>2025-07-02Z</t:StartDate>"
        "<t:NumberOfOccurrences>4</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>",
    )
    assert record["percent_complete"] == 12.5
    assert record["recurrence"]["pattern"]["type"] == "MonthlyRegeneration"
    assert record["recurrence"]["range"]["number_of_occurrences"] == 4


def test_a_contacts_entries_become_flat_columns() -> None:
    record = convert(
        "contacts",
        "Contact",
        '<t:EmailAddresses><t:Entry Key="EmailAddress1" Name="Anna" RoutingType="SMTP">anna@example.com</t:Entry>'
        '<t:Entry Key="EmailAddress3">a@example.org</t:Entry></t:EmailAddresses>'
        '<t:PhoneNumbers><t:Entry Key="MobilePhone">+49 1</t:Entry>'
        '<t:Entry Key="Satellite">+881</t:Entry></t:PhoneNumbers>'
        '<t:PhysicalAddresses><t:Entry Key="Home"><t:Street>Weg 1</t:Street><t:City>Ulm</t:City></t:Entry>'
        "</t:PhysicalAddresses><t:CompleteName><t:Title>Dr.</t:Title><t:FullName>Dr. Anna</t:FullName></t:CompleteName>"
        '<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="Address" PropertyId="32990"'
        ' PropertyType="SystemTime"/><t:Value>1980-05-01T00:00:00Z</t:Value></t:ExtendedProperty>',
    )
    assert record["email_address_1"] == "anna@example.com"
    assert record["email_address_1_name"] == "Anna"
    assert record["email_address_1_routing_type"] == "SMTP"
    assert record["email_address_2"] is None
    assert record["email_address_3"] == "a@example.org"
    assert record["email_address_3_name"] is None
    assert record["mobile_phone"] == "+49 1"
    assert (record["home_street"], record["home_city"], record["home_state"]) == ("Weg 1", "Ulm", None)
    assert record["complete_name"]["title"] == "Dr."
    assert record["birthday_local"] == "1980-05-01"
    assert record["other_properties"] == {"PhoneNumbers.Satellite": {"@Key": "Satellite", "#text": "+881"}}


def test_a_lists_members_are_people_with_a_status() -> None:
    record = convert(
        "distribution_lists",
        "DistributionList",
        f'<t:Members><t:Member Key="K1">{PERSON.format("anna")}<t:Status>Normal</t:Status></t:Member></t:Members>',
    )
    assert record["members"] == [{**person("anna"), "key": "K1", "status": "Normal"}]


def test_attachments_of_all_kinds_tell_what_they_are() -> None:
    record = message(
        "<t:Attachments>"
        '<t:FileAttachment><t:AttachmentId Id="A1"/><t:Name>a.pdf</t:Name><t:Size>12</t:Size>'
        "<t:LastModifiedTime>2025-08-30T18:10:41</t:LastModifiedTime><t:IsInline>true</t:IsInline></t:FileAttachment>"
        '<t:ItemAttachment><t:AttachmentId Id="A2"/><t:Name>Fwd</t:Name><t:Message><t:ItemClass>IPM.Note</t:ItemClass>'
        "<t:Subject>Old</t:Subject></t:Message></t:ItemAttachment>"
        '<t:ReferenceAttachment><t:AttachmentId Id="A3"/>'
        "<t:AttachLongPathName>https://example.com/f</t:AttachLongPathName>"
        '</t:ReferenceAttachment><t:HologramAttachment><t:AttachmentId Id="A4"/></t:HologramAttachment>'
        "</t:Attachments>",
    )
    file, attached, reference, unknown = record["attachments"]
    assert (file["attachment_type"], file["attachment_id"], file["name"], file["size"]) == ("file", "A1", "a.pdf", 12)
    assert file["last_modified_time"] == "2025-08-30T18:10:41Z"
    assert file["is_inline"] is True
    assert (attached["attachment_type"], attached["item_class"], attached["item_subject"]) == (
        "item",
        "IPM.Note",
        "Old",
    )
    assert (reference["attachment_type"], reference["reference_url"]) == ("reference", "https://example.com/f")
    assert unknown["attachment_type"] == "HologramAttachment"


def test_meeting_messages_of_all_classes_share_a_table() -> None:
    record = convert(
        "meeting_messages",
        "MeetingRequest",
        '<t:AssociatedCalendarItemId Id="CAL" ChangeKey="K"/><t:MeetingRequestType>FullUpdate</t:MeetingRequestType>'
        "<t:ChangeHighlights><t:HasStartTimeChanged>true</t:HasStartTimeChanged><t:Start>2025-07-02T08:00:00Z</t:Start>"
        "</t:ChangeHighlights>",
    )
    assert record["item_type"] == "MeetingRequest"
    assert record["associated_calendar_item_id"] == "CAL"
    assert record["change_highlights"]["has_start_time_changed"] is True


def test_folders_become_records_of_their_own() -> None:
    record = folder_shape().convert(
        item(
            "CalendarFolder",
            '<t:ParentFolderId Id="P" ChangeKey="K"/><t:FolderClass>IPF.Appointment</t:FolderClass>'
            "<t:DisplayName>Calendar</t:DisplayName><t:TotalCount>3</t:TotalCount>"
            '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0xe08" PropertyType="Long"/>'
            "<t:Value>5000000000</t:Value></t:ExtendedProperty>",
        ),
    )
    assert (record["folder_id"], record["change_key"], record["parent_folder_id"]) == ("AAMk=", "CQ==", "P")
    assert (record["folder_type"], record["name"], record["total_count"]) == ("CalendarFolder", "Calendar", 3)
    assert record["size"] == 5_000_000_000


@pytest.mark.parametrize("text", ["\0", "\x01", "\x0b", "\ud83d", "\ufffe"])
def test_lxml_itself_keeps_forbidden_characters_out_of_a_tree(text: str) -> None:
    with pytest.raises((ValueError, UnicodeEncodeError)):
        etree.Element("a").text = text
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(f"<a>&#{ord(text)};</a>")
