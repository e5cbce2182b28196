// SPDX-License-Identifier: Apache-2.0
// What apps do with documents and file transfers where the session has no portal of them, and what they must not.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Variant, variant } from "../../src/formats/dbus/types.ts";
import { errorOf } from "../session/portals/caller.ts";
import { AppClient } from "../support/appclient.ts";
import { startBus, type TestBus } from "../support/bus.ts";
import { until } from "../support/until.ts";
import { addRenamed, type Running, startApp } from "./runningapps.ts";
import { makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const probe = "org.example.Probe";
const other = "org.example.Other";
const O_PATH = 0o10000000;
const place = { destination: "org.freedesktop.portal.Documents", path: "/org/freedesktop/portal/documents" } as const;
const documents = { ...place, interface: "org.freedesktop.portal.Documents" } as const;
const transfer = { ...place, interface: "org.freedesktop.portal.FileTransfer" } as const;
const portalError = (name: string) => `org.freedesktop.portal.Error.${name}`;
const denied = "org.freedesktop.DBus.Error.AccessDenied";

const pit = new Sandpit();
const work = pit.path("work");
const clients = new AppClient();
const runs: ReturnType<Sandpit["start"]>[] = [];
const open: number[] = [];
let bus: TestBus;
let one: Running;
let two: Running;

function start(app: string, ...options: string[]): Promise<Running> {
  return startApp(pit, clients, runs, [...options, app]);
}

beforeAll(async () => {
  const layout = makeLayout(pit.path("images"));
  addRenamed(pit, layout, other);
  bus = await startBus(pit.path("run"));
  for (const app of [probe, other]) pit.succeed(["install", "--user", "-y", `oci:${layout}`, app]);
  writeFileSync(join(work, "letter"), "dear");
  mkdirSync(join(work, "sealed"));
  writeFileSync(join(work, "sealed/note"), "sealed");
  one = await start(probe, `--filesystem=${work}`, `--filesystem=${work}/sealed:ro`);
  two = await start(other);
});
afterEach(() => {
  for (const fd of open.splice(0)) closeSync(fd);
});
afterAll(async () => {
  await clients[Symbol.asyncDispose]();
  for (const run of runs) {
    run.child.kill("SIGTERM");
    await run.outcome;
  }
  pit[Symbol.dispose]();
  await bus[Symbol.asyncDispose]();
});

/** A descriptor as a program in the sandbox opens it. */
function held({ root }: Running, path: string, flags = O_PATH): number {
  const fd = openSync(root + path, flags);
  open.push(fd);
  return fd;
}

function seen({ instance }: Running, path: string): Record<string, unknown> {
  return JSON.parse(pit.succeed(["enter", instance, "/app/bin/probe", "files", path]));
}

/** Undefined where there is nothing, or nothing yet. */
function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function add({ peer }: Running, fd: number, reuse = true, persistent = false): Promise<string> {
  const call = {
    ...documents,
    member: "Add",
    signature: "hbb",
    values: [fd, reuse, persistent],
    returns: "s",
  } as const;
  return peer.call(call).then(([id]) => id);
}

function addFull({ peer }: Running, fds: readonly number[], flags: number, target = "", permissions: string[] = []) {
  const values = [fds, flags, target, permissions];
  return peer.call({ ...documents, member: "AddFull", signature: "ahusas", values, returns: "asa{sv}" } as const);
}

function rights({ peer }: Running, member: "GrantPermissions" | "RevokePermissions", ...values: readonly unknown[]) {
  return peer.call({ ...documents, member, signature: "ssas", values });
}

function remove({ peer }: Running, id: string) {
  return peer.call({ ...documents, member: "Delete", signature: "s", values: [id] });
}

function forget(): void {
  for (const { id } of JSON.parse(pit.succeed(["documents", "--json"])))
    pit.dowel(["document-unexport", "--doc-id", id]);
}

const noOptions = new Map<string, Variant>();

function startTransfer({ peer }: Running, options = noOptions): Promise<string> {
  const call = { ...transfer, member: "StartTransfer", signature: "a{sv}", values: [options], returns: "s" } as const;
  return peer.call(call).then(([key]) => key);
}

function addFiles({ peer }: Running, key: string, ...fds: number[]) {
  return peer.call({ ...transfer, member: "AddFiles", signature: "saha{sv}", values: [key, fds, noOptions] });
}

function retrieve({ peer }: Running, key: string): Promise<readonly string[]> {
  const values = [key, noOptions];
  const call = { ...transfer, member: "RetrieveFiles", signature: "sa{sv}", values, returns: "as" } as const;
  return peer.call(call).then(([files]) => files);
}

describe("Documents without a portal", () => {
  test("an app gives another what it has, and takes it back", async () => {
    const id = await add(one, held(one, `${work}/letter`));
    const path = `/run/flatpak/doc/${id}/letter`;
    expect(seen(one, path)).toMatchObject({ content: "dear", write: "OK" });
    expect(seen(two, path)).toMatchObject({ stat: "ENOENT" });
    await rights(one, "GrantPermissions", id, other, ["read"]);
    expect(seen(two, path)).toMatchObject({ content: "dear", write: "EROFS" });
    expect(JSON.parse(pit.succeed(["documents", "--json", other]))).toMatchObject([{ id, permissions: "read" }]);
    const hostPaths = { ...documents, member: "GetHostPaths", signature: "as", returns: "a{say}" } as const;
    const [paths] = await two.peer.call({ ...hostPaths, values: [[id, "ffffffff"]] });
    expect([...paths].map(([key, bytes]) => [key, Buffer.from(bytes).toString()])).toEqual([[id, `${work}/letter\0`]]);
    await rights(one, "RevokePermissions", id, other, ["read"]);
    expect(seen(two, path)).toMatchObject({ stat: "ENOENT" });
    expect(await errorOf(remove(one, id))).toBe(portalError("NotAllowed"));
    forget();
    expect(seen(one, path)).toMatchObject({ stat: "ENOENT" });
  });

  test("folders, documents of their own, and what is kept for the next session", async () => {
    mkdirSync(join(work, "papers"), { recursive: true });
    writeFileSync(join(work, "papers/sheet"), "one");
    const [[id = ""], extra] = await addFull(one, [held(one, `${work}/papers`)], 8 | 2, other, ["read", "write"]);
    expect(Buffer.from(extra.get("mountpoint")?.value as Uint8Array).toString()).toBe("/run/user/0/doc\0");
    expect(seen(two, `/run/flatpak/doc/${id}/papers/sheet`)).toMatchObject({ content: "one", write: "OK" });
    expect(readFileSync(pit.path("home/.local/share/flatpak/db/documents")).includes(id)).toBe(true);
    // It was unique, so who made it may delete it.
    await remove(one, id);
    expect(seen(two, `/run/flatpak/doc/${id}/papers`)).toMatchObject({ stat: "ENOENT" });
  });

  test("a file that is replaced on the host is the new one in the sandbox, and one that goes away goes", async () => {
    const path = join(work, "draft");
    writeFileSync(path, "first");
    const id = pit.succeed(["document-export", "-t", "-a", other, path]).split("/").at(-2) ?? "";
    const shown = `/run/flatpak/doc/${id}/draft`;
    // What the sandbox shows, looked at without a start in it for each look.
    const inside = two.root + shown;
    const says = (text: string) => () => contentOf(inside) === text;
    const gone = () => !existsSync(inside);
    await until("the draft", says("first"));
    for (const text of ["second", "third"]) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
      await until(text, says(text));
    }
    rmSync(path);
    await until("no draft", gone);
    writeFileSync(path, "again");
    await until("another draft", says("again"));
    expect(seen(two, shown)).toMatchObject({ content: "again" });
    // A link could lead to what the app must not see.
    symlinkSync(join(work, "letter"), `${path}.new`);
    renameSync(`${path}.new`, path);
    await until("no draft", gone);
    expect(seen(two, shown)).toMatchObject({ stat: "ENOENT" });
    forget();
  });

  test("descriptors count for what the caller itself can see and do with them", async () => {
    const secret = join(work, "secret");
    writeFileSync(secret, "secret");
    chownSync(secret, ordinaryUser, ordinaryUser);
    chmodSync(secret, 0o600);
    symlinkSync("/etc/shadow", join(work, "link"));
    const outside = openSync(join(work, "letter"), "r");
    open.push(outside);
    for (const [fd, error] of [
      // Of no mount of the sandbox, although it is the same file.
      [outside, "NotAllowed"],
      [held(one, secret), "NotAllowed"],
      [held(one, `${work}/letter`, constants.O_WRONLY), "NotAllowed"],
      [held(one, `${work}/link`, O_PATH | constants.O_NOFOLLOW), "InvalidArgument"],
      [held(one, "/dev/null"), "InvalidArgument"],
      // Nowhere on the host.
      [held(one, "/app/bin/probe"), "NotAllowed"],
      [held(one, "/proc/version"), "NotAllowed"],
    ] as const) {
      expect(await errorOf(add(one, fd))).toBe(portalError(error));
    }
    const letter = held(one, `${work}/letter`);
    const note = held(one, `${work}/sealed/note`);
    for (const [call, error] of [
      [() => addFull(one, [note], 1, other, ["read", "write"]), "NotAllowed"],
      [() => addFull(one, [letter], 8 | 1), "InvalidArgument"],
      [() => addFull(one, [held(one, work)], 1), "InvalidArgument"],
      [() => addFull(one, [letter], 16), "InvalidArgument"],
      [() => addFull(one, [letter], 1, "../x"), "InvalidArgument"],
      [() => addFull(one, [letter], 1, other, ["execute"]), "InvalidArgument"],
      [() => addFull(one, Array<number>(65).fill(letter), 1), "InvalidArgument"],
    ] as const) {
      expect(await errorOf(call())).toBe(portalError(error));
    }
    expect(JSON.parse(pit.succeed(["documents", "--json"]))).toEqual([]);
  });

  test("nobody gets more by a document than was given, nor learns of those of others", async () => {
    const id = await add(one, held(one, `${work}/letter`));
    for (const call of [
      () => rights(two, "GrantPermissions", id, other, ["read"]),
      () => rights(two, "RevokePermissions", id, probe, ["read"]),
      () => remove(two, id),
      () => rights(one, "GrantPermissions", "ffffffff", other, ["read"]),
      () => rights(one, "GrantPermissions", "../..", other, ["read"]),
    ]) {
      expect(await errorOf(call())).toBe(portalError("NotFound"));
    }
    await rights(one, "GrantPermissions", id, other, ["read"]);
    const again = held(two, `/run/flatpak/doc/${id}/letter`);
    expect(await add(two, again)).toBe(id);
    for (const call of [
      () => add(two, again, false, true),
      () => addFull(two, [again], 1, "org.example.Third", ["read"]),
      () => rights(two, "GrantPermissions", id, other, ["write"]),
      () => rights(one, "GrantPermissions", id, other, ["delete"]),
    ]) {
      expect(await errorOf(call())).toBe(portalError("NotAllowed"));
    }
    const info = JSON.parse(pit.succeed(["document-info", "--json", "--doc-id", id]));
    expect(info.permissions).toMatchObject({ [other]: ["read"] });
    forget();
    // What it holds of a document that was taken back is no proof any more.
    expect(await errorOf(add(two, again))).toBe(portalError("NotAllowed"));
  });

  test("what only programs outside may ask, or only a portal can show, is refused with the reason", async () => {
    const name = Buffer.from("new\0");
    const fd = held(one, work);
    for (const call of [
      () => one.peer.call({ ...documents, member: "AddNamed", signature: "haybb", values: [fd, name, true, false] }),
      () =>
        one.peer.call({ ...documents, member: "AddNamedFull", signature: "hayusas", values: [fd, name, 0, "", []] }),
      () =>
        one.peer.call({ ...documents, member: "Lookup", signature: "ay", values: [Buffer.from(`${work}/letter\0`)] }),
      () => one.peer.call({ ...documents, member: "Info", signature: "s", values: ["ffffffff"] }),
      () => one.peer.call({ ...documents, member: "List", signature: "s", values: [""] }),
    ]) {
      expect(await errorOf(call())).toBe(portalError("NotAllowed"));
    }
    const said = pit.dowel(["document-export", "-n", "-a", other, join(work, "new")]);
    expect(said.status).toBe(1);
    expect(said.stderr).toContain("[DOCUMENT_UNSUPPORTED]");
  });

  test("a damaged table gives nobody anything, and the next request works", async () => {
    const table = pit.path("home/.local/share/flatpak/db/documents");
    const before = readFileSync(table);
    writeFileSync(table, before.subarray(0, 20));
    expect(await errorOf(add(one, held(one, `${work}/letter`)))).toBe(portalError("Failed"));
    expect(pit.dowel(["documents"]).stderr).toContain("[PERMISSION_TABLE_DAMAGED]");
    expect(JSON.parse(pit.succeed(["run", other, "files", "/run/flatpak/doc"]))).toMatchObject({ entries: [] });
    writeFileSync(table, before);
    expect(await add(one, held(one, `${work}/letter`))).toMatch(/^[0-9a-f]{8}$/);
    forget();
  });
});

describe("FileTransfer without a portal", () => {
  test("files go to who has the key, once", async () => {
    const key = await startTransfer(one);
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    await addFiles(one, key, held(one, `${work}/letter`), held(one, `${work}/papers`));
    const [letter = "", papers = ""] = await retrieve(two, key);
    expect(seen(two, letter)).toMatchObject({ content: "dear", write: "EROFS" });
    expect(seen(two, `${papers}/sheet`)).toMatchObject({ content: "one" });
    expect(await errorOf(retrieve(two, key))).toBe(denied);
    forget();
  });

  test("and stay where that is asked for, to be written to where the sender may", async () => {
    const key = await startTransfer(
      one,
      new Map([
        ["autostop", variant("b", false)],
        ["writable", variant("b", true)],
      ]),
    );
    expect(await errorOf(addFiles(one, key, held(one, `${work}/sealed/note`)))).toBe(portalError("NotAllowed"));
    await addFiles(one, key, held(one, `${work}/letter`));
    const [first = ""] = await retrieve(two, key);
    expect(await retrieve(two, key)).toEqual([first]);
    expect(seen(two, first)).toMatchObject({ write: "OK" });
    await one.peer.call({ ...transfer, member: "StopTransfer", signature: "s", values: [key] });
    expect(await errorOf(retrieve(two, key))).toBe(denied);
    forget();
  });

  test("nobody adds to, stops or guesses what another has begun", async () => {
    const key = await startTransfer(one);
    expect(await errorOf(addFiles(two, key))).toBe(denied);
    expect(await errorOf(two.peer.call({ ...transfer, member: "StopTransfer", signature: "s", values: [key] }))).toBe(
      denied,
    );
    for (const wrong of ["", "0", "../", `${key}0`]) expect(await errorOf(retrieve(two, wrong))).toBe(denied);
    const outside = openSync(join(work, "letter"), "r");
    open.push(outside);
    expect(await errorOf(addFiles(one, key, outside))).toBe(portalError("NotAllowed"));
    expect(await retrieve(two, key)).toEqual([]);
    const late = await startTransfer(one, new Map([["autostop", variant("b", false)]]));
    await addFiles(one, late, held(one, `${work}/letter`));
    expect((await retrieve(two, late)).length).toBe(1);
    one.peer[Symbol.dispose]();
    while ((await errorOf(retrieve(two, late))) !== denied) await new Promise((again) => setTimeout(again, 5));
    forget();
  });
});

describe("portals that take files", () => {
  const desktop = { destination: "org.freedesktop.portal.Desktop", path: "/org/freedesktop/portal/desktop" } as const;

  function trash({ peer }: Running, fd: number): Promise<number> {
    const target = { ...desktop, interface: "org.freedesktop.portal.Trash", member: "TrashFile" } as const;
    return peer.call({ ...target, signature: "h", values: [fd], returns: "u" }).then(([result]) => result);
  }

  function openFile({ peer }: Running, fd: number, options = noOptions) {
    const target = { ...desktop, interface: "org.freedesktop.portal.OpenURI", member: "OpenFile" } as const;
    return peer.call({ ...target, signature: "sha{sv}", values: ["", fd, options], returns: "o" });
  }

  test("what the app can write to goes into the trash, also where its path is not the host's", async () => {
    const kept = pit.path(`home/.var/app/${probe}/cache/tmp/scrap`);
    writeFileSync(kept, "scrap");
    const third = await start(probe);
    expect(await trash(third, held(third, "/var/tmp/scrap"))).toBe(1);
    expect(existsSync(kept)).toBe(false);
    const folder = pit.path("home/.local/share/Trash");
    expect(readFileSync(join(folder, "files/scrap"), "utf8")).toBe("scrap");
    expect(readFileSync(join(folder, "info/scrap.trashinfo"), "utf8")).toContain(`\nPath=${kept}\n`);
  });

  test("and what it can only read, or holds of elsewhere, stays where it is", async () => {
    const third = await start(probe, `--filesystem=${work}`, `--filesystem=${work}/sealed:ro`);
    const path = pit.succeed(["document-export", "-t", "-a", probe, join(work, "letter")]).trim();
    const shown = `/run/flatpak/doc/${path.split("/").at(-2)}/letter`;
    await until("the document", () => seen(third, shown)["content"] === "dear");
    const outside = openSync(join(work, "letter"), "r+");
    open.push(outside);
    const writable = new Map([["writable", variant("b", true)]]);
    for (const fd of [
      held(third, `${work}/sealed/note`),
      held(third, `${work}/sealed/note`, constants.O_RDONLY),
      held(third, `${work}/sealed`),
      held(third, shown),
      held(third, "/app/bin/probe"),
      outside,
    ]) {
      expect(await errorOf(trash(third, fd))).toBe(portalError("NotAllowed"));
      expect(await errorOf(openFile(third, fd, writable))).toBe(portalError("NotAllowed"));
    }
    expect(readFileSync(join(work, "letter"), "utf8")).toBe("dear");
    expect(readFileSync(join(work, "sealed/note"), "utf8")).toBe("sealed");
    forget();
  });
});
