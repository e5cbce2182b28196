// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { Decoder } from "../../base/decode.ts";
import { errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { CallingApp } from "./app.ts";
import { type Backends, noBackends, parseBackends } from "./backends.ts";
import type { Decide, Decision } from "./decide.ts";

/** Decides for apps that fit; `NAME.*` is a name's whole namespace, `*` is anything. */
interface PortalRule {
  readonly app: string;
  readonly table: string;
  readonly id: string;
  readonly decision: Decision;
}

/** What the owner of a fleet decides, so that nobody is asked. */
export interface PortalPolicy {
  /** The first one that fits counts. */
  readonly rules: readonly PortalRule[];
  /** A file that each decision of a rule is appended to, as one line of JSON; undefined: none. */
  readonly log: string | undefined;
  readonly backends: Backends;
}

const decisions: readonly Decision[] = ["yes", "no", "ask"];
const keys = ["rules", "log", "interfaces", "commands", "proxies"];

/** Reads a policy: `{"rules": [{"app", "table", "id", "decision"}], "log"}`, and what `parseBackends` reads. Throws `POLICY_INVALID`. @param name in errors */
export function parsePortalPolicy(text: string, name: string): PortalPolicy {
  const decoder = new Decoder("POLICY_INVALID", name);
  const top = decoder.object(decoder.parse(text), "");
  const unknown = Object.keys(top).find((key) => !keys.includes(key));
  if (unknown !== undefined) decoder.fail(unknown, `one of ${keys.join(", ")}`);
  const rules = decoder.array(top["rules"] ?? [], "rules").map((value, index): PortalRule => {
    const at = `rules.${index}`;
    const rule = decoder.object(value, at);
    const decision =
      decisions.find((one) => one === rule["decision"]) ?? decoder.fail(`${at}.decision`, "yes, no or ask");
    const read = (key: string): string => decoder.string(rule[key], `${at}.${key}`);
    return { app: read("app"), table: read("table"), id: read("id"), decision };
  });
  const log = decoder.optional(top["log"], (value) => decoder.string(value, "log"));
  if (log !== undefined && !log.startsWith("/")) decoder.fail("log", "an absolute path");
  return { rules, log, backends: parseBackends(decoder, top) };
}

function fits(pattern: string, name: string): boolean {
  if (pattern === "*" || pattern === name) return true;
  return pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1));
}

/** What a policy says; undefined where no rule fits. Pure. */
export function decideBy(policy: PortalPolicy, app: string, table: string, id: string): Decision | undefined {
  return policy.rules.find((rule) => fits(rule.app, app) && fits(rule.table, table) && fits(rule.id, id))?.decision;
}

function readPolicy(path: string): PortalPolicy | undefined {
  try {
    if (statSync(path).size > limits.policyBytes) throw new Error(`more than ${limits.policyBytes} bytes`);
    return parsePortalPolicy(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError(error, "read", path);
  }
}

/** Decisions for all users of this machine, made by its owner. */
export const portalPolicyPath = "/etc/dowel/portals.json";

/** What the machine's policy says; undefined where no rule fits. Throws `POLICY_INVALID` or `IO`. */
export function ruleOfMachine(app: string, table: string, id: string): Decision | undefined {
  const policy = readPolicy(portalPolicyPath);
  return policy === undefined ? undefined : decideBy(policy, app, table, id);
}

/** Appends to a log. Where an app has its folder it could be made a link, or a pipe that would be waited for. */
function appendLine(path: string, line: string): void {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    try {
      if (!fstatSync(fd).isFile()) throw new Error("it is no file");
      writeSync(fd, `${line}\n`);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(error, "write", path);
  }
}

/** The backends of the policy at a path; none where it cannot be read, which is told. */
export function backendsOfFile(path: string, failed: (error: unknown) => void): Backends {
  try {
    return readPolicy(path)?.backends ?? noBackends;
  } catch (error) {
    failed(error);
    return noBackends;
  }
}

/**
 * Decides by the policy at a path, which is read anew each time; where none fits, `next` does. A policy that cannot be
 * read, or a log that cannot be written, lets nothing through.
 */
export function decideByFile(path: string, failed: (error: unknown) => void, next: Decide): Decide {
  return (app: CallingApp, table: string, id: string, otherwise: Decision): Promise<Decision> => {
    try {
      const policy = readPolicy(path);
      const decision = policy === undefined ? undefined : decideBy(policy, app.id, table, id);
      if (decision !== undefined && policy?.log !== undefined) {
        const line = { time: new Date().toISOString(), app: app.id, instance: app.instance, table, id, decision };
        appendLine(policy.log, JSON.stringify(line));
      }
      return decision === undefined ? next(app, table, id, otherwise) : Promise.resolve(decision);
    } catch (error) {
      failed(error);
      return Promise.resolve("no");
    }
  };
}
