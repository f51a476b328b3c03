// Formats of strings as patterns: what they allow is right, though not all that is right is allowed (years from 1000 on,
// URLs with a host, addresses without quotes or comments).

const MONTH_DAY =
  "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
const LEAP_YEAR = "(?:[12]\\d(?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)";
const DATE = `(?:[12]\\d{3}-${MONTH_DAY}|${LEAP_YEAR}-02-29)`;
const CLOCK = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?";
const ZONE = "(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";

const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const GROUP = "[0-9a-fA-F]{1,4}";
const IPV6 = `(?:${[
  `(?:${GROUP}:){7}(?:${GROUP}|:)`,
  ...Array.from({ length: 7 }, (_, left) => {
    const before = left === 0 ? ":" : `(?:${GROUP}:){${left}}`;
    const most = 7 - left;
    return `${before}(?::|(?::${GROUP}){1,${most}})`;
  }),
].join("|")})`;

const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?";
const HOST = `${LABEL}(?:\\.${LABEL}){0,5}`;
const MAILBOX = "[A-Za-z0-9_+-]+(?:\\.[A-Za-z0-9_+-]+)*";
const EMAIL = `${MAILBOX}@(?:${LABEL}\\.){1,5}[A-Za-z]{2,12}`;

const PATH_CHAR = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const TAIL = `(?:\\?(?:${PATH_CHAR}|[/?])*)?(?:#(?:${PATH_CHAR}|[/?])*)?`;
const PORT = "(?::(?:6[0-4]\\d{3}|[1-5]\\d{4}|[1-9]\\d{0,3}))?";
const URL = `[a-z][a-z0-9+]{0,14}://${HOST}${PORT}(?:/${PATH_CHAR}*)*${TAIL}`;
const OPAQUE = `(?:mailto:${EMAIL}|urn:[a-z0-9][a-z0-9-]{1,30}:${PATH_CHAR}+)`;
const URI = `(?:${URL}|${OPAQUE})`;
const UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}";
const AMOUNT = "\\d{1,9}";
const SOME_OF = (...letters: string[]) =>
  letters
    .map(
      (letter, i) =>
        `${AMOUNT}${letter}${letters
          .slice(i + 1)
          .map((next) => `(?:${AMOUNT}${next})?`)
          .join("")}`,
    )
    .join("|");

const BODIES: Readonly<Record<string, string>> = {
  date: DATE,
  time: `${CLOCK}${ZONE}`,
  "date-time": `${DATE}T${CLOCK}${ZONE}`,
  duration: `P(?:(?:${SOME_OF("Y", "M", "D")})(?:T(?:${SOME_OF("H", "M", "S")}))?|T(?:${SOME_OF("H", "M", "S")})|${AMOUNT}W)`,
  email: EMAIL,
  "idn-email": EMAIL,
  hostname: HOST,
  "idn-hostname": HOST,
  ipv4: IPV4,
  ipv6: IPV6,
  cidrv4: `${IPV4}/(?:3[0-2]|[12]?\\d)`,
  cidrv6: `${IPV6}/(?:12[0-8]|1[01]\\d|[1-9]?\\d)`,
  uri: URI,
  url: URL,
  iri: URI,
  "uri-reference": `(?:${URI}|(?:/${PATH_CHAR}*)+${TAIL})`,
  "iri-reference": `(?:${URI}|(?:/${PATH_CHAR}*)+${TAIL})`,
  uuid: UUID,
  guid: UUID,
  "json-pointer": "(?:/(?:[^~/]|~[01])*)*",
  base64: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
  byte: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
  base64url: "[A-Za-z0-9_-]*",
  jwt: "[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*",
  e164: "\\+[1-9]\\d{6,14}",
  ulid: "[0-7][0-9A-HJKMNP-TV-Z]{25}",
  cuid: "c[a-z0-9]{8,30}",
  cuid2: "[a-z][0-9a-z]{1,31}",
  nanoid: "[A-Za-z0-9_-]{21}",
  xid: "[0-9a-v]{20}",
  ksuid: "[A-Za-z0-9]{27}",
};

/** zod's names of what its patterns beside them say. */
const NOTES = ["starts_with", "ends_with", "includes", "regex", "lowercase", "uppercase", "emoji"];

/** Whether a format only names the pattern that stands beside it. */
export function isNote(format: string): boolean {
  return NOTES.includes(format);
}

/** The pattern of a format, tied to both ends; undefined: it is unknown here. */
export function formatPattern(format: string): string | undefined {
  return Object.hasOwn(BODIES, format) ? `^${BODIES[format]}$` : undefined;
}

/** The bounds that formats of numbers stand for; undefined: unknown here. */
export function numberFormat(format: string): { min?: number; max?: number } | undefined {
  const bits = /^(u?)int(8|16|32|64)$/.exec(format);
  if (bits === null)
    return ["float", "double", "decimal", "uint"].includes(format)
      ? { ...(format === "uint" ? { min: 0 } : {}) }
      : undefined;
  const width = Number(bits[2]);
  if (bits[1] === "u") return { min: 0, max: 2 ** width - (width === 64 ? 2 ** 11 : 1) };
  return { min: -(2 ** (width - 1)), max: 2 ** (width - 1) - (width === 64 ? 2 ** 10 : 1) };
}
