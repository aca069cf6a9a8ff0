"""What a file is, by its content.

How it can fail: the sender's word is believed; a file is two things at once; a ZIP is taken for an Office document or the
other way round; a list of entries leads the reader astray (too many, beyond the end, of another size); something that a
browser or a machine would run gets through as something harmless; ordinary files of ordinary people are not recognised.
"""

import io
import struct
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.sniffing import (
    ACCEPTED,
    EXTENSIONS,
    PLAIN,
    UNKNOWN,
    ZIP,
    Content,
    TextWatch,
    Verdict,
    recognise,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + bytes(17) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
GIF = b"GIF89a" + bytes(20) + b";"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(50) + b"\xff\xd9"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n%%EOF\n"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_ODT = "application/vnd.oasis.opendocument.text"


def look(content: bytes, extension: str = "") -> Verdict:
    watch = TextWatch()
    for start in range(0, len(content), 7):  # pieces that end anywhere
        watch.feed(content[start : start + 7])
    return recognise(
        Content(len(content), lambda start, length: content[start : start + length], watch.holds), extension
    )


def packed(*names: str, kind: int = zipfile.ZIP_DEFLATED, comment: bytes = b"", **contents: Any) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name in names:
            archive.writestr(name, contents.get("content", b"<xml/>"))
        archive.comment = comment
    return made.getvalue()


def opendocument(mimetype: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mimetype", mimetype)
        archive.writestr("content.xml", "<xml/>", zipfile.ZIP_DEFLATED)
    return made.getvalue()


def compound(*names: str) -> bytes:
    """A compound file's header and its directory."""
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[30:32] = struct.pack("<H", 9)
    header[48:52] = struct.pack("<I", 1)
    entries = b"".join(name.encode("utf-16-le").ljust(128, b"\x00") for name in ("Root Entry", *names))
    return bytes(header) + bytes(512) + entries.ljust(4096, b"\x00")


@pytest.mark.parametrize(
    ("content", "extension", "kind"),
    [
        (PNG, "png", "image/png"),
        (GIF, "gif", "image/gif"),
        (JPEG, "jpg", "image/jpeg"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(20), "webp", "image/webp"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20), "wav", "audio/wav"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "heic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmif1" + bytes(20), "heic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(20), "mp4", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  " + bytes(20), "mov", "video/quicktime"),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(20), "m4a", "audio/mp4"),
        (b"ID3\x04" + bytes(20), "mp3", "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + bytes(20), "mp3", "audio/mpeg"),
        (b"OggS\x00" + bytes(20), "ogg", "audio/ogg"),
        (b"II*\x00" + bytes(20), "tif", "image/tiff"),
        (PDF, "pdf", "application/pdf"),
        (b"Two lines\r\nof text\r\n", "txt", PLAIN),
        ("订单 4711 没有到。".encode(), "txt", PLAIN),
        ("订单 4711 没有到。".encode("gb18030"), "txt", PLAIN),
        ("Größe".encode("latin-1"), "txt", PLAIN),
        ("Größe".encode("utf-16"), "txt", PLAIN),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", "csv", "text/csv"),
        (b"=1+1,2\r\n", "csv", "text/csv"),
        (b"Received: from a\r\n by b\r\nFrom: a@example.com\r\nSubject: x\r\n\r\nHi\r\n", "eml", "message/rfc822"),
        (b"Dear all,\r\nSubject: x\r\n", "eml", PLAIN),
        (packed("[Content_Types].xml", "word/document.xml"), "docx", _WORD),
        (packed("[Content_Types].xml", "xl/workbook.xml"), "xlsx", _SHEET),
        (packed("[Content_Types].xml", "ppt/presentation.xml"), "pptx", _SLIDES),
        (opendocument(_ODT), "odt", _ODT),
        (packed("a.txt", "b/c.txt"), "zip", ZIP),
        (packed("a.txt", comment=b"PK\x05\x06 is in here"), "zip", ZIP),
        (packed(), "zip", ZIP),
        (compound("__properties_version1.0"), "msg", "application/vnd.ms-outlook"),
    ],
)
def test_recognised(content: bytes, extension: str, kind: str) -> None:
    assert look(content, extension) == Verdict(kind)
    assert extension in EXTENSIONS[kind] or kind == PLAIN
    assert look(content, "exe").type in {kind, PLAIN}  # the name decides nothing but which text it is


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\x00" + bytes(100),
        b"\x7fELF" + bytes(100),
        b"\xcf\xfa\xed\xfe" + bytes(100),
        b"\xca\xfe\xba\xbe" + bytes(100),
        b"#!/bin/sh\nrm -rf /\n",
        b"L\x00\x00\x00\x01\x14\x02\x00" + bytes(100),
        b"\x00asm\x01\x00\x00\x00",
        b"MZ" + bytes(100) + packed("a.txt"),
    ],
)
def test_what_a_machine_would_run(content: bytes) -> None:
    verdict = look(content, "pdf")
    assert verdict.runs
    assert verdict.type == UNKNOWN


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (b"<!DOCTYPE html><script>alert(1)</script>", "txt"),
        (b"\xef\xbb\xbf \r\n<html>", "txt"),
        ("<svg onload=alert(1)>".encode("utf-16"), "txt"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        (b"<!-- a --><script>", "txt"),
        (b"{\\rtf1\\ansi", "txt"),
        (GIF[:10] + b"<script>alert(1)</script>" + bytes(10), "gif"),
        (JPEG[:12] + b"<?php system($_GET[0]); ?>" + JPEG[12:], "jpg"),
        (b"%PDF-1.7\n<script>alert(1)</script>\n%%EOF", "pdf"),
        (GIF + packed("a.class"), "gif"),
        (JPEG + packed("META-INF/MANIFEST.MF"), "jpg"),
        (PDF + packed("a.txt"), "pdf"),
        (b"junk" + PDF, "pdf"),
        (b"junk\x00" + packed("a.txt"), "zip"),
        (packed("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "docx"),
        (packed("[Content_Types].xml", "xl/workbook.xml", "xl/macrosheets/sheet1.xml"), "xlsx"),
        (compound("WordDocument"), "doc"),
        (compound("Workbook"), "msg"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msg"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 504, "msg"),
        (bytes(100), "txt"),
        (b"text\x00text", "txt"),
        (b"\xff\xfe\x00\xd8\x00\xd8", "txt"),
        (b"\x00\x00\x00\x18ftypxxxx" + bytes(20), "mp4"),
        (b"RIFF\x24\x00\x00\x00AVI " + bytes(20), "avi"),
        (packed("a.txt")[:-4], "zip"),
        (packed("bomb", content=bytes(3_000_000)), "zip"),
    ],
)
def test_what_is_not_taken_for_what_it_says(content: bytes, extension: str) -> None:
    verdict = look(content, extension)
    assert verdict.type == UNKNOWN
    assert verdict.why


def test_an_office_document_that_is_two() -> None:
    assert look(packed("[Content_Types].xml", "word/document.xml", "xl/workbook.xml")).type == ZIP


@pytest.mark.parametrize("offset", [0, 4, 8, 10, 12, 16])
@pytest.mark.parametrize("value", [b"\xff\xff", b"\x00\x00", b"\x01\x80"])
def test_a_forged_end_record(offset: int, value: bytes) -> None:
    content = bytearray(packed("[Content_Types].xml", "word/document.xml"))
    end = content.rfind(b"PK\x05\x06") + 4
    content[end + offset : end + offset + 2] = value
    assert look(bytes(content)).type in {UNKNOWN, ZIP, _WORD}


def test_a_list_of_a_million_entries_is_not_read() -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65_535, 65_535, 4_000_000_000, 30, 0)
    asked = []

    def at(start: int, length: int) -> bytes:
        asked.append(length)
        return (b"PK\x03\x04" + bytes(26) + end)[start : start + length]

    assert recognise(Content(30 + len(end), at, text=False), "zip").type == UNKNOWN
    assert max(asked) <= 70_000


def test_strangers_may_send_what_is_known() -> None:
    assert UNKNOWN not in ACCEPTED
    assert ZIP not in ACCEPTED
    assert "image/jpeg" in ACCEPTED


@given(st.binary(max_size=3_000), st.sampled_from(["", "txt", "pdf", "eml", "zip"]))
def test_any_bytes_are_something(content: bytes, extension: str) -> None:
    assert look(content, extension).type in EXTENSIONS


@given(st.sampled_from([PNG, JPEG, PDF, packed("a"), opendocument(_ODT), compound("a")]), st.data())
def test_any_damaged_file_is_something(whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.binary(max_size=50))
    assert look(whole[:cut] + put + whole[cut + len(put) :]).type in EXTENSIONS
