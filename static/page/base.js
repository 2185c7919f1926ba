// What all parts of the page need: its data, finding and making elements, times, requests. The files of
// this folder are one script, in the order that src/domain/publication/page/mod.rs names.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const RANKING = DATA.ranking;
const PAGE = DATA.page;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
// Whoever waits longer than this for a server has a page that says nothing.
const ANSWER_WITHIN = 10_000;

const byId = (id) => document.getElementById(id);
const known = (value) => value !== null && value !== undefined;
const reader = new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** An element with attributes and children; `svg` makes one of SVG. */
function make(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "line", "text", "title", "path"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (known(value)) element.setAttribute(key, value);
  element.append(...children.filter(known));
  return element;
}

const two = (number) => String(number).padStart(2, "0");

// Making a format takes longer than all else on the page; each zone has one.
const formats = new Map();

/** The parts of an instant (milliseconds) on the clock of a zone. */
function clockOf(instant, zone) {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    formats.set(zone, format);
  }
  return Object.fromEntries(format.formatToParts(instant).map((part) => [part.type, part.value]));
}

/** `HH:MM` of an instant on the clock of a zone. */
function timeOf(instant, zone) {
  const { hour, minute } = clockOf(instant, zone);
  return `${hour}:${minute}`;
}

/** The time in the reader's zone, and in UTC where that is another. */
function bothClocks(instant) {
  const [here, utc] = [timeOf(instant, reader), timeOf(instant, "UTC")];
  return here === utc ? `${utc} UTC` : `${here} (${utc} UTC)`;
}

/** A date with its time in the reader's zone. */
function dated(instant) {
  const { weekday, day, month } = clockOf(instant, reader);
  return `${weekday} ${day} ${month}, ${bothClocks(instant)}`;
}

/** How long, in words: its two greatest units at most. */
function span(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / MINUTE));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} days`;
}

/** How long ago, in words. */
function ago(instant, now) {
  if (Math.abs(now - instant) < MINUTE) return "just now";
  return instant > now ? `in ${span(instant - now)}` : `${span(now - instant)} ago`;
}

/** Where the service is: the address that the page was made with, else where the page itself is. */
const ROOT = new URL(PAGE.root || "./", location.href).href.replace(/\/(index\.html)?([?#].*)?$/, "");
const BASE = PAGE.base ?? ROOT;

/** Asks the service; `null` where none answers, as behind a plain file server. */
async function ask(path) {
  const bases = PAGE.base && PAGE.base !== ROOT && location.protocol.startsWith("http") ? [ROOT, PAGE.base] : [BASE];
  for (const base of bases) {
    try {
      const answer = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(ANSWER_WITHIN), credentials: "omit" });
      const type = answer.headers.get("content-type") ?? "";
      // Behind a file server something else may say "not found" in a form of its own.
      if (type.includes("problem+json") || (answer.ok && type.includes("json"))) {
        const body = await answer.json();
        return { ok: answer.ok, body };
      }
    } catch {
      // The next one may answer.
    }
  }
  return null;
}

/** The parameter that names this page's CA to the service. */
const ofCa = (first) => (RANKING.ca ? `${first}ca=${encodeURIComponent(RANKING.ca)}` : "");
