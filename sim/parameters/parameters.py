"""All parameters of a run: one frozen, validated object; every field has unit, range, meaning, source, grade.

Agent types own the sections that describe them; this module adds the world's own and composes the whole.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.lender import LenderParameters
from agents.liquidator import LiquidatorParameters
from agents.manufacturer import ManufacturerParameters
from agents.miner import MinerParameters
from agents.neo_cloud import NeoCloudParameters
from agents.outside_buyer import (
    EnterpriseParameters,
    ExporterParameters,
    HyperscalerParameters,
    SalvagerParameters,
)
from agents.schema import Section
from agents.vocabulary import AgentKind
from sim.base.faults import explained, nearest
from sim.base.renamed import since_when
from sim.parameters.construction import fixed_at_construction
from sim.parameters.credit import CreditParameters
from sim.parameters.market import (
    DiscountParameters,
    ForcedSaleParameters,
    MarketParameters,
    SearchParameters,
    ValuationParameters,
)
from sim.parameters.needs import missing, needs_of, readers, said
from sim.parameters.opening import WorldParameters
from sim.parameters.outside import (
    BitcoinParameters,
    ClockParameters,
    CorrelationParameters,
    InterestParameters,
    PowerParameters,
    RentParameters,
)
from sim.parameters.physical import FreightParameters, HardwareParameters, SiteParameters
from sim.parameters.schema import ParameterError, walk
from sim.parameters.tenants import TenantParameters


class Parameters(Section):
    """Everything that describes a run except its seed.

    Examples
    --------
    >>> Parameters.from_overrides({"lenders.advance_rate": 0.8}).lenders.advance_rate
    0.8
    """

    clock: ClockParameters = ClockParameters()
    rent: RentParameters = RentParameters()
    power: PowerParameters = PowerParameters()
    bitcoin: BitcoinParameters = BitcoinParameters()
    interest: InterestParameters = InterestParameters()
    correlation: CorrelationParameters = CorrelationParameters()
    hardware: HardwareParameters = HardwareParameters()
    site: SiteParameters = SiteParameters()
    freight: FreightParameters = FreightParameters()
    valuation: ValuationParameters = ValuationParameters()
    market: MarketParameters = MarketParameters()
    search: SearchParameters = SearchParameters()
    discount: DiscountParameters = DiscountParameters()
    forced_sale: ForcedSaleParameters = ForcedSaleParameters()
    credit: CreditParameters = CreditParameters()
    tenants: TenantParameters = TenantParameters()
    world: WorldParameters = WorldParameters()
    miners: MinerParameters = MinerParameters()
    neo_clouds: NeoCloudParameters = NeoCloudParameters()
    lenders: LenderParameters = LenderParameters()
    liquidators: LiquidatorParameters = LiquidatorParameters()
    hyperscalers: HyperscalerParameters = HyperscalerParameters()
    enterprises: EnterpriseParameters = EnterpriseParameters()
    exporters: ExporterParameters = ExporterParameters()
    salvagers: SalvagerParameters = SalvagerParameters()
    manufacturer: ManufacturerParameters = ManufacturerParameters()

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, Any], source: str = "overrides") -> "Parameters":
        """Defaults with some dotted keys replaced.

        Raises
        ------
        ParameterError
            Names the source and the key, the allowed range with its unit, and the nearest valid name.
        """
        known = [key for key, _, _ in walk(cls())]
        nested: dict[str, Any] = {}
        for key, value in overrides.items():
            if not isinstance(key, str):
                raise ParameterError(f"{source}: a key is text such as site.vacancy, not {key!r}")
            if key not in known:
                raise ParameterError(_unknown(key, known, source))
            *path, last = key.split(".")
            table = nested
            for part in path:
                table = table.setdefault(part, {})
            table[last] = value
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise ParameterError(f"{source}: {explained(error, cls)}") from None

    def later(self, overrides: Mapping[str, Any], source: str = "overrides") -> "Parameters":
        """These, with some dotted keys replaced while a model lives.

        Raises
        ------
        ParameterError
            As in `from_overrides`; and for a key that has acted when the model was made.
        """
        changed = type(self).from_overrides({**self.flat(), **overrides}, source)
        for key in overrides:
            if fixed := fixed_at_construction(key):
                raise ParameterError(f"{source}: {key} acts when a model is made, not later: {fixed} by then")
        return changed

    def section_of(self, kind: AgentKind) -> Section:
        """The section that describes a type of agents."""
        section: Section = getattr(self, SECTIONS[kind])
        return section

    def flat(self) -> dict[str, Any]:
        """Dotted key -> value, in declared order."""
        return {key: value for key, value, _ in walk(self)}

    def idle(self) -> dict[str, str]:
        """Parameters that change nothing among these values: dotted key -> what it needs and what that is.

        >>> Parameters().idle()["search.contacts_per_year"]
        'needs search.enabled = true (is false)'
        """
        values, needs = self.flat(), needs_of(self)
        wants = {key: missing(key, values, needs) for key in needs}
        return {key: said(need, values) for key, need in wants.items() if need}

    def describe(self) -> list[dict[str, Any]]:
        """One row per parameter: key, value, unit, low, high, meaning, source, grade, needs (conditions), read_by (rooms)."""
        rows, needs, read_by = [], needs_of(self), readers()
        for key, value, field in walk(self):
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            row: dict[str, Any] = {"key": key, "value": value, "meaning": field.description or ""}
            row.update({name: extra.get(name, "") for name in ("unit", "low", "high", "source", "grade")})
            row["needs"] = " and ".join(_bracketed(need) for need in needs.get(key, ()))
            row["read_by"] = read_by.get(key, "")
            rows.append(row)
        return rows


SECTIONS: dict[AgentKind, str] = {
    AgentKind.MINER: "miners",
    AgentKind.NEO_CLOUD: "neo_clouds",
    AgentKind.LENDER: "lenders",
    AgentKind.LIQUIDATOR: "liquidators",
    AgentKind.HYPERSCALER: "hyperscalers",
    AgentKind.ENTERPRISE: "enterprises",
    AgentKind.EXPORTER: "exporters",
    AgentKind.SALVAGER: "salvagers",
    AgentKind.MANUFACTURER: "manufacturer",
}


def _bracketed(need: tuple[object, ...]) -> str:
    """Conditions of which one is enough, in brackets where there are several."""
    said = " or ".join(map(str, need))
    return f"({said})" if len(need) > 1 else said


def _unknown(key: str, known: list[str], source: str) -> str:
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        return f"{source}: {key} is a table; set one of its keys, such as {inside[0]}"
    ending = since_when("parameter", key) or nearest(key, known, "`firesale schema` lists them all")
    return f"{source}: no parameter is called {key}{ending}"


__all__ = ["ParameterError", "Parameters", "walk"]
