// A worker that does what it is told with @nats-io/kv: one request a line on stdin, one answer a
// line on stdout. worker_test.go describes both. Its arguments are the folder node_modules, which may
// be outside this tree, and the address of the server.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, servers] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { jetstream } = require("@nats-io/jetstream");
const { Kvm } = require("@nats-io/kv");
const { connect } = require("@nats-io/transport-node");

const nc = await connect({ servers });
const kvm = new Kvm(jetstream(nc));
let kv, watcher, events;

const bytes = (hex) => Buffer.from(hex.slice(1), "hex");
const hex = (data) => "x" + Buffer.from(data).toString("hex");
const word = { PUT: "put", DEL: "delete", PURGE: "purge" };
const show = (e) => [word[e.operation], e.key, e.revision, hex(e.value)].join(" ");

async function all(iterator) {
  const list = [];
  for await (const one of iterator) list.push(one);
  return list;
}

const commands = {
  async make(bucket, history) {
    kv = await kvm.create(bucket, { history: Number(history) });
    return "ok";
  },
  async open(bucket) {
    kv = await kvm.open(bucket);
    return "ok";
  },
  async get(key) {
    const e = await kv.get(key);
    return e === null || e.operation !== "PUT" ? "none" : show(e);
  },
  async put(key, value) {
    return `ok ${await kv.put(key, bytes(value))}`;
  },
  async create(key, value) {
    return `ok ${await kv.create(key, bytes(value))}`;
  },
  async update(key, value, revision) {
    return `ok ${await kv.update(key, bytes(value), Number(revision))}`;
  },
  async delete(key) {
    await kv.delete(key);
    return "ok";
  },
  async purge(key) {
    await kv.purge(key);
    return "ok";
  },
  async keys() {
    return ["ok", ...(await all(await kv.keys()))].join(" ");
  },
  async history(key) {
    return ["ok", ...(await all(await kv.history({ key }))).map(show)].join(" ");
  },
  async watch(filter) {
    watcher = await kv.watch({ key: filter });
    events = watcher[Symbol.asyncIterator]();
    return "ok";
  },
  async next() {
    const { value, done } = await events.next();
    return done ? "error the watch ended" : show(value);
  },
  async unwatch() {
    watcher.stop();
    return "ok";
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = line.split(" ");
  let answer;
  try {
    answer = await commands[command](...args);
  } catch (err) {
    answer = `error ${err.message}`;
  }
  process.stdout.write(answer + "\n");
}
await nc.close();
