// Applies the page's event stream to its table. What comes from the stream is only ever set as text:
// a value with HTML in it shows as it was written.

const table = document.getElementById("services");
const status = document.getElementById("status");
const rows = new Map(); // by key
const left = new Set(); // keys from before a full copy which it has not named yet

function connect() {
  const source = new EventSource("events");
  const on = (event, apply) => source.addEventListener(event, ({ data }) => apply(JSON.parse(data)));

  // The rows stay in sight while a full copy comes in. That happens whenever the browser connects
  // again, so nothing is lost that changed while it was not connected.
  on("begin", () => {
    for (const key of rows.keys()) left.add(key);
  });
  on("put", (entry) => {
    left.delete(entry.key);
    show(entry);
  });
  on("remove", ({ key }) => remove(key));
  on("synced", () => {
    left.forEach(remove);
    left.clear();
  });
  on("contact", ({ stale, last }) => {
    if (stale) say("stale", `stale: as of ${new Date(last).toLocaleTimeString()}`);
    else say("live", "live");
  });
  source.onerror = () => {
    say("disconnected", "disconnected");
    // A browser connects again by itself, but for an answer that is not a stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

function show(entry) {
  const row = rows.get(entry.key) ?? insert(entry.key);
  row.dataset.state = entry.error ? "unreadable" : entry.state;
  const texts = entry.error
    ? { region: entry.region, name: entry.name, state: "unreadable", latency: "", note: entry.error }
    : { region: entry.region, name: entry.name, state: entry.state, latency: `${entry.latency_ms} ms`, note: entry.note };
  for (const [column, text] of Object.entries(texts)) {
    row.querySelector(`.${column}`).textContent = text;
  }
}

// insert makes an empty row, in the order of the keys.
function insert(key) {
  const row = document.createElement("tr");
  row.dataset.key = key;
  for (const column of ["region", "name", "state", "latency", "note"]) {
    row.insertCell().className = column;
  }
  table.insertBefore(row, [...table.rows].find((other) => other.dataset.key > key) ?? null);
  rows.set(key, row);
  return row;
}

function remove(key) {
  rows.get(key)?.remove();
  rows.delete(key);
}

function say(state, text) {
  status.dataset.status = state;
  status.textContent = text;
}

connect();
