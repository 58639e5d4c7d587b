"""Check requests and answers against Microsoft's schema, when somebody has it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from tap_exchange.demo.soap import SoapFault, T


@cache
def load_schema(folder: Path) -> etree.XMLSchema:
    """Compile messages.xsd of a folder that holds messages.xsd, types.xsd and xml.xsd."""
    parser = etree.XMLParser(no_network=True)
    return etree.XMLSchema(etree.parse(str(folder / "messages.xsd"), parser))


class Validator:
    """Validate the elements of a SOAP envelope."""

    def __init__(self, folder: str | Path) -> None:
        """Take the folder of the schema files."""
        self._schema = load_schema(Path(folder).resolve())

    def check_request(self, header: etree._Element | None, body: etree._Element) -> None:
        """Refuse what the schema refuses, as Exchange does.

        Raises:
            SoapFault: ErrorSchemaValidation, with HTTP status 500.
        """
        entries = [] if header is None else [entry for entry in header if entry.tag.startswith(T)]
        for element in [*entries, body]:
            problem = self.problem(element)
            if problem is not None:
                raise SoapFault(
                    "ErrorSchemaValidation",
                    f"The request failed schema validation: {problem}",
                    values={"LineNumber": "0", "LinePosition": "0", "Violation": problem},
                )

    def problem(self, element: etree._Element) -> str | None:
        """Say what is wrong with an element, or None."""
        if self._schema.validate(element):
            return None
        log: Any = self._schema.error_log  # the stubs do not know its entries
        return "; ".join(str(entry.message) for entry in log)
