// SPDX-License-Identifier: Apache-2.0
// A program that does nothing but wait, as the session service waits.
import { writeSync } from "node:fs";
import { EventLoop } from "../src/loop/loop.ts";

using loop = new EventLoop();
writeSync(1, "ready\n");
await loop.run(undefined);
