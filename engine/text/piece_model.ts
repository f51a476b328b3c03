// What makes ids of one piece of text: bpe.ts and unigram.ts are two kinds of it.

export interface PieceModel {
  /** Unknown characters in a row are one unknown token; across pieces too, so that it is the caller's to do. */
  readonly fusesUnknown: boolean;
  readonly unknownId: number | undefined;
  /** Characters that have no tokens, see coverage.ts. */
  readonly vanishing: RegExp | "none" | "any";
  /** Appends the piece's ids to `out`. Yields between steps; what is done in between is the caller's to say. */
  encode(piece: string, out: number[]): Generator<undefined, void>;
  /** The ids of a short piece, as nearly all are, at once; undefined: it is a long one. */
  short(piece: string): readonly number[] | undefined;
}
