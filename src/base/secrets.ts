// SPDX-License-Identifier: Apache-2.0

/** Texts kept at the same time: the oldest give way, so that a service that lives long does not grow. */
const most = 1024;

/** Shorter texts are parts of ordinary words, and hide nothing where they are left out. */
const shortest = 3;

const kept = new Map<string, RegExp>();

/** A text as it may come back: as it was sent, in an address, in a host name, in JSON. */
function formsOf(text: string): RegExp {
  const forms = new Set([text, encodeURI(text), encodeURIComponent(text), JSON.stringify(text).slice(1, -1)]);
  const patterns = [...forms].map((form) => form.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(patterns.join("|"), "gi");
}

/** From now on no error shows this text, whoever repeats it: what a server is sent it may send back. */
export function keepSecret(text: string): void {
  if (text.length < shortest || !text.isWellFormed()) return;
  const forms = kept.get(text) ?? formsOf(text);
  kept.delete(text);
  kept.set(text, forms);
  const [oldest] = kept.keys();
  if (kept.size > most && oldest !== undefined) kept.delete(oldest);
}

/** User and password before the host of an address. */
const userInfo = /(:\/\/)[^\s/@"]+@(?=[^\s/])/g;

/** A text without the secrets in it: those that are known, and what addresses have before their host. */
export function withoutSecrets(text: string): string {
  let shown = text.replace(userInfo, "$1…@");
  for (const forms of kept.values()) shown = shown.replace(forms, "…");
  return shown;
}
