"""Messages as they come in and go out, with their threads, flags and attachments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import ids
from tap_exchange.demo.attachments import AttachedItem, Attachment
from tap_exchange.demo.content import words
from tap_exchange.demo.values import Address, Body

if TYPE_CHECKING:
    from tap_exchange.demo.content.cast import Cast
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301"
    "0100185dd8db0000000049454e44ae426082"
)


def receive(folder: Folder, cast: Cast, when: datetime, thread: list[str] | None = None) -> Item:
    """Let a message arrive; `thread` holds the ids and topic of what it answers."""
    random = cast.random
    sender = cast.somebody()
    message_id = (
        f"<{ids.digest('mail', folder.id, folder.next_item, when).hex()}@{(sender.email or '').partition('@')[2]}>"
    )
    topic = thread[0] if thread else cast.subject()
    copied = cast.some(4) if random.random() < 0.3 else []  # noqa: PLR2004
    to = [cast.owner, *cast.some(5)] if random.random() < 0.4 else [cast.owner]  # noqa: PLR2004
    properties: dict[str, Any] = {
        "Subject": f"RE: {topic}" if thread else topic,
        "ConversationTopic": topic,
        "ConversationIndex": b"\x01" + ids.digest("conversation", topic, size=21) + bytes(5 * len((thread or [])[1:])),
        "From": sender,
        "Sender": sender,
        "ToRecipients": to,
        "CcRecipients": copied or None,
        "DateTimeReceived": when,
        "DateTimeSent": when - timedelta(seconds=random.randrange(2, 90)),
        "InternetMessageId": message_id,
        "IsRead": random.random() < 0.75,  # noqa: PLR2004
        "Importance": random.choices(("Normal", "High", "Low"), (92, 6, 2))[0],
        "Body": cast.body(),
        "InternetMessageHeaders": [("Message-ID", message_id), *words.headers(random, random.randrange(6, 18))],
        "Size": random.randrange(3000, 90_000),
        "ReceivedBy": cast.owner,
        "ReceivedRepresenting": cast.owner,
        "InferenceClassification": "Focused" if random.random() < 0.6 else "Other",  # noqa: PLR2004
    }
    if thread and len(thread) > 1:
        properties["InReplyTo"] = thread[-1]
        properties["References"] = " ".join(thread[1:])
    if random.random() < 0.12:  # noqa: PLR2004
        properties["Categories"] = random.sample(["Blue category", "Important", "Rechnung", "Follow-up"], 2)
    if random.random() < 0.08:  # noqa: PLR2004
        properties["Flag"] = {"FlagStatus": "Flagged", "StartDate": when, "DueDate": when + timedelta(days=5)}
    if thread is not None:
        thread.append(message_id)
    return folder.add("Message", attachments=attachments(cast, when), **properties)


def send(folder: Folder, cast: Cast, when: datetime, *, draft: bool = False) -> Item:
    """Let the owner write a message."""
    to = cast.some(3) or [cast.somebody()]
    return folder.add(
        "Message",
        Subject=cast.subject(),
        From=cast.owner,
        Sender=cast.owner,
        ToRecipients=to,
        DateTimeReceived=when,
        DateTimeSent=None if draft else when,
        IsDraft=draft,
        IsFromMe=True,
        IsRead=True,
        IsSubmitted=False,
        Body=cast.body(),
        Size=cast.random.randrange(2000, 20_000),
    )


def attachments(cast: Cast, when: datetime) -> list[Attachment]:
    """Give a message's attachments: mostly none."""
    random = cast.random
    dice = random.random()
    modified = {"LastModifiedTime": when}
    if dice < 0.75:  # noqa: PLR2004
        return []
    if dice < 0.88:  # noqa: PLR2004
        name = cast.faker().file_name(category="office")
        content = cast.text().encode() * random.randrange(1, 6)
        return [Attachment(name=name, content=content, content_type="application/octet-stream", properties=modified)]
    if dice < 0.95:  # noqa: PLR2004
        inline = {"IsInline": True, "ContentId": f"image{random.randrange(1000):03}.png@01DB", **modified}
        return [Attachment(name="image001.png", content=PIXEL, content_type="image/png", properties=inline)]
    if dice < 0.98:  # noqa: PLR2004
        return [forwarded(cast, when)]
    link = {
        "AttachLongPathName": "https://files.example/report.xlsx",
        "ProviderType": "OneDrivePro",
        "PermissionType": 1,
    }
    return [Attachment("ReferenceAttachment", "report.xlsx", properties={**link, **modified})]


def forwarded(cast: Cast, when: datetime) -> Attachment:
    """Give a message attached to a message, with a file inside."""
    sender: Address = cast.somebody()
    inner = AttachedItem(
        "Message",
        {
            "ItemClass": "IPM.Note",
            "Subject": cast.subject(),
            "Body": Body(words.html(cast.text())),
            "DateTimeSent": when - timedelta(days=1),
            "From": sender,
            "Sender": sender,
            "ToRecipients": [cast.owner],
            "IsRead": True,
        },
        (Attachment(name="inside.txt", content=b"inside", content_type="text/plain"),),
    )
    return Attachment("ItemAttachment", inner.properties["Subject"], item=inner, properties={"LastModifiedTime": when})
