"""GetFolder."""

from __future__ import annotations

from tap_exchange.demo import rendering, targets
from tap_exchange.demo.shapes import shape_of
from tap_exchange.demo.soap import Call, M, ServiceError, failure, response, success


def get_folder(call: Call) -> str:
    """Answer one response message per id, in the order asked."""
    operation = "GetFolder"
    shape = shape_of(call.body.find(f"{M}FolderShape"))
    messages = []
    for element in call.body.iterfind(f"{M}FolderIds/*"):
        try:
            folder = targets.folder_of(call, element)
            messages.append(success(operation, f"<m:Folders>{rendering.folder_xml(folder, shape)}</m:Folders>"))
        except ServiceError as error:
            messages.append(failure(operation, error, "<m:Folders/>"))
    return response(operation, "".join(messages))
