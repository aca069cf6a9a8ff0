"""Fields of payloads in the OpenAPI document: apispec's reading of ours, with its slips mended."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import marshmallow as ma
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from helpdesk.kernel.schemas import (
    BinaryFile,
    Called,
    Choice,
    Code,
    CommaList,
    MoneyBalance,
    MoneyField,
    Names,
    Several,
    Timestamp,
)

Vocabularies = Mapping[str, Iterable[str]]


class Fields(MarshmallowPlugin):
    """apispec's reading of our fields. Set up in `init_spec`: flask-smorest renders its first schema right after it."""

    def __init__(self, vocabularies: Vocabularies) -> None:
        super().__init__(schema_name_resolver=_name)
        self._names = {tuple(words): name for name, words in vocabularies.items()}

    def init_spec(self, spec: Any) -> None:
        super().init_spec(spec)
        converter: Any = self.converter
        converter.add_attribute_function(_repairs_with(self._names))
        register: Any = self  # apispec annotates only half of its methods
        register.map_to_openapi_type(Timestamp, "string", "date-time")
        register.map_to_openapi_type(MoneyField, "object", None)
        register.map_to_openapi_type(MoneyBalance, "object", None)
        register.map_to_openapi_type(CommaList, "string", None)
        register.map_to_openapi_type(Names, "string", None)
        register.map_to_openapi_type(BinaryFile, "string", "binary")


def _name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__)


def _repairs_with(names: Mapping[tuple[str, ...], str]) -> Callable[..., dict[str, Any]]:
    def repairs(_converter: Any, field: fields.Field[Any], ret: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Runs last, on what apispec has found (`ret`)."""
        if isinstance(field, Several):
            ret |= {"minItems": 1, "maxItems": field.most, "uniqueItems": True}
            if not field.in_payload:
                return _repairs(field, ret)
            names_of_list = ("type", "items", "minItems", "maxItems", "uniqueItems")
            many = {name: ret.pop(name) for name in names_of_list if name in ret}
            return {"anyOf": [many["items"], many]} | _repairs(field, ret)
        found: dict[str, Any] = {}
        if isinstance(field, Called):
            found = _text_or_number(field, ret)
        elif isinstance(field, MoneyField):
            found = _named("MoneyBalance" if isinstance(field, MoneyBalance) else "Money", field, ret)
        elif isinstance(field, Code):
            found = _named(field.name_of_all, field, ret)
        elif isinstance(field, Choice):
            name = names.get(field.choices)
            words = {"type": "string", "enum": list(field.choices)}
            found = _one_of(words, field, ret) if name is None else _named(name, field, ret)
        return found | _repairs(field, ret)

    return repairs


def _text_or_number(field: Called, ret: dict[str, Any]) -> dict[str, Any]:
    text = {name: ret.pop(name) for name in ("type", "minLength", "maxLength") if name in ret}
    low, high = field.bounds
    return {"anyOf": [text, {"type": "integer", "minimum": low, "maximum": high}]}


def _named(name: str, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    return _one_of({"$ref": f"#/components/schemas/{name}"}, field, ret)


def _one_of(schema: dict[str, Any], field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """The schema in place of what apispec said of the type. "Or null" as an alternative: generators make one type of it."""
    for key in ("type", "enum"):
        ret.pop(key, None)
    return {"anyOf": [schema, {"type": "null"}]} if field.allow_none else schema


def _repairs(field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in field.validators:
        if isinstance(rule, ma.validate.Range) and rule.min is not None and not rule.min_inclusive:
            found["exclusiveMinimum"] = rule.min
    # `example` is deprecated in 3.1. Its None means "leave it out" to `example_of`, and is an example only of what may be null.
    if "example" in ret:
        example = ret.pop("example")
        if example is not None or field.allow_none:
            found["examples"] = [example]
    return found
