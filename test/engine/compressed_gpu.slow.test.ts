// Compressed adapters on a GPU, where tokens are gathered and sorted.

import { compressedBesidePlain } from "./compressed_case.ts";
import { onEachHost } from "./each_device.ts";

onEachHost("compressed adapters beside plain ones", (device) => compressedBesidePlain(device), ["gpu"]);
