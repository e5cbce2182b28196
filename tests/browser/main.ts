// SPDX-License-Identifier: Apache-2.0
// Debian's Chromium and bubblewrap in a sandbox that may make namespaces, and in one that may not; the last line is
// `N passed, N failed`. The runtime's files are the machine's own. Not in the gate: the browser is 300 MB of packages.
import { makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";
const page = "data:text/html,<p id=a></p><script>a.textContent=6*7</script>";
const chromium = ["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom", page];
const bubblewrap = [
  "--unshare-all",
  "--uid",
  "7",
  "--ro-bind",
  "/",
  "/",
  "--proc",
  "/proc",
  "--dev",
  "/dev",
  "id",
  "-u",
];

// As an ordinary user: Chromium refuses to keep its sandbox on for root.
using pit = new Sandpit(ordinaryUser);

function run(options: readonly string[], program: string, words: readonly string[]) {
  return pit.dowel(["run", "--no-require-cgroup", "--usr-path=/usr", ...options, `--command=${program}`, id, ...words]);
}

const browser = "/usr/lib/chromium/chromium";
const checks: readonly (readonly [name: string, holds: () => boolean])[] = [
  ["bubblewrap makes a sandbox inside", () => run(["--allow=userns"], "bwrap", bubblewrap).stdout === "7\n"],
  ["bubblewrap makes none without --allow=userns", () => run([], "bwrap", bubblewrap).status !== 0],
  [
    "Chromium renders with its own sandbox on",
    () => run(["--allow=userns"], browser, chromium).stdout.includes('<p id="a">42</p>'),
  ],
  [
    "Chromium finds no sandbox of its own without --allow=userns",
    () => run([], browser, chromium).stderr.includes("No usable sandbox"),
  ],
];

function main(): number {
  const layout = makeLayout(pit.path("images"));
  pit.own(pit.path("images"));
  pit.own(pit.path("home"));
  pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
  const failed = checks.filter(([name, holds]) => {
    const held = holds();
    process.stdout.write(`${held ? "ok" : "not ok"} - ${name}\n`);
    return !held;
  });
  process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = main();
