"""Extended (MAPI) properties: their names, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tap_exchange.demo import values


@dataclass(frozen=True, slots=True)
class Extended:
    """The name of an extended property: by tag, or by property set and name or number."""

    type: str
    tag: int | None = None
    property_set: str | None = None
    distinguished_set: str | None = None
    name: str | None = None
    number: int | None = None

    @property
    def attributes(self) -> str:
        """Write the attributes of a t:ExtendedFieldURI."""
        parts = []
        if self.distinguished_set is not None:
            parts.append(f' DistinguishedPropertySetId="{self.distinguished_set}"')
        if self.property_set is not None:
            parts.append(f' PropertySetId="{self.property_set}"')
        if self.tag is not None:
            parts.append(f' PropertyTag="0x{self.tag:x}"')
        if self.name is not None:
            parts.append(f' PropertyName="{values.attribute(self.name)}"')
        if self.number is not None:
            parts.append(f' PropertyId="{self.number}"')
        return "".join(parts) + f' PropertyType="{self.type}"'

    def xml(self, value: Any) -> str:  # noqa: ANN401 - whatever a property holds
        """Write the property with its value as a t:ExtendedProperty."""
        if isinstance(value, (list, tuple)):
            inside = "".join(f"<t:Value>{values.scalar(entry)}</t:Value>" for entry in value)
            inside = f"<t:Values>{inside}</t:Values>"
        else:
            inside = f"<t:Value>{values.scalar(value)}</t:Value>"
        return f"<t:ExtendedProperty><t:ExtendedFieldURI{self.attributes}/>{inside}</t:ExtendedProperty>"


SEARCH_KEY = Extended("Binary", tag=0x300B)
