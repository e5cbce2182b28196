// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { type Command, command, type Doing, malformed } from "./pulse.ts";

const opens: ReadonlyMap<number, Doing> = new Map([
  [command.createPlaybackStream, "plays"],
  [command.createRecordStream, "records"],
]);
const closes: ReadonlyMap<number, Doing> = new Map([
  [command.deletePlaybackStream, "plays"],
  [command.deleteRecordStream, "records"],
  [command.playbackStreamKilled, "plays"],
  [command.recordStreamKilled, "records"],
]);

/** The streams of one client, as the server's answers to its commands say. */
export class OwnStreams {
  /** What the commands open that are not answered, by their tags. */
  readonly #waiting = new Map<number, Doing | undefined>();
  /** Indexes by channels. */
  readonly #indexes: Readonly<Record<Doing, Map<number, number>>> = { plays: new Map(), records: new Map() };

  /** Takes a command that goes on to the server. Throws `SOUND_PROTOCOL` where its answer could be taken for another's. */
  ask(message: Command): void {
    const { tag, number } = message;
    if (this.#waiting.has(tag)) throw malformed("the same tag twice");
    if (this.#waiting.size >= limits.soundCommandsWaiting) throw malformed(`${this.#waiting.size} commands at once`);
    this.#waiting.set(tag, opens.get(number));
    this.#close(message);
  }

  /** Takes a message of the server; returns what the stream does whose opening it answers. */
  hear(message: Command): Doing | undefined {
    const { tag, number, numbers } = message;
    this.#close(message);
    if (number !== command.reply && number !== command.error) return undefined;
    const opened = this.#waiting.get(tag);
    this.#waiting.delete(tag);
    if (opened === undefined || number === command.error) return undefined;
    const [channel = -1, index = -1] = numbers;
    this.#indexes[opened].set(channel, index);
    return opened;
  }

  #close({ number, numbers }: Command): void {
    const closed = closes.get(number);
    if (closed !== undefined) this.#indexes[closed].delete(numbers[0] ?? -1);
  }

  has(doing: Doing, index: number | undefined): boolean {
    return index !== undefined && [...this.#indexes[doing].values()].includes(index);
  }
}
