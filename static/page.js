// Fills the table from ranking.json: the numbers as they stand there, nothing computed anew.
"use strict";

const UNKNOWN = "unknown";
const byId = (id) => document.getElementById(id);
const known = (value) => value !== null && value !== undefined;
const fixed = (value, digits) => (known(value) ? value.toFixed(digits) : UNKNOWN);
const percent = (value) => (known(value) ? `${(100 * value).toFixed(1)} %` : UNKNOWN);

function cell(row, text, isNumber) {
  const td = row.insertCell();
  td.textContent = text;
  if (isNumber) td.classList.add("number");
  if (text === UNKNOWN) td.classList.add("unknown");
}

function fill(row, slot) {
  const time = document.createElement("th");
  time.scope = "row";
  time.textContent = `${slot.start}–${slot.end}`;
  row.append(time);
  cell(row, known(slot.rank) ? String(slot.rank) : UNKNOWN, true);
  cell(row, fixed(slot.coefficient, 3), true);
  cell(row, slot.index ?? UNKNOWN, false);
  cell(row, fixed(slot.weight, 6), true);
  cell(row, known(slot.low) && known(slot.high) ? `${slot.low.toFixed(3)} to ${slot.high.toFixed(3)}` : UNKNOWN, true);
  cell(row, percent(slot.failureRate), true);
  cell(row, known(slot.samples) ? String(slot.samples) : UNKNOWN, true);
  if (slot.rank === 1) row.classList.add("first");
}

function state(ranking) {
  if (ranking.validUntil && Date.parse(ranking.validUntil) < Date.now()) {
    return "This ranking is out of date: its publisher has not renewed it.";
  }
  const unsure = ranking.slots.filter((slot) => slot.insufficientData).length;
  if (ranking.insufficientData || unsure === ranking.slots.length) {
    return "Nothing is known yet: too little has been observed to tell the hours apart. No hour has a rank until then, and any will do.";
  }
  return unsure > 0 ? `${unsure} of ${ranking.slots.length} slots have been observed too little: they have no rank, and count as the mean.` : "";
}

function show(ranking) {
  if (ranking.ca) {
    byId("subject").textContent = `Expected load of ${ranking.ca} (${ranking.environment}) by time of day, in UTC.`;
  }
  byId("state").textContent = state(ranking);
  for (const slot of ranking.slots) fill(byId("slots").insertRow(), slot);
  byId("scroll").hidden = false;
  byId("advice").textContent = ranking.advice ?? "";
  byId("dates").textContent = [
    ["made", ranking.generatedAt],
    ["from observations until", ranking.dataThrough],
    ["next", ranking.nextUpdate],
  ].filter(([, at]) => at).map(([what, at]) => `${what} ${at}`).join(" · ");
}

fetch("ranking.json")
  .then(async (answer) => {
    if (answer.ok) return answer.json();
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `status ${answer.status}`);
  })
  .then(show)
  .catch((error) => {
    byId("state").textContent = `The ranking cannot be shown: ${error.message}`;
  });
