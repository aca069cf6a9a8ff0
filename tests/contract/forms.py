"""Bodies that are forms."""

import json
from io import BytesIO

from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

FORM = "multipart/form-data"


def form(body: bytes) -> tuple[bytes, str]:
    """A JSON object as a form, `file` in it as the file; anything else as it is. With its content type."""
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return body, FORM
    parts = {name: str(value) for name, value in values.items() if name != "file"}
    file = {"file": FileStorage(BytesIO(str(values["file"]).encode()), "note.txt")} if "file" in values else {}
    stream, length, boundary = stream_encode_multipart({**parts, **file})
    return stream.read(length), f"{FORM}; boundary={boundary}"
