// SPDX-License-Identifier: Apache-2.0

/** A tree as a dump, and the fs-verity digest of its image of version 1 as `mkcomposefs` 1.0.8 writes it. */
export interface ImageCase {
  readonly name: string;
  readonly dump: string;
  readonly digest: string;
}

const folder = (path: string) => `${path} 0 40755 2 0 0 0 0.0 - - -`;
const empty = (path: string, xattrs = "") => `${path} 0 100644 1 0 0 0 0.0 - - -${xattrs}`;
const symlink = (path: string, length: number, xattrs = "") =>
  `${path} ${length} 120777 1 0 0 0 0.0 ${"t".repeat(length)} - -${xattrs}`;
const lines = (...all: readonly string[]) => `${[folder("/"), ...all].join("\n")}\n`;

const ofDirectoryTail = (lastName: number) =>
  lines(
    folder("/d"),
    ...Array.from({ length: 7 }, (_, index) => empty(`/d/${index}${"n".repeat(254)}`)),
    empty(`/d/z${"n".repeat(lastName - 1)}`),
  );
const manyXattrs = Array.from({ length: 130 }, (_, index) => ` user.x${index}=v`).join("");
const content = (length: number) => `/f ${length} 100644 1 0 0 0 0.0 - ${"c".repeat(length)} -`;
const object = "/f 70 100644 1 0 0 0 0.0";
const sealed = `${object} ab/${"c".repeat(62)} - ab${"c".repeat(62)}`;

const cases: readonly (readonly [string, string, string])[] = [
  [
    "folders in breadth and shared xattrs of several lengths",
    "c5c4beefa5690fbd0b3f5e95bf3ec92160371b36812bb9e1af63648f16b90646",
    lines(
      folder("/a"),
      folder("/a/deep"),
      empty("/a/deep/f", " user.long=abcdef user.s=1 user.s2=b trusted.t=q"),
      empty("/a/f", " user.long=abcdef user.s=1 user.s2=a trusted.t=q"),
      folder("/b"),
      empty("/b/f", " user.s=22 user.s2=b"),
      empty("/b/g", " user.s=22 user.s2=a odd=1"),
    ),
  ],
  [
    "names that sort before the dots",
    "79d7c78e42b8dbcac577d26271accad81b4693b6a65c1c0d9e4d46454ece1813",
    lines(empty("/!"), empty("/-x"), empty("/a")),
  ],
  [
    "a link that just fits into a block with its inode",
    "dd6e1040e959b4814529378168815aafb832b88f22d4caec32d282b3cfe09ff0",
    lines(symlink("/l", 4063)),
  ],
  [
    "a link that does not fit into a block with its inode",
    "95651580511dc1815bac73095c6c314aa437a127e35a7a799f4e51b8dc29fc51",
    lines(symlink("/l", 4064)),
  ],
  [
    "a link that does not fit because of its xattrs",
    "b09a1fbf3e77566e40450daa7fe99f6c0691ce4a1eb5f5f55563176478aeb14b",
    lines(symlink("/l", 4040, " trusted.x=0123456789")),
  ],
  [
    "more shared xattrs than an inode can refer to",
    "dd3cf2f9ff693f7ac7e9de0fd46b696f34dcd8969fee4a17a9ee2b8413666386",
    lines(empty("/a", manyXattrs), empty("/b", manyXattrs)),
  ],
  [
    "nanoseconds that differ from the smallest time",
    "05fbf835af4a5cb2fb461c82ef2df6a2e07f780b3de2ffe621fce55a61637cc1",
    lines(empty("/a"), "/b 0 100644 1 0 0 0 0.1 - - -", "/c 0 100644 1 0 0 0 -1.5 - - -"),
  ],
  [
    "a directory tail of 2048 bytes",
    "3dce8bbe876ecff69f4831eb59cc25828710224788eee06931a1b35592ba51f8",
    ofDirectoryTail(140),
  ],
  [
    "a directory tail of 2049 bytes",
    "fa37a7a50ff5f3995068b2e5feff8feb428259d2e277ecf4f86f93208bb910c0",
    ofDirectoryTail(141),
  ],
  [
    "a file named like a folder of the object store",
    "1a96752c99ee36f6ad100d47440731d5d73262c3fd4590f2e977b2cbb1df8e16",
    lines(empty("/ab"), folder("/ff"), empty("/AB")),
  ],
  [
    "link counts that are given and ones that are counted",
    "51fe87f23c53ff47b01f36f507d87aaddb5abe7597c98a4708da9c0e45643c80",
    lines(
      "/d 0 40755 77 0 0 0 0.0 - - -",
      folder("/d/e"),
      "/f 0 100644 5 0 0 0 0.0 - - -",
      "/g 0 @100644 9 0 0 0 0.0 /f - -",
      "/h 0 100644 70000 0 0 0 0.0 - - -",
    ),
  ],
  ["content of 64 bytes", "830e436b310dc189e2b4e1f879e0e08436f165c89c60cf00fd0b86ceb00b938b", lines(content(64))],
  ["content of 65 bytes", "539d97fd5bdc21b6634a8a5772fca43cf3c14272bc24bbf391534111020796ab", lines(content(65))],
  [
    "content with a tail of 2048 bytes",
    "d1bedf8299d143026fc8e95d940a86f322f486746db743fafad38d50265d050b",
    lines(content(2048)),
  ],
  [
    "content with a tail of 2049 bytes",
    "dea05fd6d782b96f775679eab58da6a12b0c7e8bb92679b8b399c2df8e4f0c59",
    lines(content(2049)),
  ],
  [
    "content of a block and a tail",
    "65aa16e9fa10dd85975878e57a4705bb5883baf86f067ece68847dc271acf994",
    lines(content(5000)),
  ],
  ["an object with a digest", "269658e1c107b7560ef8eae8a6fc3894881e18750339f53cc9f1bb63589bf5f8", lines(sealed)],
  [
    "an object without a digest",
    "b8368742b1405244cf6aeab7fb968b11f71ee83aa7b147d91c0a926879df228b",
    lines(`${object} ab/cd - -`),
  ],
  [
    "an object without a path",
    "2036a79d80e28c853d5423745dd78e2273872ded16c51c547a290911d25b0bac",
    lines(`${object} - - -`),
  ],
  [
    "an object of chunks",
    "b44a273f517edf7231e2a421d974632a391be6a054f1e20c5b50cfc50054725e",
    lines("/f 1125899906842624 100644 1 0 0 0 0.0 ab/cd - -"),
  ],
  [
    "a whiteout",
    "4d44fb84d106564af0cadcd18ef08343123f3ae64cb5c00e382cc8e39a8e2065",
    lines(folder("/d"), "/d/w 0 20644 1 0 0 0 0.0 - - - user.a=1", "/00 0 20000 1 0 0 0 0.0 - - -"),
  ],
  [
    "xattrs that overlayfs would understand",
    "79294b7076da0b4943cf8ff0127583eaa216e6c9e3e348a20c97aa36c9a0847b",
    lines(`${folder("/d")} trusted.overlay.opaque=y user.overlay.opaque=y`, `${sealed} trusted.overlay.redirect=%2fx`),
  ],
  [
    "devices, pipes, sockets and an ACL",
    "f6b730f9a6b7731cca49b2040be882198c95e206f53cc9cf254c405d36e62559",
    lines(
      "/b 0 60660 1 0 6 2049 0.0 - - -",
      "/c 0 20666 1 0 0 259 0.0 - - -",
      "/p 0 10644 1 0 0 0 0.0 - - -",
      "/s 0 140755 1 70000 0 0 0.0 - - -",
      empty("/x", " system.posix_acl_access=\\x02\\x00\\x00\\x00"),
    ),
  ],
  [
    "a label on the root",
    "96518c2849703ba86231f2d91a782796c9463281a30692ba23d876be9dc8856f",
    lines(empty("/a")).replace(" - - -", " - - - security.selinux=system_u:object_r:usr_t:s0\\x00"),
  ],
  [
    "a folder of several blocks",
    "d8f74a1779538dd4952c4daa0aff42738a7a978af5ff0f7a3ade3de01c76496b",
    lines(...Array.from({ length: 500 }, (_, index) => empty(`/file-number-${index}`))),
  ],
];

export const imageCases: readonly ImageCase[] = cases.map(([name, digest, dump]) => ({ name, digest, dump }));
