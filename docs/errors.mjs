// `npm run docs:errors` writes docs/errors.md: a table of the error codes, made from proto/error_codes.ts as built.

import { ERROR_CODES } from "../dist/proto/error_codes.js";

const rows = Object.entries(ERROR_CODES).map(
  ([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning} |`,
);

console.log(`# Error codes

<!-- Made by docs/errors.mjs from proto/error_codes.ts: change the table there, then run \`npm run docs:errors\`. -->

Every error that molora throws, sends or prints has a code, a message with the reason and, where something can be done
about it, a remedy. A code never changes its meaning. HTTP answers carry the status beside it; over the WebSocket and in
\`--json\` output an error is \`{ code, message, remedy, details }\`.

In a program, \`MoloraError.is(error)\` says whether something caught is such an error; it also knows errors of another
copy of the package, which \`instanceof\` does not.

| code | HTTP status | meaning |
|---|---|---|
${rows.join("\n")}`);
