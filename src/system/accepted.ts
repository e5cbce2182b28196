// SPDX-License-Identifier: Apache-2.0
import type { Operation } from "../engine/types.ts";
import { formatRef } from "../metadata/ref.ts";
import type { AcceptedOperation } from "./change.ts";

/** What a person sees and agrees to of the operations of a plan. */
export function acceptedOf(operations: readonly Operation[]): readonly AcceptedOperation[] {
  return operations.map((operation) => {
    const ref = formatRef(operation.ref);
    if (operation.operation === "uninstall") {
      const { commit, origin } = operation.deployment;
      return { operation: "uninstall", ref, commit, origin };
    }
    return { operation: operation.operation, ref, commit: operation.image.commit, origin: operation.origin };
  });
}

/** The first operation that is in only one of the lists, as `OPERATION REF COMMIT`; undefined where they are the same. */
export function firstDifference(
  accepted: readonly AcceptedOperation[],
  planned: readonly AcceptedOperation[],
): string | undefined {
  const words = ({ operation, ref, commit, origin }: AcceptedOperation): string =>
    `${operation} ${ref} ${commit.slice(0, 12)} of ${origin}`;
  const key = (one: AcceptedOperation): string => `${words(one)} ${one.commit}`;
  const [left, right] = [new Set(accepted.map(key)), new Set(planned.map(key))];
  const only = planned.find((one) => !left.has(key(one))) ?? accepted.find((one) => !right.has(key(one)));
  return only === undefined ? undefined : words(only);
}
