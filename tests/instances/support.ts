// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll } from "bun:test";
import { makeLayout, Sandpit } from "../e2e/support.ts";
import { until } from "../support/until.ts";

export const id = "org.example.Probe";
export const hasGroups = process.env["DOWEL_REQUIRE_CGROUP"] !== "no";

/** A line of `ps --json`. */
export type Row = Record<string, string | number>;

interface Started {
  readonly process: ReturnType<Sandpit["start"]>;
  /** What the app had said by the time at which it was ready. */
  readonly said: string;
}

/** The probe, installed by a user, and its instances. */
class ProbeOfUser {
  readonly pit: Sandpit;
  readonly started: ReturnType<Sandpit["start"]>[] = [];

  constructor(uid: number) {
    this.pit = new Sandpit(uid);
  }

  install(): void {
    const { pit } = this;
    const layout = makeLayout(pit.path("images"));
    pit.own(pit.path("images"));
    pit.own(pit.path("home"));
    pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
  }

  rows(): Row[] {
    return JSON.parse(this.pit.succeed(["ps", "--json"]));
  }

  /** Runs with words for `run`, and waits until the app says that it is ready. */
  async start(...words: readonly string[]): Promise<Started> {
    const process = this.pit.start(["run", ...words]);
    this.started.push(process);
    let said = "";
    process.child.stdout.on("data", (more) => {
      said += more;
    });
    await until("the app is ready", () => said.includes("ready"));
    return { process, said };
  }

  /** The same, with the line that `ps` has of it. */
  async startListed(...words: readonly string[]): Promise<Started & { readonly row: Row }> {
    const started = await this.start(...words);
    const row = this.rows().find((one) => one["pid"] === started.process.child.pid);
    if (row === undefined) throw new Error("ps does not list it");
    return { ...started, row };
  }

  async endAll(): Promise<void> {
    for (const { child, outcome } of this.started.splice(0)) {
      child.kill("SIGTERM");
      await outcome;
    }
  }
}

/** The probe of a user for the tests of a block; what one of them starts ends with it. */
export function useProbe(uid: number): ProbeOfUser {
  const probe = new ProbeOfUser(uid);
  beforeAll(() => probe.install());
  afterEach(() => probe.endAll());
  afterAll(() => probe.pit[Symbol.dispose]());
  return probe;
}
