"""All parameters of a run: one frozen, validated object; every field has unit, range, meaning, source, grade.

Agent types own the sections that describe them; this module adds the world's own and composes the whole.
"""

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self

from pydantic import ValidationError, create_model

from agents.buyer import Buyer, BuyerParameters
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
from agents.party import Party
from agents.plugins import PluginError, load
from agents.registration import registered
from agents.schema import Section, setting
from sim.base.faults import explained, nearest
from sim.base.renamed import since_when
from sim.parameters.boom import ConstructionParameters, ContractParameters, EquityParameters
from sim.parameters.construction import fixed_at_construction
from sim.parameters.credit import CreditParameters
from sim.parameters.market import (
    DiscountParameters,
    ForcedSaleParameters,
    MarketParameters,
    SearchParameters,
    ValuationParameters,
)
from sim.parameters.needs import check_files, missing, needs_of, readers, said
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

    Attributes
    ----------
    agent_types
        Types registered beside the shipped ones, or in their place; the new ones have a section each.

    Examples
    --------
    >>> Parameters().with_({"lenders.tail_years": 0.5}).lenders.tail_years
    0.5
    """

    agent_types: ClassVar[tuple[type[Party], ...]] = ()

    plugin: str = setting("", "module whose agent types and outcomes take part; empty for none")
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
    contracts: ContractParameters = ContractParameters()
    construction: ConstructionParameters = ConstructionParameters()
    equity: EquityParameters = EquityParameters()
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
        whole = _composed(overrides.get("plugin", ""), source)
        known = [key for key, _, _ in walk(whole())]
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
            return whole.model_validate(nested)
        except ValidationError as error:
            raise ParameterError(f"{source}: {explained(error, whole)}") from None

    def with_(self, changes: Mapping[str, Any]) -> "Parameters":
        """These, with some dotted keys replaced.

        Raises
        ------
        ParameterError
            As in `from_overrides`.
        """
        return Parameters.from_overrides({**self.flat(), **changes}, "with_")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with whole sections replaced, which are not validated; for one key use `with_`.

        Raises
        ------
        ParameterError
            For a key that is no section: pydantic would keep it beside the parameters, where nothing reads it.
        """
        for key in update or {}:
            if key not in type(self).model_fields:
                raise ParameterError(
                    f"model_copy: {key} is no section of the parameters; use with_({{{key!r}: ...}})"
                )
        return super().model_copy(update=update, deep=deep)

    def complete(self) -> "Parameters":
        """These, with sections for the types that were registered since they were made."""
        if _composed(self.plugin, "parameters") is type(self):
            return self
        return Parameters.from_overrides(self.flat(), "parameters")

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # nothing in it can change

    def __reduce__(self) -> Any:
        # A class composed with registered types has no name another process could import it by.
        return Parameters.from_overrides, (self.flat(),)

    def __repr__(self) -> str:
        default = type(self)().flat()
        flat = self.flat()
        changed = [f"{key}={value!r}" for key, value in flat.items() if value != default[key]]
        same = f"{len(flat) - len(changed)} at their defaults"
        return f"Parameters({', '.join(changed)}; {same})" if changed else f"Parameters({same})"

    __str__ = __repr__

    def later(self, overrides: Mapping[str, Any], source: str = "overrides") -> "Parameters":
        """These, with some dotted keys replaced while a model lives.

        Raises
        ------
        ParameterError
            As in `from_overrides`; and for a key that has acted when the model was made.
        """
        changed = Parameters.from_overrides({**self.flat(), **overrides}, source)
        sections = [buyer.section for buyer in self.buyers()]
        for key in overrides:
            if fixed := fixed_at_construction(key, sections):
                raise ParameterError(f"{source}: {key} acts when a model is made, not later: {fixed} by then")
        return changed

    def buyers(self) -> dict[type[Buyer], BuyerParameters]:
        """Registered types that are new, with the section that describes each."""
        return {buyer: getattr(self, buyer.section) for buyer in self.agent_types if issubclass(buyer, Buyer)}

    def section_of(self, agent_type: type[Party]) -> Section:
        """The section that describes a type of agents."""
        section: Section = getattr(self, agent_type.section)
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

    def check_files(self) -> Self:
        """These, if every file they name is there and is read with them.

        Raises
        ------
        ParameterError
            Names the key that reads it.
        """
        sections = (getattr(self, name) for name in type(self).model_fields)
        named = (
            getattr(section, name)
            for section in sections
            if isinstance(section, Section)
            for name in type(section).model_fields
            if name.endswith("_file")
        )
        if any(named):
            check_files(self.flat(), needs_of(self))
        return self

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


def _composed(plugin: str, source: str) -> type[Parameters]:
    """The parameters with a section for every type registered for those who name a plugin."""
    if plugin:
        try:
            load(plugin)
        except PluginError as error:
            raise ParameterError(f"{source}: plugin = {plugin!r}: {error}") from error
    return _with_sections(registered(plugin))


@cache
def _with_sections(types: tuple[type[Party], ...]) -> type[Parameters]:
    if not types:
        return Parameters
    buyers = [agent_type for agent_type in types if issubclass(agent_type, Buyer)]
    sections: dict[str, Any] = {}
    for buyer in buyers:
        if buyer.section in Parameters.model_fields or buyer.section in sections:
            others = [other.__name__ for other in buyers if other.section == buyer.section]
            holder = " and ".join(others) if len(others) > 1 else "a section of the model"
            raise ParameterError(
                f"{buyer.__name__}.section = {buyer.section!r} is taken ({holder}); give it another name, or take a type "
                "back with firesale.unregister_agent"
            )
        described = create_model(
            buyer.parameters_type.__name__,
            __base__=buyer.parameters_type,
            __doc__=buyer.__doc__,
            **_inherited(buyer.parameters_type),
        )
        described.needs = {**described.needs, f"{buyer.section}.count > 0": "*"}
        sections[buyer.section] = (described, described())
    whole = create_model("Parameters", __base__=Parameters, __doc__=Parameters.__doc__, **sections)
    whole.agent_types = types
    return whole


def _inherited(section: type[BuyerParameters]) -> dict[str, Any]:
    """Fields of which only another default is stated, with unit, range and meaning of `BuyerParameters`."""
    found = {}
    for name, stated in BuyerParameters.model_fields.items():
        field = section.model_fields[name]
        if field.json_schema_extra is None:
            whole = copy.copy(stated)
            whole.default = field.default
            found[name] = (stated.annotation, whole)
    return found


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
