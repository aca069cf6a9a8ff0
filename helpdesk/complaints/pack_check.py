"""Checks an evidence pack: that every file in it is as the manifest says, that the chain of events holds, and that subject,
description and messages are what the events have the digests of.

Needs Python 3.8 or newer and nothing else, and believes nothing that it can compute. Put beside the unpacked files, or
given the pack itself:

    python3 verify.py                  # in the folder where the pack was unpacked
    python3 verify.py evidence.zip     # without unpacking

It says what it found, and ends with status 0 when all holds, 1 when not. ALGORITHM.txt says the same in words.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

MANIFEST = "manifest.json"
CHAIN = "chain.jsonl"
HEAD = "chain.json"
ELSEWHERE = "elsewhere.jsonl"
COMPLAINT = "complaint.json"
THREAD = "thread.json"


class Reader(Protocol):
    """Whatever has named files: `names`, and `open` one of them."""

    def names(self) -> set[str]: ...

    def open(self, name: str) -> IO[bytes]: ...


class Folder:
    """An unpacked pack."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def names(self) -> set[str]:
        return {found.relative_to(self.path).as_posix() for found in self.path.rglob("*") if found.is_file()}

    def open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")


class Archive:
    """A pack as it came."""

    def __init__(self, path: str | Path) -> None:
        self.archive = zipfile.ZipFile(path)

    def names(self) -> set[str]:
        return set(self.archive.namelist())

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(name)


def text_of(value: Any) -> bytes:
    """The one text of a JSON value: sorted keys, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def hash_of(event: dict[str, Any]) -> str:
    """SHA-256 of the event's header, written as a JSON list."""
    header = [
        event["id"],
        event["stream_id"],
        event["stream_seq"],
        event["type"],
        event["subject_id"],
        event["occurred_at"],
        event["actor_kind"],
        event["actor_id"],
        event["digest"],
        event["prev_hash"],
    ]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def files_wrong(pack: Reader) -> Iterator[str]:
    """Every file that is not as the manifest says."""
    with pack.open(MANIFEST) as file:
        listed = {entry["path"]: entry for entry in json.load(file)["entries"]}
    there = pack.names() - {MANIFEST, "MANIFEST.sha256"}
    for name in sorted(set(listed) - there):
        yield name + " is missing"
    for name in sorted(there - set(listed)):
        yield name + " is not in the manifest"
    for name in sorted(there & set(listed)):
        digest, size = hashlib.sha256(), 0
        with pack.open(name) as file:
            piece = file.read(65536)
            while piece:
                digest.update(piece)
                size += len(piece)
                piece = file.read(65536)
        if (digest.hexdigest(), size) != (listed[name]["sha256"], listed[name]["size"]):
            yield name + " is not what the manifest says"


def event_wrong(event: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one event by itself."""
    if hash_of(event) != event["hash"]:
        yield "its header was changed"
    if event["payload"] is not None and event["salt"] is not None:
        salted = bytes.fromhex(event["salt"]) + text_of(event["payload"])
        if hashlib.sha256(salted).hexdigest() != event["digest"]:
            yield "its payload was changed"


def events_of(pack: Reader, name: str) -> Iterator[dict[str, Any]]:
    if name not in pack.names():
        return
    with pack.open(name) as file:
        for line in file:
            yield json.loads(line.decode("utf-8"))


def chain_wrong(pack: Reader) -> Iterator[str]:
    """Every fault of the chain of events."""
    with pack.open(HEAD) as file:
        known = json.load(file)
    prev, place = "", 0
    with pack.open(CHAIN) as file:
        for line in file:
            event = json.loads(line.decode("utf-8"))
            place += 1
            name = f"event {event['stream_seq']}"
            if event["stream_seq"] != place:
                yield f"{name} stands at place {place}"
            if event["prev_hash"] != prev:
                yield name + " does not follow from the event before it"
            for fault in event_wrong(event):
                yield name + ": " + fault
            prev = event["hash"]
    if (place, prev) != (known["count"], known["head"]):
        yield f"the chain has {place} events, and its owner knows of {known['count']}"


OF_A_COMPLAINT = {"complaint.received", "complaint.edited", "complaint.text_redacted"}
OF_A_MESSAGE = {"complaint.message_added", "complaint.message_redacted"}
WITH_MESSAGES = {"complaint.received", "complaint.duplicate_merged"}


class Digests:
    """What the events say of texts: of each the last digest counts, for a redaction is one more event with one more."""

    def __init__(self, pack: Reader) -> None:
        self.complaint: dict[str, str] | None = None
        self.messages: dict[str, tuple[str, dict[str, str]]] = {}
        self.complaint_erased = self.message_erased = False
        for event in events_of(pack, CHAIN):
            self.hear(event, own=True)
        for event in events_of(pack, ELSEWHERE):
            self.hear(event, own=False)

    def hear(self, event: dict[str, Any], *, own: bool) -> None:
        kind, payload = event["type"], event["payload"]
        if payload is None:
            self.message_erased = self.message_erased or kind in OF_A_MESSAGE | OF_A_COMPLAINT | WITH_MESSAGES
            self.complaint_erased = self.complaint_erased or kind in OF_A_COMPLAINT
            return
        for message, texts in payload.get("message_texts", {}).items():
            self.tell(message, event["occurred_at"], texts)
        texts = payload.get("texts")
        if texts and kind in OF_A_MESSAGE:
            self.tell(payload["message_id"], event["occurred_at"], texts)
        if texts and kind in OF_A_COMPLAINT and own:
            self.complaint, self.complaint_erased = {**(self.complaint or {}), **texts}, False

    def tell(self, message: str, at: str, texts: dict[str, str]) -> None:
        if message not in self.messages or at >= self.messages[message][0]:
            self.messages[message] = (at, texts)


def digest_of(salt: str, name: str, text: str) -> str:
    """SHA-256 of the salt, the text's name, a zero byte and the text."""
    return hashlib.sha256(bytes.fromhex(salt) + name.encode("utf-8") + b"\0" + text.encode("utf-8")).hexdigest()


class Texts:
    """The texts of a pack beside their digests: what is wrong, and how many of them there is nothing to compare with."""

    def __init__(self, pack: Reader) -> None:
        self.compared = self.silent = 0
        self.wrong: list[str] = []
        digests = Digests(pack)
        names = sorted(pack.names())
        with pack.open(COMPLAINT) as file:
            complaint = json.load(file)
        for name in ("subject", "description"):
            said, erased = digests.complaint, digests.complaint_erased
            self.compare(name, complaint[name], name, complaint["text_salt"], said=said, erased=erased)
        with pack.open(THREAD) as file:
            for place, message in enumerate(json.load(file), start=1):
                _, said = digests.messages.get(message["id"], ("", None))
                erased = said is None and digests.message_erased
                self.compare(
                    "message " + message["id"], message["body"], "body", message["salt"], said=said, erased=erased
                )
                for letter in (each for each in names if each.startswith(f"letters/{place:04}-")):
                    with pack.open(letter) as letters:
                        text = letters.read().decode("utf-8").split("\n\n", 1)[-1]
                    if text != message["body"] + "\n":
                        self.wrong.append(letter + " is not what the thread has")

    def compare(
        self, what: str, text: str, name: str, salt: str | None, *, said: dict[str, str] | None, erased: bool
    ) -> None:
        if erased or (said is None and salt is None):
            self.silent += 1
            return
        self.compared += 1
        if said is None:
            self.wrong.append(what + ": no event knows of it")
        elif salt is None:
            self.wrong.append(what + ": its salt was removed")
        elif digest_of(salt, name, text) != said.get(name):
            self.wrong.append(what + " is not what was written: its digest is another")


def elsewhere_wrong(pack: Reader) -> Iterator[str]:
    """Events of other complaints' chains, each by itself: their places are shown by the packs of those."""
    for event in events_of(pack, ELSEWHERE):
        if event.get("withheld"):
            continue  # nothing of it is here but that it is
        for fault in event_wrong(event):
            yield f"event {event['stream_seq']} of {event['stream_id']}: {fault}"


def faults(pack: Reader) -> Iterator[str]:
    """All that is wrong with a pack."""
    yield from files_wrong(pack)
    yield from chain_wrong(pack)
    yield from elsewhere_wrong(pack)
    yield from Texts(pack).wrong


def main(arguments: Sequence[str]) -> int:
    pack: Reader = Archive(arguments[0]) if arguments else Folder(Path(__file__).resolve().parent)
    found = list(faults(pack))
    for fault in found:
        sys.stdout.write("WRONG: " + fault + "\n")
    texts = Texts(pack)
    sys.stdout.write(f"{texts.compared} texts compared with their digests, {texts.silent} have none.\n")
    sys.stdout.write("All holds.\n" if not found else f"{len(found)} things do not hold.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
