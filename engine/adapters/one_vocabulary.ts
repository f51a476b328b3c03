// Whether adapters that act together can agree on one embedding and one output head.

export interface Acting {
  name: string;
  adapter: { vocabulary?: { hash: string } };
  weight: number;
}

/**
 * Tables are replaced, not added to: at most one adapter of a stack may bring some, and only whole. Those that several bring
 * alike are of the resized base that they were all trained on. What is wrong, or undefined.
 */
export function disagreement(stack: readonly Acting[]): string | undefined {
  const bringing = stack.filter(({ adapter }) => adapter.vocabulary !== undefined);
  const [first] = bringing;
  if (first === undefined || (bringing.length === 1 && first.weight === 1)) return undefined;
  const second = bringing.find(({ adapter }) => adapter.vocabulary?.hash !== first.adapter.vocabulary?.hash);
  if (second === undefined && bringing.length > 1) return undefined;
  const reason = second ? `and so does "${second.name}"` : `and is weighed by ${first.weight}`;
  return `"${first.name}" has an embedding or a head of its own, ${reason}`;
}

export const AGREE = "Give it the weight 1, and stack it with adapters that change layers only.";
