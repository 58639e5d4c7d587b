"""Contacts, lists, tasks, notes, journal entries and posts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.content.mail import PIXEL
from tap_exchange.demo.recurrence import Recurrence
from tap_exchange.demo.values import Address, Body

if TYPE_CHECKING:
    from faker import Faker

    from tap_exchange.demo.content.cast import Cast
    from tap_exchange.demo.mailbox import Mailbox


def contacts(mailbox: Mailbox, cast: Cast, when: datetime) -> None:
    """Fill the address book."""
    folder = mailbox.folder("contacts")
    for number, person in enumerate(cast.strangers):
        faker = cast.faker()
        given, _, surname = (person.name or "").partition(" ")
        photo = [Attachment(name="ContactPicture.jpg", content=PIXEL, content_type="image/jpeg",
                            properties={"IsContactPhoto": True})] if number % 9 == 0 else []  # fmt: skip
        folder.add(
            "Contact",
            attachments=photo,
            Subject=person.name,
            DisplayName=person.name,
            GivenName=given,
            Surname=surname,
            FileAs=f"{surname}, {given}",
            CompanyName=cast.random.choice(cast.companies),
            JobTitle=faker.job(),
            EmailAddresses={"EmailAddress1": person},
            PhoneNumbers={"BusinessPhone": faker.phone_number(), "MobilePhone": faker.phone_number()},
            PhysicalAddresses={"Business": _address(faker)},
            Birthday=datetime(1960 + number % 40, number % 12 + 1, number % 28 + 1, 11, 59, tzinfo=timezone.utc)
            if number % 3 == 0
            else None,
            Categories=["Customer"] if number % 5 == 0 else None,
            HasPicture=bool(photo),
            DateTimeReceived=when + timedelta(hours=number),
        )  # fmt: skip
    members = [
        {"@Key": f"member{n}", "Mailbox": person, "Status": "Normal"} for n, person in enumerate(cast.colleagues)
    ]
    for name, size in (("Team", 8), ("Everybody here", 25), ("Nobody yet", 0)):
        folder.add(
            "DistributionList", Subject=name, DisplayName=name, Members=members[:size] or None, DateTimeReceived=when
        )
    cache = mailbox.folder("recipientcache")
    for person in cast.colleagues[:8]:
        cache.add("Contact", Subject=person.name, DisplayName=person.name, EmailAddresses={"EmailAddress1": person},
                  DateTimeReceived=when)  # fmt: skip


def _address(faker: Faker) -> dict[str, str]:
    return {
        "Street": faker.street_address(),
        "City": faker.city(),
        "CountryOrRegion": faker.current_country(),
        "PostalCode": faker.postcode(),
    }


def tasks(mailbox: Mailbox, cast: Cast, when: datetime) -> None:
    """Fill the task list."""
    folder = mailbox.folder("tasks")
    states = (("NotStarted", 0), ("InProgress", 40), ("Completed", 100), ("WaitingOnOthers", 60), ("Deferred", 0))
    for number in range(30):
        state, percent = states[number % len(states)]
        due = (when + timedelta(days=number)).replace(hour=0, minute=0)
        folder.add(
            "Task",
            Subject=cast.subject(),
            Body=Body(cast.text(), html=False),
            Status=state,
            PercentComplete=percent,
            IsComplete=state == "Completed",
            CompleteDate=due if state == "Completed" else None,
            StartDate=due - timedelta(days=3) if number % 2 else None,
            DueDate=due if number % 4 else None,
            TotalWork=number * 30,
            Importance=("Normal", "High", "Low")[number % 3],
            IsRecurring=number % 10 == 0,
            Recurrence=Recurrence("WeeklyRegeneration", due.date(), interval=2) if number % 10 == 0 else None,
            DateTimeReceived=when + timedelta(hours=number),
        )


def papers(mailbox: Mailbox, cast: Cast, when: datetime) -> None:
    """Write notes, journal entries and posts."""
    for number in range(12):
        text = cast.text()
        mailbox.folder("notes").add(
            "Item", ItemClass="IPM.StickyNote", Subject=text.partition("\n")[0][:60], Body=Body(text, html=False),
            DateTimeReceived=when + timedelta(days=number),
        )  # fmt: skip
        mailbox.folder("journal").add(
            "Item", ItemClass="IPM.Activity", Subject=f"Phone call: {cast.somebody().name}",
            DateTimeReceived=when + timedelta(days=number),
        )  # fmt: skip
    board = mailbox.add_folder("Inbox/Notice board")
    for number in range(6):
        author: Address = cast.somebody()
        posted = when + timedelta(days=number)
        board.add(
            "PostItem", Subject=cast.subject(), From=author, Sender=author, PostedTime=posted, DateTimeReceived=posted
        )
