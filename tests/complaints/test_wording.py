"""Texts with places for values, and the choice of a language.

How it can fail: a value is read as a template, as a tag, as part of a link, or as another line; a name that is not on the
list gets through; a hole goes unnoticed; the wrong language is chosen, or none.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.complaints import wording
from helpdesk.kernel.rich_text import plain_text, sanitised

NAME = "complainant.name"


class TestFaults:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no places",
            "{{complaint.reference}}",
            "{{ today }}",
            "{{complainant.name|}}",
            "{{agent.name|a | b}}",
            "{x}",
            "{{{today}}}",
            "}",
        ],
    )
    def test_sound(self, text: str) -> None:
        assert wording.faults(text) == []

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("{{complaint.description}}", "unknown_variable"),
            ("{{}}", "unknown_variable"),
            ("{{__class__}}", "unknown_variable"),
            ("{{complaint.reference.__class__}}", "unknown_variable"),
            ("{{7*7}}", "unknown_variable"),
            ("{{COMPLAINT.REFERENCE}}", "unknown_variable"),
            ("{{complaint.reference", "malformed_variable"),
            ("today}}", "malformed_variable"),
            ("{{complaint.<b>reference</b>}}", "malformed_variable"),
            ("{{today|<b>x</b>}}", "malformed_variable"),
            ("{" * 10_000, "malformed_variable"),
        ],
    )
    def test_refused(self, text: str, code: str) -> None:
        assert code in {found for found, _ in wording.faults(text)}


class TestFill:
    def test_values_defaults_holes(self) -> None:
        text = "Dear {{complainant.name|there}}, {{ complaint.reference }} {{today}} {{today}}"
        found = wording.fill(text, {"complaint.reference": "R-1"})
        assert found == ("Dear there, R-1 {{today}} {{today}}", ["today"])
        assert wording.fill("{{complainant.name|}}!", {})[0] == "!"
        assert wording.fill("{{today}}", {"today": " "}) == ("{{today}}", ["today"])

    def test_a_value_is_not_read_again(self) -> None:
        values = {NAME: "{{agent.name}}", "agent.name": "secret"}
        assert wording.fill("{{complainant.name}}", values) == ("{{agent.name}}", [])

    def test_a_value_is_one_line(self) -> None:
        assert wording.fill("To {{complainant.name}}.", {NAME: "Li\r\nBcc: x\u2028y"})[0] == "To Li Bcc: x y."

    def test_html(self) -> None:
        values = {NAME: "<script>alert(1)</script> & 'Li'", "complaint.reference": '"><img src=x>&b=2#'}
        html = '<p>{{complainant.name}}</p><a href="https://x.example/?r={{complaint.reference}}">go</a>'
        filled, missing = wording.fill_html(sanitised(html), values)
        assert missing == []
        assert "<script" not in filled
        assert plain_text(filled).startswith(values[NAME])
        target = filled.partition('href="')[2].partition('"')[0]
        assert parse_qs(urlsplit(target).query) == {"r": [values["complaint.reference"]]}
        assert sanitised(filled) == filled

    def test_html_defaults(self) -> None:
        html = sanitised('<p>{{today|a &amp; b}}</p><a href="https://x.example/{{today|a &amp; b}}">go</a>')
        filled, missing = wording.fill_html(html, {})
        assert missing == []
        assert "<p>a &amp; b</p>" in filled
        assert "https://x.example/a%20%26%20b" in filled

    @given(value=st.text(min_size=1, max_size=40))
    def test_any_value_stays_a_value(self, value: str) -> None:
        html = sanitised('<p>a{{complainant.name|x}}b</p><a href="https://x.example/?r={{complainant.name|x}}">c</a>')
        filled, _ = wording.fill_html(html, {NAME: value})
        shown = sanitised(filled)
        assert shown.count("<") == html.count("<")
        assert shown.startswith("<p>a")
        assert 'href="https://x.example/?r=' in shown

    @given(st.text(max_size=200))
    def test_whatever_the_text(self, text: str) -> None:
        filled, missing = wording.fill(text, dict.fromkeys(wording.VARIABLES, "v"))
        assert wording.faults(text) or (missing == [] and "{{" not in filled)


class TestLanguage:
    VARIANTS: list[dict[str, Any]] = [  # noqa: RUF012  # read only
        {"language": tag} for tag in ("en", "zh-Hant", "zh", "pt-BR", "de")
    ]

    @pytest.mark.parametrize(
        ("wishes", "chosen"),
        [
            (["de"], "de"),
            (["DE"], "de"),
            (["de-AT"], "de"),
            (["zh-Hant-HK"], "zh-Hant"),
            (["zh-CN"], "zh"),
            (["pt-PT"], "pt-BR"),
            (["pt"], "pt-BR"),
            ([None, "de"], "de"),
            (["fr", "de"], "de"),
            (["fr"], "en"),
            ([], "en"),
            ([None], "en"),
            (["d"], "en"),
        ],
    )
    def test_chosen(self, wishes: list[str | None], chosen: str) -> None:
        assert wording.choose(self.VARIANTS, wishes)["language"] == chosen
