// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { describeForReading, devicesOf, plainRequest } from "../engine/run/read.ts";
import { isWellKnownName } from "../formats/dbus/names.ts";
import type { Result } from "../render/result.ts";
import { runFolderPath } from "../sandbox/run-folder.ts";
import { type Explanation, explainName } from "../session/explain.ts";
import { type ExplainedDevice, explainDevice, explainedDevices } from "../session/explaindevice.ts";
import { withPermissionStore } from "../session/permissions/store.ts";
import { portalPolicyPath, ruleOfMachine } from "../session/portals/policy.ts";
import { decisionIn } from "../session/portals/stored.ts";
import type { CountedDenial } from "../session/service/denials.ts";
import { sessionSocketPath } from "../session/service/serve.ts";
import { askStatus } from "../session/service/status.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag, switchFlag, textArgument } from "./flags.ts";
import { installationChoice } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly systemBus?: boolean;
  readonly json?: boolean;
}

const deviceWords: Readonly<Record<ExplainedDevice, string>> = {
  sound: "loudspeakers",
  microphone: "microphones",
  monitor: "what other programs play",
  camera: "cameras",
};

/** What running instances of the app were denied of the name; none where no service runs. */
function denialsOf(app: string, name: string, bus: string): readonly CountedDenial[] {
  try {
    const { instances } = askStatus(sessionSocketPath(runFolderPath(process.geteuid?.() ?? 0)));
    return instances
      .filter((instance) => instance.app === app)
      .flatMap(({ denials }) => denials.filter((denial) => denial.name === name && denial.bus === bus));
  } catch (error) {
    // What it would tell is only more of the same.
    if (isDowelError(error, "SESSION_UNREACHABLE") || isDowelError(error, "SESSION_PROTOCOL")) return [];
    throw error;
  }
}

function sentence(app: string, { bus, name, may, because, allow }: Explanation): string[] {
  const what = may === "nothing" ? "does not see" : may === "everything" ? "may do everything with" : `may ${may}`;
  return [
    `${app} ${what} ${name} on the ${bus} bus`,
    ...because.map((option) => `  because of ${option}`),
    ...(allow === undefined ? [] : [`  to let it talk: dowel override --user ${allow} ${app}`]),
  ];
}

function isDevice(name: string): name is ExplainedDevice {
  return explainedDevices.some((device) => device === name);
}

async function explained(context: Context, flags: Flags, name: string, device: ExplainedDevice): Promise<Result> {
  const granted = devicesOf(plainRequest({ name, installations: installationChoice(flags) }));
  const { app } = granted;
  const stored = await withPermissionStore(process.env, context.signal, (store) => store.lookup("devices", device));
  const facts = {
    ...granted,
    rule: ruleOfMachine(app, "devices", device),
    stored: decisionIn(stored?.apps.get(app)),
  };
  const explanation = explainDevice(device, facts, portalPolicyPath);
  if (flags.json === true) return { kind: "json", value: { app, ...explanation } };
  const lines = [
    `${app} ${explanation.may ? "may" : "may not"} use ${deviceWords[device]}`,
    ...explanation.because.map((reason) => `  because of this: ${reason}`),
    ...explanation.allow.map((command) => `  to allow it: ${command}`),
  ];
  return { kind: "text", text: `${lines.join("\n")}\n` };
}

async function run(context: Context, flags: Flags, app: string, name: string): Promise<Result> {
  if (isDevice(name)) return await explained(context, flags, app, name);
  if (!isWellKnownName(name)) throw new DowelError("USAGE", `'${name}' is no name of a service on a bus`);
  const bus = flags.systemBus === true ? "system" : "session";
  const request = plainRequest({ name: app, installations: installationChoice(flags) });
  const { specification } = await describeForReading(request, context.signal);
  const explanation = explainName(bus, specification.buses[bus], name);
  const denials = denialsOf(specification.identity.id, name, bus);
  if (flags.json === true) return { kind: "json", value: { app: specification.identity.id, ...explanation, denials } };
  const lines = [
    ...sentence(specification.identity.id, explanation),
    ...denials.map(({ call, path, error, count }) => `  denied ${count} times: ${call} at ${path} (${error})`),
  ];
  return { kind: "text", text: `${lines.join("\n")}\n` };
}

export default defineCommand<Flags, [string, string]>({
  brief: "Explain what an app may do with a service, sound, microphone, monitor or camera, and how to change that",
  examples: [
    ["why org.example.App org.freedesktop.Notifications", "explains it for the session bus"],
    ["why --system-bus org.example.App org.freedesktop.UPower", "explains it for the system bus"],
    ["why org.example.App microphone", "explains who decides whether the app may record"],
  ],
  parameters: {
    flags: { ...installationFlags, ...jsonFlag, systemBus: switchFlag("A service of the system bus") },
    aliases: { j: "json" },
    positional: {
      kind: "tuple",
      parameters: [
        textArgument("App", "APP"),
        textArgument("Name of the service, or sound, microphone, monitor or camera", "NAME"),
      ],
    },
  },
  run,
});
