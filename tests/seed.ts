// SPDX-License-Identifier: Apache-2.0
// Properties take the same inputs in each run, so that the gate says the same of the same tree; DOWEL_SEED=N names others.
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env["DOWEL_SEED"] ?? 1) });
