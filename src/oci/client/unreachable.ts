// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { describeRequest } from "./answer.ts";

/** What `fetch` calls certificates that are not in force by this machine's clock (names of X509_verify_cert_error_string(3)). */
const untimely = ["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"];

/** And those that nothing on this machine vouches for. */
const unknownAuthorities = [
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
];

const foreignName = "ERR_TLS_CERT_ALTNAME_INVALID";

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

/** What `fetch` says of connections in its own words, as others say it. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ENOTFOUND: "no such host",
};

function hintOf(code: string, url: URL): string {
  if (untimely.includes(code)) {
    const now = new Date().toISOString().slice(0, 16).replace("T", " ");
    return `Is this machine's clock right? It says ${now} UTC. If it is, the registry needs a new certificate.`;
  }
  if (unknownAuthorities.includes(code)) {
    return `If it is right, put the certificate of its authority into /etc/containers/certs.d/${url.host}/ca.crt.`;
  }
  if (code === foreignName) return "The certificate there is another host's. Check the address.";
  return "Check the network, the address and the proxy settings.";
}

/** The error of a request that got no answer: by `cause`, it says what may help. */
export function unreachable(url: URL, method: string, cause: unknown): DowelError {
  const reason = reasons[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
  return new DowelError("REGISTRY_UNREACHABLE", `${describeRequest(method, url)}: ${reason}`, {
    hint: hintOf(codeOf(cause), url),
    cause,
  });
}

/** Whether another try may get further: a certificate stays what it is. */
export function mayPass({ cause }: DowelError): boolean {
  return ![...untimely, ...unknownAuthorities, foreignName].includes(codeOf(cause));
}
