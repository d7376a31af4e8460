"""What `demo --run` tells people to type: how to watch the pipeline, how to break it, what to ask for."""

from __future__ import annotations

from collections.abc import Iterator

_TABLE = (
    (
        "Watch it:",
        ("{ctl} status", "processes, and what is wrong with them"),
        ("{ctl} health", "a line a worker: state, since, reason"),
        ("{ctl} verify", "look at everything now, heal nothing: a line for each stage, and an exit status"),
        ("{ctl} graph", "who reads what from whom, with states; --mermaid and --dot for documents"),
        ("{ctl} report", "the latest cycle: what was healed, what waits for whom, what needs a person"),
        ("{ctl} explain ensemble_predictor", "why the healer does what it does"),
        ("{ctl} history", "what it did"),
        ("tail -f var/demo/healer.log", "its decisions, a line each"),
    ),
    (
        "Break it. A worker is healed at its deadline, a file or a config in the next cycle, within 10 s:",
        ("kill -STOP $({ctl} pid ensemble_predictor)", "freeze a worker; it takes 5 s until that shows"),
        ("touch var/demo/hang/predictive_engine", "a worker that restarts do not cure; rm the file to end it"),
        (
            "sed -i.orig s/long_ofi_requirement/was_\\&/ var/demo/configs/signal_policies.json",
            "a config loses a field, here by renaming it; its repair and its backup are in the same folder",
        ),
        ("tail var/demo/console/signal_resolver.log", "... and who was told of the repair"),
        ("rm var/demo/configs/signal_policies.json", "it loses the whole config, which is made anew from its defaults"),
        ("rm var/demo/feature_store/signal_weights_gate.json", "it loses a file that somebody outside writes"),
        ("touch var/demo/feature_store/signal_weights_gate.json", "... and this is its producer, writing it again"),
    ),
    (
        "Take part:",
        ("{ctl} heal all", "do not wait, heal now"),
        (
            "{ctl} heal --restore configs/signal_policies.json",
            "put the newest backup of a config back; the healer then leaves it as it is",
        ),
        ("make stop", "the end (or: supervisor-healer demo --stop)"),
    ),
)


def lines(ctl: str) -> Iterator[tuple[bool, str]]:
    """Every line, and whether it is a title; `ctl` is how supervisorctl is called."""
    for title, *rows in _TABLE:
        yield True, f"\n{title}"
        for command, does in rows:
            yield False, f"  # {does}\n  {command.format(ctl=ctl)}"
