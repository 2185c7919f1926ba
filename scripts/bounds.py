"""The lowest peak that any choice of windows can reach in a scenario of `offpeak simulate`, on its
average day, by a linear programme.

    python scripts/bounds.py scenarios/ticks.toml …

A line for each scenario: its name, the peak as a multiple of the mean, beside it the peak if each
client were spread evenly over all that it can be sent to, and the lowest that the worst second of a
day can be, as a multiple of the mean of a second. Needs scipy.

Every client is taken to be known, to keep its window and to be issued at any hour of the day, so
that a rule can put its window into any hour: nothing that a server does can come below the first
figure. Whoever wakes at fixed ticks comes at one of them; a timer with a random delay runs once in
each of its periods, and comes in the one in which its window opens if it has not run by then. On a
busy weekday the peak is higher by that day's share of those whom nothing moves.
"""

import sys
import tomllib
from pathlib import Path

import numpy as np
from scipy.optimize import linprog

SLOTS = 24
# A window that begins at any quarter of an hour.
QUARTERS = 96
HOUR = 3600
# As the simulator has it (src/simulate/scenario/read.rs).
HOURS = [1.795, 2.268, 1.417, 1.134, 1.039, 0.945, 0.945, 0.945, 0.992, 0.992, 0.945, 0.898,
         1.228, 0.945, 0.850, 0.850, 0.803, 0.756, 0.709, 0.661, 0.661, 0.661, 0.709, 0.850]
UNITS = {"s": 1, "m": 60, "h": HOUR, "d": 86400}
DEFAULT_TICKS = {"mod-md": {"least": "6h", "most": "18h"}}


def seconds(text):
    """A duration such as 12h or 1h30m, in seconds."""
    total, number = 0, ""
    for letter in text:
        if letter.isdigit():
            number += letter
        else:
            total += int(number) * UNITS[letter]
            number = ""
    return total


def by_hour(ticks):
    """The share of clients with fixed ticks in each hour of their period."""
    hours = max(1, seconds(ticks["every"]) // HOUR)
    named = ticks.get("at", [])
    rest = max(0.0, 1 - sum(phase["share"] for phase in named))
    shares = np.full(hours, rest / hours)
    for phase in named:
        shares[int(phase["time"].split(":")[0]) % hours] += phase["share"]
    return shares


def spread(pieces):
    """Pieces (from, to, share), in hours from midnight, as shares of the hours of a day."""
    day = np.zeros(SLOTS)
    for begins, ends, share in pieces:
        at = begins
        while at < ends - 1e-12:
            to = min(np.floor(at + 1e-12) + 1, ends)
            day[int(at + 1e-12) % SLOTS] += share * (to - at) / (ends - begins)
            at = to
    return day


def random_run(window, every, up_to):
    """When a timer comes whose window opens at `window`; all in hours."""
    begins = window // every * every
    missed = min(1.0, (window - begins) / up_to)
    pieces = [(begins + every, begins + every + up_to, missed)]
    if missed < 1:
        pieces.append((window, begins + up_to, 1 - missed))
    return spread(pieces)


def wandering_run(window, least, most):
    """When a client comes that wakes `least` to `most` hours after the last time."""
    cuts = np.linspace(0, most, 73)
    middles = (cuts[1:] + cuts[:-1]) / 2
    longer = np.clip((most - middles) / max(most - least, 1e-9), 0, 1)
    longer /= longer.sum()
    return spread([(window + a, window + b, p) for a, b, p in zip(cuts, cuts[1:], longer)])


def choices(client):
    """Who of a client's kind can be sent where: pairs of a share and the days it can be made to
    have, one of which has to be taken or a mixture of them."""
    ticks = client.get("ticks") or DEFAULT_TICKS.get(client["kind"])
    quarters = [quarter / 4 + 1 / 8 for quarter in range(QUARTERS)]
    if ticks is None:
        return [(1.0, np.eye(SLOTS))]
    if "least" in ticks:
        least, most = (seconds(ticks[key]) / HOUR for key in ("least", "most"))
        return [(1.0, np.array([wandering_run(at, least, most) for at in quarters]))]
    every = seconds(ticks["every"])
    if "random" in ticks:
        up_to = min(every, seconds(ticks["random"])) / HOUR
        return [(1.0, np.array([random_run(at, every / HOUR, up_to) for at in quarters]))]
    if every <= HOUR:
        return [(1.0, np.eye(SLOTS))]
    shares = by_hour(ticks)
    period = len(shares)
    return [(share, np.eye(SLOTS)[hour::period]) for hour, share in enumerate(shares) if share > 0]


def fixed_day(client, hours):
    """The day of a client that no window moves, with the mean 1 over its hours."""
    ticks = client.get("ticks")
    if ticks is None:
        return hours
    if "every" not in ticks or "random" in ticks:
        return np.ones(SLOTS)
    shares = by_hour(ticks)
    return np.tile(shares, SLOTS // len(shares)) * len(shares)


def loads(scenario):
    """What nobody moves, by hour, and what can be moved: (certificates an hour, days); mean 1."""
    cycle = scenario.get("first_cycle_days", 60)
    hours = np.array(scenario.get("hours", HOURS), dtype=float)
    hours /= hours.mean()
    unmoved, movable = np.zeros(SLOTS), []
    for client in scenario["client"]:
        share = client["share"]
        if client["kind"] == "never-succeeds":
            # Each orders at each of its ticks, while the others order once a cycle.
            runs = 86400 // seconds(client["ticks"]["every"])
            unmoved += share * cycle * runs * fixed_day(client, hours)
        elif client["kind"] == "no-ari":
            unmoved += share * fixed_day(client, hours)
        else:
            movable += [(share * part, days) for part, days in choices(client)]
    mean = unmoved.mean() + sum(share for share, _ in movable)
    return unmoved / mean, [(share / mean, days) for share, days in movable]


def lowest_peak(unmoved, movable, times=SLOTS):
    """The least that the highest hour can be, where what can be moved counts so many times."""
    columns = sum(len(days) for _, days in movable)
    upper = np.zeros((len(unmoved), columns + 1))
    equal = np.zeros((len(movable), columns + 1))
    upper[:, -1] = -1
    at = 0
    for row, (share, days) in enumerate(movable):
        upper[:, at:at + len(days)] = share * times * days.T
        equal[row, at:at + len(days)] = 1
        at += len(days)
    cost = np.zeros(columns + 1)
    cost[-1] = 1
    solved = linprog(cost, A_ub=upper, b_ub=-unmoved, A_eq=equal, b_eq=np.ones(len(movable)),
                     method="highs")
    if not solved.success:
        raise SystemExit(f"no solution: {solved.message}")
    return solved.fun


def evenly(unmoved, movable):
    """The highest hour where each is spread evenly over all that it can be sent to."""
    load = unmoved.copy()
    for share, days in movable:
        load = load + share * SLOTS * days.mean(axis=0)
    return load.max()


def moments(client):
    """The seconds of a period at which clients of a kind wake together, and the share that does."""
    ticks = client["ticks"]
    for phase in ticks.get("at", []):
        hour, minute = phase["time"].split(":")
        # A run that begins late is any of so many seconds later.
        late = seconds(ticks.get("delay", "0s")) + 1
        yield (int(hour) * HOUR + int(minute) * 60) % seconds(ticks["every"]), phase["share"] / late


def worst_second(scenario):
    """The least that the busiest of the seconds can be at which many wake together, where each that
    wakes several times a day can be sent to any of its ticks."""
    cycle = scenario.get("first_cycle_days", 60)
    fixed, chosen, mean = {}, [], 0.0
    for client in scenario["client"]:
        ticks, runs = client.get("ticks", {}), 1
        if "every" in ticks:
            runs = 86400 // seconds(ticks["every"])
        vain = client["kind"] == "never-succeeds"
        mean += client["share"] * (cycle * runs if vain else 1)
        if "every" not in ticks or "random" in ticks or seconds(ticks["every"]) <= HOUR:
            continue
        for second, share in moments(client):
            every = [second + n * seconds(ticks["every"]) for n in range(runs)]
            together = client["share"] * share * 86400
            if client["kind"] == "no-ari" or vain:
                for at in every:
                    fixed[at] = fixed.get(at, 0.0) + together * (cycle if vain else 1 / runs)
            else:
                chosen.append((together, every))
    at = sorted(set(fixed) | {second for _, every in chosen for second in every})
    if not at:
        return 1.0
    base = np.array([fixed.get(second, 0.0) for second in at]) / mean
    movable = []
    for together, every in chosen:
        days = np.zeros((len(every), len(at)))
        for row, second in enumerate(every):
            days[row, at.index(second)] = 1
        movable.append((together / mean, days))
    return lowest_peak(base, movable, 1)


def main(paths):
    """Prints a line for each scenario."""
    if not paths:
        raise SystemExit(__doc__)
    for path in paths:
        scenario = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        unmoved, movable = loads(scenario)
        figures = f"{lowest_peak(unmoved, movable):.3f} {evenly(unmoved, movable):.3f}"
        print(f"{Path(path).stem} {figures} {worst_second(scenario):.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
