"""Hostile names and titles in every place where one can stand: each is taken and shown as it stands, or refused in one line.

Required of every try: no file outside the folder that was named (a tree is listed before and after), no traceback and no
"fault in firesale itself", nothing executed. A place asserts by itself that what it took stands literally where it was written.
A new place is one more entry of `PLACES`.
"""

import contextlib
import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import networkx
import pandas as pd

from agents import plugins
from agents.buyer import Buyer
from agents.registration import register_agent, unregister_agent
from experiments.command.console import code_of
from experiments.command.rich_table import heading, new_table, show
from experiments.design.experiment import Experiment, parse
from experiments.design.scenario import Scenario
from experiments.figures.analysis_figures import prim_tradeoff
from experiments.figures.style import house_style
from experiments.measures.outcomes import register_outcome, unregister_outcome
from experiments.sweep.metadata import codebook, datapackage, readme, research_object
from experiments.sweep.slurm import array_script
from sim.base.graphml import write_graphml
from sim.base.names import NAME
from sim.base.texts import markdown, visible
from tests.attack.attack import Attack, Report
from tests.attack.hostile_texts import KINDS, text_of
from tests.attack.sandbox import REFUSED, TAKEN, Found, Place, command, kept, one_line, run_of, sandbox

# -- places: text, where to work -> TAKEN or REFUSED, or an exception; Found if the answer is not the required one ---------


def scenario_name(text: str, place: Place) -> str:
    """Stored in the default folder, which it names."""
    result = run_of(place, {"name": text})
    made = (
        [path.name for path in (place.work / "results").iterdir()]
        if (place.work / "results").exists()
        else []
    )
    shutil.rmtree(place.work / "results", ignore_errors=True)
    answer = one_line(result)
    if answer == TAKEN and not (NAME.fullmatch(text) and len(made) == 1 and made[0].startswith(text)):
        raise Found(f"taken as {made}")
    return answer


def scenario_title(text: str, place: Place) -> str:
    result = run_of(place, {"title": text}, "--out", "out/run", "--overwrite")
    answer = one_line(result)
    if answer == TAKEN:
        kept(f"{text}: 2 weeks", result.stdout, "the printed run")
    return answer


def arm_name(text: str, place: Place) -> str:
    table = {"arms": {text: {"site": {"vacancy": 0.06}}}}
    result = run_of(place, table, "--arm", "all", "--out", "out/run", "--overwrite")
    answer = one_line(result)
    if answer == TAKEN and not (place.work / "out/run" / text / "manifest.json").is_file():
        raise Found("taken, and not stored under its name")
    return answer


def asked_arm(text: str, place: Place) -> str:
    return one_line(run_of(place, {}, f"--arm={text}"))


def scenario_made_by_hand(text: str, place: Place) -> str:
    Scenario(text, "title", "", "by hand", {}, {})
    Scenario("name", "title", "", "by hand", {}, {text: {}})
    return TAKEN if NAME.fullmatch(text) else "taken although it is no name"


def file_name(text: str, place: Place) -> str:
    """A file of any name that the system takes; what it is called is shown, never obeyed."""
    if not text or "/" in text or "\x00" in text or len(os.fsencode(text)) > 250:
        return "no name of a file"
    (place.work / "out" / f"{text}.toml").write_text("base = 'calm'\nnothing = 1\n", encoding="utf-8")
    result = command("run", f"out/{text}.toml")
    if one_line(result) != REFUSED:
        raise Found("a file with an unknown key was taken")
    if not text.isspace() and "no scenario key is called nothing" in result.stderr:
        kept(" ".join(text.split()), result.stderr, "the message")
    return REFUSED


def experiment_name(text: str, place: Place) -> str:
    asked = Experiment(name=text)
    datapackage(asked, {}, [], {})
    if not NAME.fullmatch(asked.name):
        raise Found("taken although it is no name")
    return TAKEN


def experiment_title(text: str, place: Place) -> str:
    """As text in what describes a sweep."""
    asked = Experiment(name="x", title=text, description=text)
    title = asked.title or asked.name
    page = readme(asked, {}, ["runs.parquet"]).split("\n")
    if page[0] != f"# {markdown(title)}" or page[3] != "":
        raise Found(f"README begins with {page[:4]}")
    for made in (datapackage(asked, {}, [], {}), research_object(asked, {}, {})):
        told = json.loads(json.dumps(made))
        if title not in (told.get("title"), *(entry.get("name") for entry in told.get("@graph", []))):
            raise Found("not in the data package")
    return TAKEN


def experiment_text(text: str, place: Place) -> str:
    """Written back as TOML and read again."""
    asked = Experiment(name="x", title=text, description=text)
    if parse(asked.to_toml(), "x.toml") != asked:
        raise Found("reads back as another experiment")
    return TAKEN


def vary_key(text: str, place: Place) -> str:
    path = place.file("e.toml", {"scenario": "calm", "vary": {text: [1, 2]}})
    result = command("slurm", str(path))
    if one_line(result) == TAKEN:
        raise Found("an unknown parameter was taken")
    return REFUSED


def vary_label(text: str, place: Place) -> str:
    path = place.file("e.toml", {"scenario": "calm", "vary": {"scenario.arm": ["default", text]}})
    result = command("slurm", str(path))
    if one_line(result) == TAKEN:
        raise Found("an unknown arm was taken")
    return REFUSED


def recorded_outcome(text: str, place: Place) -> str:
    path = place.file("e.toml", {"scenario": "calm", "record": {"outcomes": [text]}})
    if one_line(command("slurm", str(path))) == TAKEN:
        raise Found("an unknown outcome was taken")
    return REFUSED


def batch_script(text: str, place: Place) -> str:
    """Paths in a batch script are words of its commands and nothing else; the script is run with stand-ins."""
    script = array_script(Experiment(name="x"), Path(text), Path(text), shards=1, workers=1, hours=1)
    together = re.search(r"^# Put together: +(.*)$", script, re.M)
    if together is None:
        raise Found("no line puts the parts together")
    stand_ins = 'srun() { "$@"; }\nfiresale() { printf "%s\\0" "$@"; }\nsbatch() { eval "${2#--wrap=}"; }\nexec() { "$@"; }\n'
    stand_ins += "SLURM_ARRAY_TASK_ID=1 SLURM_CPUS_PER_TASK=1 job=1\n"
    done = subprocess.run(
        ["bash", "-c", os.fsencode(stand_ins + script + together[1])],
        cwd=place.work / "home",
        capture_output=True,
        check=False,
    )
    words = [os.fsdecode(word) for word in done.stdout.split(b"\0")]
    path = f"./{Path(text)}" if text.startswith("-") else str(Path(text))
    if words[:5] != ["sweep", path, "--out", path, "--yes"] or words[-6:-1] != words[:5]:
        raise Found(f"the shell read {words}: {done.stderr!r}")
    return TAKEN


def party_type(text: str, place: Place) -> str:
    try:
        made = type(text, (Buyer,), {})
    except ValueError:
        return "no name of a class"
    register_agent(made)
    unregister_agent(made)
    return TAKEN if re.fullmatch(r"\w+", text, re.ASCII) else "taken although it is no name"


def section_of_type(text: str, place: Place) -> str:
    made = type("Trial", (Buyer,), {"section": text})
    register_agent(made)
    unregister_agent(made)
    return TAKEN if re.fullmatch(r"\w+", text, re.ASCII) else "taken although it is no name"


def outcome_name(text: str, place: Place) -> str:
    register_outcome(text, "1", "meaning", (0, 1), len)
    unregister_outcome(text)
    return TAKEN if NAME.fullmatch(text) else "taken although it is no name"


def outcome_unit(text: str, place: Place) -> str:
    register_outcome("trial", text, text, (0, 1), len)
    unregister_outcome("trial")
    row = {
        "table": "runs",
        "column": "trial",
        "type": "double",
        "unit": text,
        "meaning": text,
        "allowed": "",
        "role": "",
    }
    (read,) = csv.DictReader(io.StringIO(codebook([row]), newline=""))
    if read != row:
        raise Found(f"the codebook reads back as {read}")
    return TAKEN


def plugin_name(text: str, place: Place) -> str:
    plugins.load(text, place.work)
    raise Found("a module that is not there was loaded")


def plugin_key(text: str, place: Place) -> str:
    if not text:
        return "no plugin"
    if one_line(run_of(place, {"plugin": text}, "--out", "out/run")) == TAKEN:
        raise Found("a module that is not there was loaded")
    return REFUSED


def base_name(text: str, place: Place) -> str:
    if not text:
        return "no base"
    path = place.file("b.toml", {"base": text})
    if one_line(command("run", str(path))) == TAKEN:
        raise Found("an unknown base was taken")
    return REFUSED


def beside_name(text: str, place: Place) -> str:
    for name in (text, f"calm/{text}"):
        result = run_of(place, {"beside": [name]}, "--out", "out/run", "--overwrite")
        if one_line(result) == TAKEN and name != "calm/":
            raise Found("an unknown scenario was taken")
    return REFUSED


def parameter(text: str, place: Place) -> str:
    answer = one_line(command("run", "calm", "--set", f"{text}=1"))
    return answer if answer == REFUSED else "taken although it is no parameter"


def word_of_a_command(text: str, place: Place) -> str:
    """An argument of every command that looks something up."""
    if "\x00" in text:
        return "no word of a command"
    for asked in LOOKUPS:
        words = [word.format(text=text) for word in asked]
        if one_line(command(*words)) == TAKEN and asked[0] != "schema":
            raise Found(f"{words} was taken")
    return REFUSED


def table_on_a_terminal(text: str, place: Place) -> str:
    """Headings, rows and titles of printed tables; what is printed said by what it stands for."""
    printed = io.StringIO()
    line = " ".join(visible(text).split())  # a cell is one line
    table = new_table(line, ["a", line], first=line)
    table.add_row(line, "1,234,567", line)
    with contextlib.redirect_stdout(printed):
        show(heading(text), table)
    said = printed.getvalue()
    if line and (said.count(line) < 4 and " " not in line):
        raise Found(f"printed {said!r}")
    if "1,234,567" not in said or "…" in said.replace(line, ""):
        raise Found(f"a number was cut: {said!r}")
    kept(line, " ".join(said.split()), "the table")
    return TAKEN


def figure_title(text: str, place: Place) -> str:
    text = visible(text)  # a title with control characters is refused when it is read
    drawn, _ = prim_tradeoff(TRAJECTORY, text)
    with house_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        drawn.axes[0].set_ylabel(text)
        drawn.savefig(io.BytesIO(), format="svg")
    if drawn.axes[0].get_title("left") != text:
        raise Found(f"the title is {drawn.axes[0].get_title('left')!r}")
    return TAKEN


def graph_node(text: str, place: Place) -> str:
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_node("a", name=text)
    graph.add_edge("a", text, kind=text)
    path = place.work / "out" / "graph.graphml"
    write_graphml(graph, path)
    read = networkx.read_graphml(path)
    if read.nodes["a"]["name"] != visible(text) or read.edges["a", visible(text)]["kind"] != visible(text):
        raise Found("the graph reads back as another")
    return TAKEN


def markdown_cell(text: str, place: Place) -> str:
    row = f"| {markdown(text)} | x |"
    if (
        "\n" in row
        or len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) != 3
        or re.search(r"(?<!\\)(?:\\\\)*[<`$]", row)
    ):
        raise Found(f"the row is {row!r}")
    return TAKEN


LOOKUPS = (
    ("digest", "--", "{text}"),
    ("figures", "--", "{text}"),
    ("schema", "--", "{text}"),
    ("schema", "--scenario={text}"),
    ("trace", "--", "{text}", "nowhere"),
    ("replay", "--", "{text}", "{text}"),
    ("discover", "--", "nowhere", "{text}"),
    ("run", "--", "{text}"),
    ("slurm", "--", "{text}"),
)
TRAJECTORY = pd.DataFrame(
    {"coverage": [1.0, 0.5], "density": [0.2, 0.9], "restricted": [0, 2], "chosen": [False, True]}
)
PLACES: tuple[Callable[[str, Place], str], ...] = (
    scenario_name,
    scenario_title,
    arm_name,
    asked_arm,
    scenario_made_by_hand,
    file_name,
    experiment_name,
    experiment_title,
    experiment_text,
    vary_key,
    vary_label,
    recorded_outcome,
    batch_script,
    party_type,
    section_of_type,
    outcome_name,
    outcome_unit,
    plugin_name,
    plugin_key,
    base_name,
    beside_name,
    parameter,
    word_of_a_command,
    table_on_a_terminal,
    figure_title,
    graph_node,
    markdown_cell,
)


def tried(where: Callable[[str, Place], str], text: str, place: Place) -> str:
    """The answer of a place; an exception that a command would turn into one line is a refusal."""
    try:
        return where(text, place)
    except Found:
        raise
    except Exception as error:
        if code_of(error) is None and not isinstance(error, (TypeError, ValueError)):
            raise Found(f"{type(error).__name__}: {error}") from error
        said = " ".join(visible(str(error)).split())
        if not said or isinstance(error, UnicodeError):
            raise Found(f"{type(error).__name__}: {said}") from error
        return REFUSED


def attack(count: int, seed: int) -> Report:
    """Every place in turn, with texts of every kind in turn."""
    report = Report()
    kinds = list(KINDS)
    with sandbox() as place:
        before = place.foreign()
        for number in range(count):
            where, kind = PLACES[number % len(PLACES)], kinds[number // len(PLACES) % len(kinds)]
            chance = random.Random(f"{seed}-{number}")
            text = text_of(kind, chance, place.beside)
            (place.work / "out").mkdir()
            try:
                answer = tried(where, text, place)
                if answer.startswith("taken although"):
                    raise Found(answer)
                report.counts[answer] += 1
            except Found as found:
                report.faults.append(f"{where.__name__}({text!r}), try {number}: {found}")
            after = place.foreign()
            if after != before:
                changed = sorted(set(before.items()) ^ set(after.items()))
                report.faults.append(f"{where.__name__}({text!r}), try {number}: outside: {changed}")
                before = after
            shutil.rmtree(place.work / "out")
    report.counts["places"] = len(PLACES)
    report.counts["kinds of text"] = len(KINDS)
    return report


ATTACK = Attack(
    "names and titles of every hostile kind in every place: 0 files outside, 0 tracebacks, 0 executed",
    full=1_000,
    small=100,
    run=attack,
)
