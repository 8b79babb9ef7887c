// @modelcontextprotocol/sdk 1.x: streamable HTTP, or HTTP+SSE with the variant `sse`.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { ELICITED, SAMPLED, job, play, variant, withSchema } from "./job.mjs";

withSchema();
const capabilities = { sampling: {}, elicitation: {} };
const client = new Client({ name: "sdk1", version: "1.0.0" }, { capabilities });
client.setRequestHandler(CreateMessageRequestSchema, async () => ({
  role: "assistant",
  content: { type: "text", text: SAMPLED },
  model: "none",
}));
client.setRequestHandler(ElicitRequestSchema, async () => ({ action: "accept", content: ELICITED }));
const Transport = variant === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
await play(client, new Transport(new URL(job.url)));
