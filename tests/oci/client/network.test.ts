// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFile, execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:tls";
import { promisify } from "node:util";
import { Registry } from "../../../src/oci/client/registry.ts";
import { scratchFolder } from "../sample.ts";

const run = promisify(execFile);

describe("certificates", () => {
  test("ping() trusts an authority from certs.d for its host, and no other", async () => {
    await using scratch = await scratchFolder();
    const key = join(scratch.path, "key.pem");
    const cert = join(scratch.path, "cert.pem");
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        cert,
        ...subject,
      ],
      { stdio: "ignore" },
    );
    const tls = { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: () => Response.json({}) });
    try {
      const host = `localhost:${server.port}`;
      const certificateFolders = [join(scratch.path, "certs.d")];
      await mkdir(join(scratch.path, "certs.d", host), { recursive: true });
      const options = { attempts: 1, certificateFolders };
      expect(
        await Registry.forHost(host, options)
          .ping()
          .catch((error) => error.code),
      ).toBe("REGISTRY_UNREACHABLE");
      await copyFile(cert, join(scratch.path, "certs.d", host, "ca.crt"));
      expect(Registry.forHost(host, options).name).toBe(`https://${host}/`);
      await Registry.forHost(host, options).ping();
    } finally {
      await server.stop(true);
    }
  });
});

describe("certificates that are not in force", () => {
  const settings = `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
default_md = sha256
policy = names
rand_serial = yes
copy_extensions = copy
[names]
commonName = supplied
`;

  test.each([
    ["20000101000000Z", "20010101000000Z", "has expired"],
    ["20900101000000Z", "20910101000000Z", "is not yet valid"],
  ])("one from %s to %s is told once, with a question for the clock", async (from, to, said) => {
    await using scratch = await scratchFolder();
    await writeFile(join(scratch.path, "ca.cnf"), settings);
    await writeFile(join(scratch.path, "index.txt"), "");
    const openssl = (...words: string[]) => execFileSync("openssl", words, { cwd: scratch.path, stdio: "ignore" });
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    openssl(
      ..."req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out asked".split(" "),
      ...subject,
    );
    const dates = ["-startdate", from, "-enddate", to];
    openssl(..."ca -batch -selfsign -notext -config ca.cnf -keyfile key -in asked -out cert".split(" "), ...dates);
    const tls = {
      key: await readFile(join(scratch.path, "key"), "utf8"),
      cert: await readFile(join(scratch.path, "cert"), "utf8"),
    };
    let connections = 0;
    await using server = Object.assign(
      createServer(tls, () => undefined),
      {
        async [Symbol.asyncDispose]() {
          await new Promise((closed) => server.close(closed));
        },
      },
    );
    server.on("connection", () => connections++);
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const address = server.address();
    const host = `localhost:${typeof address === "object" && address !== null ? address.port : 0}`;
    const folder = join(scratch.path, "certs.d", host);
    await mkdir(folder, { recursive: true });
    await copyFile(join(scratch.path, "cert"), join(folder, "ca.crt"));
    const options = { certificateFolders: [join(scratch.path, "certs.d")] };
    const error = await Registry.forHost(host, options)
      .ping()
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "REGISTRY_UNREACHABLE", hint: expect.stringContaining("clock right?") });
    expect(error.message).toContain(said);
    expect(connections).toBe(1);
  });
});

describe("proxies", () => {
  test("ping() goes through http_proxy, and past it for hosts in no_proxy", async () => {
    const seen: string[] = [];
    const handle = (kind: string) => (request: Request) => {
      seen.push(`${kind} ${new URL(request.url).host}`);
      return Response.json({});
    };
    const proxy = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: handle("proxy") });
    const direct = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: handle("direct") });
    try {
      const module = join(import.meta.dir, "../../../src/oci/client/registry.ts");
      const script = `import { Registry } from ${JSON.stringify(module)};
        await new Registry("http://registry.invalid/", { attempts: 1 }).ping();
        await new Registry("http://127.0.0.1:${direct.port}/", { attempts: 1 }).ping();`;
      const env = {
        PATH: process.env["PATH"],
        http_proxy: `http://127.0.0.1:${proxy.port}`,
        no_proxy: "localhost,127.0.0.1",
      };
      await run(process.execPath, ["-e", script], { env });
      expect(seen).toEqual(["proxy registry.invalid", `direct 127.0.0.1:${direct.port}`]);
    } finally {
      await Promise.all([proxy.stop(true), direct.stop(true)]);
    }
  });
});
