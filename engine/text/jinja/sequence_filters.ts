// Jinja's filters of sequences.

import { bind } from "./arguments.ts";
import { atPath, entries, method } from "./attributes.ts";
import { testNamed } from "./tests.ts";
import {
  equal,
  type Given,
  isDict,
  isTrue,
  items,
  numberOf,
  order,
  str,
  TemplateRuntimeError,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

type Filter = (value: Value, given: Given) => Value;
/** How a filter is found that a template names in a text, as `map("upper")` does. */
type Named = (name: string) => Filter | undefined;

/** What is sorted or compared by: an attribute, and texts in one case unless asked otherwise. */
function key(attribute: Value, caseSensitive: boolean): (value: Value) => Value {
  return (value) => {
    const found = attribute === undefined || attribute === null ? value : atPath(value, attribute);
    return typeof found === "string" && !caseSensitive ? found.toLowerCase() : found;
  };
}

function sorted(values: readonly Value[], by: (value: Value) => Value, reverse: boolean): Value[] {
  const sign = reverse ? -1 : 1;
  return [...values].sort((a, b) => sign * order(by(a), by(b)));
}

function sort(value: Value, given: Given): Value {
  const args = bind("sort", given, ["reverse", "case_sensitive", "attribute"]);
  return sorted(items(value), key(args.value("attribute"), args.flag("case_sensitive")), args.flag("reverse"));
}

function dictsort(value: Value, given: Given): Value {
  const args = bind("dictsort", given, ["case_sensitive", "by", "reverse"]);
  if (!isDict(value)) throw new TemplateRuntimeError(`dictsort: ${typeName(value)} is no mapping`);
  const place = args.text("by", "key") === "value" ? 1 : 0;
  return sorted(entries(value), key(place, args.flag("case_sensitive")), args.flag("reverse"));
}

function unique(value: Value, given: Given): Value {
  const args = bind("unique", given, ["case_sensitive", "attribute"]);
  const by = key(args.value("attribute"), args.flag("case_sensitive"));
  const seen: Value[] = [];
  return items(value).filter((one) => {
    const found = by(one);
    if (seen.some((other) => equal(other, found))) return false;
    seen.push(found);
    return true;
  });
}

function join(value: Value, given: Given): Value {
  const args = bind("join", given, ["d", "attribute"]);
  const attribute = args.value("attribute");
  const found = attribute === undefined ? items(value) : items(value).map((one) => atPath(one, attribute));
  return found.map(str).join(str(args.value("d") ?? ""));
}

function extreme(name: string, sign: number): Filter {
  return (value, given) => {
    const args = bind(name, given, ["case_sensitive", "attribute"]);
    const by = key(args.value("attribute"), args.flag("case_sensitive"));
    return items(value).reduce<Value>(
      (best, one, i) => (i === 0 || sign * order(by(one), by(best)) > 0 ? one : best),
      undefined,
    );
  };
}

function sum(value: Value, given: Given): Value {
  const args = bind("sum", given, ["attribute", "start"]);
  const attribute = args.value("attribute");
  const start = numberOf(args.value("start") ?? 0);
  return items(value).reduce((total: number, one) => {
    const number = numberOf(attribute === undefined || attribute === null ? one : atPath(one, attribute));
    if (number === undefined) throw new TemplateRuntimeError("sum adds numbers");
    return total + number;
  }, start ?? 0);
}

/** What `map` and `select` go through: of None nothing, as of all that counts as false. */
function chosen(value: Value): readonly Value[] {
  return isTrue(value) ? items(value) : [];
}

function map(named: Named): Filter {
  return (value, { positional, named: given }) => {
    const attribute = given.get("attribute");
    if (positional.length === 0 && attribute !== undefined) {
      return chosen(value).map((one) => atPath(one, attribute, given.get("default")));
    }
    const [name, ...rest] = positional;
    const filter = typeof name === "string" ? named(name) : undefined;
    if (filter === undefined) throw new TemplateRuntimeError("map names no filter and no attribute");
    return chosen(value).map((one) => filter(one, { positional: rest, named: given }));
  };
}

/** `select`, `reject`, and the same by an attribute; without a test, what is true. */
function selection(keep: boolean, byAttribute: boolean): Filter {
  return (value, { positional, named }) => {
    const [attribute, ...behind] = byAttribute ? positional : [undefined, ...positional];
    const [name, ...rest] = behind;
    const test = name === undefined ? isTrue : (one: Value) => testNamed(name)(one, { positional: rest, named });
    return chosen(value).filter((one) => test(byAttribute ? atPath(one, attribute) : one) === keep);
  };
}

function groupby(value: Value, given: Given): Value {
  const args = bind("groupby", given, ["attribute", "default", "case_sensitive"]);
  const plain = (one: Value) => atPath(one, args.value("attribute"), args.value("default"));
  const by = (one: Value) => {
    const found = plain(one);
    return typeof found === "string" && !args.flag("case_sensitive") ? found.toLowerCase() : found;
  };
  const groups: { key: Value; grouper: Value; list: Value[] }[] = [];
  for (const one of sorted(items(value), by, false)) {
    const last = groups.at(-1);
    if (last !== undefined && equal(last.key, by(one))) last.list.push(one);
    else groups.push({ key: by(one), grouper: plain(one), list: [one] });
  }
  return groups.map(({ grouper, list }) => tuple(grouper, list));
}

function batch(value: Value, given: Given): Value {
  const args = bind("batch", given, ["linecount", "fill_with"]);
  const size = args.integer("linecount");
  if (size < 1) throw new TemplateRuntimeError("batch: linecount must be at least 1");
  const all = items(value);
  const fill = args.value("fill_with");
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => {
    const row = all.slice(i * size, (i + 1) * size);
    if (fill === undefined || fill === null) return row;
    return [...row, ...new Array<Value>(size - row.length).fill(fill)];
  });
}

/** `named` is asked only while a template runs. */
export function sequenceFilters(named: Named): [string, Filter][] {
  return [
    ["list", (value) => [...items(value)]],
    ["first", (value) => items(value)[0]],
    ["last", (value) => items(value).at(-1)],
    [
      "reverse",
      (value) => (typeof value === "string" ? [...items(value)].reverse().join("") : [...items(value)].reverse()),
    ],
    ["sort", sort],
    ["dictsort", dictsort],
    ["unique", unique],
    ["join", join],
    ["min", extreme("min", -1)],
    ["max", extreme("max", 1)],
    ["sum", sum],
    ["map", map(named)],
    ["select", selection(true, false)],
    ["reject", selection(false, false)],
    ["selectattr", selection(true, true)],
    ["rejectattr", selection(false, true)],
    ["groupby", groupby],
    ["batch", batch],
    ["attr", (value, given) => method(value, bind("attr", given, ["name"]).text("name"))],
  ];
}
