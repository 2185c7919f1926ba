"use strict";
// Reads what an operator would else ask of five commands, and shows it. It changes nothing.

const KEY = "offpeak-admin-token";
// Load is counted by the minute.
const AGAIN_AFTER = 15_000;
// From this share on /v1/status says that sources disagree.
const DISAGREEMENT = 0.25;
// A replica says how it is every 10 s, and reads the change feed twice a second; /readyz minds 15 s.
const SILENT_AFTER_SECONDS = 30;
const BEHIND_AFTER_SECONDS = 15;
const byId = (id) => document.getElementById(id);
let timer;

/** An element with a class and text or children. */
function make(name, kind, ...children) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.append(...children.map((child) => (child instanceof Node ? child : String(child ?? "–"))));
  return element;
}

/** Puts rows in place of those of a table; one that is empty says so. */
function fill(id, rows, none) {
  const body = byId(id).tBodies[0];
  const columns = byId(id).tHead.rows[0].cells.length;
  const empty = make("td", "quiet", none);
  empty.colSpan = columns;
  body.replaceChildren(...(rows.length ? rows : [[empty]]).map((cells) => make("tr", "", ...cells)));
}

const cell = (text, kind) => make("td", kind, text);
const number = (value) => cell(value === null || value === undefined ? "–" : Number(value).toLocaleString("en"), "n");
const percent = (share) => cell(share === undefined || share === null ? "–" : `${(100 * share).toFixed(1)} %`, "n");
const instant = (text) => text.replace("T", " ").replace("Z", " UTC");
const time = (text) => cell(text ? instant(text) : "–");

/** What a path of this listener answers, as JSON or text. */
async function ask(path) {
  const answer = await fetch(path, { headers: { authorization: `Bearer ${sessionStorage.getItem(KEY)}` }, cache: "no-store" });
  const text = await answer.text();
  if (!answer.ok) {
    let detail = text;
    try { detail = JSON.parse(text).detail; } catch { /* It is no problem document. */ }
    throw Object.assign(new Error(detail), { status: answer.status });
  }
  return answer.headers.get("content-type").includes("json") ? JSON.parse(text) : text;
}

/** The values of one gauge of /metrics, with their labels. */
function gauge(metrics, name) {
  return metrics.split("\n").filter((line) => line.startsWith(`${name}{`)).map((line) => {
    const [, labels, value] = line.match(/^[^{]*\{(.*)\} (\S+)/);
    return { ...Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map((match) => match.slice(1))), value: Number(value) };
  });
}

/** A bar for each minute; a gap is a gap. */
function bars(points) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const most = Math.max(1, ...points.map((point) => point?.load ?? 0));
  svg.setAttribute("viewBox", `0 0 ${4 * points.length} 24`);
  svg.setAttribute("width", 4 * points.length);
  svg.setAttribute("height", 24);
  svg.setAttribute("role", "img");
  const told = points.filter(Boolean).length;
  svg.setAttribute("aria-label", `${told} of ${points.length} minutes told`);
  points.forEach((point, at) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = point ? Math.max(1, (22 * point.load) / most) : 2;
    for (const [key, value] of Object.entries({ x: 4 * at, y: 24 - height, width: 3, height })) rect.setAttribute(key, value);
    if (!point) rect.setAttribute("class", "gap");
    svg.append(rect);
  });
  return make("td", "", svg);
}

/** How long ago, in words. */
function ago(seconds) {
  for (const [unit, length] of [["h", 3600], ["min", 60]]) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit} ago`;
  return seconds < 1 ? "now" : `${seconds} s ago`;
}

/** Whether a source moves the volume, and agrees with the others. */
function trust({ quarantinedUntil, disagreement }) {
  if (quarantinedUntil) return cell(`new until ${instant(quarantinedUntil)}`);
  return disagreement > DISAGREEMENT ? cell(`${(100 * disagreement).toFixed(0)} % from the others`, "bad") : cell("");
}

/** The cells of a replica's row. */
function replica(one, now) {
  const silent = Math.max(0, Math.round((now - Date.parse(one.heardAt)) / 1000));
  const behind = one.feedBehindSeconds;
  return [
    make("td", "", one.thisOne ? `${one.name} (this one)` : one.name), cell(one.address), cell(one.software), time(one.startedAt),
    cell(ago(silent), silent > SILENT_AFTER_SECONDS ? "bad" : ""),
    cell(behind > 1 ? `${behind} s behind` : "read to its end", behind > BEHIND_AFTER_SECONDS ? "bad" : ""),
  ];
}

/** The share of windows that is kept. Until somebody has polled it is what is assumed, and nothing was seen. */
const kept = (polled, share) => (polled > 0 ? percent(share) : cell("unknown", "n"));

/** How far an incident is; one that closes the CA later is announced. */
function state({ kind, state: now, from }, at) {
  if (now !== "open" && now !== "partial") return cell(now);
  const ahead = (kind === "maintenance" || kind === "outage") && from && Date.parse(from) > Date.parse(at);
  return ahead ? cell("announced") : cell(now, "bad");
}

const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
const worst = { ok: "ok", down: "bad", degraded: "bad", unknown: "" };

function show(overview, incidents, metrics) {
  const of = (name, ca, more = {}) => gauge(metrics, name)
    .find((one) => one.ca === ca && Object.entries(more).every(([key, value]) => one[key] === value))?.value;
  byId("state").textContent = `${overview.ready ? "Ready" : "Not ready"}, as of ${overview.generatedAt.slice(11, 19)} UTC`;
  byId("degraded").hidden = overview.degraded.length === 0;
  byId("degraded").replaceChildren(...overview.degraded.map((reason) => make("li", "", reason)));
  fill("cas", overview.cas.map((ca) => [
    make("td", "", `${ca.ca} (${ca.environment})`),
    cell(ca.since ? `${ca.status} since ${ca.since.replace("T", " ").replace("Z", " UTC")}` : ca.status, worst[ca.status]),
    cell(ca.reason, "words"), time(ca.dataThrough),
    percent(of("offpeak_polled_share", ca.ca)), kept(of("offpeak_polled_share", ca.ca), of("offpeak_windows_kept_share", ca.ca)),
    number(Math.round(gauge(metrics, "offpeak_expected_per_hour").filter((one) => one.ca === ca.ca).reduce((sum, one) => sum + one.value, 0))),
  ]), "No CA is known.");
  fill("rhythms", gauge(metrics, "offpeak_rhythm_share").filter((one) => one.value > 0)
    .map((one) => [cell(one.ca), cell(one.rhythm), percent(one.value)]), "No client was recognized yet.");
  fill("incidents", incidents.incidents.map((one) => [
    number(one.id), cell(`${one.kind}: ${one.name}`, "words"), cell(one.ca), state(one, overview.generatedAt),
    number(one.affected), number(one.moved), number(one.polledSince), number(one.replaced), time(one.updatedAt),
  ]), "There is none.");
  fill("sources", overview.cas.flatMap((ca) => ca.sources.map((source) => [
    cell(ca.ca), cell(source.source), cell(source.vantage), time(source.dataThrough), trust(source),
  ])), "No source has reported anything for a week.");
  fill("configured", overview.configuredSources.map((source) => [
    cell(source.name), cell(source.kind), cell(source.ca ?? "several"),
    make("td", source.state === "failing" ? "bad" : "", `${source.state} since `, instant(source.since)), time(source.dataThrough), cell(source.reason ?? "", "words"),
  ]), "The configuration names no source, or this process reads none.");
  fill("hour", overview.cas.flatMap((ca) => ca.lastHour.map((series) => {
    const told = series.points.filter(Boolean);
    const failed = told.map((point) => point.failureRate).filter((rate) => rate !== null);
    const latency = told.map((point) => point.latencyMs).filter((value) => value !== null);
    return [cell(ca.ca), cell(series.source), cell(series.endpoint), bars(series.points), percent(mean(failed)),
      cell(latency.length ? `${Math.round(mean(latency))} ms` : "–", "n")];
  })), "Nothing was reported for the last hour.");
  byId("sharing").textContent = overview.sharedStore
    ? "Processes that serve from this PostgreSQL, as each said of itself when it was last heard of. One that was not told to stop stays for a day."
    : "One process: the database is an SQLite file. Several share a PostgreSQL.";
  fill("replicas", overview.replicas.map((one) => replica(one, Date.parse(overview.generatedAt))), "No process has said that it serves.");
  byId("process").replaceChildren(...[
    ["Version", overview.software], ["Policy", overview.policyVersion], ["Certificates in memory", overview.certificates.toLocaleString("en")],
    ["Newest publication", overview.publication ? `${overview.publication.number}, of ${overview.publication.madeAt}` : "none"],
    ["Published to", overview.publishedTo.join(", ") || "its own listener alone"], ["Gateways", overview.gateways.join(", ") || "none"],
  ].flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
}

function leave(message) {
  clearTimeout(timer);
  sessionStorage.removeItem(KEY);
  byId("entry").hidden = false;
  byId("shown").hidden = true;
  byId("message").textContent = message;
}

async function look() {
  clearTimeout(timer);
  try {
    const found = await Promise.all(["/v1/overview", "/v1/incidents", "/metrics"].map(ask));
    show(...found);
    byId("entry").hidden = true;
    byId("shown").hidden = false;
    byId("message").textContent = "";
  } catch (error) {
    if ([401, 403, 429].includes(error.status)) return leave(error.message);
    byId("message").textContent = `What is shown is old: ${error.message}`;
  }
  timer = setTimeout(look, AGAIN_AFTER);
}

async function count() {
  byId("count").disabled = true;
  try {
    const { cas } = await ask("/v1/overview");
    const reports = await Promise.all(cas.map(({ ca }) => ask(`/v1/cohorts?ca=${encodeURIComponent(ca)}`)));
    fill("windows", reports.map((report) => {
      const both = (key) => number(report.steered.renewals[key] + report.control.renewals[key]);
      return [cell(report.ca), ...["ahead", "inWindow", "before", "after", "untold", "overdue"].map(both)];
    }), "No CA is known.");
    byId("windows").hidden = false;
  } catch (error) {
    byId("message").textContent = error.message;
  }
  byId("count").disabled = false;
}

byId("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("token").value);
  byId("token").value = "";
  look();
});
byId("forget").addEventListener("click", () => leave(""));
byId("count").addEventListener("click", count);
if (sessionStorage.getItem(KEY)) look();
