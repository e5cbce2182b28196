// SPDX-License-Identifier: Apache-2.0
// Serves a folder over HTTP on a free port, for the peer that wants one: fileserver.ts FOLDER
import { join } from "node:path";

const [folder = "."] = process.argv.slice(2);
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 60,
  async fetch(request) {
    const file = Bun.file(join(folder, decodeURIComponent(new URL(request.url).pathname)));
    return (await file.exists()) ? new Response(file) : new Response("not found", { status: 404 });
  },
});
process.stdout.write(`http://127.0.0.1:${server.port}/\n`);
process.once("SIGTERM", () => void server.stop(true));
