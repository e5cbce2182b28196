// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { encodePlan } from "../../src/sandbox/plan/index.ts";
import {
  buildLauncher,
  firstRecord,
  launch,
  launcher,
  launchWithReport,
  ordinaryUser,
  start,
  Workspace,
} from "./support.ts";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

/** The children of a process, by the kernel's own list. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

/** The state of a process as one letter; undefined once it is gone. */
function stateOf(pid: number): string | undefined {
  try {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

async function waitUntil(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("It did not happen within ten seconds");
    await new Promise((done) => setImmediate(done));
  }
}

function processOf(child: { readonly pid?: number | undefined }): number {
  if (child.pid === undefined) throw new Error("The launcher did not start");
  return child.pid;
}

for (const user of [0, ordinaryUser]) {
  test(`launch() ends as the command does, as user ${user}`, () => {
    const codeOf = (...words: string[]) => launch(workspace, workspace.plan(), words, { user }).code;
    expect(codeOf("exit", "0")).toBe(0);
    expect(codeOf("exit", "42")).toBe(42);
    expect(codeOf("exit", "255")).toBe(255);
    expect(codeOf("signal", "15")).toBe(143);
    expect(codeOf("signal", "9")).toBe(137);
    expect(codeOf("signal", "6")).toBe(134);
  });

  test(`launch() passes signals on to the app, once each, as user ${user}`, async () => {
    const { child, exited, line } = start(workspace, workspace.plan(), ["wait"], { user });
    expect(JSON.parse(await line())).toEqual({ verb: "wait", ready: true });
    for (const [name, number] of [
      ["SIGUSR1", 10],
      ["SIGHUP", 1],
      ["SIGUSR1", 10],
      ["SIGWINCH", 28],
      ["SIGQUIT", 3],
      ["SIGTERM", 15],
    ] as const) {
      child.kill(name);
      expect(JSON.parse(await line())).toEqual({ verb: "wait", signal: number });
    }
    expect(await exited).toEqual({ code: 3, signal: null });
  });

  test(`launch() ends everything in the sandbox with the command, as user ${user}`, async () => {
    const { exited, line, closed } = start(workspace, workspace.plan(), ["orphans"], { user });
    expect(JSON.parse(await line())).toEqual({ verb: "orphans" });
    expect(await exited).toEqual({ code: 0, signal: null });
    // The orphan holds the pipe open; its end is that of the orphan.
    await closed;
  });

  test(`launch() ends the sandbox when the monitor is killed, as user ${user}`, async () => {
    const { child, exited, line, closed } = start(workspace, workspace.plan(), ["wait"], { user });
    await line();
    const [init] = childrenOf(processOf(child));
    expect(init).toBeNumber();
    child.kill("SIGKILL");
    expect(await exited).toEqual({ code: null, signal: "SIGKILL" });
    await closed;
    await waitUntil(() => [undefined, "Z", "X"].includes(stateOf(init ?? 0)));
  });
}

test("launch() lets the monitor stop and go on with the job", async () => {
  const plan = workspace.file("job.plan", encodePlan(workspace.plan()));
  // A group of its own with its parent in the same session: elsewhere the kernel stops nothing. Not under a shell,
  // whose `wait` may end at the stop.
  const parent = [
    "import os, sys",
    "child = os.fork()",
    "if child == 0:",
    "    os.setpgid(0, 0)",
    "    os.dup2(os.open(sys.argv[2], os.O_RDONLY), 3)",
    "    os.set_inheritable(3, True)",
    '    os.execv(sys.argv[1], ["dowel-launch", "3", "wait"])',
    'print("job", child, flush=True)',
    "print('code', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
  ].join("\n");
  const words = ["-c", parent, launcher, plan];
  const session = spawn("python3", words, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  let output = "";
  session.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await waitUntil(() => output.includes("ready") && output.includes("job"));
  const monitor = Number(/^job (\d+)$/m.exec(output)?.[1]);
  process.kill(monitor, "SIGTSTP");
  await waitUntil(() => stateOf(monitor) === "T");
  process.kill(monitor, "SIGCONT");
  process.kill(monitor, "SIGTERM");
  await waitUntil(() => output.includes("code 3"));
});

test("launch() in a terminal gives the app its signals once, and the terminal a name", async () => {
  const plan = workspace.file("terminal.plan", encodePlan(workspace.plan()));
  // No shell stays between: the terminal would send its signals to that, too.
  const inner = `exec -a dowel-launch ${launcher} 3 wait 3<${plan}`;
  const script = spawn("script", ["-qec", `exec bash -c '${inner}'`, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  script.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await waitUntil(() => output.includes("ready"));
  script.stdin.write("\x1c");
  await waitUntil(() => output.includes('"signal":3'));
  script.stdin.write("\x03");
  const code = await new Promise((done) => script.on("exit", done));
  expect(code).toBe(3);
  expect(output.match(/"signal":\d+/g)).toEqual(['"signal":3', '"signal":2']);

  const list = `exec -a dowel-launch ${launcher} 3 files /dev/console 3<${plan}`;
  const second = spawnSync("script", ["-qec", `exec bash -c '${list}'`, "/dev/null"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  expect(JSON.parse(second.stdout.toString())).toMatchObject({ kind: "character", write: "OK" });
});

test("launch() needs at most 300 KiB beside the app", async () => {
  const { child, exited, line } = start(workspace, workspace.plan(), ["wait"]);
  await line();
  const monitor = processOf(child);
  const sizes = [monitor, ...childrenOf(monitor)].map((pid) => {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
  });
  expect(sizes).toHaveLength(2);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(300);
  child.kill("SIGTERM");
  await exited;
});

test("launch() lets go of the caller's descriptors, so that a pipe ends with the app's use of it", async () => {
  const { child, exited, line } = start(workspace, workspace.plan(), ["wait"]);
  await line();
  const monitor = processOf(child);
  const pids = [monitor, ...childrenOf(monitor)];
  expect(pids).toHaveLength(2);
  await waitUntil(() => pids.every((pid) => !existsSync(`/proc/${pid}/fd/1`)));
  child.kill("SIGTERM");
  await exited;
});

test("launch() with dieWithParent ends when its parent does", async () => {
  const file = workspace.file("parent.plan", encodePlan(workspace.plan({ dieWithParent: true })));
  const script = `exec -a dowel-launch "$0" 3 wait 3<"$1" & echo $!; wait`;
  const parent = spawn("/bin/bash", ["-c", script, launcher, file], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  parent.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await waitUntil(() => output.includes("ready"));
  const monitor = Number(/^\d+/m.exec(output)?.[0]);
  expect(stateOf(monitor)).toMatch(/[RS]/);
  parent.kill("SIGKILL");
  await waitUntil(() => [undefined, "Z", "X"].includes(stateOf(monitor)));
});

test("launch() inherits the environment but for what the plan unsets and sets", () => {
  const environment = {
    clear: false,
    set: [
      ["NEW", "a=b"],
      ["A1", "x"],
      ["PATH", "/bin"],
    ],
    unset: ["GONE", "A"],
  } as const;
  const caller = { GONE: "1", A: "1", AB: "2", A1: "old", KEPT: "yes", PATH: "/usr/bin" };
  const plan = workspace.plan({ environment });
  const record = firstRecord(launch(workspace, plan, ["env"], { environment: caller }));
  expect(record["variables"]).toEqual({ NEW: "a=b", A1: "x", PATH: "/bin", AB: "2", KEPT: "yes" });
});

test("launch() with a cleared environment has only what the plan sets", () => {
  const environment = { clear: true, set: [["ONLY", ""]], unset: ["X"] } as const;
  const record = firstRecord(launch(workspace, workspace.plan({ environment }), ["env"], { environment: { X: "1" } }));
  expect(record["variables"]).toEqual({ ONLY: "" });
});

test("launch() appends the caller's words to the command's own", () => {
  const plan = workspace.plan({ command: ["/bin/probe", "args", "--fixed"] });
  const words = ["", "a b", "--", "--report=9", "ü"];
  expect(firstRecord(launch(workspace, plan, words))["words"]).toEqual(["--fixed", ...words]);
});

test("launch() starts in the plan's folder, else the caller's, else home, else the root", () => {
  const home = { clear: true, set: [["HOME", "/home"]], unset: [] } as const;
  const folder = (plan: object, cwd: string) =>
    firstRecord(launch(workspace, workspace.plan({ cwd: undefined, ...plan }), ["id"], { cwd }))["cwd"];
  expect(folder({ cwd: "/etc", environment: home }, "/tmp")).toBe("/etc");
  expect(folder({ environment: home }, "/tmp")).toBe("/tmp");
  expect(folder({ environment: home }, workspace.path)).toBe("/home");
  expect(folder({}, workspace.path)).toBe("/");
  const missing = launch(workspace, workspace.plan({ cwd: "/none" }), ["id"]);
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain("Cannot enter the folder /none: No such file or directory");
});

test("launch() searches a bare command in the sandbox's PATH", () => {
  const environment = { clear: true, set: [["PATH", "::/none:/bin"]], unset: [] } as const;
  const outcome = launch(workspace, workspace.plan({ command: ["probe", "exit", "5"], environment }));
  expect(outcome.code).toBe(5);
});

test("launch() ends with 127 without the command and with 126 where it cannot be executed", () => {
  const missing = launch(workspace, workspace.plan({ command: ["--tmpfs"] }));
  expect(missing.code).toBe(127);
  expect(missing.stderr).toContain("error: Cannot execute --tmpfs: No such file or directory\nhint: ");
  const plain = launch(workspace, workspace.plan({ command: ["/bin/plain"] }));
  expect(plain.code).toBe(126);
  expect(plain.stderr).toContain("Cannot execute /bin/plain: Permission denied");
});

test("launch() installs the filter last, in the app alone", () => {
  // Allows everything but getppid (110 on x86-64, 173 on aarch64), which ends with EPERM.
  const number = process.arch === "x64" ? 110 : 173;
  const instructions: [code: number, yes: number, no: number, value: number][] = [
    [0x20, 0, 0, 0],
    [0x15, 0, 1, number],
    [0x06, 0, 0, 0x0005_0001],
    [0x06, 0, 0, 0x7fff_0000],
  ];
  const seccomp = Buffer.alloc(instructions.length * 8);
  for (const [index, [code, yes, no, value]] of instructions.entries()) {
    seccomp.writeUInt16LE(code, index * 8);
    seccomp.writeUInt8(yes, index * 8 + 2);
    seccomp.writeUInt8(no, index * 8 + 3);
    seccomp.writeUInt32LE(value, index * 8 + 4);
  }
  const record = firstRecord(launch(workspace, workspace.plan({ seccomp: new Uint8Array(seccomp) }), ["id"]));
  expect(record).toMatchObject({ Seccomp: "2", ppid: -1 });
});

test("launch() refuses a filter that the kernel does not take", () => {
  const outcome = launch(workspace, workspace.plan({ seccomp: new Uint8Array(8).fill(255) }), ["id"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain("Cannot install the system call filter: Invalid argument");
});

test("launch() reports a failure as one line of JSON, and nothing once the app has started", () => {
  const source = workspace.join('no"such');
  const bind = { readOnly: true, recursive: true, devices: false, noSymlinks: false, optional: false };
  const plan = workspace.plan({}, [{ kind: "bind", source, target: "/run/x", ...bind }]);
  const failed = launchWithReport(workspace, plan, ["id"]);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toBe("");
  expect(JSON.parse(failed.report)).toEqual({
    step: "source",
    operation: 4,
    errno: "ENOENT",
    subject: source,
    message: `Cannot open ${source}: No such file or directory`,
  });
  const command = launchWithReport(workspace, workspace.plan({ command: ["/none"] }));
  expect(command.code).toBe(127);
  expect(JSON.parse(command.report)).toMatchObject({ step: "command", operation: -1, errno: "ENOENT" });
  expect(launchWithReport(workspace, workspace.plan(), ["exit", "9"])).toEqual({ code: 9, stderr: "", report: "" });
});

test("launch() refuses a plan that is damaged, empty or no file", () => {
  const bytes = encodePlan(workspace.plan());
  bytes[8] = 9;
  const damaged = launch(workspace, bytes);
  expect(damaged).toMatchObject({
    code: 1,
    stderr: "error: Cannot accept the plan: it is not a plan of this version\n",
  });
  expect(launch(workspace, new Uint8Array(0)).code).toBe(1);
});
