"""What `firesale schema` says of the parameters: in lines to read, and as a JSON schema for editors."""

from collections.abc import Iterator
from typing import Any

from experiments.design.scenario import ScenarioError, load
from experiments.runs.run import DEFAULT_ARM
from sim.parameters import Parameters
from sim.parameters.needs import plain


class Described:
    """The parameters of a scenario, or their defaults.

    Parameters
    ----------
    scenario
        Name or file; empty for the defaults.
    arm
        One of its arms; none or ``default`` for the scenario itself.
    """

    def __init__(self, scenario: str, arm: str | None) -> None:
        if arm and not scenario:
            raise ScenarioError("--arm: an arm belongs to a scenario; name it with --scenario")
        self.here = bool(scenario)
        chosen = None if arm == DEFAULT_ARM else arm
        self.parameters = load(scenario).parameters(chosen) if scenario else Parameters()
        self.idle = self.parameters.idle() if scenario else {}

    def lines(self, prefix: str) -> list[str]:
        """Two lines for each key that begins with `prefix`: the value and what it means; who reads it and what it needs."""
        rows = [row for row in self.parameters.describe() if row["key"].startswith(prefix)]
        width = max((len(row["key"]) for row in rows), default=0)
        return [line for row in rows for line in (_first(row, width), self._second(row))]

    def _second(self, row: dict[str, Any]) -> str:
        said = f"    read by {row['read_by']}"
        if row["key"] in self.idle:
            return f"{said}; changes nothing here: {self.idle[row['key']]}"
        return f"{said}; needs {row['needs']}" if row["needs"] and not self.here else said

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of all parameters, with ``read_by`` and ``needs``; of a scenario also its values and what is idle."""
        schema = Parameters.model_json_schema()
        about = {row["key"]: row for row in self.parameters.describe()}
        for key, field in _properties(schema, schema, ""):
            field |= {"read_by": about[key]["read_by"], "needs": about[key]["needs"]}
            if self.here:
                field |= {"value": about[key]["value"], "changes_nothing": self.idle.get(key, "")}
        return schema


def _first(row: dict[str, Any], width: int) -> str:
    has_range = row["low"] not in ("", None)
    allowed = f" ({row['low']:,} to {row['high']:,} {row['unit']})" if has_range else ""
    graded = f" [{': '.join(filter(None, (row['grade'], row['source'])))}]" if row["grade"] else ""
    return f"{row['key']:<{width}} = {plain(row['value'])}{allowed}  {row['meaning']}{graded}"


def _properties(
    schema: dict[str, Any], table: dict[str, Any], prefix: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted key and description of every leaf; tables stand under ``$defs``, each in one place."""
    for name, field in table["properties"].items():
        if "$ref" in field:
            inner = schema["$defs"][field["$ref"].rpartition("/")[2]]
            yield from _properties(schema, inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field
