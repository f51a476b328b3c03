// Reads something once for all who ask for it in one turn of the event loop: dozens of metrics are told from one picture of
// an engine, which costs more the more adapters have a name.

export function onceATurn<T>(read: () => T): () => T {
  let kept: { value: T } | undefined;
  return () => {
    if (kept === undefined) {
      kept = { value: read() };
      setImmediate(() => {
        kept = undefined;
      });
    }
    return kept.value;
  };
}
