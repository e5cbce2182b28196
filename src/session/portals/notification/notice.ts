// SPDX-License-Identifier: Apache-2.0
import { type Variant, valueAs } from "../../../formats/dbus/types.ts";
import type { Options } from "../portal.ts";
import { invalidArgument, textOf, textsOf } from "../texts.ts";

const priorities = ["low", "normal", "high", "urgent"] as const;

/** What happens when a notification or one of its buttons is chosen. */
export interface Action {
  readonly label: string;
  readonly action: string;
  readonly target: Variant | undefined;
}

/** What an app has to say. */
export interface Notice {
  readonly title: string;
  readonly body: string;
  /** The same with the markup of the Desktop Notifications Specification; undefined: there is none. */
  readonly markup: string | undefined;
  readonly priority: (typeof priorities)[number];
  /** Name of an icon of the theme, or "". */
  readonly icon: string;
  readonly category: string;
  /** Nothing is to be heard; undefined: whoever shows it decides. */
  readonly silent: boolean;
  /** It need not be kept. */
  readonly transient: boolean;
  /** The first is that of the notification itself, where its name is not empty. */
  readonly actions: readonly Action[];
}

/** Bold, italic, underlined and links, with everything else as text (Desktop Notifications Specification 1.2, "Markup"). */
function cleanMarkup(text: string): string {
  const plain = text.replaceAll(/&(?!(amp|lt|gt|quot|apos|#\d+);)/g, "&amp;").replaceAll("<", "&lt;");
  return plain.replaceAll(/&lt;(\/?[biu]|\/a|a href="(?:https?|mailto):[^"<>]*")>/g, "<$1>");
}

/** The name in a serialised icon of the theme; files and bytes are not shown. */
function iconName(found: Variant | undefined): string {
  const name = valueAs("s", found);
  const [kind, value] = valueAs("(sv)", found) ?? ["", undefined];
  const [first = ""] = name !== undefined ? [name] : (kind === "themed" && valueAs("as", value)) || [];
  return /^[A-Za-z0-9_.-]{1,255}$/.test(first) ? first : "";
}

/** Reads the portal's notification; what is not known of it is passed over. Throws `InvalidArgument`. */
export function parseNotice(found: Options): Notice {
  const priority = priorities.find((one) => one === (textOf(found, "priority") || "normal"));
  if (priority === undefined) throw invalidArgument(`priority must be one of ${priorities.join(", ")}`);
  const buttons = found.has("buttons") ? valueAs("aa{sv}", found.get("buttons")) : [];
  if (buttons === undefined) throw invalidArgument("buttons must be a list");
  const own = { label: "", action: textOf(found, "default-action"), target: found.get("default-action-target") };
  const rest = buttons.map((button) => ({
    label: textOf(button, "label"),
    action: textOf(button, "action"),
    target: button.get("target"),
  }));
  const markup = textOf(found, "markup-body");
  const texts = { title: textOf(found, "title"), body: textOf(found, "body"), category: textOf(found, "category") };
  return {
    ...texts,
    markup: markup === "" ? undefined : cleanMarkup(markup),
    priority,
    icon: iconName(found.get("icon")),
    silent: valueAs("s", found.get("sound")) === "silent",
    transient: textsOf(found, "display-hint").includes("transient"),
    actions: [own, ...rest],
  };
}
