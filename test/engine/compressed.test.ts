// Compressed adapters on the CPU; compressed_gpu.slow.test.ts does the same on a GPU.

import { compressedBesidePlain } from "./compressed_case.ts";
import { onEachHost } from "./each_device.ts";

onEachHost("compressed adapters beside plain ones", (device) => compressedBesidePlain(device), ["cpu"]);
