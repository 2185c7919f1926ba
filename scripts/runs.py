"""The lowest peak that any choice of windows can reach over a whole run of `offpeak simulate`, hour by
hour and generation by generation, by a linear programme.

    python scripts/runs.py --days 130 scenarios/base-0.6.toml …
    python scripts/runs.py --days 75 --extra 0.02 short-lived.toml

A line for each scenario: its name, the peak of all days after the first cycle as a multiple of the
mean, and what renewing early adds to issuance. With `--extra` that is at most so much, as a share; so
a few calls tell what a lower peak costs. Needs scipy.

For clients that keep their window to the second (`exact`), and those without ARI that come back as
`[[return]]` says. Nothing is left to chance, the whole run is known beforehand, and a window may lie in
any hour of the usual band (a day up to 2 h before 2/3 of life; in a life under ten days 15 % of it, a day
at most, up to 0.49 of it) in which the CA is open: nothing that a server does in that band can come
below. What a ceiling or an hour closed in part forbids is left out.
"""

import argparse
import tomllib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, csr_matrix, vstack

from bounds import HOUR, HOURS, seconds

# As the simulator has it (src/simulate/scenario/read.rs).
WEEKDAYS = [0.949, 1.043, 1.037, 1.035, 0.997, 0.999, 0.913]
START = datetime(2026, 1, 5, tzinfo=timezone.utc)
TEN_DAYS = 240


def band(life):
    """The client's own rule and the band's end and length before it, in hours."""
    if life < TEN_DAYS:
        return life / 2, 0.01 * life, min(24, 0.15 * life)
    return life * 2 / 3, 2, 24


def closed_hours(scenario, hours):
    """Which hours of the run are closed from their beginning to their end."""
    closed = np.zeros(hours, dtype=bool)
    for rule in scenario.get("policy", {}).get("capacity", []):
        if rule.get("capacity") != 0 or "cron" not in rule:
            continue
        minute, hour, day, month, weekday = rule["cron"].split()
        if (day, month) != ("*", "*"):
            raise SystemExit(f"cannot read the rule {rule['cron']!r}")
        zone = ZoneInfo(rule.get("time_zone", "UTC"))
        whole = (seconds(rule["duration"]) + int(minute) * 60) // HOUR
        skip = 1 if int(minute) else 0
        for at in range(hours):
            local = (START + timedelta(hours=at)).astimezone(zone)
            if local.hour == int(hour) and weekday in ("*", str(local.isoweekday() % 7)):
                closed[at + skip:at + whole] = True
    return closed


def outside(scenario, hours, own):
    """What comes from outside, by hour, in multiples of the mean of the first cycle."""
    shape = np.array(scenario.get("hours", HOURS), dtype=float)
    days = np.array(scenario.get("weekdays", WEEKDAYS), dtype=float)
    at = np.arange(hours)
    shape = (shape / shape.mean())[at % 24] * (days / days.mean())[at // 24 % 7]
    load = np.where(at < own * scenario.get("first_cycle_days", 60) / 60, shape, 0.0)
    for burst in scenario.get("burst", []):
        begins = burst["day"] * 24 + int(burst.get("at", "00:00").split(":")[0])
        ends = begins + seconds(burst["duration"]) // HOUR
        load[begins:ends] += (burst["factor"] - 1) * shape[begins:ends]
    return load


def shares(scenario):
    """The shares of the clients that can be sent and of those that cannot."""
    sent = unsent = 0.0
    for client in scenario["client"]:
        if client["kind"] == "exact":
            sent += client["share"]
        elif client["kind"] == "no-ari" and "ticks" not in client:
            unsent += client["share"]
        else:
            raise SystemExit(f"{client['name']!r} is neither exact nor without ARI and ticks")
    return sent, unsent


def solve(scenario, days, most_extra):
    """The lowest peak and the extra issuance with it."""
    lives = scenario.get("lifetime", [{"life": "90d"}])
    if len(lives) != 1:
        raise SystemExit("one lifetime at most")
    own, ends, long = band(seconds(lives[0]["life"]) / HOUR)
    own, hours, cycle = int(own), days * 24, scenario.get("first_cycle_days", 60) * 24
    sent, unsent = shares(scenario)
    load = outside(scenario, hours, own)
    mean = 1 + (load.sum() - outside({**scenario, "burst": []}, hours, own).sum()) / cycle

    unmoved = unsent * load
    default = [{"delay": "0s", "share": 0.5}, {"delay": "24h", "share": 0.5}]
    for at in range(hours):
        for back in scenario.get("return", default):
            came = at - own - seconds(back["delay"]) // HOUR
            unmoved[at] += back["share"] * unmoved[came] if came >= 0 else 0

    early = np.arange(int(ends), int(np.ceil(ends + long)) + 1)
    issued, before = (grid.ravel() for grid in np.meshgrid(np.arange(hours), early, indexing="ij"))
    comes = issued + own - before
    open_ = np.ones(len(comes), dtype=bool)
    inside = comes < hours
    open_[inside] = ~closed_hours(scenario, hours)[comes[inside]]
    issued, before, comes = issued[open_], before[open_], comes[open_]
    inside = comes < hours
    columns = np.arange(len(issued))
    peak = len(issued)

    # Whoever is issued is given a window; whoever is sent somewhere is issued there.
    flow = coo_matrix((np.concatenate([np.ones(len(issued)), -np.ones(inside.sum())]),
                       (np.concatenate([issued, comes[inside]]),
                        np.concatenate([columns, columns[inside]]))), shape=(hours, peak + 1))
    told = inside & (comes >= cycle)
    below = coo_matrix((np.concatenate([np.ones(told.sum()), -np.ones(hours - cycle)]),
                        (np.concatenate([comes[told] - cycle, np.arange(hours - cycle)]),
                         np.concatenate([columns[told], np.full(hours - cycle, peak)]))),
                       shape=(hours - cycle, peak + 1))
    upper = -(unmoved + sent * load)[cycle:]
    cost = np.zeros(peak + 1)
    cost[peak] = 1
    costs = np.append(np.maximum(before, ends) / own, 0.0)
    if most_extra is not None:
        spent = costs - most_extra * np.append(np.ones(peak), 0)
        below = vstack([below, csr_matrix(spent)])
        upper = np.append(upper, most_extra * unmoved.sum())
    # Of all that are as low, the latest: a ten thousandth of the peak for all that is early.
    cost[:peak] = costs[:peak] * 1e-4 / hours
    solved = linprog(cost, A_ub=below.tocsc(), b_ub=upper, A_eq=flow.tocsc(), b_eq=sent * load,
                     method="highs")
    if not solved.success:
        return None, None
    given = solved.x[:peak]
    extra = (given * costs[:peak]).sum() / (given.sum() + unmoved.sum())
    return solved.x[peak] / mean, extra


def main():
    """Prints a line for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--days", type=int, default=130)
    parser.add_argument("--extra", type=float)
    parser.add_argument("scenario", nargs="+", type=Path)
    asked = parser.parse_args()
    for path in asked.scenario:
        scenario = tomllib.loads(path.read_text(encoding="utf-8"))
        peak, extra = solve(scenario, asked.days, asked.extra)
        print(path.stem, "none" if peak is None else f"{peak:.3f} {extra:.4f}")


if __name__ == "__main__":
    main()
