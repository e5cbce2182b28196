// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { Environment } from "./buses.ts";
import { requireNetwork } from "./network.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.ProxyResolver",
  methods: { Lookup: { in: "s uri", out: "as proxies" } },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

const direct = ["direct://"];

function variable(environment: Environment, name: string): string | undefined {
  return environment[name] || environment[name.toUpperCase()] || undefined;
}

/** Whether a host is one of `no_proxy`: names, which stand for all below them, separated by commas; `*` for all. */
function isExcepted(host: string, list: string): boolean {
  return list
    .split(",")
    .map((entry) => entry.trim().replace(/^\*?\./, ""))
    .some((entry) => entry !== "" && (entry === "*" || host === entry || host.endsWith(`.${entry}`)));
}

/** The proxies for an address, in the order to try them, as the variables of the environment say (curl(1)). Pure. */
export function proxiesOf(uri: URL, environment: Environment): readonly string[] {
  const host = uri.hostname.replace(/^\[|\]$/g, "");
  if (host === "localhost" || host === "::1" || /^127\./.test(host)) return direct;
  if (isExcepted(host, variable(environment, "no_proxy") ?? "")) return direct;
  const name = `${uri.protocol.slice(0, -1)}_proxy`;
  // A program of the web would take HTTP_PROXY from whoever calls it (CVE-2016-5385).
  const own = name === "http_proxy" ? environment[name] : variable(environment, name);
  const proxy = own || variable(environment, "all_proxy");
  return proxy === undefined ? direct : [proxy.includes("://") ? proxy : `http://${proxy}`];
}

/** Which proxies lead to an address: the maker's, else those of the environment. */
export function proxyPortal({ environment, backends }: BackendServices) {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      Lookup({ app }, text) {
        requireNetwork(app);
        const uri = URL.canParse(text) ? new URL(text) : undefined;
        if (uri === undefined) throw invalidArgument("That is no URI");
        return [backends().proxies ?? proxiesOf(uri, environment)];
      },
    },
    properties: { version: () => 1 },
  }));
}
