"""`outlay agents`: what can try."""

from outlay.runs.cli.options import AsJson


def agents(as_json: AsJson = False) -> None:
    """List the agents. A file of your own works too: -a path/to/file.py:name."""
    from outlay.agents.registry import agent_names, load_agent
    from outlay.runs.cli.output import print_json, print_table

    rows = [
        {"agent": name, "uses_model": agent.uses_model, "summary": agent.summary}
        for name, agent in ((name, load_agent(name)) for name in agent_names())
    ]
    if as_json:
        print_json(rows)
        return
    cells = [[str(r["agent"]), "yes" if r["uses_model"] else "no", str(r["summary"])] for r in rows]
    print_table(["agent", "model", "summary"], cells)
