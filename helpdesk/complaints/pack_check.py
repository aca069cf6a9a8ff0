"""Checks an evidence pack: that every file in it is as the manifest says, that the chain of events holds and nothing in it was
erased but what a redaction names, and that complaint, thread and timeline are what the events say.

Needs Python 3.8 or newer and nothing else, and believes nothing that it can compute. Put beside the unpacked files, or
given the pack itself:

    python3 verify.py                           # in the folder where the pack was unpacked
    python3 verify.py evidence.zip              # without unpacking
    python3 verify.py evidence.zip --head HASH  # the chain must have the event with this hash, noted elsewhere

It says what it found, and ends with status 0 when all holds, 1 when not. ALGORITHM.txt says the same in words.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

MANIFEST = "manifest.json"
CHAIN = "chain.jsonl"
HEAD = "chain.json"
ELSEWHERE = "elsewhere.jsonl"
COMPLAINT = "complaint.json"
THREAD = "thread.json"
TIMELINE = "timeline.json"
ATTACHMENTS = "attachments.json"
ALWAYS_THERE = {
    "ALGORITHM.txt",
    "README.txt",
    ATTACHMENTS,
    CHAIN,
    HEAD,
    "clocks.json",
    COMPLAINT,
    ELSEWHERE,
    "people.json",
    THREAD,
    "thread.html",
    TIMELINE,
    "timeline.html",
    "timeline.txt",
    "verification.json",
    "verify.py",
}
LETTERS = {"decision_letter", "acknowledgement", "answer", "question", "holding_letter"}
"""Purposes of public replies that are in the pack once more, each as a file."""


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


def bytes_of(pack: Reader, name: str) -> tuple[str, int]:
    """SHA-256 and size of a file, read a piece at a time."""
    digest, size = hashlib.sha256(), 0
    with pack.open(name) as file:
        piece = file.read(65536)
        while piece:
            digest.update(piece)
            size += len(piece)
            piece = file.read(65536)
    return digest.hexdigest(), size


def files_wrong(pack: Reader) -> Iterator[str]:
    """Every file that is not as the manifest says."""
    with pack.open(MANIFEST) as file:
        listed = {entry["path"]: entry for entry in json.load(file)["entries"]}
    there = pack.names() - {MANIFEST, "MANIFEST.sha256"}
    for name in sorted((set(listed) | ALWAYS_THERE) - there):
        yield name + " is missing"
    for name in sorted(there - set(listed)):
        yield name + " is not in the manifest"
    for name in sorted(there & set(listed)):
        if bytes_of(pack, name) != (listed[name]["sha256"], listed[name]["size"]):
            yield name + " is not what the manifest says"


def event_wrong(event: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one event by itself."""
    if hash_of(event) != event["hash"]:
        yield "its header was changed"
    if event["payload"] is None:
        return
    if event["salt"] is None:
        yield "its salt was removed"
        return
    salted = bytes.fromhex(event["salt"]) + text_of(event["payload"])
    if hashlib.sha256(salted).hexdigest() != event["digest"]:
        yield "its payload was changed"


def events_of(pack: Reader, name: str) -> Iterator[dict[str, Any]]:
    if name not in pack.names():
        return
    with pack.open(name) as file:
        for line in file:
            yield json.loads(line.decode("utf-8"))


def content(pack: Reader, name: str) -> Any:
    with pack.open(name) as file:
        return json.load(file)


def chain_wrong(pack: Reader) -> Iterator[str]:
    """Every fault of the chain of events."""
    known, about = content(pack, HEAD), content(pack, MANIFEST)
    prev, place, asked = "", 0, set()
    for event in events_of(pack, CHAIN):
        place += 1
        name = f"event {event['stream_seq']}"
        if event["stream_seq"] != place:
            yield f"{name} stands at place {place}"
        if event["stream_id"] != known["stream_id"]:
            yield name + " is of another chain"
        if event["prev_hash"] != prev:
            yield name + " does not follow from the event before it"
        for fault in event_wrong(event):
            yield name + ": " + fault
        if event["type"] == "complaint.evidence_requested" and event["payload"]:
            asked.add(event["payload"]["evidence_id"])
        prev = event["hash"]
    if (place, prev) != (known["count"], known["head"]):
        yield f"the chain has {place} events, and its owner knows of {known['count']}"
    if about["evidence_id"] not in asked:
        yield "the chain does not come as far as the request for this pack"


def noted_wrong(pack: Reader, noted: str) -> Iterator[str]:
    """An event's hash that was noted elsewhere: the head of an earlier pack, or what the system said."""
    if not any(event["hash"] == noted.lower() for event in events_of(pack, CHAIN)):
        yield f"no event has the hash {noted}: the chain was cut, or is another"


WITHHELD = (
    "offer.",
    "complaint.duplicate_",
    "complaint.linked",
    "complaint.merged",
    "complaint.need_",
    "complaint.received",
    "complaint.redirected",
    "complaint.split",
    "complaint.unlinked",
    "complaint.unmerged",
)
"""What may be withheld: needs, offers, and what names another complaint."""

REDACTIONS = {"complaint.text_redacted", "complaint.message_redacted"}


def veiled(stream: str) -> str:
    """How an event names a chain that not everybody may know of."""
    return hashlib.sha256(stream.encode("utf-8")).hexdigest()


def named_erased(pack: Reader) -> set[tuple[str, int]]:
    """Veiled stream and place of every event that a redaction says it erased."""
    found: set[tuple[str, int]] = set()
    for file in (CHAIN, ELSEWHERE):
        for event in events_of(pack, file):
            if event["type"] in REDACTIONS and event["payload"]:
                for stream, places in event["payload"].get("erased", {}).items():
                    found.update((stream, place) for place in places)
    return found


def counting_redactions(pack: Reader) -> Iterator[tuple[datetime, int]]:
    """Those from before they named what they erased: when, and how many events."""
    for file in (CHAIN, ELSEWHERE):
        for event in events_of(pack, file):
            payload = event["payload"] if event["type"] in REDACTIONS else None
            if payload and "erased" not in payload:
                yield moment(event["occurred_at"]), payload["erased_events"]


def withheld_redaction(pack: Reader) -> bool:
    """Whether something of this story was redacted on a complaint that is not for the reader: nobody can tell then what."""
    return any(event["type"] in REDACTIONS and event["payload"] is None for event in events_of(pack, ELSEWHERE))


def erasures_wrong(pack: Reader) -> Iterator[str]:
    """Events that say nothing any more, without a redaction that names them. One from before they were named says how many
    they were, and so many before it are accounted for.
    """
    named, bare = named_erased(pack), []
    for event in events_of(pack, CHAIN):
        if event["payload"] is None and event.get("withheld"):
            if not event["type"].startswith(WITHHELD):
                yield f"event {event['stream_seq']} is withheld, which is never done with what it is"
        elif event["payload"] is None and (veiled(event["stream_id"]), event["stream_seq"]) not in named:
            bare.append(event)
    for at, count in sorted(counting_redactions(pack)):
        for event in [each for each in bare if moment(each["occurred_at"]) <= at][:count]:
            bare.remove(event)
    for event in () if withheld_redaction(pack) else bare:
        yield f"event {event['stream_seq']}: its payload was erased, and no event accounts for it"


def moment(text: str) -> datetime:
    """A time as the events or the other files have it; older Pythons do not read a Z."""
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


OF_A_COMPLAINT = {"complaint.received", "complaint.edited", "complaint.text_redacted"}
OF_A_MESSAGE = {"complaint.message_added", "complaint.message_redacted"}
WITH_MESSAGES = {"complaint.received", "complaint.duplicate_merged"}
TOLD_OF_MESSAGE = ("kind", "purpose", "channel", "author_kind", "author_id", "created_at")
SHOWN = {"author_kind": "author", "author_id": "author", "created_at": "time"}


class Story:
    """What the events say of texts and messages. Of each text the last digest counts, for a redaction is one more event with
    one more.
    """

    def __init__(self, pack: Reader) -> None:
        self.complaint: dict[str, str] | None = None
        self.messages: dict[str, tuple[str, dict[str, str]]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.here: set[str] = set()
        """Messages that were written here, and have not left by a merge or a split."""
        self.made: dict[str, set[str]] = {}
        self.merged: set[str] = set()
        self.redacted: set[str] = set()
        """Messages that an event says were redacted; all, where what such an event says is not there."""
        self.complaint_erased = self.message_erased = False
        self.named = named_erased(pack)
        for event in events_of(pack, CHAIN):
            self.stream = event["stream_id"]
            self.hear(event, own=True)
        for event in events_of(pack, ELSEWHERE):
            self.hear(event, own=False)

    def hear(self, event: dict[str, Any], *, own: bool) -> None:
        kind, payload = event["type"], event["payload"]
        if own:
            self.follow(kind, payload)
        if kind == "complaint.message_redacted":
            self.redacted |= {payload["message_id"]} if payload else self.here
        if payload is None:
            self.hear_nothing(event, own=own)
            return
        self.hear_carried(event, payload.get("carried", {}))
        for message, texts in payload.get("message_texts", {}).items():
            self.tell(message, event["occurred_at"], texts)
            self.bear(message, payload.get("message_facts", {}).get(message, {}), own=own)
        if kind == "complaint.message_added":
            known = {name: payload[name] for name in TOLD_OF_MESSAGE if name in payload}
            self.bear(payload["message_id"], {**known, "created_at": event["occurred_at"]}, own=own)
        if kind == "complaint.split":
            self.here.difference_update(payload["moved_messages"])
        texts = payload.get("texts")
        if texts and kind in OF_A_MESSAGE:
            self.tell(payload["message_id"], event["occurred_at"], texts)
        if texts and kind in OF_A_COMPLAINT and own:
            self.complaint, self.complaint_erased = {**(self.complaint or {}), **texts}, False

    def hear_nothing(self, event: dict[str, Any], *, own: bool) -> None:
        """An event that was erased, or is not for the reader."""
        if (veiled(event.get("stream_id", "")), event.get("stream_seq")) not in self.named:
            kind = event["type"]
            self.message_erased = self.message_erased or kind in OF_A_MESSAGE | WITH_MESSAGES
            self.complaint_erased = self.complaint_erased or (own and kind in OF_A_COMPLAINT)

    def hear_carried(self, event: dict[str, Any], carried: dict[str, Any]) -> None:
        """What a redaction tells again, for the events that it erased."""
        for message, texts in carried.get("message_texts", {}).items():
            self.tell(message, event["occurred_at"], texts)
        for message, facts in carried.get("messages", {}).items():
            self.bear(message, facts, own=facts["home"] == veiled(self.stream))
        texts = carried.get("texts", {}).get(veiled(self.stream))
        if texts:
            self.complaint = {**(self.complaint or {}), **texts}

    def follow(self, kind: str, payload: dict[str, Any] | None) -> None:
        """Messages go with a merge, and come back when it is undone; what the merge of a duplicate made goes when that is."""
        if kind == "complaint.merged":
            self.merged, self.here = self.here, set()
        elif kind == "complaint.unmerged":
            self.here |= self.merged
            self.merged = set()
        elif kind == "complaint.duplicate_merged" and payload:
            self.made[payload["merge_id"]] = set(payload.get("message_texts", {}))
        elif kind == "complaint.duplicate_parted":
            gone = [payload["merge_id"]] if payload else list(self.made)
            self.here.difference_update(*(self.made.get(merge, set()) for merge in gone))
        elif kind == "complaint.split" and payload is None:
            self.here = set()

    def bear(self, message: str, facts: dict[str, Any], *, own: bool) -> None:
        self.facts[message] = facts
        if own:
            self.here.add(message)

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
        story, unknown = Story(pack), withheld_redaction(pack)
        complaint = content(pack, COMPLAINT)
        for name in ("subject", "description"):
            said, erased = story.complaint, story.complaint_erased
            self.compare(name, complaint[name], name, complaint.get("text_salt"), said=said, erased=erased)
        there = set()
        names = sorted(pack.names())
        for place, message in enumerate(content(pack, THREAD), start=1):
            what = "message " + message["id"]
            there.add(message["id"])
            _, said = story.messages.get(message["id"], ("", None))
            erased = (said is None and story.message_erased) or (unknown and message["redacted_at"] is not None)
            self.compare(what, message["body"], "body", message.get("salt"), said=said, erased=erased)
            self.wrong += (f"{what}: its {fault} is another" for fault in differing(message, story.facts))
            if message["redacted_at"] is not None and message["id"] in story.here - story.redacted and not unknown:
                self.wrong.append(what + " is said to be redacted, and no event says so")
            self.wrong += letters_wrong(
                pack, [each for each in names if each.startswith(f"letters/{place:04}-")], message
            )
        self.wrong += (f"message {message} was removed" for message in sorted(story.here - there))

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


def letters_wrong(pack: Reader, letters: list[str], message: dict[str, Any]) -> Iterator[str]:
    """`letters`: the files that the message stands in once more."""
    if message["kind"] == "public_reply" and message["purpose"] in LETTERS and not letters:
        yield f"message {message['id']}: its letter is missing"
    for letter in letters:
        with pack.open(letter) as file:
            text = file.read().decode("utf-8").split("\n\n", 1)[-1]
        if text != message["body"] + "\n":
            yield letter + " is not what the thread has"


def differing(message: dict[str, Any], facts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What of a message is not as its event says."""
    found = set()
    for name, said in facts.get(message["id"], {}).items():
        if name in TOLD_OF_MESSAGE and not same(name, said, message[name]):
            found.add(SHOWN.get(name, name))
    yield from sorted(found)


def same(name: str, said: Any, shown: Any) -> bool:
    if name.endswith("_at") and said is not None and shown is not None:
        return moment(said) == moment(shown)
    return bool(said == shown)


BORN = {
    "status": "received",
    "waiting_on": "us",
    "stage": "1",
    "escalation_level": 0,
    "reopened_count": 0,
    "child_count": 0,
    "offers_live": 0,
    "offers_drafted": 0,
    "offers_minor": 0,
    "remedies_undelivered": 0,
    "issue_count": 1,
    "double_deviation": False,
    "vulnerable": False,
    "safety": False,
    "tags": [],
    "custom_fields": {},
}
"""What a complaint is born with, where complaint.received does not say otherwise in "born"; of every other column nothing."""

COLUMNS = [
    "language",
    "external_id",
    "assignee_id",
    "impact",
    "urgency",
    "track",
    "acknowledged_at",
    "triaged_at",
    "investigated_at",
    "resolved_at",
    "followed_up_at",
    "dismissal",
    "outcome",
    "fault",
    "root_cause",
    "contributing_causes",
    "no_remedy_reason",
]
RECEIVED = [
    "reference",
    "record_type",
    "channel",
    "severity",
    "received_at",
    "source",
    "jurisdiction",
    "sector",
    "team_id",
    "customer_id",
]
OF_A_PART = {"issue_id", "person_id", "need_id", "attachment_id"}


class Fields:
    """The columns of the complaint as the events tell them, one after the other."""

    def __init__(self, pack: Reader) -> None:
        self.known: dict[str, Any] = {}
        self.sealed: str | None = None
        """Digest of the custom fields, where a redaction told them last."""
        self.stream = content(pack, HEAD)["stream_id"]
        named = named_erased(pack)
        events = [
            *events_of(pack, CHAIN),
            *(each for each in events_of(pack, ELSEWHERE) if each["type"] in REDACTIONS and each["payload"]),
        ]
        for event in sorted(events, key=lambda each: moment(each["occurred_at"])):
            own, payload = event["stream_id"] == self.stream, event["payload"]
            if payload is not None:
                self.hear(event["type"], payload, own=own)
            elif own and event["type"] not in OF_A_MESSAGE and (veiled(self.stream), event["stream_seq"]) not in named:
                self.known, self.sealed = {}, None  # what it told is not known

    def hear(self, kind: str, payload: dict[str, Any], *, own: bool) -> None:
        carried = payload.get("carried", {})
        self.known.update(carried.get("values", {}).get(veiled(self.stream), {}))
        for name in carried.get("unknown", {}).get(veiled(self.stream), ()):
            self.known.pop(name, None)
        if own and kind == "complaint.received":
            if "born" in payload:
                self.known = {**dict.fromkeys(COLUMNS), **BORN, **payload["born"]}
            else:
                self.known = {name: BORN[name] for name in ("status", "waiting_on")}
            self.known.update({name: payload[name] for name in RECEIVED})
        if own:
            changes = {} if OF_A_PART & payload.keys() else payload.get("changes", {})
            for name, (_, after) in [*changes.items(), *payload.get("complaint_changes", {}).items()]:
                self.known[name] = after
                self.sealed = None if name == "custom_fields" else self.sealed
            if kind in OF_A_COMPLAINT and "custom_fields" in payload.get("texts", {}):
                self.sealed, self.known["custom_fields"] = payload["texts"]["custom_fields"], None

    def wrong(self, complaint: dict[str, Any]) -> Iterator[str]:
        for name, said in sorted(self.known.items()):
            if name not in complaint or name in {"subject", "description", "source_data"}:
                continue
            if name == "custom_fields" and self.sealed is not None:
                salt, shown = complaint.get("text_salt"), text_of(complaint[name]).decode("utf-8")
                holds = salt is not None and digest_of(salt, name, shown) == self.sealed
            else:
                holds = same(name, said, complaint[name])
            if not holds:
                yield f"complaint.json: {name} is not what the events say"


def fields_wrong(pack: Reader) -> Iterator[str]:
    yield from Fields(pack).wrong(content(pack, COMPLAINT))


MOVED = {
    "complaint.merged",
    "complaint.duplicate_merged",
    "complaint.split",
    "complaint.unmerged",
    "complaint.duplicate_parted",
}
"""After these, files and issues may be another complaint's, whose pack tells of them."""


def parts_moved(pack: Reader) -> bool:
    return any(event["type"] in MOVED for event in events_of(pack, CHAIN))


class Issues:
    """The issues of the complaint as the events tell them: what was decided, found and corrected."""

    def __init__(self, pack: Reader) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.gone: set[str] = set()
        self.moved = parts_moved(pack)
        named = named_erased(pack)
        for event in events_of(pack, CHAIN):
            if event["payload"] is not None:
                self.hear(event["type"], event["payload"])
            elif event.get("withheld") or (veiled(event["stream_id"]), event["stream_seq"]) in named:
                self.known = {}  # what it told of them is not known

    def hear(self, kind: str, payload: dict[str, Any]) -> None:
        told = payload.get("issues")
        told = dict(told) if isinstance(told, dict) else {}
        if "issue_id" in payload:
            told[payload["issue_id"]] = payload.get("changes", {})
        for issue, changes in told.items():
            self.known.setdefault(issue, {}).update({name: after for name, (_, after) in changes.items()})
        if kind == "complaint.issue_removed":
            self.gone.add(payload["issue_id"])

    def wrong(self, shown: list[dict[str, Any]]) -> Iterator[str]:
        there = {issue["id"]: issue for issue in shown}
        for issue in sorted(self.gone & set(there)):
            yield f"complaint.json: issue {issue} was taken off, and is there"
        for issue, known in sorted(self.known.items()):
            if issue in there:
                yield from (
                    f"complaint.json: {name} of issue {issue} is not what the events say"
                    for name, said in sorted(known.items())
                    if name in there[issue] and not same(name, said, there[issue][name])
                )
            elif issue not in self.gone and not self.moved:
                yield f"complaint.json: issue {issue} was removed"


def issues_wrong(pack: Reader) -> Iterator[str]:
    yield from Issues(pack).wrong(content(pack, COMPLAINT)["issues"])


class Files:
    """The complaint's files as the events tell them: how long each is, with which digest, and which were redacted."""

    def __init__(self, pack: Reader) -> None:
        self.pack = pack
        self.own: set[str] = set()
        self.known: dict[str, tuple[str, int]] = {}
        self.redacted: set[str | None] = set()
        self.moved, self.there = parts_moved(pack), pack.names()
        for file in (CHAIN, ELSEWHERE):
            for event in events_of(pack, file):
                self.hear(event["type"], event["payload"], own=file == CHAIN)

    def hear(self, kind: str, payload: dict[str, Any] | None, *, own: bool) -> None:
        if kind == "complaint.attachment_added" and payload:
            self.known[payload["attachment_id"]] = (payload["sha256"], payload["size"])
            self.own |= {payload["attachment_id"]} if own else set()
        if kind == "complaint.attachment_redacted":
            self.redacted.add(payload["attachment_id"] if payload else None)

    def wrong(self, listed: list[dict[str, Any]]) -> Iterator[str]:
        for entry in listed:
            yield from self.wrong_with(entry)
        missing = set() if self.moved else self.own - {entry["id"] for entry in listed}
        yield from (f"attachment {attachment} was removed" for attachment in sorted(missing))
        files = {name for name in self.there if name.startswith("attachments/")}
        stray = files - {entry["path"] for entry in listed}
        yield from (name + " is none of the complaint's files" for name in sorted(stray))

    def wrong_with(self, entry: dict[str, Any]) -> Iterator[str]:
        what, path, shown = "attachment " + entry["id"], entry["path"], (entry["sha256"], entry["size"])
        said = self.known.get(entry["id"], shown)
        if shown != said:
            yield what + ": size and digest are not what its event says"
        if entry["left_out"] == "redacted" and not self.moved and not self.redacted & {entry["id"], None}:
            yield what + " is said to be redacted, and no event says so"
        if path is not None and path not in self.there:
            yield path + " is missing"
        elif path is not None and bytes_of(self.pack, path) != said:
            yield path + " is not what was sent: its digest is another"


def attachments_wrong(pack: Reader) -> Iterator[str]:
    yield from Files(pack).wrong(content(pack, ATTACHMENTS))


OFFERS = "offers.json"
RESERVED = {"approved", "offered", "countered", "accepted", "issuing"}
SPENT = {"issued", "redeemed"}
OPEN_ORDERS = {"open", "pending", "unknown"}
ENTRIES = {"reserve": (1, 0), "commit": (-1, 1), "release": (-1, 0), "reverse": (0, -1), "reduce": (-1, 0),
           "carry_out": (-1, 0), "carry_in": (1, 0), "overpay": (0, 0)}  # fmt: skip
"""What an entry of a budget's ledger adds to what is set aside for an offer, and to what was spent on it. What was paid
beside that changes neither.
"""


class Offers:
    """The offers as the events tell their steps, and as what stands beside them tells: decisions and the authority that was lent
    for them, entries of budgets, and what providers were asked and said.
    """

    def __init__(self, pack: Reader) -> None:
        self.told: dict[str, list[tuple[datetime, str, str, str]]] = {}
        self.drafted: set[str] = set()
        self.moved: set[str] = set()
        self.silent = False
        """Something that was told of offers is erased."""
        for event in events_of(pack, CHAIN):
            payload = event["payload"]
            if not event["type"].startswith("offer."):
                continue
            if payload is None:
                self.silent = True
                continue
            offer = payload["offer_id"]
            if event["type"] == "offer.drafted":
                self.drafted.add(offer)
            if event["type"] == "offer.moved":
                self.moved.add(offer)
            if "from_status" in payload:
                step = (payload["action"], payload["from_status"], payload["to_status"])
                self.told.setdefault(offer, []).append((moment(event["occurred_at"]), *step))

    def wrong(self, offers: list[dict[str, Any]]) -> Iterator[str]:
        there = {offer["id"] for offer in offers}
        yield from (f"offers.json: offer {gone} was removed" for gone in sorted(self.drafted - self.moved - there))
        for offer in offers:
            what = "offers.json: offer " + offer["id"] + ": "
            for check in (self.steps_wrong, decisions_wrong, entries_wrong, orders_wrong):
                yield from (what + fault for fault in check(offer))

    def steps_wrong(self, offer: dict[str, Any]) -> Iterator[str]:
        steps: list[tuple[datetime, str, str, str]] = [
            (moment(step["at"]), step["action"], step["from_status"], step["to_status"]) for step in offer["steps"]
        ]
        told = self.told.get(offer["id"], [])
        own = offer["id"] in self.drafted and offer["id"] not in self.moved
        if own and not self.silent and told != steps:
            yield "its steps are not those that the events tell"
        elif any(step not in steps for step in told):
            yield "a step that an event tells is missing"
        state = "drafted"
        for place, step in enumerate(offer["steps"], start=1):
            if step["number"] != place or step["from_status"] != state:
                yield f"its step {step['number']} does not follow from the one before"
            state = step["to_status"]
        if offer["status"] != state:
            yield "its status is not what its steps end in"


def decisions_wrong(offer: dict[str, Any]) -> Iterator[str]:
    """Each is of a step, and rests on authority that was lent at the time, where it says that it was."""
    steps = {step["number"]: step for step in offer["steps"]}
    lent = {each["id"]: each for each in offer.get("delegations", ())}
    for decision in offer.get("decisions", ()):
        step, what = steps.get(decision["number"]), f"its decision {decision['number']} "
        if step is None or any(step[name] != decision[name] for name in ("action", "at", "actor_kind", "actor_id")):
            yield what + "is of no step"
        if decision["delegation_id"] is None:
            continue
        used = lent.get(decision["delegation_id"])
        if used is None:
            yield what + "names authority that nobody has lent"
        elif (used["lender_id"], used["delegate_id"]) != (decision["in_name_of"], decision["actor_id"]):
            yield what + "rests on what was lent by or to somebody else"
        elif not moment(used["starts_at"]) <= moment(decision["at"]) < moment(used["revoked_at"] or used["ends_at"]):
            yield what + "rests on what was not lent at the time"


def entries_wrong(offer: dict[str, Any]) -> Iterator[str]:
    """What is set aside for it, and what was spent on it, is what its status says."""
    if "budget_entries" not in offer:
        return
    aside = spent = 0
    for entry in offer["budget_entries"]:
        reserves, spends = ENTRIES[entry["kind"]]
        aside += reserves * entry["amount_minor"]
        spent += spends * entry["amount_minor"]
        if entry["kind"] == "overpay" and entry["amount_minor"] != offer["amount_minor"]:
            yield f"{entry['amount_minor']} minor units were paid beside it, and it is of another amount"
    amount = offer["amount_minor"] or 0
    if aside != (amount if offer["status"] in RESERVED else 0):
        yield f"{aside} minor units are set aside for it, which is {offer['status']}"
    if spent != (amount if offer["status"] in SPENT else 0):
        yield f"{spent} minor units were spent on it, which is {offer['status']}"


def orders_wrong(offer: dict[str, Any]) -> Iterator[str]:
    """What providers were asked, what they called back, and what somebody is to see to, are one story."""
    orders = offer.get("orders", [])
    if sum(order["state"] == "issued" for order in orders) > 1:
        yield "providers have issued it more than once"
    for order in orders:
        what = f"what was asked in round {order['round']} "
        if (order["closed_at"] is None) != (order["state"] in OPEN_ORDERS):
            yield what + f"is {order['state']}, and ended or not against that"
        if (order["reference"] is not None) != (order["state"] == "issued"):
            yield what + f"is {order['state']}, and has a reference or not against that"
        if order["state"] == "issued" and offer["status"] not in SPENT | {"reversed"}:
            yield what + "was issued, and the offer is " + offer["status"]
        for callback in order["callbacks"]:
            if callback["order_id"] != order["id"] or callback["provider_id"] != order["provider_id"]:
                yield what + "has a callback about something else"
            against = callback["says"] == "issued" and callback["reference"] != order["reference"]
            if against and order["state"] == "issued" and order["contradiction"] is None:
                yield what + "was called back otherwise, and nobody notes that"
    open_contradiction = any(order["contradicted_at"] and not order["contradiction_settled_at"] for order in orders)
    why = "contradicted" if open_contradiction else "unknown" if offer["issuance"] == "unknown" else None
    why = why or ("failed" if offer["status"] == "failed" else None)
    if "dead_letter" in offer and offer["dead_letter"] != why:
        yield "what somebody is to see to is another"


def offers_wrong(pack: Reader) -> Iterator[str]:
    """Where the reader of the pack may have them."""
    if OFFERS in pack.names():
        yield from Offers(pack).wrong(content(pack, OFFERS))


def timeline_wrong(pack: Reader) -> Iterator[str]:
    """timeline.json repeats the events, for reading."""
    shown = content(pack, TIMELINE)
    events = list(events_of(pack, CHAIN))
    if len(shown) != len(events):
        yield f"timeline.json has {len(shown)} entries, and the chain {len(events)} events"
    for entry, event in zip(shown, events):  # noqa: B905  # of Python 3.8
        told: tuple[Any, ...] = (entry["id"], entry["sequence"], entry["type"], entry["hash"], entry["actor_kind"])
        said: tuple[Any, ...] = tuple(event[name] for name in ("id", "stream_seq", "type", "hash", "actor_kind"))
        if not event.get("withheld"):  # else the entry may have what of it is for the reader
            told, said = (*told, entry["payload"]), (*said, event["payload"])
        at = moment(entry["occurred_at"]) == moment(event["occurred_at"])
        if told != said or not at or str(entry["actor_id"]) != event["actor_id"]:
            yield f"timeline.json: entry {entry['sequence']} is not what event {event['stream_seq']} says"


def elsewhere_wrong(pack: Reader) -> Iterator[str]:
    """Events of other complaints' chains, each by itself: their places are shown by the packs of those."""
    for event in events_of(pack, ELSEWHERE):
        if event.get("withheld") and "hash" not in event:
            continue  # nothing of it is here but that it is
        for fault in event_wrong(event):
            yield f"event {event['stream_seq']} of {event['stream_id']}: {fault}"


def texts_wrong(pack: Reader) -> Iterator[str]:
    yield from Texts(pack).wrong


UNREADABLE = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
CHECKS: dict[str, Callable[[Reader], Iterator[str]]] = {
    "the manifest": files_wrong,
    "the chain": chain_wrong,
    "what was erased": erasures_wrong,
    "events from elsewhere": elsewhere_wrong,
    "the texts": texts_wrong,
    "the complaint": fields_wrong,
    "the issues": issues_wrong,
    "the files": attachments_wrong,
    "the offers": offers_wrong,
    "the timeline": timeline_wrong,
}


def faults(pack: Reader, noted: Sequence[str] = ()) -> Iterator[str]:
    """All that is wrong with a pack. What cannot be read is wrong, whatever it is."""
    for name, check in CHECKS.items():
        try:
            yield from check(pack)
        except UNREADABLE as error:
            yield f"{name} cannot be read: {type(error).__name__} {error}"
    for each in noted:
        try:
            yield from noted_wrong(pack, each)
        except UNREADABLE:
            yield f"no event has the hash {each}: the chain cannot be read"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Check an evidence pack.")
    parser.add_argument("pack", nargs="?", help="the archive; none: the folder in which this file is")
    parser.add_argument("--head", action="append", default=[], metavar="HASH", help="an event's hash, noted elsewhere")
    given = parser.parse_args(arguments)
    try:
        pack: Reader = Archive(given.pack) if given.pack else Folder(Path(__file__).resolve().parent)
    except UNREADABLE as error:
        sys.stdout.write(f"WRONG: {given.pack} cannot be read: {error}\n")
        return 1
    found = list(faults(pack, given.head))
    for fault in found:
        sys.stdout.write("WRONG: " + fault + "\n")
    if not found:
        texts, end = Texts(pack), content(pack, HEAD)
        sys.stdout.write(f"{texts.compared} texts compared with their digests, {texts.silent} have none.\n")
        sys.stdout.write(f"The chain has {end['count']} events and ends with {end['head']}.\n")
    sys.stdout.write("All holds.\n" if not found else f"{len(found)} things do not hold.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
