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

/** The sentence of this moment. */
function sentenceOf(now) {
  const quiet = holding(PAGE.quiet, now);
  const busy = holding(PAGE.busy, now);
  if (PAGE.quiet.length === 0) return `It is ${bothClocks(now)}.`;
  const next = Math.min(...PAGE.quiet.map(([from]) => nextAt(from, now)));
  if (quiet) {
    const avoid = PAGE.busy.length > 0 ? `; then avoid ${listOf(PAGE.busy, now)}` : "";
    return `Quiet now, until ${bothClocks(nextAt(quiet[1], now))}${avoid}.`;
  }
  const state = busy ? `Busy now, until ${bothClocks(nextAt(busy[1], now))}` : `It is ${bothClocks(now)}, neither quiet nor busy`;
  return `${state}; quiet again from ${bothClocks(next)}.`;
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
  markNow(now);
  tellAges(now);
  tellStale(now);
}

addLocalHours(Date.now());
tick();
// To the minute: what changes within one is not shown.
setTimeout(() => {
  tick();
  setInterval(tick, MINUTE);
}, MINUTE - (Date.now() % MINUTE));
