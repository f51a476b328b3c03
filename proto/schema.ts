// The kinds of values that contract.ts is written with: what a value may be, and its number in protobuf.
// validate.ts and protobuf.ts walk the tables that are built of them.

/** What a value may be. `wire` is its protobuf type where that is not plain from `kind`. */
export type Spec =
  | { kind: "string"; min: number; max: number; oneOf?: readonly string[] }
  | { kind: "boolean" }
  /** `max`: most bytes. In JSON base64 text. */
  | { kind: "bytes"; max: number }
  | { kind: "integer"; wire: "uint32" | "uint64"; min: number; max: number }
  | { kind: "number"; wire: "float" | "double"; min: number; max: number; aboveMin: boolean }
  /** `deepest`: most levels, where they are not `MAX_JSON_DEPTH`. */
  | { kind: "json"; deepest?: number }
  | { kind: "list"; of: Spec; max: number }
  | ObjectSpec;

/** `message` is the protobuf name. Of each group in `exactlyOne` one field is set; of `atMostOne`, one or none. */
export interface ObjectSpec {
  kind: "object";
  message: string;
  fields: { readonly [name: string]: Field };
  exactlyOne: readonly (readonly string[])[];
  atMostOne: readonly (readonly string[])[];
}

export interface Field {
  /** Protobuf field number; never reused. */
  tag: number;
  spec: Spec;
  optional: boolean;
}

declare const meaning: unique symbol;
/** A spec whose accepted values have type T. The property exists for the compiler alone. */
export type Of<T, S extends Spec = Spec> = S & { readonly [meaning]?: T };

type RequiredField<T> = { tag: number; spec: Of<T>; optional: false };
type OptionalField<T> = { tag: number; spec: Of<T>; optional: true };

/** One field for every property of T, optional where T's is, so that a table that lacks one does not compile. */
type FieldsOf<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? OptionalField<Exclude<T[K], undefined>>
    : RequiredField<T[K]>;
};

export const need = <T>(tag: number, spec: Of<T>): RequiredField<T> => ({ tag, spec, optional: false });
export const may = <T>(tag: number, spec: Of<T>): OptionalField<T> => ({ tag, spec, optional: true });

/** Length in UTF-16 units. Without bounds only the frame's size limits it. */
export const string = (min = 0, max = Number.POSITIVE_INFINITY): Of<string> => ({ kind: "string", min, max });
export const oneOf = <T extends string>(...values: T[]): Of<T> => ({ kind: "string", min: 0, max: 64, oneOf: values });
export const bytes = (max: number): Of<Uint8Array> => ({ kind: "bytes", max });
export const boolean = (): Of<boolean> => ({ kind: "boolean" });
export const uint32 = (min = 0, max = 0xffff_ffff): Of<number> => ({ kind: "integer", wire: "uint32", min, max });
/** Up to 2^53 - 1: what a TypeScript number holds exactly. */
export const uint53 = (): Of<number> => ({ kind: "integer", wire: "uint64", min: 0, max: Number.MAX_SAFE_INTEGER });
/** Finite, min ≤ x ≤ max. */
export const double = (min = -Number.MAX_VALUE, max = Number.MAX_VALUE): Of<number> => ({
  kind: "number",
  wire: "double",
  min,
  max,
  aboveMin: false,
});
/** min < x ≤ max. */
export const doubleAbove = (min: number, max: number): Of<number> => ({
  kind: "number",
  wire: "double",
  min,
  max,
  aboveMin: true,
});
/** Rounded to the nearest float32 in every encoding, so that all of them carry the same value. */
export const float = (): Of<number> => ({
  kind: "number",
  wire: "float",
  min: -3.4028234663852886e38,
  max: 3.4028234663852886e38,
  aboveMin: false,
});
/** A JSON object of any content; a string holding its JSON text in protobuf. */
export const json = (deepest?: number): Of<Record<string, unknown>> => ({
  kind: "json",
  ...(deepest === undefined ? {} : { deepest }),
});
/** An empty list and an absent one are the same in every encoding, as in protobuf. */
export const list = <T>(of: Of<T>, max = Number.POSITIVE_INFINITY): Of<T[]> => ({ kind: "list", of, max });

export function object<T>(
  message: string,
  fields: FieldsOf<NoInfer<T>>,
  rules: { exactlyOne?: (keyof NoInfer<T> & string)[][]; atMostOne?: (keyof NoInfer<T> & string)[][] } = {},
): Of<T, ObjectSpec> {
  return {
    kind: "object",
    message,
    fields: fields as ObjectSpec["fields"],
    exactlyOne: rules.exactlyOne ?? [],
    atMostOne: rules.atMostOne ?? [],
  };
}
