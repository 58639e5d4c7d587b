"""Unusual but legal: what real mailboxes hold and simple readers trip over."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.content.complete import EVERYTHING, complete
from tap_exchange.demo.extended import Extended
from tap_exchange.demo.values import Address, Body

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.mailbox import Mailbox

WHEN = datetime(2025, 9, 1, 12, tzinfo=timezone.utc)
CROWD = 2000
HUGE = 1 << 20
INVOICE = Extended("String", property_set="00020329-0000-0000-c000-000000000046", name="InvoiceNumber")
PRICE = Extended("Currency", property_set="11111111-2222-3333-4444-555555555555", number=33_000)
TAGS = Extended("StringArray", distinguished_set="PublicStrings", name="Keywords2")
FLAG_COLOR = Extended("Integer", tag=0x1095)


def complete_items(mailbox: Mailbox) -> Folder:
    """Add one item of each known class that has every property of the schema; give their folder."""
    folder = mailbox.add_folder("Complete")
    file = Attachment(name="file.txt", content=b"file", content_type="text/plain", properties={
        "ContentId": "file@1", "ContentLocation": "https://example.com/file.txt", "LastModifiedTime": WHEN,
    })  # fmt: skip
    extended = {INVOICE: "4711", PRICE: 1299, TAGS: ["one", "two"], FLAG_COLOR: 6}
    for element in EVERYTHING:
        folder.add(element, attachments=[file], extended=extended, Subject=f"A complete {element}", **complete(element))
    return folder


def unknown_elements(mailbox: Mailbox) -> Folder:
    """Add items of elements that few readers know, one of them in no schema at all; give their folder."""
    folder = mailbox.add_folder("Unknown kinds")
    for element, kind in (
        ("SharingMessage", "IPM.Sharing"),
        ("RoleMember", "IPM.Role.Member"),
        ("Person", "IPM.AbchPerson"),
        ("Network", "IPM.Network"),
        ("Booking", "IPM.Booking"),
        ("FutureItem", "IPM.Future"),
    ):
        folder.add(element, Subject=f"Of the kind {element}", ItemClass=kind, DateTimeReceived=WHEN)
    return folder


def strange_texts(mailbox: Mailbox) -> Folder:
    """Add messages with strange but legal texts; some answers holding them are no well-formed XML 1.0."""
    folder = mailbox.add_folder("Strange texts")
    for number, (subject, body) in enumerate(
        (
            ("", Body("<html><body>no subject</body></html>")),
            (None, Body("<html><body>no subject at all</body></html>")),
            (
                "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 emoji",
                Body("a family \U0001f468\u200d\U0001f469", html=False),
            ),
            ("surrogates", Body("a pair of references \ud83d\ude00, a lone one \ud83d.", html=False)),
            ("السلام عليكم \u202eback to front\u202c", Body('<html><body dir="rtl">مرحبا بالعالم</body></html>')),
            (
                "controls \x01 in the subject",
                Body("bell \x07, escape \x1b, zero \x00, unit \x1f, no character \uffff", html=False),
            ),
            ("white \t space \r\n in the subject", Body("line\r\nline\rline\nline", html=False)),
            ("<script>alert('&amp;')</script> ]]> & so on", Body("]]> <![CDATA[ &#x1; &nbsp; &lt;", html=False)),
            ("Zalgo H\u0335e\u0336l\u0337l\u0338o\u0301\u0302\u0303", Body("combining \u0301\u0302\u0303", html=False)),
            ("x" * 255, Body("", html=False)),
            ("no body", None),
            ("huge body", Body("<html><body>" + "0123456789abcdef" * (HUGE // 16) + "</body></html>")),
            ("surrogate at the cut", Body("\U0001f600" * 2000, html=False)),
        )
    ):
        folder.add("Message", Subject=subject, Body=body, DateTimeReceived=WHEN + timedelta(minutes=number))
    return folder


def strange_people(mailbox: Mailbox) -> Folder:
    """Add messages with strange senders and recipients."""
    folder = mailbox.add_folder("Strange people")
    crowd = [Address(f"Recipient {n}", f"recipient{n}@crowd.example", mailbox_type="OneOff") for n in range(CROWD)]
    me = Address(mailbox.name, mailbox.address)
    legacy = Address("Old colleague", "/O=EXAMPLE/OU=EXCHANGE (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=OLD", "EX")
    nobody = Address("System Administrator", None, None, None)
    folder.add("Message", Subject="To very many", ToRecipients=crowd, DateTimeReceived=WHEN)
    folder.add(
        "Message",
        Subject="From an EX address",
        From=legacy,
        Sender=legacy,
        ToRecipients=[legacy],
        DateTimeReceived=WHEN,
    )
    folder.add("Message", Subject="From nobody", From=nobody, Sender=nobody, ToRecipients=None, DateTimeReceived=WHEN)
    folder.add("Message", Subject="Without a sender", From=None, Sender=None, DateTimeReceived=WHEN)
    empty_name = Address("", "no.name@partner.example")
    folder.add(
        "Message",
        Subject="An empty name",
        From=empty_name,
        Sender=empty_name,
        ToRecipients=[me, me],
        DateTimeReceived=WHEN,
    )
    folder.add("Message", Subject="By fax", From=Address("Fax", "+41445550000", "FAX", "OneOff"), DateTimeReceived=WHEN)
    return folder


def strange_items(mailbox: Mailbox) -> Folder:
    """Add items that lack what others have, or have it otherwise; give their folder."""
    folder = mailbox.add_folder("Strange items")
    folder.add("Message", bare=True, ItemClass="IPM.Note", Subject="bare")
    folder.add("Message", bare=True)
    folder.add("Contact", bare=True, ItemClass="IPM.Contact")
    folder.add("Task", bare=True, ItemClass="IPM.Task", Subject="bare task")
    for kind in (
        "IPM.Note.SMIME", "IPM.Note.SMIME.MultipartSigned", "REPORT.IPM.Note.NDR", "REPORT.IPM.Note.IPNRN",
        "IPM.Note.Microsoft.Voicemail.UM.CA", "IPM.Note.Rules.OofTemplate.Microsoft",
        "IPM.Note.Microsoft.Conversation.Voice", "IPM.Note.EnterpriseVault.Shortcut",
        "ipm.note.lowercase", "IPM.Document.Word.Document.8",
    ):  # fmt: skip
        folder.add("Message", ItemClass=kind, Subject=f"Of the class {kind}", DateTimeReceived=WHEN)
    far, early = datetime(4501, 1, 1, tzinfo=timezone.utc), datetime(1601, 1, 1, tzinfo=timezone.utc)
    folder.add("Message", Subject="From the end of time", DateTimeReceived=far, DateTimeSent=early)
    folder.add("Contact", Subject="No birthday", Birthday=far, DateTimeReceived=WHEN)
    folder.add(
        "Message",
        associated=True,
        ItemClass="IPM.Configuration.Demo",
        Subject="An associated item",
        DateTimeReceived=WHEN,
    )
    return folder


def strange_folders(mailbox: Mailbox) -> None:
    """Add folders without a class, with an unknown one, with strange names, deep ones, an empty one."""
    for path, kind in (
        ("No class", None), ("Custom", "IPF.Custom.Thing"), ("日本語フォルダー", "IPF.Note"), ("تقارير", "IPF.Note"),
        ("Rechnungen & Belege <2025>", "IPF.Note"), ("\U0001f4c1 boxes", "IPF.Note"), ("Empty", "IPF.Note"),
        ("Deep/1/2/3/4/5/6/7/8", "IPF.Note"), (" leading space", "IPF.Note"), ("100% _wild_ *?[x]", "IPF.Note"),
    ):  # fmt: skip
        folder = mailbox.add_folder(path, folder_class=kind)
        if path != "Empty":
            folder.add("Message", Subject=f"In {path}", DateTimeReceived=WHEN)
    slash = mailbox.store.new_folder("Reports/2025", mailbox.store.visible_root)
    slash.add("Message", Subject="In a folder with a slash in its name", DateTimeReceived=WHEN)
