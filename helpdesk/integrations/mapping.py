"""Mappings: what the columns of a file mean, as data.

A mapping names the format, the header that must be there, the system the records are from, and for each field of
`complaints.schemas.ComplaintIn` where its value comes from. It can rename, join, translate and date, and no more: what
needs a condition or a calculation belongs before the import. Whatever has no field goes to `source_data` as it stands.

    [fields.channel]
    column = "Submitted via"          # or columns = [...] with joined_by, or constant values under [constants]
    values = { Web = "WEB" }          # translation; what is not in it counts as blank
    otherwise = "REGULATOR"           # instead of what is not in `values`
    code_map = "cfpb"                 # or the words of a system whose code map there is, instead of `values`

    [fields.description]
    column = "Narrative"
    instead = { columns = ["Issue"] } # where the column is blank; noted in source_data

    [fields.received_at]
    column = "Date received"
    date = "%Y-%m-%d"                 # the local time stands at 00:00 where the format has none
    time_zone = "America/New_York"

Fields are `subject`, `complainant.region`, `issue.detail`, `price.amount` and so on. A mapping is checked when it is
loaded, down to every translated value, so that a slip is found before the first record and not in each of them.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import marshmallow as ma

from helpdesk.complaints.person_schemas import NeedIn
from helpdesk.integrations.errors import UnusableMapping
from helpdesk.integrations.mapping_schemas import COMPLAINT, CONDITIONS, MONEY, PARTS, TOP, MappingFile
from helpdesk.integrations.mapping_steps import NOTES, Mapped, Problem, Row, Step, as_number, steps_of
from helpdesk.kernel.schemas import problems_of
from helpdesk.taxonomy.code_maps import Words, shipped_words
from helpdesk.taxonomy.term_schemas import TermCode


@dataclass(frozen=True, slots=True)
class FileMapping:
    """A mapping that can be used, by any number of threads at once."""

    name: str
    title: str
    format: str
    encodings: tuple[str, ...]
    header: tuple[str, ...]
    external_id_required: bool
    carried: frozenset[str]
    """Columns that reach a field as they stand, so that `source_data` need not repeat them."""
    constants: Mapping[str, Any]
    code_maps: tuple[str, ...]
    """Systems by whose words it translates."""
    steps: tuple[Step, ...]

    @property
    def repeatable(self) -> bool:
        """Whether a file can be imported twice without doubling anything: each record is known by its external id."""
        return self.external_id_required

    def apply(self, row: Row) -> Mapped:
        """One record in our words. Never raises: what cannot be said is among the problems."""
        mapped = Mapped(payload=dict(self.constants))
        for step in self.steps:
            step(row, mapped)
        kept, carried = mapped.source_data, self.carried
        for name, value in row.items():
            if value != "" and value is not None and name not in carried:
                kept[name] = value
        if NOTES in row:
            mapped.problems.append(Problem(NOTES, "reserved", "A column of this name is ours; rename yours."))
        return mapped


def shipped() -> list[str]:
    """Names of the mappings that come with the program."""
    folder = resources.files("helpdesk.integrations").joinpath("mappings")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_mapping(name: str, words: Words = shipped_words) -> FileMapping:
    """A shipped mapping by its name, or a file of one's own by its path (`./ours.toml`). `words`: of the code maps that it
    names, as they are now (`code_maps.words_from`) or as they are shipped. Raises `UnusableMapping`.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UnusableMapping(f"{name} cannot be read: {error}.") from error
        return parse_mapping(path.stem, text, words)
    if name not in shipped():
        raise UnusableMapping(f"There is no mapping {name!r}; there are {', '.join(shipped())}, or give a .toml file.")
    return parse_mapping(
        name, resources.files("helpdesk.integrations").joinpath("mappings", f"{name}.toml").read_text("utf-8"), words
    )


def parse_mapping(name: str, text: str, words: Words = shipped_words) -> FileMapping:
    """Raises `UnusableMapping` naming every key that is wrong."""
    try:
        data = MappingFile().load(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UnusableMapping(f"{name}: not well-formed TOML: {error}.") from error
    except ma.ValidationError as error:
        wrong = [
            f"{item['pointer'].strip('/').replace('/', '.')}: {item['detail']}" for item in problems_of(error.messages)
        ]
        raise UnusableMapping(f"{name}: " + "; ".join(wrong)) from error
    systems = tuple(sorted({spec["code_map"] for _, _, spec in _mapped(data)}))
    wrong = [*_without_words(data, words), *_wrong_words(data)]
    if wrong:
        raise UnusableMapping(f"{name}: " + "; ".join(wrong))
    constants = {**data["constants"], **({"source": data["source"]} if "source" in data else {})}
    return FileMapping(
        name=name,
        title=data["title"],
        format=data["format"],
        encodings=tuple(data["encodings"]),
        header=tuple(data["header"]),
        external_id_required=data.get("external_id", {}).get("required", False),
        carried=_carried(data),
        constants=constants,
        code_maps=systems,
        steps=tuple(steps_of(data)),
    )


_KIND_OF: Final[Mapping[str, str]] = {"channel": "channel", "issue.category": "category", "issue.issue": "issue"}
"""What kind of code a field takes."""


def _mapped(data: Mapping[str, Any]) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Key, kind of code and spec of whatever is translated by a code map."""
    for target, spec in data["fields_"].items():
        if "code_map" in spec:
            yield f"fields.{target}.code_map", _KIND_OF.get(target), spec
    if "code_map" in data.get("needs", {}):
        yield "needs.code_map", "vulnerability", data["needs"]


def _without_words(data: Mapping[str, Any], words: Words) -> Iterator[str]:
    """Puts the words of code maps in the place of their names; what cannot be."""
    for key, kind, spec in _mapped(data):
        found = words(spec.pop("code_map"))
        if kind is None:
            yield f"{key}: This field takes no codes; these do: {', '.join(_KIND_OF)}."
        elif found is None:
            yield f"{key}: There is no code map of this system."
        else:
            spec["values"] = found.get(kind, {})


def _wrong_words(data: Mapping[str, Any]) -> Iterator[str]:
    """Constants and translations that the API would refuse, whatever the record."""
    for name, value in data["constants"].items():
        if name not in TOP:
            yield f"constants.{name}: Must be one of: {', '.join(TOP)}."
        else:
            yield from _refused(f"constants.{name}", COMPLAINT.fields[name], value)
    for target, spec in data["fields_"].items():
        if "date" in spec and target != "received_at":
            yield f"fields.{target}.date: Only received_at is a time; clock_starts are another."
        known = _field_of(target)
        for key, value in spec.get("values", {}).items():
            yield from _refused(f"fields.{target}.values.{key}", known, as_number(target, value))
        if "otherwise" in spec:
            yield from _refused(f"fields.{target}.otherwise", known, as_number(target, spec["otherwise"]))
    if "needs" in data:
        need = NeedIn().fields
        yield from _refused("needs.ground", need["ground"], data["needs"]["ground"])
        for key, value in data["needs"]["values"].items():
            yield from _refused(f"needs.values.{key}", need["flag"], value)


def _field_of(target: str) -> Any:
    """The field of the API's payload; None for a part of an amount, which is judged as a whole."""
    part, _, name = target.partition(".")
    if part in MONEY:
        return None
    return PARTS[part].fields[name] if name else COMPLAINT.fields[target]


def _refused(key: str, known: Any, value: Any) -> Iterator[str]:
    if isinstance(known, TermCode):
        known = known.of_any_time()  # one that was retired since is told of each record that would get it
    try:
        if known is not None:
            known.deserialize(value)
    except ma.ValidationError as error:
        yield f"{key}: {' '.join(map(str, error.messages))}"


def _carried(data: Mapping[str, Any]) -> frozenset[str]:
    plain = [
        spec["column"]
        for spec in data["fields_"].values()
        if "column" in spec and not {"values", "date", *CONDITIONS} & set(spec)
    ]
    ids = [data["external_id"]["column"]] if "external_id" in data else []
    return frozenset([*plain, *ids, *data["whole"]])
