// OpenAI's own client against `molora serve`: adapters and mixtures are models. Needs `npm install openai`.
// `node examples/openai.mjs [http://127.0.0.1:8080/v1]`

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] ?? "http://127.0.0.1:8080/v1", apiKey: "none" });

const models = [];
for await (const { id } of client.models.list()) models.push(id);
console.log(models.join(" "));

const stream = await client.chat.completions.create({
  model: "nano:default",
  messages: [{ role: "user", content: "How many singers are there?" }],
  max_tokens: 24,
  temperature: 0,
  stream: true,
});
for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? "");
console.log();
