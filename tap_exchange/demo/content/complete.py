"""Items that have every property the schema knows for their class."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from tap_exchange.demo import ids
from tap_exchange.demo.content import words
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.values import Address, Attendee, Body, Raw

WHEN = datetime(2025, 5, 14, 9, 30, tzinfo=timezone.utc)
ANN = Address("Ann Example", "ann@partner.example")
TEAM = Address("Team", "team@example.com", mailbox_type="PublicDL")
LEGACY = Address("Old Printer", "/O=EXAMPLE/OU=FIRST/CN=RECIPIENTS/CN=PRINTER", "EX", "Mailbox")
WRITER = {"Name": "Ann Example", "EmailAddress": "ann@partner.example", "PrimaryEmailAddress": "ann@partner.example"}
TAG = ids.guid("retention tag")
MARK = {"Id": "1", "CreatedBy": WRITER, "CreatedDateTime": "2025-05-14T09:30:00Z", "Application": "Outlook"}

ITEM: dict[str, Any] = {
    "Sensitivity": "Confidential",
    "Categories": ["Blue category", "Müller & Söhne", "重要"],
    "Importance": "High",
    "InReplyTo": "<first@mail.example>",
    "InternetMessageHeaders": [("Received", "from a by b"), ("Received", "from b by c"), ("X-Empty", "")],
    "ReminderDueBy": WHEN + timedelta(days=2),
    "ReminderIsSet": True,
    "ReminderNextTime": WHEN + timedelta(days=1, hours=23),
    "ReminderMinutesBeforeStart": 15,
    "DisplayCc": "Team",
    "DisplayTo": "Ann Example; Old Printer",
    "DisplayBcc": "Somebody Hidden",
    "WebClientEditFormQueryString": "https://mail.example/owa/?viewmodel=Compose",
    "UniqueBody": Body("<html><body>only what is new</body></html>"),
    "Flag": {
        "FlagStatus": "Flagged",
        "StartDate": WHEN,
        "DueDate": WHEN + timedelta(days=3),
    },
    "NormalizedBody": Body("<html><body><div>normalized</div></body></html>"),
    "EntityExtractionResult": {
        "Addresses": Raw(
            "<t:AddressEntity><t:Position>LatestReply</t:Position><t:Address>1 Main St</t:Address></t:AddressEntity>"
        ),
        "Urls": Raw(
            "<t:UrlEntity><t:Position>LatestReply</t:Position><t:Url>https://example.com</t:Url></t:UrlEntity>"
        ),
    },
    "PolicyTag": {"@IsExplicit": True, "#": TAG},
    "ArchiveTag": {"@IsExplicit": False, "#": TAG},
    "RetentionDate": WHEN + timedelta(days=2555),
    "Preview": "only what is new",
    "RightsManagementLicenseData": {"RmsTemplateId": TAG, "TemplateName": "Do Not Forward", "EditAllowed": False},
    "PredictedActionReasons": ["ConversationStarterIsYou", "NameOnToLine"],
    "IsClutter": False,
    "BlockStatus": False,
    "HasBlockedImages": True,
    "IconIndex": "MailReplied",
    "SortKey": 638_500_000_000_000_000,
    "Hashtags": ["launch"],
    "Mentions": [ANN],
    "MentionedMe": True,
    "MentionsPreview": {"IsMentioned": True},
    "MentionsEx": [{**MARK, "Mentioned": WRITER, "MentionText": "@Ann"}],
    "AppliedHashtags": [{**MARK, "Tag": "launch", "IsAutoTagged": False, "IsInlined": True}],
    "AppliedHashtagsPreview": {"Hashtags": ["launch"]},
    "Likes": [MARK],
    "LikesPreview": {"LikeCount": 1},
    "PendingSocialActivityTagIds": ["7"],
    "AtAllMention": False,
    "CanDelete": True,
    "InferenceClassification": "Focused",
}
MESSAGE: dict[str, Any] = {
    "Sender": TEAM,
    "ToRecipients": [ANN, LEGACY],
    "CcRecipients": [TEAM],
    "BccRecipients": [Address("Somebody Hidden", "hidden@partner.example")],
    "IsReadReceiptRequested": True,
    "IsDeliveryReceiptRequested": True,
    "From": ANN,
    "IsRead": True,
    "IsResponseRequested": True,
    "References": "<first@mail.example> <second@mail.example>",
    "ReplyTo": [Address("Replies", "replies@partner.example")],
    "ReceivedBy": TEAM,
    "ReceivedRepresenting": ANN,
    "ApprovalRequestData": {"IsUndecidedApprovalRequest": True, "ApprovalDecision": 1, "ApprovalDecisionMaker": "Ann"},
    "VotingInformation": {
        "UserOptions": [{"DisplayName": "Approve", "SendPrompt": "Send"}, {"DisplayName": "Reject"}],
        "VotingResponse": "Approve",
    },
    "ReminderMessageData": {"ReminderText": "soon", "Location": "Room 2", "StartTime": WHEN},
    "MessageSafety": {"MessageSafetyLevel": 1, "MessageSafetyReason": 2, "Info": "checked"},
    "SenderSMTPAddress": "ann@partner.example",
    "MailboxGuids": [ids.guid("mailbox guid")],
    "PublishedCalendarItemIcs": "https://mail.example/calendar.ics",
    "PublishedCalendarItemName": "Holidays",
}
MEETING_MESSAGE: dict[str, Any] = {
    "AssociatedCalendarItemId": Raw("", ' Id="AAMkAGdvbmU=" ChangeKey="DwAAAA=="'),
    "IsDelegated": False,
    "IsOutOfDate": False,
    "HasBeenProcessed": True,
    "ResponseType": "Accept",
    "UID": "040000008200E00074C5B7101A82E00800000000C0FFEE",
    "RecurrenceId": WHEN,
    "DateTimeStamp": WHEN,
    "IsOrganizer": False,
}
WEEKLY = Recurrence("Weekly", WHEN.date(), days=("Wednesday",), count=6)
NEIGHBOUR = Raw("<t:CalendarItem><t:Subject>Lunch</t:Subject></t:CalendarItem>")
ZONE_RULES = Raw(
    '<t:Periods><t:Period Bias="-PT2H" Name="Standard" Id="std"/></t:Periods><t:TransitionsGroups>'
    '<t:TransitionsGroup Id="0"><t:Transition><t:To Kind="Period">std</t:To></t:Transition></t:TransitionsGroup>'
    '</t:TransitionsGroups><t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions>',
    ' Id="tzone://Microsoft/Custom" Name="A custom zone"',
)
OCCURRENCE = Raw(
    '<t:ItemId Id="AAMkAG9jYw==" ChangeKey="DwAAAA=="/><t:Start>2025-05-14T09:30:00Z</t:Start>'
    "<t:End>2025-05-14T10:30:00Z</t:End><t:OriginalStart>2025-05-14T09:30:00Z</t:OriginalStart>"
)
MEETING: dict[str, Any] = {
    "Start": WHEN,
    "End": WHEN + timedelta(hours=1),
    "OriginalStart": WHEN,
    "IsAllDayEvent": False,
    "LegacyFreeBusyStatus": "Tentative",
    "IntendedFreeBusyStatus": "Busy",
    "Location": "Room 2, 3rd floor",
    "When": "Wednesday 14 May 2025 11:30-12:30",
    "IsMeeting": True,
    "IsCancelled": False,
    "IsRecurring": True,
    "MeetingRequestWasSent": True,
    "MyResponseType": "Accept",
    "Organizer": ANN,
    "RequiredAttendees": [Attendee(ANN, "Organizer"), Attendee(LEGACY, "Accept", WHEN)],
    "OptionalAttendees": [Attendee(TEAM, "NoResponseReceived")],
    "Resources": [Attendee(Address("Room 2", "room2@example.com"), "Accept", WHEN)],
    "ConflictingMeetingCount": 1,
    "AdjacentMeetingCount": 1,
    "ConflictingMeetings": NEIGHBOUR,
    "AdjacentMeetings": NEIGHBOUR,
    "Duration": "PT1H",
    "TimeZone": "(UTC+02:00) A custom zone",
    "AppointmentReplyTime": WHEN,
    "AppointmentSequenceNumber": 3,
    "AppointmentState": 3,
    "Recurrence": WEEKLY,
    "FirstOccurrence": OCCURRENCE,
    "LastOccurrence": OCCURRENCE,
    "ModifiedOccurrences": [OCCURRENCE],
    "DeletedOccurrences": [{"Start": WHEN + timedelta(days=7)}],
    "MeetingTimeZone": {"@TimeZoneName": "A custom zone", "BaseOffset": "-PT2H"},
    "StartTimeZone": ZONE_RULES,
    "EndTimeZone": ZONE_RULES,
    "ConferenceType": 0,
    "AllowNewTimeProposal": True,
    "IsOnlineMeeting": True,
    "MeetingWorkspaceUrl": "https://work.example/space",
    "NetShowUrl": "https://work.example/show",
    "EnhancedLocation": {
        "DisplayName": "Room 2",
        "Annotation": "by the lift",
        "PostalAddress": {
            "Street": "1 Main St",
            "City": "Bern",
            "Country": "CH",
            "Type": "Business",
            "Latitude": 46.95,
        },
    },
    "StartWallClock": Raw("2025-05-14T11:30:00+02:00"),
    "EndWallClock": Raw("2025-05-14T12:30:00+02:00"),
    "StartTimeZoneId": "tzone://Microsoft/Custom",
    "EndTimeZoneId": "tzone://Microsoft/Custom",
    "DoNotForwardMeeting": False,
}
CALENDAR_ITEM: dict[str, Any] = {
    **MEETING,
    "UID": MEETING_MESSAGE["UID"],
    "RecurrenceId": WHEN,
    "DateTimeStamp": WHEN,
    "IsResponseRequested": True,
    "CalendarItemType": "RecurringMaster",
    "InboxReminders": [{"Id": TAG, "ReminderOffset": 30, "Message": "pack", "SendOption": "User"}],
    "JoinOnlineMeetingUrl": "https://meet.example/42",
    "OnlineMeetingSettings": {"LobbyBypass": "Disabled", "AccessLevel": "Invited", "Presenters": "Everyone"},
    "IsOrganizer": False,
    "CalendarActivityData": {"ActivityAction": "Open", "ClientId": "1", "CasRequestId": TAG, "IndexSelected": 0},
}
ADDRESS = {
    "Street": "1 Main St\r\n2nd floor",
    "City": "Zürich",
    "State": "ZH",
    "CountryOrRegion": "CH",
    "PostalCode": "8001",
}
PHONES = """AssistantPhone BusinessFax BusinessPhone BusinessPhone2 Callback CarPhone CompanyMainPhone HomeFax HomePhone
HomePhone2 Isdn MobilePhone OtherFax OtherTelephone Pager PrimaryPhone RadioPhone Telex TtyTddPhone"""
TEXTS_OF_CONTACTS = """AssistantName Department Generation JobTitle Manager Mileage OfficeLocation Profession SpouseName
PhoneticFullName PhoneticFirstName PhoneticLastName Alias Notes DirectoryId AccountName Comment ContactType Gender
ObjectId SourceId CreatedBy SkypeAuthCertificate SkypeContext SkypeId SkypeRelationship YomiNickname XboxLiveTag
UserTileHash Wlid ShellContactType ImMri OtherMri ProfileLastChanged PartnerNetworkProfilePhotoUrl
PartnerNetworkThumbnailPhotoUrl"""
CONTACT: dict[str, Any] = {
    **{name: f"{name} of Ann" for name in TEXTS_OF_CONTACTS.split()},
    "FileAs": "Example, Ann",
    "FileAsMapping": "LastCommaFirst",
    "DisplayName": "Dr Ann Mary Example Jr.",
    "GivenName": "Ann",
    "Initials": "A.M.E.",
    "MiddleName": "Mary",
    "Nickname": "Annie",
    "CompleteName": {
        "Title": "Dr",
        "FirstName": "Ann",
        "MiddleName": "Mary",
        "LastName": "Example",
        "Suffix": "Jr.",
        "Initials": "A.M.E.",
        "FullName": "Dr Ann Mary Example Jr.",
        "Nickname": "Annie",
        "YomiFirstName": "アン",
        "YomiLastName": "エグザンプル",
    },
    "CompanyName": "Example & Co",
    "EmailAddresses": {
        "EmailAddress1": ANN,
        "EmailAddress2": LEGACY,
        "EmailAddress3": Address(None, "ann.home@private.example", None, None),
    },
    "AbchEmailAddresses": [{"Type": "Personal", "Address": "ann.home@private.example", "IsMessengerEnabled": False}],
    "PhysicalAddresses": {"Home": ADDRESS, "Business": ADDRESS, "Other": {"City": "Bern"}},
    "PhoneNumbers": {name: f"+41 44 555 {number:04}" for number, name in enumerate(PHONES.split())},
    "Birthday": datetime(1980, 2, 29, 11, 59, tzinfo=timezone.utc),
    "BusinessHomePage": "https://www.example.com",
    "Children": ["Bea", "Carl"],
    "Companies": ["Example & Co"],
    "ContactSource": "Store",
    "ImAddresses": {"ImAddress1": "sip:ann@partner.example", "ImAddress2": "ann2", "ImAddress3": "ann3"},
    "PostalAddressIndex": "Business",
    "Surname": "Example",
    "WeddingAnniversary": datetime(2010, 6, 12, 11, 59, tzinfo=timezone.utc),
    "HasPicture": True,
    "Photo": b"\xff\xd8\xff\xe0 a very small photo",
    "UserSMIMECertificate": [b"certificate one", b"certificate two"],
    "MSExchangeCertificate": [b"certificate"],
    "ManagerMailbox": TEAM,
    "DirectReports": [ANN],
    **dict.fromkeys(("IsAutoUpdateDisabled", "IsMessengerEnabled", "IsHidden", "IsPrivate", "InviteFree"), False),
    **dict.fromkeys(("HidePresenceAndProfile", "IsPendingOutbound", "SupportGroupFeeds", "UnifiedInbox"), False),
    **dict.fromkeys(("NotInBirthdayCalendar", "MobileIMEnabled"), True),
    **dict.fromkeys(("ContactShortId", "TrustLevel", "PresenceTrustLevel"), 3),
    "PassportId": 9_007_199_254_740_993,
    "Cid": -1,
    "Urls": [{"Type": "Business", "Name": "site", "Address": "https://www.example.com"}],
    "Mris": ["8:ann"],
    **dict.fromkeys(("AbchContactId", "PersonId", "ConversationGuid"), TAG),
}
TASK: dict[str, Any] = {
    "ActualWork": 90,
    "AssignedTime": WHEN,
    "BillingInformation": "internal",
    "ChangeCount": 4,
    "Companies": ["Example & Co"],
    "CompleteDate": WHEN,
    "Contacts": ["Ann Example"],
    "DelegationState": "Accepted",
    "Delegator": "Ann Example",
    "DueDate": WHEN + timedelta(days=7),
    "IsAssignmentEditable": 1,
    "IsComplete": True,
    "IsRecurring": True,
    "IsTeamTask": False,
    "Mileage": "12 km",
    "Owner": "Ann Example",
    "PercentComplete": 100.0,
    "Recurrence": Recurrence("DailyRegeneration", WHEN.date(), interval=3),
    "StartDate": WHEN,
    "Status": "Completed",
    "StatusDescription": "Completed",
    "TotalWork": 120,
}
POST: dict[str, Any] = {name: MESSAGE[name] for name in ("From", "IsRead", "References", "Sender")} | {
    "ConversationIndex": b"\x01posted",
    "ConversationTopic": "Notice",
    "PostedTime": WHEN,
}
LIST: dict[str, Any] = {
    "DisplayName": "Everybody",
    "FileAs": "Everybody",
    "ContactSource": "Store",
    "Members": [
        {"@Key": "AAAAAIErH6S+oxAZnW4A3QEPVAIAAAGA", "Mailbox": ANN, "Status": "Normal"},
        {"Mailbox": LEGACY, "Status": "Demoted"},
        {"Mailbox": Address("Inner list", None, "MAPIPDL", "PrivateDL", item_id="AAMkAGlubmVy"), "Status": "Normal"},
    ],
}
REQUEST = (
    MEETING
    | {"MeetingRequestType": "FullUpdate", "CalendarItemType": "RecurringMaster"}
    | {"ChangeHighlights": {"HasLocationChanged": True, "Location": "Room 1", "HasStartTimeChanged": False}}
)
ANSWER = {name: MEETING[name] for name in ("Start", "End", "Location", "Recurrence", "EnhancedLocation")} | {
    "CalendarItemType": "RecurringMaster"
}
PROPOSAL = {"ProposedStart": WHEN + timedelta(hours=2), "ProposedEnd": WHEN + timedelta(hours=3)}

EVERYTHING: dict[str, dict[str, Any]] = {
    "Item": ITEM,
    "Message": ITEM | MESSAGE,
    "SharingMessage": ITEM | MESSAGE | {
        "SharingMessageAction": {"Importance": "Primary", "ActionType": "Accept", "Action": "AcceptAndViewCalendar"},
        "SharingMessageActions": [{"Importance": "Primary", "ActionType": "Accept", "Action": "AcceptAndViewCalendar"}],
    },
    "MeetingMessage": ITEM | MESSAGE | MEETING_MESSAGE,
    "MeetingRequest": ITEM | MESSAGE | MEETING_MESSAGE | REQUEST,
    "MeetingResponse": ITEM | MESSAGE | MEETING_MESSAGE | ANSWER | PROPOSAL,
    "MeetingCancellation": ITEM | MESSAGE | MEETING_MESSAGE | ANSWER | {"DoNotForwardMeeting": True},
    "CalendarItem": ITEM | CALENDAR_ITEM,
    "Contact": ITEM | CONTACT,
    "DistributionList": ITEM | LIST,
    "Task": ITEM | TASK,
    "PostItem": ITEM | POST,
    "RoleMember": ITEM | {"DisplayName": "Everyone here", "Type": "Everyone", "MemberId": "42"},
    "Person": ITEM | {
        "AntiLinkInfo": "none",
        "PersonId": TAG,
        "ContactHandles": [{"SourceId": "ABCH", "ObjectId": "1", "AccountName": "ann"}],
        "ContactCategories": ["Friends"],
        "RelevanceOrder1": "1",
        "RelevanceOrder2": "2",
        "TrustLevel": 1,
        "FavoriteOrder": 0,
        "ExchangePersonIdGuid": TAG,
    },
}  # fmt: skip


def complete(element: str) -> dict[str, Any]:
    """Give every property of a class that is not a default, ready for `Folder.add`."""
    return {"Body": Body(words.html("Everything there is.")), "DateTimeReceived": WHEN} | EVERYTHING[element]
