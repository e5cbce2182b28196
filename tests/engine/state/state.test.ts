// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configKeys, setConfig } from "../../../src/engine/config.ts";
import { execute } from "../../../src/engine/execute.ts";
import { addPatterns } from "../../../src/engine/patterns.ts";
import { applySettings, checkOrigins, dropRemotes, prepareRefs } from "../../../src/engine/state/apply.ts";
import { decodeState } from "../../../src/engine/state/decode.ts";
import { describeChange, diffStates } from "../../../src/engine/state/diff.ts";
import { plainState, readState } from "../../../src/engine/state/read.ts";
import { remoteKeys, type State } from "../../../src/engine/state/types.ts";
import { formatYaml } from "../../../src/formats/document/yaml.ts";
import { changeOverrides } from "../../../src/metadata/overrides.ts";
import { applyPermissionOption } from "../../../src/metadata/permissions/options.ts";
import { formatRef } from "../../../src/metadata/ref.ts";
import { addRemote } from "../../../src/remotes/config.ts";
import { listDeployments } from "../../../src/store/deployments.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { TestFolder } from "../../store/images.ts";
import { addSample, appRef, install, platform } from "../fixtures.ts";

const hello = appRef("Hello");
const other = appRef("Other");

async function apply(store: Installation, wanted: State): Promise<readonly string[]> {
  const changes = diffStates(readState(store), wanted);
  await applySettings(store, changes);
  await execute(await prepareRefs(store, changes, {}), store);
  await dropRemotes(store, changes);
  return changes.map(describeChange);
}

async function filled(folder: TestFolder): Promise<Installation> {
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello, other]) addSample(layout, { ref });
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}`, title: "Some apps" });
  await install(store, ["org.test.Hello", "org.test.Platform"]);
  await addPatterns(store, "masked", ["org.test.*.Locale"]);
  await setConfig(store, "keep-versions", "3");
  await changeOverrides(store.path, "org.test.Hello", (before) => applyPermissionOption(before, "--filesystem=home"));
  return store;
}

describe("decodeState()", () => {
  test.each([
    ["no version", "remotes: {}\n", '"version"'],
    ["another version", "version: 2\n", "1:10: version: expected 1"],
    ["an unknown key", "version: 1\napps: []\n", "2:1: apps: expected a known key"],
    ["a wrong type", "version: 1\nrefs:\n  - ref: app/org.a.B//stable\n    remote: [x]\n", "4:13: refs[0].remote"],
    ["a ref without a branch", "version: 1\nrefs:\n  - {ref: org.a.B, remote: x}\n", "a ref with a branch"],
    ["a malformed ref", "version: 1\nrefs:\n  - {ref: ../x, remote: x}\n", "3:11: refs[0].ref"],
    ["a remote without a URL", "version: 1\nremotes:\n  a: {title: x}\n", '"url"'],
    ["a URL that is none", "version: 1\nremotes:\n  a: {url: 'gopher://x'}\n", "3:12: remotes.a.url"],
    ["a name that leads elsewhere", "version: 1\nremotes:\n  ../a: {url: 'oci:/x'}\n", "3:9: remotes.../a"],
    ["a pattern that is none", "version: 1\nmasks: ['a b']\n", "2:9: masks[0]"],
    [
      "a permission that is none",
      'version: 1\noverrides: {global: "[Context]\\nfilesystems=/a\\\\n;"}\n',
      "overrides.global",
    ],
    ["overrides for a path", "version: 1\noverrides: {../x: ''}\n", "2:19: overrides.../x"],
    ["an unknown setting", "version: 1\nconfig: {colour: red}\n", "2:18: config.colour"],
    ["a setting that is none", "version: 1\nconfig: {languages: ../x}\n", "2:21: config.languages: ../x is not"],
    ["a ref twice", `version: 1\nrefs:\n${"  - {ref: app/org.a.B//x, remote: y}\n".repeat(2)}`, "4:11: refs[1].ref"],
    [
      "a number for text",
      '{"version": 1, "remotes": {"a": {"url": 3}}}',
      /^state\.yml:1:41: remotes\.a\.url: expected text/,
    ],
    ["JSON that ends early", '{"version": 1', "not valid JSON"],
  ])("refuses %s and says where", (_, text, message) => {
    expect(() => decodeState(text, "state.yml")).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^state\.yml:\d/) }),
    );
    expect(() => decodeState(text, "state.yml")).toThrow(message);
  });

  test("knows the keys that the published schema has, and no others", () => {
    const schema = JSON.parse(readFileSync("packaging/schema/state.schema.json", "utf8")).properties;
    expect(Object.keys(schema)).toEqual(["version", "remotes", "refs", "pins", "masks", "overrides", "config"]);
    expect(Object.keys(schema.remotes.additionalProperties.properties).sort()).toEqual(Object.keys(remoteKeys).sort());
    expect(Object.keys(schema.config.properties).sort()).toEqual([...configKeys].sort());
  });
});

test("an exported state changes nothing where it comes from, and makes an empty installation the same", async () => {
  using folder = new TestFolder();
  const store = await filled(folder);
  const exported = plainState(readState(store));
  for (const text of [JSON.stringify(exported), formatYaml(exported)]) {
    expect(await apply(store, decodeState(text, "state"))).toEqual([]);
  }
  const empty = folder.installation("empty");
  const done = await apply(empty, decodeState(formatYaml(exported), "state"));
  expect(done).toEqual([
    "+ config keep-versions: *unset* -> 3",
    `+ remote local oci:${folder.path}/layout`,
    "+ mask org.test.*.Locale",
    `+ pin ${platform}`,
    "+ override org.test.Hello",
    `+ ${hello} from local`,
    `+ ${platform} from local`,
  ]);
  expect(plainState(readState(empty))).toEqual(exported);
});

test("a state takes away what it does not name, and leaves alone the parts that it does not have", async () => {
  using folder = new TestFolder();
  const store = await filled(folder);
  const { remotes } = readState(store);
  await apply(store, { refs: new Map([[other, "local"]]), masks: [] });
  const after = readState(store);
  expect([...after.refs.keys()].sort()).toEqual([other, platform]);
  expect(after).toMatchObject({ remotes, masks: [], pins: [platform], config: new Map([["keep-versions", "3"]]) });
  expect(after.overrides.size).toBe(1);
});

test("what a state takes from another remote moves there, with the runtime it needs, and the first remote goes", async () => {
  using folder = new TestFolder();
  const store = await filled(folder);
  const before = readState(store);
  const refs = new Map([[hello, "market"]]);
  const remotes = new Map([["market", before.remotes.get("local") ?? {}]]);
  expect(await apply(store, { remotes, refs, pins: [] })).toEqual([
    `+ remote market oci:${folder.path}/layout`,
    "- remote local",
    `- pin ${platform}`,
    `~ ${hello} from market, not local`,
  ]);
  const origins = listDeployments(store).map(({ ref, origin }) => [formatRef(ref), origin]);
  expect(origins.sort()).toEqual([
    [hello, "market"],
    [platform, "market"],
  ]);
  expect([...readState(store).remotes.keys()]).toEqual(["market"]);
  expect(await apply(store, { remotes, refs })).toEqual([]);
});

test("checkOrigins() names what is to come from a remote that will not be there", () => {
  const changes = [{ what: "ref", name: hello, to: "nowhere" }] as const;
  expect(() => checkOrigins(new Map([["local", {}]]), changes)).toThrow("but there is no such remote");
  checkOrigins(new Map([["nowhere", {}]]), changes);
});

test("a remote goes after what came from it, and stays where something still does", async () => {
  using folder = new TestFolder();
  const store = await filled(folder);
  await expect(apply(store, { remotes: new Map() })).rejects.toMatchObject({ code: "REMOTE_USED" });
  expect(readState(store).remotes.size).toBe(1);
});
