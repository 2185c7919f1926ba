// Is the CA well: what the service says now; else what the page was made with.

const WORDS = { ok: "The CA answers well", degraded: "The CA is degraded", down: "The CA is down", unknown: "It is not known whether the CA answers well" };

function showStatus(status, since, from) {
  const element = byId("status");
  element.dataset.status = status;
  const begun = since ? `, since ${dated(Date.parse(since))}` : "";
  element.textContent = `${WORDS[status] ?? status}${begun}. ${from}`;
}

/** An incident, as the template writes those that were there when the page was made. */
function incidentOf(incident) {
  const kinds = { drill: "drill, nothing is revoked", maintenance: "maintenance", outage: "outage", revocation: "revocation" };
  const states = { open: "open", partial: "partly over", closed: "over" };
  const time = (at, name) => make("time", { datetime: at, class: name }, at);
  const what = make("p", {}, `${kinds[incident.kind] ?? incident.kind} of ${incident.ca}, ${states[incident.state] ?? incident.state}`);
  for (const [words, at] of [[", from ", incident.from], [" to ", incident.to], ["; its end is expected at ", incident.estimatedEnd], ["; affected certificates are to be replaced before ", incident.renewBy]]) {
    if (at) what.append(words, time(at));
  }
  what.append(".");
  const last = make("p", { class: "quiet" }, "last update ", time(incident.updatedAt, "ago"), make("span", { class: "overdue" }));
  const url = incident.explanationURL;
  if (url && /^https?:/.test(url)) last.append(" · ", make("a", { href: url, rel: "noreferrer" }, "what to do"));
  const open = incident.state === "closed" ? "" : " open";
  return make("article", { class: `incident${open}`, "data-due": incident.updateDue }, make("h3", {}, incident.name), what, incident.note ? make("p", {}, incident.note) : null, last);
}

async function loadStatus() {
  const answer = await ask(`/v1/status${ofCa("?")}`);
  const told = answer?.ok ? answer.body : null;
  if (!told?.status) {
    const down = PAGE.incidents.find(({ kind, state }) => kind === "outage" && state !== "closed");
    showStatus(down ? "down" : "unknown", down?.from, "No service answers here; this is as of when the page was made.");
    return;
  }
  const heard = told.dataThrough ? `Last heard of ${ago(Date.parse(told.dataThrough), Date.now())}.` : "";
  const { reason } = told;
  showStatus(told.status, told.since, `${reason[0].toUpperCase()}${reason.slice(1)}. ${heard}`);
  byId("incidents").replaceChildren(...told.incidents.map(incidentOf));
  const calm = byId("calm");
  if (calm) calm.hidden = told.incidents.length > 0;
  tellAges(Date.now());
}

async function loadLive() {
  const words = byId("live-words");
  if (!RANKING.ca) {
    words.textContent = "Each CA has its own, on its own page.";
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
  words.textContent = "Load by the minute, relative to the mean; failed attempts in red. Hatched minutes are unknown. Hours in UTC.";
  byId("live").replaceChildren(...series.map((one) => liveOf(one, begin)));
}

function liveOf(one, begin) {
  const name = [`source ${one.source}`, one.endpoint, one.vantage].filter(known).join(" · ");
  const bars = one.points.map((point, at) => ({
    label: `${timeOf(begin + at * MINUTE, "UTC")}: ${point ? `${point.load.toFixed(2)}${known(point.failureRate) ? `, ${(100 * point.failureRate).toFixed(1)} % fail` : ""}` : "unknown"}`,
    parts: point ? [{ value: point.load * (point.failureRate ?? 0), name: "fail" }, { value: point.load * (1 - (point.failureRate ?? 0)), name: "unsteered" }] : null,
  }));
  const ticks = bars.map((_, at) => at).filter((at) => new Date(begin + at * MINUTE).getUTCMinutes() % 15 === 0).map((at) => ({ at, label: timeOf(begin + at * MINUTE, "UTC") }));
  const heard = one.points.filter(known).length;
  const drawing = chart(bars, { ticks, words: `${name}: ${heard} of 60 minutes are known.`, unit: (full) => String(full) });
  return make("figure", { class: "one" }, make("figcaption", {}, name), drawing);
}

loadStatus();
loadLive();
setInterval(() => {
  if (document.visibilityState === "visible") {
    loadStatus();
    loadLive();
  }
}, MINUTE);
