"""What the sections of config.yaml are made of: frozen models, and the types of their keys.

A section's class is the one place where a key stands: its type, bounds and default, and, as the text below
it, what it means. The JSON schema for editors and docs/config.md are written from these classes.

A new key is a field with its text; a line in ``depends``, or in the method behind it, if it changes numbers;
and ``python -m brodmann.config.document``.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
)
from pydantic import Discriminator as _Discriminator
from pydantic import WrapValidator as _Wrap
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from brodmann.config.resolve import Resolver
    from brodmann.config.study import Study


class Section(BaseModel):
    """A mapping of the config: unknown keys are errors, values do not change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """With the texts below the keys as descriptions; they are read from the file only when asked for."""
        schema = handler(core_schema)
        keys = handler.resolve_ref_schema(schema)["properties"]
        lines = ast.parse(inspect.getsource(cls)).body[0].body  # type: ignore[attr-defined]
        for key, text in pairwise(lines):
            if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr):
                name = key.target.id  # type: ignore[union-attr]
                alias = cls.model_fields[name].alias or name
                keys[alias]["description"] = ast.literal_eval(text.value)
        return schema

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """This section's part in what ``stage`` depends on: where it changes, the stage runs again.

        What enters store keys is said by the same methods here and there.
        """
        return {}

    def part(self, *keys: str) -> dict[str, Any]:
        """Some of its values, as JSON has them, in the order of its class."""
        return self.model_dump(mode="json", include=set(keys))

    def but(self, **changes: Any) -> Self:
        """A copy with some values resolved: they are not checked again."""
        return self.model_copy(update=changes)


class MapSection(Section):
    """The section that a map brings (``brodmann.maps``), as it is written and as it is resolved."""

    def resolved(self, selected: tuple[str, ...], here: Resolver) -> Self:
        """The section with its files and its globs among the ``selected`` tasks found."""
        return self

    @classmethod
    def of(cls, study: Study) -> Self:
        """This section of the study."""
        return next(own for _, own in study if isinstance(own, cls))


def _whole(value: Any) -> Any:
    """A whole number may be written 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    """A number that is written 3 stays one: it stands so in names and in store keys."""
    check(value)
    return value


def _a_list(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("tuple_type", "not a list")
    return value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("twice", "holds the same entry twice")
    return values


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "|mapping"
    return "|text" if isinstance(value, str) else "|number"


T = TypeVar("T")
AS_WHOLE = BeforeValidator(_whole)
AS_WRITTEN = (_Wrap(_as_written), PlainSerializer(lambda value: value, return_type=Any))
_A_LIST = BeforeValidator(_a_list)
_DISTINCT = (AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True}))

Truth = Annotated[bool, Strict()]
Text = Annotated[str, Strict()]
SomeText = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict(), Field(ge=0), AS_WHOLE]
Count = Annotated[int, Strict(), Field(ge=1), AS_WHOLE]
Number = Annotated[float, Strict(), *AS_WRITTEN]
Positive = Annotated[float, Strict(), Field(gt=0), *AS_WRITTEN]
Share = Annotated[float, Strict(), Field(ge=0, le=1), *AS_WRITTEN]
Percent = Annotated[float, Strict(), Field(gt=0, le=100), *AS_WRITTEN]
Several = Annotated[tuple[T, ...], _A_LIST]
OneOrMore = Annotated[tuple[T, ...], Field(min_length=1), _A_LIST]
Distinct = Annotated[tuple[T, ...], *_DISTINCT, _A_LIST]
DistinctSome = Annotated[tuple[T, ...], Field(min_length=1), *_DISTINCT, _A_LIST]
# Of several types, the one whose tag fits the value is asked for; errors name no tag.
TAGS = ("|mapping", "|text", "|number")
BY_KIND = _Discriminator(_kind)


def floats(values: tuple[float, ...] | None) -> tuple[float, ...]:
    """As they stand in names: 1 and 1.0 are the same size."""
    return tuple(map(float, values or ()))
