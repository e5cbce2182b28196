// SPDX-License-Identifier: Apache-2.0

/** Whether a host name (as in `URL.hostname`) means this machine, where plain HTTP is no risk. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
}

/** An address for messages: credentials and query (tokens, signed parameters) are left out. */
export function redactUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search === "" ? "" : "?…"}`;
}
