// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { installWords } from "../../src/engine/installwords.ts";

test.each([
  [["app.flatpak"], { bundle: true }, ["oci-archive:app.flatpak"]],
  [["oci:app"], { bundle: true }, ["oci:app"]],
  [["docker://h/a", "org.example.App"], { image: true }, ["docker://h/a", "org.example.App"]],
  [["demo", "org.example.flatpakrepository"], {}, ["demo", "org.example.flatpakrepository"]],
])("installWords() makes of %j with %j %j", (words, kind, expected) => {
  expect(installWords(words, kind)).toEqual(expected);
});

test.each(["./some.flatpakrepo", "https://example.org/some.flatpakrepo?x=1"])(
  "installWords() says of %s how a remote is added",
  (word) => {
    expect(() => installWords([word], {})).toThrow(
      expect.objectContaining({ code: "USAGE", hint: `Add the remote first: dowel remote-add --from NAME ${word}` }),
    );
  },
);

test("installWords() wants a location with --image", () => {
  expect(() => installWords(["org.example.App"], { image: true })).toThrow("no location of an image");
});
