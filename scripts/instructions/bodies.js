'use strict';

// The request bodies, with the content of those in benches/hop/body.rs.

/** What the first request of a coding agent was measured to have. */
const LARGE_BYTES = 76_000;

/** A short question to `model`. */
function small(model, stream) {
  return `{"model":"${model}","max_tokens":256,"messages":[{"content":"Say something short.","role":"user"}],"stream":${stream}}`;
}

/** Like the first request of a coding agent: 76 kB, nearly all of it the system prompt and the tools. */
function large(model) {
  const missing = LARGE_BYTES - Buffer.byteLength(agentRequest(model, ''));
  return agentRequest(model, 'hello '.repeat(missing).slice(0, missing));
}

function agentRequest(model, words) {
  const [system, tools, messages] = [systemPrompt(), lines(39, tool), userMessages(words)].map((part) =>
    JSON.stringify(part),
  );
  const head = `{"model":"${model}","system":${system},"tools":${tools},"messages":${messages}`;
  return `${head},"metadata":{"user_id":"user_5ca1ab1e_session_0"},"max_tokens":32000,"stream":false}`;
}

// Keys stand in the order of the alphabet, as serde_json writes them.

function systemPrompt() {
  return [
    { text: "You are an agent that works in a person's project.", type: 'text' },
    { cache_control: { type: 'ephemeral' }, text: lines(110, rule).join(''), type: 'text' },
  ];
}

function rule(number) {
  return (
    `# Rule ${number}\n - When the user asks for "part ${number}", read the file first; never guess its content.\n` +
    ` - Use \`tool_${number}\` for that, and quote paths with spaces: cd "/path/with spaces"\n\n`
  );
}

function tool(number) {
  const usage = lines(7, (line) => `- Note ${line}: this tool can "fail"; then say why.\n`).join('');
  return {
    description: `Does the task number ${number} in the project.\n\nUsage:\n${usage}`,
    input_schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      additionalProperties: false,
      properties: Object.fromEntries(lines(8, (field) => [`field_${field}`, property(field)])),
      required: ['field_1', 'field_2'],
      type: 'object',
    },
    name: `Tool${number}`,
  };
}

function property(number) {
  const kinds = [
    { default: false, description: 'Set to true to run this in the background', type: 'boolean' },
    { description: 'The absolute path of the file to work on', type: 'string' },
    { items: { enum: ['content', 'files', 'count'], type: 'string' }, type: 'array' },
    { description: 'Limit, at most 600000', maximum: 600_000, minimum: 0, type: 'number' },
  ];
  return kinds[number % 4];
}

function userMessages(words) {
  const reminder = lines(
    40,
    (line) => `<system-reminder>\nSkill ${line}: use it when asked.\n</system-reminder>\n`,
  ).join('');
  const content = [
    { text: reminder, type: 'text' },
    { text: words, type: 'text' },
    { cache_control: { type: 'ephemeral' }, text: 'hello', type: 'text' },
  ];
  return [{ content, role: 'user' }];
}

/** What `line` makes of the numbers from 1 to `count`. */
function lines(count, line) {
  return Array.from({ length: count }, (_, at) => line(at + 1));
}

module.exports = { small, large };
