// SPDX-License-Identifier: Apache-2.0
// A thread that reads objects and compares them with their names.
import { parentPort } from "node:worker_threads";
import { type Share, wrongOf } from "./share.ts";

parentPort?.on("message", (share: Share) => parentPort?.postMessage(wrongOf(share)));
