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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import marshmallow as ma
from marshmallow import fields, validate, validates_schema

from helpdesk.complaints.schemas import EARLIEST, ComplaintIn, IssueIn, NeedIn, PersonIn
from helpdesk.integrations.errors import UnusableMapping
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.schemas import Choice, Pattern, Schema, problems_of
from helpdesk.taxonomy.code_maps import Words, shipped_words
from helpdesk.taxonomy.term_schemas import TermCode

FORMATS: Final = ("csv", "jsonl")
ENCODINGS: Final = ("utf-8", "gb18030")
NOTES: Final = "_import"
"""Where `source_data` says what was made up for want of a value; no column may have this name."""

_COMPLAINT = ComplaintIn()
_PARTS: Final[dict[str, ma.Schema]] = {"complainant": PersonIn(), "issue": IssueIn()}
_MONEY: Final = ("price", "loss")
_NESTED: Final = ("complainant", "affected", "representative", "issues", "needs", *_MONEY)
_ROWS: Final = ("team_id", "customer_id")
"""Ids of rows of ours: the API checks each against the database, a file has no business to know them."""
_NEVER: Final = frozenset({"external_id", "acknowledge"})
"""The first has a place of its own in a mapping; and nobody is written to because of an import:
triggers answer to one only where they ask for it (`imports`).
"""
_TOP: Final = tuple(name for name in _COMPLAINT.fields if name not in {*_NESTED, *_ROWS, *_NEVER})
TARGETS: Final = (
    *_TOP,
    *(f"{part}.{name}" for part, schema in _PARTS.items() for name in schema.fields),
    *(f"{name}.{part}" for name in _MONEY for part in ("amount", "currency")),
)
WHOLE: Final = tuple(name for name in _COMPLAINT.fields if name not in {*_ROWS, *_NEVER})

_NUMBERS: Final = frozenset(name for name, known in _COMPLAINT.fields.items() if isinstance(known, fields.Integer))
"""What the API takes as a number only. A CSV has nothing but text, and so have the translations of a mapping."""

_CONDITIONS: Final = frozenset({"only_with", "only_without"})
"""Fields that are filled after all others, where another one is or is not there."""

Row = Mapping[str, Any]
"""A record by column name; CSV has text only, JSON Lines any JSON value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record cannot be taken in, by a field of ours."""

    name: str
    code: str
    detail: str


@dataclass(slots=True)
class Mapped:
    """A record in our words. `payload` is what the API would be sent; it is not validated yet."""

    payload: dict[str, Any] = field(default_factory=dict)
    clock_starts: dict[str, datetime] = field(default_factory=dict)
    source_data: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Instead(Schema):
    columns = fields.List(fields.String(), required=True, validate=validate.Length(1))
    joined_by = fields.String(load_default=": ")
    before = fields.String(load_default="")


class _Dated(Schema):
    """Where an instant comes from; without `date`, the column holds RFC 3339 times."""

    column = fields.String()
    date = fields.String()
    time_zone = fields.String()

    @validates_schema
    def _date_in_zone(self, data: dict[str, Any], **_: Any) -> None:
        if ("date" in data) != ("time_zone" in data):
            raise ma.ValidationError("Give date and time_zone together.", "date")
        try:
            ZoneInfo(data.get("time_zone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ma.ValidationError(
                "There is no such time zone; write for example America/New_York.", "time_zone"
            ) from None
        if "date" in data and "column" not in data:
            raise ma.ValidationError("A date is read from one column.", "column")


class _ClockStart(_Dated):
    column = fields.String(required=True)


class _Field(_Dated):
    columns = fields.List(fields.String(), validate=validate.Length(1))
    joined_by = fields.String(load_default=": ")
    before = fields.String(load_default="")
    values = fields.Dict(fields.String(), fields.String())
    code_map = fields.String()
    otherwise = fields.String()
    only_with = Choice(TARGETS)
    only_without = Choice(TARGETS)
    instead = fields.Nested(_Instead)

    @validates_schema
    def _one_source(self, data: dict[str, Any], **_: Any) -> None:
        if ("column" in data) == ("columns" in data):
            raise ma.ValidationError("Give either column or columns.", "column")
        if {"values", "code_map"} <= data.keys():
            raise ma.ValidationError("Give values or a code map.", "code_map")
        translated = {"values", "code_map"} & data.keys()
        if translated and "column" not in data:
            raise ma.ValidationError("Values are translated from one column.", translated.pop())
        if "otherwise" in data and not translated:
            raise ma.ValidationError("This belongs to values.", "otherwise")


class _ExternalId(Schema):
    column = fields.String(required=True)
    required = fields.Boolean(load_default=False)


class _Needs(Schema):
    column = fields.String(required=True)
    separator = fields.String(load_default=",", validate=validate.Length(1))
    values = fields.Dict(fields.String(), fields.String())
    code_map = fields.String()
    ground = fields.String(required=True)

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        if ("values" in data) == ("code_map" in data):
            raise ma.ValidationError("Give either values or a code map.", "values")


class _File(Schema):
    title = fields.String(required=True)
    format = Choice(FORMATS, required=True)
    encodings = fields.List(Choice(ENCODINGS), load_default=lambda: ["utf-8"], validate=validate.Length(1))
    header = fields.List(fields.String(), load_default=list)
    optional = fields.List(fields.String(), load_default=list)
    source = fields.String(validate=validate.Length(1, 100))
    external_id = fields.Nested(_ExternalId)
    constants = fields.Dict(fields.String(), fields.Raw(), load_default=dict)
    fields_ = fields.Dict(
        fields.String(validate=validate.OneOf(TARGETS)), fields.Nested(_Field), load_default=dict, data_key="fields"
    )
    whole = fields.List(fields.String(validate=validate.OneOf(WHOLE)), load_default=list)
    needs = fields.Nested(_Needs)
    clock_starts = fields.Dict(
        fields.String(validate=Pattern("^[a-z][a-z_]{0,60}$")), fields.Nested(_ClockStart), load_default=dict
    )

    @validates_schema
    def _columns_known(self, data: dict[str, Any], **_: Any) -> None:
        if data["format"] != "csv":
            return
        if not data["header"]:
            raise ma.ValidationError("Name the columns by which the header is known.", "header")
        known = {*data["header"], *data["optional"]}
        wrong = {
            where: [f"{name!r} is neither in header nor in optional."]
            for where, name in _named(data)
            if name not in known
        }
        if wrong:
            raise ma.ValidationError(wrong)

    @validates_schema
    def _ids_of_a_system(self, data: dict[str, Any], **_: Any) -> None:
        if "external_id" in data and "source" not in data and "source" not in {*data["fields_"], *data["whole"]}:
            raise ma.ValidationError("External ids need the system they are from.", "source")


def _named(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every column that the mapping names, with the key where it does."""
    found = [("external_id", data["external_id"]["column"])] if "external_id" in data else []
    found += [("needs", data["needs"]["column"])] if "needs" in data else []
    found += [("whole", name) for name in data["whole"]]
    for key, specs in (("fields", data["fields_"]), ("clock_starts", data["clock_starts"])):
        for target, spec in specs.items():
            columns = [*_columns_of(spec), *_columns_of(spec.get("instead", {}))]
            found += [(f"{key}.{target}", column) for column in columns]
    return found


def _columns_of(spec: Mapping[str, Any]) -> list[str]:
    return [spec["column"]] if "column" in spec else list(spec.get("columns", []))


Step = Callable[[Row, Mapped], None]


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


def _blank(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, str) and value.isspace())


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
        data = _File().load(tomllib.loads(text))
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
        steps=tuple(_steps(data)),
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
        if name not in _TOP:
            yield f"constants.{name}: Must be one of: {', '.join(_TOP)}."
        else:
            yield from _refused(f"constants.{name}", _COMPLAINT.fields[name], value)
    for target, spec in data["fields_"].items():
        if "date" in spec and target != "received_at":
            yield f"fields.{target}.date: Only received_at is a time; clock_starts are another."
        known = _field_of(target)
        for key, value in spec.get("values", {}).items():
            yield from _refused(f"fields.{target}.values.{key}", known, _read(target, value))
        if "otherwise" in spec:
            yield from _refused(f"fields.{target}.otherwise", known, _read(target, spec["otherwise"]))
    if "needs" in data:
        need = NeedIn().fields
        yield from _refused("needs.ground", need["ground"], data["needs"]["ground"])
        for key, value in data["needs"]["values"].items():
            yield from _refused(f"needs.values.{key}", need["flag"], value)


def _field_of(target: str) -> Any:
    """The field of the API's payload; None for a part of an amount, which is judged as a whole."""
    part, _, name = target.partition(".")
    if part in _MONEY:
        return None
    return _PARTS[part].fields[name] if name else _COMPLAINT.fields[target]


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
        if "column" in spec and not {"values", "date", *_CONDITIONS} & set(spec)
    ]
    ids = [data["external_id"]["column"]] if "external_id" in data else []
    return frozenset([*plain, *ids, *data["whole"]])


def _steps(data: Mapping[str, Any]) -> Iterator[Step]:
    texts_only = data["format"] == "csv"
    yield from (_whole(name, texts_only=texts_only) for name in data["whole"])
    if "external_id" in data:
        yield _external_id(**data["external_id"])
    specs = data["fields_"].items()
    plain = [(target, spec) for target, spec in specs if not _CONDITIONS & set(spec)]
    conditional = [(target, spec) for target, spec in specs if _CONDITIONS & set(spec)]
    yield from (_field(target, spec, texts_only=texts_only) for target, spec in plain + conditional)
    if any(target.startswith("issue.") for target in data["fields_"]):
        yield _category_of_issue
    if "needs" in data:
        yield _needs(**data["needs"])
    yield from (_clock_start(name, spec) for name, spec in data["clock_starts"].items())


def _read(target: str, value: Any) -> Any:
    """The number that a text stands for, where the field takes one; anything else as it is, for the API to judge."""
    if target not in _NUMBERS or not isinstance(value, str):
        return value
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else value


def _whole(name: str, *, texts_only: bool) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        value = row.get(name)
        if not _blank(value):
            mapped.payload[name] = _read(name, value) if texts_only else value

    return step


def _external_id(column: str, *, required: bool) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        value = row.get(column)
        if not _blank(value):
            number = isinstance(value, int) and not isinstance(value, bool)
            mapped.payload["external_id"] = str(value) if number else value
        elif required:
            mapped.problems.append(Problem("external_id", "required", f"The column {column!r} is blank."))

    return step


def _field(target: str, spec: Mapping[str, Any], *, texts_only: bool) -> Step:
    take, put = _taker(target, spec), _putter(target)
    reads = target in _NUMBERS and (texts_only or "values" in spec)
    with_, without = spec.get("only_with"), spec.get("only_without")
    instead = _joined(**spec["instead"]) if "instead" in spec else None

    def step(row: Row, mapped: Mapped) -> None:
        if with_ is not None and not _present(mapped.payload, with_):
            return
        if without is not None and _present(mapped.payload, without):
            return
        value = take(row, mapped)
        if value is None and instead is not None:
            value = instead(row, mapped)
            mapped.source_data.setdefault(NOTES, {})[target] = f"made from {', '.join(spec['instead']['columns'])}"
        if value is not None:
            put(mapped.payload, _read(target, value) if reads else value)

    return step


def _taker(target: str, spec: Mapping[str, Any]) -> Callable[[Row, Mapped], Any]:
    if "columns" in spec:
        return _joined(spec["columns"], spec["joined_by"], spec["before"])
    if "date" in spec:
        dated = _dated(target, spec)
        return lambda row, mapped: None if (at := dated(row, mapped)) is None else rfc3339(at)
    column, values, otherwise = spec["column"], spec.get("values"), spec.get("otherwise")

    def take(row: Row, _mapped: Mapped) -> Any:
        value = row.get(column)
        if _blank(value):
            return otherwise
        if values is None:
            return value
        return values.get(value.strip(), otherwise) if isinstance(value, str) else otherwise

    return take


def _joined(columns: Sequence[str], joined_by: str, before: str) -> Callable[[Row, Mapped], str | None]:
    def take(row: Row, _mapped: Mapped) -> str | None:
        found = [str(value).strip() for name in columns if not _blank(value := row.get(name))]
        return before + joined_by.join(dict.fromkeys(found)) if found else None

    return take


def _putter(target: str) -> Callable[[dict[str, Any], Any], None]:
    part, _, name = target.partition(".")
    if not name:
        return lambda payload, value: payload.__setitem__(target, value)
    if part == "issue":
        return lambda payload, value: payload.setdefault("issues", [{}])[0].__setitem__(name, value)
    return lambda payload, value: payload.setdefault(part, {}).__setitem__(name, value)


def _present(payload: Mapping[str, Any], target: str) -> bool:
    part, _, name = target.partition(".")
    holder: Any = payload.get("issues", [{}])[0] if part == "issue" else payload.get(part)
    return name in (holder or {}) if name else part in payload


def _category_of_issue(_row: Row, mapped: Mapped) -> None:
    """An issue code says its category: `DEL.LATE` is of `DEL`."""
    for issue in mapped.payload.get("issues", []):
        if "category" not in issue and isinstance(issue.get("issue"), str):
            issue["category"] = issue["issue"].partition(".")[0]


def _needs(column: str, separator: str, values: Mapping[str, str], ground: str) -> Step:
    def step(row: Row, mapped: Mapped) -> None:
        cell = row.get(column)
        if isinstance(cell, str) and cell:
            flags = dict.fromkeys(values[tag] for part in cell.split(separator) if (tag := part.strip()) in values)
            if flags:
                mapped.payload["needs"] = [{"flag": flag, "ground": ground} for flag in flags]

    return step


def _clock_start(name: str, spec: Mapping[str, Any]) -> Step:
    """As bounded as `received_at`: from 1990 on here, and not in the future, which is asked when the record is written."""
    target = f"clock_starts.{name}"
    dated = _dated(target, spec)

    def step(row: Row, mapped: Mapped) -> None:
        at = dated(row, mapped)
        if at is None:
            return
        if at < EARLIEST:
            mapped.problems.append(Problem(target, "invalid", "Deadlines are computed from 1990 on."))
        else:
            mapped.clock_starts[name] = at

    return step


def _dated(target: str, spec: Mapping[str, Any]) -> Callable[[Row, Mapped], datetime | None]:
    """The instant in a column; None where it is blank, and where it is a problem."""
    column, pattern, zone = spec["column"], spec.get("date"), spec.get("time_zone")

    def take(row: Row, mapped: Mapped) -> datetime | None:
        value = row.get(column)
        if _blank(value):
            return None
        try:
            return _instant(str(value).strip(), pattern, zone)
        except (ValueError, OverflowError):
            like = f"a time like {pattern}" if pattern else "an RFC 3339 time with an offset"
            mapped.problems.append(Problem(target, "invalid", f"{str(value)[:60]!r} in {column!r} is not {like}."))
            return None

    return take


@lru_cache(maxsize=4096)
def _instant(value: str, pattern: str | None, zone: str | None) -> datetime:
    """In UTC. A local time that occurs twice is the first; one in a gap moves forward by it (see the SLA's conventions)."""
    if pattern is None or zone is None:
        return parse_rfc3339(value)
    return datetime.strptime(value, pattern).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
