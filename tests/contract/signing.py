"""Callbacks are signed on their way, so that what is wrong with them is looked at and not their signature alone."""

import itertools
import re
import time
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, Final

from flask import Flask
from werkzeug.wsgi import get_input_stream

from helpdesk.kernel import signatures

_CALLBACK: Final = re.compile(r"/api/v1/public/recovery/callbacks/([^/]+)")
_messages = itertools.count(1)


class Signer:
    """A WSGI application: the given one, which gets each callback as the provider of its path would have sent it.

    `secrets`: of the providers, by their ids. Each request is a message of its own.
    """

    def __init__(self, app: Flask, secrets: Mapping[str, str]) -> None:
        self._app = app
        self._secrets = secrets

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found = _CALLBACK.fullmatch(environ["PATH_INFO"])
        secret = self._secrets.get(found[1]) if found else None
        if secret is not None:
            body = get_input_stream(environ).read()
            environ["wsgi.input"] = BytesIO(body)
            signed = signatures.sign([secret], f"msg_contract_{next(_messages)}", int(time.time()), body)
            environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.items()}
        return self._app(environ, start_response)
