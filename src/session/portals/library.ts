// SPDX-License-Identifier: Apache-2.0
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { FoundFolder } from "../../engine/library/folders.ts";
import { type Variant, variant } from "../../formats/dbus/types.ts";
import { libraryShelf } from "../../metadata/library.ts";
import { dataName } from "../../metadata/profile.ts";
import type { CallingApp } from "./app.ts";
import { Desktop } from "./desktop.ts";
import { portalErrors } from "./errors.ts";
import { askForFolder } from "./folderdialog.ts";
import { definePortal, desktopPortal, type PortalCall } from "./portal.ts";
import type { RequestOutcome } from "./request.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, switchOf, textOf } from "./texts.ts";

const shape = {
  name: "org.dowel.portal.Library",
  methods: {
    Add: { in: "s parent_window, a{sv} options", out: "o handle" },
    List: { in: "", out: "aa{sv} folders" },
    Remove: { in: "s name", out: "" },
  },
  signals: { Added: "a{sv} folder", Removed: "s name", Changed: "a{sv} folder" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

const titleCharacters = 200;

interface Told {
  readonly name: string;
  readonly access: "ro" | "rw";
  readonly available: boolean;
}

/** What an app is told of a folder: nothing of where the host has it but its name. */
function describe({ name, access, available }: Told): ReadonlyMap<string, Variant> {
  return new Map([
    ["name", variant("s", name)],
    ["path", variant("s", `${libraryShelf}/${name}`)],
    ["writable", variant("b", access === "rw")],
    ["available", variant("b", available)],
  ]);
}

/** The data that the caller runs with: `ID` or `ID@PROFILE`. Throws `NotAllowed` for a sandbox without its permissions. */
function nameOf(app: CallingApp): string {
  const info = app.info();
  if (info.hasGroup("Application") && info.getBoolean("Instance", "sandbox") !== true) {
    return dataName(app.id, info.get("Instance", "profile") || undefined);
  }
  throw new BusCallError(portalErrors.notAllowed, "Only apps that run with their permissions have a library");
}

/** Folders that a user picks for an app, which its sandboxes show while they are picked. */
export function libraryPortal(services: BackendServices) {
  const { loop, buses, library } = services;
  const desktop = new Desktop(buses);
  /** Apps for which a dialog is open, with what ends it. */
  const asking = new Map<string, AbortSignal>();

  async function checkDialog({ id }: CallingApp, name: string): Promise<void> {
    const found = await loop.during(desktop.interfaces());
    if (asking.has(name)) throw new BusCallError(busErrors.limitsExceeded, "The user is asked already");
    if (found === "all" || found?.has("org.freedesktop.portal.FileChooser") === true) return;
    const profile = name === id ? "" : `--profile=${name.slice(id.length + 1)} `;
    const command = `dowel library add ${profile}${id} FOLDER`;
    const text = `No desktop shows a dialog here; the user can give a folder with: ${command}`;
    throw new BusCallError(portalErrors.failed, text);
  }

  function foldersOf(name: string): readonly FoundFolder[] {
    try {
      return library.folders(name);
    } catch (cause) {
      // What is wrong with the file is said to the user, whose it is.
      services.failed(cause);
      throw new BusCallError(portalErrors.failed, "The list of folders cannot be read", { cause });
    }
  }

  /** A folder that is refused is as good as none; what is wrong with it would tell where it is. */
  async function ask(call: PortalCall, window: string, title: string, asksToWrite: boolean, signal: AbortSignal) {
    const { app } = call;
    const name = nameOf(app);
    if ((await services.decide(app, "library", "library", "ask")) === "no") return { response: 1 } as const;
    if (asking.has(name)) return { response: 2 } as const;
    asking.set(name, signal);
    const end = (): void => {
      if (asking.get(name) === signal) asking.delete(name);
    };
    signal.addEventListener("abort", end);
    try {
      const question = { window, title: `${app.id}: ${title || "a folder"}`, asksToWrite };
      const picked = await askForFolder(loop, await buses.connect("session"), question, signal);
      if (picked === undefined || signal.aborted) return { response: 1 } as const;
      const access = picked.writable ? "rw" : "ro";
      const { folder } = await library.add({ name, path: picked.path, access }, signal);
      return { response: 0, results: describe({ ...folder, available: true }) } satisfies RequestOutcome;
    } finally {
      end();
    }
  }

  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    let listens = false;
    function begin({ app }: PortalCall): string {
      const name = nameOf(app);
      if (listens) return name;
      listens = true;
      const tell = library.listen.bind(library, name);
      tell(({ kind, folder }) => emit(shape, kind, [kind === "Removed" ? folder.name : describe(folder)]), ended);
      return name;
    }

    return {
      methods: {
        async Add(call, window, options) {
          const [title, writes] = [textOf(options, "title"), switchOf(options, "writable", false)];
          if (Math.max(title.length, window.length) > titleCharacters) throw invalidArgument("That text is too long");
          await checkDialog(call.app, begin(call));
          return [call.request(options, (signal) => ask(call, window, title, writes, signal))];
        },
        List: (call) => [foldersOf(begin(call)).map(describe)],
        async Remove(call, folder) {
          const name = begin(call);
          // Names alone: of a path the answer would tell whether it was picked.
          const isKnown = foldersOf(name).some((one) => one.name === folder);
          if (!isKnown) throw new BusCallError(portalErrors.notFound, "No folder of that name was picked for this app");
          await library.remove(name, folder);
          return [];
        },
      },
      properties: {
        version: (call) => {
          begin(call);
          return 1;
        },
      },
    };
  });
}
