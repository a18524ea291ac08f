"""Writes docs/experiments.md and its pictures from the results of experiments.

Usage: experiments_page.py OUT DOCS NAME...   OUT has a folder for each NAME; those without results.json are named as missing.
"""

import json
import shutil
import sys
from pathlib import Path

out, docs = Path(sys.argv[1]), Path(sys.argv[2])
names = sys.argv[3:]
images = docs / "images" / "experiments"
images.mkdir(parents=True, exist_ok=True)


def number(value):
    if value is None:
        return "–"
    size = abs(value)
    if size >= 100 or value == 0:
        text = f"{value:,.0f}"
    elif size < 1e-4:
        text = f"{value:.1e}"
    else:
        digits = 3 - len(str(int(size))) if size >= 1 else 2 - int(f"{size:e}".split("e")[1])
        text = f"{value:.{digits}f}"
    return text.replace("-", "−")


def cell(summary):
    if summary is None:
        return "–"
    text = number(summary["mean"])
    if summary["seeds"] > 1:
        text += f" ({number(summary['low'])} to {number(summary['high'])})"
    return text


def table(results, part):
    rows = [s for s in results["summary"] if s["part"] == part]
    variants = list(dict.fromkeys(s["variant"] for s in rows))
    present = {s["quantity"] for s in rows}
    quantities = [q for q in results["quantities"] if q["key"] in present]
    by_place = {(s["variant"], s["quantity"]): s for s in rows}
    heads = [q["label"] + (f" ({q['unit']})" if q["unit"] else "") for q in quantities]
    lines = [f"\n{part}\n", "| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for variant in variants:
        cells = [cell(by_place.get((variant, q["key"]))) for q in quantities]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return lines


page = [
    "# The note's questions, answered",
    "",
    "Each answer comes from one command, which anybody can run again. Made by `scripts/experiments.sh`; numbers are means over seeds, with the smallest",
    "and the largest in brackets. Definitions of all quantities stand in the report that the command writes.",
    "",
]
found = {}
for name in names:
    file = out / name / "results.json"
    if file.is_file():
        found[name] = json.loads(file.read_text())
for name in names:
    if name in found:
        page.append(f"- [{found[name]['question']}](#{name})")
page.append("")
for name in names:
    results = found.get(name)
    if results is None:
        page += [f"## {name}", "", "Not run at full size yet.", ""]
        continue
    provenance = results["provenance"]
    machine = provenance["machine"]
    page += [
        f"## {name}",
        "",
        f"**{results['question']}**",
        "",
        results["verdict"],
        "",
        f"`{results['command']}`, Loupe {provenance['loupe']}, {results['seeds']} seeds, {results['seconds'] / 60:.0f} minutes of trials,"
        f" {machine['processors']} processors. {results['setting']}",
        "",
    ]
    for figure in results["figures"]:
        target = images / f"{name}-{figure['file']}"
        shutil.copyfile(out / name / figure["file"], target)
        page += [f"![{figure['message']}](images/experiments/{target.name})", "", f"*{figure['message']}.*", ""]
    for part in dict.fromkeys(s["part"] for s in results["summary"]):
        page += table(results, part)
    page += ["", f"What would change it: {results['would_change']}", ""]
(docs / "experiments.md").write_text("\n".join(page).rstrip() + "\n")
