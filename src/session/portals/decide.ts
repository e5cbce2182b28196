// SPDX-License-Identifier: Apache-2.0
import type { CallingApp } from "./app.ts";

export type Decision = "yes" | "no" | "ask";

/** Whether an app may do something: what is decided for `table` and `id`, else `otherwise`. */
export type Decide = (app: CallingApp, table: string, id: string, otherwise: Decision) => Promise<Decision>;
