// SPDX-License-Identifier: Apache-2.0
// A docker-registry that wants tokens, behind an nginx that speaks TLS, sends clients elsewhere for blobs, and caches.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const user = "alice";
export const password = "open-sesame";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Makes a certificate of localhost that signs itself, which serves for TLS and for tokens. */
function makeCertificate(folder: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  return { cert, key };
}

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Serves tokens as the distribution project's specification has them, to whoever knows the password. */
function serveTokens(cert: string, key: string) {
  const der = readFileSync(cert, "utf8").replace(/-----[^-]+-----|\s/g, "");
  const signing = createPrivateKey(readFileSync(key));
  const tokenFor = (scopes: readonly string[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const claims = {
      iss: "test",
      sub: user,
      aud: "registry",
      exp: now + 300,
      nbf: now - 60,
      iat: now,
      jti: randomUUID(),
    };
    const body = `${base64({ typ: "JWT", alg: "ES256", x5c: [der] })}.${base64({ ...claims, access })}`;
    return `${body}.${sign("sha256", Buffer.from(body), { key: signing, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") },
    fetch: (request) => {
      if (request.headers.get("authorization") !== wanted) return new Response("", { status: 401 });
      const scopes = new URL(request.url).searchParams.getAll("scope").flatMap((scope) => scope.split(" "));
      return Response.json({ token: tokenFor(scopes), expires_in: 300 });
    },
  });
}

function nginxConfig(folder: string, ports: { front: number; elsewhere: number; upstream: number }): string {
  const { front, elsewhere, upstream } = ports;
  const tls = `ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;`;
  return `user root; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events {}
http {
  log_format plain '$request_method $uri $status $bytes_sent auth=$http_authorization';
  proxy_cache_path ${folder}/cache keys_zone=all:1m;
  proxy_temp_path ${folder}/t1; client_body_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3;
  uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5; client_max_body_size 0;
  server {
    listen 127.0.0.1:${front} ssl; server_name localhost; ${tls}
    access_log ${folder}/front.log plain;
    location ~ ^/v2/.+/blobs/sha256:(..)(.+)$ {
      error_page 418 = @elsewhere; set $blob $1/$1$2;
      if ($request_method = GET) { return 418; }
      proxy_pass http://127.0.0.1:${upstream}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
    }
    location @elsewhere { return 307 https://localhost:${elsewhere}/$blob/data?signature=secret; }
    location ~ ^/v2/.+/manifests/sha256: {
      proxy_pass http://127.0.0.1:${upstream}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
      proxy_cache all; proxy_cache_valid 200 1m;
    }
    location /v2/ {
      proxy_pass http://127.0.0.1:${upstream}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off;
    }
    location / { return 404; }
  }
  server {
    listen 127.0.0.1:${elsewhere} ssl; server_name localhost; ${tls}
    access_log ${folder}/elsewhere.log plain;
    location / { root ${folder}/data/docker/registry/v2/blobs/sha256; }
  }
}
`;
}

export interface Front extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string;
  /** The lines of a log since the last time it was asked for, all requests that were answered until now among them. */
  readonly log: (name: "front" | "elsewhere") => Promise<readonly string[]>;
  /** A folder of `certs.d` that skopeo and buildah can be given for this host. */
  readonly certificates: string;
}

/** Waits until an address answers anything; false where one of the programs behind it has ended. */
async function answers(url: string, peers: readonly ChildProcess[]): Promise<boolean> {
  for (;;) {
    if (peers.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)) return false;
    try {
      await fetch(url, { tls: { rejectUnauthorized: false } });
      return true;
    } catch {
      await sleep(20);
    }
  }
}

async function stopAll(peers: readonly ChildProcess[]): Promise<void> {
  for (const peer of peers) {
    if (peer.exitCode !== null || peer.signalCode !== null) continue;
    peer.kill();
    await once(peer, "exit");
  }
}

/** Starts both programs; undefined where somebody else took one of the ports meanwhile. */
async function startPeers(folder: string, realm: string) {
  const ports = { front: await freePort(), elsewhere: await freePort(), upstream: await freePort() };
  const auth = `auth: {token: {realm: "${realm}", service: registry, issuer: test, rootcertbundle: ${folder}/cert.pem}}`;
  const storage = `storage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}}`;
  const lines = ["version: 0.1", "log: {level: error}", storage, auth, `http: {addr: "127.0.0.1:${ports.upstream}"}`];
  writeFileSync(join(folder, "registry.yml"), `${lines.join("\n")}\n`);
  writeFileSync(join(folder, "nginx.conf"), nginxConfig(folder, ports));
  // docker-registry takes REGISTRY_… variables for its configuration.
  const options = { stdio: "ignore", env: { PATH: process.env["PATH"] } } as const;
  const peers: ChildProcess[] = [
    spawn("docker-registry", ["serve", join(folder, "registry.yml")], options),
    spawn("/usr/sbin/nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "daemon off;"], options),
  ];
  const ready = await answers(`http://127.0.0.1:${ports.upstream}/v2/`, peers);
  if (ready && (await answers(`https://localhost:${ports.front}/v2/`, peers))) return { ports, peers };
  await stopAll(peers);
  return undefined;
}

/**
 * Starts all of it in a folder. `XDG_CONFIG_HOME` of this process must be `FOLDER/config`, where certificates are put.
 */
export async function startFront(folder: string): Promise<Front> {
  const { cert, key } = makeCertificate(folder);
  const tokens = serveTokens(cert, key);
  let started: Awaited<ReturnType<typeof startPeers>>;
  while (started === undefined) started = await startPeers(folder, `https://localhost:${tokens.port}/token`);
  const { ports, peers } = started;
  const trusted = (name: string): string => join(folder, "config/containers/certs.d", name);
  for (const port of [ports.front, ports.elsewhere, tokens.port]) {
    mkdirSync(trusted(`localhost:${port}`), { recursive: true });
    copyFileSync(cert, join(trusted(`localhost:${port}`), "ca.crt"));
  }
  const read = new Map<string, number>();
  let marks = 0;
  const log = async (name: "front" | "elsewhere"): Promise<readonly string[]> => {
    const lines = (): string[] => {
      const file = join(folder, `${name}.log`);
      return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
    };
    // nginx writes a line after it has answered; when that of a later request is there, all are.
    const mark = `/mark-${++marks}`;
    await fetch(`https://localhost:${ports[name]}${mark}`, { tls: { rejectUnauthorized: false } });
    while (!lines().some((line) => line.includes(`${mark} `))) await sleep(10);
    const from = read.get(name) ?? 0;
    const all = lines();
    read.set(name, all.length);
    return all.slice(from).filter((line) => !line.includes("/mark-"));
  };
  const host = `localhost:${ports.front}`;
  const stop = async (): Promise<void> => {
    await stopAll(peers);
    await tokens.stop(true);
  };
  return { host, log, certificates: trusted(host), [Symbol.asyncDispose]: stop };
}
