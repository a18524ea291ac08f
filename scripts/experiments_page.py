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


def table(of):
    lines = [f"\n{of['title']}\n", "| " + " | ".join(of["columns"]) + " |", "|---" * len(of["columns"]) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in of["rows"]]


page = [
    "# The note's questions, answered",
    "",
    "Each answer comes from one command, which anybody can run again. Made by `scripts/experiments.sh`; numbers are means over seeds, with the smallest",
    "and the largest in brackets. After ± stands half of the mean's 95 % interval by Student's t over the seeds, of each comparison alone: nothing is corrected",
    "for the number of comparisons. Definitions of all quantities stand in the report that the command writes. Minutes are those of the runs that made this",
    "page; several ran beside other work on the same processors.",
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
        page += [f"![{figure['message']}](images/experiments/{target.name})", "", f"*{figure['message']}.* {figure['detail']}", ""]
    for of in results["tables"]:
        page += table(of)
    page += ["", f"What would change it: {results['would_change']}", ""]
(docs / "experiments.md").write_text("\n".join(page).rstrip() + "\n")
