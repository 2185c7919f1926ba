// A time for this reader alone: a slot by its weight, then a second in it, drawn in this browser.

/** From 0 to below 1, of 53 random bits. */
function chance() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}

/** Seconds from midnight UTC. */
function drawSecond() {
  const seconds = RANKING.slotMinutes * 60;
  let left = chance();
  let slot = RANKING.slots.findIndex(({ weight }) => (left -= weight) < 0);
  // Rounding may leave a hair over.
  if (slot < 0) slot = RANKING.slots.findLastIndex(({ weight }) => weight > 0);
  return slot * seconds + Math.floor(chance() * seconds);
}

// A page that was opened as a file knows of no service: then commands name an example.
const SERVICE = PAGE.base || location.protocol.startsWith("http") ? BASE : "https://ari.example.com";

let drawn = drawSecond();

function showCommands() {
  const zone = byId("zone").value;
  const today = Math.floor(Date.now() / DAY) * DAY;
  const { hour, minute, second } = clockOf(today + drawn * 1000, zone);
  byId("cron").textContent = `${Number(minute)} ${Number(hour)} * * * sleep ${Number(second)}; certbot renew --quiet --no-random-sleep-on-renew`;
  byId("timer").textContent = [
    "[Unit]", "Description=Renew certificates in a quiet hour", "", "[Timer]",
    `OnCalendar=*-*-* ${hour}:${minute}:${second} ${zone}`, "AccuracySec=1s", "Persistent=true", "", "[Install]", "WantedBy=timers.target",
  ].join("\n");
  const named = zone === "UTC" ? "" : `&tz=${zone}`;
  byId("curl").textContent = `curl -fsS "${SERVICE}/v1/best-time?format=cron${ofCa("&")}${named}&seed=$(hostname)"`;
}

async function copy(button) {
  const command = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(command.textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    // Without leave to write to the clipboard, it is marked for the reader to copy.
    getSelection().selectAllChildren(command);
    byId("copied").textContent = "Marked: copy it with your keyboard.";
  }
}

if (reader !== "UTC") byId("zone").append(make("option", { value: reader }, reader));
byId("zone").addEventListener("change", showCommands);
byId("again").addEventListener("click", () => {
  drawn = drawSecond();
  showCommands();
});
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
showCommands();
// Without a server's address the commands in the page name an example; here it is known.
if (!PAGE.base && location.protocol.startsWith("http")) {
  for (const command of document.querySelectorAll("pre")) command.textContent = command.textContent.replaceAll("https://ari.example.com", ROOT);
}
