// Is the CA well: what the service says now; else what the page was made with.

const WORDS = { ok: "The CA answers well", degraded: "The CA is degraded", down: "The CA is down", unknown: "It is not known whether the CA answers well" };
/** The same behind the name of one of several CAs. */
const NAMED = { ok: "well", degraded: "degraded", down: "down", unknown: "not known" };
/** Where load is seen, as `/v1/live` names it. */
const SOURCES = {
  ca: "the CA's own counters", log: "the CA's logs", metrics: "the CA's metrics", registrations: "certificates registered here", ct: "Certificate Transparency logs", import: "imported counts", observer: "an outside monitor",
};
/** The better first. */
const GRADES = ["ok", "unknown", "degraded", "down"];

/** How a CA is, in one line. On a page of several its name leads to its own page. */
function lineOf({ ca, status, since, reason }) {
  const begun = since ? ` since ${dated(Date.parse(since))}` : "";
  const words = [RANKING.ca || !ca ? (WORDS[status] ?? status) : `: ${NAMED[status] ?? status}`, begun, ".", reason ? ` ${reason}` : ""].join("");
  const link = RANKING.ca || !ca ? null : make("a", { href: `${PAGE.root}ca/${encodeURIComponent(ca)}/` }, ca);
  return make("p", { class: "status", "data-status": status }, link, words);
}

/** One line for each CA; while one is down, they are read before anything else. */
function showStatus(lines) {
  const element = byId("status");
  const worst = lines.reduce((most, { status }) => (GRADES.indexOf(status) > GRADES.indexOf(most) ? status : most), "ok");
  element.dataset.status = worst;
  const told = lines.map(lineOf);
  // Whoever stands on a link in it stays there while nothing changes.
  if (told.map(({ outerHTML }) => outerHTML).join("") !== element.innerHTML) element.replaceChildren(...told);
  const down = worst === "down";
  element.classList.toggle("first", down);
  if (down && element.parentElement !== byId("first")) byId("first").prepend(element);
  if (!down && element.parentElement === byId("first")) byId("h-status").after(element);
}

/** The CAs of what the service tells that this page is about: its own, or those of its environment. */
function concerned(told) {
  if (RANKING.ca) return told.cas.filter(({ ca }) => ca === RANKING.ca);
  const known = ({ ca, dataThrough }) => ca !== "default" || dataThrough;
  return told.cas.filter((one) => one.environment === RANKING.environment && known(one));
}

/** A reason as a sentence; none where it is an incident that stands below with its name. */
function reasonOf(reason, incidents) {
  if (!reason || incidents.some(({ name }) => reason.endsWith(`: ${name}`))) return "";
  return `${reason[0].toUpperCase()}${reason.slice(1)}.`;
}

/** An incident, as the template writes those that were there when the page was made. */
function incidentOf(incident) {
  const kinds = { drill: "drill, nothing is revoked", maintenance: "maintenance", outage: "outage", revocation: "revocation" };
  const states = { announced: "announced", open: "open", partial: "partly over", closed: "over" };
  const time = (at, name) => make("time", { datetime: at, class: name }, at);
  const closes = incident.kind === "maintenance" || incident.kind === "outage";
  const ahead = closes && incident.state !== "closed" && Date.parse(incident.from) > Date.now();
  const state = ahead ? "announced" : incident.state;
  const what = make("p", {}, `${kinds[incident.kind] ?? incident.kind} of ${incident.ca}, `, make("span", { class: "state" }, states[state] ?? state));
  for (const [words, at] of [[", from ", incident.from], [" to ", incident.to], ["; its end is expected at ", incident.estimatedEnd], ["; affected certificates are to be replaced before ", incident.renewBy]]) {
    if (at) what.append(words, time(at));
  }
  what.append(".");
  const last = make("p", { class: "quiet" }, "last update ", time(incident.updatedAt, "ago"), make("span", { class: "overdue" }));
  const url = incident.explanationURL;
  if (url && /^https?:/.test(url)) last.append(" · ", make("a", { href: url, rel: "noreferrer" }, "what to do"));
  const mark = ahead ? " announced" : incident.state === "closed" ? "" : " open";
  return make("article", { class: `incident${mark}`, "data-due": incident.updateDue, "data-from": ahead ? incident.from : null }, make("h3", {}, incident.name), what, incident.note ? make("p", {}, incident.note) : null, last);
}

async function loadStatus() {
  const answer = await ask(`/v1/status${ofCa("?")}`);
  const told = answer?.ok ? answer.body : null;
  const cas = told?.status ? concerned(told) : [];
  if (cas.length === 0) {
    showStatus(asPublished("No service answers here; this is as of when the page was made."));
    byId("no-service").hidden = false;
    return;
  }
  const elsewhere = told.cas.filter((one) => !cas.includes(one)).map(({ ca }) => ca);
  const incidents = told.incidents.filter(({ ca }) => !elsewhere.includes(ca));
  showStatus(cas.map((one) => ({ ...one, reason: reasonOf(one.reason, incidents) })));
  byId("incidents").replaceChildren(...incidents.map(incidentOf));
  byId("calm").hidden = incidents.length > 0;
  tellThrough(cas.map(({ dataThrough }) => dataThrough).filter(known));
  byId("served").hidden = false;
  byId("no-service").hidden = true;
  tellAges(Date.now());
}

/** How the CAs are as far as the page itself knows: by the outages and the maintenance in it, as the service judges them. */
function asPublished(reason) {
  const now = Date.now();
  const holds = ({ from, to }) => !(from && Date.parse(from) > now) && !(to && Date.parse(to) <= now);
  const closes = ({ kind, from, to }) => kind === "outage" || (kind === "maintenance" && from && to);
  const open = PAGE.incidents.filter((one) => closes(one) && one.state !== "closed" && holds(one));
  if (open.length === 0) return [{ status: "unknown", reason }];
  const status = ({ kind, state }) => (kind === "outage" && state === "partial" ? "degraded" : "down");
  return open.map((one) => ({ ca: one.ca, status: status(one), since: one.from, reason }));
}

/** The service has heard more since the page was made: of several CAs, all that was heard of every one. */
function tellThrough(heard) {
  const through = byId("through");
  if (through && heard.length > 0) through.dateTime = heard.reduce((a, b) => (Date.parse(a) < Date.parse(b) ? a : b));
}

/** The ways to the pages of the CAs, where each has what this one has not. */
function ownPages() {
  const links = [...document.querySelectorAll("nav a[data-ca]")].map((link) => make("a", { href: link.getAttribute("href") }, link.dataset.ca));
  return links.flatMap((link, at) => (at === 0 ? [": ", link] : [", ", link]));
}

async function loadLive() {
  const words = byId("live-words");
  if (!RANKING.ca) {
    words.replaceChildren("Each CA has its own, on its own page", ...ownPages(), ".");
    return;
  }
  const answer = await ask(`/v1/live${ofCa("?")}`);
  const series = answer?.ok ? answer.body.series : null;
  if (!series) {
    words.textContent = "No service answers here, and a file does not know the last hour.";
    return;
  }
  if (series.length === 0) {
    words.textContent = "Nothing was heard of the last 60 minutes.";
    return;
  }
  const begin = Date.parse(answer.body.from);
  words.textContent = "Load by the minute: 1 is the mean of these 60 minutes, not that of the weeks above. Failed attempts are red, unknown minutes hatched; times in UTC.";
  byId("live").replaceChildren(...series.map((one) => liveOf(one, begin)));
}

function liveOf(one, begin) {
  const name = [SOURCES[one.source] ?? one.source, one.endpoint, known(one.vantage) ? `seen from ${one.vantage}` : null].filter(known).join(" · ");
  const bars = one.points.map((point, at) => ({
    label: `${timeOf(begin + at * MINUTE, "UTC")}: ${point ? `${point.load.toFixed(2)}${known(point.failureRate) ? `, ${(100 * point.failureRate).toFixed(1)} % fail` : ""}` : "unknown"}`,
    parts: point ? [{ value: point.load * (point.failureRate ?? 0), name: "fail" }, { value: point.load * (1 - (point.failureRate ?? 0)), name: "unsteered" }] : null,
  }));
  const ticks = bars.map((_, at) => at).filter((at) => new Date(begin + at * MINUTE).getUTCMinutes() % 15 === 0).map((at) => ({ at, label: timeOf(begin + at * MINUTE, "UTC") }));
  const heard = one.points.filter(known).length;
  const drawing = chart(bars, { ticks, words: `${name}: ${heard} of 60 minutes are known.`, unit: (full) => String(full) });
  return make("figure", { class: "one" }, make("figcaption", {}, name), drawing);
}

// What the page knows itself is there at once, so that nothing moves when the service says the same.
const published = asPublished("");
if (published.some(({ status }) => status !== "unknown")) showStatus(published);
const firstStatus = loadStatus();
loadLive();
setInterval(() => {
  if (document.visibilityState === "visible") {
    loadStatus();
    loadLive();
  }
}, MINUTE);
