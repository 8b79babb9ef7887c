// A server of @modelcontextprotocol/sdk 1.x: streamable HTTP at /mcp, the tools of ../servers/tools.py.
import { randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const { values: args } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    cert: { type: "string" },
    key: { type: "string" },
    json: { type: "boolean", default: false },
    stateless: { type: "boolean", default: false },
  },
});
const QUESTION = "What is the answer?";

function executed(what) {
  if (process.env.PROOF) appendFileSync(process.env.PROOF, what + "\n");
}

const text = (value) => ({ content: [{ type: "text", text: String(value) }] });

function make() {
  const server = new McpServer({ name: "ts1", version: "1.0.0" });
  const tool = (name, inputSchema, run) =>
    server.registerTool(name, { description: name, inputSchema }, async (input, extra) => {
      executed(name);
      return text(await run(input, extra));
    });
  tool("add", { a: z.number(), b: z.number() }, ({ a, b }) => a + b);
  tool("echo", { text: z.string() }, (input) => input.text);
  tool("secret", {}, () => "the secret");
  tool("fail", {}, () => {
    throw new Error("it failed");
  });
  tool("slow", { seconds: z.number().default(0.2) }, ({ seconds }) =>
    sleep(seconds * 1000, "done"),
  );
  tool("ask", {}, async (_, extra) => {
    const messages = [{ role: "user", content: { type: "text", text: QUESTION } }];
    const asked = { messages, maxTokens: 20 };
    const options = { relatedRequestId: extra.requestId };
    return (await server.server.createMessage(asked, options)).content.text;
  });
  tool("elicit", {}, async (_, extra) => {
    const properties = { answer: { type: "string" } };
    const requestedSchema = { type: "object", properties, required: ["answer"] };
    const options = { relatedRequestId: extra.requestId };
    const done = await server.server.elicitInput({ message: QUESTION, requestedSchema }, options);
    return done.content?.answer ?? done.action;
  });
  server.registerResource("note", "demo://note", {}, async (uri) => {
    executed("note");
    return { contents: [{ uri: uri.href, text: "a note" }] };
  });
  server.registerPrompt("greet", { argsSchema: { name: z.string() } }, ({ name }) => {
    executed("greet");
    return { messages: [{ role: "user", content: { type: "text", text: `Greet ${name}.` } }] };
  });
  return server;
}

const sessions = new Map();

async function transportOf(request) {
  const known = sessions.get(request.headers["mcp-session-id"]);
  if (known && !args.stateless) return known;
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: args.stateless ? undefined : randomUUID,
    enableJsonResponse: args.json,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await make().connect(transport);
  return transport;
}

async function answer(request, response) {
  if (new URL(request.url, "http://here").pathname !== "/mcp") {
    response.writeHead(404).end();
    return;
  }
  await (await transportOf(request)).handleRequest(request, response);
}

const tls = args.cert && { cert: readFileSync(args.cert), key: readFileSync(args.key) };
const server = tls ? https.createServer(tls, answer) : http.createServer(answer);
server.listen(Number(args.port), "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
process.on("SIGTERM", () => process.exit(0));
