// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostArch, toOciArch } from "../src/base/arch.ts";
import { execute, type Line, limit, measureInTurn } from "./measure.ts";
import { dowelCommand, work } from "./places.ts";
import { startFileServer } from "./servers.ts";

const apps = 5000;
const topics = ["Chess", "Editor", "Player", "Browser", "Mail", "Weather", "Calendar", "Terminal", "Painter", "Clock"];

/** One image of a static index, with what a search reads. */
function listed(at: number) {
  const topic = topics[at % topics.length] ?? "";
  const id = `org.example.${topic}${at}`;
  const about = `<component><id>${id}</id><name>${topic} ${at}</name><summary>${topic} number ${at}, one of very many</summary><keywords><keyword>${topic.toLowerCase()}</keyword><keyword>key${at}</keyword></keywords><releases><release version="1.${at}"/></releases></component>`;
  const labels = {
    "org.flatpak.ref": `app/${id}/${hostArch()}/stable`,
    "org.flatpak.metadata": `[Application]\nname=${id}\nruntime=org.example.Platform/${hostArch()}/1\ncommand=app\n`,
    "org.freedesktop.appstream.appdata": about,
  };
  const image = {
    Digest: `sha256:${createHash("sha256").update(id).digest("hex")}`,
    MediaType: "application/vnd.oci.image.manifest.v1+json",
    OS: "linux",
    Architecture: toOciArch(hostArch()),
    Tags: ["latest", "stable"],
    Labels: labels,
  };
  return { Name: id.toLowerCase(), Images: [image] };
}

/** `search` over a remote with thousands of apps, after it has been asked once. */
export async function benchSearch(): Promise<Line[]> {
  const folder = join(work, "search");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "served/index"), { recursive: true });
  const index = { Registry: "/", Results: Array.from({ length: apps }, (_, at) => listed(at)) };
  writeFileSync(join(folder, "served/index/static"), JSON.stringify(index));
  await using server = await startFileServer(join(folder, "served"));
  const environment = { DOWEL_SYSTEM_DIR: join(folder, "dowel"), DOWEL_USER_DIR: join(folder, "dowel-user") };
  const command = (...words: string[]) => {
    const made = dowelCommand(...words);
    return { ...made, environment: { ...made.environment, ...environment } };
  };
  execute(command("remote-add", "--system", "--verify=none", "shop", `oci+http://${server.address}`));
  execute(command("search", "--system", "chess"));
  const [many, one] = measureInTurn(
    [command("search", "--system", "chess"), command("search", "--system", "key4321")],
    15,
  );
  if (!many || !one) throw new Error("unreachable");
  return [
    limit(`search of ${apps} apps, ${apps / topics.length} fit`, many.wall, "ms", 100),
    limit(`search of ${apps} apps, 1 fits`, one.wall, "ms", 100),
    limit(`search of ${apps} apps, 1 fits: processor`, one.cpu, "ms", 100),
  ];
}
