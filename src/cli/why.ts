// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { describeForReading, plainRequest } from "../engine/run/read.ts";
import { isWellKnownName } from "../formats/dbus/names.ts";
import type { Result } from "../render/result.ts";
import { runFolderPath } from "../sandbox/run-folder.ts";
import { type Explanation, explainName } from "../session/explain.ts";
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

/** What running instances of the app were denied of the name; none where no service runs. */
function denialsOf(app: string, name: string, bus: string): readonly CountedDenial[] {
  try {
    const { instances } = askStatus(sessionSocketPath(runFolderPath(process.geteuid?.() ?? 0)));
    return instances
      .filter((instance) => instance.app === app)
      .flatMap(({ denials }) => denials.filter((denial) => denial.name === name && denial.bus === bus));
  } catch (error) {
    if (isDowelError(error, "SESSION_UNREACHABLE")) return [];
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

async function run(context: Context, flags: Flags, app: string, name: string): Promise<Result> {
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
  brief: "Explain what an app may do with a service, and how to change that",
  examples: [
    ["why org.example.App org.freedesktop.Notifications", "explains it for the session bus"],
    ["why --system-bus org.example.App org.freedesktop.UPower", "explains it for the system bus"],
  ],
  parameters: {
    flags: { ...installationFlags, ...jsonFlag, systemBus: switchFlag("A service of the system bus") },
    aliases: { j: "json" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("App", "APP"), textArgument("Name of the service", "NAME")],
    },
  },
  run,
});
