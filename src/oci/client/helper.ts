// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { Decoder } from "../../base/decode.ts";
import { DowelError, errnoOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Credentials } from "./credentials.ts";

/** How long a helper may take, perhaps with a question to its user, in milliseconds. */
const patience = 60_000;

interface Answer {
  readonly code: number | null;
  readonly output: string;
}

function programOf(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) return `docker-credential-${name}`;
  throw new DowelError("CREDENTIAL_HELPER", `${JSON.stringify(name)} is no name of a credential helper`, {
    hint: "It may have letters, digits, _ . and -.",
  });
}

/** Runs a helper. What it prints may hold a password, so that nothing of it gets into a message. */
function call(name: string, verb: "get" | "store" | "erase", input: string): Promise<Answer> {
  const program = programOf(name);
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { stdio: ["pipe", "pipe", "ignore"], timeout: patience });
    const parts: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (part: Buffer) => {
      size += part.length;
      if (size > limits.registryErrorBytes) child.kill();
      else parts.push(part);
    });
    child.on("error", (cause) => {
      const missing = errnoOf(cause) === "ENOENT";
      const text = missing ? `The credential helper ${program} is not installed` : `${program} cannot be run`;
      reject(new DowelError(missing ? "TOOL_MISSING" : "CREDENTIAL_HELPER", text, { cause }));
    });
    child.on("close", (code) => resolve({ code, output: Buffer.concat(parts).toString("utf8") }));
    // A helper that reads nothing closes its end early.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

function failed(name: string, verb: string): DowelError {
  return new DowelError("CREDENTIAL_HELPER", `The credential helper docker-credential-${name} could not ${verb}`, {
    hint: "Run it yourself to see what is wrong; its output is not shown here, as it may hold a password.",
  });
}

/** What a helper keeps for a host; undefined where it keeps nothing (Docker's credential helper protocol). */
export async function getFromHelper(name: string, host: string): Promise<Credentials | undefined> {
  const { code, output } = await call(name, "get", host);
  if (code !== 0 && /credentials not found|no credentials/i.test(output)) return undefined;
  if (code !== 0) throw failed(name, `answer for ${host}`);
  const decoder = new Decoder("CREDENTIAL_HELPER", `The answer of docker-credential-${name}`);
  const object = decoder.object(decoder.parse(output), "");
  const user = decoder.string(object["Username"], "Username");
  const secret = decoder.string(object["Secret"], "Secret");
  return user === "<token>" ? { user: "", password: "", identityToken: secret } : { user, password: secret };
}

/** Gives credentials to a helper to keep. */
export async function storeInHelper(name: string, host: string, { user, password }: Credentials): Promise<void> {
  const { code } = await call(name, "store", JSON.stringify({ ServerURL: host, Username: user, Secret: password }));
  if (code !== 0) throw failed(name, `keep the credentials for ${host}`);
}

/** Makes a helper forget what it keeps for a host. */
export async function eraseFromHelper(name: string, host: string): Promise<void> {
  const { code } = await call(name, "erase", host);
  if (code !== 0) throw failed(name, `forget the credentials for ${host}`);
}
