"""The folder trees a store begins with, as Exchange has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One folder: its parent is a distinguished name, or a path that begins with one."""

    parent: str
    name: str
    distinguished_name: str | None = None
    folder_class: str | None = None
    element: str = "Folder"


@dataclass(frozen=True, slots=True)
class Tree:
    """A store's folders, parents first, and the distinguished name of what a person sees as its top."""

    visible_root: str
    lines: tuple[Line, ...]


QUICK_CONTACTS, IM_CONTACTS = "{06967759-274D-40B2-A3EB-D7F9E73727D7}", "{A9E2BC46-B3A0-4243-B315-60D991004455}"
BUDDIES = "IPF.Contact.PeopleCentricConversationBuddies"
PEOPLE, CONTACTS = "IPF.Contact", "ContactsFolder"
PRIMARY = Tree(
    "msgfolderroot",
    (
        Line("", "", "root"),
        Line("root", "Top of Information Store", "msgfolderroot"),
        Line("msgfolderroot", "Inbox", "inbox", "IPF.Note"),
        Line("msgfolderroot", "Drafts", "drafts", "IPF.Note"),
        Line("msgfolderroot", "Sent Items", "sentitems", "IPF.Note"),
        Line("msgfolderroot", "Deleted Items", "deleteditems", "IPF.Note"),
        Line("msgfolderroot", "Junk Email", "junkemail", "IPF.Note"),
        Line("msgfolderroot", "Outbox", "outbox", "IPF.Note"),
        Line("msgfolderroot", "Archive", None, "IPF.Note"),
        Line("msgfolderroot", "Calendar", "calendar", "IPF.Appointment", "CalendarFolder"),
        Line("calendar", "Birthdays", None, "IPF.Appointment.Birthday", "CalendarFolder"),
        Line("calendar", "United Kingdom holidays", None, "IPF.Appointment", "CalendarFolder"),
        Line("msgfolderroot", "Contacts", "contacts", "IPF.Contact", CONTACTS),
        Line("contacts", "Companies", None, f"{PEOPLE}.Company", CONTACTS),
        Line("contacts", "GAL Contacts", None, f"{PEOPLE}.GalContacts", CONTACTS),
        Line("contacts", "Organizational Contacts", None, f"{PEOPLE}.OrganizationalContacts", CONTACTS),
        Line("contacts", "PeopleCentricConversation Buddies", None, BUDDIES, CONTACTS),
        Line("contacts", "Recipient Cache", "recipientcache", f"{PEOPLE}.RecipientCache", CONTACTS),
        Line("contacts", QUICK_CONTACTS, "quickcontacts", f"{PEOPLE}.MOC.QuickContacts", CONTACTS),
        Line("contacts", IM_CONTACTS, "imcontactlist", f"{PEOPLE}.MOC.ImContactList", CONTACTS),
        Line("msgfolderroot", "Tasks", "tasks", "IPF.Task", "TasksFolder"),
        Line("msgfolderroot", "Journal", "journal", "IPF.Journal"),
        Line("msgfolderroot", "Notes", "notes", "IPF.StickyNote"),
        Line("msgfolderroot", "Conversation History", "conversationhistory", "IPF.Note"),
        Line("conversationhistory", "Team Chat", None, "IPF.Note"),
        Line("msgfolderroot", "Conversation Action Settings", None, "IPF.Configuration"),
        Line("msgfolderroot", "Quick Step Settings", None, "IPF.Configuration"),
        Line("msgfolderroot", "RSS Feeds", None, "IPF.Note.OutlookHomepage"),
        Line("msgfolderroot", "Sync Issues", "syncissues", "IPF.Note"),
        Line("syncissues", "Conflicts", "conflicts", "IPF.Note"),
        Line("syncissues", "Local Failures", "localfailures", "IPF.Note"),
        Line("syncissues", "Server Failures", "serverfailures", "IPF.Note"),
        Line("msgfolderroot", "ExternalContacts", None, None),
        Line("msgfolderroot", "Files", None, "IPF.Files"),
        Line("msgfolderroot", "Yammer Root", None, "IPF.Note"),
        Line("msgfolderroot/Yammer Root", "Feeds", None, "IPF.Note"),
        Line("msgfolderroot/Yammer Root", "Inbound", None, "IPF.Note"),
        Line("msgfolderroot/Yammer Root", "Outbound", None, "IPF.Note"),
        Line("root", "Finder", "searchfolders"),
        Line("searchfolders", "Unread Mail", None, "IPF.Note", "SearchFolder"),
        Line("searchfolders", "Large Mail", None, "IPF.Note", "SearchFolder"),
        Line("searchfolders", "Flagged Mail", None, "IPF.Note", "SearchFolder"),
        Line("root", "AllItems", None, "IPF", "SearchFolder"),
        Line("root", "AllContacts", None, "IPF.Note", "SearchFolder"),
        Line("root", "To-Do Search", "todosearch", "IPF.Task", "SearchFolder"),
        Line("root", "Reminders", None, "Outlook.Reminder", "SearchFolder"),
        Line("root", "MyContacts", "mycontacts", "IPF.Note", "SearchFolder"),
        Line("root", "Favorites", "favorites", "IPF.Note", "SearchFolder"),
        Line("root", "PeopleConnect", "peopleconnect", "IPF.Contact", "SearchFolder"),
        Line("root", "Common Views"),
        Line("root", "Views"),
        Line("root", "Deferred Action"),
        Line("root", "Schedule"),
        Line("root", "Shortcuts"),
        Line("root", "Spooler Queue"),
        Line("root", "Freebusy Data"),
        Line("root", "ItemProcSearch"),
        Line("root", "Location"),
        Line("root", "MailboxAssociations"),
        Line("root", "System"),
        Line("root", "Sharing", None, "IPF.Note"),
        Line("root", "GraphFilesAndWorkingSetSearchFolder", None, None, "SearchFolder"),
        Line("root", "OrgContact"),
        Line("root", "UserSocialActivityNotifications"),
        Line("root", "ExchangeSyncData"),
        Line("root", "AirSync"),
        Line("root", "Allowed Contacts"),
        Line("root", "Recoverable Items", "recoverableitemsroot"),
        Line("recoverableitemsroot", "Deletions", "recoverableitemsdeletions"),
        Line("recoverableitemsroot", "Versions", "recoverableitemsversions"),
        Line("recoverableitemsroot", "Purges", "recoverableitemspurges"),
        Line("recoverableitemsroot", "DiscoveryHolds", "recoverableitemsdiscoveryholds"),
        Line("recoverableitemsroot", "Audits", "adminauditlogs"),
        Line("recoverableitemsroot", "Calendar Logging"),
    ),
)  # fmt: skip

ARCHIVE = Tree(
    "archivemsgfolderroot",
    (
        Line("", "", "archiveroot"),
        Line("archiveroot", "Top of Information Store", "archivemsgfolderroot"),
        Line("archivemsgfolderroot", "Deleted Items", "archivedeleteditems", "IPF.Note"),
        Line("archivemsgfolderroot", "Inbox", "archiveinbox", "IPF.Note"),
        Line("archiveroot", "Finder"),
        Line("archiveroot", "Recoverable Items", "archiverecoverableitemsroot"),
        Line("archiverecoverableitemsroot", "Deletions", "archiverecoverableitemsdeletions"),
        Line("archiverecoverableitemsroot", "Versions", "archiverecoverableitemsversions"),
        Line("archiverecoverableitemsroot", "Purges", "archiverecoverableitemspurges"),
        Line("archiverecoverableitemsroot", "DiscoveryHolds", "archiverecoverableitemsdiscoveryholds"),
    ),
)

PUBLIC = Tree("publicfoldersroot", (Line("", "IPM_SUBTREE", "publicfoldersroot"),))

TREES = {"primary": PRIMARY, "archive": ARCHIVE, "public": PUBLIC}
