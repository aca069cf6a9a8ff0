"""The page to which complainants are sent by mail: how their complaint stands, what was said, and what they can do.

For people, and no part of the API: it uses what everybody can, `/public/tracking`. It is four files of ours, made by no
tool, and loads nothing from elsewhere. What the address says behind its `#` comes to the page's script and not to us, so that
reference and secret stand in no log. Another page can take its place (`HELPDESK_TRACKING_URL`).
"""

from functools import cache
from importlib import resources
from typing import Final

from flask import Flask, Response, request

from helpdesk.kernel import limiting

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # the four belong together, of one version
}


@cache
def _text(name: str) -> str:
    return resources.files("helpdesk").joinpath("pages", name).read_text(encoding="utf-8")


def _served(name: str, kind: str) -> Response:
    limiting.count_address(limiting.PUBLIC)
    response = Response(_text(name), mimetype=kind, headers=_HEADERS)
    response.add_etag()
    response.make_conditional(request)
    return response


def register(app: Flask) -> None:
    @app.get("/track")
    def track_page() -> Response:
        if request.path.endswith("/"):  # its files are named from one step up
            return Response(status=308, headers={"Location": "../track"})
        return _served("track.html", "text/html")

    @app.get("/track/page.js")
    def track_script() -> Response:
        return _served("track.js", "text/javascript")

    @app.get("/track/words.js")
    def track_words() -> Response:
        return _served("track_words.js", "text/javascript")

    @app.get("/track/page.css")
    def track_style() -> Response:
        return _served("track.css", "text/css")
