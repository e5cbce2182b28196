// SPDX-License-Identifier: Apache-2.0
// Power cuts at every step of every change, on each file system that can be made here: powercut.ts [MINUTES]. Fails where a
// state is left that is neither the old one nor the new one, that repair finds fault with, or that a second try cannot end.
import { rmSync } from "node:fs";
import { ext4, type FileSystem, TrialDevice } from "../e2e/device.ts";
import { countSteps, durableSteps, killAt } from "../e2e/steps.ts";
import { operations, Trial } from "../e2e/trial.ts";

const id = "org.example.Probe";
const fileSystems: readonly FileSystem[] = [
  ext4,
  { ...ext4, name: "ext4 that writes data when it likes", mount: "loop,commit=300,data=writeback" },
  { name: "xfs", size: "320M", make: ["mkfs.xfs", "-q", "-f"], mount: "loop" },
  { name: "btrfs", size: "128M", make: ["mkfs.btrfs", "-q", "-f", "--mixed"], mount: "loop,commit=300" },
];

interface Change {
  readonly name: string;
  readonly words: readonly string[];
  readonly from: string;
  /** Which versions the remote has. */
  readonly published: "one" | "two";
  /** What the app may say after the cut, and what it must say once the command has ended. */
  readonly states: readonly (string | undefined)[];
  readonly after: string | undefined;
  /** Whether the state to begin with is damaged, so that only the end counts. */
  readonly damaged?: boolean;
  /** Whether trying again after success is an error. */
  readonly once?: boolean;
}

const changes: readonly Change[] = [
  ...operations.map(({ name, words, from, before, after }) => ({
    name,
    words,
    from,
    published: name === "update" ? ("two" as const) : ("one" as const),
    states: [before, after],
    after,
    once: name === "uninstall",
  })),
  {
    name: "rollback",
    words: ["rollback", "--user", id],
    from: "updated",
    published: "two",
    states: ["two", "one"],
    after: "one",
    once: true,
  },
  {
    name: "garbage",
    words: ["repair", "--user"],
    from: "unused",
    published: "one",
    states: [undefined],
    after: undefined,
  },
  {
    name: "repair",
    words: ["repair", "--user"],
    from: "damaged",
    published: "one",
    states: ["one"],
    after: "one",
    damaged: true,
  },
];

/** Saves the states that the changes begin with, beside those of a trial. */
function saveStates(trial: Trial): void {
  trial.publish("two");
  trial.pit.succeed(["update", "--user", "-y", id]);
  trial.save("updated");
  trial.publish("one");
  trial.restore("app");
  // An image that no deployment needs any more.
  trial.unmount();
  rmSync(`${trial.store}/app`, { recursive: true });
  trial.save("unused");
  trial.restore("app");
  rmSync(`${trial.store}/images`, { recursive: true });
  trial.save("damaged");
}

function check(where: string, holds: boolean, found: unknown): void {
  if (!holds) throw new Error(`${where}: ${JSON.stringify(found)}`);
}

/** What is left after a cut, and after the command was tried again. */
function checkLeft(trial: Trial, change: Change, where: string): void {
  const state = change.damaged === true ? undefined : trial.installed();
  if (change.damaged !== true) {
    check(`${where}, the app says`, change.states.includes(state), state);
    trial.findings();
  }
  if (change.once !== true || state !== change.after) trial.pit.succeed(change.words);
  const last = trial.installed();
  check(`${where} and another try, the app says`, last === change.after, last);
  trial.findings();
}

/** Every time of every step, such that a part of them from the first on is from everywhere. */
function spread(counts: readonly (readonly [step: string, total: number])[]) {
  const all = counts.flatMap(([step, total]) =>
    Array.from({ length: total }, (_, at) => ({ step, times: at + 1, total })),
  );
  const stride = 7;
  return Array.from({ length: stride }, (_, first) => all.filter((_one, at) => at % stride === first)).flat();
}

function cutEverywhere(trial: Trial, device: TrialDevice, change: Change, what: string, until: number): number {
  const { name, words, from, published, damaged } = change;
  trial.publish(published);
  device.begin(from, damaged);
  const counts = countSteps(trial, words, durableSteps);
  device.cutThePower();
  check(`${what}, ${name}, cut when all is done, the app says`, trial.installed() === change.after, trial.installed());
  trial.findings();
  let cuts = 1;
  for (const { step, times, total } of spread(counts)) {
    if (Date.now() >= until) break;
    device.begin(from, damaged);
    if (!killAt(trial, words, step, times)) continue;
    device.cutThePower();
    checkLeft(trial, change, `${what}, ${name}, cut before ${step} number ${times} of ${total}`);
    cuts += 1;
  }
  return cuts;
}

/** All changes on one file system, each for its part of the time. */
function cutAll(fileSystem: FileSystem, shownAs: Trial["shownAs"], until: number): number {
  using trial = new Trial(shownAs);
  saveStates(trial);
  const device = new TrialDevice(trial, fileSystem, [...new Set(changes.map(({ from }) => from))]);
  const what = `${fileSystem.name}, images shown by ${shownAs}`;
  let cuts = 0;
  try {
    for (const [at, change] of changes.entries()) {
      const now = Date.now();
      const made = cutEverywhere(trial, device, change, what, now + (until - now) / (changes.length - at));
      process.stdout.write(`${what}: ${change.name}: ${made} cuts\n`);
      cuts += made;
    }
  } finally {
    device.unmount();
  }
  return cuts;
}

function main(minutes: number): number {
  const places = fileSystems.flatMap((fileSystem) =>
    (["composefs", "checkout"] as const).map((shownAs) => ({ fileSystem, shownAs })),
  );
  const end = Date.now() + minutes * 60_000;
  let cuts = 0;
  for (const [at, { fileSystem, shownAs }] of places.entries()) {
    const now = Date.now();
    cuts += cutAll(fileSystem, shownAs, now + (end - now) / (places.length - at));
  }
  process.stdout.write(`${cuts} power cuts, and nothing lost\n`);
  return 0;
}

process.exitCode = main(Number(process.argv[2] ?? 30));
