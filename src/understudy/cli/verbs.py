"""The verbs by name, each with one sentence. Every install knows all of them, whatever it can do."""

from __future__ import annotations

STAGES = {
    "distill": "Do everything: data, teacher, soft targets, students, export, evaluation, report.",
    "finetune": "Read the data and fine-tune the teacher.",
    "augment": "Do all up to augmentation: make further texts (--augment), filter them, show the result.",
    "label": "Do all up to labelling: ask the teacher about every text of the transfer set once.",
    "train": "Do all up to training: train the students on the teacher's answers.",
    "export": "Do all up to the export: write each student as a folder that answers without torch.",
    "evaluate": "Do all up to the evaluation: score and time everything on the test split.",
    "report": "Do all up to the report, as distill does.",
}
"""Verbs that do the stages of a run, up to the one that they are named after; `distill` does all."""

BASE = {
    "predict": "Answer texts with an exported student. Needs no torch.",
    "info": "Print this version, what is installed beside it, and whether the fast path serves.",
}
"""Verbs of the base install."""

OTHERS = {
    "buy": "Buy labels from an expensive teacher in rounds, starting with those the student needs most.",
    "students": "List every student with its number of parameters.",
    "pool": "Look at the texts that students learn from.",
}
"""Verbs that need the training extra, as those of `STAGES` do."""

RESUMING = (*STAGES, "buy")
"""Verbs that continue where they were stopped when the same command is given again."""

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed (data, teacher, saved folder, disk); 2 wrong command line or recipe; "
    "130 stopped by Ctrl-C; 143 stopped by SIGTERM."
)


def spelled_out(arguments: list[str]) -> list[str]:
    """The arguments with ``help`` and ``help VERB`` written as the options that they mean.

    >>> spelled_out(["help", "train"]), spelled_out(["help"]), spelled_out([]), spelled_out(["info"])
    (['train', '--help'], ['--help'], ['--help'], ['info'])
    """
    if not arguments:
        return ["--help"]
    return [*arguments[1:], "--help"] if arguments[0] == "help" else arguments
