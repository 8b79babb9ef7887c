// What the TypeScript SDKs' scripts share: the job from the last argument, the answer to stdout.
// The formats are those of ../job.py.
export const SAMPLED = "sampled by the client";
export const ELICITED = { answer: "given by the client" };
export const job = JSON.parse(process.argv.at(-1));
export const variant = process.argv.length > 3 ? process.argv[2] : "";
export const timeout = (job.timeout ?? 10) * 1000;

const failed = (error) => ({
  ok: false,
  text: error.message,
  error: error.constructor.name,
  code: typeof error.code === "number" ? error.code : null,
});
const shown = (isError, content) => ({
  ok: !isError,
  text: content.map((part) => part.text ?? "").join("\n"),
  error: isError ? "isError" : "",
  code: null,
});

async function make(client, call) {
  const limit = { timeout };
  if (call.resource) {
    return shown(false, (await client.readResource({ uri: call.resource }, limit)).contents);
  }
  if (call.prompt) {
    const asked = { name: call.prompt, arguments: call.arguments ?? {} };
    const got = await client.getPrompt(asked, limit);
    return shown(false, got.messages.map((message) => message.content));
  }
  const asked = { name: call.tool, arguments: call.arguments ?? {} };
  const done = await client.callTool(asked, ...callTail(limit));
  return shown(done.isError === true, done.content);
}

// sdk 1.x has the result's schema before the options
let callTail = (limit) => [limit];
export const withSchema = () => {
  callTail = (limit) => [undefined, limit];
};

// Lists the tools and makes the calls in their order, all in one session, and prints the answer.
export async function play(client, transport) {
  const answer = { tools: [], results: [], died: "" };
  try {
    await client.connect(transport, { timeout });
    answer.tools = (await client.listTools({}, { timeout })).tools.map((tool) => tool.name);
    for (const call of job.calls) {
      answer.results.push(await make(client, call).catch(failed));
    }
    await client.close();
  } catch (error) {
    const end = failed(error);
    answer.died = `${end.error}: ${end.text}`;
  }
  process.stdout.write(JSON.stringify(answer) + "\n", () => process.exit(0));
}
