"""Names of files from strangers.

How it can fail: a path leads out; a direction override shows `exe.jpg` for what is an `exe`; a control breaks a header; a
name of Windows's devices; a thousand characters; a name of nothing but what is dropped; another script is lost.
"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from helpdesk.kernel.file_names import MAX_BYTES, disposition, safe_name, shortened, split

NAMES = st.text(st.characters(), max_size=400)


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("/", "file"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        (None, "file"),
        ("   ", "file"),
        (".htaccess", "htaccess"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie_ x.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066a\u2069\u200b\u200f\ufeff.txt", "a.txt"),
        ("a\ud800b.txt", "ab.txt"),
        ('what?*<>|":.txt', "what_______.txt"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("lpt1.tar.gz", "_lpt1.tar.gz"),
        ("console.txt", "console.txt"),
        ("ends with dots...", "ends with dots"),
        ("a   b.txt", "a b.txt"),
        ("e\u0301te\u0301.txt", "été.txt"),
        ("发票 三月.pdf", "发票 三月.pdf"),
        ("فاتورة.pdf", "فاتورة.pdf"),
        ("👍.png", "👍.png"),
    ],
)
def test_made_safe(given_name: str | None, name: str) -> None:
    assert safe_name(given_name) == name


def test_a_long_one_keeps_its_extension() -> None:
    name = safe_name("发" * 300 + ".pdf")
    assert name.endswith("发.pdf")
    assert len(name.encode()) <= MAX_BYTES
    assert len(safe_name("a" * 1_000).encode()) == MAX_BYTES
    assert shortened("a" * 255, ".pdf") == "a" * 251 + ".pdf"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.txt", ("a", "txt")),
        ("a.tar.gz", ("a.tar", "gz")),
        ("a", ("a", "")),
        (".gitignore", (".gitignore", "")),
        ("Nr. 5 vom März", ("Nr. 5 vom März", "")),
        ("a.", ("a.", "")),
    ],
)
def test_extension(name: str, parts: tuple[str, str]) -> None:
    assert split(name) == parts


@given(NAMES)
def test_any_name_is_safe_and_stays_as_it_is(given_name: str) -> None:
    name = safe_name(given_name)
    assert 1 <= len(name.encode()) <= MAX_BYTES
    assert not set(name) & set('/\\<>:"|?*')
    assert not any(unicodedata.category(char).startswith(("C", "Zl", "Zp")) for char in name)
    assert name not in {".", ".."}
    assert not name.startswith((".", " "))
    assert safe_name(name) == name


@given(NAMES)
def test_any_name_goes_into_a_header_and_comes_out_again(given_name: str) -> None:
    name = safe_name(given_name)
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    kind, options = parse_options_header(header)
    assert kind == "attachment"
    assert options["filename"] == name  # of the two, `filename*` counts


@pytest.mark.parametrize(
    ("name", "plain"), [("a.pdf", "a.pdf"), ("发票.pdf", "file.pdf"), ("été 1.pdf", "ete 1.pdf"), ("发票", "file")]
)
def test_old_readers_have_a_name_too(name: str, plain: str) -> None:
    assert f'filename="{plain}"' in disposition(name)
