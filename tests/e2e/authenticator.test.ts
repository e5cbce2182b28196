// SPDX-License-Identifier: Apache-2.0
// A registry that wants tokens, and the programs on the session bus that have them.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { Child, startBus, type TestBus } from "../support/bus.ts";
import { addImage } from "../support/layout.ts";
import { until } from "../support/until.ts";
import { appRef, makeLayout, type Outcome, runtimeRef, Sandpit, startRegistry } from "./support.ts";

const name = "org.example.Login";
const loginRef = `app/${name}/${appRef.split("/")[2]}/autoinstall`;
const pit = new Sandpit();
let bus: TestBus;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let gate: Server;
let shop = "";
/** Headers of requests for images, as they came to the gate. */
let seen: string[] = [];

/** Lets the index through to everybody, and images to who has the token. */
function open(): Server {
  return createServer((asked, answer) => {
    const { url = "", method, headers } = asked;
    if (!url.includes("/index/") && !url.includes("/org.example.login/")) {
      const token = headers.authorization ?? "nothing";
      seen.push(token);
      if (token !== "Bearer the-secret") {
        answer.writeHead(401, { "www-authenticate": `Bearer realm="http://${headers.host}/token",service="shop"` });
        answer.end(`{"errors":[{"code":"UNAUTHORIZED","message":"not with ${token}"}]}`);
        return;
      }
    }
    const [host = "", port = ""] = registry.address.split(":");
    const onwards = request({ host, port, path: url, method, headers }, (came) => {
      answer.writeHead(came.statusCode ?? 500, came.headers);
      came.pipe(answer);
    });
    asked.pipe(onwards);
  });
}

beforeAll(async () => {
  bus = await startBus(pit.folder);
  registry = await startRegistry(pit, pit.path("registry"));
  const layout = makeLayout(pit.folder);
  for (const ref of [runtimeRef, appRef])
    pit.succeed(["push", `oci:${layout}:${ref}`, `oci+http://${registry.address}/apps`]);
  const tree = pit.path("tree-login");
  mkdirSync(`${tree}/files`, { recursive: true });
  const metadata = `[Application]\nname=${name}\nruntime=${runtimeRef.slice("runtime/".length)}\ncommand=login\n`;
  writeFileSync(`${tree}/metadata`, metadata);
  addImage(pit.path("login"), { ref: loginRef, metadata, tree });
  pit.succeed(["push", `oci:${pit.path("login")}`, `oci+http://${registry.address}/apps`]);
  gate = open().listen(0, "127.0.0.1");
  await once(gate, "listening");
  shop = `oci+http://127.0.0.1:${(gate.address() as AddressInfo).port}/apps`;
});
beforeEach(() => {
  seen = [];
});
afterAll(async () => {
  gate.closeAllConnections();
  gate.close();
  await registry.stop();
  await bus[Symbol.asyncDispose]();
  pit[Symbol.dispose]();
});

/** An authenticator on the bus, and what it says. */
class Program implements AsyncDisposable {
  readonly #child: Child;
  said = "";

  constructor(way: string) {
    const words = [process.execPath, resolve("tests/remotes/login/authenticator.ts"), bus.address, name, way];
    this.#child = new Child(words, ["ignore", "pipe", "inherit"]);
    this.#child.process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.said += text;
    });
  }

  async says(text: string): Promise<void> {
    await until(`the authenticator says ${text}`, () => this.said.includes(text));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}

const environment = (): Record<string, string> => ({ DBUS_SESSION_BUS_ADDRESS: bus.address });

async function run(user: Sandpit, ...words: readonly string[]): Promise<Outcome> {
  return await user.start(words, environment()).outcome;
}

function customer(): Sandpit {
  const user = new Sandpit();
  user.succeed([
    "remote-add",
    "--user",
    `--authenticator-name=${name}`,
    "--authenticator-option=plan=gold",
    "shop",
    shop,
  ]);
  return user;
}

test("install and update take tokens from the remote's authenticator, and print none", async () => {
  using user = customer();
  await using program = new Program("token");
  await program.says("ready");
  const { status, stdout, stderr } = await run(
    user,
    "install",
    "--user",
    "-y",
    "--noninteractive",
    "shop",
    "org.example.Probe",
  );
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(new Set(seen)).toEqual(new Set(["Bearer the-secret"]));
  expect(program.said).toContain(`"${appRef}"`);
  expect(program.said).toContain('"options":[["plan","gold"]]');
  expect(program.said).toContain('["no-interaction",true]');
  expect(stdout + stderr).not.toContain("the-secret");
  expect((await run(user, "history", "--json")).stdout).not.toContain("the-secret");
  expect((await run(user, "update", "--user", "-y", "--json")).status).toBe(0);
});

test("install shows the page of a web flow, unless nobody is to be disturbed", async () => {
  using user = customer();
  await using program = new Program("page");
  await program.says("ready");
  const refused = await run(user, "install", "--user", "-y", "--noninteractive", "shop", "org.example.Probe");
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(`The authenticator ${name} gives no access`);
  const { status, stderr } = await run(user, "install", "--user", "-y", "shop", "org.example.Probe");
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stderr).toContain("https://example.org/login?a=1\n");
});

test("install brings the authenticator first where the remote is set to, and only then", async () => {
  using user = customer();
  user.succeed(["install", "--user", "-y", `oci:${pit.path("layout")}:${runtimeRef}`]);
  await using program = new Program("token");
  await program.says("ready");
  const refs = async () => (await run(user, "list", "--user", "--columns=ref")).stdout;
  expect((await run(user, "install", "--user", "-y", "shop", "org.example.Probe")).status).toBe(0);
  expect(await refs()).not.toContain(name);
  user.succeed(["uninstall", "--user", "-y", "org.example.Probe"]);
  user.succeed(["remote-modify", "--user", "--authenticator-install", "shop"]);
  const { status, stderr } = await run(user, "install", "--user", "-y", "shop", "org.example.Probe");
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(await refs()).toContain(`${name}/`);
});

test("install says who gives no access and why, and changes nothing", async () => {
  using user = customer();
  const install = () => run(user, "install", "--user", "-y", "shop", "org.example.Probe");
  expect((await install()).stderr).toContain(`Nothing on the session bus is named ${name}`);
  for (const [way, text] of [
    ["deny", "gives no access: you have not paid"],
    ["cancel", "was cancelled"],
    ["wrong", "REGISTRY_AUTH"],
  ] as const) {
    await using program = new Program(way);
    await program.says("ready");
    const { status, stdout, stderr } = await install();
    expect({ way, status }).toEqual({ way, status: 1 });
    expect(stderr).toContain(text);
    expect(stdout + stderr).not.toContain("another-secret");
  }
  expect((await run(user, "list", "--user", "--json")).stdout.trim()).toBe("[]");
});

test("install stops waiting for an authenticator at a signal, and tells it", async () => {
  using user = customer();
  await using program = new Program("never");
  await program.says("ready");
  const { child, outcome } = user.start(["install", "--user", "-y", "shop", "org.example.Probe"], environment());
  await program.says('"remote":"shop"');
  child.kill("SIGTERM");
  expect((await outcome).status).not.toBe(0);
  await program.says("closed");
});

test("an index that names another registry gets no token for it", async () => {
  using user = new Sandpit();
  await using program = new Program("token");
  await program.says("ready");
  const elsewhere = createServer((asked, answer) => {
    answer.setHeader("content-type", "application/json");
    const forward = request(`http://${registry.address}${asked.url ?? ""}`, (came) => {
      let text = "";
      came.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      came.on("end", () => {
        answer.statusCode = came.statusCode ?? 500;
        const index =
          came.statusCode === 200 ? { ...JSON.parse(text), Registry: shop.slice("oci+".length, -"/apps".length) } : {};
        answer.end(JSON.stringify(index));
      });
    });
    forward.end();
  }).listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
  const url = `oci+http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/apps`;
  user.succeed(["remote-add", "--user", `--authenticator-name=${name}`, "shop", url]);
  const { status, stderr } = await run(user, "install", "--user", "-y", "shop", "org.example.Probe");
  elsewhere.closeAllConnections();
  elsewhere.close();
  expect(status).toBe(1);
  expect(stderr).toContain("its tokens are not sent to the other registry");
  expect(seen.every((token) => token === "nothing")).toBe(true);
  expect(program.said).toBe('"ready"\n');
});

test("remote-add refuses a name that nobody on a bus can have", () => {
  using user = new Sandpit();
  const { status, stderr } = user.dowel(["remote-add", "--user", "--authenticator-name=../x", "shop", shop]);
  expect(status).toBe(1);
  expect(stderr).toContain('Invalid name of an authenticator "../x"');
});
