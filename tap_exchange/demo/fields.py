"""The properties of each element in the order of the schema, and the field URIs that ask for them."""

from __future__ import annotations

from functools import cache

ITEM = """
MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments DateTimeReceived Size Categories
Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend IsUnmodified InternetMessageHeaders DateTimeSent
DateTimeCreated ResponseObjects ReminderDueBy ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayCc
DisplayTo DisplayBcc HasAttachments ExtendedProperty Culture EffectiveRights LastModifiedName LastModifiedTime
IsAssociated WebClientReadFormQueryString WebClientEditFormQueryString ConversationId UniqueBody Flag StoreEntryId
InstanceKey NormalizedBody EntityExtractionResult PolicyTag ArchiveTag RetentionDate Preview
RightsManagementLicenseData PredictedActionReasons IsClutter BlockStatus HasBlockedImages TextBody IconIndex SearchKey
SortKey Hashtags Mentions MentionedMe MentionsPreview MentionsEx AppliedHashtags AppliedHashtagsPreview Likes
LikesPreview PendingSocialActivityTagIds AtAllMention CanDelete InferenceClassification
"""
MESSAGE = """
Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested ConversationIndex
ConversationTopic From InternetMessageId IsRead IsResponseRequested References ReplyTo ReceivedBy ReceivedRepresenting
ApprovalRequestData VotingInformation ReminderMessageData MessageSafety SenderSMTPAddress MailboxGuids
PublishedCalendarItemIcs PublishedCalendarItemName
"""
MEETING_MESSAGE = """
AssociatedCalendarItemId IsDelegated IsOutOfDate HasBeenProcessed ResponseType UID RecurrenceId DateTimeStamp
IsOrganizer
"""
MEETING_REQUEST = """
MeetingRequestType IntendedFreeBusyStatus Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus Location When
IsMeeting IsCancelled IsRecurring MeetingRequestWasSent CalendarItemType MyResponseType Organizer RequiredAttendees
OptionalAttendees Resources ConflictingMeetingCount AdjacentMeetingCount ConflictingMeetings AdjacentMeetings Duration
TimeZone AppointmentReplyTime AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence LastOccurrence
ModifiedOccurrences DeletedOccurrences MeetingTimeZone StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal
IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl EnhancedLocation ChangeHighlights StartWallClock EndWallClock
StartTimeZoneId EndTimeZoneId DoNotForwardMeeting
"""
MEETING_RESPONSE = "Start End Location Recurrence CalendarItemType ProposedStart ProposedEnd EnhancedLocation"
MEETING_CANCELLATION = "Start End Location Recurrence CalendarItemType EnhancedLocation DoNotForwardMeeting"
CALENDAR_ITEM = """
UID RecurrenceId DateTimeStamp Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus Location When IsMeeting
IsCancelled IsRecurring MeetingRequestWasSent IsResponseRequested CalendarItemType MyResponseType Organizer
RequiredAttendees OptionalAttendees Resources InboxReminders ConflictingMeetingCount AdjacentMeetingCount
ConflictingMeetings AdjacentMeetings Duration TimeZone AppointmentReplyTime AppointmentSequenceNumber AppointmentState
Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences MeetingTimeZone StartTimeZone
EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl EnhancedLocation
StartWallClock EndWallClock StartTimeZoneId EndTimeZoneId IntendedFreeBusyStatus JoinOnlineMeetingUrl
OnlineMeetingSettings IsOrganizer CalendarActivityData DoNotForwardMeeting
"""
CONTACT = """
FileAs FileAsMapping DisplayName GivenName Initials MiddleName Nickname CompleteName CompanyName EmailAddresses
AbchEmailAddresses PhysicalAddresses PhoneNumbers AssistantName Birthday BusinessHomePage Children Companies
ContactSource Department Generation ImAddresses JobTitle Manager Mileage OfficeLocation PostalAddressIndex Profession
SpouseName Surname WeddingAnniversary HasPicture PhoneticFullName PhoneticFirstName PhoneticLastName Alias Notes Photo
UserSMIMECertificate MSExchangeCertificate DirectoryId ManagerMailbox DirectReports AccountName IsAutoUpdateDisabled
IsMessengerEnabled Comment ContactShortId ContactType Gender IsHidden ObjectId PassportId IsPrivate SourceId TrustLevel
CreatedBy Urls Cid SkypeAuthCertificate SkypeContext SkypeId SkypeRelationship YomiNickname XboxLiveTag InviteFree
HidePresenceAndProfile IsPendingOutbound SupportGroupFeeds UserTileHash UnifiedInbox Mris Wlid AbchContactId
NotInBirthdayCalendar ShellContactType ImMri PresenceTrustLevel OtherMri ProfileLastChanged MobileIMEnabled
PartnerNetworkProfilePhotoUrl PartnerNetworkThumbnailPhotoUrl PersonId ConversationGuid
"""
DISTRIBUTION_LIST = "DisplayName FileAs ContactSource Members"
TASK = """
ActualWork AssignedTime BillingInformation ChangeCount Companies CompleteDate Contacts DelegationState Delegator DueDate
IsAssignmentEditable IsComplete IsRecurring IsTeamTask Mileage Owner PercentComplete Recurrence StartDate Status
StatusDescription TotalWork
"""
POST_ITEM = "ConversationIndex ConversationTopic From InternetMessageId IsRead PostedTime References Sender"
SHARING_MESSAGE = "SharingMessageAction SharingMessageActions"
ROLE_MEMBER = "DisplayName Type MemberId"
NETWORK = """
DomainId DomainTag UserTileUrl ProfileUrl Settings IsDefault AutoLinkError AutoLinkSuccess UserEmail
ClientPublishSecret ClientToken ClientToken2 ContactSyncError ContactSyncSuccess ErrorOffers FirstAuthErrorDates
LastVersionSaved LastWelcomeContact Offers PsaLastChanged RefreshToken2 RefreshTokenExpiry2 SessionHandle
RejectedOffers SyncEnabled TokenRefreshLastAttempted TokenRefreshLastCompleted PsaState SourceEntryID AccountName
LastSync
"""
PERSON = """
AntiLinkInfo PersonId ContactHandles ContactCategories RelevanceOrder1 RelevanceOrder2 TrustLevel FavoriteOrder
ExchangePersonIdGuid
"""
FOLDER = """
FolderId ParentFolderId FolderClass DisplayName TotalCount ChildFolderCount ExtendedProperty ManagedFolderInformation
EffectiveRights DistinguishedFolderId PolicyTag ArchiveTag ReplicaList
"""

ELEMENTS: dict[str, tuple[str, ...]] = {
    name: tuple(" ".join(parts).split())
    for name, parts in {
        "Item": (ITEM,),
        "Message": (ITEM, MESSAGE),
        "SharingMessage": (ITEM, MESSAGE, SHARING_MESSAGE),
        "MeetingMessage": (ITEM, MESSAGE, MEETING_MESSAGE),
        "MeetingRequest": (ITEM, MESSAGE, MEETING_MESSAGE, MEETING_REQUEST),
        "MeetingResponse": (ITEM, MESSAGE, MEETING_MESSAGE, MEETING_RESPONSE),
        "MeetingCancellation": (ITEM, MESSAGE, MEETING_MESSAGE, MEETING_CANCELLATION),
        "CalendarItem": (ITEM, CALENDAR_ITEM),
        "Contact": (ITEM, CONTACT),
        "DistributionList": (ITEM, DISTRIBUTION_LIST),
        "Task": (ITEM, TASK),
        "PostItem": (ITEM, POST_ITEM),
        "RoleMember": (ITEM, ROLE_MEMBER),
        "Network": (ITEM, NETWORK),
        "Person": (ITEM, PERSON),
        "Folder": (FOLDER, "PermissionSet UnreadCount"),
        "TasksFolder": (FOLDER, "PermissionSet UnreadCount"),
        "SearchFolder": (FOLDER, "PermissionSet UnreadCount SearchParameters"),
        "CalendarFolder": (FOLDER, "SharingEffectiveRights PermissionSet"),
        "ContactsFolder": (FOLDER, "SharingEffectiveRights PermissionSet SourceId AccountName"),
    }.items()
}
FOLDER_ELEMENTS = frozenset({"Folder", "TasksFolder", "SearchFolder", "CalendarFolder", "ContactsFolder"})

# What the base shape AllProperties leaves out; these have to be asked for by name.
NOT_IN_ALL = frozenset(
    """MimeContent UniqueBody NormalizedBody TextBody ExtendedProperty StoreEntryId EntityExtractionResult SearchKey
    SortKey PredictedActionReasons RightsManagementLicenseData ConflictingMeetings AdjacentMeetings""".split()  # noqa: SIM905
)
# What FindItem never gives.
NOT_IN_FINDS = frozenset(
    """MimeContent Body UniqueBody NormalizedBody TextBody Attachments InternetMessageHeaders ToRecipients CcRecipients
    BccRecipients ReplyTo ResponseObjects RequiredAttendees OptionalAttendees Resources Recurrence FirstOccurrence
    LastOccurrence ModifiedOccurrences DeletedOccurrences StartTimeZone EndTimeZone MeetingTimeZone ConflictingMeetings
    AdjacentMeetings Members EntityExtractionResult Photo UserSMIMECertificate MSExchangeCertificate CompleteName
    DirectReports ManagerMailbox EffectiveRights""".split()  # noqa: SIM905 - names are easier to read as text
)
DEFAULT_SHAPE: dict[str, frozenset[str]] = {
    name: frozenset(text.split())
    for name, text in {
        "Item": "ItemId Subject DateTimeCreated HasAttachments Sensitivity Size Importance Attachments",
        "Message": """ItemId Subject Sensitivity Body Attachments Size Importance DateTimeSent DateTimeCreated
            HasAttachments ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested
            From IsRead InternetMessageId""",
        "CalendarItem": """ItemId Subject HasAttachments ResponseObjects Start End LegacyFreeBusyStatus Location
            CalendarItemType Organizer Attachments""",
        "Contact": "ItemId Subject FileAs HasAttachments EmailAddresses PhysicalAddresses PhoneNumbers ImAddresses",
        "DistributionList": "ItemId Subject DisplayName FileAs ContactSource",
        "Task": "ItemId Subject DueDate HasAttachments PercentComplete StartDate Status",
        "PostItem": "ItemId Subject Body From PostedTime HasAttachments",
        "MeetingRequest": """ItemId Subject Body DateTimeSent HasAttachments From IsRead AssociatedCalendarItemId
            HasBeenProcessed ResponseType IntendedFreeBusyStatus Start End Location Organizer""",
        "Folder": "FolderId DisplayName TotalCount ChildFolderCount UnreadCount",
        "CalendarFolder": "FolderId DisplayName ChildFolderCount",
        "ContactsFolder": "FolderId DisplayName TotalCount ChildFolderCount",
    }.items()
}

# Where the name behind the colon is not the element's name.
RENAMED = {"rolemember:MemberType": "Type", "abchperson:Categories": "ContactCategories"}
# Asking a class for these fails the item, as on a real server.
NOT_VALID_FOR = {"UniqueBody": frozenset({"Contact", "Task", "DistributionList"})}


def element_of_uri(uri: str) -> str:
    """Give the element's name that a field URI asks for."""
    return RENAMED.get(uri) or uri.partition(":")[2]


@cache
def default_shape(element: str) -> frozenset[str]:
    """Give the properties of the base shape Default."""
    if element in DEFAULT_SHAPE:
        return DEFAULT_SHAPE[element]
    if element in {"TasksFolder", "SearchFolder"}:
        return DEFAULT_SHAPE["Folder"]
    if element.startswith(("Meeting", "Sharing")):
        return DEFAULT_SHAPE["Message"]
    return DEFAULT_SHAPE["Item"]


def order_of(element: str) -> tuple[str, ...]:
    """Give the properties of an element in the order of the schema; an unknown element is like an Item."""
    return ELEMENTS.get(element, ELEMENTS["Item"])
