// The hour that it is: the sentence in the reader's zone, the marks of now, ages, and whether all of
// this is stale.

/** The next instant at or after `now` at which the clock in UTC shows `minutes` from midnight. */
function nextAt(minutes, now) {
  const today = Math.floor(now / DAY) * DAY + minutes * MINUTE;
  return today > now ? today : today + DAY;
}

/** The first of the spans that holds now, if any. */
function holding(spans, now) {
  const minute = Math.floor((now % DAY) / MINUTE);
  return spans.find(([from, to]) => (from < to ? minute >= from && minute < to : minute >= from || minute < to));
}

/** When nobody should come, as the ranking says, in order of time. */
const CLOSED = RANKING.avoid.map(({ from, to, reason }) => ({ from: Date.parse(from), to: Date.parse(to), reason })).sort((a, b) => a.from - b.from);

/** Whether an instant is in a closed time: until when, with what follows without a gap, and why; else `null`. */
function closedAt(instant) {
  const held = CLOSED.find(({ from, to }) => from <= instant && instant < to);
  if (!held) return null;
  let last = held;
  for (const span of CLOSED) if (span.from <= last.to && span.to > last.to) last = span;
  // Nobody knows when an outage ends.
  return { to: last.to, reason: held.reason, about: last.reason === "outage" ? "about " : "" };
}

/** The first quiet time at or after an instant in which the CA is not closed; `null` where the days ahead hold none. */
function openingAfter(instant) {
  const midnight = Math.floor(instant / DAY) * DAY;
  const openings = [];
  // From yesterday, whose last span may run over midnight; the ranking tells of closed times for eight days.
  for (let day = -1; day < 9; day += 1) {
    for (const [begin, end] of PAGE.quiet) {
      let from = Math.max(midnight + day * DAY + begin * MINUTE, instant);
      const to = midnight + (day + (end > begin ? 0 : 1)) * DAY + end * MINUTE;
      for (let closed = closedAt(from); closed; closed = closedAt(from)) from = closed.to;
      const closing = CLOSED.find((span) => span.from > from && span.from < to);
      if (from < to) openings.push({ from, to: closing?.from ?? to, closing });
    }
  }
  return openings.reduce((first, next) => (first && first.from <= next.from ? first : next), null);
}

/** A time that is at most a day ahead by its clock, a later one with its date. */
const ahead = (instant, now) => (instant - now < DAY ? bothClocks(instant) : dated(instant));

/** The sentence of this moment. */
function sentenceOf(now) {
  const closed = closedAt(now);
  const opening = openingAfter(now);
  const again = opening ? `; quiet again from ${ahead(opening.from, now)}` : "";
  const busiest = PAGE.busy.length > 0 ? `; avoid ${listOf(PAGE.busy, now)}` : "";
  if (closed) {
    const where = RANKING.ca ? "Closed now" : "Closed now at one of these CAs";
    return `${where}, until ${closed.about}${ahead(closed.to, now)} (${closed.reason})${again}${busiest}.`;
  }
  if (PAGE.quiet.length === 0) return `It is ${bothClocks(now)}${busiest}.`;
  if (opening && opening.from <= now) {
    const closing = opening.closing ? `; then closed (${opening.closing.reason})` : "";
    return `Quiet now, until ${bothClocks(opening.to)}${closing}${busiest}.`;
  }
  const busy = holding(PAGE.busy, now);
  const state = busy ? `Busy now, until ${bothClocks(nextAt(busy[1], now))}` : `It is ${bothClocks(now)}, neither quiet nor busy`;
  return `${state}${again}${busiest}.`;
}

/** While the CA is closed, that is read before anything else; the times that have begun are not ahead. */
function tellClosed(now) {
  const sentence = byId("sentence-here");
  const closed = closedAt(now) !== null;
  sentence.classList.toggle("first", closed);
  if (closed && sentence.parentElement !== byId("first")) byId("first").append(sentence);
  if (!closed && sentence.parentElement === byId("first")) byId("sentence").after(sentence);
  const spans = [...document.querySelectorAll("#ahead li")];
  for (const one of spans) one.hidden = Date.parse(one.querySelector("time").dateTime) <= now;
  if (spans.length > 0) byId("ahead").hidden = spans.every((one) => one.hidden);
}

/** Spans of the day in the reader's zone. */
function listOf(spans, now) {
  const zone = reader === "UTC" ? " UTC" : " on your clock";
  return spans.map(([from, to]) => `${timeOf(nextAt(from, now), reader)} to ${timeOf(nextAt(to, now), reader)}`).join(" and ") + zone;
}

/** Below the hours in UTC, those of the reader's clock. */
function addLocalHours(now) {
  if (timeOf(now, reader) === timeOf(now, "UTC")) return;
  const begin = Math.floor(now / DAY) * DAY;
  const [corner, ...heads] = byId("map").tHead.querySelectorAll("small");
  corner.textContent = "here";
  corner.title = reader;
  heads.forEach((head, hour) => {
    const { hour: local, minute } = clockOf(begin + hour * HOUR, reader);
    head.textContent = minute === "00" ? local : `${local}:${minute}`;
  });
}

function markNow(now) {
  for (const old of document.querySelectorAll("[aria-current=time]")) old.removeAttribute("aria-current");
  for (const old of document.querySelectorAll("#map .now")) old.classList.remove("now");
  const day = (Math.floor(now / DAY) + 3) % 7;
  const hour = Math.floor((now % DAY) / HOUR);
  const row = byId("map").tBodies[0].rows[day];
  row.cells[hour + 1].setAttribute("aria-current", "time");
  row.cells[0].classList.add("now");
  byId("map").tHead.rows[0].cells[hour + 1].classList.add("now");
  const slot = Math.floor((now % DAY) / (RANKING.slotMinutes * MINUTE));
  const start = RANKING.slots[slot].start;
  document.querySelector(`#day tr[data-start="${start}"]`)?.setAttribute("aria-current", "time");
}

/** Times as this reader has them, and how long ago they are. */
function tellAges(now) {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    time.textContent = time.classList.contains("ago") ? ago(at, now) : dated(at);
    time.title = time.dateTime;
  }
  // What was announced when the page was made may have begun.
  for (const incident of document.querySelectorAll(".incident.announced")) {
    if (Date.parse(incident.dataset.from) > now) continue;
    incident.classList.replace("announced", "open");
    incident.querySelector(".state").textContent = "open";
  }
  for (const incident of document.querySelectorAll(".incident[data-due]")) {
    const due = Date.parse(incident.dataset.due);
    const text = now > due ? ` – an update is overdue by ${span(now - due)}` : "";
    incident.querySelector(".overdue").textContent = text;
  }
}

function tellStale(now) {
  const until = Date.parse(RANKING.validUntil);
  const stale = now > until;
  byId("stale").hidden = !stale;
  if (stale) byId("stale").textContent = `Stale: this page held until ${dated(until)} and its publisher has not renewed it. The hours may have changed.`;
}

function tick() {
  const now = Date.now();
  byId("sentence-here").textContent = sentenceOf(now);
  tellClosed(now);
  markNow(now);
  tellAges(now);
  tellStale(now);
}

// The sentence says it from now on, for as long as it holds.
byId("closed")?.remove();
addLocalHours(Date.now());
tick();
// To the minute: what changes within one is not shown.
setTimeout(() => {
  tick();
  setInterval(tick, MINUTE);
}, MINUTE - (Date.now() % MINUTE));
