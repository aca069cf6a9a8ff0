"""Checks an evidence pack: that every file in it is as the manifest says, and that the chain of events holds.

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
            if hash_of(event) != event["hash"]:
                yield name + ": its header was changed"
            if event["payload"] is not None and event["salt"] is not None:
                salted = bytes.fromhex(event["salt"]) + text_of(event["payload"])
                if hashlib.sha256(salted).hexdigest() != event["digest"]:
                    yield name + ": its payload was changed"
            prev = event["hash"]
    if (place, prev) != (known["count"], known["head"]):
        yield f"the chain has {place} events, and its owner knows of {known['count']}"


def faults(pack: Reader) -> Iterator[str]:
    """All that is wrong with a pack."""
    yield from files_wrong(pack)
    yield from chain_wrong(pack)


def main(arguments: Sequence[str]) -> int:
    pack: Reader = Archive(arguments[0]) if arguments else Folder(Path(__file__).resolve().parent)
    found = list(faults(pack))
    for fault in found:
        sys.stdout.write("WRONG: " + fault + "\n")
    sys.stdout.write("All holds.\n" if not found else f"{len(found)} things do not hold.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
