// SPDX-License-Identifier: Apache-2.0
// Files that are exported one by one where the session has no document portal: Dowel shows them itself.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { WaitingApp } from "./runningapps.ts";
import { ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";
const shelf = "/run/flatpak/doc";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`documents of ${who} without a portal`, () => {
    const pit = new Sandpit(uid);
    const letter = pit.path("work/letter");
    const waiting = new WaitingApp(pit, id, () => writeFileSync(letter, "dear"));

    /** What the running app sees of a document, and one that is started now. */
    function seen(path: string): Record<string, unknown>[] {
      const words = ["files", path];
      return [
        pit.succeed(["enter", waiting.number, "/app/bin/probe", ...words]),
        pit.succeed(["run", id, ...words]),
      ].map((text) => JSON.parse(text));
    }

    const documents = (...words: string[]) => JSON.parse(pit.succeed(["documents", "--json", ...words]));

    /** Exports a file and answers where sandboxes see it. */
    function exported(...words: string[]): string {
      const path = pit.succeed(["document-export", ...words]).trimEnd();
      expect(path).toMatch(new RegExp(`^/run/user/${uid}/doc/[0-9a-f]{8}/`));
      return path.replace(`/run/user/${uid}/doc`, shelf);
    }

    test("an exported file is seen by the app that runs and by the next, to read or to write", () => {
      const path = exported("-a", id, letter);
      for (const look of seen(path)) expect(look).toMatchObject({ content: "dear", write: "EROFS" });
      expect(exported("-a", id, "-w", letter)).toBe(path);
      for (const look of seen(path)) expect(look).toMatchObject({ content: "dear", write: "OK" });
      const [, , , , doc = ""] = path.split("/");
      expect(documents(id)).toEqual([
        {
          id: doc,
          path: `/run/user/${uid}/doc/${doc}/letter`,
          origin: letter,
          application: id,
          permissions: "read write",
        },
      ]);
      expect(pit.succeed(["document-info", "--doc-id", doc])).toBe(pit.succeed(["document-info", letter]));
      exported("-a", id, "--forbid-write", letter);
      for (const look of seen(path)) expect(look).toMatchObject({ write: "EROFS" });
      pit.succeed(["document-unexport", letter]);
      for (const look of seen(path)) expect(look).toMatchObject({ stat: "ENOENT" });
      expect(documents()).toEqual([]);
      for (const command of ["document-info", "document-unexport"]) {
        expect(pit.succeed([command, letter])).toBe("Not exported\n");
        expect(pit.succeed([command, "--json", letter])).toBe("null\n");
      }
      expect(readFileSync(letter, "utf8")).toBe("dear");
    });

    test("other apps see nothing of it", () => {
      const path = exported("-a", "org.example.Other", "-u", letter);
      for (const look of seen(path)) expect(look).toMatchObject({ stat: "ENOENT" });
      expect(documents(id)).toEqual([]);
      pit.succeed(["document-unexport", "--doc-id", basename(path.replace("/letter", ""))]);
    });

    test("a folder is a document with all that is in it", () => {
      const papers = pit.path("work/papers");
      mkdirSync(papers);
      pit.own(papers);
      writeFileSync(`${papers}/one`, "sheet");
      pit.own(`${papers}/one`);
      const path = exported("-t", "-w", "-a", id, papers);
      for (const look of seen(`${path}/one`)) expect(look).toMatchObject({ content: "sheet", write: "OK" });
      pit.succeed(["document-unexport", papers]);
      for (const look of seen(path)) expect(look).toMatchObject({ stat: "ENOENT" });
    });

    test("beside a file there is nothing, and what would be made there is refused", () => {
      const path = exported("-w", "-a", id, letter);
      for (const look of seen(path.replace("/letter", ""))) {
        expect(look).toMatchObject({ kind: "directory", entries: ["letter"], write: "EACCES" });
      }
      pit.succeed(["document-unexport", letter]);
    });
  });
}
