"""What is in an evidence pack: all that is known of one complaint, as data and as something to read, and the proof.

Everything but the files is read in one snapshot, so that the parts agree. What the one who asked may not have is left out or
masked, and said to be: needs, unless they may have them; offers, likewise; which other complaint was merged, linked or
split, where they may not see that one. Masked events keep their digests, so the chain
can be checked all the same.
"""

import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    attachment_queries,
    detail_queries,
    erasure_queries,
    evidence_queries,
    replay_queries,
    text_queries,
    timeline_queries,
)
from helpdesk.complaints.evidence_models import Evidence
from helpdesk.complaints.evidence_pack import Pack
from helpdesk.complaints.named_queries import named_in
from helpdesk.complaints.pack_check import LETTERS
from helpdesk.complaints.schemas import Complaint as ComplaintSchema
from helpdesk.complaints.timeline_queries import names_for, say, withhold
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.event_log import ChainCheck, EventRow
from helpdesk.kernel.schemas import json_safe

Provider = Callable[[Session, UUID], Sequence[Mapping[str, Any]]]
"""What another domain knows of a complaint, JSON-safe; `wiring.EVIDENCE` lists them."""

NEEDS: Final = ("complaint.need_recorded", "complaint.need_ended")
OFFERS: Final = "offer."
_MASK: Final = "withheld"
_TOGETHER: Final = 200
"""Events that are put into words at once."""


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, str]]:
    """Language -> name -> text; shipped as data."""
    text = resources.files("helpdesk.complaints").joinpath("data/evidence.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@dataclass(frozen=True, slots=True)
class Parts:
    """Who tells of what. `offers` is told to nobody who may not read offers."""

    clocks: Provider
    offers: Provider


@dataclass(frozen=True, slots=True)
class End:
    """Where the chain in the pack ends."""

    count: int
    head: str


def write_texts(pack: Pack, session: Session, evidence: Evidence, parts: Parts) -> End:
    """Everything but the files; `session` is one moment's."""
    complaint_id = evidence.complaint_id
    _add_complaint(pack, session, evidence)
    _add_timeline(pack, session, evidence)
    _add_thread(pack, session, evidence)
    pack.add_list("clocks.json", parts.clocks(session, complaint_id))
    if evidence.offers:
        pack.add_list("offers.json", parts.offers(session, complaint_id))
    end = _add_chain(pack, session, evidence)
    _add_words(pack, evidence)
    return end


def _add_complaint(pack: Pack, session: Session, evidence: Evidence) -> None:
    shown = ComplaintSchema().dump(detail_queries.detail(session, SYSTEM, evidence.complaint_id))
    shown.pop("allowed_actions", None)
    people = shown.pop("people")
    if not evidence.needs:
        shown["needs"] = [{"id": need["id"], _MASK: True} for need in shown["needs"]]
    if shown["merged_into"] is not None and shown["merged_into"]["id"] not in (evidence.tells_of or ()):
        shown["merged_into"] = {_MASK: True}
    salt = session.execute(evidence_queries.TEXT_SALT, {"complaint_id": evidence.complaint_id}).scalar_one()
    pack.add_json("complaint.json", shown | {"text_salt": salt and bytes(salt).hex()})
    pack.add_json("people.json", people)


def _masked(kind: str, payload: Mapping[str, Any] | None, evidence: Evidence) -> bool:
    """Whether some of it is not told: then nothing of it is in the proof, whose digests are of whole payloads."""
    if (kind in NEEDS and not evidence.needs) or (kind.startswith(OFFERS) and not evidence.offers):
        return True
    return bool(_hidden(kind, payload, evidence))


def _hidden(kind: str, payload: Mapping[str, Any] | None, evidence: Evidence) -> set[UUID]:
    """The other complaints that an event names and this pack does not."""
    return named_in(kind, payload) - set(evidence.tells_of or ())


def _entries(session: Session, evidence: Evidence) -> Iterator[dict[str, Any]]:
    rows = timeline_queries.whole_timeline(session, evidence.complaint_id)
    while some := list(islice(rows, _TOGETHER)):
        shown = [_entry(row, evidence) for row in some]
        call = names_for(session, shown, evidence.language)
        yield from (row | {"summary": say(row, evidence.language, call)} for row in shown)


def _entry(row: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """As whoever asked for the pack may have it."""
    hidden = _hidden(row["type"], row["payload"], evidence)
    shown = withhold(row, offers=evidence.offers, hidden=hidden)
    if row["type"] in NEEDS and not evidence.needs:
        shown |= {"payload": None, "withheld": True}
    return shown


def _add_timeline(pack: Pack, session: Session, evidence: Evidence) -> None:
    pack.add_list("timeline.json", _entries(session, evidence))
    title = _words()[evidence.language]["timeline"]
    lines = (_line(entry, evidence.language) for entry in _entries(session, evidence))
    pack.add("timeline.html", _page(title, evidence.language, lines))
    pack.add(
        "timeline.txt", (f"{_plain(entry, evidence.language)}\n".encode() for entry in _entries(session, evidence))
    )


def _who(row: Mapping[str, Any], kind: str, name: str, language: str) -> str:
    actors: Mapping[str, str] = _words()[language]
    return str(row[name] or actors.get(row[kind], row[kind]))


def _line(entry: Mapping[str, Any], language: str) -> str:
    cells = (
        str(entry["sequence"]),
        _when(entry["occurred_at"]),
        _who(entry, "actor_kind", "actor_name", language),
        entry["summary"],
    )
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _plain(entry: Mapping[str, Any], language: str) -> str:
    who = _who(entry, "actor_kind", "actor_name", language)
    return f"{entry['sequence']:>4}  {_when(entry['occurred_at'])}  {who}  {entry['summary']}"


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_STYLE: Final = (
    "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
    "td{border-bottom:1px solid #ccc;padding:.3em .8em;vertical-align:top}pre{white-space:pre-wrap;margin:0}"
)


def _page(title: str, language: str, lines: Iterable[str]) -> Iterator[bytes]:
    """A page without scripts, whatever is in the lines; they are escaped by who makes them."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n<table>\n"
    )
    yield head.encode()
    for line in lines:
        yield line.encode()
    yield b"</table>\n</body>\n</html>\n"


_SAID: Final = (
    "id",
    "kind",
    "purpose",
    "channel",
    "author_kind",
    "author_id",
    "author_name",
    "sender_name",
    "sender_email",
    "in_reply_to",
    "created_at",
    "redacted_at",
    "body",
)


def _add_thread(pack: Pack, session: Session, evidence: Evidence) -> None:
    complaint_id, language = evidence.complaint_id, evidence.language

    def said() -> Iterator[Mapping[str, Any]]:
        return evidence_queries.thread_of(session, complaint_id)

    pack.add_list("thread.json", (_said(row) for row in said()))
    lines = (_message(row, language) for row in said())
    pack.add("thread.html", _page(_words()[language]["thread"], language, lines))
    for place, row in enumerate(said(), start=1):
        if row["kind"] == "public_reply" and row["purpose"] in LETTERS:
            pack.add_text(f"letters/{place:04}-{row['purpose']}.txt", f"{_when(row['created_at'])}\n\n{row['body']}\n")


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _SAID} | {"salt": row["salt"] and bytes(row["salt"]).hex()}


def _message(row: Mapping[str, Any], language: str) -> str:
    words = _words()[language]
    cells = (
        html.escape(_when(row["created_at"])),
        html.escape(_who(row, "author_kind", "author_name", language)),
        html.escape(words.get(row["kind"], row["kind"])),
        f"<pre>{html.escape(row['body'])}</pre>",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _add_chain(pack: Pack, session: Session, evidence: Evidence) -> End:
    """The proof: every header and digest, and what is not withheld of what they said; and what we found ourselves."""
    known = evidence_queries.end_of_chain(session, evidence.complaint_id)
    lawful = erasure_queries.accounted_for(session, [evidence.complaint_id])
    checked = ChainCheck(evidence.complaint_id, erasures=lawful.get(evidence.complaint_id, ()))
    broken = []

    def proven() -> Iterator[dict[str, Any]]:
        for row in evidence_queries.chain_of(session, evidence.complaint_id):
            broken.extend(checked.go_on([row]))
            yield _link(row, masked=_masked(row.type, row.payload, evidence))

    pack.add_lines("chain.jsonl", proven())
    broken += checked.end(known.event_count, bytes(known.event_head))
    end = End(known.event_count, bytes(known.event_head).hex())
    elsewhere = text_queries.seals_elsewhere(session, evidence.complaint_id)
    pack.add_lines("elsewhere.jsonl", (_from_elsewhere(row, evidence) for row in elsewhere))
    pack.add_json("chain.json", {"stream_id": str(evidence.complaint_id), "count": end.count, "head": end.head})
    replays = replay_queries.replays(session, [evidence.complaint_id])
    broken += replay_queries.broken_fields(session, replays)
    broken += text_queries.broken_texts(text_queries.texts_of(session, [evidence.complaint_id]))
    found = [{"sequence": item.stream_seq, "kind": item.kind, "what": item.what} for item in broken]
    pack.add_json("verification.json", {"valid": not found, "events": end.count, "broken": found})
    return end


def _from_elsewhere(row: EventRow, evidence: Evidence) -> dict[str, Any]:
    """An event of a complaint that this pack does not tell of is there, so that it is not missed, and says nothing."""
    if row.stream_id in (evidence.tells_of or ()):
        return _link(row, masked=_masked(row.type, row.payload, evidence))
    return {"type": row.type, "payload": None, _MASK: True}


def _link(row: EventRow, *, masked: bool) -> dict[str, Any]:
    """As ALGORITHM.txt has it. `withheld`: what it says is not for the one who asked for the pack; else it was erased."""
    return {
        "id": str(row.id),
        "stream_id": str(row.stream_id),
        "stream_seq": row.stream_seq,
        "type": row.type,
        "subject_id": str(row.subject_id),
        "occurred_at": row.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_kind": row.actor_kind,
        "actor_id": str(row.actor_id),
        "digest": bytes(row.digest).hex(),
        "prev_hash": bytes(row.prev_hash).hex(),
        "hash": bytes(row.hash).hex(),
        "withheld": masked,
        "payload": None if masked else row.payload,
        "salt": None if masked or row.salt is None else bytes(row.salt).hex(),
    }


def _add_words(pack: Pack, evidence: Evidence) -> None:
    ours = resources.files("helpdesk.complaints")
    pack.add_text("ALGORITHM.txt", ours.joinpath("data/algorithm.txt").read_text(encoding="utf-8"))
    pack.add_text("verify.py", ours.joinpath("pack_check.py").read_text(encoding="utf-8"))
    pack.add_text("README.txt", _words()[evidence.language]["readme"])


def attachments_of(session: Session, evidence: Evidence) -> list[dict[str, Any]]:
    """What there is of files, in order. Those with a `file_id` go into the pack; of the others `left_out` says why not."""
    found = []
    for place, row in enumerate(attachment_queries.attachments_of(session, evidence.complaint_id), start=1):
        told = dict(row)
        told["left_out"] = _left_out(told, evidence)
        if told["left_out"] is not None:
            told["file_id"] = None
        told["path"] = None if told["file_id"] is None else f"attachments/{place:04}-{told['name']}"
        found.append(told)
    return found


def _left_out(row: Mapping[str, Any], evidence: Evidence) -> str | None:
    if row["file_id"] is None:
        return "redacted"
    if row["scan"] not in {"clean", "unscanned"}:
        return str(row["scan"])
    return None if evidence.attachments else "not asked for"


def add_attachment_list(pack: Pack, rows: Iterable[Mapping[str, Any]]) -> None:
    listed = [{name: value for name, value in row.items() if name != "file_id"} for row in rows]
    pack.add_list("attachments.json", (json_safe(row) for row in listed))
