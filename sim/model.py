"""The model: one week of the secondary market, top to bottom.

>>> from sim.model import FireSaleModel
>>> from sim.parameters import Parameters, dotted
>>> model = FireSaleModel(Parameters(), rng=7)
>>> model.run_for(2)
>>> int(model.time)
2
"""

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mesa
import networkx
import numpy as np

from agents.party import Party
from agents.view import View, frozen
from agents.vocabulary import AgentKind, Bools, Floats, Intents
from sim.base.inputs import noting
from sim.base.randomness import Randomness, Seed, seed_of
from sim.base.recorder import Recorder
from sim.construction import halls
from sim.contracts import boom
from sim.discount.shapley import Calendar
from sim.discount.three_prices import best_use_values, three_prices
from sim.drivers.drivers import Drivers
from sim.lending import (
    bitcoin_margin,
    debt_service,
    estates,
    financing,
    forced_sale,
    monitoring,
    orders,
    workout,
)
from sim.market import market, search, settlement, treasury
from sim.market.market import MarketResult
from sim.market.outlook import build_view, typical_values
from sim.market.venue import venue_of
from sim.market.week import Cohort, MarketWeek, ask, cohort_of
from sim.opening.casting import cast, check_row
from sim.opening.population import build_world
from sim.operating import operations, tenancy
from sim.parameters import Parameters, dotted
from sim.places.topology import Topology, load_places
from sim.record.collector import Collector
from sim.record.columns import TABLES
from sim.record.tables import record_anatomy, record_run, record_shapley, record_week
from sim.state import recoveries
from sim.state.ledger import Account, Ledger
from sim.state.standing import QUARTER_WEEKS
from sim.state.world import REST_OF_WORLD


class FireSaleModel(mesa.Model):  # type: ignore[misc]
    """Miners, neo-clouds, lenders, liquidators and outside buyers trading GPUs on a map of real sites.

    Parameters
    ----------
    parameters : Parameters, optional
        Frozen and validated; all defaults if left out.
    rng : int, SeedSequence or None
        The seed; None takes one from the system. Every draw is a function of (seed, replication, purpose, week, entity), so
        two models with one seed share their shocks whatever their parameters.
    replication : int
        Number of the replication.
    flat
        Parameters by flat name, for `mesa.batch_run`: ``site__vacancy=0.05`` is ``site.vacancy``.

    Notes
    -----
    ``step`` is the list of phases in `phases`; each takes the week and acts on `world`. After the last week ``running`` is
    false. To override one agent's behaviour, subclass its type and put an instance on its row::

        class PatientMiner(Miner):
            def decide(self, view):
                return Intents() if view.week < 52 else super().decide(view)

        old = model.agents_by_type[Miner].to_list()[0]
        old.remove()
        PatientMiner(model, old.row)

    To do so in every run of a sweep, or to add a type of buyers, see `agents.registration.register_agent`.
    """

    def __init__(
        self,
        parameters: Parameters | None = None,
        *,
        rng: Seed = 7,
        replication: int = 0,
        **flat: Any,
    ) -> None:
        self.seed = seed_of(rng)
        self._on_row: dict[int, Party] = {}
        self._lives_a_week = False
        super().__init__(rng=self.seed)
        if parameters is not None and not isinstance(parameters, Parameters):
            raise TypeError(
                f"{type(parameters).__name__} is no Parameters: firesale.Parameters().with_({{...}}), "
                "or firesale.scenario(name).parameters()"
            )
        parameters = (parameters if parameters is not None else Parameters()).complete()
        if flat:
            parameters = parameters.with_(dotted(flat))
        parameters.check_files()
        randomness = Randomness(self.seed, replication)
        with noting() as self.inputs:
            topology = Topology(parameters, load_places(parameters))
            drivers = Drivers(parameters, randomness, topology.zone_names, parameters.clock.weeks)
            self.world = build_world(parameters, randomness, drivers, topology)
        self._people()
        self.recorder = Recorder(self.n_weeks, TABLES)
        self.timings: dict[str, float] = {}
        self.shapley_calendar = Calendar()
        self._open()
        self.phases = (
            ("drivers", self._draw),
            ("operations", self._operate),
            ("tenants", self._serve_tenants),
            ("bitcoin loans", self._call_margin),
            ("debt service", self._service_debt),
            ("covenants", self._test_covenants),
            ("workouts", self._work_out),
            ("forced sale", self._force),
            ("contracts", self._build),
            ("decisions", self._decide),
            ("market", self._clear),
            ("discount", self._quote),
            ("anatomy", self._dissect),
            ("settlement", self._settle),
            ("record", self._record),
            ("close", self._close),
        )
        record_run(self.recorder, topology)
        # Mesa's own, the engine's, and what the first week brings.
        self._of_engine = frozenset({*vars(self), "_of_engine", "present", "result", "market_week"})

    def _open(self) -> None:
        """The market before its first week."""
        # What the phases of a week hand on, until the quotes make one `MarketWeek` of it.
        self.world.market.typical_value_usd = typical_values(self.world, 0)
        self.view: View = build_view(self.world, 0)
        self.intents = Intents()
        self.bids = self.intents.buy
        self.asked: tuple[Cohort, ...] = ()
        self.present: Bools
        self.result: MarketResult
        self.market_week: MarketWeek
        self.world.credit.opening_net_asset_value_cents[:] = self.world.net_asset_value_cents()
        self.world.market.price_usd[:] = np.maximum(
            self.view.market.typical_value_usd - self.view.products.moving_usd, 1.0
        )[:, None]
        self.world.market.best_use_value_usd = best_use_values(self.view)

    def _people(self) -> None:
        """An agent for every row."""
        for agent_type, rows in cast(self.world):
            agent_type.create_agents(self, len(rows), row=rows.tolist())
            if not self._on_row.keys() >= set(rows.tolist()):
                raise TypeError(
                    f"{agent_type.__name__}.__init__ must take (model, row) and call super().__init__(model, row)"
                )

    # -- one week -----------------------------------------------------------------------------------------

    @property
    def week(self) -> int:
        """Index of the week being lived; the first is 0."""
        return int(self.time) - 1

    def step(self) -> None:
        """Live one week: every phase in order, timed."""
        week = self.week
        self._lives_a_week = True
        for name, phase in self.phases:
            start = time.perf_counter()
            phase(week)
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start
        self._lives_a_week = False

    def _advance_time(self, until: float) -> None:
        """Mesa's way to later times, which `step` and `run_for` take; refused where the drivers end."""
        self._between_weeks("a week began")
        if until > self.n_weeks:
            raise ValueError(
                f"the drivers are drawn for clock.weeks = {self.n_weeks}; week {math.ceil(until)} was asked for "
                "(`while model.running: model.step()` ends by itself)"
            )
        super()._advance_time(until)

    def _draw(self, week: int) -> None:
        """This week's rent, given what runs (economics.md section 6: feedback on deviations from plan)."""
        world = self.world
        world.week = week
        world.btc_usd = float(world.drivers.btc_usd[week])
        world.credit.counts = {}
        running = world.running_h100_equivalents() if week else None
        share = self.parameters.contracts.represented_share
        supply = world.plan.relative_supply(week, running, world.rents.planned_h100e, share)
        world.rents.contract_usd_per_hour = world.drivers.rent(week, supply)
        # Contract rent drives values, spot what is earned on demand (contracts.md 2.2).
        world.rents.spot_usd_per_hour = world.rents.contract_usd_per_hour * world.drivers.spot_factor[week]

    def _operate(self, week: int) -> None:
        """Halls come to have power, units arrive and break; fleets earn, mine and pay their bills."""
        halls.energise(self.world, week)
        operations.arrive(self.world, week)
        operations.fail(self.world, week)
        operations.operate(self.world, week)

    def _serve_tenants(self, week: int) -> None:
        """Once a month tenants pay, ask for relief or fail, and operators let what stands free."""
        tenancy.fail_largest(self.world, week)
        if self.parameters.credit.tenants and self.world.drivers.starts_month(week):
            tenancy.live_month(self.world, week, self.world.drivers.months_begun(week))

    def _call_margin(self, week: int) -> None:
        """Bitcoin loans are tested on the week's low: post, pay, or be sold."""
        bitcoin_margin.call(self.world, week)

    def _service_debt(self, week: int) -> None:
        """Loans are refinanced and paid in the week that holds the first of a month; then lenders are margined."""
        nothing = np.zeros(self.ledger.parties.n, dtype=np.int64)
        self.world.credit.owe(week, nothing, nothing, nothing)
        if self.world.drivers.starts_month(week):
            debt_service.service_debt(self.world, week)
            financing.margin_lenders(self.world, week)
            financing.charge_undrawn(self.world, week)

    def _test_covenants(self, week: int) -> None:
        """Marks are kept every week; appraisals and tests come once a quarter."""
        marks = self.world.best_use_marks
        monitoring.mark(self.world)
        marks.mark(self.world.market.best_use_value_usd)
        if week % QUARTER_WEEKS == 0:
            monitoring.review(self.world, week)
            marks.appraise(self.parameters.credit)

    def _work_out(self, week: int) -> None:
        """Grace and cure run out, lenders choose, possession is taken."""
        workout.advance_standing(self.world, week, self.view)

    def _force(self, week: int) -> None:
        """The scenario's own default, if it has one."""
        forced_sale.accelerate(self.world, week)

    def _build(self, week: int) -> None:
        """Once a month contracts end and are signed, loans are sized, halls are started, and idle money is used."""
        if self.parameters.credit.tenants and self.world.drivers.starts_month(week):
            boom.live_month(self.world, week)

    def _decide(self, week: int) -> None:
        """Everybody looks at the same view and says what it intends; treasuries act at once."""
        financing.open_lines(self.world, week)
        orders.pay_on_delivery(self.world, week)
        self.world.market.typical_value_usd = typical_values(self.world, week)
        self.view = build_view(self.world, week)
        self.intents, self.asked = ask(self.cohorts(), self.view, self.parameters)
        self.bids = self.intents.buy
        self._search(week)
        treasury.carry_out(self.world, week, self.intents)

    def _search(self, week: int) -> None:
        """Where buyers must be met, only those who are reach this week's market (economics.md section 12)."""
        rate = self.parameters.search.rate
        self.present = search.present(self.world.randomness, week, self.ledger.parties.n, rate)
        if not self.present.all():
            self.intents.buy = search.admit(self.intents.buy, self.present)

    def _clear(self, week: int) -> None:
        """Intents become one book for all classes, and the kernel clears it."""
        world, venue, sell = self.world, venue_of(self.world), self.intents.sell
        self.result = market.run_market(sell, self.intents.buy, venue)
        world.market.listed = np.unique(sell.product[sell.quantity > 0])
        found = self.result.clearing.price[:, venue.first_node :] / 100.0
        world.market.price_usd = np.where(
            np.isfinite(found) & self.result.met()[:, None], found, world.market.price_usd
        )

    def _quote(self, week: int) -> None:
        """Best use, first lot and price of every forced class; the week's market is complete."""
        world = self.world
        world.market.best_use_value_usd = best_use_values(self.view)
        recoveries.mark_files(world)
        quotes = three_prices(
            self.result, self.view, world.market.best_use_value_usd, world.market.weekly_volume
        )
        world.market.first_lot_price_cents[:] = -1
        for quote in quotes:
            if np.isfinite(quote.first_lot_price_usd):  # nobody may want even one lot
                world.market.first_lot_price_cents[quote.product] = round(quote.first_lot_price_usd * 100)
        self.market_week = MarketWeek(
            week=week,
            world=world,
            view=self.view,
            intents=self.intents,
            bids=self.bids,
            present=frozen(self.present),
            cohorts=self.asked,
            result=self.result,
            best_use_value_usd=frozen(world.market.best_use_value_usd),
            quotes=quotes,
        )

    def _dissect(self, week: int) -> None:
        """Why prices are below value, before settlement changes the world they were found in."""
        options = self.parameters.discount
        if options.anatomy:
            record_anatomy(self.recorder, self.market_week)
        due = self.shapley_calendar.due(week, self.market_week.quotes, options.shapley_weeks)
        record_shapley(self.recorder, self.market_week, due)

    def _settle(self, week: int) -> None:
        """Cash against title, then scrap, then what is left of failed loans."""
        self.result = self.result.settled(settlement.settle(self.world, week, self.result))
        self.market_week = replace(self.market_week, result=self.result)
        salvager = int(self.world.rows(AgentKind.SALVAGER)[0])
        settlement.scrap(self.world, week, self.intents.scrap, salvager)
        estates.close(self.world, week)
        newest, known = 1.0 / self.parameters.market.volume_memory_weeks, self.world.market.weekly_volume
        self.world.market.weekly_volume = (1 - newest) * known + newest * self.result.free_volume()

    def _record(self, week: int) -> None:
        """The settled week is written down."""
        record_week(self.recorder, self.market_week)

    def _close(self, week: int) -> None:
        """The books close to zero and nothing stands where there are no watts, or the run stops."""
        self.world.credit.remember(week, self.ledger.flows)
        self.world.ledger.check()
        self.world.bridge.check()
        self.world.check_capacity()
        self.world.check_contracts()
        self.world.ledger.close_week()
        self.running = week + 1 < self.n_weeks

    # -- faces --------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Parameters:
        """What the world lives by."""
        return self.world.parameters

    @property
    def n_weeks(self) -> int:
        """How many weeks can be lived: so many the drivers are drawn for."""
        return self.world.drivers.n_weeks

    @property
    def ledger(self) -> Ledger:
        """The books."""
        return self.world.ledger

    @property
    def price_usd(self) -> Floats:
        """Last clearing prices, USD per GPU, shape (products, pools); for reading."""
        seen = self.world.market.price_usd.view()
        seen.flags.writeable = False
        return seen

    @property
    def agents_by_type(self) -> dict[type[Party], mesa.agent.AgentSet]:
        """Agents by type; those of a subclass are found under its parents too."""
        found = dict(super().agents_by_type)
        lineage = {
            parent for agent_type in found for parent in agent_type.__mro__[1:] if issubclass(parent, Party)
        }
        for parent in lineage - {Party}:
            kin = [agent for agent in self.agents if isinstance(agent, parent)]
            found[parent] = mesa.agent.AgentSet(kin, random=self.random)
        return found

    @property
    def datacollector(self) -> Collector:
        """What was recorded, as Mesa's DataCollector shows it."""
        return Collector(self.recorder, {row: agent.unique_id for row, agent in self._on_row.items()})

    @property
    def space(self) -> "networkx.DiGraph[str]":
        """The places, and the freight lanes between them."""
        return self.world.topology.place_graph()

    def register_agent(self, agent: Party) -> None:
        """Take in an agent; Mesa calls it when one is made.

        Raises
        ------
        TypeError
            If it is no agent of the market, or its row is another type's.
        ValueError
            If there is no such row, or another agent stands on it.
        """
        self._between_weeks("an agent was made")
        check_row(self.ledger.parties, agent)
        if (other := self._on_row.get(agent.row)) is not None:
            raise ValueError(f"row {agent.row} is {other.name!r}'s; call its remove() first")
        self._on_row[agent.row] = agent
        super().register_agent(agent)

    def deregister_agent(self, agent: Party) -> None:
        """Let an agent go; its row keeps its cash, hardware and debts, and decides nothing."""
        self._between_weeks("an agent was removed")
        super().deregister_agent(agent)
        self._on_row.pop(agent.row, None)

    def _between_weeks(self, what: str) -> None:
        """What a rule must not do: it returns intents, and the model carries them out."""
        if self._lives_a_week:
            raise RuntimeError(f"{what} inside a week; a rule looks at the view and returns firesale.Intents")

    def users_attributes(self) -> dict[str, Any]:
        """What users put on the model beside the engine's own."""
        return {name: value for name, value in vars(self).items() if name not in self._of_engine}

    def cohorts(self) -> tuple[Cohort, ...]:
        """The agents by type, as they are asked."""
        return tuple(cohort_of(agent_type, agents) for agent_type, agents in super().agents_by_type.items())

    def transfer(self, usd: float, payer: Party | None = None, payee: Party | None = None) -> None:
        """Move cash between weeks, such as a subsidy or a shock; the books still close, and the flow is recorded as equity.

        Parameters
        ----------
        usd
            Amount, to the cent.
        payer, payee
            Agents; None is the rest of the world.

        Raises
        ------
        ValueError
            If the amount is negative or more than the payer has, nobody is named, or an agent is another model's.
        RuntimeError
            Inside a week.

        Examples
        --------
        >>> from agents.miner import Miner
        >>> model = FireSaleModel()
        >>> miner = model.agents_by_type[Miner].to_list()[0]
        >>> model.transfer(2.5e6, payee=miner)
        >>> miner.cash_usd
        460500000.0
        """
        self._between_weeks("cash was moved")
        cents = round(usd * 100) if math.isfinite(usd) else -1
        if cents < 0 or (payer is None and payee is None):
            raise ValueError(f"transfer({usd}): 0 USD or more, from a payer or to a payee")
        for party in (payer, payee):
            if party is not None and getattr(party, "model", None) is not self:
                raise ValueError(f"{party!r} is no agent of this model")
        if payer is not None and cents > self.ledger.parties.cash_cents[payer.row]:
            raise ValueError(f"{payer.name} has {payer.cash_usd:,.2f} USD, not {usd:,.2f}")
        source, target = (REST_OF_WORLD if party is None else party.row for party in (payer, payee))
        self.ledger.pay(source, target, cents, Account.EQUITY)

    def branch(self, settings: Mapping[str, Any] | None = None) -> "FireSaleModel":
        """An independent copy of the whole state; both go on with the same shocks (economics.md section 3).

        Parameters
        ----------
        settings
            Dotted key -> value of what is different from now on.

        Raises
        ------
        ParameterError
            For an unknown key, a value out of range, or a key that has acted when the model was made.
        """
        other = copy.deepcopy(self)
        if settings:
            other.world.parameters = self.parameters.later(settings, "branch")
        return other

    def tables(self) -> dict[str, dict[str, Any]]:
        """Everything recorded, the loss bridge as it stands, and the drivers: table -> column -> values."""
        drivers, _ = self.world.drivers.table()
        return self.recorder.tables() | {"loss_bridge": self.world.bridge.table(), "drivers": drivers}

    def columns(self) -> dict[str, dict[str, tuple[str, str]]]:
        """Unit and meaning of every column of `tables`; bounds stand beside them (`sim.base.declared`)."""
        found = self.recorder.columns()
        for table in ("loss_bridge", "drivers"):
            found[table] = dict(TABLES[table])
        return found

    def __repr__(self) -> str:
        lived, start = int(self.time), self.parameters.clock.start
        return f"<FireSaleModel from {start}: week {lived} of {self.n_weeks}, {len(self.agents)} agents, seed {self.seed}>"
