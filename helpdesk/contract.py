"""The published contract as text: what is committed under `openapi/` and compared by a test."""

import orjson

from helpdesk.app import api_of, create_app
from helpdesk.kernel.openapi import document
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import assemble


def rendered() -> str:
    """The OpenAPI document, pretty-printed, keys in a stable order. Needs no database: nothing is connected to."""
    settings = Settings(database_url="postgresql://nowhere/nothing", secret_key="0" * 32)
    found = document(api_of(create_app(program=assemble(settings))))
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
