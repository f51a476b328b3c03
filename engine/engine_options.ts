// What an engine can be told when it starts.
// It imports nothing: an application's compiler reads it, which may know neither WebGPU's types nor a browser's.

/** What dense weights are held in on the device. `auto`: as stored, bf16 as f16. */
export type WeightDtype = "f32" | "f16" | "q8_0" | "q4_0" | "auto";

/** auto: a hardware GPU where there is one, else the CPU. */
export type DeviceChoice = "auto" | "gpu" | "cpu";

export interface DeviceOptions {
  /** Default auto. */
  device?: DeviceChoice;
  /** Threads of the CPU device. Default: the cores this process may use. */
  threads?: number;
}

export interface EngineOptions extends DeviceOptions {
  /** Folder or GGUF file of the base model. */
  model: string;
  /** PEFT folders by the names requests will use. */
  adapters?: Record<string, string>;
  /** Mixture folders by name. Their experts' adapters are loaded along. */
  mixtures?: Record<string, string>;
  /** Recipes by name: recipe.json files, or their folders. Requests ask for them as mixtures. */
  recipes?: Record<string, string>;
  /** What dense weights are held in on the device. Default `auto`: as stored, bf16 as f16. */
  dtype?: WeightDtype;
  /**
   * What activations are held in between linear layers: f32, exact, or q8, which rounds them to int8 in blocks of 32 where
   * they meet quantised weights. Default: f32 on a GPU; on the CPU q8 where the model's sizes allow it, as llama.cpp does.
   */
  activations?: "f32" | "q8";
  /**
   * What keys and values are held in: f32, or f16, which takes half the memory of them and rounds them; those beyond ±65504
   * become ±65504. Default f32.
   */
  kvDtype?: "f32" | "f16";
  /**
   * What A and B of adapters are held in, on the device and in host memory: f32, as exact as their files; f16, half of that;
   * q8_0, int8 in blocks of 32, about a third; q4_0, 4 bits, a fifth. More adapters fit then. Default f32.
   */
  adapterDtype?: "f32" | "f16" | "q8_0" | "q4_0";
  /** Longest sequence, in tokens. Default: the model's own, at most 8192. */
  contextLength?: number;
  /** Variables of the chat template (`{ enable_thinking: false }`) for every request, under those that it gives itself. */
  chatTemplateKwargs?: Record<string, unknown>;
  /** Device bytes for KV and adapters together. Default: 2 GiB on a GPU, 512 MiB on the CPU. */
  poolBytes?: number;
  /**
   * Bytes of host memory for adapters and mixtures, packed as the device reads them; an embedding and a head of an adapter's
   * own, which lie on the device as long as it lies here, count too. Beyond it those that nobody uses give way, and are read
   * again when somebody asks for them. Default: no limit.
   */
  hostCacheBytes?: number;
  /** Which adapters give way, on the device and in host memory: those used longest ago (`lru`, the default), or the least popular of late. */
  eviction?: "lru" | "popular";
  /** Most requests that run at once. Default 32. */
  maxSequences?: number;
  /**
   * Milliseconds that a waiting request whose adapters or pages do not fit may be passed by later ones that do. Then those that run
   * drain until it fits. Default: no limit in time; it is passed 32 times at most.
   */
  drainAfterMs?: number;
  /** Keep KV of earlier requests for those that begin alike, while nothing else needs its memory. Default true. */
  prefixCache?: boolean;
  /** Most tokens in a step. Default 240. */
  maxBatchTokens?: number;
  /** Most requests that wait. Default 1024. */
  maxQueue?: number;
  /** Highest rank an adapter can have. Default 64. */
  maxRank?: number;
  /** Most tokens that an adapter may add to the base's vocabulary. Default 256. */
  extraVocabulary?: number;
  /**
   * How far the share of parameters on which the adapters of a stack, mixture or recipe agree in sign may fall behind a new
   * generation of one of them, before an alert is raised. Default .05; 0: nothing is watched.
   */
  agreementDrop?: number;
  /** Tokens on either side of such a change that are compared. Default 256. */
  agreementWindow?: number;
  /** Called while weights are read: bytes done and in all. */
  onProgress?: (done: number, total: number) => void;
  /**
   * Called before the base's weights are read where so many bytes too few are free, kept bases given up already: whoever can give up
   * some does, and the load goes on behind it.
   */
  onPressure?: (bytes: number) => Promise<void>;
  /** Called while programs are compiled for a GPU: programs done and in all. */
  onCompile?: (done: number, total: number) => void;
  /**
   * Called when the device was lost. The base is then read onto another one and what ran is computed again there; where that cannot
   * be, `ended` resolves.
   */
  onDeviceLost?: (error: { code: string; message: string }) => void;
}
