"""What a run recorded, in the shape of Mesa's DataCollector, so that Mesa's own tools can read it."""

from collections.abc import Mapping
from typing import Any, NoReturn

from sim.base.faults import nearest
from sim.base.recorder import Recorder


class Collector:
    """Frames of the weekly table and of the agents; `mesa.batch_run` and SolaraViz read it.

    The model records by itself, so there are no reporters to add. Weekly columns are Mesa's model variables.

    Parameters
    ----------
    recorder
        What was recorded.
    agent_ids
        Row of a party -> the agent's ``unique_id``.
    """

    # Read by `mesa.batch_run`, which would write one row an agent and week if there were any.
    agent_reporters: Mapping[str, Any] = {}
    agenttype_reporters: Mapping[type, Any] = {}
    _agent_records: Mapping[float, Any] = {}
    _agenttype_records: Mapping[float, Any] = {}

    def __init__(self, recorder: Recorder, agent_ids: Mapping[int, int]) -> None:
        self._recorder = recorder
        self._agent_ids = agent_ids

    @property
    def model_vars(self) -> dict[str, list[Any]]:
        """Weekly column -> its values."""
        return {name: column.tolist() for name, column in self._recorder.table("weeks").items()}

    @property
    def _collection_steps(self) -> list[int]:
        return [week + 1 for week in self._recorder.table("weeks").get("week", [])]

    def get_model_vars_dataframe(self) -> Any:
        """One row per week, indexed by week."""
        return self.get_table_dataframe("weeks").set_index("week")

    def get_agent_vars_dataframe(self) -> Any:
        """One row per recorded week and agent, indexed by Mesa's ``Step`` and ``AgentID``; others left out."""
        frame = self.get_table_dataframe("agents")
        frame = frame[frame["party"].isin(self._agent_ids)]
        steps, agents = frame["week"] + 1, frame["party"].map(self._agent_ids)
        return frame.set_index([steps.rename("Step"), agents.rename("AgentID")])

    def get_table_dataframe(self, table_name: str) -> Any:
        """A recorded table, such as ``trades``; ``attrs`` holds units and meanings of its columns."""
        import pandas as pd

        declared = self._recorder.declared
        if table_name not in declared:
            raise KeyError(f"no table is called {table_name}{nearest(table_name, declared)}")
        frame = pd.DataFrame(self._recorder.table(table_name), columns=list(declared[table_name]))
        frame.attrs["units"] = {name: unit for name, (unit, _) in declared[table_name].items()}
        frame.attrs["meanings"] = {name: meaning for name, (_, meaning) in declared[table_name].items()}
        return frame

    def collect(self, model: Any) -> NoReturn:
        """The model records every week by itself."""
        raise TypeError("the model records every week by itself; there is nothing to collect")
