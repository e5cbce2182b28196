// SPDX-License-Identifier: Apache-2.0
import type { Dictionary } from "../../formats/pod/types.ts";

/** What an app may get from others besides its own streams. */
export type Source = "microphone" | "monitor" | "camera";

export type Granted = ReadonlySet<Source>;

/** A thing of PipeWire's that a client can find in its registry. */
export interface Global {
  /** The interface, without what all of them begin with. */
  readonly type: string;
  readonly id: number;
  readonly properties: Dictionary;
}

/** What a client sees already, by its number. */
export interface Seen {
  readonly global: Global;
  readonly own: boolean;
}

/** What a connection is for: to play, and record with leave; or to see cameras. */
export interface View {
  /** Whether a node is shown that is not the client's own. */
  readonly showsNode: (properties: Dictionary, granted: Granted) => boolean;
  /** Tables of settings that may be read. */
  readonly metadata: ReadonlySet<string>;
  /** What a node with a class needs that the client makes: any of these; undefined for what it may not make at all. */
  readonly needs: (properties: Dictionary) => readonly Source[] | undefined;
}

export function classOf(properties: Dictionary): string {
  return properties.get("media.class") ?? "";
}

/** What one hears or sees by a link from a port of another's node. */
export function sourceOf(node: Dictionary, port: Dictionary): Source {
  const kind = classOf(node);
  if (kind.startsWith("Audio/Source")) return "microphone";
  if (kind === "Audio/Duplex" && port.get("port.monitor") !== "true") return "microphone";
  if (isCamera(node)) return "camera";
  // What it is that others play nobody knows; and what is not known at all is guarded like it.
  return "monitor";
}

export function isCamera(node: Dictionary): boolean {
  return classOf(node) === "Video/Source" && node.get("media.role") === "Camera";
}

/** Whether sound can be sent there: a loudspeaker, or what stands before one. */
export function isSink(node: Dictionary): boolean {
  return ["Audio/Sink", "Audio/Duplex"].includes(classOf(node));
}

/** To play, and to record with leave. */
export const soundView: View = {
  showsNode: (properties, granted) =>
    isSink(properties) || (granted.has("microphone") && classOf(properties).startsWith("Audio/Source")),
  metadata: new Set(["default", "settings"]),
  needs: (properties) => {
    switch (classOf(properties)) {
      // Without a class nobody links it; what comes in by hand is looked at all the same.
      case "":
      case "Stream/Output/Audio":
        return [];
      case "Stream/Input/Audio":
        return ["microphone", "monitor"];
      default:
        return undefined;
    }
  },
};

/** Cameras alone. */
export const cameraView: View = {
  showsNode: isCamera,
  metadata: new Set(),
  needs: (properties) => {
    const kind = classOf(properties);
    return kind === "" || kind === "Stream/Input/Video" ? ["camera"] : undefined;
  },
};

/** Whether a global is shown, beside what the client sees already. */
export function shows(
  view: View,
  global: Global,
  granted: Granted,
  ownClient: number | undefined,
  seen: ReadonlyMap<number, Seen>,
): Seen | undefined {
  const { type, id, properties } = global;
  const isOwn = ownClient !== undefined && properties.get("client.id") === String(ownClient);
  const number = (key: string): Seen | undefined => seen.get(Number(properties.get(key) ?? -1));
  const own = { global, own: true };
  const others = { global, own: false };
  switch (type) {
    case "Core":
      return others;
    case "Client":
      return id === ownClient ? own : undefined;
    case "Node":
      return isOwn ? own : view.showsNode(properties, granted) ? others : undefined;
    case "Port": {
      const node = number("node.id");
      if (node === undefined || node.own) return node && own;
      if (properties.get("port.direction") === "in") return others;
      return granted.has(sourceOf(node.global.properties, properties)) ? others : undefined;
    }
    case "Link":
      return number("link.output.node") && number("link.input.node") && others;
    case "Metadata":
      return view.metadata.has(properties.get("metadata.name") ?? "") ? others : undefined;
    default:
      return undefined;
  }
}
