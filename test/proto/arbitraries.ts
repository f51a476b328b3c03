// Arbitrary valid messages, drawn from the contract table itself: a new field is tested as soon as it is listed.

import fc from "fast-check";
import { CLIENT_MESSAGES, type MessageTable, SERVER_MESSAGES } from "../../proto/contract.ts";
import type { ClientMessage, ServerMessage } from "../../proto/messages.ts";
import type { ObjectSpec, Spec } from "../../proto/schema.ts";

function messageOf(table: MessageTable): fc.Arbitrary<Record<string, unknown>> {
  const kinds = Object.entries(table).map(([type, { spec }]) =>
    objectOf(spec).map((payload) => ({ type, ...payload })),
  );
  return fc.oneof(...kinds);
}

function objectOf(spec: ObjectSpec): fc.Arbitrary<Record<string, unknown>> {
  const required: string[] = [];
  const values: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(spec.fields)) {
    values[name] = arbitraryOf(field.spec, field.optional ? 1 : 0);
    if (!field.optional) required.push(name);
  }
  const groups = [...spec.exactlyOne, ...spec.atMostOne];
  const choices = fc.tuple(...groups.map((group) => fc.constantFrom(...group)));
  const all = fc.record(values, { requiredKeys: [...required, ...spec.exactlyOne.flat()], noNullPrototype: true });
  return fc.tuple(all, choices).map(([value, chosen]) => {
    const dropped = new Set(groups.flatMap((group, i) => group.filter((name) => name !== chosen[i])));
    return Object.fromEntries(Object.entries(value).filter(([name]) => !dropped.has(name)));
  });
}

// Any code point but a lone surrogate, so NUL, BOM and astral planes too.
const unit = fc.oneof(
  { weight: 4, arbitrary: fc.string({ minLength: 1, maxLength: 1 }) },
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);

/** `least`: an optional list is never empty, that being the same as absent. */
function arbitraryOf(spec: Spec, least: number): fc.Arbitrary<unknown> {
  switch (spec.kind) {
    case "object":
      return objectOf(spec);
    case "list":
      return fc.array(arbitraryOf(spec.of, 0), { minLength: least, maxLength: Math.min(spec.max, 4) });
    case "string":
      if (spec.oneOf !== undefined) return fc.constantFrom(...spec.oneOf);
      // Half of the upper bound: a code point may be two UTF-16 units.
      return fc.string({ unit, minLength: spec.min, maxLength: Math.min(spec.max / 2, 24) });
    case "boolean":
      return fc.boolean();
    case "bytes":
      return fc.uint8Array({ maxLength: 64 });
    case "integer":
      return fc.integer({ min: spec.min, max: spec.max });
    case "number":
      return numberOf(spec).map((value) => value + 0);
    case "json":
      return fc.dictionary(
        fc.string({ unit, maxLength: 8 }).filter((key) => key !== "__proto__"),
        jsonValue,
        { maxKeys: 4, noNullPrototype: true },
      );
  }
}

function numberOf(spec: Spec & { kind: "number" }): fc.Arbitrary<number> {
  const { min, max, aboveMin } = spec;
  if (spec.wire === "float") return fc.float({ noNaN: true, noDefaultInfinity: true });
  return fc.double({ min, max, minExcluded: aboveMin, noNaN: true, noDefaultInfinity: true });
}

const { jsonValue } = fc.letrec((tie) => ({
  jsonValue: fc.oneof(
    { depthSize: "small", maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.string({ unit, maxLength: 12 }),
    fc.array(tie("jsonValue"), { maxLength: 3 }),
    fc.dictionary(
      fc.string({ maxLength: 6 }).filter((key) => key !== "__proto__"),
      tie("jsonValue"),
      { maxKeys: 3, noNullPrototype: true },
    ),
  ),
}));

export const clientMessage = messageOf(CLIENT_MESSAGES) as fc.Arbitrary<unknown> as fc.Arbitrary<ClientMessage>;
export const serverMessage = messageOf(SERVER_MESSAGES) as fc.Arbitrary<unknown> as fc.Arbitrary<ServerMessage>;
