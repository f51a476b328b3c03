// A LangChain chain on an embedded engine, streamed. Needs `npm install @langchain/core`.
// `node examples/langchain.mjs`

import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { Engine } from "molora";
import { ChatMolora } from "molora/langchain";

const engine = await Engine.load();
const model = new ChatMolora({ backend: engine, model: "default", maxTokens: 24 });
const prompt = ChatPromptTemplate.fromMessages([["human", "How many {things} are there?"]]);
const chain = prompt.pipe(model).pipe(new StringOutputParser());

for await (const piece of await chain.stream({ things: "singers" })) process.stdout.write(piece);
console.log();
await engine.close();
