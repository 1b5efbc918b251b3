"""Write docs/policy-reference.md from the schema, and docs/hazards.md from the tables: ``python docs/make_policy.py``.

A test holds the pages to the sources.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safepickle.policy.gadgets import GADGET_MODULES, GADGETS
from safepickle.policy.hazards import HAZARD_MODULES, HAZARDS
from safepickle.policy.model import json_schema
from safepickle.policy.rules import Right

DOCS = Path(__file__).resolve().parent
PAGES = ("policy-reference.md", "hazards.md")

REFERENCE_HEAD = """# Policy files: reference

Made from the model's JSON Schema by `docs/make_policy.py`. The schema itself is shipped beside the packs as
`policy.schema.json`, for editors.

A policy file is TOML. Everything that no table allows is denied; keys that are not listed here are errors, with file,
line and what would be right. Loading a policy imports nothing that it names.

"""

RIGHTS = {
    Right.REFER: "appear as a value",
    Right.CALL: "be called",
    Right.NEW: "be made with `cls.__new__`",
    Right.BUILD: "have its instances given state",
    Right.APPEND: "have its instances appended to",
    Right.SETITEM: "have items of its instances set",
    Right.ADD: "have items added to its instances",
}

TABLES = (
    ("", "The file", "The keys outside of any table, and the tables that there are."),
    ("Allow", "`[[allow]]`", ""),
    ("Deny", "`[[deny]]`", ""),
    ("Alias", "`[[alias]]`", ""),
    ("ValueTable", "Constraints", ""),
)

REFERENCE_TAIL = """## Notes

- `[globals]` is the short form: one line for each global, `"module:name" = ["right", ...]`, which is what a refusal
  prints. A known gadget needs `"known-gadget"` among the rights.
- A `[[deny]]` beats every allow, inherited ones too. Limits compose by the smaller.
- `extends` names packs, or files beside this one (`"./base.toml"`).
- Two tables for one global: either may allow. `a | b` and `a & b` put policies together in the same way.
- A constraint is a word (`"int"`), a list of alternatives (`["int", "none"]`), or a table
  (`{ type = "int", min = 0 }`).
"""

HAZARDS_HEAD = """# Gadgets and hazards

Made from `safepickle/policy/gadgets.py` and `safepickle/policy/hazards.py` by `docs/make_policy.py`.

Nothing relies on these tables being complete: what no rule names is denied. They catch mistakes of people who write
policies. Ids such as R22 or D15 are those of the attacks in `tests/attacks`.

## Hazards

`danger`: lint warns, learn never allows it, audit mode never goes on with it. `bound`: its arguments have to be
constrained.

| global | kind | what it hands over | known from |
| --- | --- | --- | --- |
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _kind(schema: dict[str, Any]) -> str:
    """Return what a key takes, in words."""
    if "$ref" in schema:
        return {"Value": "constraint"}.get(schema["$ref"].rsplit("/", 1)[1], "table")
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "anyOf" in schema:
        kinds = dict.fromkeys(_kind(part) for part in schema["anyOf"] if part.get("type") != "null")
        return " or ".join(kinds)
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"table of {_kind(inner)}" if isinstance(inner, dict) else "table"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        str(kind), "value"
    )


def _rows(table: dict[str, Any]) -> str:
    required = table.get("required", ())
    rows = ["| key | takes | meaning |", "| --- | --- | --- |"]
    for key, schema in table["properties"].items():
        needed = " (required)" if key in required else ""
        rows.append(f"| `{key}`{needed} | {_cell(_kind(schema))} | {_cell(schema.get('description', ''))} |")
    return "\n".join(rows)


def reference() -> str:
    """Return the policy reference."""
    schema = json.loads(json_schema())
    parts = [REFERENCE_HEAD]
    for name, title, text in TABLES:
        table = schema["$defs"][name] if name else schema
        parts.append(f"## {title}\n\n{text or table.get('description', '')}\n\n{_rows(table)}\n\n")
        if name == "Allow":
            rights = "\n".join(f"| `{right.label}` | {meaning} |" for right, meaning in RIGHTS.items())
            parts.append(f"### Rights\n\n| right | the global may |\n| --- | --- |\n{rights}\n\n")
    return "".join([*parts, REFERENCE_TAIL])


def hazards() -> str:
    """Return the page of gadgets and hazards."""
    rows = [
        f"| `{module}:{name}` | {hazard.kind} | {_cell(hazard.reason)} | {_cell(hazard.source)} |"
        for (module, name), hazard in sorted(HAZARDS.items())
    ]
    rows += [
        f"| all of `{module}` | {hazard.kind} | {_cell(hazard.reason)} | {_cell(hazard.source)} |"
        for module, hazard in sorted(HAZARD_MODULES.items())
    ]
    gadgets = [f"| `{module}:{name}` | {_cell(reason)} |" for (module, name), reason in sorted(GADGETS.items())]
    gadgets += [f"| all of `{module}` | {_cell(reason)} |" for module, reason in sorted(GADGET_MODULES.items())]
    known = (
        "\n\n## Known gadgets\n\nDenied even where a rule names them, unless the rule says `accept_known_gadget`.\n\n"
        "| global | it |\n| --- | --- |\n"
    )
    return HAZARDS_HEAD + "\n".join(rows) + known + "\n".join(gadgets) + "\n"


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    return dict(zip(PAGES, (reference(), hazards()), strict=True))


if __name__ == "__main__":
    for page, text in pages().items():
        (DOCS / page).write_text(text, encoding="utf-8")
