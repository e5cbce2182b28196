// SPDX-License-Identifier: Apache-2.0
import { errnoOf } from "../../../base/errors.ts";
import { limits } from "../../../base/limits.ts";
import { BusCallError } from "../../../dbus/errors.ts";
import { type Variant, variant } from "../../../formats/dbus/types.ts";
import type { CallingApp } from "../app.ts";
import { portalErrors } from "../errors.ts";
import { permitOnce } from "../permit.ts";
import type { Options, PortalCall } from "../portal.ts";
import type { RequestOutcome } from "../request.ts";
import type { BackendServices } from "../served.ts";
import { invalidArgument, switchOf } from "../texts.ts";
import { type UsbDevice, usbDeviceLabel, usbPermissionId } from "./device.ts";
import type { UsbDevices } from "./devices.ts";
import { HeldDevices } from "./held.ts";
import { isDeviceRefused, isUsbRefused, visibleDevices } from "./visible.ts";

/** Descriptors of one answer, as with xdg-desktop-portal: clients of D-Bus may take no more than 16. */
const devicesPerAnswer = 8;
/** Leave that is taken back counts within this time. */
const lookMilliseconds = 1000;

interface Wanted {
  readonly id: string;
  readonly device: UsbDevice;
  readonly writable: boolean;
}

/** What is being acquired; `left` is what is granted and not yet fetched, undefined while it is asked about. */
interface Pending {
  path: string;
  left: Wanted[] | undefined;
}

type Result = readonly [id: string, result: ReadonlyMap<string, Variant>];

function failure(id: string, why: string): Result {
  return [
    id,
    new Map([
      ["success", variant("b", false)],
      ["error", variant("s", why)],
    ]),
  ];
}

/** Devices that one connection asks for, and those that it has. */
export class UsbAccess {
  readonly #services: BackendServices;
  readonly #devices: UsbDevices;
  readonly #held: HeldDevices;
  readonly #ended: AbortSignal;
  #pending: Pending | undefined;
  #timer: Disposable | undefined;

  constructor(services: BackendServices, devices: UsbDevices, ended: AbortSignal) {
    this.#services = services;
    this.#devices = devices;
    this.#held = new HeldDevices(services.usb.nodes);
    this.#ended = ended;
    ended.addEventListener("abort", () => {
      this.#timer?.[Symbol.dispose]();
      this.#held.releaseAll();
    });
  }

  /** Opens the request that asks for devices. Throws `InvalidArgument`, `NotAllowed`, or `Failed` while one is unfinished. */
  async acquire(call: PortalCall, asked: readonly (readonly [string, Options])[], options: Options): Promise<string> {
    if (asked.length === 0 || asked.length > limits.usbDevicesPerCall) {
      throw invalidArgument(`Between one and ${limits.usbDevicesPerCall} devices can be acquired at once`);
    }
    const visible = await visibleDevices(this.#services, this.#devices, call.app);
    const wanted = asked.map(([id, access]) => {
      const device = visible.get(id);
      if (device === undefined) throw invalidArgument("There is no device with this id");
      return { id, device, writable: switchOf(access, "writable", false) };
    });
    if (new Set(wanted.map(({ id }) => id)).size < wanted.length) throw invalidArgument("A device is named twice");
    if (this.#pending !== undefined) {
      throw new BusCallError(portalErrors.failed, "An AcquireDevices of before is not finished");
    }
    const pending: Pending = { path: "", left: undefined };
    pending.path = call.request(options, (signal) => this.#ask(call.app, pending, wanted, signal));
    this.#pending = pending;
    return pending.path;
  }

  async #ask(
    app: CallingApp,
    pending: Pending,
    wanted: readonly Wanted[],
    signal: AbortSignal,
  ): Promise<RequestOutcome> {
    const granted: Wanted[] = [];
    try {
      for (const one of wanted) {
        const what = one.writable ? "It can do with it whatever the device can." : "It can read what the device is.";
        const question = { title: `Let ${app.id} use the USB device ${usbDeviceLabel(one.device)}?`, reason: what };
        const subject = ["usb", usbPermissionId(one.device)] as const;
        // Who says no once is not asked about the rest.
        if (!(await permitOnce(this.#services, app, subject, "ask", question, signal))) break;
        granted.push(one);
      }
    } finally {
      if (granted.length === 0 || signal.aborted) this.#pending = undefined;
    }
    if (granted.length === 0 || signal.aborted) return { response: 1 };
    pending.left = granted;
    return { response: 0 };
  }

  /** Opens what a request was granted, some at a time. Throws `NotFound` for a handle that has nothing to give. */
  async finish(app: CallingApp, handle: string): Promise<readonly [readonly Result[], boolean]> {
    const pending = this.#pending;
    if (pending?.path !== handle || pending.left === undefined) {
      throw new BusCallError(portalErrors.notFound, "There is nothing of this request to fetch");
    }
    const now = pending.left.splice(0, devicesPerAnswer);
    const finished = pending.left.length === 0;
    if (finished) this.#pending = undefined;
    const visible = await visibleDevices(this.#services, this.#devices, app);
    const results = now.map((one) =>
      visible.has(one.id) ? this.#open(one) : failure(one.id, "The device is not there"),
    );
    // A number that another device has got since the look is that of another one.
    const after = await this.#devices.look();
    this.#watch(app);
    const checked = results.map((result): Result => {
      if (after.has(result[0]) && !this.#ended.aborted) return result;
      this.#held.release(result[0]);
      return failure(result[0], "The device has gone");
    });
    return [checked, finished];
  }

  #open({ id, device, writable }: Wanted): Result {
    try {
      const fd = this.#held.open(id, device, writable);
      return [
        id,
        new Map([
          ["success", variant("b", true)],
          ["fd", variant("h", fd)],
        ]),
      ];
    } catch (error) {
      return failure(id, errnoOf(error) ?? (error instanceof Error ? error.message : "The device cannot be opened"));
    }
  }

  release(ids: readonly string[]): void {
    for (const id of ids) this.#held.release(id);
  }

  /** While devices are held, leave that is taken back takes them back, too. */
  #watch(app: CallingApp): void {
    if (this.#ended.aborted || this.#held.devices.length === 0) return;
    this.#timer ??= this.#services.loop.after(lookMilliseconds, () => {
      void this.#look(app).finally(() => {
        this.#timer = undefined;
        this.#watch(app);
      });
      this.#services.loop.yield();
    });
  }

  async #look(app: CallingApp): Promise<void> {
    const isRefused = await isUsbRefused(this.#services, app);
    for (const [id, device] of this.#held.devices) {
      if (isRefused || (await isDeviceRefused(this.#services, app, device))) this.#held.release(id);
    }
  }
}
