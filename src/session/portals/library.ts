// SPDX-License-Identifier: Apache-2.0
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { FoundFolder } from "../../engine/library/folders.ts";
import { type Variant, variant } from "../../formats/dbus/types.ts";
import { libraryShelf } from "../../metadata/library.ts";
import { dataName } from "../../metadata/profile.ts";
import type { LibraryNews } from "../library/keeper.ts";
import type { CallingApp } from "./app.ts";
import { Desktop } from "./desktop.ts";
import { portalErrors } from "./errors.ts";
import { askForFolder, type FolderQuestion } from "./folderdialog.ts";
import { definePortal, desktopPortal, type Options, type PortalCall } from "./portal.ts";
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

/** Throws `Failed` where they cannot be read. */
function foldersOf({ library, failed }: BackendServices, name: string): readonly FoundFolder[] {
  try {
    return library.folders(name);
  } catch (cause) {
    // What is wrong with the file is said to the user, whose it is.
    failed(cause);
    throw new BusCallError(portalErrors.failed, "The list of folders cannot be read", { cause });
  }
}

/** Takes a folder from an app. Throws `NotFound`: names alone, as of a path the answer would tell whether it was picked. */
async function removeFolder(services: BackendServices, name: string, folder: string): Promise<void> {
  const isKnown = foldersOf(services, name).some((one) => one.name === folder);
  if (!isKnown) throw new BusCallError(portalErrors.notFound, "No folder of that name was picked for this app");
  await services.library.remove(name, folder);
}

/** Lets users pick folders for apps, one dialog at a time for an app. */
class FolderQuestions {
  readonly #services: BackendServices;
  readonly #desktop: Desktop;
  /** Apps for which a dialog is open, with what ends it. */
  readonly #asking = new Map<string, AbortSignal>();

  constructor(services: BackendServices) {
    this.#services = services;
    this.#desktop = new Desktop(services.buses);
  }

  /** Throws `LimitsExceeded` while a dialog is open, and `Failed`, with the command that does it, where none can be. */
  async checkDialog({ id }: CallingApp, name: string): Promise<void> {
    const found = await this.#services.loop.during(this.#desktop.interfaces());
    if (this.#asking.has(name)) throw new BusCallError(busErrors.limitsExceeded, "The user is asked already");
    if (found === "all" || found?.has("org.freedesktop.portal.FileChooser") === true) return;
    const profile = name === id ? "" : `--profile=${name.slice(id.length + 1)} `;
    const command = `dowel library add ${profile}${id} FOLDER`;
    const text = `No desktop shows a dialog here; the user can give a folder with: ${command}`;
    throw new BusCallError(portalErrors.failed, text);
  }

  /** A folder that is refused is as good as none; what is wrong with it would tell where it is. */
  async ask(app: CallingApp, question: FolderQuestion, signal: AbortSignal): Promise<RequestOutcome> {
    const { decide, loop, buses, library } = this.#services;
    const name = nameOf(app);
    if ((await decide(app, "library", "library", "ask")) === "no") return { response: 1 };
    if (this.#asking.has(name)) return { response: 2 };
    using _open = this.#openDialog(name, signal);
    const picked = await askForFolder(loop, await buses.connect("session"), question, signal);
    if (picked === undefined || signal.aborted) return { response: 1 };
    const access = picked.writable ? "rw" : "ro";
    const { folder } = await library.add({ name, path: picked.path, access }, signal);
    return { response: 0, results: describe({ ...folder, available: true }) };
  }

  /** Notes that a dialog is open, until it is disposed of or the signal fires. */
  #openDialog(name: string, signal: AbortSignal): Disposable {
    this.#asking.set(name, signal);
    const close = (): void => {
      if (this.#asking.get(name) === signal) this.#asking.delete(name);
    };
    signal.addEventListener("abort", close);
    return { [Symbol.dispose]: close };
  }
}

/** What is asked because of a call of `Add`. Throws `InvalidArgument`. */
function questionOf({ app }: PortalCall, window: string, options: Options): FolderQuestion {
  const [title, asksToWrite] = [textOf(options, "title"), switchOf(options, "writable", false)];
  if (Math.max(title.length, window.length) > titleCharacters) throw invalidArgument("That text is too long");
  return { window, title: `${app.id}: ${title || "a folder"}`, asksToWrite };
}

/** Folders that a user picks for an app, which its sandboxes show while they are picked. */
export function libraryPortal(services: BackendServices) {
  const questions = new FolderQuestions(services);
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    let listens = false;
    /** A connection that has called is told from then on. */
    const known = ({ app }: PortalCall): string => {
      const name = nameOf(app);
      if (listens) return name;
      listens = true;
      const tell = ({ kind, folder }: LibraryNews): void =>
        emit(shape, kind, [kind === "Removed" ? folder.name : describe(folder)]);
      services.library.listen(name, tell, ended);
      return name;
    };
    return {
      methods: {
        async Add(call, window, options) {
          const question = questionOf(call, window, options);
          await questions.checkDialog(call.app, known(call));
          return [call.request(options, (signal) => questions.ask(call.app, question, signal))];
        },
        List: (call) => [foldersOf(services, known(call)).map(describe)],
        async Remove(call, folder) {
          await removeFolder(services, known(call), folder);
          return [];
        },
      },
      properties: {
        version: (call) => {
          known(call);
          return 1;
        },
      },
    };
  });
}
