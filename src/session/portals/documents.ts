// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { variant } from "../../formats/dbus/types.ts";
import { accessOf, documentPermissions } from "../../metadata/documents.ts";
import { isValidId } from "../../metadata/ref.ts";
import { callerFile } from "../documents/callerfile.ts";
import type { DocumentKeeper } from "../documents/keeper.ts";
import {
  answering,
  checkGrant,
  checkOffer,
  documentFor,
  makeOffer,
  notAllowed,
  type Offer,
  permissionsOf,
  settle,
} from "../documents/offers.ts";
import { documentMount } from "../documents/own.ts";
import type { CallingApp } from "./app.ts";
import { definePortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument } from "./texts.ts";

/** The name and path of the document portal. */
export const documentsPlace = {
  busName: "org.freedesktop.portal.Documents",
  path: "/org/freedesktop/portal/documents",
} as const;

const shape = {
  name: "org.freedesktop.portal.Documents",
  methods: {
    GetMountPoint: { in: "", out: "ay path" },
    Add: { in: "h o_path_fd, b reuse_existing, b persistent", out: "s doc_id" },
    AddNamed: { in: "h o_path_parent_fd, ay filename, b reuse_existing, b persistent", out: "s doc_id" },
    AddFull: { in: "ah o_path_fds, u flags, s app_id, as permissions", out: "as doc_ids, a{sv} extra_out" },
    AddNamedFull: {
      in: "h o_path_fd, ay filename, u flags, s app_id, as permissions",
      out: "s doc_id, a{sv} extra_out",
    },
    GrantPermissions: { in: "s doc_id, s app_id, as permissions", out: "" },
    RevokePermissions: { in: "s doc_id, s app_id, as permissions", out: "" },
    Delete: { in: "s doc_id", out: "" },
    Lookup: { in: "ay filename", out: "s doc_id" },
    Info: { in: "s doc_id", out: "ay path, a{sas} apps" },
    List: { in: "s app_id", out: "a{say} docs" },
    GetHostPaths: { in: "as doc_ids", out: "a{say} paths" },
  },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** Flags of `AddFull`. */
const flag = { reuse: 1, persistent: 2, asNeeded: 4, folder: 8 } as const;
const allFlags = 15;

interface PermissionChange {
  readonly id: string;
  /** The app whose permissions change. */
  readonly target: string;
  readonly permissions: readonly string[];
  readonly gives: boolean;
}

function pathBytes(path: string): Uint8Array {
  return Buffer.from(`${path}\0`);
}

function checkApp(id: string): void {
  if (!isValidId(id)) throw invalidArgument(`'${id}' is no id of an app`);
}

function checkPermissions(permissions: readonly string[]): void {
  const known: readonly string[] = documentPermissions;
  const wrong = permissions.find((one) => !known.includes(one));
  if (wrong !== undefined) throw invalidArgument(`'${wrong}' is no permission; there are ${known.join(", ")}`);
}

function outsideOnly(what: string) {
  return (): never => {
    throw notAllowed(what);
  };
}

/** What `AddFull` asks for, and which kind of file; throws `InvalidArgument`. */
function fullOffer(flags: number, target: string, permissions: readonly string[]) {
  if ((flags & ~allFlags) !== 0) throw invalidArgument("There are flags that mean nothing");
  if (target !== "") checkApp(target);
  checkPermissions(permissions);
  const has = (bit: number): boolean => (flags & bit) !== 0;
  const offer = { unique: !has(flag.reuse), persistent: has(flag.persistent), target, permissions };
  return { offer, isFolder: has(flag.folder) };
}

/** Makes documents of files of an app's own; answers their ids. Nothing has changed where one of the files is refused. */
async function addAll(
  keeper: DocumentKeeper,
  app: CallingApp,
  fds: readonly number[],
  { offer, isFolder }: { readonly offer: Offer; readonly isFolder?: boolean },
): Promise<readonly string[]> {
  if (fds.length > limits.documentsPerCall) {
    throw invalidArgument(`At most ${limits.documentsPerCall} files can be added by one call`);
  }
  const child = app.child();
  const files = fds.map((fd) => callerFile(child, fd));
  for (const file of files) {
    if (isFolder !== undefined && file.isFolder !== isFolder) {
      throw invalidArgument("Folders, and nothing else, are added with the flag 8");
    }
    checkOffer(keeper, app.id, file, offer);
  }
  const ids: string[] = [];
  for (const file of files) ids.push((await makeOffer(keeper, app.id, file, offer)).id);
  await settle(keeper);
  return ids;
}

/** Gives another app permissions for a document of the caller's, or takes them back from any app. */
async function change(
  keeper: DocumentKeeper,
  app: string,
  { id, target, permissions, gives }: PermissionChange,
): Promise<readonly []> {
  checkApp(target);
  checkPermissions(permissions);
  const document = documentFor(keeper, app, id);
  if (gives) checkGrant(document, app, permissions);
  else if (target !== app) checkGrant(document, app, []);
  const before = permissionsOf(document, target);
  const rest = before.filter((one) => !permissions.includes(one));
  await keeper.tables.set(document, target, gives ? [...rest, ...permissions] : rest);
  await settle(keeper);
  return [];
}

async function remove(keeper: DocumentKeeper, app: string, id: string): Promise<readonly []> {
  const document = documentFor(keeper, app, id);
  if (!permissionsOf(document, app).includes("delete")) throw notAllowed("The caller has no permission to delete");
  await keeper.tables.delete(document);
  await settle(keeper);
  return [];
}

/** Where documents lie on the host; those that the app has no right to are left out. */
function hostPaths(keeper: DocumentKeeper, app: string, ids: readonly string[]): ReadonlyMap<string, Uint8Array> {
  const wanted = new Set(ids);
  const own = keeper.tables.all().filter((one) => wanted.has(one.id) && accessOf(one, app) !== undefined);
  return new Map(own.map(({ id, path }) => [id, pathBytes(path)]));
}

const named = outsideOnly(
  "Names of files that are not there yet can be given by programs outside of sandboxes alone, and shown only by a document portal",
);
const asking = outsideOnly("Sandboxes cannot ask for documents of others");

/** Documents where the session has no portal of them: by mounts, which show single files and folders that are there. */
export function documentsPortal({ documents: keeper, loop }: BackendServices) {
  const done = <T>(work: Promise<T>): Promise<T> => loop.during(answering(work));
  return definePortal(shape, documentsPlace, () => ({
    methods: {
      GetMountPoint: () => [pathBytes(documentMount())],
      async Add({ app }, fd, reuse, persistent) {
        const offer = { unique: !reuse, persistent, target: "", permissions: [] };
        const [id = ""] = await done(addAll(keeper, app, [fd], { offer }));
        return [id];
      },
      AddNamed: named,
      async AddFull({ app }, fds, flags, target, permissions) {
        const ids = await done(addAll(keeper, app, fds, fullOffer(flags, target, permissions)));
        return [ids, new Map([["mountpoint", variant("ay", pathBytes(documentMount()))]])];
      },
      AddNamedFull: named,
      GrantPermissions: ({ app }, id, target, permissions) =>
        done(change(keeper, app.id, { id, target, permissions, gives: true })),
      RevokePermissions: ({ app }, id, target, permissions) =>
        done(change(keeper, app.id, { id, target, permissions, gives: false })),
      Delete: ({ app }, id) => done(remove(keeper, app.id, id)),
      Lookup: asking,
      Info: asking,
      List: asking,
      GetHostPaths: ({ app }, ids) => [hostPaths(keeper, app.id, ids)],
    },
    properties: { version: () => 5 },
  }));
}
