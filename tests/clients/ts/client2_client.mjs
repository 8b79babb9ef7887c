// @modelcontextprotocol/client 2.x; the variant is how it negotiates: `legacy` (its default) or `auto`.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { ELICITED, SAMPLED, job, play, variant } from "./job.mjs";

const capabilities = { sampling: {}, elicitation: {} };
const versionNegotiation = { mode: variant || "legacy" };
const client = new Client({ name: "client2", version: "1.0.0" }, { capabilities, versionNegotiation });
client.setRequestHandler("sampling/createMessage", async () => ({
  role: "assistant",
  content: { type: "text", text: SAMPLED },
  model: "none",
}));
client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: ELICITED }));
await play(client, new StreamableHTTPClientTransport(new URL(job.url)));
