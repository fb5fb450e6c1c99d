"""`outlay doctor`: what this machine can do, and what mends each lack."""

from importlib.util import find_spec

from outlay.runs.cli.options import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine can do: engine, confinement, local model, keys, Ray. Lacks come with their mend."""
    from dataclasses import asdict

    from outlay.agents.models.open import listing
    from outlay.runs.cli.output import print_json, print_table
    from outlay.sandbox.doctor import findings
    from outlay.sandbox.types import Finding

    found = list(findings())
    found += [
        Finding(f"model {m.name}", m.ready, m.note if m.ready else "", "" if m.ready else m.note) for m in listing()
    ]
    has_ray = find_spec("ray") is not None
    found.append(
        Finding("Ray", has_ray, "installed" if has_ray else "", "" if has_ray else "pip install 'outlay[ray]'")
    )
    if as_json:
        print_json([asdict(finding) for finding in found])
        return
    rows = [["ok" if f.ok else "--", f.what, f.detail if f.ok else f"{f.detail} {f.mend}".strip()] for f in found]
    print_table(["", "what", "finding or mend"], rows)
