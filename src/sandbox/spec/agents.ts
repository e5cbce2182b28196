// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { Host } from "../probe/host.ts";

const zbase32 = "ybndrfg8ejkmcpqxot1uwisza345h769";

/** The first 120 bits of a SHA-1 in z-base-32, by which GnuPG names the socket folder of an unusual home. */
function socketFolderName(gnupgHome: string): string {
  const sum = BigInt(`0x${createHash("sha1").update(gnupgHome).digest("hex").slice(0, 30)}`);
  const digits = Array.from({ length: 24 }, (_, index) => Number((sum >> BigInt(5 * (23 - index))) & 31n));
  return `d.${digits.map((digit) => zbase32[digit]).join("")}`;
}

/** Where gpg-agent(1) may listen, the most likely first; as `gpgconf --list-dir agent-socket` answers. */
export function gpgAgentSockets(host: Host, home: string, session: string | undefined): string[] {
  const usual = `${home}/.gnupg`;
  const named = host.variable("GNUPGHOME");
  const gnupgHome = named?.startsWith("/") === true ? named.replace(/(.)\/+$/, "$1") : usual;
  const below = gnupgHome === usual ? "gnupg" : `gnupg/${socketFolderName(gnupgHome)}`;
  const sessions = [session, `/run/user/${host.identity.uid}`].filter((folder) => folder !== undefined);
  return [...sessions.map((folder) => `${folder}/${below}/S.gpg-agent`), `${gnupgHome}/S.gpg-agent`];
}

/** A socket that a `client.conf` of CUPS names: `ServerName /PATH`. */
function serverName(text: string | undefined): string | undefined {
  return text?.match(/^\s*ServerName\s+(\/\S+)\s*$/im)?.[1];
}

/** Where the printing system listens, the first that is named: `CUPS_SERVER`, the files of client.conf(5), the default. */
export function cupsSockets(host: Host, home: string): string[] {
  const variable = host.variable("CUPS_SERVER");
  const named = [
    variable?.startsWith("/") === true ? variable : undefined,
    serverName(host.read(`${home}/.cups/client.conf`)),
    serverName(host.read("/etc/cups/client.conf")),
  ];
  return [...named.filter((path) => path !== undefined), "/run/cups/cups.sock"];
}

/** A socket that a `client.conf` of PulseAudio names: `default-server = unix:/PATH`. */
function defaultServer(text: string | undefined): string | undefined {
  return text?.match(/^\s*default-server\s*=\s*(?:unix:)?(\/\S+)\s*$/m)?.[1];
}

/** Where the sound server listens: `PULSE_SERVER`, the files of pulse-client.conf(5), the session's folder. */
export function pulseSockets(host: Host, home: string, session: string | undefined): string[] {
  const config = host.variable("XDG_CONFIG_HOME");
  const ownFile = host.variable("PULSE_CLIENTCONFIG") ?? `${config ?? `${home}/.config`}/pulse/client.conf`;
  const runtime = host.variable("PULSE_RUNTIME_PATH");
  return [
    host.variable("PULSE_SERVER")?.match(/^(?:\{[^}]*\})?unix:(\/\S*)$/)?.[1],
    ownFile.startsWith("/") ? defaultServer(host.read(ownFile)) : undefined,
    defaultServer(host.read("/etc/pulse/client.conf")),
    runtime === undefined ? undefined : `${runtime}/native`,
    session === undefined ? undefined : `${session}/pulse/native`,
  ].filter((path) => path !== undefined);
}
