// SPDX-License-Identifier: Apache-2.0
// A thread that reads objects and compares them with their names.
import { serveThread } from "../../sys/workers.ts";
import { type Share, type WrongObject, wrongOf } from "./share.ts";

serveThread<undefined, Share, readonly WrongObject[]>((_, give) => (share) => give(wrongOf(share)));
