"""The model of a policy file: which keys there are and of which types, for reading and for editors.

Rules that hold here:

* What the model does not know is an error, never ignored: a key with a typing error in it must not leave a policy
  looser than its author thinks. Types are exact: ``"1"`` is no number.
* Empty names, dunder names, globs and prefixes are refused, and so is a known gadget that the file does not accept in
  so many words.
* The JSON Schema is generated from here, shipped beside the packs and held equal to this by a test.
  ``python -m safepickle.policy.model`` writes it anew.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from ..errors import quote
from ..limits import Limits
from .building import refuse_gadget
from .names import module_problem, name_problem
from .rights import Right
from .rules import WHOLE_MODULE
from .specs import pair_of

__all__ = ["Alias", "Allow", "Deny", "PolicyFile", "Value", "json_schema"]


def _fine(problem: str | None, text: str) -> str:
    if problem is not None:
        raise ValueError(f"{quote(text)}: {problem}")
    return text


def _module(text: str) -> str:
    return _fine(module_problem(text), text)


def _name(text: str) -> str:
    return _fine(name_problem(text), text)


def _name_or_all(text: str) -> str:
    return text if text == WHOLE_MODULE else _name(text)


def _rights(names: list[str]) -> list[str]:
    if not names:
        raise ValueError(f"give at least one right of {', '.join(right.label for right in Right)}")
    Right.parse(names)
    return names


_Module = Annotated[str, AfterValidator(_module), Field(description="A module, as in `import a.b`.")]
_Names = Annotated[list[Annotated[str, AfterValidator(_name)]], Field(min_length=1)]
_DeniedNames = Annotated[list[Annotated[str, AfterValidator(_name_or_all)]], Field(min_length=1)]
_RightNames = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [right.label for right in Right]})]],
    AfterValidator(_rights),
    Field(description="What a stream may do with it."),
]
_Scalar = str | int | float | bool


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", frozen=True)


class Value(_Table):
    """A constraint of one value: a type as a word, a list of alternatives, or this table."""

    type: str | list[str] | None = Field(
        None, description='A built-in type, "any", "none", or "module:Class"; or several.'
    )
    min: int | float | None = Field(None, description="Smallest number.")
    max: int | float | None = Field(None, description="Largest number.")
    min_length: int | None = Field(None, ge=0, description="Fewest characters, bytes or items.")
    max_length: int | None = Field(None, ge=0, description="Most characters, bytes or items.")
    pattern: str | None = Field(None, description="A pattern that the whole text matches; a subset that cannot hang.")
    items: Value | None = Field(None, description="What each item of a list, tuple or set is.")
    elements: list[Value] | None = Field(None, description="What each element of a list or tuple is, one by one.")
    keys: Value | None = Field(None, description="What each key of a dict is.")
    values: Value | None = Field(None, description="What each value of a dict is.")
    fields: dict[str, Value] | None = Field(None, description="A dict with these text keys and no others.")
    enum: list[_Scalar] | None = Field(None, min_length=1, description="One of these values.")
    any_of: list[Value] | None = Field(None, min_length=1, description="One of these alternatives.")
    is_global: str | list[str] | None = Field(
        None, alias="is", description='The class or function "module:name" itself, or one of several.'
    )
    derived: bool = Field(False, description="Classes derived from the named one too.")
    optional: bool = Field(False, description="May be missing.")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if type(given) is str:
            return {"type": given}
        return {"any_of": given} if type(given) is list else given


class Allow(_Table):
    """`[[allow]]`: some globals of one module, and what a stream may do with them."""

    module: _Module
    names: _Names | None = None
    classes: Literal["defined here"] | None = Field(
        None, description="In place of names: every class that says it was defined in this very module."
    )
    rights: _RightNames
    args: list[Value] | None = Field(None, description="The arguments of a call, one by one.")
    kwargs: dict[str, Value] | None = Field(None, description="Its keyword arguments; no others.")
    rest: Value | None = Field(None, description="Any further arguments.")
    state: dict[str, Value] | None = Field(None, description="The attributes an instance is given; no others.")
    state_value: Value | None = Field(None, description="The state as one value, for a __setstate__ of its own.")
    max_instances: int | None = Field(None, ge=1, description="Most objects that one load may make of it.")
    reason: str = Field("", description="Why it is allowed, for reviewers.")
    accept_known_gadget: bool = Field(False, description="Loud: allow it although it is a known gadget.")

    @model_validator(mode="after")
    def _no_silent_gadget(self) -> Allow:
        if not self.accept_known_gadget:
            for name in self.names or ():
                refuse_gadget(self.module, name, "accept_known_gadget = true")
        return self


class Deny(_Table):
    """`[[deny]]`: some globals of one module, or all of them, that no rule can allow."""

    module: _Module
    names: _DeniedNames = Field(description='Their names; ["*"] for all of the module.')
    reason: str = ""


class Alias(_Table):
    """`[[alias]]`: a global, or with `:*` all of a module's, that the stream knows by another name."""

    old: str = Field(alias="from", description="The name that streams have.")
    new: str = Field(
        alias="to",
        description="The name that rules have. Where a library has only the old one, in the same package, it is taken.",
    )

    @field_validator("old", "new")
    @classmethod
    def _is_pair(cls, text: str) -> str:
        module, colon, name = text.partition(":")
        if colon and name == WHOLE_MODULE:
            _module(module)
        else:
            pair_of(text)
        return text

    @model_validator(mode="after")
    def _like_to_like(self) -> Alias:
        if _is_whole(self.old) != _is_whole(self.new):
            raise ValueError('":*" renames a whole module: it stands in both "from" and "to", or in neither')
        if self.old == self.new:
            raise ValueError("an alias of itself")
        return self


def _is_whole(text: str) -> bool:
    return text.partition(":")[2] == WHOLE_MODULE


class PolicyFile(_Table):
    """What a pickle may name, call, make and fill. Everything that no table allows is denied."""

    version: Literal[1] = Field(alias="schema", description="Of this format.")
    name: str = Field("", max_length=100, description="For messages; by default the file's.")
    description: str = ""
    extends: list[str] = Field([], description="Packs, or files beside this one: what they allow is allowed too.")
    limits: dict[str, int | float | str] = Field({}, description="Bounds; they can only tighten the caller's.")
    allow: list[Allow] = []
    globals: dict[str, list[str]] = Field({}, description='One line for each global: "module:name" = ["call"].')
    alias: list[Alias] = []
    deny: list[Deny] = []

    @field_validator("limits")
    @classmethod
    def _are_limits(cls, given: dict[str, int | float | str]) -> dict[str, int | float | str]:
        try:
            Limits.from_mapping(given)
        except TypeError as error:  # a bool or a float where a whole number belongs: pydantic expects a ValueError
            raise ValueError(str(error)) from None
        return given

    @field_validator("alias")
    @classmethod
    def _applied_once(cls, given: list[Alias]) -> list[Alias]:
        # Policy.rename applies one alias and then decides; a second one would be silently left out.
        sources = {alias.old for alias in given}
        if len(sources) < len(given):
            raise ValueError('the same "from" stands in two aliases')
        for alias in given:
            if alias.new in sources or f"{alias.new.partition(':')[0]}:{WHOLE_MODULE}" in sources:
                raise ValueError(f"{quote(alias.new)} is itself an alias; name the global that it leads to")
        return given


def json_schema() -> str:
    """Return the JSON Schema of policy files, as it is shipped."""
    schema = PolicyFile.model_json_schema(by_alias=True)
    tables = schema["$defs"]
    # The model sees the short forms as tables already.
    tables["ValueTable"] = tables["Value"]
    tables["Value"] = {
        "description": "A type as a word, a list of alternatives, or a table.",
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"$ref": "#/$defs/Value"}, "minItems": 1},
            {"$ref": "#/$defs/ValueTable"},
        ],
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "safepickle policy file",
        **{key: value for key, value in schema.items() if key != "title"},
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    from .packs import packs_folder

    (packs_folder() / "policy.schema.json").write_text(json_schema(), "utf-8")
