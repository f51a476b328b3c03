// What a request asks for a generation as, in code and in words: a recipe is a mixture to whoever names it.

export type NamedKind = "adapter" | "mixture";

export function namedKind({ kind }: { kind: NamedKind | "recipe" }): NamedKind {
  return kind === "adapter" ? "adapter" : "mixture";
}

export function withArticle(kind: NamedKind): string {
  return kind === "adapter" ? "an adapter" : "a mixture";
}
