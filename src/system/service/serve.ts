// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { version } from "../../base/version.ts";
import { type Caller as BusCaller, implement } from "../../dbus/interface.ts";
import { BusPeer } from "../../dbus/peer.ts";
import { systemBusAddress } from "../../dbus/reach.ts";
import { parseBusAddress } from "../../formats/dbus/address.ts";
import { EventLoop } from "../../loop/loop.ts";
import { listRemotes } from "../../remotes/config.ts";
import { type Installation, openInstallation } from "../../store/installation.ts";
import { namedPlaces, systemPlace } from "../../store/places.ts";
import { checkAcceptable } from "../accept.ts";
import { carryOutPlain, carryOutTransaction } from "../carryout.ts";
import { decodeChange } from "../decode.ts";
import { toBusError } from "../errors.ts";
import { serviceName, servicePath, systemShape } from "../names.ts";
import { rightsFor } from "../rights.ts";
import { type Job, type JobContext, Jobs } from "./jobs.ts";
import { mediaPlaces } from "./media.ts";
import { requireRights } from "./polkit.ts";

export interface ServeOptions {
  /** Without jobs for this long it ends; undefined: never. */
  readonly lingerMilliseconds: number | undefined;
  /** Told when it has its name. */
  readonly ready: () => void;
  /** Told, in a line for the system's journal, what is asked for and how it ended. */
  readonly log: (line: string) => void;
  /** Told of mistakes of the program. */
  readonly failed: (error: unknown) => void;
}

/** The installations of the system; what users have is none of the service's. */
function systemInstallations(): readonly Installation[] {
  return [systemPlace(), ...namedPlaces()].map((place) => openInstallation(place));
}

/** Throws `NOT_PERMITTED` where the caller means another folder by the name than this process does. */
function findInstallation(name: string, path: string): Installation {
  const found = systemInstallations().find((installation) => installation.name === name);
  if (found?.path === path) return found;
  throw new DowelError("NOT_PERMITTED", `${path} is not an installation that the system service changes`, {
    hint: "It takes DOWEL_SYSTEM_DIR from its own environment, not from its callers'.",
  });
}

/** Errors go to the caller with their codes; a mistake of the program does not. */
async function answered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isDowelError(error) ? toBusError(error) : error;
  }
}

function rightsNow({ change, installation }: Job): readonly string[] {
  return rightsFor(change, new Set(listRemotes(installation).map(({ name }) => name)));
}

/** Answers the calls of one bus. */
class SystemService {
  readonly #loop: EventLoop;
  readonly #peer: BusPeer;
  readonly #options: ServeOptions;
  readonly #jobs: Jobs;
  #calls = 0;

  constructor(loop: EventLoop, peer: BusPeer, options: ServeOptions) {
    this.#loop = loop;
    this.#peer = peer;
    this.#options = options;
    this.#jobs = new Jobs({
      authorize: (job, signal) => this.#authorize(job, signal),
      work: (job, context) => loop.during(this.#work(job, context)),
      tell: (job, event) =>
        peer.emit(servicePath, systemShape, "Event", [job.token, JSON.stringify(event)], job.caller.name),
    });
    loop.onQuiet = (milliseconds) => this.#quiet(milliseconds);
  }

  async start(): Promise<void> {
    const served = implement(systemShape, {
      methods: {
        Change: (call, token, name, path, change, media) =>
          this.#counted(() => this.#change(call, token, { name, path }, { json: change, media })),
        Cancel: async ({ sender }, token) => {
          await answered(async () => this.#jobs.cancel(sender, token));
          return [];
        },
      },
      properties: { Version: () => version },
    });
    this.#peer.objects.export(servicePath, served);
    const rule = { sender: "org.freedesktop.DBus", interface: "org.freedesktop.DBus", member: "NameOwnerChanged" };
    await this.#peer.listen(rule, ({ values }) => {
      const [name, , owner] = values ?? [];
      if (owner === "") this.#jobs.callerGone(String(name));
    });
    await this.#takeName();
    this.#options.ready();
  }

  async #takeName(): Promise<void> {
    const outcome = await this.#peer.requestName(serviceName, { lost: () => this.#loop.stop() });
    if (outcome === "owner" || outcome === "already") return;
    throw new DowelError("SYSTEM_UNREACHABLE", `Another process has the name ${serviceName} on the bus`);
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await answered(work);
    } finally {
      this.#calls--;
    }
  }

  async #change(
    { sender, interactive }: BusCaller,
    token: string,
    { name, path }: Pick<Installation, "name" | "path">,
    { json, media }: { readonly json: string; readonly media: readonly number[] },
  ): Promise<readonly [boolean]> {
    if (!/^[A-Za-z0-9_]{1,64}$/.test(token))
      throw new DowelError("USAGE", "A job's name has 1 to 64 letters and digits");
    const change = decodeChange(json);
    checkAcceptable(change);
    const installation = findInstallation(name, path);
    const places = mediaPlaces(media, change);
    const { uid } = await this.#peer.credentialsOf(sender);
    const what = `${change.kind} of user ${uid} for the installation ${name}`;
    this.#options.log(`${what}: asked for`);
    try {
      const job: Job = { caller: { name: sender, uid }, token, installation, change, media: places, interactive };
      const changed = await this.#jobs.run(job);
      this.#options.log(`${what}: done`);
      return [changed];
    } catch (error) {
      this.#options.log(`${what}: ${isDowelError(error) ? error.code : "failed"}`);
      throw error;
    }
  }

  async #authorize(job: Job, signal: AbortSignal): Promise<readonly string[]> {
    const rights = rightsNow(job);
    await requireRights(this.#peer, rights, job, signal);
    return rights;
  }

  async #work(job: Job, { granted, report, signal }: JobContext): Promise<boolean> {
    const { change, installation, media } = job;
    // What was done while this waited may have made more of it: a remote that would be made now was there then.
    const missing = rightsNow(job).find((right) => !granted.includes(right));
    if (missing !== undefined) throw new DowelError("PLAN_CHANGED", `This needs the right ${missing} by now`);
    if (change.kind !== "transaction") return await carryOutPlain(change, { installation, report, signal });
    const { uid } = job.caller;
    return await carryOutTransaction(change, {
      installation,
      installations: systemInstallations(),
      ...{ uid, media },
      report,
      signal,
    });
  }

  #quiet(milliseconds: number): void {
    const { lingerMilliseconds = Number.POSITIVE_INFINITY } = this.#options;
    if (milliseconds >= lingerMilliseconds && this.#calls === 0) void this.#retire().catch(this.#options.failed);
  }

  /** Gives the name back first: who calls from then on starts another service, and who called before is still served. */
  async #retire(): Promise<void> {
    await this.#peer.releaseName(serviceName);
    if (this.#calls === 0) this.#loop.stop();
    else await this.#takeName();
  }

  /** Cancels what goes on and waits for its end. */
  async stop(reason: unknown): Promise<void> {
    await this.#jobs.stop(reason);
  }
}

/**
 * Serves the system's installations on the system bus until the signal, or until it has nothing to do. Throws
 * `BUS_UNREACHABLE`, and `SYSTEM_UNREACHABLE` where it cannot have its name.
 */
export async function serveSystem(options: ServeOptions, signal: AbortSignal): Promise<void> {
  using loop = new EventLoop();
  const sockets = parseBusAddress(systemBusAddress());
  const events = { ended: () => loop.stop(), failed: options.failed };
  using peer = await loop.runUntil(BusPeer.connect(loop, sockets, events, signal), signal);
  const service = new SystemService(loop, peer, options);
  await loop.runUntil(service.start(), signal);
  await loop.run(signal);
  await loop.runUntil(service.stop(signal.reason));
}
