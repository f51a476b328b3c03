// What an application says of its sources. Imports nothing, so that any compiler reads it.

/** Where adapters and mixtures come from that requests name and nobody has loaded. */
export interface SourceSettings {
  /**
   * Places whose folders are adapters and mixtures, by the folders' names: folders, s3://, gs://, az://, hf: and https:// addresses.
   * The first that has a name gives it.
   */
  sources?: readonly string[];
  /** Addresses below which a request may name a folder itself. Default: none. */
  allowSources?: readonly string[];
  /** The folder that keeps what was fetched. Default: `adapters` in molora's cache. */
  diskCache?: string;
  /** Bytes of it. Default: 20 GiB. */
  diskCacheBytes?: number;
  /** Bytes of one file that is fetched. Default: 1 GiB. */
  sourceFileBytes?: number;
  /** Hears what an operator should know: a damaged file in the cache, a place that cannot be asked. */
  onSourceProblem?: (problem: string) => void;
}
