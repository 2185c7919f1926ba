// Bars over time, drawn as SVG. What is unknown is a gap, never a bar of height nothing.

const BARS = { width: 720, height: 96, left: 36 };
/** The most that a sign of a label takes at 11 px. */
const SIGN = 7;

/** A round number that holds the highest bar. */
function ceiling(most) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50];
  return steps.find((step) => most <= step) ?? most;
}

/**
 * A chart of stacked bars. `bars`: {label, parts: [{value, name}] or null where unknown}; `ticks`: {at, label}
 * by the number of the bar; `words` says what it shows to whoever does not see it.
 */
function chart(bars, { ticks, words, unit }) {
  const total = (bar) => (bar.parts ?? []).reduce((sum, part) => sum + part.value, 0);
  const full = ceiling(Math.max(...bars.map(total), 0.01));
  const step = BARS.width / bars.length;
  const gap = step > 6 ? 2 : 1;
  const body = make("g", { transform: `translate(${BARS.left} 6)` });
  body.append(
    make("line", { class: "axis", x1: 0, x2: BARS.width, y1: BARS.height, y2: BARS.height }),
    make("line", { class: "grid", x1: 0, x2: BARS.width, y1: 0, y2: 0 }),
    make("text", { class: "end", x: -4, y: 8 }, unit(full)),
    make("text", { class: "end", x: -4, y: BARS.height }, "0"),
  );
  bars.forEach((bar, number) => {
    const x = (number * step).toFixed(1);
    const width = Math.max(step - gap, 1).toFixed(1);
    const title = () => make("title", {}, bar.label);
    if (!bar.parts) {
      body.append(make("rect", { class: "gap", x, width, y: 0, height: BARS.height }, title()));
      return;
    }
    let below = 0;
    for (const part of bar.parts) {
      const height = (part.value / full) * BARS.height;
      body.append(make("rect", { class: part.name, x, width, y: (BARS.height - below - height).toFixed(1), height: Math.max(height, 0).toFixed(1) }, title()));
      below += height;
    }
  });
  for (const { at, label } of ticks) {
    // A label begins below its bar; where it would run out of the picture it ends there.
    const last = at * step + label.length * SIGN > BARS.width;
    body.append(make("text", { x: last ? BARS.width : (at * step).toFixed(1), y: BARS.height + 14, class: last ? "end" : null }, label));
  }
  return make("svg", { viewBox: `0 0 760 ${BARS.height + 26}`, role: "img", "aria-label": words }, body);
}

/** The same as a table, for who wants numbers. */
function numbers(heads, rows, caption) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((text) => make("td", { class: "n" }, text))));
  const table = make("table", { class: "day" }, make("caption", { class: "hide" }, caption), make("thead", {}, head), make("tbody", {}, ...body));
  return make("details", {}, make("summary", {}, "Numbers"), table);
}

/** The next 48 hours: as the service says now, else as they were when the page was made. */
function showNext(slots, made, slotMinutes) {
  const now = Date.now();
  const end = (slot) => slot.start + slotMinutes * MINUTE;
  const ahead = slots.filter((slot) => end(slot) > now && slot.start < now + 48 * HOUR);
  if (!ahead.some(({ unsteered }) => known(unsteered))) {
    byId("next-words").textContent = "Nothing is known of the next hours.";
    return;
  }
  const load = (slot) => (known(slot.unsteered) ? slot.unsteered + slot.steered : null);
  const highest = ahead.reduce((best, slot) => ((load(slot) ?? -1) > (load(best) ?? -1) ? slot : best));
  const share = ahead.reduce((sum, slot) => sum + (slot.steered ?? 0), 0) / (ahead.reduce((sum, slot) => sum + (load(slot) ?? 0), 0) || 1);
  const moved = Math.round(100 * share);
  // Where nothing is moved there is one kind of bars, which needs no key.
  const told = moved > 0 ? ` ${moved} % of it comes in hours that were suggested to clients.` : "";
  const words = `Highest at ${dated(highest.start)}: ${load(highest).toFixed(2)} of the mean.${told}`;
  const bars = ahead.map((slot) => ({
    label: `${dated(slot.start)}: ${known(slot.unsteered) ? `${load(slot).toFixed(2)}${slot.steered > 0 ? `, of that ${slot.steered.toFixed(2)} in suggested hours` : ""}` : "unknown"}`,
    parts: known(slot.unsteered) ? [{ value: slot.unsteered, name: "unsteered" }, { value: slot.steered, name: "steered" }] : null,
  }));
  const ticks = ahead
    .map((slot, at) => ({ at, hour: Number(timeOf(slot.start, "UTC").slice(0, 2)), start: slot.start, minute: timeOf(slot.start, "UTC").slice(3) }))
    .filter(({ hour, minute }) => hour % 6 === 0 && minute === "00")
    .map(({ at, hour, start }) => ({ at, label: hour === 0 ? `${clockOf(start, "UTC").weekday} 00:00` : `${two(hour)}:00` }));
  const key = moved > 0 ? make("span", { class: "key" }, make("i", { class: "unsteered" }), "at times of the clients' own ", make("i", { class: "steered" }), "in suggested hours") : "";
  byId("next-words").replaceChildren(`${words} As of ${ago(made, now)}; hours in UTC. `, key);
  const rows = ahead.map((slot) => [dated(slot.start), ...[slot.unsteered, slot.steered].map((value) => (known(value) ? value.toFixed(3) : "unknown"))]);
  byId("next").replaceChildren(
    chart(bars, { ticks, words: `Expected load of the next 48 hours. ${words}`, unit: (full) => String(full) }),
    numbers(["Time", "At times of the clients' own", "In suggested hours"], rows, "Expected load relative to the mean"),
  );
}

async function loadNext() {
  const published = PAGE.forecast;
  if (published) {
    const begin = Date.parse(published.from);
    const slots = published.unsteered.map((unsteered, at) => ({ start: begin + at * published.slotMinutes * MINUTE, unsteered, steered: published.steered[at] }));
    showNext(slots, Date.parse(RANKING.generatedAt), published.slotMinutes);
  } else {
    byId("next-words").replaceChildren(...(RANKING.ca ? ["Nothing is known of the next hours."] : ["Each CA has a forecast of its own, on its own page", ...ownPages(), "."]));
  }
  if (!RANKING.ca) return;
  const answer = await ask(`/v1/forecast?hours=48${ofCa("&")}`);
  if (!answer?.ok) return;
  const slots = answer.body.slots.map((slot) => ({ ...slot, start: Date.parse(slot.start) }));
  showNext(slots, Date.parse(answer.body.generatedAt), answer.body.slotMinutes);
}

loadNext();
