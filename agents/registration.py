"""Agent types that users add beside the shipped ones, or in their place."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from agents.buyer import REGIONS, Buyer, BuyerParameters
from agents.party import Party
from agents.plugins import Registry
from agents.vocabulary import AgentKind

SUBCLASS = "subclass firesale.Buyer, or a shipped type such as firesale.Miner"
SECTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
TYPE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")

_types: Registry[type[Party]] = Registry()


def register_agent[T: type[Party]](agent_type: T) -> T:
    """Make an agent type part of every model made from now on; usable as a decorator.

    A subclass of `Buyer` is a new type: it gets a section of parameters, rows, cash and pools. A subclass of a shipped type,
    such as `Miner`, takes the place of its parent in every row. In a plugin the type is there only for parameters that
    name the plugin. A type registered again under the same name replaces the first.

    Raises
    ------
    TypeError
        If the class is no agent type, or what it says of itself cannot be used; says what is expected.
    """
    if not (isinstance(agent_type, type) and issubclass(agent_type, Party)):
        raise TypeError(f"{agent_type!r} is no agent type: {SUBCLASS}")
    if agent_type in (Party, Buyer) or agent_type.__dict__.get("kind") is not None:
        raise TypeError(f"{agent_type.__name__} is shipped; register a subclass of it")
    if getattr(agent_type, "kind", None) is None:
        raise TypeError(f"{agent_type.__name__} would have no rows: {SUBCLASS}")
    if not TYPE_NAME.fullmatch(agent_type.__name__):
        raise TypeError(
            f"{agent_type.__name__!r}: a type is called by letters of English, digits and _, at most 80"
        )
    _check_rules(agent_type)
    if issubclass(agent_type, Buyer):
        _check_buyer(agent_type)
    elif "section" in vars(agent_type):
        raise TypeError(f"{agent_type.__name__} takes its parent's parameters; leave its section out")
    _types.add(agent_type.__name__, agent_type)
    return agent_type


def unregister_agent(agent_type: type[Party]) -> None:
    """Take back a type that was registered by hand; models that are there keep their agents."""
    _types.discard(agent_type.__name__)


def keep_types(types: Mapping[str, type[Party]]) -> None:
    """Make these, which were checked before, all that is registered by hand: they came from another process."""
    _types.keep(types)


def registered(plugin: str) -> tuple[type[Party], ...]:
    """Types for those who name a plugin, in the order of registration."""
    return tuple(_types.of(plugin).values())


def _check_rules(agent_type: type[Party]) -> None:
    """Rules are written where they are looked for, and nothing is written where nobody looks."""
    name = agent_type.__name__
    for rule in ("wanted", "decide_all"):
        if rule in vars(agent_type) and not isinstance(vars(agent_type)[rule], classmethod):
            raise TypeError(f"{name}.{rule} is asked of the class: write @classmethod above it")
    if "step" in vars(agent_type):
        raise TypeError(f"{name}.step is never called: put the rule into decide_all(view, rows, parameters)")
    if "wanted" in vars(agent_type) and not issubclass(agent_type, Buyer):
        raise TypeError(f"{name}.wanted: only firesale.Buyer asks it; override decide_all or decide")
    known = ["section", *(said for said in dir(agent_type.__mro__[1]) if not said.startswith("_"))]
    for written in vars(agent_type):
        near = get_close_matches(written.lower(), known, n=1, cutoff=0.75)
        if not written.startswith("_") and near and written not in known:
            raise TypeError(
                f"{name}.{written}: nothing reads it; did you mean {near[0]}? (a name of your own may begin with _)"
            )


def _check_buyer(agent_type: type[Buyer]) -> None:
    """A type must say of itself what the world can be built from."""
    name = agent_type.__name__
    if type_name(agent_type) in {kind.name.lower() for kind in AgentKind} - {AgentKind.OTHER.name.lower()}:
        raise TypeError(f"{name}: a shipped type is called so; give yours another name")
    if getattr(agent_type, "section", None) is None:
        agent_type.section = f"{type_name(agent_type)}s"
    if not SECTION_NAME.fullmatch(agent_type.section):
        raise TypeError(
            f"{name}.section = {agent_type.section!r}: small letters, digits and _, such as universities"
        )
    for other in _types.owned().values():
        if issubclass(other, Buyer) and other.section == agent_type.section and other.__name__ != name:
            raise TypeError(
                f"{name}.section = {agent_type.section!r} is that of {other.__name__}; give it another name, or take "
                f"{other.__name__} back with firesale.unregister_agent"
            )
    _check_parameters(agent_type)
    if agent_type.region not in REGIONS:
        raise TypeError(f"{name}.region = {agent_type.region!r}: one of {', '.join(REGIONS)}")
    if not isinstance(agent_type.takes_over, bool):
        raise TypeError(f"{name}.takes_over = {agent_type.takes_over!r}: True or False")


def _check_parameters(agent_type: type[Buyer]) -> None:
    """Parameters have a unit and a range; one of `BuyerParameters` keeps its own if only the default is stated."""
    parameters = agent_type.parameters_type
    if not (isinstance(parameters, type) and issubclass(parameters, BuyerParameters)):
        raise TypeError(
            f"{agent_type.__name__}.parameters_type must be a subclass of firesale.BuyerParameters"
        )
    for key in parameters.model_fields:
        if key in vars(agent_type):
            raise TypeError(
                f"{agent_type.__name__}.{key} is a parameter: state its default in parameters_type, a subclass of "
                "firesale.BuyerParameters, or set it in the settings of a run"
            )
    for key, field in parameters.model_fields.items():
        if field.json_schema_extra is None and key not in BuyerParameters.model_fields:
            raise TypeError(
                f"{parameters.__name__}.{key} has no unit: state it as firesale.quantity(default, unit, low, high, meaning)"
            )


def type_name(agent_type: type[Party]) -> str:
    """Name of a type in tables: that of the class in small letters.

    >>> class RackBroker(Buyer): ...
    >>> type_name(RackBroker)
    'rack_broker'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", agent_type.__name__).lower()
