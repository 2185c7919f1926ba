// The window of a certificate that the reader pastes or drops, and how busy its hours are.

/** The load of the hours that a span touches, by the map of the week. */
function loadOf(from, to) {
  const perSlot = RANKING.slotMinutes * MINUTE;
  const loads = [];
  // A window is hours long; a week of slots is all that the map tells apart.
  for (let at = Math.floor(from / perSlot) * perSlot; at < to && loads.length < RANKING.week.length; at += perSlot) {
    const day = (Math.floor(at / DAY) + 3) % 7;
    loads.push(RANKING.week[Math.floor((day * DAY + (at % DAY)) / perSlot)].coefficient);
  }
  return loads;
}

function rows(pairs) {
  return make("dl", {}, ...pairs.flatMap(([term, ...values]) => [make("dt", {}, term), make("dd", {}, ...values)]));
}

async function showCertificate(octets) {
  const found = byId("found");
  let read;
  try {
    read = readCertificate(octets);
  } catch (error) {
    found.replaceChildren(make("p", { class: "warning" }, `This cannot be looked up: ${error.message}.`));
    return;
  }
  const pairs = [
    ["CertID", make("code", { id: "certid" }, read.id)],
    ["Good", `from ${dated(read.from)} to ${dated(read.to)}`],
  ];
  found.replaceChildren(rows([...pairs, ["Window", "asking …"]]));
  const answer = await ask(`/renewal-info/${read.id}`);
  // Meanwhile another may have been pasted, which is the one that is looked at.
  if (byId("certid")?.textContent !== read.id) return;
  found.replaceChildren(rows([...pairs, ...windowOf(answer)]));
}

function windowOf(answer) {
  if (!answer) return [["Window", "no service answers here; ask your CA's with this CertID"]];
  if (!answer.ok) return [["Window", `none: ${answer.body.detail ?? "the service does not know it"}`]];
  const { start, end } = answer.body.suggestedWindow;
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const loads = loadOf(from, to).filter(known);
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  const pairs = [
    ["Window", make("strong", {}, `${dated(from)} to ${timeOf(to, reader)}`), ` (${ago(from, Date.now())})`],
    ["How busy", loads.length > 0 ? `${mean.toFixed(2)} of the mean in these hours` : "unknown"],
  ];
  const url = answer.body.explanationURL;
  if (url && /^https?:/.test(url)) pairs.push(["Why", make("a", { href: url, rel: "noreferrer" }, url)]);
  return pairs;
}

/** A file may be PEM or DER: DER begins with the tag of a sequence, which is the character 0. */
async function showFile(file) {
  // 1 MiB holds a chain of a hundred certificates.
  const octets = new Uint8Array(await file.slice(0, 1 << 20).arrayBuffer());
  const text = new TextDecoder("latin1").decode(octets);
  if (text.includes("-----BEGIN")) {
    byId("pem").value = text;
    showText(text);
  } else {
    showCertificate(octets);
  }
}

function showText(text) {
  if (text.trim() === "") {
    byId("found").replaceChildren();
    return;
  }
  try {
    showCertificate(octetsOfPem(text));
  } catch (error) {
    byId("found").replaceChildren(make("p", { class: "warning" }, `This cannot be looked up: ${error.message}.`));
  }
}

byId("pem").addEventListener("input", (event) => showText(event.target.value));
byId("file").addEventListener("change", (event) => {
  if (event.target.files[0]) showFile(event.target.files[0]);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  byId("drop").addEventListener(name, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) showFile(event.dataTransfer.files[0]);
  });
}

// All that the page knows itself is in its place. A service that is near says in no time how the CAs are, which
// may be all that there is to read; one that is not is waited for no longer than nobody notices.
const UNNOTICED = 100;
Promise.race([firstStatus, new Promise((done) => setTimeout(done, UNNOTICED))]).then(() => document.documentElement.classList.remove("wait"));
