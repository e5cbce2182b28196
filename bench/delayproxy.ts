// SPDX-License-Identifier: Apache-2.0
// A link with a delay: delayproxy.ts HOST:PORT DELAYFILE COUNTFILE. What goes either way waits half of the milliseconds that
// the file names, a new connection once more the whole. Requests are counted in the other file. The address is said on
// standard output. A process of its own stands in for tc-netem(8), which not every kernel has.
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";

const [target = "", delayFile = "", countFile = ""] = process.argv.slice(2);
const [host = "", port = ""] = target.split(":");
let requests = 0;

function roundTrip(): number {
  return Number(readFileSync(delayFile, "utf8"));
}

/** Hands on what comes, each piece after the same wait, and the end after the last. */
function forward(from: Socket, to: Socket, milliseconds: number, connectedAt: number): void {
  const later = (action: () => void): void => {
    const wait = Math.max(milliseconds, connectedAt + milliseconds - performance.now());
    setTimeout(action, wait);
  };
  from.on("data", (chunk: Buffer) => later(() => to.write(chunk)));
  from.on("end", () => later(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", () => later(() => to.end()));
}

const server = createServer((client) => {
  const delay = roundTrip();
  const upstream = connect(Number(port), host);
  for (const socket of [client, upstream]) socket.setNoDelay(true);
  client.on("data", (chunk: Buffer) => {
    if (!/^(GET|HEAD|POST|PUT|PATCH) /.test(chunk.subarray(0, 8).toString("latin1"))) return;
    requests += 1;
    writeFileSync(countFile, String(requests));
  });
  forward(client, upstream, delay / 2, performance.now() + delay);
  forward(upstream, client, delay / 2, 0);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.stdout.write(`http://127.0.0.1:${address.port}\n`);
});
process.on("SIGTERM", () => process.exit(0));
