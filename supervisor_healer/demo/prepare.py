"""Makes the run folder of the demonstration, with the files that programs outside of supervisord would write."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from supervisor_healer.demo import checkout
from supervisor_healer.demo.feature_builder import SYMBOLS
from supervisor_healer.demo.files import write_json
from supervisor_healer.errors import HealerError

# As a person keeps it: fields that nobody here knows, an order, and a layout. A repair has to leave them alone.
POLICIES = """\
{
    "version": 12,
    "long_ofi_requirement": 0.65,
    "short_ofi_requirement": 0.6,
    "symbols": [ "BTCUSDT", "ETHUSDT", "SOLUSDT" ],
    "note": "0.65 since the October review; ask the desk before you change it"
}
"""
POLICIES_MODE = 0o640

FOLDERS = ("feature_store", "logs", "configs", "console", "hang")


def prepare(folder: Path) -> None:
    """Make `folder` anew, without what an earlier run left, and seed the files that come from outside."""
    if folder.is_symlink():
        raise HealerError(f"{folder} is a symbolic link: remove it, its content is about to be replaced")
    if folder.exists():
        shutil.rmtree(folder)
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    now = time.time()
    write_json(folder / "logs" / "positions_futures.json", {"ts": now, "positions": dict.fromkeys(SYMBOLS, 0.0)})
    write_json(folder / "feature_store" / "signal_weights_gate.json", weights(now))
    policies = folder / "configs" / "signal_policies.json"
    policies.write_text(POLICIES, encoding="utf-8")
    policies.chmod(POLICIES_MODE)


def weights(ts: float) -> dict[str, object]:
    """What the signal_weight_learner of this world has learned by `ts`: nothing yet."""
    return {"ts": ts, "weights": dict.fromkeys(SYMBOLS, 1.0)}


def main() -> int:
    """Prepare the checkout's run folder, for a supervisord that is then started by hand."""
    try:
        place = checkout.find()
        place.link()
        prepare(place.run_folder)
    except (HealerError, OSError) as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 1
    print(f"prepared {place.run_folder}; now: supervisord -c {place.shown()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
