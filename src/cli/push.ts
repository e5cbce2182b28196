// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { type PushOptions, push } from "../engine/push.ts";
import { loadPrivateKey } from "../engine/signkey.ts";
import { withdrawFromCatalogue } from "../engine/withdraw.ts";
import type { Result } from "../render/result.ts";
import { nothing } from "../render/result.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type SelectionFlags, selectionAliases, selectionFlags, switchFlag, textArgument, textFlag } from "./flags.ts";
import { installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends SelectionFlags {
  readonly catalogue?: boolean;
  readonly sign?: string;
  readonly lookaside?: string;
  readonly noCatalogue?: boolean;
  readonly withdraw?: boolean;
}

/** Who signs, and how: a key file, or a key of GPG. */
function signingOf({ sign, lookaside }: Flags): Pick<PushOptions, "signKey" | "gpg"> {
  const gpgKey = sign?.startsWith("gpg:") === true ? sign.slice("gpg:".length) : undefined;
  if ((gpgKey === undefined) !== (lookaside === undefined)) {
    throw new DowelError("USAGE", "--sign=gpg:KEY and --lookaside=FOLDER go together");
  }
  if (gpgKey !== undefined && lookaside !== undefined) return { gpg: { key: gpgKey, lookaside } };
  return { signKey: sign === undefined ? undefined : loadPrivateKey(sign) };
}

async function run(context: Context, flags: Flags, what: string, destination: string): Promise<Result> {
  const { signal } = context;
  const selection = { arch: flags.arch, kind: kindOf(flags) };
  if (flags.withdraw === true) {
    await withReporter(context, flags.json === true, (report) =>
      withdrawFromCatalogue(what, destination, { ...selection, report, signal }),
    );
    return nothing;
  }
  await withReporter(context, flags.json === true, (report) =>
    push(what, destination, {
      ...selection,
      catalogue: flags.noCatalogue === true ? false : flags.catalogue,
      installations: installationsToRead(flags),
      ...signingOf(flags),
      report,
      signal,
    }),
  );
  return nothing;
}

export default defineCommand<Flags, [string, string]>({
  brief: "Push an image to a registry",
  description:
    "Pushes what an OCI layout or archive holds, or an installed ref whose origin still has its image. In a namespace the repository is named after the id and the tag after the branch. A namespace with a catalogue lists what is pushed to it.",
  examples: [
    ["push oci:build/image oci+https://registry.example.org/apps", "pushes every image of a layout"],
    [
      "push --catalogue oci:build/image oci+https://registry.example.org/apps",
      "lists them for clients of a registry that has no list of its own",
    ],
    [
      "push --sign=publisher.key oci:build/image oci+https://registry.example.org/apps",
      "pushes and signs, as cosign does",
    ],
    [
      "push --sign=gpg:publisher@example.org --lookaside=/srv/www/signatures oci:build/image oci+https://registry.example.org/apps",
      "signs so that Flatpak can verify it, which finds the signatures by the remote's lookaside",
    ],
    [
      "push --withdraw org.example.App oci+https://registry.example.org/apps",
      "takes an app out of the namespace's catalogue; its images stay",
    ],
    ["push oci-archive:app.tar oci+http://127.0.0.1:5000/apps", "pushes what is in an archive"],
    [
      "push org.example.App docker://registry.example.org/mirror/app:1.2",
      "copies an installed app's image to a tag of its own",
    ],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      catalogue: switchFlag("List the image in the namespace's catalogue, and make one where there is none"),
      sign: textFlag(
        "What signs what is pushed: a private key in PEM, whose passphrase is in DOWEL_SIGN_PASSPHRASE, or gpg:KEY",
        "FILE",
      ),
      lookaside: textFlag("Where signatures by GPG go: a folder that is published as the remote's lookaside", "FOLDER"),
      noCatalogue: switchFlag("Leave the namespace's catalogue as it is"),
      withdraw: switchFlag("Push nothing; take the ref out of the namespace's catalogue"),
    },
    aliases: selectionAliases,
    positional: {
      kind: "tuple",
      parameters: [
        textArgument("Installed ref, oci:FOLDER or oci-archive:FILE", "WHAT"),
        textArgument("Namespace or image", "DESTINATION"),
      ],
    },
  },
  run,
});
