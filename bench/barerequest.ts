// SPDX-License-Identifier: Apache-2.0
// One request and nothing else: barerequest URL. Compiled as the program is, it shows what is the language's and the link's.
const answer = await fetch(process.argv[2] ?? "", { headers: { "if-none-match": '"none"' } });
await answer.body?.cancel();
process.exit(answer.ok ? 0 : 1);
